"""What all trainings here have in common: the course of the learning rate, and what decays."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from physioprep.errors import ModelError


def warmup_cosine(step: int, total: int, warmup: float) -> float:
    """Return the learning rate's factor: linear over the first share of steps, then a half cosine.

    Parameters
    ----------
    step, total : int
        Number of the step, from 0; steps in all.
    warmup : float
        Share of the steps over which it rises.

    Returns
    -------
    float
        0 to 1.

    Examples
    --------
    >>> [round(warmup_cosine(step, 10, 0.2), 2) for step in range(10)]
    [0.5, 1.0, 1.0, 0.96, 0.85, 0.69, 0.5, 0.31, 0.15, 0.04]
    """
    first = round(total * warmup)
    if step < first:
        return (step + 1) / first
    return 0.5 * (1 + math.cos(math.pi * (step - first) / max(1, total - first)))


def finite(loss: float, step: int, lr: float) -> float:
    """Return a loss; end the training where it is no number: what comes after cannot be used.

    Parameters
    ----------
    loss : float
        Of one batch.
    step : int
        Steps that were taken before.
    lr : float
        Highest learning rate, for the message.

    Returns
    -------
    float
        `loss`.

    Raises
    ------
    ModelError
        The loss is nan or infinite.

    Examples
    --------
    >>> finite(math.nan, 7, 0.1)
    Traceback (most recent call last):
        ...
    physioprep.errors.ModelError: the loss is nan after 7 steps, and training ends: lower ...
    """
    if not math.isfinite(loss):
        raise ModelError(
            f"the loss is {loss} after {step} steps, and training ends: lower lr ({lr:g}) or "
            "clip, or look for extreme values in the shards"
        )
    return loss


def decay_groups(
    modules: list[tuple[nn.Module, float]], weight_decay: float
) -> list[dict[str, Any]]:
    """Group parameters for AdamW: matrices decay, vectors (biases, norms) do not.

    Parameters
    ----------
    modules : list of (Module, float)
        Each with its learning rate; frozen parameters are left out.
    weight_decay : float
        Of the matrices.

    Returns
    -------
    list of dict
        ``params``, ``lr``, ``weight_decay``, for ``torch.optim.AdamW``.
    """
    groups: list[dict[str, Any]] = []
    for module, lr in modules:
        trained = [p for p in module.parameters() if p.requires_grad]
        matrices = [p for p in trained if p.ndim > 1]
        others = [p for p in trained if p.ndim <= 1]
        groups.append({"params": matrices, "lr": lr, "weight_decay": weight_decay})
        groups.append({"params": others, "lr": lr, "weight_decay": 0.0})
    return [group for group in groups if group["params"]]
