"""Windows as an LMDB with the keys and values of CBraMod's datasets."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import PhysioprepError, ShardError
from physioprep.harmonise.units import UnknownUnitError, factor
from physioprep.plain_text import first_names
from physioprep.shard_exports.windows import (
    Progress,
    chosen_modalities,
    chosen_windows,
    is_known,
    read_windows,
    splits_of,
)
from physioprep.shards.opened import Shards
from physioprep.shards.target import epochs_of

WITHOUT_LMDB: Final = "needs lmdb: pip install 'physioprep[export]'"
#: CBraMod's names of splits, by those of shards.
SPLITS: Final = {
    "train": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test",
}  # fmt: skip
_PAGE: Final = 4096


def write_lmdb(
    shards: Shards,
    folder: Path,
    *,
    label: str | None = None,
    modality: str | None = None,
    patch_s: float = 1.0,
    where: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write windows as CBraMod's ``CustomDataset`` and ``PretrainingDataset`` read them.

    Parameters
    ----------
    shards : Shards
    folder : Path
        Empty.
    label : str, optional
        Under ``__keys__`` are then lists of keys by ``train``, ``val``, ``test``, and a value is
        ``{"sample": array, "label": int}`` (float for a number, uint8 array for several
        classes). Windows without it, or without a split, are left out and counted. None:
        ``__keys__`` is one list, and values are arrays alone.
    modality : str, optional
        Default: eeg, or the only one.
    patch_s : float
        Length of a patch, s. Samples are float32 (channel, patch, time).
    where : str, optional
        Pandas query on the window manifest.
    progress : callable, optional
        Called with (chunks done, chunks in all).

    Returns
    -------
    dict
        ``windows`` by split, ``left out`` by reason, ``missing samples``.

    Raises
    ------
    PhysioprepError
        lmdb is missing.
    ShardError
        Windows are no whole patches, a split has a name that CBraMod does not know, or the
        label does not fit.

    Notes
    -----
    Values are pickles, as CBraMod reads them: open such files only from people whom you trust.
    EEG is in µV, which CBraMod divides by 100; other modalities keep their unit.

    References
    ----------
    github.com/wjq-learning/CBraMod: datasets/physio_dataset.py, datasets/pretraining_dataset.py,
    preprocessing/preprocessing_physio.py.
    """
    try:
        import lmdb
    except ModuleNotFoundError:
        raise PhysioprepError(f"LMDB {WITHOUT_LMDB}") from None
    name = _modality(shards, modality)
    held = shards.modalities[name]
    patch = _patch(shards, name, patch_s)
    scale = _to_microvolts(held.units) if name == "eeg" else None
    chosen = chosen_windows(shards, where)
    left_out: dict[str, int] = {}
    full = None
    keys: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    splits = splits_of(shards)
    if label is not None:
        full, chosen, left_out = _labelled(shards, label, chosen, splits)
    every: list[str] = []
    missing = 0
    size = 4 * len(held.channels) * held.n_samples + 4 * _PAGE
    room = 2 * int(chosen.sum()) * size + (64 << 20)
    with lmdb.open(str(folder), map_size=room, lock=False, sync=False, metasync=False) as base:
        for windows in read_windows(shards, [name], chosen, progress):
            values = windows.signals[name]
            values = values if scale is None else values * scale[:, None]
            values = values.reshape(len(values), len(held.channels), -1, patch)
            missing += windows.missing()
            with base.begin(write=True) as change:
                for row, number in enumerate(windows.numbers.tolist()):
                    value: Any = np.ascontiguousarray(values[row])
                    if full is not None:
                        code = windows.labels[full][row]
                        value = {"sample": value, "label": code if code.ndim else code.item()}
                        keys[SPLITS[splits[number]]].append(key_of(number))
                    every.append(key_of(number))
                    change.put(key_of(number).encode(), pickle.dumps(value, protocol=4))
        with base.begin(write=True) as change:
            listed = every if full is None else keys
            change.put(b"__keys__", pickle.dumps(listed, protocol=4))
        base.sync(True)
    counts = {split: len(each) for split, each in keys.items()} if full else {"all": len(every)}
    return {"windows": counts, "left out": left_out, "missing samples": missing}


def key_of(number: int) -> str:
    """Return the key of a window: keys are in the order of the shards.

    Parameters
    ----------
    number : int
        Of the window.

    Returns
    -------
    str

    Examples
    --------
    >>> key_of(208)
    '00000208'
    """
    return f"{number:08d}"


def _modality(shards: Shards, modality: str | None) -> str:
    if modality is None:
        held = tuple(shards.modalities)
        modality = "eeg" if "eeg" in held else held[0]
        if modality != "eeg" and len(held) > 1:
            raise ShardError(f"{shards.path}: an LMDB holds one modality: name it, {held}")
    return chosen_modalities(shards, [modality])[0]


def _patch(shards: Shards, name: str, patch_s: float) -> int:
    """Return the samples of a patch."""
    if epochs_of(shards.attrs) is not None:
        raise ShardError(f"{shards.path}: windows of epochs have no place in CBraMod's LMDB")
    held = shards.modalities[name]
    samples = patch_s * held.rate_hz
    patch = round(samples) if np.isfinite(samples) else 0
    if patch < 1 or abs(patch - samples) > 1e-6 or held.n_samples % patch:
        raise ShardError(
            f"{shards.path}: windows of {held.n_samples} samples at {held.rate_hz:g} Hz are no "
            f"whole patches of {patch_s:g} s"
        )
    return patch


def _to_microvolts(units: tuple[str, ...]) -> NDArray[np.float32] | None:
    """Return what makes µV of a channel; None where all are in µV."""
    try:
        scale = np.array([factor(unit, "µV") for unit in units], np.float32)
    except UnknownUnitError as error:
        raise ShardError(f"EEG in no voltage has no place in CBraMod's LMDB: {error}") from None
    return None if (scale == 1).all() else scale


def _labelled(
    shards: Shards, label: str, chosen: NDArray[np.bool_], splits: NDArray[np.object_]
) -> tuple[str, NDArray[np.bool_], dict[str, int]]:
    """Return the label's full name, the windows that have it and a split, and what is left out."""
    target = shards.target(label)
    if target.kind == "text" or target.is_sequence:
        raise ShardError(f"{shards.path}: {target.name} has no place in CBraMod's LMDB")
    odd = {str(split) for split in splits[chosen] if split is not None and split not in SPLITS}
    if odd:
        raise ShardError(
            f"{shards.path}: CBraMod knows the splits train, val and test, not "
            f"{first_names(sorted(odd), 5)}; choose windows with --where"
        )
    has_split = np.array([split is not None for split in splits], bool)
    known = is_known(target, shards.values(target.name))
    if not (chosen & has_split & known).any():
        lacks = "a split (shard --split)" if not (chosen & has_split).any() else target.name
        raise ShardError(f"{shards.path}: no window has {lacks}")
    left_out = {
        "no split": int((chosen & ~has_split).sum()),
        f"{target.name} unknown": int((chosen & has_split & ~known).sum()),
    }
    kept = chosen & has_split & known
    return target.name, kept, {reason: count for reason, count in left_out.items() if count}
