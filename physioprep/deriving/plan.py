"""What is derived from which records of a store, and by whom: known before the work begins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from physioprep.deriving.delineation import method_named
from physioprep.deriving.own_method import version_of
from physioprep.deriving.paper.record import n_pages
from physioprep.deriving.paper.spec import PictureSpec
from physioprep.deriving.pulses import MODALITIES as PULSATILE
from physioprep.deriving.tables import KINDS
from physioprep.errors import PhysioprepError
from physioprep.hashes import canonical_sha256
from physioprep.shards.candidates import chosen_records
from physioprep.shards.spec import ShardSpec
from physioprep.stream.wavelets import ScalogramSpec, wavelets

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from physioprep.shards.source import Source, SourceGroup

#: Version of the tables: what an earlier version made is not continued.
VERSION: Final = 4
#: Seconds of signal per task, over all channels.
TASK_S: Final = 3600.0
#: A scalogram takes so much longer than what else is derived.
_SLOWER: Final = 6.0
#: Modality that each kind is derived from, and the unit that its samples need.
_FROM: Final = {"beats": "ecg", "eeg": "eeg", "pictures": "ecg", "pairs": "ecg"}
_UNIT: Final = {"beats": "mV", "eeg": "uV", "pairs": "mV"}
#: What is derived where nothing is chosen.
DEFAULT: Final = ("beats", "eeg")
_MICROVOLT: Final = ("uV", "µV", "μV")


@dataclass(frozen=True)
class DerivePlan:
    """What is derived.

    Parameters
    ----------
    store_sha256 : str
        Of the store's list of hashes.
    kinds : tuple of str
        Keys of `KINDS`.
    method : str
        Of delineation.
    method_version : str or None
        Of a method that is not ours (`physioprep.deriving.own_method.version_of`).
    window_s : float
        Length of the windows of EEG features, s.
    where : str or None
        Which records.
    neurokit2 : str
        Version of the library that delineates.
    pictures : PictureSpec or None
        How pictures look; None where none are drawn.
    pillow : str or None
        Version of the library that writes them.
    scalograms : ScalogramSpec or None
        How scalograms are made; None where none are.
    scalograms_of : str or None
        Modality that they are of.
    tasks : tuple of (str, int, int)
        Kind, first record or window, and the one after the last, by row of the store's records or
        number in the shards.
    of : {"store", "shards"}
        Whether records or windows are derived from; `store_sha256` is then that of the shards'
        plan.
    """

    store_sha256: str
    kinds: tuple[str, ...]
    method: str
    method_version: str | None
    window_s: float
    where: str | None
    neurokit2: str
    pictures: PictureSpec | None
    pillow: str | None
    scalograms: ScalogramSpec | None
    scalograms_of: str | None
    tasks: tuple[tuple[str, int, int], ...]
    version: int = VERSION
    of: str = "store"

    @cached_property
    def sha256(self) -> str:
        """Hash of all that decides the bytes of the tables.

        Returns
        -------
        str
        """
        return canonical_sha256(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as JSON values.

        Returns
        -------
        dict
        """
        return asdict(self)


def plan_derive(
    source: Source,
    kinds: tuple[str, ...] | None,
    method: str,
    window_s: float,
    where: str | None,
    pictures: PictureSpec | None = None,
    scalograms: ScalogramSpec | None = None,
    scalograms_of: str = "ecg",
) -> DerivePlan:
    """Plan what to derive from a store.

    Parameters
    ----------
    source : Source
        The store, opened.
    kinds : tuple of str or None
        Keys of `KINDS`; None: all that the store has signals for.
    method : str
        Of delineation.
    window_s : float
        Length of the windows of EEG features, s.
    where : str or None
        Query on the store's records.
    pictures : PictureSpec, optional
        How pictures look, where these are among the kinds.
    scalograms : ScalogramSpec, optional
        How scalograms are made, where these are among the kinds.
    scalograms_of : str
        Modality that they are of.

    Returns
    -------
    DerivePlan

    Raises
    ------
    PhysioprepError
        The store has no signals for a kind, or in another unit; a method or query is wrong.
    """
    from importlib.metadata import version

    method_named(method)
    if not 1 <= window_s < np.inf:
        raise PhysioprepError(f"window of {window_s:g} s: 1 s or more")
    held = tuple(kind for kind in DEFAULT if _FROM[kind] in source.groups)
    kinds = held if kinds is None else kinds
    if not kinds:
        raise PhysioprepError(f"{source.path}: holds neither ecg nor eeg{_instead(source)}")
    tasks: list[tuple[str, int, int]] = []
    chosen = chosen_records(source.records, ShardSpec(where=where))
    for kind in kinds:
        if kind == "pictures":
            pictures = (pictures or PictureSpec()).resolved(source.groups)
        of = pictures.of if kind == "pictures" and pictures else scalograms_of
        group = _group_of(source, kind, of)
        if kind == "pictures":
            assert pictures is not None
            pictures.rows_of(tuple(group.channels))  # refuses a layout without any lead
            cuts = _cut(_pages(group, pictures) * chosen, pictures.per_tar)
        elif kind == "scalograms":
            scalograms = scalograms or ScalogramSpec()
            wavelets(scalograms, group.rate_hz, round(window_s * group.rate_hz))  # refuses
            cuts = _cut(_seconds(group) * chosen, TASK_S / _SLOWER)
        elif kind == "pairs":
            waves = [source.groups[name] for name in PULSATILE if name in source.groups]
            cuts = _cut(sum(map(_seconds, waves), np.zeros(len(chosen))) * chosen, TASK_S)
        else:
            cuts = _cut(_seconds(group) * chosen, TASK_S)
        tasks += [(kind, first, stop) for first, stop in cuts]
    if not tasks:
        raise PhysioprepError(f"{source.path}: no record is chosen")
    return DerivePlan(
        source.sums_sha256, tuple(kinds), method, version_of(method), window_s, where,
        version("neurokit2"),
        pictures if "pictures" in kinds else None,
        version("pillow") if "pictures" in kinds else None,
        scalograms if "scalograms" in kinds else None,
        scalograms_of if "scalograms" in kinds else None, tuple(tasks),
    )  # fmt: skip


