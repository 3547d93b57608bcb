"""From the features of a window's patches to one vector: all ways of pooling, in one place."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from physioprep.errors import ModelError

#: How wide the vector of each way is, in widths of the encoder.
POOLINGS: Final = {"mean": 1, "mean-deviation": 2, "per-lead": 2, "attention": 1}
#: For probes, heads and embeddings alike; docs/models.md has the ablation that decided it.
POOLING: Final = "mean-deviation"


def check_pooling(pooling: str, *, fixed: bool = False) -> None:
    """Refuse a name that is no way of pooling.

    Parameters
    ----------
    pooling : str
        As asked for.
    fixed : bool
        Whether it may have no weights of its own, which only a trained head has.

    Raises
    ------
    ModelError
        It is none.
    """
    ways = [name for name in POOLINGS if not fixed or name != "attention"]
    if pooling not in ways:
        raise ModelError(f"pooling {pooling!r}: one of {', '.join(ways)}")


def pool_features(features: Tensor, present: Tensor, pooling: str) -> Tensor:
    """Pool the patches that are present, without weights.

    Parameters
    ----------
    features : Tensor, shape (window, channel, patch, width)
        From an encoder.
    present : Tensor of bool, shape (window, channel, patch)
        Which patches count.
    pooling : {"mean", "mean-deviation", "per-lead"}
        Over all patches: their mean, or mean and standard deviation side by side. "per-lead":
        mean and deviation over the patches of each lead, then the mean of both over the leads, so
        that what differs between leads is no deviation. Of one lead the last two are the same.

    Returns
    -------
    Tensor, shape (window, ``POOLINGS[pooling] * width``)
        Zero where no patch is present.

    Raises
    ------
    ModelError
        If `pooling` is unknown, or has weights.

    Examples
    --------
    >>> import torch
    >>> features = torch.tensor([1.0, 3.0, 5.0, 7.0]).view(1, 2, 2, 1)   # two leads, two patches
    >>> everything = torch.ones(1, 2, 2, dtype=torch.bool)
    >>> for way in ("mean", "mean-deviation", "per-lead"):
    ...     print(pool_features(features, everything, way))
    tensor([[4.]])
    tensor([[4.0000, 2.2361]])
    tensor([[4., 1.]])
    """
    check_pooling(pooling, fixed=True)
    if pooling == "mean":
        return mean_over(features, present)
    if pooling == "mean-deviation":
        return torch.cat(_moments(features.flatten(1, 2), present.flatten(1)), dim=-1)
    by_lead = torch.cat(_moments(features, present), dim=-1)
    leads = present.any(2)
    return mean_over(by_lead[:, :, None], leads[:, :, None])


def mean_over(features: Tensor, present: Tensor) -> Tensor:
    """Return the mean of features over the patches that are present.

    Parameters
    ----------
    features : Tensor, shape (window, channel, patch, width)
        From an encoder.
    present : Tensor of bool, shape (window, channel, patch)
        Which patches count.

    Returns
    -------
    Tensor, shape (window, width)
        Zero where no patch is present.
    """
    weight = present.flatten(1).to(features.dtype)
    weight = weight / weight.sum(1, keepdim=True).clamp(min=1)
    return torch.sum(features.flatten(1, 2) * weight[..., None], dim=1)


def _moments(features: Tensor, present: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation along the last axis but one."""
    weight = present[..., None].to(features.dtype)
    weight = weight / weight.sum(-2, keepdim=True).clamp(min=1)
    mean = (features * weight).sum(-2)
    variance = ((features - mean.unsqueeze(-2)).square() * weight).sum(-2)
    # the root of 0 has no gradient: one patch, or equal ones
    return mean, torch.where(variance > 0, variance.clamp(min=1e-12).sqrt(), 0.0)


class Pool(nn.Module):
    """From the features of a window's patches to one vector, standardised.

    Parameters
    ----------
    width : int
        Of the encoder.
    pooling : str
        A key of `POOLINGS`. "attention": the mean, weighted by a softmax over a learned score.

    Raises
    ------
    ModelError
        If `pooling` is unknown.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int, pooling: str) -> None:
        super().__init__()
        check_pooling(pooling)
        self.pooling = pooling
        #: Of the vector.
        self.width = POOLINGS[pooling] * width
        self.score = nn.Linear(width, 1) if pooling == "attention" else None
        self.register_buffer("mean", torch.zeros(self.width))
        self.register_buffer("deviation", torch.ones(self.width))

    def forward(self, features: Tensor, present: Tensor, *, pooled: bool = False) -> Tensor:
        """Return a window's vector, standardised.

        Parameters
        ----------
        features : Tensor, shape (window, channel, patch, feature)
            Of an encoder; or, with `pooled`, what `pool` gave, as the one patch of one lead.
        present : Tensor of bool, shape (window, channel, patch)
            Which patches count.
        pooled : bool
            Whether this was pooled before.

        Returns
        -------
        Tensor, shape (window, width)
        """
        vectors = features[:, 0, 0] if pooled else self.pool(features, present)
        return (vectors - self.mean) / self.deviation

    def pool(self, features: Tensor, present: Tensor) -> Tensor:
        """Return a window's vector as it is.

        Parameters
        ----------
        features : Tensor, shape (window, channel, patch, feature)
            Of an encoder.
        present : Tensor of bool, shape (window, channel, patch)
            Which patches count.

        Returns
        -------
        Tensor, shape (window, width)
        """
        if self.score is None:
            return pool_features(features, present, self.pooling)
        flat, available = features.flatten(1, 2), present.flatten(1)
        score = self.score(F.layer_norm(flat, flat.shape[-1:]))[..., 0]
        weight = score.masked_fill(~available, torch.finfo(score.dtype).min).softmax(1)
        return torch.sum(flat * weight[..., None], dim=1)
