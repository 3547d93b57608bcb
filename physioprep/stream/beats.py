"""Beat sequences: the first N heart beats of each window, cut around their R peaks.

Beats are those of ``beats.parquet``, which `physioprep derive SHARDS` makes. Plain functions from
a batch to a new one, as in `physioprep.stream.transforms`; `Sequences` does so in a stream.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor

from physioprep.errors import ShardError
from physioprep.hashes import canonical_sha256, sha256_of
from physioprep.outputs import DERIVED_MARK
from physioprep.stream.batch import Batch

if TYPE_CHECKING:
    from physioprep.shards import Shards

_MODALITY: Final = "ecg"


@dataclass(frozen=True)
class BeatSpec:
    """How beats are cut.

    Parameters
    ----------
    n_beats : int
        Beats of a window: its first ones. A window with fewer has places without a beat.
    before_s, after_s : float
        Length of a beat before and after its R peak, s: the same for all, whatever the rhythm.
    size : int or None
        Samples that a beat is resampled to (linear); None: those of its length.
    tables : path-like, optional
        Folder that `physioprep.derive` made of the shards: a stream needs it.
    """

    n_beats: int = 10
    before_s: float = 0.3
    after_s: float = 0.5
    size: int | None = None
    tables: str | Path | None = None

    def __post_init__(self) -> None:
        if self.n_beats < 1 or (self.size is not None and self.size < 2):
            raise ShardError("beats: at least 1 beat, of 2 samples")
        if not (self.before_s >= 0 and self.after_s >= 0 and 0 < self.before_s + self.after_s < 60):
            raise ShardError(
                f"beats: {self.before_s:g} s before R to {self.after_s:g} s after it is no length "
                "of a beat, 0 to 60 s"
            )


@dataclass(frozen=True, eq=False)
class Beats:
    """R peaks of all windows of shards.

    Parameters
    ----------
    first : Tensor of int64, shape (window + 1,)
        Place of each window's first beat in `sample`.
    sample : Tensor of int64, shape (beat,)
        R peaks, samples from the window's start, ascending within a window.
    """

    first: Tensor
    sample: Tensor


def read_beats(tables: str | Path, n_windows: int) -> Beats:
    """Read the R peaks of windows.

    Parameters
    ----------
    tables : path-like
        Folder that `physioprep.derive` made of the shards.
    n_windows : int
        Of the shards.

    Returns
    -------
    Beats

    Raises
    ------
    ShardError
        There is no table of beats of these windows.
    """
    import pandas as pd

    path = Path(tables) / "beats.parquet"
    try:
        table = pd.read_parquet(path, columns=["window", "beat", "r_sample"])
    except (OSError, ValueError) as error:
        raise ShardError(f"{path}: no beats of windows: {error}") from None
    table = table.drop_duplicates(["window", "beat"]).sort_values(["window", "beat"])
    window = table["window"].to_numpy(np.int64)
    if len(window) and window[-1] >= n_windows:
        raise ShardError(f"{path}: of other shards, with more than {n_windows} windows")
    first = np.searchsorted(window, np.arange(n_windows + 1))
    return Beats(torch.from_numpy(first), torch.from_numpy(table["r_sample"].to_numpy(np.int64)))


def beat_sequence(
    batch: Batch, modality: str, rate_hz: float, beats: Beats, spec: BeatSpec
) -> Batch:
    """Add the first beats of each window.

    Parameters
    ----------
    batch : dict of str to Tensor
        From a stream of these shards; it is not changed.
    modality : str
        ``"ecg"``, or another signal of the same windows: float32, (batch, channel, time).
    rate_hz : float
        Sampling rate at which the R peaks were found, which is that of `modality`, Hz.
    beats : Beats
        From `read_beats`.
    spec : BeatSpec

    Returns
    -------
    dict of str to Tensor
        With ``beats_<modality>``, float32 (batch, beat, channel, time), in order of time;
        ``beats_present_<modality>``, bool (batch, beat); ``beats_r_s_<modality>``, float32
        (batch, beat), R peaks from the window's start. A place without a beat, and what of a beat
        lies outside its window, is 0.

    Raises
    ------
    ShardError
        The windows have epochs.
    """
    signal = batch[modality]
    if signal.ndim != 3:
        raise ShardError("beats: of windows without epochs")
    index = batch["index"].to(beats.first.device)
    place = beats.first[index, None] + torch.arange(spec.n_beats)
    there = place < beats.first[index + 1, None]
    known = torch.cat([beats.sample, beats.sample.new_zeros(1)])  # the last place: no beat
    r = known[torch.where(there, place, len(beats.sample))]
    before, after = round(spec.before_s * rate_hz), round(spec.after_s * rate_hz)
    at = (r[..., None] + torch.arange(-before, max(after, 1 - before))).to(signal.device)
    inside = (at >= 0) & (at < signal.shape[-1]) & there[..., None].to(signal.device)
    n_windows, n_beats, length = at.shape
    flat = at.clamp(0, signal.shape[-1] - 1).reshape(n_windows, 1, -1)
    cut = torch.gather(signal, 2, flat.expand(-1, signal.shape[1], -1))
    cut = cut.reshape(n_windows, -1, n_beats, length).transpose(1, 2)
    cut = torch.where(inside[:, :, None], cut, 0.0)
    if spec.size is not None:
        whole = cut.reshape(n_windows * n_beats, -1, length)
        cut = torch.nn.functional.interpolate(whole, spec.size, mode="linear", align_corners=True)
        cut = cut.reshape(n_windows, n_beats, -1, spec.size)
    return batch | {
        f"beats_{modality}": cut,
        f"beats_present_{modality}": there.to(signal.device),
        f"beats_r_s_{modality}": torch.where(there, r / rate_hz, 0.0).to(signal.device).float(),
    }


@dataclass(frozen=True, eq=False)
class Sequences:
    """What cuts the beats of every batch of a stream.

    Parameters
    ----------
    spec : BeatSpec
    rate_hz : float
        Of the ECG, Hz.
    beats : Beats
        Of the shards.
    sha256 : str
        Of the table of beats.
    """

    spec: BeatSpec
    rate_hz: float
    beats: Beats
    sha256: str

    @property
    def identity(self) -> dict[str, Any]:
        """What a saved position has to agree with: the table, wherever it lies, and the cut.

        Returns
        -------
        dict of str to str
        """
        cut = {name: value for name, value in asdict(self.spec).items() if name != "tables"}
        return {"beats_sha256": canonical_sha256([self.sha256, cut])}

    def add(self, batch: Batch) -> Batch:
        """Add the beats of the windows of a batch, as `beat_sequence`.

        Parameters
        ----------
        batch : dict of str to Tensor
            Of the stream.

        Returns
        -------
        dict of str to Tensor
        """
        return beat_sequence(batch, _MODALITY, self.rate_hz, self.beats, self.spec)


def beats_of(
    shards: Shards, spec: BeatSpec | None, modalities: Sequence[str], *, whole: bool
) -> Sequences | None:
    """Read the beats that a stream of shards cuts.

    Parameters
    ----------
    shards : Shards
    spec : BeatSpec or None
        With the folder of the tables; None: no beats are asked for.
    modalities : sequence of str
        Of the stream.
    whole : bool
        Whether the stream yields whole windows, scaled.

    Returns
    -------
    Sequences or None

    Raises
    ------
    ShardError
        The stream has no ECG, the tables are of others or of some windows only, or the stream
        gives no whole windows in mV.
    """
    if spec is None:
        return None
    if spec.tables is None:
        raise ShardError(
            f"{shards.path}: beats: say the folder of tables that `derive` made of the shards"
        )
    if _MODALITY not in modalities:
        raise ShardError(f"{shards.path}: beats: the stream has no {_MODALITY}")
    if not whole:
        raise ShardError("beats: of windows without epochs, and not of raw samples")
    path = Path(spec.tables) / DERIVED_MARK
    try:
        plan = json.loads(path.read_bytes())["plan"]
        ours = plan["store_sha256"] == shards.attrs["plan_sha256"]
        where = plan["where"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ShardError(f"{path}: no tables of `derive`: {error}") from None
    if not ours:
        raise ShardError(
            f"{spec.tables}: not made of {shards.path}: physioprep derive {shards.path} --beats"
        )
    if where is not None:
        raise ShardError(f"{spec.tables}: made of the windows {where!r} only: derive all of them")
    beats = read_beats(spec.tables, shards.n_windows)
    digest = sha256_of(Path(spec.tables) / "beats.parquet")
    return Sequences(spec, shards.modalities[_MODALITY].rate_hz, beats, digest)