def check_unit(path: str | Path, kind: str, modality: str, units: Iterable[str]) -> None:
    """Refuse signals in another unit than a kind is derived from.

    Parameters
    ----------
    path : path-like
        Of store or shards, for the message.
    kind : str
        A key of `KINDS`.
    modality : str
        That it is derived from.
    units : iterable of str
        Of the channels.

    Raises
    ------
    PhysioprepError
        A unit is another one.
    """
    unit = ("uV" if modality == "eeg" else "mV") if kind == "pictures" else _UNIT.get(kind)
    odd = {each for each in units if each not in (unit, *(_MICROVOLT * (unit == "uV")))}
    if unit is not None and odd:
        raise PhysioprepError(
            f"{path}: its {modality} is in {', '.join(sorted(odd))}; {kind} are made of {unit}: "
            "ingest it with a recipe"
        )


def _group_of(source: Source, kind: str, of: str) -> SourceGroup:
    """Return the signals that a kind is derived from, in the unit that it needs."""
    modality = modality_of(kind, of)
    if kind == "pairs":
        held = [name for name in PULSATILE if name in source.groups]
        if not held:
            raise PhysioprepError(
                f"{source.path}: holds neither ppg nor abp, beside which pairs are"
            )
        if modality not in source.groups:  # pulses and pressures without a lag
            return source.groups[held[0]]
    if modality not in source.groups:
        hint = _instead(source) if kind == "scalograms" else ""
        raise PhysioprepError(f"{source.path}: holds no {modality}, of which {kind} are made{hint}")
    group = source.groups[modality]
    check_unit(source.path, kind, modality, group.units)
    return group


def _instead(source: Source) -> str:
    """Say what can be made of signals that have no tables."""
    pairs = ", --pairs" if any(name in source.groups for name in PULSATILE) else ""
    works = [f"--scalograms --scalograms-of {name}" for name in source.groups]
    return f"; of what it holds can be made: {', '.join(works)}{pairs}" if works else ""


def _seconds(group: SourceGroup) -> NDArray[np.float64]:
    """Return the seconds of each record, all channels together."""
    return np.asarray(group.length * group.present.sum(axis=1) / group.rate_hz, np.float64)


def _pages(group: SourceGroup, spec: PictureSpec) -> NDArray[np.int64]:
    lengths = group.length * group.present.any(axis=1)
    return np.array([n_pages(spec, each, group.rate_hz) for each in lengths.tolist()], np.int64)


def _cut(amount: NDArray[Any], most: float) -> list[tuple[int, int]]:
    """Cut records where so much is reached: first, and the one after the last."""
    number = (np.cumsum(amount) - amount) // most
    first = np.flatnonzero(np.r_[True, number[1:] != number[:-1]]).tolist()
    return [
        (begin, end)
        for begin, end in zip(first, [*first[1:], len(amount)], strict=True)
        if amount[begin:end].any()
    ]


def modality_of(kind: str, of: str) -> str:
    """Return the modality that a kind is derived from.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    of : str
        What pictures and scalograms are of; "" for the default.

    Returns
    -------
    str
    """
    assert kind in KINDS
    return of if kind == "scalograms" or (kind == "pictures" and of) else _FROM[kind]
