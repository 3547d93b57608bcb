"""LoRA: train low-rank additions to the linear layers of an encoder, and nothing else of it.

A weight W becomes W + scale · up @ down (Hu et al., arXiv 2106.09685), with `up` zero at first, so
that training starts from the encoder as it is. The sum is a parametrisation of the weight itself:
all code that reads the weight gets the sum, merging does not change a number, and a merged encoder
is an ordinary one. It costs one small matrix product per weight and step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from physiomodels.model.layer import CrissCrossLayer
from physioprep.errors import ModelError


class LowRank(nn.Module):
    """What is added to one weight: ``scale * up @ down``.

    Parameters
    ----------
    shape : tuple of int
        (out, in) of the weight.
    rank : int
        Of the addition.
    scale : float
        ``alpha / rank``.
    """

    scale: Tensor

    def __init__(self, shape: tuple[int, ...], rank: int, scale: float) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.empty(rank, shape[1]))
        self.up = nn.Parameter(torch.zeros(shape[0], rank))
        self.register_buffer("scale", torch.tensor(scale))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight with the addition.

        Parameters
        ----------
        weight : Tensor, shape (out, in)
            Frozen.

        Returns
        -------
        Tensor, shape (out, in)
        """
        return weight + self.scale * (self.up @ self.down)


def add_lora(model: nn.Module, rank: int, alpha: float) -> int:
    """Freeze a model's encoders and give every linear layer of theirs a low-rank addition.

    Parameters
    ----------
    model : Module
        In every `CrissCrossLayer` of it the projections (query, key and value in one matrix,
        output) and both feed-forward layers are adapted.
    rank : int
        Of the additions.
    alpha : float
        They count ``alpha / rank``.

    Returns
    -------
    int
        Number of parameters in the additions: all that is trained of these layers.

    Raises
    ------
    ModelError
        If the rank does not fit the matrices, or there is nothing to adapt.

    Examples
    --------
    >>> from physiomodels.model.encoder import CrissCrossEncoder
    >>> encoder = CrissCrossEncoder(50, 32, depth=1, heads=4, ffn=64)
    >>> add_lora(encoder, rank=2, alpha=4.0)      # 2 · (2·(48+16) + 2·(16+16) + 2·(32+64))
    768
    """
    targets = list(_weights(model))
    if not targets:
        raise ModelError("no encoder's layers to adapt")
    smallest = min(min(getattr(module, name).shape) for _, module, name in targets)
    if not 1 <= rank <= smallest:
        raise ModelError(f"lora_rank {rank}: 1 to {smallest}")
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    count = 0
    for _, module, name in targets:
        weight = getattr(module, name)
        part = LowRank(tuple(weight.shape), rank, alpha / rank).to(weight.device, weight.dtype)
        parametrize.register_parametrization(module, name, part, unsafe=True)
        count += part.up.numel() + part.down.numel()
    return count


def lora_state(model: nn.Module) -> dict[str, Tensor]:
    """Return the additions.

    Parameters
    ----------
    model : Module
        After `add_lora`.

    Returns
    -------
    dict of str to Tensor
        By the name of their weight and ``up``, ``down``, ``scale``.
    """
    state = {}
    for path, module, name in _weights(model):
        if parametrize.is_parametrized(module, name):
            for key, value in _addition(module, name).state_dict().items():
                state[f"{path}.{name}.{key}"] = value.detach().clone()
    return state


def load_lora(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Add to a model what `lora_state` returned for another one of the same sizes.

    Parameters
    ----------
    model : Module
        Without additions.
    state : mapping of str to Tensor
        From `lora_state`, or ``lora.safetensors``.

    Raises
    ------
    ModelError
        If a tensor is missing, unknown, or of another shape; the message names the first.
    """
    ranks = {value.shape[0] for name, value in state.items() if name.endswith(".down")}
    if len(ranks) != 1:
        raise ModelError(f"no LoRA weights: {len(ranks)} ranks among {len(state)} tensors")
    add_lora(model, ranks.pop(), 1.0)
    own = lora_state(model)
    for name in sorted(own.keys() | state.keys()):
        if name not in own or name not in state or own[name].shape != state[name].shape:
            raise ModelError(f"LoRA weights do not fit: {name}")
    for path, module, name in _weights(model):
        own_state = {key: state[f"{path}.{name}.{key}"] for key in ("up", "down", "scale")}
        _addition(module, name).load_state_dict(own_state)


def merge_lora(model: nn.Module) -> None:
    """Make the sums the weights: the same numbers, without additions; all is trainable again.

    Parameters
    ----------
    model : Module
        After `add_lora`; without additions it stays as it is.
    """
    for _, module, name in list(_weights(model)):
        if parametrize.is_parametrized(module, name):
            parametrize.remove_parametrizations(module, name, leave_parametrized=True)
    for parameter in model.parameters():
        parameter.requires_grad_(True)


def _addition(module: nn.Module, name: str) -> LowRank:
    part: LowRank = cast(nn.ModuleDict, module.parametrizations)[name][0]  # type: ignore[index]
    return part


def _weights(model: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """Yield (path, module, name) of the weight of every linear layer inside encoder layers."""
    for path, layer in model.named_modules():
        if isinstance(layer, CrissCrossLayer):
            for attention in ("self_attn_s", "self_attn_t"):
                module: nn.MultiheadAttention = getattr(layer, attention)
                yield f"{path}.{attention}", module, "in_proj_weight"
                yield f"{path}.{attention}.out_proj", module.out_proj, "weight"
            for name in ("linear1", "linear2"):
                yield f"{path}.{name}", getattr(layer, name), "weight"
