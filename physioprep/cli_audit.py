"""The verb that audits: one thin function, no logic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import physioprep as pp
from physioprep import console
from physioprep.cli_options import Json, Overwrite, Scheduler, Workers
from physioprep.cli_words import Verb, Verbs
from physioprep.errors import PhysioprepError

if TYPE_CHECKING:
    from physioprep.auditing.findings import AuditReport

app = Verbs()


class _Audit(Verb):
    """The verb, which still takes ``--json FILE`` as it did before ``--findings FILE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return list(super().parse_args(ctx, with_findings(args)))


def with_findings(args: list[str]) -> list[str]:
    """Return arguments in which a file after ``--json`` is one of ``--findings``.

    Parameters
    ----------
    args : list of str
        Of the command line.

    Returns
    -------
    list of str

    Examples
    --------
    >>> with_findings(["m.parquet", "--json", "a.json"]), with_findings(["--json", "m.parquet"])
    (['m.parquet', '--findings', 'a.json'], ['--json', 'm.parquet'])
    """
    out: list[str] = []
    for place, word in enumerate(args):
        option, sign, value = word.partition("=")
        following = value if sign else (args[place + 1] if place + 1 < len(args) else "")
        if option == "--json" and following.endswith(".json") and not _is_input(following):
            console.say(f"--json {following}: write --findings {following}; --json alone prints")
            word = f"--findings={value}" if sign else "--findings"
        out.append(word)
    return out


def _is_input(name: str) -> bool:
    """Return whether a file is there that is no list of findings: a manifest in JSON."""
    from physioprep.outputs import FINDINGS

    return Path(name).exists() and not FINDINGS.is_ours(Path(name))


@app.command(
    cls=_Audit,
    epilog="Example: physioprep audit ptbxl.zarr --report audit.html --fail-on warning",
)
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
    findings: Annotated[
        Path | None, typer.Option(help="Write findings as JSON (FILE.json).")
    ] = None,
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
    root: Annotated[
        Path | None, typer.Option(help="Folder of the raw files of manifests now.")
    ] = None,
    overwrite: Overwrite = False,
    scheduler: Scheduler = None,
    workers: Workers = None,
    as_json: Json = False,
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
        {"--report": report, "--findings": findings, "--quality": quality, "--out": out}
    )
    for path, kind in ((report, PAGE), (findings, FINDINGS), (quality, auditing.QUALITY)):
        if path:  # before the long audit
            auditing.refuse_foreign(path, kind, inputs)
    if out:
        auditing.refuse_input(out, inputs)
        auditing.refuse_existing(out, overwrite=overwrite)
    with console.progress_bar("audit") as advance:
        found = pp.audit(
            paths, against=against or (), expect=expect, split=split, root=root,
            scheduler=scheduler, workers=workers, progress=advance, announce=console.say_dashboard,
        )  # fmt: skip
    if findings:
        auditing.write_json(found, findings)
    if report:
        auditing.write_html(found, report)
    if quality:
        auditing.write_quality(found, quality)
    if out:
        kept = auditing.write_kept(found, out, drop=drop or (), fix=fix or (), overwrite=overwrite)
        console.say(f"{out}: {auditing.describe_kept(found, kept, [*(drop or ()), *(fix or ())])}")
    _show(found, as_json)
    raise typer.Exit(found.exit_code(fail_on))


def _show(found: AuditReport, as_json: bool) -> None:
    """Print what was found, and which recordings could not be looked at."""
    if as_json:
        typer.echo(json.dumps(found.to_dict(), indent=1))
    else:
        rows = [
            (f.severity, f.check, ", ".join(f.records[:4]) + (" …" if len(f.records) > 4 else ""),
             f.detail)
            for f in found.findings
        ]  # fmt: skip
        console.print_table(
            f"Audit: {found.verdict}", ("severity", "check", "records", "detail"), rows
        )
        severities = [one.severity for one in found.findings]
        counts = {f"{kind}s": severities.count(kind) for kind in ("error", "warning")}
        counts["notes"] = severities.count("info")
        console.show({"verdict": found.verdict, **counts}, as_json)
    manifests = [one for one in found.inputs if one["kind"] == "manifest"]
    n_bad = sum(one.check == "unreadable-file" for one in found.findings)
    n_read = sum(one["signals_read"] for one in found.inputs)
    if manifests and not n_read and sum(one["records"] for one in manifests) > n_bad:
        where = "the raw files are not where the manifest says (--root FOLDER)"
        console.say(f"{manifests[0]['as_given']}: no signals read: {where}")
    for line in found.split_leaks.get("lines", ()):
        console.say(f"split: {line}")
