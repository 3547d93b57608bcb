"""Kinds of target: what is lost in training, what outputs mean, and how answers are scored.

This table is the one place that chooses by the kind; `physiomodels.metrics.choice` says what
the columns of predictions are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from physiomodels.metrics.choice import DEFAULTS

#: Of a class that a window does not state, among several at once.
NOT_STATED: Final = 255
#: Least sum of weights that a loss is divided by.
_LEAST: Final = 1e-12


@dataclass(frozen=True)
class Kind:
    """What differs between kinds of target.

    Parameters
    ----------
    loss : callable
        Takes outputs (..., output), the truth (...) and weights of classes or None.
    soft : callable
        The same of shares (..., output) instead of the truth, with a weight a window between.
    answers : callable
        From outputs to probabilities, or to deviations of a number.
    metrics : tuple of str
        Given by default.
    """

    loss: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    soft: Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]
    answers: Callable[[Tensor], Tensor]
    metrics: tuple[str, ...]


def cross_entropy(outputs: Tensor, truth: Tensor, weights: Tensor | None) -> Tensor:
    """Return the mean cross-entropy over windows or epochs with a known class.

    Parameters
    ----------
    outputs : Tensor, shape (..., class)
        Logits.
    truth : Tensor of int64, shape (...)
        Classes; -1 unknown.
    weights : Tensor or None
        Of the classes.

    Returns
    -------
    Tensor
        A number.
    """
    return F.cross_entropy(outputs.flatten(0, -2), truth.flatten(), weights, ignore_index=-1)


def binary_entropy(outputs: Tensor, truth: Tensor, weights: Tensor | None) -> Tensor:
    """Return the mean binary cross-entropy over all that is stated.

    Parameters
    ----------
    outputs : Tensor, shape (..., class)
        Logits.
    truth : Tensor of uint8, shape (..., class)
        1 present, 0 absent, 255 not stated.
    weights : None
        Not used: a rare class among several is not weighted.

    Returns
    -------
    Tensor
        A number.

    Examples
    --------
    >>> outputs = torch.tensor([[0.0, 9.0]])
    >>> round(float(binary_entropy(outputs, torch.tensor([[1, 255]], dtype=torch.uint8), None)), 3)
    0.693
    """
    stated = truth != NOT_STATED
    return F.binary_cross_entropy_with_logits(outputs[stated], truth[stated].to(outputs.dtype))


def squared_error(outputs: Tensor, truth: Tensor, weights: Tensor | None) -> Tensor:
    """Return the mean squared error over known numbers.

    Parameters
    ----------
    outputs : Tensor, shape (..., 1)
        Deviations from the mean of the training windows, in units of their deviation.
    truth : Tensor of float32, shape (...)
        The same; NaN unknown.
    weights : None
        Not used.

    Returns
    -------
    Tensor
        A number.
    """
    known = torch.isfinite(truth)
    return F.mse_loss(outputs[..., 0][known], truth[known])


def soft_cross_entropy(
    outputs: Tensor, shares: Tensor, weight: Tensor, class_weights: Tensor | None
) -> Tensor:
    """Return the mean cross-entropy to shares of classes.

    Parameters
    ----------
    outputs : Tensor, shape (window, ..., class)
        Logits.
    shares : Tensor of float32, shape (window, ..., class)
        Summing to 1; NaN unknown.
    weight : Tensor of float32, shape (window,)
        How much a window counts.
    class_weights : Tensor or None
        Of the classes.

    Returns
    -------
    Tensor
        A number. Of shares 0 and 1 and weights of 1 it is `cross_entropy`.
    """
    known = torch.isfinite(shares)
    shares = torch.where(known, shares, 0.0) * weight.reshape(-1, *(1,) * (shares.dim() - 1))
    if class_weights is not None:
        shares = shares * class_weights
    return -(shares * outputs.log_softmax(-1)).sum() / shares.sum().clamp(min=_LEAST)


def soft_binary_entropy(
    outputs: Tensor, shares: Tensor, weight: Tensor, class_weights: Tensor | None
) -> Tensor:
    """Return the mean binary cross-entropy to probabilities of classes.

    Parameters
    ----------
    outputs : Tensor, shape (window, ..., class)
        Logits.
    shares : Tensor of float32, shape (window, ..., class)
        0 to 1; NaN not stated.
    weight : Tensor of float32, shape (window,)
        How much a window counts.
    class_weights : None
        Not used.

    Returns
    -------
    Tensor
        A number. Of shares 0 and 1 and weights of 1 it is `binary_entropy`.
    """
    stated = torch.isfinite(shares)
    counts = stated * weight.reshape(-1, *(1,) * (shares.dim() - 1))
    errors = F.binary_cross_entropy_with_logits(
        outputs, torch.where(stated, shares, 0.0), reduction="none"
    )
    return (errors * counts).sum() / counts.sum().clamp(min=_LEAST)


def soft_squared_error(
    outputs: Tensor, values: Tensor, weight: Tensor, class_weights: Tensor | None
) -> Tensor:
    """Return the mean squared error to numbers.

    Parameters
    ----------
    outputs, values : Tensor, shape (window, ..., 1)
        Deviations; NaN unknown.
    weight : Tensor of float32, shape (window,)
        How much a window counts.
    class_weights : None
        Not used.

    Returns
    -------
    Tensor
        A number. Of weights of 1 it is `squared_error`.
    """
    known = torch.isfinite(values)
    counts = known * weight.reshape(-1, *(1,) * (values.dim() - 1))
    errors = (outputs - torch.where(known, values, 0.0)).square()
    return (errors * counts).sum() / counts.sum().clamp(min=_LEAST)


KINDS: Final = {
    "class": Kind(
        cross_entropy, soft_cross_entropy, lambda outputs: outputs.softmax(-1), DEFAULTS["class"]
    ),
    "classes": Kind(
        binary_entropy, soft_binary_entropy, lambda outputs: outputs.sigmoid(), DEFAULTS["classes"]
    ),
    "number": Kind(squared_error, soft_squared_error, lambda outputs: outputs, DEFAULTS["number"]),
}


def is_known(truth: NDArray[np.generic], kind: str) -> NDArray[np.bool_]:
    """Return which values say something.

    Parameters
    ----------
    truth : ndarray, shape (window,), (window, epoch), and of several classes with a last axis
        Codes, flags or numbers.
    kind : {"class", "classes", "number"}
        Of the target.

    Returns
    -------
    ndarray of bool
        Of windows, or of epochs; of several classes at once one stated class suffices.

    Examples
    --------
    >>> is_known(np.array([[1, 255], [255, 255]], np.uint8), "classes").tolist()
    [True, False]
    """
    if kind == "class":
        return np.asarray(truth != -1)
    if kind == "classes":
        return np.asarray((truth != NOT_STATED).any(-1))
    return np.isfinite(truth.astype(np.float64))
