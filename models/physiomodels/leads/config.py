"""What is reconstructed from which leads, and by what encoder."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from physiomodels.fields import Bounded
from physiomodels.model.sizes import EncoderConfig
from physioprep.bounds import COUNT, FACTOR, FACTOR_OR_0, SEED, SHARE
from physioprep.errors import ModelError
from physioprep.lead_views import LeadView


def _small() -> EncoderConfig:
    return EncoderConfig(patch_size=100, dropout=0.0, learned_mask_token=True)


@dataclass(frozen=True)
class LeadsConfig(Bounded):
    """Reconstruction of all leads from a few.

    Parameters
    ----------
    modality : str
        Which signal of the shards; all its leads are wanted.
    inputs : tuple of str
        Sets of leads to start from, each such as ``"II V1 V5"``.
    encoder : EncoderConfig
        The network. Of each fold one is trained for all `inputs`, one of which is drawn for each
        window and epoch.
    where : str or None
        Query on the window manifest.
    folds : int
        Parts of the people; each is tested by what the others trained.
    epochs, batch_size : int
        Passes over the training windows; windows per step.
    lr, weight_decay, warmup, clip : float
        As in `physiomodels.config.PretrainConfig`.
    bootstrap : int
        Draws of people for the intervals.
    seed : int
        Of folds, weights, order and draws.

    Raises
    ------
    ModelError
        An input has shares, or is there twice, or there is none.
    """

    modality: str = "ecg"
    inputs: tuple[str, ...] = ("I", "I II V2", "II V1 V5")
    encoder: EncoderConfig = field(default_factory=_small)
    where: str | None = None
    folds: Annotated[int, COUNT] = 5
    epochs: Annotated[int, COUNT] = 60
    batch_size: Annotated[int, COUNT] = 4
    lr: Annotated[float, FACTOR] = 2e-3
    weight_decay: Annotated[float, FACTOR_OR_0] = 0.05
    warmup: Annotated[float, SHARE] = 0.1
    clip: Annotated[float, FACTOR] = 1.0
    bootstrap: Annotated[int, COUNT] = 1000
    seed: Annotated[int, SEED] = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        views = [LeadView.of(each) for each in self.inputs]
        if not views or any(len(view.subsets) > 1 for view in views):
            raise ModelError("inputs: one or more sets of leads, each such as 'II V1 V5'")
        if len({frozenset(view.leads) for view in views}) < len(views):
            raise ModelError("inputs: the same leads twice")
        if self.folds < 2:
            raise ModelError("folds: at least 2")

    @property
    def sets(self) -> tuple[tuple[str, ...], ...]:
        """The inputs as names of leads.

        Returns
        -------
        tuple of tuple of str
        """
        return tuple(LeadView.of(each).leads for each in self.inputs)
