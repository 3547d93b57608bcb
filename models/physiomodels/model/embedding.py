"""How a patch of samples becomes a vector: time convolution, spectrum, position."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from physiomodels.model.dropout import Dropout
from physiomodels.model.presence import close_gaps, group_norm
from physioprep.errors import ModelError


class PatchEmbedding(nn.Module):
    """Time convolution + spectrum + position: (batch, channel, patch, sample) to vectors.

    With ``narrows`` False, rows of the positional convolution that can only meet zeros are computed
    all the same, as a program for any number of leads and patches must.

    Parameters
    ----------
    patch_size : int
        Samples per patch.
    d_model : int
        Width of a vector.
    stride : int
        Of the first time convolution; its kernel is ``2 * stride - 1``.
    position_kernel : (int, int)
        Extent in (leads, patches) of the positional convolution; odd.
    dropout : float
        After the spectral embedding.
    learned_mask_token : bool
        Whether the vector in place of a hidden patch is trained.

    Raises
    ------
    ModelError
        If `stride` does not fit `patch_size` and `d_model`.
    """

    def __init__(
        self,
        patch_size: int,
        d_model: int,
        stride: int,
        position_kernel: tuple[int, int],
        dropout: float,
        learned_mask_token: bool,
    ) -> None:
        super().__init__()
        self.narrows = True
        length = math.ceil(patch_size / stride)  # with kernel 2 * stride - 1, padding stride - 1
        width = d_model // length
        if width * length != d_model:
            raise ModelError(
                f"conv_stride {stride} cuts a patch of {patch_size} into {length} frames, "
                f"which do not divide d_model {d_model}"
            )
        groups = next(n for n in (5, 4, 3, 2, 1) if width % n == 0)
        self.positional_encoding = nn.Sequential(
            nn.Conv2d(d_model, d_model, position_kernel, padding="same", groups=d_model)
        )
        token = torch.zeros(patch_size)
        self.mask_encoding = nn.Parameter(token, requires_grad=learned_mask_token)
        self.proj_in = nn.Sequential(
            nn.Conv2d(1, width, (1, 2 * stride - 1), (1, stride), (0, stride - 1)),
            nn.GroupNorm(groups, width),
            nn.GELU(),
            nn.Conv2d(width, width, (1, 3), padding=(0, 1)),
            nn.GroupNorm(groups, width),
            nn.GELU(),
            nn.Conv2d(width, width, (1, 3), padding=(0, 1)),
            nn.GroupNorm(groups, width),
            nn.GELU(),
        )
        self.spectral_proj = nn.Sequential(
            nn.Linear(patch_size // 2 + 1, d_model), Dropout(dropout)
        )

    def forward(self, x: Tensor, mask: Tensor | None, present: Tensor | None) -> Tensor:
        """Embed patches.

        Parameters
        ----------
        x : Tensor, shape (batch, channel, patch, sample)
            May be NaN where a patch is absent.
        mask : Tensor of bool, shape (batch, channel, patch), or None
            True where the patch is hidden.
        present : Tensor of bool, shape (batch, channel, patch), or None
            False where a patch does not exist.

        Returns
        -------
        Tensor, shape (batch, channel, patch, d_model)
            Zero where a patch does not exist.
        """
        batch, channels, patches, size = x.shape
        if mask is not None:
            x = torch.where(mask.bool()[..., None], self.mask_encoding.to(x.dtype), x)
        if present is not None:  # before anything else: what is absent may be NaN
            x = torch.where(present[..., None], x, torch.zeros((), dtype=x.dtype, device=x.device))
        flags = None if present is None else present.reshape(batch, 1, channels * patches, 1)
        hidden = x.reshape(batch, 1, channels * patches, size)
        for part in self.proj_in:
            if flags is not None and isinstance(part, nn.GroupNorm):
                hidden = group_norm(hidden, flags, part)
            else:
                hidden = part(hidden)
        width = hidden.shape[1] * hidden.shape[3]
        hidden = hidden.permute(0, 2, 1, 3).reshape(batch, channels, patches, width)
        spectrum = torch.fft.rfft(x.float(), dim=-1, norm="forward").abs()
        hidden = hidden + self.spectral_proj(spectrum.to(x.dtype))
        if present is None:
            return torch.add(hidden, self._position(hidden))
        hidden = hidden * present[..., None]
        together, back = close_gaps(present)
        order = torch.gather(hidden.flatten(1, 2), 1, together[..., None].expand(-1, -1, width))
        position = self._position(order.reshape(hidden.shape)).flatten(1, 2)
        position = torch.gather(position, 1, back[..., None].expand(-1, -1, width))
        return torch.mul(hidden + position.reshape(hidden.shape), present[..., None])

    def _position(self, hidden: Tensor) -> Tensor:
        convolution = self.positional_encoding[0]
        assert isinstance(convolution, nn.Conv2d)
        weight = convolution.weight  # rows that reach past the window meet zeros only: left out
        for axis, extent in ((2, hidden.shape[1]), (3, hidden.shape[2])) if self.narrows else ():
            surplus = max(0, weight.shape[axis] // 2 - (extent - 1))
            weight = weight.narrow(axis, surplus, weight.shape[axis] - 2 * surplus)
        out = F.conv2d(
            hidden.permute(0, 3, 1, 2),
            weight,
            convolution.bias,
            padding=(weight.shape[2] // 2, weight.shape[3] // 2),
            groups=convolution.groups,
        )
        return out.permute(0, 2, 3, 1)


def fitting_stride(patch_size: int, d_model: int) -> int:
    """Return the stride nearest to CBraMod's 25 whose frames of a patch divide `d_model`.

    Parameters
    ----------
    patch_size : int
        Samples per patch.
    d_model : int
        Width of a patch's vector.

    Returns
    -------
    int
        Samples.

    Examples
    --------
    >>> fitting_stride(200, 200), fitting_stride(50, 32)
    (25, 25)
    """
    fitting = [s for s in range(1, patch_size + 1) if d_model % math.ceil(patch_size / s) == 0]
    return min(fitting, key=lambda stride: (abs(stride - 25), stride))
