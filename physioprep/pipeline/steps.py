"""The steps of a pipeline by name; those that train models are here.

A step is a function of the `Place` it works in and of its own arguments, which are those of
the recipe. Paths are relative to the output folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from physioprep import console
from physioprep.pipeline.data_steps import audit, ingest, report, scan, shard, view
from physioprep.pipeline.derive_step import derive
from physioprep.pipeline.gather import results
from physioprep.pipeline.place import Place, Summary


def pretrain(
    place: Place, *, shards: str, out: str, where: str | None = None, **config: Any
) -> Summary:
    """Pretrain one encoder by dual masking.

    Parameters
    ----------
    place : Place
        Raw folder and output folder.
    shards : str
        Shards in the output folder.
    out : str
        Folder of the encoder, in the output folder; a stopped training resumes.
    where : str, optional
        Pandas query on the windows.
    **config
        Fields of `physiomodels.config.PretrainConfig`.

    Returns
    -------
    dict
        The encoder's folder, the first and the last loss.

    Raises
    ------
    PhysioprepError
        The shards cannot be opened, or the configuration does not fit them.
    """
    from physiomodels.config import PretrainConfig, load_config
    from physiomodels.training.pretrain import can_resume
    from physiomodels.training.pretrain import pretrain as train
    from physioprep.shards import open_shards

    settings, opened = load_config(PretrainConfig, config), open_shards(place.out / shards)
    resume = place.was_stopped and can_resume(place.out / out, opened, settings, where)
    with console.progress_bar(f"pretrain {out}") as advance:
        result = train(
            opened, place.out / out, settings, where=where, resume=resume, device=place.device,
            progress=advance,
        )  # fmt: skip
    losses = result.history["loss"].tolist()
    return {"encoder": out, "first loss": round(losses[0], 4), "last loss": round(losses[-1], 4)}


def finetune(
    place: Place, *, shards: str, out: str, label: str, encoders: Mapping[str, str],
    where: str | None = None, **config: Any,
) -> Summary:  # fmt: skip
    """Train one classifier on pretrained encoders.

    Parameters
    ----------
    place : Place
        Raw folder and output folder.
    shards : str
        Labelled shards in the output folder.
    out : str
        Folder of the classifier, in the output folder.
    label : str
        A ``label_*`` column of the shards.
    encoders : mapping of str to str
        Folder of the encoder per modality, in the output folder.
    where : str, optional
        Pandas query on the windows.
    **config
        Fields of `physiomodels.config.FinetuneConfig`.

    Returns
    -------
    dict
        The classifier's folder, the epoch kept, and figures of validation and test.

    Raises
    ------
    PhysioprepError
        The shards or encoders cannot be opened, or do not fit each other.
    """
    from physiomodels.config import FinetuneConfig, load_config
    from physiomodels.training.figures import in_words
    from physiomodels.training.finetune import finetune as train
    from physiomodels.training.run_card import card_of

    with console.progress_bar(f"finetune {out}") as advance:
        train(
            place.out / shards, place.out / out, load_config(FinetuneConfig, config), label=label,
            encoders={name: place.out / path for name, path in encoders.items()}, where=where,
            device=place.device, overwrite=True, progress=advance,
        )  # fmt: skip
    return {"classifier": out} | in_words(card_of(place.out / out) or {})


def evaluate(
    place: Place, *, shards: str, out: str, config: str | Mapping[str, Any],
    pretrain_shards: str | None = None, weights: Mapping[str, str] | None = None,
    labels: Sequence[str] | None = None, protocols: Sequence[str] | None = None,
    calibration_shards: str | None = None, features: str | Sequence[str] | None = None,
) -> Summary:  # fmt: skip
    """Compare signals, pretrained and random weights, and a plain baseline, on unseen subjects.

    Parameters
    ----------
    place : Place
        Raw folder and output folder.
    shards : str
        Labelled shards in the output folder.
    out : str
        Folder of the results, in the output folder.
    config : str or mapping
        Name or YAML file of an `physiomodels.config.EvaluateConfig`, or its fields.
    pretrain_shards : str, optional
        Other shards in the output folder to pretrain on, without the test subjects.
    weights : mapping of str to str, optional
        Folder of a pretrained encoder per modality, in the output folder.
    labels, protocols : sequence of str, optional
        Each label is evaluated under each protocol. Default: those of `config`.
    calibration_shards : str, optional
        Windows of a baseline that calibrate under the protocol "calibrated".
    features : str or sequence of str, optional
        Folders of `derive`, or tables in them, in the output folder: the plain features.

    Returns
    -------
    dict
        Names of all ``results.json``, and the result table.

    Raises
    ------
    PhysioprepError
        The shards cannot be opened, or the configuration does not fit them.
    """
    from dataclasses import replace

    from physiomodels.config import EvaluateConfig, load_config
    from physiomodels.evaluation.result_table import result_table
    from physiomodels.evaluation.targets import evaluate_targets

    settings = load_config(EvaluateConfig, config)
    if features:
        names = [features] if isinstance(features, str) else features
        settings = replace(settings, features=tuple(str(place.out / name) for name in names))
    with console.progress_bar(f"evaluate {out}") as advance:
        found = evaluate_targets(
            place.out / shards,
            place.out / out,
            settings,
            labels=labels,
            protocols=protocols,
            pretrain_shards=place.out / pretrain_shards if pretrain_shards else None,
            calibration_shards=place.out / calibration_shards if calibration_shards else None,
            weights={name: place.out / path for name, path in (weights or {}).items()},
            simulated=place.simulated,
            scheduler=place.scheduler,
            workers=place.workers,
            device=place.device,
            overwrite=True,
            progress=advance,
        )
    table = result_table([one.results for one in found], place.title)
    return {"results": ", ".join(results(place.out)), "table": table}


def reconstruct(
    place: Place, *, encoder: str, shards: str, modality: str, out: str, mask: Mapping[str, Any],
    where: str | None = None,
) -> Summary:  # fmt: skip
    """Hide parts of one window, let an encoder fill them in, and draw both.

    Parameters
    ----------
    place : Place
        Raw folder and output folder.
    encoder, shards : str
        Encoder and shards in the output folder.
    modality : str
        ``"ecg"`` or ``"eeg"``.
    out : str
        The picture, in the output folder.
    mask : mapping
        Fields of `physiomodels.DualMask`.
    where : str, optional
        Pandas query on the windows; the first one is drawn.

    Returns
    -------
    dict
        The picture's name.

    Raises
    ------
    PhysioprepError
        The encoder or the shards cannot be opened, or do not fit each other.
    """
    from physiomodels.model.masking import DualMask
    from physiomodels.training.classifier import load_encoder
    from physiomodels.training.reconstruction import reconstruct as draw

    draw(
        load_encoder(place.out / encoder), place.out / shards, place.out / out, modality=modality,
        mask=DualMask(**mask), where=where,
    )  # fmt: skip
    return {"picture": out}


#: Every step a recipe can name.
STEPS: dict[str, Callable[..., Summary]] = {
    "scan": scan,
    "ingest": ingest,
    "audit": audit,
    "shard": shard,
    "derive": derive,
    "pretrain": pretrain,
    "finetune": finetune,
    "evaluate": evaluate,
    "view": view,
    "reconstruct": reconstruct,
    "report": report,
}
