"""A contrastive objective beside masking: a window agrees with its partner more than with others.

Symmetric InfoNCE (van den Oord et al., arXiv 1807.03748, as in CLIP, arXiv 2103.00020). A partner
is another signal of the same seconds, or a text of the record.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from physiomodels.fields import Bounded, build
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.patches import Patches
from physiomodels.model.pooling import mean_over
from physiomodels.model.sizes import EncoderConfig
from physiomodels.model.weights import build_fitting, load_folder, named, save_folder
from physioprep.bounds import FACTOR, FACTOR_OR_0, WIDTH
from physioprep.errors import ModelError


@dataclass(frozen=True)
class AlignConfig(Bounded):
    """What a pretraining aligns its signal with.

    Parameters
    ----------
    partner : str
        A signal of the shards, or one of their texts (``report``).
    vectors : str or None
        Text vectors by record, of any sentence encoder (`physiomodels.training.texts`). None: of a
        text, hashed TF-IDF.
    encoder : EncoderConfig
        Of a partner that is a signal; it learns from the contrast alone.
    weight, masking : float
        Of the contrast, and of the masked error beside it; 0: the contrast alone.
    temperature : float
        What similarities (cosines) are divided by.
    width : int
        Of the common space.
    """

    partner: str
    vectors: str | None = None
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    weight: Annotated[float, FACTOR] = 1.0
    masking: Annotated[float, FACTOR_OR_0] = 1.0
    temperature: Annotated[float, FACTOR] = 0.1
    width: Annotated[int, WIDTH] = 64


class Alignment(nn.Module):
    """Projections of pooled features and of a partner into one space, and the partner's encoder.

    Parameters
    ----------
    config : AlignConfig
        Partner and sizes.
    width : int
        Of the features of the signal that is pretrained.
    text_width : int or None
        Of the vectors of a partner that is a text; None: a signal.
    """

    def __init__(self, config: AlignConfig, width: int, text_width: int | None) -> None:
        super().__init__()
        self.settings = config
        self.config = {"align": asdict(config), "width": width, "text_width": text_width}
        self.encoder = CrissCrossEncoder(**asdict(config.encoder)) if text_width is None else None
        widths = (width, text_width or config.encoder.d_model)
        self.project = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(each), nn.Linear(each, config.width)) for each in widths
        )

    def forward(
        self, own: Tensor, present: Tensor | None, other: Patches | Tensor
    ) -> tuple[Tensor, Tensor]:
        """Project windows and their partners.

        Parameters
        ----------
        own : Tensor, shape (window, channel, patch, width)
            Features of the signal that is pretrained, nothing hidden.
        present : Tensor of bool, shape (window, channel, patch), or None
            What exists of it; None: all.
        other : Patches, or Tensor of shape (window, width)
            The partner: a signal, or vectors of a text, NaN where there is none.

        Returns
        -------
        both : Tensor, shape (2, window, width)
            Of length 1.
        paired : Tensor of bool, shape (window,)
            Which windows have both.
        """
        sides = [_pooled(own, present)]
        if self.encoder is None:
            assert isinstance(other, Tensor)
            sides.append((torch.nan_to_num(other), torch.isfinite(other).all(1)))
        else:
            assert isinstance(other, Patches)
            sides.append(_pooled(self.encoder(other.x, None, other.present), other.present))
        projected = [
            project(vectors) for project, (vectors, _) in zip(self.project, sides, strict=True)
        ]
        both = torch.stack(projected)
        both = both.float() if both.dtype == torch.bfloat16 else both
        return F.normalize(both, dim=-1), sides[0][1] & sides[1][1]

    def save_pretrained(self, folder: Path) -> None:
        """Write ``config.json`` and ``model.safetensors``.

        Parameters
        ----------
        folder : Path
            Made where it does not exist.
        """
        save_folder(self, self.config, folder)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Load what `save_pretrained` wrote.

        Parameters
        ----------
        folder : path-like
            ``alignment`` in a folder of `physiomodels.pretrain`'s weights.

        Returns
        -------
        Alignment
            In evaluation mode.

        Raises
        ------
        ModelError
            There is none, or its weights do not fit.
        """
        with named(folder):
            config, state = load_folder(Path(folder))
            align, width, text_width = (config.get(k) for k in ("align", "width", "text_width"))
            if not isinstance(align, dict) or not isinstance(width, int):
                raise ModelError("no saved alignment: config.json has no align or no width")
            if text_width is not None and not isinstance(text_width, int):
                raise ModelError(f"config.json: text_width is {str(text_width)[:80]}, no number")
            settings = build(AlignConfig, align, "align")
            made = build_fitting(lambda: cls(settings, width, text_width), state)
        return made.eval()


def _pooled(features: Tensor, present: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the mean over patches, and which windows have any."""
    flags = present if present is not None else features.new_ones(features.shape[:3]).bool()
    return mean_over(features, flags), flags.flatten(1).any(1)


def info_nce(both: Tensor, record: Tensor | None, temperature: float) -> Tensor:
    """Return the symmetric contrast of windows with their partners.

    Parameters
    ----------
    both : Tensor, shape (2, window, width)
        Of length 1: windows, and the partner of each.
    record : Tensor of int64, shape (window,), or None
        Windows of one record do not count against each other: its text is that of all of them.
        None: they do, which asks for the seconds, not for the person.
    temperature : float
        What cosines are divided by.

    Returns
    -------
    Tensor
        Mean cross-entropy of finding the partner and of being found; 0 for fewer than two windows.
    """
    if both.shape[1] < 2:
        return both.sum() * 0.0
    logits = both[0] @ both[1].T / temperature
    if record is not None:
        same = (record[:, None] == record).fill_diagonal_(False)
        logits = logits.masked_fill(same, -torch.inf)
    right = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2
