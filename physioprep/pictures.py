"""Write a figure as a picture that names its maker, and replace only such pictures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from physioprep.atomic import make_folders, temporary_file
from physioprep.errors import PhysioprepError
from physioprep.outputs import MAKER, PICTURE, check_output
from physioprep.plain_text import plain_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ENDINGS: Final = (".png", ".pdf", ".svg")


def picture_at(out: Path, record_id: str) -> Path:
    """Return the file for the picture of a record.

    Parameters
    ----------
    out : Path
        The file itself, or a folder that is there.
    record_id : str
        Of a folder, ``RECORD.png`` is meant; an id with ``/`` stands in sub-folders.

    Returns
    -------
    Path

    Raises
    ------
    PhysioprepError
        It would lie outside the folder, or the file has another extension.
    """
    if not out.is_dir() or out.suffix.lower() in ENDINGS:
        _check_ending(out, PhysioprepError)
        return out
    path = out / f"{record_id}.png"
    if out.resolve() not in path.resolve().parents:  # a hostile corpus may name one ../../x
        raise PhysioprepError(f"record {record_id}: its picture would lie outside {out}")
    return path


def save_picture(
    figure: Figure,
    path: Path,
    *,
    dpi: float = 110.0,
    inputs: Iterable[str | Path] = (),
    error: type[PhysioprepError] = PhysioprepError,
) -> Path:
    """Write a figure, whole or not at all.

    Parameters
    ----------
    figure : Figure
        What to write.
    path : Path
        ``.png``, ``.pdf`` or ``.svg``; an older picture of ours is replaced, nothing else is.
        Its folder is made where it is missing.
    dpi : float
        Dots per inch of a ``.png``.
    inputs : iterable of path-like
        What it was drawn from, which it may not replace.
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
    _check_ending(path, error)
    check_output(path, PICTURE, overwrite=True, inputs=inputs, error=error)
    key = "Software" if path.suffix.lower() == ".png" else "Creator"
    make_folders(path.parent)
    with temporary_file(path) as temporary:
        plain_figure(figure).savefig(temporary, dpi=dpi, metadata={key: MAKER})
    return path


def _check_ending(path: Path, error: type[PhysioprepError]) -> None:
    if path.suffix.lower() not in ENDINGS:
        raise error(f"{path}: the file extension of a picture is .png, .pdf or .svg")
