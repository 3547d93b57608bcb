"""Configurations: frozen dataclasses that load from YAML; a wrong name is a clear error."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

from physiomodels.augment import AugmentConfig
from physiomodels.fields import Bounded, build
from physiomodels.model.alignment import AlignConfig
from physiomodels.model.masking import DualMask
from physiomodels.model.pooling import POOLING, check_pooling
from physiomodels.model.sizes import EncoderConfig as EncoderConfig
from physioprep.bounds import (
    COUNT,
    DROPPED,
    FACTOR,
    FACTOR_OR_0,
    HIDDEN,
    SEED,
    SHARE,
    SOME,
    WIDTH,
    ZERO_OR_MORE,
)
from physioprep.documents import load_yaml, read_text
from physioprep.errors import ModelError
from physioprep.lead_views import LeadView
from physioprep.local_path import local_path
from physioprep.suggest import did_you_mean

T = TypeVar("T")
_SHIPPED: Final = Path(__file__).parent / "configs"


@dataclass(frozen=True)
class CheckConfig(Bounded):
    """What is looked at after every epoch of a pretraining: `physiomodels.training.checks`.

    Parameters
    ----------
    where : str
        Query on the window manifest: windows that are looked at, and not trained on. No person (or
        record, where people are unknown) may be on both sides.
    windows : int
        At most so many of them.
    label : str or None
        ``label_...`` column with one class per window, for a probe.
    pooling : {"mean-deviation", "mean", "per-lead"}
        How features become embeddings.
    """

    where: str = "split == 'check'"
    windows: Annotated[int, COUNT] = 1000
    label: str | None = None
    pooling: str = POOLING

    def __post_init__(self) -> None:
        super().__post_init__()
        check_pooling(self.pooling, fixed=True)


@dataclass(frozen=True)
class PretrainConfig(Bounded):
    """Pretraining by reconstruction of hidden patches.

    Parameters
    ----------
    modality : str
        Which signal of the shards.
    encoder, mask
        The network, and what is hidden.
    input_leads, target_leads : str or None
        ``"II V1 V5"``, or subsets with shares to draw from: ``"I:0.5,II V1 V5:0.5"``. Leads that
        the encoder sees, all others being hidden whole, in place of the mask; and leads whose
        error counts, by default all.
    epochs, batch_size, accumulate : int
        Passes; windows per forward pass; forward passes per step.
    lr, weight_decay, warmup, clip : float
        AdamW; share of all steps before the learning rate falls along a cosine, over which it
        rises; limit of the gradient's norm.
    bf16 : bool
        Run the network in bfloat16 where that is safe (autocast).
    visible_weight : float
        Weight of the error on what was not hidden; what was hidden has 1.
    spectral_weight : float
        Weight of the error of the amplitude spectra; the samples have 1.
    checkpoint_every : int
        Steps between checkpoints, in addition to one per epoch. 0: none.
    align : AlignConfig or None
        A contrast with another signal, or a text, beside the masking.
    seed : int
        Of weights, order, masks and dropout.
    checks : CheckConfig or None
        Windows to leave out, and to look at the encoder with after every epoch.
    """

    modality: str = "ecg"
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    mask: DualMask = field(default_factory=DualMask)
    input_leads: str | None = None
    target_leads: str | None = None
    epochs: Annotated[int, COUNT] = 10
    batch_size: Annotated[int, COUNT] = 32
    accumulate: Annotated[int, COUNT] = 1
    lr: Annotated[float, FACTOR] = 1e-3
    weight_decay: Annotated[float, FACTOR_OR_0] = 0.05
    warmup: Annotated[float, SHARE] = 0.1
    clip: Annotated[float, FACTOR] = 1.0
    bf16: bool = False
    visible_weight: Annotated[float, FACTOR_OR_0] = 0.0
    spectral_weight: Annotated[float, FACTOR_OR_0] = 0.0
    checkpoint_every: Annotated[int, ZERO_OR_MORE] = 0
    align: AlignConfig | None = None
    seed: Annotated[int, SEED] = 0
    checks: CheckConfig | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for each in (self.input_leads, self.target_leads):
            if each is not None:
                LeadView.of(each)


@dataclass(frozen=True)
class FinetuneConfig(Bounded):
    """Training of a classifier on labelled windows.

    Parameters
    ----------
    mode : {"full", "lora", "frozen", "probe"}
        Train everything; the head and low-rank additions to the encoders' linear layers
        (`physiomodels.model.lora`); the head alone; a linear head alone.
    fusion : {"concat", "gated", "cross-attention", "late"}
        How two modalities become one prediction; see `physiomodels.model.fusion.FusionClassifier`.
    pooling : {"mean-deviation", "mean", "per-lead", "attention"}
        How the features of a window's patches become one vector (`physiomodels.model.pooling`).
    epochs, batch_size : int
        Passes over the training windows; windows per step.
    lr, encoder_lr, weight_decay, clip : float
        AdamW, for the head and for the encoders; limit of the gradient's norm.
    hidden : int
        Width of the head's hidden layer. 0: linear.
    dropout : float
        In the head.
    modality_dropout : float
        Chance that a training window loses one of its two modalities.
    class_weights : bool
        Weight classes inversely to their frequency among the training windows; not several
        classes at once.
    lora_rank : int
        Rank of the additions of mode "lora".
    lora_alpha : float
        The additions are scaled by ``lora_alpha / lora_rank``.
    augment : AugmentConfig or None
        Mixup, masked leads, time warp and noise of the training windows.
    seed : int
        Of the head's weights, order and dropout.
    """

    mode: str = "full"
    fusion: str = "concat"
    pooling: str = POOLING
    epochs: Annotated[int, COUNT] = 10
    batch_size: Annotated[int, COUNT] = 32
    lr: Annotated[float, FACTOR] = 1e-3
    encoder_lr: Annotated[float, FACTOR_OR_0] = 3e-4
    weight_decay: Annotated[float, FACTOR_OR_0] = 0.05
    clip: Annotated[float, FACTOR] = 1.0
    hidden: Annotated[int, HIDDEN] = 32
    dropout: Annotated[float, DROPPED] = 0.2
    modality_dropout: Annotated[float, SHARE] = 0.1
    class_weights: bool = True
    lora_rank: Annotated[int, WIDTH] = 4
    lora_alpha: Annotated[float, FACTOR] = 8.0
    augment: AugmentConfig | None = None
    seed: Annotated[int, SEED] = 0


@dataclass(frozen=True)
class CalibrationConfig(Bounded):
    """What the protocol "calibrated" does with each person's own windows, without their labels.

    Parameters
    ----------
    methods : tuple of str
        Each is tried, the first leads the results: see
        `physiomodels.evaluation.calibration.METHODS`.
    windows : tuple of int
        Numbers of a test person's windows to calibrate on, for a curve, in addition to none and
        all.
    """

    methods: tuple[str, ...] = ("standardise",)
    windows: tuple[Annotated[int, COUNT], ...] = (1, 2, 4)


@dataclass(frozen=True)
class Published(Bounded):
    """A figure that somebody published: it stands in the table, with its protocol's name.

    Parameters
    ----------
    label, metric : str
        Of which target; what it measures.
    value : float
        Of the metric.
    source, protocol : str
        Who published it; who was tested, or "not stated".
    """

    label: str
    metric: str
    value: float
    source: str
    protocol: str


@dataclass(frozen=True)
class EvaluateConfig(Bounded):
    """Comparison of signals and of pretrained with random weights.

    Parameters
    ----------
    label : str
        ``label_...`` column of the window manifest.
    positive : str or None
        Of two classes, the one whose F1, AUPRC and events are given. None: the last.
    metrics : tuple of str
        Given of each arm; the first is the main one: it leads tables, and chooses the best epoch
        where the protocol has validation windows. Empty: those of the kind of target
        (`physiomodels.metrics.choice`).
    modalities : tuple of str
        Compared alone and together.
    where : str or None
        Query on the window manifest: only these windows are evaluated.
    protocol : str
        What training and test have in common: "subject-grouped", "leave-one-subject-out",
        "calibrated", "within-subject", "record-grouped"
        (`physiomodels.evaluation.protocol.make_folds`); or "fixed" and "chronological", which
        follow the shards' column ``split``.
    per : {"window", "record"}
        What one answer is given for. Of a record, frozen encoders answer from the mean of its
        windows' embeddings, trained ones by the mean of its windows' answers, and features are
        mean, deviation, least and most over its windows.
    calibration : CalibrationConfig
        Of the protocol "calibrated".
    stratify : tuple of str
        Labels whose combinations are spread evenly over the folds; evaluations of several labels
        that name the same ones here share their folds. Empty: the label itself.
    label_shares : tuple of float
        Shares of the training labels to train with, in addition to all of them, for a curve of
        how many labels are needed; see `physiomodels.evaluation.label_efficiency`.
    folds, repeats : int
        Folds per repeat (of a split, one); repeats, each with folds and weights of its own seed.
    pretrain : dict of str to PretrainConfig
        By modality; defaults for those left out.
    finetune : FinetuneConfig
        For all of them.
    weights : tuple of str
        "pretrained", "random", or both.
    probe : {"trained", "logistic"}
        What answers from embeddings of frozen encoders: the head, trained as `finetune` says; or
        the regression that plain features have, its penalty chosen inside the training labels.
    baseline : bool
        Whether plain features, band power and heart rate, are compared, too: with logistic
        regression (of a number, ridge regression).
    boosted : bool
        Whether they are also compared with gradient boosting.
    features : tuple of str
        Folders of `physioprep.derive`, or Parquet files of such tables: their columns are the
        plain features, joined by corpus and record, or by window where they are of these shards.
        Empty: band power and heart rate of the windows.
    permutations : int
        Permutations of each column of `features` in the test windows of each fold, for a table
        and a picture of what the plain models use. 0: none.
    published : tuple of Published
        Figures of others to show beside the results.
    bootstrap : int
        Draws of subjects for the confidence intervals.
    seed : int
        Of the first repeat.
    """

    label: str = "label_condition"
    positive: str | None = None
    metrics: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ("eeg", "ecg")
    where: str | None = None
    protocol: str = "subject-grouped"
    per: str = "window"
    calibration: CalibrationConfig = field(default_factory=CalibrationConfig)
    stratify: tuple[str, ...] = ()
    label_shares: tuple[Annotated[float, SOME], ...] = ()
    folds: Annotated[int, COUNT] = 5
    repeats: Annotated[int, COUNT] = 3
    pretrain: dict[str, PretrainConfig] = field(default_factory=dict)
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)
    weights: tuple[str, ...] = ("pretrained", "random")
    probe: str = "trained"
    baseline: bool = True
    boosted: bool = True
    features: tuple[str, ...] = ()
    permutations: Annotated[int, ZERO_OR_MORE] = 5
    published: tuple[Published, ...] = ()
    bootstrap: Annotated[int, COUNT] = 1000
    seed: Annotated[int, SEED] = 0


def load_config(kind: type[T], source: str | Path | Mapping[str, Any]) -> T:
    """Build a configuration from a YAML file or a mapping.

    Parameters
    ----------
    kind : type
        The dataclass: `PretrainConfig`, `FinetuneConfig`, `EvaluateConfig` ...
    source : path-like or mapping
        Fields that are left out keep their defaults. A bare name means the file of that name in
        ``physiomodels/configs``.

    Returns
    -------
    object
        Of the class `kind`.

    Raises
    ------
    ModelError
        If a file cannot be read, a field does not exist, or a value has another type or is out of
        bounds; the message names it.

    Examples
    --------
    >>> load_config(PretrainConfig, {"modality": "eeg", "encoder": {"depth": 2}}).encoder.depth
    2
    >>> load_config(PretrainConfig, {"epoch": 3})
    Traceback (most recent call last):
        ...
    physioprep.errors.ModelError: PretrainConfig has no field epoch; did you mean 'epochs'?
    """
    if isinstance(source, Mapping):
        return build(kind, source, kind.__name__)
    path = _file_of(kind, source)
    if path.parent == _SHIPPED and kind is not EvaluateConfig:
        raise ModelError(f"{source}: the shipped configs are for evaluate alone")
    text = read_text(path, lambda cause: ModelError(f"{source}: {cause}"))
    loaded = load_yaml(text, lambda cause: ModelError(f"{source}: {cause}"))
    if not isinstance(loaded, Mapping):
        raise ModelError(f"{source}: no mapping of fields to values")
    try:
        return build(kind, loaded, kind.__name__)
    except ModelError as error:
        raise ModelError(f"{source}: {error}") from error


def _file_of(kind: type, source: str | Path) -> Path:
    """Return the file of a configuration, which may be the name of a shipped one."""
    path = local_path(source, ModelError)
    shipped = _SHIPPED / f"{source}.yaml"
    # A folder of that name, such as a recipe's output, must not hide a shipped configuration.
    if path.exists() and not (path.is_dir() and shipped.is_file()):
        return path
    if shipped.is_file():
        return shipped
    if len(path.parts) == 1 and not path.suffix:
        names = ", ".join(sorted(file.stem for file in _SHIPPED.glob("*.yaml")))
        of = "" if kind is EvaluateConfig else " for evaluate alone"
        hint = did_you_mean(str(source), names.split(", "))
        raise ModelError(f"no config {str(source)!r}{hint}; shipped{of}: {names}")
    return path


def as_dict(config: Any) -> dict[str, Any]:
    """Return a configuration as plain values that JSON and YAML can hold.

    Parameters
    ----------
    config : dataclass
        Configuration.

    Returns
    -------
    dict
        By field; for `load_config`.
    """
    return dataclasses.asdict(config)
