"""Batches as an encoder takes them: patches in its units, and flags of what exists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from physiomodels.model.masking import DualMask
from physioprep.errors import ModelError

#: The encoder's unit: 100 µV for EEG, as in CBraMod. Any other signal, such as ECG, is centred and
#: divided by its standard deviation per lead and window (our choice: electrode contact and gain
#: change its amplitude more than the heart does).
UNIT_UV = {"eeg": 100.0}


@dataclass(frozen=True)
class Patches:
    """One modality of a batch, ready for a `CrissCrossEncoder`.

    Parameters
    ----------
    x : Tensor of float32, shape (batch, channel, patch, sample)
        Scaled; leads that no sample of the batch has are left out.
    present : Tensor of bool, shape (batch, channel, patch), or None
        What exists and holds no missing sample. None: all of it.
    leads : Tensor of bool, shape (lead,), or None
        Which leads of the signal are in `x`. None: all of them.
    """

    x: Tensor
    present: Tensor | None
    leads: Tensor | None = None


def to_patches(
    batch: Mapping[str, Tensor], modality: str, patch_size: int, device: str = "cpu"
) -> Patches:
    """Cut one modality of a stream's batch into patches.

    Parameters
    ----------
    batch : mapping of str to Tensor
        As `physioprep.ShardStream` yields: ``batch[modality]`` (batch, channel, time) in mV or µV,
        NaN where a sample is missing, and ``present_<modality>`` (batch, channel). The epochs of a
        window are joined; `physiomodels.training.data.by_epoch` makes them rows instead.
    modality : str
        "ecg", "eeg", ...
    patch_size : int
        Samples per patch; must divide the window.
    device : str
        Where to put it; scaling runs there.

    Returns
    -------
    Patches
        On `device`.

    Raises
    ------
    ModelError
        If the batch lacks the modality or patches do not fit the window.

    Examples
    --------
    >>> import torch
    >>> batch = {"eeg": torch.full((2, 3, 400), 50.0),
    ...          "present_eeg": torch.tensor([[True, True, False], [True, False, False]])}
    >>> patches = to_patches(batch, "eeg", 200)
    >>> patches.x.shape, float(patches.x[0, 0, 0, 0])           # no sample has the third lead
    (torch.Size([2, 2, 2, 200]), 0.5)
    """
    if modality not in batch:
        held = ", ".join(key for key, value in batch.items() if value.ndim >= 3)
        raise ModelError(f"the model takes {modality}; the shards hold {held}")
    signal = batch[modality].to(device, non_blocking=True)
    if signal.ndim == 4:  # (batch, epoch, channel, time): the whole window again
        signal = signal.transpose(1, 2).flatten(2)
    if signal.shape[-1] % patch_size:
        raise ModelError(
            f"windows of {signal.shape[-1]} samples cannot be cut into patches of {patch_size}"
        )
    flags = batch[f"present_{modality}" if f"present_{modality}" in batch else "present"]
    leads: Tensor = flags.to(signal.device).bool()
    used = leads.any(0)
    some = bool(used.any()) and not bool(used.all())
    if some:
        signal, leads = signal[:, used], leads[:, used]
    valid = torch.isfinite(signal)
    unit = UNIT_UV.get(modality)
    signal = _standardise(signal, valid) if unit is None else signal / unit
    x = signal.reshape(*leads.shape, -1, patch_size)
    present = leads[..., None] & valid.reshape(x.shape).all(-1)
    return Patches(x, None if bool(present.all()) else present, used if some else None)


def hide(mask: DualMask, patches: Patches, sample: Tensor, epoch: int = 0) -> Tensor:
    """Draw which patches are hidden: of each sample the same, whichever leads the others have.

    Parameters
    ----------
    mask : DualMask
        The shares.
    patches : Patches
        From `to_patches`.
    sample : Tensor of int64, shape (batch,)
        Each sample's own number.
    epoch : int
        Another epoch gives other masks.

    Returns
    -------
    Tensor of bool, shape (batch, channel, patch)
        True where hidden.
    """
    n_samples, channels, n_patches = patches.x.shape[:3]
    if patches.leads is None:
        return mask(sample, channels, n_patches, present=patches.present, epoch=epoch)
    present = torch.zeros(
        n_samples, len(patches.leads), n_patches, dtype=torch.bool, device=patches.x.device
    )
    present[:, patches.leads] = True if patches.present is None else patches.present
    return mask(sample, *present.shape[1:], present=present, epoch=epoch)[:, patches.leads]


def _standardise(signal: Tensor, valid: Tensor) -> Tensor:
    """Centre and scale each lead by its valid samples; a flat lead becomes zeros."""
    count = valid.sum(-1, keepdim=True).clamp(min=1)
    zeroed = torch.where(valid, signal, 0.0)
    centred = signal - zeroed.sum(-1, keepdim=True) / count
    variance = torch.where(valid, centred, 0.0).square().sum(-1, keepdim=True) / count
    return centred / variance.sqrt().clamp(min=1e-6)
