"""Write a figure as a picture that names its maker, and replace only such pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from physioprep.atomic import temporary_file
from physioprep.errors import PhysioprepError
from physioprep.outputs import MAKER, PICTURE, check_output
from physioprep.plain_text import plain_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS: Final = (".png", ".pdf", ".svg")


def save_picture(
    figure: Figure,
    path: Path,
    *,
    dpi: float = 110.0,
    error: type[PhysioprepError] = PhysioprepError,
) -> Path:
    """Write a figure, whole or not at all.

    Parameters
    ----------
    figure : Figure
        What to write.
    path : Path
        ``.png``, ``.pdf`` or ``.svg``; an older picture of ours is replaced, nothing else is.
    dpi : float
        Dots per inch of a ``.png``.
    error : type of PhysioprepError
        What to raise.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    PhysioprepError
        The file extension is another, or something else is there, or a link.
    """
    if path.suffix.lower() not in ENDINGS:
        raise error(f"{path}: the file extension of a picture is .png, .pdf or .svg")
    check_output(path, PICTURE, overwrite=True, error=error)
    key = "Software" if path.suffix.lower() == ".png" else "Creator"
    with temporary_file(path) as temporary:
        plain_figure(figure).savefig(temporary, dpi=dpi, metadata={key: MAKER})
    return path
