"""Sizes of a `CrissCrossEncoder`: their bounds, and how many parameters come of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from physiomodels.fields import Bounded, build
from physiomodels.model.headers import HeaderError, check_parameters
from physioprep.bounds import DROPPED, EXTENT, LAYERS, PATCH, WIDTH
from physioprep.errors import ModelError


@dataclass(frozen=True)
class EncoderConfig(Bounded):
    """Sizes of a `CrissCrossEncoder`; the defaults train in seconds on two cores (our choice).

    Parameters
    ----------
    patch_size, d_model, depth, heads, ffn, dropout, attention_dropout, position_kernel, conv_stride
        As for `physiomodels.CrissCrossEncoder`.
    learned_mask_token, init
        As for `physiomodels.CrissCrossEncoder`.
    """

    patch_size: Annotated[int, PATCH] = 200
    d_model: Annotated[int, WIDTH] = 64
    depth: Annotated[int, LAYERS] = 3
    heads: Annotated[int, WIDTH] = 4
    ffn: Annotated[int, PATCH] = 128
    dropout: Annotated[float, DROPPED] = 0.1
    attention_dropout: Annotated[float, DROPPED] = 0.0
    position_kernel: tuple[Annotated[int, EXTENT], Annotated[int, EXTENT]] = (19, 7)
    conv_stride: Annotated[int, PATCH] | None = None
    learned_mask_token: bool = False
    init: str = "sound"


def check_encoder(values: Mapping[str, Any]) -> None:
    """Check types and bounds of an encoder's sizes, which may come from anywhere.

    Parameters
    ----------
    values : mapping of str to object
        By field of `EncoderConfig`.

    Raises
    ------
    ModelError
        One is of another type or out of bounds.
    """
    build(EncoderConfig, values, EncoderConfig.__name__)


def n_parameters(
    patch_size: int,
    d_model: int,
    depth: int,
    ffn: int,
    position_kernel: Sequence[int],
    conv_stride: int,
) -> int:
    """Return how many parameters an encoder has, without building it.

    Parameters
    ----------
    patch_size, d_model, depth, ffn, position_kernel, conv_stride
        As for `CrissCrossEncoder`.

    Returns
    -------
    int
        Of the mask token, too.

    Examples
    --------
    >>> n_parameters(200, 200, 12, 800, (19, 7), 25)
    4924000
    """
    attention = 4 * (d_model // 2) ** 2 + 4 * (d_model // 2)
    layer = 2 * attention + 2 * d_model * ffn + ffn + 5 * d_model
    width = d_model // math.ceil(patch_size / conv_stride)
    embedding = width * (2 * conv_stride - 1) + 6 * width**2 + 9 * width
    embedding += d_model * (math.prod(position_kernel) + 1) + d_model * (patch_size // 2 + 2)
    return depth * layer + embedding + patch_size + (d_model + 1) * patch_size


def check_number(*sizes: Any) -> None:
    """Refuse an encoder that is too large before memory for it is taken.

    Parameters
    ----------
    *sizes : int
        As for `n_parameters`.

    Raises
    ------
    ModelError
        It has more parameters than `physioprep.limits.MAX_PARAMETERS`.
    """
    try:
        check_parameters(n_parameters(*sizes))
    except HeaderError as error:
        raise ModelError(f"an encoder of {error}") from None
