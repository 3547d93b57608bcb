"""The leads that a pretraining gives its encoder, and those that it asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physiomodels.config import PretrainConfig
from physiomodels.model.lead_masks import LeadTask
from physioprep.channel_choice import check_names
from physioprep.errors import ModelError
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
    ModelError
        Each lead to answer is one of those that are given: there is nothing to learn.
    """
    inputs = _view(config.input_leads, config, shards)
    targets = _view(config.target_leads, config, shards)
    if inputs is not None and config.align is None and not config.visible_weight:
        asked: tuple[tuple[str, ...], ...] = (shards.modalities[config.modality].channels,)
        asked = asked if targets is None else targets.subsets
        if all(set(leads) <= set(given) for leads in asked for given in inputs.subsets):
            raise ModelError(
                f"{shards.path}: among the input leads ({inputs.to_text()}) is each that is to be "
                "answered, so that nothing is hidden and nothing learnt: give fewer, or name other "
                "target leads"
            )
    return LeadTask(inputs, targets, config.seed)


def _view(text: str | None, config: PretrainConfig, shards: Shards) -> LeadView | None:
    if text is None:
        return None
    view = LeadView.of(text)
    held = {config.modality: shards.modalities[config.modality].channels}
    check_names(view.leads, held, str(shards.path))
    return view
