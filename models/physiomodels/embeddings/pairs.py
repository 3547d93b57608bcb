"""Windows and their partners in the common space of an aligned pretraining."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from physiomodels.model.alignment import Alignment
from physiomodels.model.device import choose_device
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.patches import to_patches
from physiomodels.training.aligned import partner_of, partner_rows, text_of
from physiomodels.training.data import open_stream, pretraining_rows
from physiomodels.training.run_card import card_of
from physioprep.errors import ModelError
from physioprep.local_path import local_path
from physioprep.shards import open_shards

if TYPE_CHECKING:
    from physioprep.shards import Shards


@dataclass(frozen=True, eq=False)
class Pairs:
    """Windows that have a partner.

    Parameters
    ----------
    own, other : ndarray of float32, shape (pair, width)
        Both in the common space, of length 1.
    windows : ndarray of int64, shape (pair,)
        Numbers of the windows; of epochs, of the windows that they are in.
    """

    own: NDArray[np.float32]
    other: NDArray[np.float32]
    windows: NDArray[np.int64]


def embed_pairs(
    shards: str | Path | Shards,
    model: str | Path,
    *,
    where: str | None = None,
    batch_size: int = 64,
    device: str | None = None,
) -> Pairs:
    """Embed windows and their partners, for retrieval without labels.

    Parameters
    ----------
    shards : path-like or Shards
        With both signals, or with the text; of hashed TF-IDF, those that the model was made on.
    model : path-like
        ``best`` or ``last`` of a pretraining with `AlignConfig`.
    where : str, optional
        Query on the window manifest: windows of people that the model never met, say.
    batch_size : int
        Windows encoded at once.
    device : str, optional
        By default "cuda" where there is a GPU, else "cpu".

    Returns
    -------
    Pairs
        By window number; windows without a partner are left out.

    Raises
    ------
    ModelError
        The model is not aligned, or does not fit the shards.
    """
    folder, device, opened = (
        local_path(model, ModelError),
        choose_device(device),
        open_shards(shards),
    )
    alignment = Alignment.from_pretrained(folder / "alignment").to(device)
    encoder = CrissCrossEncoder.from_pretrained(folder).to(device).eval()
    card = card_of(folder)
    if card is None:
        raise ModelError(f"{folder}: no run card, which says what was aligned")
    config = alignment.settings
    by_words = alignment.config["text_width"] is not None and config.vectors is None
    if by_words and card.get("shards_sha256") != opened.attrs.get("plan_sha256"):
        raise ModelError(
            f"{folder}: aligned with words whose rarity other shards set; give vectors instead"
        )
    text = text_of(opened, config, card.get("where"))
    signals = [card["modality"], *([] if text is not None else [config.partner])]
    own, other, windows = [], [], []
    with torch.no_grad():
        for batch in open_stream(opened, signals, batch_size, where=where, shuffle=False):
            rows = pretraining_rows(batch, card["modality"])
            n_epochs = len(rows["index"]) // len(batch["index"])
            cut = n_epochs if batch[card["modality"]].ndim == 4 else None
            rows |= partner_rows(batch, config, text, cut)
            patches = to_patches(rows, card["modality"], encoder.patch_size, device)
            features = encoder(patches.x, None, patches.present)
            both, paired = alignment(
                features, patches.present, partner_of(rows, config, text, device)
            )
            own.append(both[0, paired].cpu().numpy())
            other.append(both[1, paired].cpu().numpy())
            windows.append(batch["index"].repeat_interleave(n_epochs)[paired.cpu()].numpy())
    return Pairs(np.concatenate(own), np.concatenate(other), np.concatenate(windows))
