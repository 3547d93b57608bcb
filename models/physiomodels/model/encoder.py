"""The criss-cross encoder: CBraMod's network (arXiv 2412.07236) for EEG and for ECG alike.

A window is cut into patches (batch, channel, patch, sample). A patch becomes a vector by a small
time convolution plus its spectrum, a depthwise convolution over (channel, patch) adds the position,
and every layer attends across leads with the first half of the vector and across time with the
second. Parameters carry the names of the published weights, so those load as they are.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from physiomodels.model.by_size import parts_by_size, put_together, take
from physiomodels.model.embedding import PatchEmbedding, fitting_stride
from physiomodels.model.hub import HubModel
from physiomodels.model.layer import CrissCrossLayer
from physiomodels.model.presence import key_mask, present_patches
from physiomodels.model.sizes import check_encoder, check_number
from physiomodels.model.weights import build_fitting, load_weights, named
from physioprep.errors import ModelError

Initialisation = Literal["sound", "cbramod"]


class CrissCrossEncoder(HubModel, nn.Module):
    """Encode patches of a multi-lead recording; one class serves EEG and ECG.

    Parameters
    ----------
    patch_size : int
        Samples per patch (CBraMod: 200, one second at 200 Hz).
    d_model : int
        Width of a patch's vector; even.
    depth, heads, ffn : int
        Layers; attention heads per layer, half of them across leads and half across patches; width
        of the feed-forward part.
    dropout : float
        After the spectral embedding, attention and feed-forward parts, as in CBraMod.
    attention_dropout : float
        On the attention weights. CBraMod has 0.1; 0 by default here, since fused attention
        kernels have none.
    position_kernel : (int, int)
        Extent in (leads, patches) of the positional convolution; odd.
    conv_stride : int or None
        Stride of the first time convolution, its kernel is ``2 * stride - 1``. None: the
        one that fits `patch_size` and `d_model` and is nearest to CBraMod's 25.
    learned_mask_token : bool
        Train the vector of `patch_size` samples put in place of a masked patch. False keeps it
        frozen at zero, as the published model does.
    init : {"sound", "cbramod"}
        The reference's own, or ours, which starts with a reconstruction near zero.

    Raises
    ------
    ModelError
        Where the sizes do not fit together.

    References
    ----------
    Wang et al., "CBraMod", ICLR 2025, https://arxiv.org/abs/2412.07236

    Examples
    --------
    >>> import torch
    >>> encoder = CrissCrossEncoder(patch_size=50, d_model=32, depth=2, heads=4, ffn=64).eval()
    >>> x = torch.randn(2, 12, 10, 50)                       # (batch, channel, patch, sample)
    >>> encoder(x).shape                                     # (batch, channel, patch, d_model)
    torch.Size([2, 12, 10, 32])
    >>> encoder.reconstruct(encoder(x)).shape
    torch.Size([2, 12, 10, 50])
    """

    def __init__(
        self,
        patch_size: int = 200,
        d_model: int = 200,
        depth: int = 12,
        heads: int = 8,
        ffn: int = 800,
        *,
        dropout: float = 0.1,
        attention_dropout: float = 0.0,
        position_kernel: tuple[int, int] = (19, 7),
        conv_stride: int | None = None,
        learned_mask_token: bool = False,
        init: Initialisation = "sound",
    ) -> None:
        super().__init__()
        given = {
            "patch_size": patch_size,
            "d_model": d_model,
            "depth": depth,
            "heads": heads,
            "ffn": ffn,
            "dropout": dropout,
            "attention_dropout": attention_dropout,
            "position_kernel": position_kernel,
            "conv_stride": conv_stride,
            "learned_mask_token": learned_mask_token,
            "init": init,
        }
        check_encoder(given)
        if d_model % 2 or heads % 2 or d_model % heads:
            raise ModelError(
                f"d_model {d_model} and heads {heads}: both even, and heads divides d_model"
            )
        if any(size % 2 == 0 for size in position_kernel):
            raise ModelError(f"position_kernel {tuple(position_kernel)}: both sizes must be odd")
        stride = fitting_stride(patch_size, d_model) if conv_stride is None else conv_stride
        check_number(patch_size, d_model, depth, ffn, position_kernel, stride)
        self.config = given | {"position_kernel": list(position_kernel), "conv_stride": stride}
        self.patch_size, self.d_model = patch_size, d_model
        self.patch_embedding = PatchEmbedding(
            patch_size, d_model, stride, position_kernel, dropout, learned_mask_token
        )
        layer = CrissCrossLayer(d_model, heads, ffn, dropout, attention_dropout)
        layers = nn.ModuleList(copy.deepcopy(layer) for _ in range(depth))
        self.encoder = nn.ModuleDict({"layers": layers})
        self.proj_out = nn.Sequential(nn.Linear(d_model, patch_size))
        _initialise(self, init, depth)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, present: Tensor | None = None
    ) -> Tensor:
        """Return the features of every patch.

        Parameters
        ----------
        x : Tensor, shape (batch, channel, patch, patch_size)
            In the scale of training (`physiomodels.model.patches`: EEG in 100 µV, any other signal
            with a standard deviation of 1).
        mask : Tensor, shape (batch, channel, patch), optional
            1 or True where the patch is hidden: the mask token takes its place.
        present : Tensor of bool, shape (batch, channel) or (batch, channel, patch), optional
            False where a lead or a patch does not exist. It is then left out of normalisation,
            convolution and attention, so that a sample has the features that it would have
            alone, without absent leads. None: everything takes part, as in CBraMod.

        Returns
        -------
        Tensor, shape (batch, channel, patch, d_model)
            Zero where `present` is False.

        Notes
        -----
        Samples of one size are computed together (`physiomodels.model.by_size`), so absent leads
        cost next to nothing. Under `torch.compile`, which wants fixed shapes, they are computed.
        """
        self._check_shape(x)
        present = present_patches(x, present)
        if present is None or torch.compiler.is_compiling():
            return self._encode(x, mask, present)
        parts = parts_by_size(present)
        if not parts or (parts[0].samples == len(x) and parts[0].cells.shape == present.shape):
            return self._encode(x, mask, None if parts and parts[0].whole else present)
        encoded = [
            self._encode(
                take(x, part.cells),
                None if mask is None else take(mask, part.cells),
                None if part.whole else take(present, part.cells),
            )
            for part in parts
        ]
        return put_together(encoded, parts, present)

    def _encode(self, x: Tensor, mask: Tensor | None, present: Tensor | None) -> Tensor:
        """Encode samples all at the same width."""
        hidden = self.embed_patches(x, mask, present)
        lead_mask = None if present is None else key_mask(present.transpose(1, 2))
        time_mask = None if present is None else key_mask(present)
        for layer in self.encoder["layers"]:  # type: ignore[attr-defined]
            hidden = layer(hidden, lead_mask, time_mask)
        return hidden if present is None else hidden * present[..., None]

    def embed_patches(
        self, x: Tensor, mask: Tensor | None = None, present: Tensor | None = None
    ) -> Tensor:
        """Return what enters the first layer.

        Parameters
        ----------
        x, mask, present : Tensor
            As for `forward`.

        Returns
        -------
        Tensor, shape (batch, channel, patch, d_model)

        Raises
        ------
        ModelError
            If `x` has another shape.
        """
        self._check_shape(x)
        embedding: Tensor = self.patch_embedding(x, mask, present_patches(x, present))
        return embedding

    def _check_shape(self, x: Tensor) -> None:
        if x.ndim != 4 or x.shape[-1] != self.patch_size:
            raise ModelError(
                f"input of shape {tuple(x.shape)}: this encoder takes "
                f"(batch, channel, patch, {self.patch_size})"
            )

    def reconstruct(self, features: Tensor) -> Tensor:
        """Return patches from features.

        Parameters
        ----------
        features : Tensor, shape (..., d_model)
            From `forward`.

        Returns
        -------
        Tensor, shape (..., patch_size)
            In the scale of the input.
        """
        patches: Tensor = self.proj_out(features)
        return patches

    def masked_loss(
        self,
        x: Tensor,
        mask: Tensor,
        present: Tensor | None = None,
        *,
        visible_weight: float = 0.0,
        spectral_weight: float = 0.0,
    ) -> Tensor:
        """Return the mean squared error of the reconstruction over what `mask` hides.

        Parameters
        ----------
        x, mask, present : Tensor
            As for `forward`. Patches that do not exist do not count.
        visible_weight : float
            Add this many times the same error over what is visible.
        spectral_weight : float
            Add this many times the mean squared error of the amplitude spectra, scaled to weigh
            like the samples do (ours: the phase of a rhythm cannot be predicted, its power can).

        Returns
        -------
        Tensor, scalar
            0 where nothing is hidden.
        """
        parts = self.masked_errors(
            x, mask, present, spectral_weight=spectral_weight, seen=bool(visible_weight)
        )
        weights = (1.0, visible_weight)
        shares = [w * e / max(1, n) for w, (e, n) in zip(weights, parts, strict=True) if w]
        return torch.stack(shares).sum()

    def masked_errors(
        self,
        x: Tensor,
        mask: Tensor,
        present: Tensor | None = None,
        *,
        spectral_weight: float = 0.0,
        seen: bool = True,
        counted: Tensor | None = None,
    ) -> tuple[tuple[Tensor, int], tuple[Tensor, int]]:
        """Return the summed errors that `masked_loss` divides by their numbers of samples.

        Processes that share a batch divide by the samples of all of them.

        Parameters
        ----------
        x, mask, present, spectral_weight
            As for `masked_loss`.
        seen : bool
            Whether the visible patches are reconstructed, too.
        counted : Tensor of bool, shape (batch, channel, patch), optional
            Whose errors count; None: all.

        Returns
        -------
        hidden, visible : (Tensor, int)
            Summed squared error and number of samples, over what `mask` hides and over what it
            does not; the second is (0, 0) without `seen`.
        """
        present = present_patches(x, present)
        mask = mask.bool()
        features = self(x, mask, present)

        def error_over(chosen: Tensor) -> tuple[Tensor, int]:  # computed on these patches only
            out, target = self.reconstruct(features[chosen]), x[chosen]
            error = (out - target).square().sum()
            if spectral_weight:
                spectra = [torch.fft.rfft(y.float(), norm="ortho").abs() for y in (out, target)]
                error = error + 2 * spectral_weight * (spectra[0] - spectra[1]).square().sum()
            return error, out.numel()

        there = counted if present is None or counted is None else present & counted
        there = present if counted is None else there
        hidden = error_over(mask if there is None else mask & there)
        if not seen:
            return hidden, (torch.zeros_like(hidden[0]), 0)
        return hidden, error_over(~mask if there is None else ~mask & there)

    @classmethod
    def from_cbramod(
        cls, weights: str | Path | Mapping[str, Tensor], *, heads: int = 8, dropout: float = 0.1
    ) -> Self:
        """Load published CBraMod weights, or those of braindecode's class.

        Parameters
        ----------
        weights : path-like or mapping of str to Tensor
            The ``.pth`` or ``.safetensors`` file, or its state dict. Sizes are read from it.
        heads : int
            The one size that cannot be read from the weights.
        dropout : float
            For further training.

        Returns
        -------
        CrissCrossEncoder

        Raises
        ------
        ModelError
            If keys are missing or unknown (the message names all), or a file cannot be read.
        """
        state = dict(weights) if isinstance(weights, Mapping) else load_weights(Path(weights))
        state = {k: v for k, v in state.items() if not k.startswith("final_layer.")}  # braindecode
        with named(weights):
            sizes = _sizes_of(state)
            return build_fitting(lambda: cls(**sizes, heads=heads, dropout=dropout), state)


def _initialise(model: CrissCrossEncoder, init: Initialisation, depth: int) -> None:
    linears = [module for module in model.modules() if isinstance(module, nn.Linear)]
    if init == "cbramod":
        for linear in linears:
            nn.init.kaiming_normal_(linear.weight, mode="fan_out", nonlinearity="relu")
        return
    if init != "sound":
        raise ModelError(f'init "{init}": "sound" or "cbramod"')
    for linear in linears:
        nn.init.trunc_normal_(linear.weight, std=0.02)
        nn.init.zeros_(linear.bias)
    for layer in model.encoder["layers"]:  # type: ignore[attr-defined]
        for attention in (layer.self_attn_s, layer.self_attn_t):
            nn.init.xavier_uniform_(attention.in_proj_weight)  # anew: layers were one copied
            nn.init.trunc_normal_(attention.out_proj.weight, std=0.02 / math.sqrt(2 * depth))
        nn.init.trunc_normal_(layer.linear2.weight, std=0.02 / math.sqrt(2 * depth))
    # spectral amplitudes are some hundredths: larger weights balance them with the convolution
    spectral = model.patch_embedding.spectral_proj[0]
    nn.init.trunc_normal_(spectral.weight, std=1.0)  # type: ignore[arg-type]


def _sizes_of(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Read the sizes of a CBraMod from the shapes of its weights."""
    try:
        first = state["patch_embedding.proj_in.0.weight"]
        kernel = state["patch_embedding.positional_encoding.0.weight"].shape[-2:]
        layers = {int(key.split(".")[2]) for key in state if key.startswith("encoder.layers.")}
        return {
            "patch_size": state["patch_embedding.mask_encoding"].shape[0],
            "d_model": state["patch_embedding.spectral_proj.0.weight"].shape[0],
            "depth": max(layers, default=-1) + 1,
            "ffn": state["encoder.layers.0.linear1.weight"].shape[0],
            "position_kernel": tuple(kernel),
            "conv_stride": (first.shape[-1] + 1) // 2,
        }
    except KeyError as error:
        raise ModelError(f"weights do not fit: missing {error.args[0]}") from error
    except (IndexError, ValueError):
        raise ModelError("weights do not fit: odd names or shapes") from None
