"""The verbs that make shards and stream them: one thin function each, no logic."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import physioprep as pp
from physioprep import console
from physioprep.bounds import COUNT, SEED
from physioprep.cli_options import (
    MAX_SEED,
    Channels,
    DryRun,
    InputLeads,
    Json,
    Overwrite,
    Scheduler,
    TargetLeads,
    Workers,
)
from physioprep.cli_words import Verbs
from physioprep.documents import load_yaml
from physioprep.errors import PhysioprepError, ShardError

if TYPE_CHECKING:
    from physioprep.stream.beats import BeatSpec

app = Verbs()


@app.command(epilog="Example: physioprep shard ptbxl.zarr -o ptbxl.shards --window 10 --seed 0")
def shard(
    stores: Annotated[list[str], typer.Argument(help="One or more stores; URLs too.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The shards folder to make.")],
    window: Annotated[float, typer.Option(help="Length of a window, s.")] = 10.0,
    stride: Annotated[
        float | None, typer.Option(help="Between starts, s; default: window.")
    ] = None,
    epoch: Annotated[
        float | None,
        typer.Option(help="Label each epoch of this length, s, in windows of whole epochs."),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=SEED.least, max=MAX_SEED, help="Seed of the shuffle and all choices.")
    ] = 0,
    align: Annotated[
        str,
        typer.Option(
            help="start: one after the other; annotation: one at each onset; event: one after the "
            "other within each annotation; beat: around annotated beats; r_peak: around beats "
            "that NeuroKit2 detects."
        ),
    ] = "start",
    align_where: Annotated[
        str | None, typer.Option(help="Pandas query on the annotations that align.")
    ] = None,
    annotator: Annotated[
        list[str] | None,
        typer.Option(help="Whose annotations count (atr, ecg …); default: the corpus's reference."),
    ] = None,
    before: Annotated[
        float | None,
        typer.Option(help="Of the window before onset or beat, s; default: 0, half at beats."),
    ] = None,
    same_onset: Annotated[
        str, typer.Option(help="once, or each: a window for each of several at one onset.")
    ] = "once",
    pad: Annotated[
        str | None,
        typer.Option(help="wrap, reflect or edge: windows at onsets may reach beyond the ends."),
    ] = None,
    more_windows: Annotated[
        str | None,
        typer.Option(
            help="Oversample events: \"{where: text == 'seizure', step_s: 5}\" (docs/shards.md)."
        ),
    ] = None,
    crop: Annotated[
        str | None,
        typer.Option(
            help="What events enclose: \"{where: text != 'W', before_s: 1800, after_s: 1800}\"."
        ),
    ] = None,
    pulses: Annotated[
        str | None,
        typer.Option(
            help='Of `derive --pairs`: "{tables: FOLDER, correct: [ppg], pressures: true}".'
        ),
    ] = None,
    modality: Annotated[list[str] | None, typer.Option(help="ecg, eeg …; default: all.")] = None,
    channels: Channels = None,
    pairs: Annotated[
        str, typer.Option(help="complete, or any: keep unpaired windows.")
    ] = "complete",
    label: Annotated[
        list[str] | None,
        typer.Option(help="label_* column, age or sex; NAME=A,B states classes; default: all."),
    ] = None,
    text: Annotated[
        list[str] | None, typer.Option(help="label_* column kept as the text of each record.")
    ] = None,
    annotation_labels: Annotated[
        Path | None,
        typer.Option(help="YAML file: labels of each window, out of annotations (docs/shards.md)."),
    ] = None,
    labelled_only: Annotated[
        bool, typer.Option("--labelled-only", help="Only windows that such a label is known of.")
    ] = False,
    where: Annotated[
        str | None,
        typer.Option(help="Pandas query on the manifest: \"split == 'train' and age >= 18\"."),
    ] = None,
    records: Annotated[
        Path | None,
        typer.Option(help="Table of `browse --decisions`: leave out the records that it drops."),
    ] = None,
    region: Annotated[
        list[str] | None,
        typer.Option(help="'QUERY @ FROM:TO', seconds; negative: from the end."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Published limits; cbramod: --trim 60 --max-abs eeg=100."),
    ] = None,
    trim: Annotated[
        float | None, typer.Option(min=0, help="Cut from both ends of a record, s; default: 0.")
    ] = None,
    max_per_record: Annotated[
        int | None, typer.Option(min=1, help="Maximal number of windows per record.")
    ] = None,
    min_valid: Annotated[
        float, typer.Option(min=0, max=1, help="Smallest fraction of valid samples.")
    ] = 1.0,
    max_abs: Annotated[list[str] | None, typer.Option(help="MODALITY=LIMIT in its unit.")] = None,
    min_std: Annotated[list[str] | None, typer.Option(help="MODALITY=LIMIT in its unit.")] = None,
    split: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=FRACTION of the subjects; a published split (see physioprep corpora NAME); "
            "chronological: early to late within each subject; or a YAML file of rules."
        ),
    ] = None,
    raw: Annotated[
        Path | None,
        typer.Option(help="Raw files of the corpus, where --split needs a table of the publisher."),
    ] = None,
    stratify: Annotated[
        list[str] | None,
        typer.Option(help="Column (label_…, corpus, site) whose values are divided equally."),
    ] = None,
    weight: Annotated[
        list[float] | None,
        typer.Option(help="Share of the windows, one for each store, in their order."),
    ] = None,
    windows: Annotated[
        int | None,
        typer.Option(
            min=1, help="With --weight: windows in all; default: most without repeating one."
        ),
    ] = None,
    codec: Annotated[str, typer.Option(help="none (fastest), lz4, zstd or pcodec.")] = "none",
    windows_per_chunk: Annotated[
        int, typer.Option(min=1, help="Maximal number; never over 16 MiB.")
    ] = 1024,
    scheduler: Scheduler = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Cut stores into fixed windows, shuffled once, in blocks ready to stream."""
    from dataclasses import asdict

    from physioprep.cli_split import split_of
    from physioprep.shards.annotation_label import read_annotation_labels
    from physioprep.shards.decided import records_left_out
    from physioprep.shards.presets import check_preset, with_preset
    from physioprep.shards.source import open_source

    leave_out, decided = records_left_out(records, stores) if records else ((), {})
    spec = with_preset(
        preset,
        window_s=window,
        stride_s=stride,
        epoch_s=epoch,
        seed=seed,
        align=align,
        align_where=align_where,
        annotators=annotator,
        before_s=before,
        same_onset=same_onset,
        pad=pad,
        more_windows=_mapping("--more-windows", more_windows),
        crop=_mapping("--crop", crop),
        pulses=_mapping("--pulses", pulses),
        labelled_only=labelled_only,
        modalities=modality,
        channels=channels,
        pairs=pairs,
        labels=_labels(label),
        texts=text,
        annotation_labels=read_annotation_labels(annotation_labels) if annotation_labels else None,
        where=where, leave_out=leave_out,
        regions=[_region(text) for text in region] if region else None,
        trim_s=trim,
        max_per_record=max_per_record,
        min_valid=min_valid,
        max_abs=_amounts(max_abs),
        min_std=_amounts(min_std),
        split=split_of(split, stores, raw),
        stratify=stratify,
        weights=weight, n_windows=windows, codec=codec, windows_per_chunk=windows_per_chunk,
    )  # fmt: skip
    if preset is not None:
        check_preset(preset, {name for store in stores for name in open_source(store).groups})
    if dry_run:
        from physioprep.estimates import estimate_shards

        console.show({"would make": out} | estimate_shards(stores, spec), as_json)
        return
    with console.progress_bar("shard") as advance:
        result = pp.shard(
            stores, out, spec, scheduler=scheduler, workers=workers, overwrite=overwrite,
            progress=advance, announce=console.say_dashboard,
        )  # fmt: skip
    if as_json:
        typer.echo(json.dumps(asdict(result) | decided, indent=1, default=str))
    else:
        console.print_facts(result.summary() | decided)


