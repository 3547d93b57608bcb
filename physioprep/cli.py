"""The command line: one thin function per verb, no logic."""

from __future__ import annotations

import json
import resource
from pathlib import Path
from typing import Annotated, Any

import typer

import physioprep as pp
from physioprep import (
    cli_audit,
    cli_browse,
    cli_derive,
    cli_export,
    cli_hub,
    cli_pipeline,
    cli_predict,
    cli_shard,
    cli_train,
    console,
)
from physioprep.cli_errors import OneLineErrors
from physioprep.cli_options import (  # fmt: skip
    Channels,
    Corpus,
    DryRun,
    Json,
    Overwrite,
    PseudonymKey,
    Scheduler,
    ShiftDates,
    VendorLabels,
    Version,
    Workers,
)  # fmt: skip
from physioprep.cli_words import Verbs
from physioprep.errors import PhysioprepError
from physioprep.limits import MIN_ADDRESS_SPACE_BYTES

app = Verbs(
    cls=OneLineErrors,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    help="From raw ECG and EEG corpora to trained models. Exit codes: 0 done, 1 done but "
    "something needs attention, 2 could not run, 130 stopped.",
)


@app.callback()
def _main(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log what is done.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Errors only: no bars, notes or warnings.")
    ] = False,
    version: Version = False,
) -> None:
    console.set_up_logging(verbose, quiet)
    allowed, _ = resource.getrlimit(resource.RLIMIT_AS)
    if 0 <= allowed < MIN_ADDRESS_SPACE_BYTES:
        least = MIN_ADDRESS_SPACE_BYTES >> 20
        raise PhysioprepError(f"ulimit -v allows {allowed >> 20} MiB, {least} MiB are needed")


@app.command(epilog="Example: physioprep corpora eegmat")
def corpora(
    name: Annotated[str | None, typer.Argument(help="Show one corpus in full.")] = None,
    as_json: Json = False,
) -> None:
    """List the corpora physioprep knows, or the facts and known faults of one."""
    from dataclasses import asdict

    from physioprep.facts import list_corpora, load_facts

    if name:
        console.show(asdict(load_facts(name)), as_json)
        return
    rows = [asdict(load_facts(each)) for each in list_corpora()]
    if as_json:
        typer.echo(json.dumps(rows, indent=1, default=str))
        return
    said = [f"{row['title']}: {', '.join(row['modalities'])}" for row in rows]
    cells = [[row["name"], what, row["access"]] for row, what in zip(rows, said, strict=True)]
    more = "physioprep corpora NAME: licence, labels, known faults and all else of one"
    console.print_table("Corpora", ("name", "what", "access"), cells, caption=more)


