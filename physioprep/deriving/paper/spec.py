"""How pictures of ECG look: all that decides their pixels, besides the samples."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from physioprep.bounds import SEED
from physioprep.deriving.paper.montage import MONTAGES, montage_channels
from physioprep.drawing.ecg import CLINICAL_ROWS, MAJOR, MINOR, PAPER, STANDARD_MM_PER_MV
from physioprep.drawing.page import MM_PER_S
from physioprep.errors import PhysioprepError
from physioprep.suggest import did_you_mean

_LIMB, _CHEST = ("I", "II", "III", "aVR", "aVL", "aVF"), ("V1", "V2", "V3", "V4", "V5", "V6")
TWELVE: Final = (*_LIMB, *_CHEST)
#: Leads by layout, row by row from the top. Columns follow each other in time.
LAYOUTS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "3x4": CLINICAL_ROWS,
    "3x4+1": (*CLINICAL_ROWS, ("II",)),
    "6x2": tuple(zip(_LIMB, _CHEST, strict=True)),
    "12x1": tuple((lead,) for lead in TWELVE),
}
#: One row for each lead of the store; and: 3x4+1 where the store has the twelve leads, else rows.
ROWS: Final = "rows"
AUTO: Final = "auto"
SPEEDS: Final = (25.0, 50.0)
EEG_SPEEDS: Final = (15.0, 25.0, 30.0, 50.0, 60.0)
GAINS: Final = (5.0, 10.0, 20.0)
#: Sensitivity of EEG, unless another is asked for.
UV_PER_MM: Final = 7.0
#: Colours of paper, thin lines and thick lines.
GRIDS: Final = {
    "auto": (PAPER, MINOR, MAJOR),  # of ECG; EEG has grey
    "pink": (PAPER, MINOR, MAJOR),
    "red": ("#ffffff", "#f7b5b0", "#e0655c"),
    "blue": ("#ffffff", "#cfe0f5", "#8fb4e0"),
    "green": ("#ffffff", "#d2ead2", "#93c793"),
    "grey": ("#ffffff", "#e4e4e4", "#b8b8b8"),
    "none": ("#ffffff", "#ffffff", "#ffffff"),
}
AUGMENTATIONS: Final = ("rotation", "crease", "shadow", "jpeg")
#: Pixels of a side.
_MOST_PX: Final = 10_000


@dataclass(frozen=True)
class PictureSpec:
    """How pictures of ECG or EEG look.

    Parameters
    ----------
    layout : str
        A key of `LAYOUTS`; ``"rows"``: one row for each lead of the store; ``"auto"``: 3x4+1
        where the store has the twelve leads, else rows.
    mm_per_s : float
        25 or 50; of EEG also 15, 30 or 60.
    mm_per_mv : float
        5, 10 or 20.
    dpi : float
        Dots per inch, where no `size` is given.
    size : (int, int), optional
        Width and height in pixels: the page is made as large as fits, in the middle.
    grid : str
        A key of `GRIDS`, or the colours of paper, thin and thick lines, ``#rrggbb`` each, with
        commas between; ``"auto"``: pink of ECG, grey of EEG.
    names : bool
        Whether leads are named.
    pulse : bool
        Whether a calibration pulse of 1 mV and 0.2 s stands before each row; below EEG a bar of
        1 s and a round number of µV.
    text : bool
        Whether speed and gain are printed below. Nothing else ever is.
    page_s : float
        Seconds of a page.
    pages : int
        Pages of a record at most, from its start; 0: all.
    augment : tuple of str
        Of `AUGMENTATIONS`, seeded for each picture.
    seed : int
        Of augmentation.
    tars : bool
        WebDataset tars instead of picture files.
    per_tar : int
        About how many pictures a tar holds, or a folder of picture files.
    of : {"auto", "ecg", "eeg"}
        Which signal of the store; ``"auto"``: the ECG, where there is none the EEG.
    uv_per_mm : float
        Sensitivity of EEG, whose negative is up.
    montage : {"stored", "average", "linked-mastoids", "tcp"}
        Of EEG: as it is in the store, or computed as by a recipe's ``reference``.

    Raises
    ------
    PhysioprepError
        A value is not among these.

    Examples
    --------
    >>> PictureSpec(mm_per_s=31)
    Traceback (most recent call last):
        ...
    physioprep.errors.PhysioprepError: paper speed 31 mm/s: 15, 25, 30, 50, 60
    """

    layout: str = AUTO
    mm_per_s: float = MM_PER_S
    mm_per_mv: float = STANDARD_MM_PER_MV
    dpi: float = 100.0
    size: tuple[int, int] | None = None
    grid: str = "auto"
    names: bool = True
    pulse: bool = True
    text: bool = False
    page_s: float = 10.0
    pages: int = 1
    augment: tuple[str, ...] = ()
    seed: int = 0
    tars: bool = False
    per_tar: int = 500
    of: str = AUTO
    uv_per_mm: float = UV_PER_MM
    montage: str = "stored"

    def __post_init__(self) -> None:
        """Refuse what cannot be drawn."""
        _among("signal", self.of, (AUTO, "ecg", "eeg"))
        _among("montage", self.montage, MONTAGES)
        _among("layout", self.layout, (*LAYOUTS, ROWS, AUTO))
        if self.of == "eeg" and self.layout in LAYOUTS:
            raise PhysioprepError(f"layout {self.layout}: of ECG; EEG has a row a channel")
        if self.of == "ecg" and (self.montage != "stored" or self.uv_per_mm != UV_PER_MM):
            raise PhysioprepError("montage and sensitivity are of EEG, and pictures here of ECG")
        if self.of == "eeg" and self.mm_per_mv != STANDARD_MM_PER_MV:
            raise PhysioprepError("gain is of ECG; the scale of EEG is its sensitivity, µV/mm")
        for name in self.augment:
            _among("augmentation", name, AUGMENTATIONS)
        for said, value, allowed in (
            ("paper speed {:g} mm/s", self.mm_per_s, SPEEDS if self.of == "ecg" else EEG_SPEEDS),
            ("gain {:g} mm/mV", self.mm_per_mv, GAINS),
        ):
            if value not in allowed:
                fit = ", ".join(f"{each:g}" for each in allowed)
                raise PhysioprepError(f"{said.format(value)}: {fit}")
        if not 10 <= self.dpi <= 1200:
            raise PhysioprepError(f"{self.dpi:g} dpi: 10 to 1200")
        if self.size is not None and not all(16 <= each <= _MOST_PX for each in self.size):
            raise PhysioprepError(f"size {self.size}: 16 to {_MOST_PX} pixels a side")
        if not 0.1 <= self.uv_per_mm <= 1000:
            raise PhysioprepError(f"sensitivity {self.uv_per_mm:g} µV/mm: 0.1 to 1000")
        if not 1 <= self.page_s <= 120:
            raise PhysioprepError(f"page of {self.page_s:g} s: 1 to 120 s")
        for name, number in (("pages", self.pages), ("per_tar", self.per_tar - 1)):
            if number < 0:
                raise PhysioprepError(f"{name} is negative, or no picture")
        if not SEED.least <= self.seed <= SEED.most:
            raise PhysioprepError(f"seed {self.seed}: {SEED.least} to {SEED.most:.0f}")
        colours_of(self.grid)

    @property
    def rise_mm(self) -> float:
        """Millimetres upwards of a millivolt: of EEG below 0, since its negative is up.

        Returns
        -------
        float
        """
        return -1000 / self.uv_per_mm if self.of == "eeg" else self.mm_per_mv

    def resolved(self, modalities: Collection[str]) -> PictureSpec:
        """Return the spec with what ``"auto"`` means for a store.

        Parameters
        ----------
        modalities : collection of str
            What the store holds.

        Returns
        -------
        PictureSpec
            `of` is ``"ecg"`` or ``"eeg"``.

        Raises
        ------
        PhysioprepError
            A choice is of the other signal.
        """
        of = self.of
        if of == AUTO:
            of = "eeg" if "eeg" in modalities and "ecg" not in modalities else "ecg"
        grid = "grey" if of == "eeg" and self.grid == AUTO else self.grid
        return replace(self, of=of, grid=grid)

    def rows_of(self, channels: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
        """Return the rows of leads for a store.

        Parameters
        ----------
        channels : tuple of str
            The leads of the store.

        Returns
        -------
        tuple of tuple of str

        Raises
        ------
        PhysioprepError
            The store has none of the leads of the layout.
        """
        if self.of == "eeg":
            return tuple((name,) for name in montage_channels(channels, self.montage))
        layout = self.layout
        if layout == AUTO:
            layout = "3x4+1" if set(TWELVE) <= set(channels) else ROWS
        if layout == ROWS:
            return tuple((lead,) for lead in channels)
        rows = LAYOUTS[layout]
        if not {lead for row in rows for lead in row} & set(channels):
            raise PhysioprepError(
                f"the store has none of the leads of layout {layout}, but "
                f"{', '.join(channels)}: take layout rows"
            )
        return rows


def spec_from(content: Mapping[str, Any]) -> PictureSpec:
    """Return a spec from JSON values, whose tuples are lists.

    Parameters
    ----------
    content : mapping
        The fields of `PictureSpec`.

    Returns
    -------
    PictureSpec
    """
    tuples: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in content.items()
    }
    return PictureSpec(**tuples)


def _among(what: str, name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        hint = did_you_mean(name, names) or f": {', '.join(names)}"
        raise PhysioprepError(f"no {what} {name!r}{hint}")


def colours_of(grid: str) -> tuple[str, str, str]:
    """Return the colours of a grid: paper, thin lines, thick lines.

    Parameters
    ----------
    grid : str
        A key of `GRIDS`, or three colours ``#rrggbb`` with commas between.

    Returns
    -------
    tuple of str

    Raises
    ------
    PhysioprepError
        It is neither.

    Examples
    --------
    >>> colours_of("#ffffff,#eeeeee,#cccccc")
    ('#ffffff', '#eeeeee', '#cccccc')
    """
    if grid in GRIDS:
        return GRIDS[grid]
    parts = grid.split(",")
    if len(parts) != 3 or not all(re.fullmatch(r"#[0-9a-fA-F]{6}", part) for part in parts):
        raise PhysioprepError(
            f"grid {grid!r}: {', '.join(GRIDS)}, or paper, thin and thick lines as "
            "#rrggbb,#rrggbb,#rrggbb"
        )
    return parts[0], parts[1], parts[2]


def augmentations_of(text: str) -> tuple[str, ...]:
    """Return the augmentations that a text names.

    Parameters
    ----------
    text : str
        Names with commas between, or ``"all"``.

    Returns
    -------
    tuple of str
        In their order of `AUGMENTATIONS`; a name that is none of these comes last.

    Examples
    --------
    >>> augmentations_of("shadow,rotation"), augmentations_of("")
    (('rotation', 'shadow'), ())
    """
    names = [name.strip() for name in text.split(",") if name.strip()]
    if names == ["all"]:
        return AUGMENTATIONS
    known = [name for name in AUGMENTATIONS if name in names]
    return (*known, *(name for name in names if name not in known))


def size_of(text: str) -> tuple[int, int]:
    """Return the width and height that a text names.

    Parameters
    ----------
    text : str
        Such as ``"1024x768"``.

    Returns
    -------
    (int, int)

    Raises
    ------
    PhysioprepError
        It is no size.

    Examples
    --------
    >>> size_of("1024x768")
    (1024, 768)
    """
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text.strip())
    if found is None:
        raise PhysioprepError(f"size {text!r}: WIDTHxHEIGHT in pixels, such as 1024x768")
    return int(found[1]), int(found[2])