@app.command(epilog="Example: physioprep stream ptbxl.shards --batch-size 256")
def stream(
    shards: Annotated[str, typer.Argument(help="Shards, from `physioprep shard`, or their URL.")],
    batch_size: Annotated[int, typer.Option(min=COUNT.least, help="Windows per batch.")] = 256,
    seed: Annotated[int, typer.Option(min=SEED.least, max=MAX_SEED, help="Seed of the order.")] = 0,
    epochs: Annotated[int, typer.Option(min=COUNT.least, help="Passes over the shards.")] = 1,
    where: Annotated[str | None, typer.Option(help="Pandas query on the windows.")] = None,
    channels: Channels = None,
    input_leads: InputLeads = None,
    target_leads: TargetLeads = None,
    align: Annotated[
        str | None,
        typer.Option(help="beat: the first beats of each window, cut around their R peaks."),
    ] = None,
    sequence: Annotated[
        int | None, typer.Option(min=1, help="With --align beat: beats of a window.")
    ] = None,
    beats: Annotated[
        Path | None,
        typer.Option(help="With --align beat: the folder that `derive SHARDS --beats` made."),
    ] = None,
    before: Annotated[
        float | None, typer.Option(help="Of a beat before its R peak, s; default: 0.3.")
    ] = None,
    after: Annotated[
        float | None, typer.Option(help="Of a beat after its R peak, s; default: 0.5.")
    ] = None,
    beat_size: Annotated[
        int | None,
        typer.Option(min=2, help="Samples that a beat is resampled to; default: as it is."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Stream shards like a training run; print shapes of a batch and windows per second."""
    from time import perf_counter

    loader = pp.ShardStream(
        shards, batch_size=batch_size, seed=seed, where=where, channels=channels,
        input_leads=input_leads, target_leads=target_leads,
        beats=_beats(align, sequence, beats, before_s=before, after_s=after, size=beat_size),
    )  # fmt: skip
    began, windows = perf_counter(), 0
    shapes: dict[str, str] = {}
    with console.progress_bar("stream") as advance:
        for epoch in range(epochs):
            loader.set_epoch(epoch)
            for number, batch in enumerate(loader, 1):
                windows += len(batch["index"])
                shapes = shapes or {
                    name: f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
                    for name, value in batch.items()
                }
                advance(epoch * len(loader) + number, epochs * len(loader))
    seconds = perf_counter() - began
    console.show(
        {
            "windows": windows,
            "seconds": round(seconds, 3),
            "windows per second": round(windows / seconds),
            **shapes,
        },
        as_json,
    )


def _beats(
    align: str | None, sequence: int | None, tables: Path | None, **cut: float | None
) -> BeatSpec | None:
    """Return how beats are cut, where that is asked for."""
    from physioprep.stream.beats import BeatSpec

    given = {name: value for name, value in cut.items() if value is not None}
    if align is None:
        alone = {"sequence": sequence, "beats": tables, "beat-size": given.get("size"), **given}
        for name, value in alone.items():
            if value is not None:
                raise PhysioprepError(
                    f"--{name}: beats of a stream are cut by --align beat --sequence N --beats"
                )
        return None
    if align != "beat" or sequence is None or tables is None:
        raise PhysioprepError(
            f"--align {align}: of a stream it is --align beat --sequence N --beats FOLDER"
        )
    return BeatSpec(n_beats=sequence, tables=tables, **given)  # type: ignore[arg-type]


def _labels(texts: list[str] | None) -> dict[str, list[str] | None] | None:
    """Return the categories of each label: ``scp=NORM,MI`` states some, ``scp`` none."""
    if not texts:
        return None
    parts = (text.partition("=") for text in texts)
    return {name: held.split(",") if equals else None for name, equals, held in parts}


def _region(text: str) -> tuple[str | None, float | None, float | None]:
    query, _, span = text.rpartition("@")
    start, colon, stop = span.partition(":")
    try:
        if not colon:
            raise ValueError
        ends = [_finite(end) if end.strip() else None for end in (start, stop)]
        return query.strip() or None, ends[0], ends[1]
    except ValueError:
        raise PhysioprepError(f"--region {text!r} is not 'QUERY @ FROM:TO' in seconds") from None


def _amounts(texts: list[str] | None) -> dict[str, float] | None:
    if not texts:
        return None
    amounts = {}
    for text in texts:
        name, _, amount = text.partition("=")
        try:
            amounts[name] = _finite(amount)
        except ValueError:
            raise PhysioprepError(f"{text!r} is not NAME=NUMBER") from None
    return amounts


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _mapping(option: str, text: str | None) -> dict[str, Any] | None:
    """Read an option that is a mapping, as YAML."""
    if text is None:
        return None
    found = load_yaml(text, lambda cause: ShardError(f"{option}: {cause}"))
    if not isinstance(found, dict):
        raise ShardError(f"{option}: {text!r} is no mapping, as {{name: value, ...}}")
    return found
