"""How labelled windows are augmented in a fine-tuning, and the transforms that do it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from physiomodels.fields import Bounded
from physiomodels.model.patches import UNIT_UV
from physioprep.bounds import COUNT, DROPPED, FACTOR_OR_0, SHARE
from physioprep.errors import ModelError

if TYPE_CHECKING:
    from torch import Tensor

    from physioprep.shards import Shards
    from physioprep.stream.augment import Noise


@dataclass(frozen=True)
class AugmentConfig(Bounded):
    """Augmentation of training windows, in this order; each depends on the window alone.

    Parameters
    ----------
    leads : float
        Chance that a lead is masked; one always remains.
    warp : float
        Speeds are drawn from ``1 - warp`` to ``1 + warp``, alike for all signals of a window.
    noise : str or None
        A store of noise, such as nstdb's at the rate and in the band of the signal it disturbs.
    noise_of, noise_on : str
        The noise's modality in its store, and the signal.
    noise_rate : float
        Share of the windows that are disturbed.
    snr_db : (float, float)
        Range of the signal's variance to the noise's, dB.
    mixup : float
        Shares are drawn from Beta(`mixup`, `mixup`); 0: none. Signals other than EEG are
        standardised before they are mixed, as a model takes them.
    mixup_rate : float
        Share of the windows that are mixed.
    bank : int
        At most so many labelled training windows are kept in memory, to be mixed in.
    """

    leads: Annotated[float, DROPPED] = 0.0
    warp: Annotated[float, DROPPED] = 0.0
    noise: str | None = None
    noise_of: str = "other"
    noise_on: str = "ecg"
    noise_rate: Annotated[float, SHARE] = 0.5
    snr_db: tuple[float, float] = (0.0, 20.0)
    mixup: Annotated[float, FACTOR_OR_0] = 0.0
    mixup_rate: Annotated[float, SHARE] = 1.0
    bank: Annotated[int, COUNT] = 4096

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = self.snr_db
        if not -200 <= low <= high <= 200:
            raise ModelError(f"snr_db {self.snr_db}: from low to high, within -200 to 200 dB")


@dataclass(frozen=True, eq=False)
class Augmentation:
    """What the augmentation of a training needs in memory.

    Parameters
    ----------
    config : AugmentConfig
        What is done.
    modalities : tuple of str
        Signals of the stream.
    rates_hz : dict of str to float
        Their sampling rates, Hz.
    noise : Noise or None
        Recorded noise.
    bank : dict of str to Tensor, or None
        Standardised windows to mix in.
    seed : int
        Of the random numbers.
    """

    config: AugmentConfig
    modalities: tuple[str, ...]
    rates_hz: dict[str, float]
    noise: Noise | None
    bank: dict[str, Tensor] | None
    seed: int


def prepare(
    config: AugmentConfig, shards: Shards, modalities: Sequence[str], where: str, seed: int
) -> Augmentation:
    """Read noise, and the windows to mix in.

    Parameters
    ----------
    config : AugmentConfig
        What is done.
    shards : Shards
        Opened.
    modalities : sequence of str
        Signals of the stream.
    where : str
        Query on the window manifest: the training windows.
    seed : int
        Of the random numbers.

    Returns
    -------
    Augmentation

    Raises
    ------
    ModelError
        The noise cannot disturb the signal that it is meant for.
    """
    from physioprep.stream.augment import bank_of, noise_of

    rates = {name: shards.modalities[name].rate_hz for name in modalities}
    noise = None if config.noise is None else noise_of(config.noise, config.noise_of)
    if noise is not None and rates.get(config.noise_on) != noise.rate_hz:
        raise ModelError(
            f"{config.noise}: noise at {noise.rate_hz:g} Hz; {config.noise_on} is "
            + (f"at {rates[config.noise_on]:g}" if config.noise_on in rates else "not trained on")
        )
    bank = None
    if config.mixup:
        held = bank_of(shards, modalities, where=where, most=config.bank, seed=seed)
        bank = _standardised(held, modalities)
    return Augmentation(config, tuple(modalities), rates, noise, bank, seed)


def augmented(batch: dict[str, Tensor], done: Augmentation, epoch: int) -> dict[str, Tensor]:
    """Return a batch of training windows, augmented.

    Parameters
    ----------
    batch : dict of str to Tensor
        Of a stream.
    done : Augmentation
        From `prepare`.
    epoch : int
        Of the random numbers.

    Returns
    -------
    dict of str to Tensor
        Also ``mixup_share`` and ``mixup_index`` where windows are mixed.
    """
    from physioprep.stream.augment import add_noise, mixup, time_warp
    from physioprep.stream.transforms import lead_dropout

    config, drawn = done.config, {"seed": done.seed, "epoch": epoch}
    if config.leads:
        for name in done.modalities:
            batch = lead_dropout(batch, name, config.leads, **drawn)
    if config.warp:
        batch = time_warp(batch, done.modalities, config.warp, **drawn)
    if done.noise is not None:
        batch = add_noise(
            batch, config.noise_on, done.noise, done.rates_hz[config.noise_on], config.snr_db,
            rate=config.noise_rate, **drawn,
        )  # fmt: skip
    if done.bank is not None:
        batch = _standardised(batch, done.modalities)
        batch = mixup(
            batch, done.modalities, done.bank, config.mixup, rate=config.mixup_rate, **drawn
        )
    return batch


def _standardised(batch: dict[str, Tensor], modalities: Sequence[str]) -> dict[str, Tensor]:
    from physioprep.stream.transforms import zscore

    for name in modalities:
        if name not in UNIT_UV:
            batch = zscore(batch, name)
    return batch
