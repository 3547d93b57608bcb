"""The contrast of a pretraining: the partners of a batch, and all processes' windows at once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from physiomodels.model.alignment import AlignConfig, info_nce
from physiomodels.model.patches import Patches, to_patches
from physiomodels.training import distributed as ranks
from physiomodels.training.data import by_epoch, check_fit
from physiomodels.training.texts import text_vectors
from physioprep.errors import ModelError
from physioprep.shards.target import epochs_of, label_name

if TYPE_CHECKING:
    from physioprep.shards import Shards


def text_of(shards: Shards, config: AlignConfig, where: str | None) -> Tensor | None:
    """Return the vectors of a partner that is a text.

    Parameters
    ----------
    shards : Shards
        Opened.
    config : AlignConfig
        The partner.
    where : str or None
        Query on the window manifest: the training windows.

    Returns
    -------
    Tensor or None
        (record, width); None where the partner is a signal.

    Raises
    ------
    ModelError
        The shards have neither a signal nor a text of this name, or the signal does not fit.
    """
    partner = config.partner
    if config.vectors is None and partner in shards.modalities:
        check_fit(shards, partner, config.encoder.patch_size, None, epochs_of(shards.attrs))
        return None
    if config.vectors is None and label_name(partner, shards.text_labels) is None:
        held = ", ".join([*shards.modalities, *shards.text_labels])
        raise ModelError(f"{shards.path}: nothing to align with called {partner!r}; it has {held}")
    return torch.from_numpy(text_vectors(shards, partner, config.vectors, where))


def partner_rows(
    batch: Mapping[str, Tensor], config: AlignConfig, text: Tensor | None, n_epochs: int | None
) -> dict[str, Tensor]:
    """Return what a batch holds of the partner, a row per window or epoch.

    Parameters
    ----------
    batch : mapping of str to Tensor
        Of a stream.
    config : AlignConfig
        The partner.
    text : Tensor or None
        From `text_of`.
    n_epochs : int or None
        Epochs that windows are cut into.

    Returns
    -------
    dict of str to Tensor
        ``record``, and the partner's signal and leads.
    """
    record = batch["record"].repeat_interleave(n_epochs or 1, 0)
    signal = {} if text is not None else by_epoch(batch, [config.partner], n_epochs)
    return {"record": record} | signal


def partner_of(
    rows: Mapping[str, Tensor], config: AlignConfig, text: Tensor | None, device: str
) -> Patches | Tensor:
    """Return the partners of rows as an alignment takes them.

    Parameters
    ----------
    rows : mapping of str to Tensor
        From `partner_rows`.
    config : AlignConfig
        The partner.
    text : Tensor or None
        From `text_of`.
    device : str
        Where to put them.

    Returns
    -------
    Patches or Tensor
    """
    if text is not None:
        return text[rows["record"].to(text.device)].to(device)
    return to_patches(rows, config.partner, config.encoder.patch_size, device)


def contrast(both: Tensor, paired: Tensor, record: Tensor | None, temperature: float) -> Tensor:
    """Return the contrast over the windows of all processes.

    Parameters
    ----------
    both : Tensor, shape (2, window, width)
        Of this process.
    paired : Tensor of bool, shape (window,)
        Which of them have a partner: the others take no part.
    record : Tensor of int64, shape (window,), or None
        As for `physiomodels.model.alignment.info_nce`.
    temperature : float
        What cosines are divided by.

    Returns
    -------
    Tensor
        The same number in all processes. Its gradient is that of this process's own windows: the
        sum over processes is that of one alone.
    """
    own = both[:, paired]
    names = None if record is None else record.to(own.device)[paired]
    if ranks.world_size() > 1:
        parts = [part.to(own) for part in ranks.gathered(own.detach().cpu())]
        parts[ranks.rank()] = own
        own = torch.cat(parts, dim=1)
        if names is not None:
            names = torch.cat([part.to(names) for part in ranks.gathered(names.cpu())])
    return info_nce(own, names, temperature)


def text_sha256(text: Tensor | None) -> str | None:
    """Return the hash of text vectors, so that a run goes on with the same ones only.

    Parameters
    ----------
    text : Tensor or None
        From `text_of`.

    Returns
    -------
    str or None
    """
    return None if text is None else hashlib.sha256(text.numpy().tobytes()).hexdigest()
