"""Which windows of shards are trained on, which choose the epoch, and which are scored at the end.

The column ``split`` decides: windows of the part "train" are trained on, those of "validation"
choose the epoch, and those of "test" are answered once, by the finished model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from physioprep.shards import Shards


@dataclass(frozen=True)
class Parts:
    """Queries on the window manifest, one per use.

    Parameters
    ----------
    train : str or None
        Windows to train on. None: all.
    validation, test : str or None
        Windows that choose the epoch, and windows that are scored. None: there are none.
    """

    train: str | None
    validation: str | None = None
    test: str | None = None


def parts_of(shards: Shards, where: str | None) -> Parts:
    """Return the parts of the chosen windows.

    Parameters
    ----------
    shards : Shards
        Opened.
    where : str or None
        Query on the window manifest: the windows to use. None: all.

    Returns
    -------
    Parts
        Without validation and test where the chosen windows have no split, or none of them is in
        its part "train": then all of them are trained on, as was asked for.
    """
    table = shards.windows
    if "split" not in table:
        return Parts(where)
    chosen = table["split"] if where is None else table["split"][shards.mask(where)]
    held = set(chosen.dropna())
    if "train" not in held:
        return Parts(where)

    def query(part: str) -> str | None:
        if part not in held:
            return None
        own = f"split == {part!r}"
        return own if where is None else f"({where}) and {own}"

    alone = held == {"train"} and bool(chosen.notna().all())
    return Parts(where if alone else query("train"), query("validation"), query("test"))
