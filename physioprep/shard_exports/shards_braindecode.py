"""Windows as datasets of braindecode, through MNE's epochs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from physioprep.errors import PhysioprepError, ShardError
from physioprep.exporting.mne_raw import TYPES
from physioprep.harmonise.units import UnknownUnitError, factor
from physioprep.positions import montage_name
from physioprep.shard_exports.rows import plain
from physioprep.shard_exports.windows import chosen_modalities, chosen_windows, read_windows
from physioprep.shards.open import open_shards
from physioprep.shards.target import epochs_of

if TYPE_CHECKING:
    from pathlib import Path

    from physioprep.shards.opened import Shards

WITHOUT_BRAINDECODE: Final = "needs braindecode: pip install braindecode"
_DESCRIBED: Final = ("corpus", "subject_id", "split")


def braindecode_windows(
    shards: str | Path | Shards,
    *,
    label: str,
    modality: str | None = None,
    where: str | None = None,
) -> Any:
    """Return windows as a `braindecode.datasets.BaseConcatDataset`, in memory.

    Parameters
    ----------
    shards : path-like, URL or Shards
    label : str
        One class or number a window; becomes the target, -1 or NaN where it is not known.
    modality : str, optional
        Default: eeg, or the only one.
    where : str, optional
        Pandas query on the window manifest.

    Returns
    -------
    braindecode.datasets.BaseConcatDataset
        A `WindowsDataset` per subject and split; its description has ``corpus``,
        ``subject_id`` and ``split``, so that ``.split("split")`` works. Voltages are in V, as MNE
        has them; missing samples NaN. ``dataset.get_metadata()["window"]`` is the number of a
        window in the shards.

    Raises
    ------
    PhysioprepError
        braindecode is missing.
    ShardError
        An argument does not fit the shards.
    """
    try:
        from braindecode.datasets import BaseConcatDataset, WindowsDataset
    except (ImportError, OSError) as error:
        raise PhysioprepError(f"braindecode {WITHOUT_BRAINDECODE} ({error})") from None
    import mne
    import pandas as pd

    opened = open_shards(shards)
    if epochs_of(opened.attrs) is not None:
        raise ShardError(f"{opened.path}: windows of epochs have no place in braindecode's")
    name = chosen_modalities(opened, [modality or _default(opened)])[0]
    target = opened.target(label)
    if target.kind not in ("class", "number"):
        raise ShardError(f"{opened.path}: {target.name} is no class or number a window")
    held = opened.modalities[name]
    chosen = chosen_windows(opened, where)
    read = list(read_windows(opened, [name], chosen))
    numbers = np.concatenate([windows.numbers for windows in read])
    values = np.concatenate([windows.signals[name] for windows in read]).astype(np.float64)
    values *= np.array([_to_volts(unit) for unit in held.units])[:, None]
    codes = np.concatenate([windows.labels[target.name] for windows in read])
    info = mne.create_info(list(held.channels), held.rate_hz, TYPES.get(name, "misc"))
    if name == "eeg":
        info.set_montage(montage_name(), match_case=False, on_missing="ignore", verbose="error")
    table = opened.windows.iloc[numbers]
    described = table[[column for column in _DESCRIBED if column in table]]
    parts = []
    for key, here in described.astype(object).fillna("").groupby(list(described), sort=True):
        rows = np.flatnonzero(np.isin(numbers, here.index.to_numpy()))
        metadata = pd.DataFrame({
            "i_window_in_trial": 0, "i_start_in_trial": 0, "i_stop_in_trial": held.n_samples,
            "target": codes[rows], "window": numbers[rows],
        })  # fmt: skip
        events = np.stack([numbers[rows], 0 * rows, np.ones_like(rows)], axis=1)
        epochs = mne.EpochsArray(
            values[rows], info, events, metadata=metadata, baseline=None, verbose="error"
        )
        description = {name: plain(each) for name, each in zip(described, key, strict=True)}
        parts.append(WindowsDataset(epochs, description=pd.Series(description)))
    return BaseConcatDataset(parts)


def _default(shards: Shards) -> str:
    held = tuple(shards.modalities)
    if "eeg" not in held and len(held) > 1:
        raise ShardError(f"{shards.path}: name one modality of {', '.join(held)}")
    return "eeg" if "eeg" in held else held[0]


def _to_volts(unit: str) -> float:
    try:
        return factor(unit, "V")
    except UnknownUnitError:
        return 1.0  # no voltage
