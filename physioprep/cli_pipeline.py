"""The verbs of whole runs: `simulate` and `run`; thin functions, no logic."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

import physioprep as pp
from physioprep import console
from physioprep.cli_options import (
    Device,
    DryRun,
    Json,
    Overwrite,
    Scheduler,
    Seed,
    Workers,
    by_modality,
)
from physioprep.cli_words import Verbs

if TYPE_CHECKING:
    from physioprep.pipeline.run import StepResult

app = Verbs()


@app.command(epilog="Example: physioprep simulate build/demo/raw")
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write two small SIMULATED raw corpora (NeuroKit2) with planted faults, for `make demo`."""
    with console.progress_bar("simulate") as advance:
        made = pp.simulate(out, seed=seed, overwrite=overwrite, progress=advance)
    console.show({"simulated corpora": made}, as_json)


@app.command(epilog="Example: physioprep init recipe my-ecg -o my-ecg.yaml")
def init(
    kind: Annotated[str, typer.Argument(help="recipe, pipeline, task or corpus.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The YAML file to make.")],
    name: Annotated[str | None, typer.Argument(help="Default: that of the file.")] = None,
    as_json: Json = False,
) -> None:
    """Write a commented file to start from; it is valid as it is."""
    from physioprep.starting import KINDS, start

    made = start(kind, out, name)
    console.show({kind: str(made), "then": KINDS[kind].format(out=made)}, as_json)


@app.command(epilog="Example: physioprep run pipelines/eegmat.yaml --raw eegmat --out build/eegmat")
def run(
    recipe: Annotated[str, typer.Argument(help="A YAML file, or the name of a shipped one.")],
    raw: Annotated[Path, typer.Option(help="Folder of the raw data.")],
    out: Annotated[Path, typer.Option(help="Folder for all that is made.")],
    until: Annotated[
        str | None, typer.Option(help="Verb of the last step to run, as shard; default: all.")
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="Pretrained encoder for the evaluations, as eeg=FOLDER; once per modality."
        ),
    ] = None,
    scheduler: Scheduler = None,
    workers: Workers = None,
    device: Device = None,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Run a pipeline from raw files to a result table; completed steps are skipped.

    It exits with 1 where recordings are in quarantine or an audit has errors, after all steps.
    """
    if dry_run:
        from physioprep.pipeline.dry_run import dry_run as describe

        steps = describe(recipe, raw, out)
        console.show({"would make": out, "steps": steps}, as_json)
        return

    def announce(number: int, total: int, step: Any, result: Any) -> None:
        if result is None:
            console.say(f"[{number}/{total}] {step.verb}")
        else:
            said = {k: console.in_words(v) for k, v in result.summary.items() if k != "table"}
            facts = ", ".join(f"{name} {text}" for name, text in said.items() if text)
            done = "already done: " if result.skipped else ""
            console.say(f"      {done}{facts}")

    results = pp.run(
        recipe, raw, out, until=until, weights=by_modality(weights or []), overwrite=overwrite,
        scheduler=scheduler, workers=workers, device=device, on_step=announce,
    )  # fmt: skip
    if as_json:
        typer.echo(json.dumps([vars(result) for result in results], indent=1, default=str))
    else:
        _show(results, out)
        skipped = sum(one.skipped for one in results)
        console.show({"made": out, "steps": len(results), "already done": skipped}, as_json)
    _exit(results)


def _exit(results: Sequence[StepResult]) -> NoReturn:
    """Say what a person should look at, and exit with 1 for it, as the verbs themselves do."""
    refused = sum(one.summary.get("quarantined", 0) for one in results if one.verb == "ingest")
    errors = sum(one.summary.get("error", 0) for one in results if one.verb == "audit")
    lines = [
        f"{refused} {'recording is' if refused == 1 else 'recordings are'} in quarantine",
        f"{errors} {'finding' if errors == 1 else 'findings'} of severity error in the audits",
    ]
    for line, count in zip(lines, (refused, errors), strict=True):
        if count:
            console.say(line)
    raise typer.Exit(1 if refused or errors else 0)


def _show(results: Sequence[StepResult], out: Path) -> None:
    """Print the tables of a run, and where its reports are."""
    from physioprep.pipeline.task_result import task_tables

    tables = [result.summary.get("table") for result in results]
    for table in filter(None, [*tables, *task_tables(out)]):
        console.print_result(table)
    for result in results:
        if "report" in result.summary:
            console.print_line(f"report: {out / result.summary['report']}")


@app.command(epilog="Example: physioprep tasks --raw ~/data")
def tasks(
    name: Annotated[str | None, typer.Argument(help="One task; default: all.")] = None,
    raw: Annotated[
        Path | None, typer.Option(help="Folder with raw corpora: says what is missing there.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List published tasks: windows, split, metrics, and which raw files are there.

    `physioprep run tasks/NAME` rebuilds one from its raw files.
    """
    from physioprep.pipeline.task_list import describe_task, list_tasks

    found = [describe_task(each, raw) for each in ([name] if name else list_tasks())]
    if as_json:
        typer.echo(json.dumps(found[0] if name else found, indent=1))
    elif name:
        console.show(found[0], as_json=False)
    else:
        columns = ["task", "corpus", "label", "split", "published windows"]
        rows = [[each[column] for column in columns] for each in found]
        if raw is not None:
            columns.append("raw files")
            rows = [
                [*row, f"{'; '.join(each['missing']) or 'there'} (in {each['looked in']})"]
                for row, each in zip(rows, found, strict=True)
            ]
        console.print_table("published tasks", columns, rows)
