"""Windows of epochs in batches: (batch, channel, time) seen as (batch, epoch, channel, time)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from torch import Tensor

Transform = TypeVar("Transform", bound=Callable[..., dict[str, Tensor]])


def by_epochs(signal: Tensor, n_epochs: int | None) -> Tensor:
    """Return the epochs of windows: a view, nothing is copied.

    Parameters
    ----------
    signal : Tensor, shape (batch, channel, time)
    n_epochs : int or None
        Epochs of a window. None: the windows are not cut into epochs.

    Returns
    -------
    Tensor, shape (batch, epoch, channel, time)
        `signal` itself without epochs.

    Examples
    --------
    >>> import torch
    >>> by_epochs(torch.arange(8).reshape(1, 2, 4), 2)
    tensor([[[[0, 1],
              [4, 5]],
    <BLANKLINE>
             [[2, 3],
              [6, 7]]]])
    """
    if n_epochs is None:
        return signal
    *shape, time = signal.shape
    return signal.reshape(*shape, n_epochs, time // n_epochs).transpose(1, 2)


def whole_windows(signal: Tensor) -> Tensor:
    """Return windows without epochs: what `by_epochs` was given.

    Parameters
    ----------
    signal : Tensor, shape (batch, epoch, channel, time) or (batch, channel, time)

    Returns
    -------
    Tensor, shape (batch, channel, time)

    Examples
    --------
    >>> import torch
    >>> signal = torch.arange(8).reshape(1, 2, 4)
    >>> torch.equal(whole_windows(by_epochs(signal, 2)), signal)
    True
    """
    return signal.transpose(1, 2).flatten(2) if signal.dim() == 4 else signal


def over_windows(transform: Transform) -> Transform:
    """Let a transform of a modality's windows take windows of epochs too, each as a whole.

    Parameters
    ----------
    transform : callable
        ``transform(batch, modality, ...)`` of windows (batch, channel, time).

    Returns
    -------
    callable
        Of the same arguments. Statistics and random numbers are those of the whole window: its
        epochs are changed alike.
    """

    @wraps(transform)
    def wrapped(
        batch: dict[str, Tensor], modality: str, *args: Any, **kwargs: Any
    ) -> dict[str, Tensor]:
        signal = batch[modality]
        if signal.dim() != 4:
            return transform(batch, modality, *args, **kwargs)
        whole = {**batch, modality: whole_windows(signal)}
        changed = transform(whole, modality, *args, **kwargs)
        return {**changed, modality: by_epochs(changed[modality], signal.shape[1])}

    return cast(Transform, wrapped)