@app.command(epilog="Example: physioprep formats")
def formats(as_json: Json = False) -> None:
    """List the file formats that are read, and what is missing to read the rest."""
    from physioprep.readers.formats import list_formats

    rows = [
        {
            "format": each.title,
            "files": each.files,
            "read by": each.library or "physioprep",
            "to read it": each.missing or "ready",
        }
        for each in list_formats()
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    columns = tuple(rows[0])
    cells = [[text.replace("'", "") for text in row.values()] for row in rows]  # fits 80 columns
    console.print_table("Formats", columns, cells)


@app.command(epilog="Example: physioprep scan data/mitdb --corpus mitdb -o mitdb.parquet")
def scan(
    root: Annotated[str, typer.Argument(help="Folder of the raw corpus, or its URL.")],
    corpus: Corpus,
    out: Annotated[Path, typer.Option("--out", "-o", help=".parquet, .csv or .json (Croissant).")],
    version: Annotated[str | None, typer.Option(help="Version of the corpus.")] = None,
    hashes: Annotated[bool, typer.Option(help="Hash every file (sha256).")] = True,
    pattern: Annotated[
        str | None,
        typer.Option(help="For --corpus folder: a regular expression with (?P<subject_id>…)."),
    ] = None,
    join: Annotated[
        Path | None, typer.Option(help="CSV or TSV whose columns become labels; with --on.")
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(help="Column of --join: record_id, study_id, subject_id; or NAME=session …"),
    ] = None,
    labels: VendorLabels = None,
    pseudonym_key: PseudonymKey = None,
    shift_dates: ShiftDates = False,
    scheduler: Scheduler = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """List the recordings of a corpus in a manifest: one row per recording, none left out."""
    from physioprep.corpora.fit import misfits
    from physioprep.corpora.flag_kinds import count_kinds
    from physioprep.corpora.not_taken import without
    from physioprep.corpora.scan import check_scan
    from physioprep.corpora.summary import error_lines, summary_of
    from physioprep.manifest import check_manifest_output

    check_scan(root, corpus, pattern, scheduler, workers)
    check_manifest_output(out, overwrite=overwrite)  # before the work that makes it
    with console.progress_bar("scan") as advance:
        manifest = pp.scan(
            root,
            corpus,
            version=version,
            hashes=hashes,
            pattern=pattern,
            join=join,
            on=on,
            labels=labels,
            pseudonym_key=pseudonym_key,
            shift_dates=shift_dates,
            scheduler=scheduler,
            workers=workers,
            progress=advance,
            announce=console.say_dashboard,
        )
    own = [out, *([out.with_suffix(".csv")] if out.suffix == ".json" else [])]
    notes = without(manifest.attrs.pop("notes", ()), root, own)
    if notes:
        manifest.attrs["notes"] = notes
    pp.write_manifest(manifest, out, overwrite=overwrite)
    bad, doubts = manifest[manifest["error"].notna()], misfits(manifest)
    console.show(
        {
            "manifest": out,
            "recordings": len(manifest),
            "subjects": int(manifest["subject_id"].nunique()),
            "hours": round(float(manifest["duration_s"].sum()) / 3600, 3),
            "not readable": len(bad),
            **summary_of(notes, as_lists=as_json),
            "flagged": count_kinds(manifest["flags"]),
            "does not fit": doubts if as_json else doubts or "nothing",
        },
        as_json,
    )
    for doubt in doubts if not as_json else ():
        console.say(f"warning: {corpus}? {doubt}")
    for error in error_lines(bad["error"]):
        console.say(f"not readable: {error}")
    raise typer.Exit(1 if len(bad) or doubts else 0)


@app.command(epilog="Example: physioprep ingest mitdb.parquet -o mitdb.zarr --recipe ecg-200hz")
def ingest(
    manifest: Annotated[
        Path, typer.Argument(help="A manifest, from `physioprep scan`; with --corpus a raw folder.")
    ],
    out: Annotated[
        str,
        typer.Option("--out", "-o", help="The store to make: NAME.zarr, s3://BUCKET/NAME.zarr."),
    ],
    recipe: Annotated[str, typer.Option(help="Name or YAML file of a recipe.")] = "ecg-200hz",
    corpus: Annotated[
        str | None,
        typer.Option(help="Scan this corpus and ingest it: each file is read and hashed once."),
    ] = None,
    root: Annotated[
        str | None, typer.Option(help="Folder of the raw files now; a URL too.")
    ] = None,
    labels: VendorLabels = None,
    pseudonym_key: PseudonymKey = None,
    shift_dates: ShiftDates = False,
    where: Annotated[
        str | None,
        typer.Option(
            help="Pandas query on the manifest, for a part: \"subject_id in ['1', '2']\"."
        ),
    ] = None,
    on_error: Annotated[str, typer.Option(help="quarantine or abort.")] = "quarantine",
    max_failure_rate: Annotated[
        float, typer.Option(min=0, max=1, help="Stop above this share of bad records.")
    ] = 1.0,
    on_checksum: Annotated[
        str | None,
        typer.Option(help="A failed checksum: quarantine or flag; default: as the facts say."),
    ] = None,
    scheduler: Scheduler = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    append: Annotated[bool, typer.Option("--append", help="Add new records to a store.")] = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Harmonise the recordings of a manifest into a chunked Zarr store, in parallel."""
    scanned: dict[str, Any] = {}
    doubts: list[str] = []
    if corpus is None:
        if labels is not None or pseudonym_key is not None or shift_dates:
            raise typer.BadParameter(
                "--labels, --pseudonym-key and --shift-dates need --corpus: a manifest has them "
                "from its scan"
            )
        recordings = pp.read_manifest(manifest, shared=True)
    else:  # the ingest hashes what it reads
        from physioprep.corpora.fit import misfits
        from physioprep.corpora.summary import summary_of

        with console.progress_bar("scan") as advance:
            recordings = pp.scan(
                manifest, corpus, hashes=False, workers=workers, labels=labels,
                pseudonym_key=pseudonym_key, shift_dates=shift_dates, progress=advance,
            )  # fmt: skip
        doubts = misfits(recordings)
        scanned = summary_of(recordings.attrs.get("notes", ()), as_lists=as_json)
        scanned["does not fit"] = doubts if as_json else doubts or "nothing"
    if dry_run:
        from physioprep.estimates import estimate_ingest

        guess = estimate_ingest(recordings, recipe, root=root, where=where)
        console.show({"would make": out} | guess, as_json)
        return
    with console.progress_bar("ingest") as advance:
        result = pp.ingest(
            recordings,
            out,
            recipe,
            root=root,
            on_error=on_error,
            max_failure_rate=max_failure_rate,
            on_checksum=on_checksum,
            where=where,
            scheduler=scheduler,
            workers=workers,
            overwrite=overwrite,
            append=append,
            progress=advance,
            announce=console.say_dashboard,
        )
    console.show(result.summary() | scanned, as_json)
    for doubt in doubts if not as_json else ():
        console.say(f"warning: {corpus}? {doubt}")
    for line in result.quarantined:
        console.say(f"quarantined: {line}")
    for line in result.notes():
        console.say(line)
    raise typer.Exit(1 if result.quarantined else 0)


@app.command(epilog="Example: physioprep info mitdb.zarr --record 208")
def info(
    store: Annotated[
        str, typer.Argument(help="A store (a URL too), shards, embeddings or a manifest.")
    ],
    record: Annotated[str | None, typer.Option(help="Describe the origin of this record.")] = None,
    root: Annotated[
        Path | None, typer.Option(help="Folder of the raw files now; gives their bytes, too.")
    ] = None,
    sample: Annotated[
        int | None, typer.Option(min=0, help="This sample of the record only.")
    ] = None,
    at: Annotated[float | None, typer.Option(min=0, help="The same as a time, s.")] = None,
    channel: Annotated[str | None, typer.Option(help="This channel only.")] = None,
    records: Annotated[
        bool, typer.Option("--records", help="List the ids of all records.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Describe a store, shards, embeddings, a manifest or one record: content and origin."""
    if record is None and (root, sample, at, channel) != (None, None, None, None):
        raise typer.BadParameter("--root, --sample, --at and --channel need --record")
    console.show(
        pp.info(
            store, record, root=root, sample=sample, at_s=at, channel=channel, all_records=records
        ),
        as_json,
    )


@app.command(epilog="Example: physioprep view mitdb.zarr 208 -o 208.png --start 60")
def view(
    store: Annotated[str, typer.Argument(help="A store (a URL too), or a raw file of any format.")],
    out: Annotated[Path, typer.Option("--out", "-o", help=".png, .pdf or .svg, or a folder.")],
    record: Annotated[
        str | None,
        typer.Argument(help="A record id of a store; `physioprep info --records` lists them."),
    ] = None,
    start: Annotated[float, typer.Option(help="First second shown.")] = 0.0,
    duration: Annotated[float, typer.Option(help="Seconds shown.")] = 10.0,
    modality: Annotated[str | None, typer.Option(help="ecg, eeg …; default: all.")] = None,
    channels: Channels = None,
    gain: Annotated[
        float | None, typer.Option(help="Of ECG, mm/mV. Default: 10, halved until all fits.")
    ] = None,
    sensitivity: Annotated[
        float | None, typer.Option(help="Of EEG, µV/mm. Default: what fills the rows.")
    ] = None,
    speed: Annotated[float, typer.Option(help="Paper speed, mm/s.")] = 25.0,
    montage: Annotated[
        str,
        typer.Option(help="Of EEG: stored, average, linked-mastoids, or tcp (bipolar)."),
    ] = "stored",
    annotator: Annotated[
        list[str] | None, typer.Option(help="Whose annotations are shown (atr …); default: all.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Draw a record: ECG on paper at 25 mm/s and 10 mm/mV, EEG as a montage."""
    drawn = pp.view(
        store, record, out, start_s=start, duration_s=duration, modality=modality,
        channels=channels, mm_per_mv=gain, uv_per_mm=sensitivity, mm_per_s=speed,
        montage=montage, annotators=annotator,
    )  # fmt: skip
    if as_json:
        console.show({"picture": drawn}, as_json)
    else:
        console.print_line(drawn)


@app.command(epilog="Example: physioprep verify mitdb.zarr")
def verify(
    path: Annotated[
        str,
        typer.Argument(
            help="A store, shards (a URL too), embeddings, a model, results, `run`'s outputs."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Check that what was made is complete and unchanged, by hashing all of it again."""
    with console.progress_bar("verify") as advance:
        result = pp.verify(path, progress=advance)
    facts = {result.kind: str(result.path), "files": result.n_files, "bytes": result.bytes}
    console.show(facts | {"problems": len(result.problems)}, as_json)
    for line in result.problems:
        console.say(f"problem: {line}")
    raise typer.Exit(1 if result.problems else 0)


@app.command(epilog="Example: physioprep fetch eegmat -o data/eegmat")
def fetch(
    corpus: Annotated[str, typer.Argument(help="Its name; see `physioprep corpora`.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to fill.")],
    version: Annotated[str | None, typer.Option(help="Default: the newest known.")] = None,
    max_bytes: Annotated[
        int | None, typer.Option(min=1, help="Most to download. Default: what the disk has free.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Download an open corpus, check its hashes, resume; of others, print how to apply."""
    with console.progress_bar("fetch") as advance:
        result = pp.fetch(corpus, out, version=version, max_bytes=max_bytes, progress=advance)
    console.show(vars(result) if as_json else {k: str(v) for k, v in vars(result).items()}, as_json)


for _part in (
    cli_audit, cli_browse, cli_pipeline, cli_shard, cli_derive, cli_export, cli_hub, cli_train,
    cli_predict,
):  # fmt: skip
    app.add_typer(_part.app)
