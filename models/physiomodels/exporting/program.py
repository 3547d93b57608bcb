"""An encoder as one function of two tensors, with fixed or free numbers of samples and leads."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

from physiomodels.model.encoder import CrissCrossEncoder
from physioprep.errors import ModelError

#: Names of the inputs, of the output, and of the axes that may be free.
INPUTS: Final = ("x", "present")
OUTPUT: Final = "features"
AXES: Final = ("batch", "channel", "patch")
#: Least size of each axis that is free: of one patch torch's own guards want another program.
LEAST: Final = {"batch": 1, "channel": 1, "patch": 2}
#: Sizes that a program is traced with where they are free: none is 1, and no two are equal.
_TRACED: Final = (2, 3, 4)


class EncoderProgram(nn.Module):
    """An encoder that always takes `present`, and computes what is absent, too.

    Parameters
    ----------
    encoder : CrissCrossEncoder
        Copied, and set to evaluation mode.
    """

    def __init__(self, encoder: CrissCrossEncoder) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder).cpu().float().eval()
        self.encoder.patch_embedding.narrows = False
        self.eval()

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        """Return the features of every patch.

        Parameters
        ----------
        x : Tensor of float32, shape (batch, channel, patch, sample)
            In the scale of training.
        present : Tensor of bool, shape (batch, channel, patch)
            False where a patch does not exist.

        Returns
        -------
        Tensor of float32, shape (batch, channel, patch, width)
            Zero where `present` is False.
        """
        return self.encoder._encode(x, None, present)


def example(
    encoder: CrissCrossEncoder, shape: Sequence[int] | None, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Return inputs to trace and to compare with: noise, of which some patches are absent.

    Parameters
    ----------
    encoder : CrissCrossEncoder
        Its patch length counts.
    shape : sequence of int or None
        Samples, leads and patches.
    seed : int
        Of the noise.

    Returns
    -------
    x : Tensor of float32, shape (batch, channel, patch, sample)
    present : Tensor of bool, shape (batch, channel, patch)
    """
    batch, channels, patches = shape or _TRACED
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, channels, patches, encoder.patch_size, generator=draw)
    present = torch.ones(batch, channels, patches, dtype=torch.bool)
    present[-1, channels // 2 + 1 :] = False
    if patches > 1:
        present[0, :, -1] = False
    if channels > 1:
        present[0, -1, 0] = False
    return x, present


def traced(encoder: CrissCrossEncoder, shape: Sequence[int] | None) -> torch.export.ExportedProgram:
    """Trace an encoder.

    Parameters
    ----------
    encoder : CrissCrossEncoder
        Any device.
    shape : sequence of int or None
        Samples, leads and patches to fix. None: any, from `LEAST` on.

    Returns
    -------
    ExportedProgram
        Takes `INPUTS`, by position.

    Raises
    ------
    ModelError
        The shape is none.
    """
    if shape is not None and (len(shape) != len(AXES) or min(shape) < 1):
        raise ModelError(f"shape {tuple(shape)}: three numbers from 1 on: {', '.join(AXES)}")
    free: dict[str, Any] = dict.fromkeys(INPUTS)
    if shape is None:
        axes = {n: torch.export.Dim(name, min=LEAST[name]) for n, name in enumerate(AXES)}
        free = {name: dict(axes) for name in INPUTS}
    return torch.export.export(
        EncoderProgram(encoder), example(encoder, shape), dynamic_shapes=free
    )
