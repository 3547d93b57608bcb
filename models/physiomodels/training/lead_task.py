"""The leads that a pretraining gives its encoder, and those that it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physiomodels.config import PretrainConfig
from physiomodels.model.lead_masks import LeadTask
from physioprep.channel_choice import check_names
from physioprep.lead_views import LeadView

if TYPE_CHECKING:
    from physioprep.shards import Shards


def task_of(config: PretrainConfig, shards: Shards) -> LeadTask:
    """Return the leads of a configuration, as far as the shards have them.

    Parameters
    ----------
    config : PretrainConfig
        With `input_leads` and `target_leads`.
    shards : Shards
        To train on.

    Returns
    -------
    LeadTask

    Raises
    ------
    ShardError
        The shards have no such lead; the message lists those that they have.
    """
    return LeadTask(
        _view(config.input_leads, config, shards),
        _view(config.target_leads, config, shards),
        config.seed,
    )


def _view(text: str | None, config: PretrainConfig, shards: Shards) -> LeadView | None:
    if text is None:
        return None
    view = LeadView.of(text)
    held = {config.modality: shards.modalities[config.modality].channels}
    check_names(view.leads, held, str(shards.path))
    return view
