"""The verb that audits: one thin function, no logic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import physioprep as pp
from physioprep import console
from physioprep.cli_options import Overwrite, Scheduler, Workers
from physioprep.cli_words import Verbs
from physioprep.errors import PhysioprepError

app = Verbs()


@app.command(epilog="Example: physioprep audit ptbxl.zarr --report audit.html --fail-on warning")
def audit(
    paths: Annotated[list[Path], typer.Argument(help="Manifests, stores or shards.")],
    against: Annotated[
        list[Path] | None, typer.Option(help="Data that must not overlap with these.")
    ] = None,
    expect: Annotated[
        str | None, typer.Option(help="CORPUS==VERSION: report what is missing.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Published split to judge for leaks.")] = None,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report.")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write findings as JSON.")] = None,
    fail_on: Annotated[str, typer.Option(help="error or warning.")] = "error",
    quality: Annotated[
        Path | None, typer.Option(help="Write quality scores per record and channel (.parquet).")
    ] = None,
    drop: Annotated[
        list[str] | None, typer.Option(help="CHECK: leave out the records that it names.")
    ] = None,
    fix: Annotated[
        list[str] | None, typer.Option(help="CHECK: correct in the manifest what can be corrected.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Manifest to write with --drop or --fix.")
    ] = None,
    overwrite: Overwrite = False,
    scheduler: Scheduler = None,
    workers: Workers = None,
) -> None:
    """Find what is wrong with a corpus: exit code 0 clean, 1 findings, 2 could not run."""
    from physioprep import auditing
    from physioprep.outputs import FINDINGS, PAGE

    if bool(drop or fix) != bool(out):
        raise PhysioprepError("--drop and --fix write a manifest: give it a name with --out")
    if fail_on not in ("error", "warning"):
        raise PhysioprepError(f"--fail-on {fail_on}: write error or warning")
    auditing.check_ids(drop or (), fix or ())
    inputs = (*paths, *(against or ()))
    auditing.refuse_same(
        {"--report": report, "--json": json_out, "--quality": quality, "--out": out}
    )
    for path, kind in ((report, PAGE), (json_out, FINDINGS), (quality, auditing.QUALITY)):
        if path:  # before the long audit
            auditing.refuse_foreign(path, kind, inputs)
    if out:
        auditing.refuse_input(out, inputs)
        auditing.refuse_existing(out, overwrite=overwrite)
    with console.progress_bar("audit") as advance:
        found = pp.audit(
            paths, against=against or (), expect=expect, split=split, scheduler=scheduler,
            workers=workers, progress=advance, announce=console.say_dashboard,
        )  # fmt: skip
    if json_out:
        auditing.write_json(found, json_out)
    if report:
        auditing.write_html(found, report)
    if quality:
        auditing.write_quality(found, quality)
    if out:
        kept = auditing.write_kept(found, out, drop=drop or (), fix=fix or (), overwrite=overwrite)
        console.say(f"{out}: {auditing.describe_kept(found, kept, [*(drop or ()), *(fix or ())])}")
    console.print_table(
        f"Audit: {found.verdict}",
        ("severity", "check", "records", "detail"),
        [
            (
                f.severity,
                f.check,
                ", ".join(f.records[:4]) + (" …" if len(f.records) > 4 else ""),
                f.detail,
            )
            for f in found.findings
        ],
    )
    for line in found.split_leaks.get("lines", ()):
        console.say(f"split: {line}")
    raise typer.Exit(found.exit_code(fail_on))
