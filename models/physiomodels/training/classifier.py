"""A classifier on pretrained encoders: how it is built, saved and loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from physiomodels.config import EncoderConfig, FinetuneConfig, load_config
from physiomodels.model.encoder import CrissCrossEncoder
from physiomodels.model.fusion import FusionClassifier
from physiomodels.model.lora import add_lora
from physiomodels.model.weights import build_fitting, load_folder, named, save_folder
from physiomodels.training.run_card import is_rate
from physioprep.bounds import SHARE
from physioprep.errors import ModelError
from physioprep.local_path import local_path

#: What is trained: everything; low-rank additions and the head; the head; a linear head.
MODES = ("full", "lora", "frozen", "probe")


@dataclass(frozen=True)
class Classifier:
    """A trained model with what it needs to be used again.

    Parameters
    ----------
    model : FusionClassifier
        Encoders and head.
    label : str
        ``label_...`` column that it predicts.
    classes : tuple of str
        What its outputs mean, in order; empty of a number. The kind of target is the model's.
    rates_hz : mapping of str to float
        Sampling rate per modality that it was trained at, Hz.
    threshold : float or None
        Of several classes at once: from which probability on each is answered. None where
        none was chosen on validation windows.
    """

    model: FusionClassifier
    label: str
    classes: tuple[str, ...]
    rates_hz: Mapping[str, float]
    threshold: float | None = None

    def save_pretrained(self, folder: str | Path) -> None:
        """Write ``config.json`` and ``model.safetensors`` into a folder.

        Parameters
        ----------
        folder : path-like
            Made where it does not exist.
        """
        config: dict[str, Any] = {"model": self.model.config, "label": self.label}
        config |= {"classes": list(self.classes), "rates_hz": dict(self.rates_hz)}
        config["threshold"] = self.threshold
        save_folder(self.model, config, Path(folder))

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Self:
        """Load what `save_pretrained` wrote.

        Parameters
        ----------
        folder : path-like
            With ``config.json`` and ``model.safetensors``.

        Returns
        -------
        Classifier
            In evaluation mode.

        Raises
        ------
        ModelError
            If there is no classifier, or its weights do not fit; the message names what.
        """
        with named(folder):
            config, state = load_folder(Path(folder))
            label, classes, rates = _described(config)
            model = build_fitting(lambda: _fusion(config["model"]), state)
        model.eval()
        return cls(model, label, classes, rates, config.get("threshold"))


def _described(config: Mapping[str, Any]) -> tuple[str, tuple[str, ...], dict[str, float]]:
    """Return label, classes and rates of a saved classifier, after a look at its threshold.

    Raises
    ------
    ModelError
        One of them is missing, or means nothing.
    """
    label, classes, rates = (config.get(key) for key in ("label", "classes", "rates_hz"))
    if not isinstance(label, str) or not isinstance(config.get("model"), dict):
        raise ModelError("no saved classifier: config.json has no label or no model")
    if not isinstance(classes, list) or not all(isinstance(each, str) for each in classes):
        raise ModelError(f"config.json: classes are {str(classes)[:80]}, no list of texts")
    if not isinstance(rates, dict) or not all(map(is_rate, rates.values())):
        raise ModelError(f"config.json: rates_hz is {str(rates)[:80]}, no sampling rates")
    threshold = config.get("threshold")  # models of earlier versions have none
    if threshold is not None and not (isinstance(threshold, float) and threshold in SHARE):
        raise ModelError(f"config.json: threshold is {str(threshold)[:80]}, no probability")
    return label, tuple(classes), rates


def _fusion(config: Mapping[str, Any]) -> FusionClassifier:
    """Build the model of a saved classifier, after a look at its numbers."""
    sizes = dict(config)
    encoders = {name: CrissCrossEncoder(**held) for name, held in sizes.pop("encoders").items()}
    numbers = ("fusion", "pooling", "hidden", "dropout", "modality_dropout")
    load_config(FinetuneConfig, {key: sizes[key] for key in numbers if key in sizes})
    for key in ("n_classes", "n_epochs"):
        if isinstance(sizes.get(key), bool):
            raise ModelError(f"config.json: {key} is {sizes[key]}, no number")
    return FusionClassifier(**(sizes | encoders))


def load_encoder(source: str | Path | CrissCrossEncoder | EncoderConfig) -> CrissCrossEncoder:
    """Return an encoder.

    Parameters
    ----------
    source : path-like, CrissCrossEncoder or EncoderConfig
        A folder of `physiomodels.pretrain`, a file of CBraMod's weights, an encoder (returned as
        it is), or the sizes of one with random weights.

    Returns
    -------
    CrissCrossEncoder

    Raises
    ------
    ModelError
        If there are no weights, or they do not fit.
    """
    if isinstance(source, CrissCrossEncoder):
        return source
    if isinstance(source, EncoderConfig):
        return CrissCrossEncoder(**asdict(source))
    path = local_path(source, ModelError)
    if path.is_file():
        return CrissCrossEncoder.from_cbramod(path)
    return CrissCrossEncoder.from_pretrained(path)


def weights_files(source: str | Path) -> list[Path]:
    """Return the files that `load_encoder` reads.

    Parameters
    ----------
    source : path-like
        A folder of `physiomodels.pretrain`, or a file of CBraMod's weights.

    Returns
    -------
    list of Path
    """
    path = local_path(source, ModelError)
    if path.is_file():
        return [path]
    folder = path / "best" if (path / "best").is_dir() else path
    return [folder / "config.json", folder / "model.safetensors"]


def build(
    encoders: Mapping[str, CrissCrossEncoder],
    n_classes: int,
    config: FinetuneConfig,
    *,
    kind: str = "class",
    n_epochs: int | None = None,
) -> FusionClassifier:
    """Put a head on encoders, and low-rank additions into them where the mode is "lora".

    Parameters
    ----------
    encoders : mapping of str to CrissCrossEncoder
        By modality; they become part of the model.
    n_classes : int
        Outputs of the head.
    config : FinetuneConfig
        Fusion, head, and mode: what stays trainable.
    kind : {"class", "classes", "number"}
        Of the target.
    n_epochs : int, optional
        Epochs of a window, where each has its own label.

    Returns
    -------
    FusionClassifier

    Raises
    ------
    ModelError
        If the mode is unknown.
    """
    if config.mode not in MODES:
        raise ModelError(f'mode "{config.mode}": one of {", ".join(MODES)}')
    model = FusionClassifier(
        n_classes=n_classes,
        kind=kind,
        n_epochs=n_epochs,
        fusion=config.fusion,
        pooling=config.pooling,
        hidden=0 if config.mode == "probe" else config.hidden,
        dropout=config.dropout,
        modality_dropout=config.modality_dropout,
        **encoders,
    )
    for parameter in model.encoders.parameters():
        parameter.requires_grad_(config.mode == "full")
    if config.mode == "lora":
        add_lora(model.encoders, config.lora_rank, config.lora_alpha)
    return model
