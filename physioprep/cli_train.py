"""The verbs that train: one thin function each, no logic. torch loads when one is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from physioprep import console
from physioprep.bounds import COUNT, SEED, SHARE, SOME
from physioprep.cli_options import (
    MAX_SEED,
    Device,
    InputLeads,
    Json,
    Overwrite,
    Scheduler,
    TargetLeads,
    Workers,
    by_modality,
)
from physioprep.cli_words import Verbs
from physioprep.errors import ModelError

app = Verbs()

Config = Annotated[str | None, typer.Option(help="A YAML file.")]
Where = Annotated[str | None, typer.Option(help="Pandas query on the windows.")]


@app.command(epilog="Example: physioprep pretrain ptbxl.shards -o ecg-encoder --modality ecg")
def pretrain(
    shards: Annotated[Path, typer.Argument(help="Shards, from `physioprep shard`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for weights, losses, card.")],
    config: Config = None,
    modality: Annotated[str | None, typer.Option(help="ecg or eeg; default: the config's.")] = None,
    epochs: Annotated[
        int | None, typer.Option(min=COUNT.least, help="Passes; default: the config's.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=SEED.least, max=MAX_SEED, help="Default: the config's.")
    ] = None,
    where: Where = None,
    input_leads: InputLeads = None,
    target_leads: TargetLeads = None,
    device: Device = None,
    resume: Annotated[bool, typer.Option(help="Resume from the last checkpoint.")] = True,
    tensorboard: Annotated[bool, typer.Option(help="Write every step for TensorBoard.")] = False,
    picture_every: Annotated[
        int, typer.Option(min=0, help="Steps between pictures of a reconstruction. 0: none.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Pretrain an encoder by dual masking: hide leads and patches, reconstruct them.

    Under torchrun the processes share every batch: torchrun --nproc-per-node 2 -m physioprep
    pretrain SHARDS -o FOLDER. They come to what one process alone comes to.
    """
    import os
    from dataclasses import replace

    from physiomodels.config import PretrainConfig, load_config
    from physiomodels.training.pretrain import pretrain as train

    settings = load_config(PretrainConfig, config or {})
    changes: dict[str, Any] = {
        "modality": modality, "epochs": epochs, "seed": seed, "input_leads": input_leads,
        "target_leads": target_leads,
    }  # fmt: skip
    settings = replace(settings, **{k: v for k, v in changes.items() if v is not None})
    with console.progress_bar("pretrain") as advance:
        result = train(
            shards, out, settings, where=where, resume=resume, device=device,
            tensorboard=tensorboard, picture_every=picture_every, progress=advance,
        )  # fmt: skip
    if os.environ.get("RANK", "0") != "0":  # of torchrun's processes the first speaks
        return
    losses = result.history["loss"]
    console.show(
        {
            "encoder": out / "best",
            "epochs": len(losses),
            "first loss": round(float(losses.iloc[0]), 5),
            "last loss": round(float(losses.iloc[-1]), 5),
        },
        as_json,
    )


