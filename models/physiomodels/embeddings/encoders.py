"""The encoders of a model, and the embeddings of a batch of windows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.patches import to_patches
from physiomodels.model.pooling import pool_features
from physiomodels.model.weights import load_folder
from physiomodels.training.classifier import Classifier, load_encoder
from physiomodels.training.run_card import card_of
from physioprep.errors import ModelError
from physioprep.local_path import local_path

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Encoders = Mapping[str, CrissCrossEncoder]


def pooled(
    encoders: Encoders, batch: Mapping[str, torch.Tensor], device: str, pooling: str
) -> NDArray[np.float32]:
    """Return one vector per window from the features of its patches, encoders side by side.

    Parameters
    ----------
    encoders : mapping of str to CrissCrossEncoder
        By modality, on `device`.
    batch : mapping of str to Tensor
        Signals and presence, as a `physioprep.ShardStream` yields.
    device : str
        Where to run.
    pooling : str
        As for `physiomodels.model.pooling.pool_features`.

    Returns
    -------
    ndarray of float32, shape (window, feature)
        Zero where a window lacks the signal.
    """
    parts = []
    with torch.no_grad():
        for name, encoder in encoders.items():
            patches = to_patches(batch, name, encoder.patch_size, device)
            full = torch.ones(patches.x.shape[:3], dtype=torch.bool, device=device)
            present = full if patches.present is None else patches.present
            features = encoder(patches.x, None, patches.present)
            parts.append(pool_features(features, present, pooling))
    vectors: NDArray[np.float32] = torch.cat(parts, dim=1).float().cpu().numpy()
    return vectors


def load_encoders(model: str | Path, modality: str | None) -> list[tuple[str, CrissCrossEncoder]]:
    """Load the encoders of a model.

    Parameters
    ----------
    model : path-like
        A folder of `physiomodels.pretrain` or `physiomodels.finetune`, or CBraMod's weights.
    modality : str or None
        Of a single encoder; None where its card says it.

    Returns
    -------
    list of (str, CrissCrossEncoder)
        With their modalities.

    Raises
    ------
    ModelError
        If there is no model, or the modality is unknown.
    """
    path = local_path(model, ModelError)
    if (path / "config.json").is_file() and "classes" in load_folder(path)[0]:
        held: Any = Classifier.from_pretrained(path).model.encoders
        return list(held.items())
    encoder = load_encoder(path)
    if modality is None and (card := card_of(path)) is not None:
        modality = card.get("modality")
    if modality is None:
        raise ModelError(f"{model}: no card says which signal it takes; name the modality")
    return [(modality, encoder)]
