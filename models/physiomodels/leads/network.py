"""The criss-cross encoder as a reconstruction of leads: the wanted ones are masked whole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from physiomodels.leads.config import LeadsConfig
from physiomodels.leads.windows import Ints, complete, stream_of
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.training.optimise import decay_groups, finite, warmup_cosine
from physioprep.lead_views import LeadView
from physioprep.stream.leads import draw_leads

if TYPE_CHECKING:
    from physioprep.shards import Shards

#: Least scale of a window: flat leads are not blown up.
_LEAST = 1e-3


def train_network(
    shards: Shards,
    config: LeadsConfig,
    windows: Ints,
    fold: int,
    device: str,
    step: Callable[[], None] | None = None,
) -> CrissCrossEncoder:
    """Train an encoder to fill in masked leads.

    Parameters
    ----------
    shards : Shards
    config : LeadsConfig
        One of its `inputs` is drawn for each window and epoch.
    windows : ndarray of int64
        Numbers of the training windows.
    fold : int
        Seeds the weights, with the configuration's seed.
    device : str
        Where to train.
    step : callable, optional
        Called after every epoch.

    Returns
    -------
    CrissCrossEncoder
        In evaluation mode.
    """
    torch.manual_seed(config.seed + (fold << 16))
    encoder = CrissCrossEncoder(**asdict(config.encoder)).to(device).train()
    optimiser = torch.optim.AdamW(decay_groups([(encoder, config.lr)], config.weight_decay))
    stream = stream_of(shards, config.modality, windows, config.batch_size, config.seed)
    channels = shards.modalities[config.modality].channels
    view = LeadView(config.sets, (1 / len(config.sets),) * len(config.sets))
    total, done = config.epochs * len(stream), 0
    for epoch in range(config.epochs):
        stream.set_epoch(epoch)
        for signal, number in complete(stream, config.modality):
            given = draw_leads(view, channels, number, seed=config.seed + 1 + epoch).to(device)
            x, mask, _ = _masked(signal.to(device), given, config.encoder.patch_size)
            (error, count), _ = encoder.masked_errors(x, mask, seen=False)
            loss = error / max(count, 1)
            finite(float(loss.detach()), done, config.lr)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(encoder.parameters(), config.clip)
            for group in optimiser.param_groups:
                group["lr"] = config.lr * warmup_cosine(done, total, config.warmup)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            done += 1
        if step is not None:
            step()
    return encoder.eval()


def predict_network(encoder: CrissCrossEncoder, signal: Tensor, given: Sequence[int]) -> Tensor:
    """Return all leads from some of them.

    Parameters
    ----------
    encoder : CrissCrossEncoder
        From `train_network`.
    signal : Tensor of float32, shape (window, lead, time)
        Only the leads `given` are looked at.
    given : sequence of int
        Their places.

    Returns
    -------
    Tensor of float32, shape (window, lead, time)
        In the signal's unit.
    """
    device = next(encoder.parameters()).device
    flags = torch.zeros(signal.shape[:2], dtype=torch.bool, device=device)
    flags[:, list(given)] = True
    known = signal.to(device) * flags[..., None]  # the others are gone, not only masked
    x, mask, scale = _masked(known, flags, encoder.patch_size)
    with torch.no_grad():
        answer = encoder.reconstruct(encoder(x, mask))
    return (answer.flatten(2) * scale).cpu()


def _masked(signal: Tensor, given: Tensor, patch_size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return patches in units of the given leads' root mean square, what is hidden, that unit.

    The unit is one number a window, out of what is known alone: leads keep their proportions.
    """
    known = given[..., None].expand_as(signal)
    power = torch.where(known, signal, 0.0).square().sum((1, 2)) / known.sum((1, 2)).clamp(min=1)
    scale = power.sqrt().clamp(min=_LEAST)[:, None, None]
    shape = (*signal.shape[:2], -1, patch_size)
    x = (signal / scale).reshape(shape)
    return x, ~given[..., None].expand(x.shape[:3]), scale