@app.command(
    epilog="Example: physioprep reconstruct-leads ptbxl.shards -o leads --from I --from 'II V1 V5'"
)
def reconstruct_leads(
    shards: Annotated[Path, typer.Argument(help="Shards, from `physioprep shard`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for tables and figures.")],
    inputs: Annotated[
        list[str] | None,
        typer.Option("--from", help="Leads to start from; default: I, I II V2, II V1 V5."),
    ] = None,
    config: Config = None,
    epochs: Annotated[
        int | None, typer.Option(min=COUNT.least, help="Passes; default: the config's.")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Parts of the people; default: the config's.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=SEED.least, max=MAX_SEED, help="Default: the config's.")
    ] = None,
    where: Where = None,
    device: Device = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Reconstruct all leads from a few, on other people: linear regression and the encoder."""
    import json
    from dataclasses import replace

    from physiomodels.config import load_config
    from physiomodels.leads.config import LeadsConfig
    from physiomodels.leads.run import reconstruct_leads as run
    from physiomodels.leads.table import as_markdown

    settings = load_config(LeadsConfig, config or {})
    changes: dict[str, Any] = {
        "inputs": tuple(inputs) if inputs else None, "epochs": epochs, "folds": folds,
        "seed": seed, "where": where,
    }  # fmt: skip
    settings = replace(settings, **{k: v for k, v in changes.items() if v is not None})
    with console.progress_bar("reconstruct leads") as advance:
        result = run(shards, out, settings, device=device, overwrite=overwrite, progress=advance)
    if as_json:
        typer.echo(json.dumps(result.results, indent=1))
    else:
        for line in as_markdown(result.results).splitlines():
            console.print_line(line)
        console.print_facts({"results": str(out)})


@app.command(
    epilog="Example: physioprep finetune task.shards -o model --label label_condition "
    "--encoder ecg=ecg-encoder --encoder eeg=eeg-encoder"
)
def finetune(
    shards: Annotated[Path, typer.Argument(help="Labelled shards.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the classifier.")],
    label: Annotated[str, typer.Option(help="A label of the shards: stage, or label_stage.")],
    encoder: Annotated[
        list[str], typer.Option(help="MODALITY=FOLDER of `pretrain`, or CBraMod's weights.")
    ],
    config: Config = None,
    where: Where = None,
    pseudo_labels: Annotated[
        Path | None, typer.Option(help="Of `pseudo-label`: train on these windows, too.")
    ] = None,
    device: Device = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Train on pretrained encoders for a class, several, or a number; two signals are fused.

    Of shards with a split, part train is trained on, validation chooses the epoch, and test is
    scored once at the end.
    """
    from physiomodels.config import FinetuneConfig, load_config
    from physiomodels.training.figures import in_words, table_of_test
    from physiomodels.training.finetune import finetune as train
    from physiomodels.training.run_card import card_of, unfinished_in_words

    settings, encoders = load_config(FinetuneConfig, config or {}), by_modality(encoder)
    with console.progress_bar("finetune") as advance:
        train(
            shards, out, settings, label=label, encoders=encoders, where=where,
            pseudo=pseudo_labels, device=device, overwrite=overwrite, progress=advance,
        )  # fmt: skip
    card = card_of(out) or {}
    facts = {"classifier": str(out)} | unfinished_in_words(encoders)
    if as_json:
        console.show(facts | {name: card[name] for name in ("validation", "test")}, as_json)
        return
    if card["test"] is not None:
        console.print_table("Test", *table_of_test(card["test"]))
    console.print_facts(facts | in_words(card))


@app.command(
    epilog="Example: physioprep pseudo-label task.shards -m model -o labels.parquet "
    "--least 0.8 --where \"split == 'unlabelled'\""
)
def pseudo_label(
    shards: Annotated[Path, typer.Argument(help="Shards; their labels are not looked at.")],
    model: Annotated[Path, typer.Option("--model", "-m", help="The teacher, of `finetune`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="A Parquet file, for `finetune`.")],
    least: Annotated[
        float,
        typer.Option(min=SHARE.least, max=SHARE.most, help="Leave out less confident answers."),
    ] = 0.0,
    temperature: Annotated[
        float, typer.Option(help="Below 1: sharpen probabilities of one class.")
    ] = 1.0,
    where: Where = None,
    device: Device = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Label windows by a trained model, for the next round of `finetune --pseudo-labels`."""
    from physiomodels.training.pseudo import pseudo_label as label

    if temperature not in SOME:
        raise ModelError(f"--temperature {temperature:g}: {SOME}")
    table = label(
        shards, model, out, where=where, least=least, temperature=temperature, device=device,
        overwrite=overwrite,
    )  # fmt: skip
    weight = table.drop_duplicates("window")["weight"]
    facts = {"labels": str(out), "windows": len(weight), "mean weight": round(weight.mean(), 4)}
    console.show(facts, as_json)


@app.command(epilog="Example: physioprep evaluate task.shards -o results --config eegmat")
def evaluate(
    shards: Annotated[Path, typer.Argument(help="Labelled shards.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the results.")],
    config: Annotated[str, typer.Option(help="A YAML file, or the name of a shipped one.")],
    pretrain_shards: Annotated[
        Path | None, typer.Option(help="Windows to pretrain on, test subjects left out.")
    ] = None,
    calibration_shards: Annotated[
        Path | None,
        typer.Option(help="Windows of a baseline that calibrate, of protocol calibrated."),
    ] = None,
    weights: Annotated[
        list[str] | None, typer.Option(help="MODALITY=ENCODER made elsewhere, as pretrained.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="A label of the shards; repeatable. Default: the config's."),
    ] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(
            help="subject-grouped, leave-one-subject-out, calibrated, within-subject, "
            "record-grouped; by the shards' split fixed or chronological; repeatable. "
            "Default: the config's."
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="Published split that the shards were cut with: protocol fixed (chronological: "
            "that protocol)."
        ),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="auroc, kappa, f_max, r2 ...; the first leads the table and chooses epochs; "
            "repeatable. Default: the config's, or those of the label's kind."
        ),
    ] = None,
    label_share: Annotated[
        list[float] | None,
        typer.Option(
            min=SHARE.least,
            max=SHARE.most,
            help="Train on this share of the labels, too (0.01 ...); repeatable.",
        ),
    ] = None,
    features: Annotated[
        list[str] | None,
        typer.Option(
            help="Tables of `derive` (a folder, or a Parquet file) as the plain features; "
            "repeatable."
        ),
    ] = None,
    scheduler: Scheduler = None,
    workers: Workers = None,
    device: Device = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Compare each signal and both, pretrained and random, with a plain baseline."""
    from dataclasses import replace

    from physiomodels.config import EvaluateConfig, load_config
    from physiomodels.evaluation.result_table import result_table
    from physiomodels.evaluation.targets import evaluate_targets
    from physiomodels.evaluation.windows import protocol_of
    from physiomodels.training.run_card import unfinished_in_words
    from physioprep.shards import open_shards

    settings, sources = load_config(EvaluateConfig, config), by_modality(weights or [])
    for share in label_share or ():
        if share not in SOME:
            raise ModelError(f"--label-share {share:g}: {SOME}")
    if label_share:
        settings = replace(settings, label_shares=tuple(label_share))
    if metric:
        settings = replace(settings, metrics=tuple(metric))
    if features:
        settings = replace(settings, features=tuple(features))
    if split and protocol:
        raise ModelError("--split and --protocol: a published split has its own protocol")
    if split:
        settings = replace(settings, protocol=protocol_of(open_shards(shards), split))
    with console.progress_bar("evaluate") as advance:
        found = evaluate_targets(
            shards, out, settings, labels=label, protocols=protocol,
            pretrain_shards=pretrain_shards, calibration_shards=calibration_shards,
            weights=sources, scheduler=scheduler, workers=workers, device=device,
            overwrite=overwrite, progress=advance, announce=console.say_dashboard,
        )  # fmt: skip
    results = [one.results for one in found]
    if as_json:
        import json

        typer.echo(json.dumps(results if label or protocol else results[0], indent=1))
        return
    table = result_table(results, str(shards))
    console.print_result(table)
    console.print_facts({"results": str(out)} | unfinished_in_words(sources))


@app.command(epilog="Example: physioprep embed task.zarr -m ecg-encoder -o embeddings.zarr")
def embed(
    source: Annotated[Path, typer.Argument(help="Shards, or a store to cut into windows.")],
    model: Annotated[Path, typer.Option("--model", "-m", help="Of `pretrain` or `finetune`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The Zarr group to make.")],
    window: Annotated[float, typer.Option(help="Windows to cut a store into, s.")] = 10.0,
    per: Annotated[str, typer.Option(help="window or record; record: of a store.")] = "window",
    modality: Annotated[str | None, typer.Option(help="Default: the encoder's.")] = None,
    picture: Annotated[
        Path | None, typer.Option(help="Draw in two dimensions, by label, subject and corpus.")
    ] = None,
    projection: Annotated[str, typer.Option(help="pca, or umap where installed.")] = "pca",
    where: Annotated[
        str | None, typer.Option(help="Pandas query on the windows, or on a store's records.")
    ] = None,
    pooling: Annotated[
        str | None, typer.Option(help="mean-deviation (default), mean or per-lead, over patches.")
    ] = None,
    scheduler: Scheduler = None,
    workers: Workers = None,
    device: Device = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write the embedding of every window or record, with the manifest's columns beside it."""
    from physiomodels.embeddings.group import summary_of
    from physiomodels.embeddings.of_shards import embed as embed_shards
    from physiomodels.embeddings.of_store import embed_store
    from physiomodels.model.pooling import POOLING
    from physiomodels.training.run_card import unfinished_in_words

    pooling = pooling or POOLING
    with console.progress_bar("embed") as advance:
        if (source / "manifest.parquet").is_file():
            if per != "window":
                raise ModelError(f"{source}: shards hold windows; embed the store by record")
            embed_shards(
                source, model, out, modality=modality, where=where, pooling=pooling,
                picture=picture, projection=projection, scheduler=scheduler, workers=workers,
                device=device, overwrite=overwrite, progress=advance,
                announce=console.say_dashboard,
            )  # fmt: skip
        else:
            embed_store(
                source, model, out, window_s=window, per=per, modality=modality, where=where,
                pooling=pooling, picture=picture, projection=projection, scheduler=scheduler,
                workers=workers, device=device, overwrite=overwrite, progress=advance,
                announce=console.say_dashboard,
            )  # fmt: skip
    facts = summary_of(out)
    if picture:
        facts["picture"] = str(picture)
    console.show(facts | unfinished_in_words({"": model}), as_json)
