"""The verbs of whole runs: `simulate` and `run`; thin functions, no logic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

import physioprep as pp
from physioprep import console
from physioprep.cli_options import Device, Json, Overwrite, Scheduler, Seed, Workers, by_modality
from physioprep.cli_words import Verbs

app = Verbs()


@app.command(epilog="Example: physioprep simulate build/demo/raw")
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Write two small SIMULATED raw corpora (NeuroKit2) with planted faults, for `make demo`."""
    with console.progress_bar("simulate") as advance:
        made = pp.simulate(out, seed=seed, overwrite=overwrite, progress=advance)
    console.show({"simulated corpora": made}, as_json=False)


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
    as_json: Json = False,
) -> None:
    """Run a pipeline from raw files to a result table; completed steps are skipped."""
    from physioprep.pipeline.task_result import task_tables

    def announce(number: int, total: int, step: Any, result: Any) -> None:
        if result is None:
            console.say(f"[{number}/{total}] {step.verb}")
        else:
            facts = ", ".join(f"{k} {v}" for k, v in result.summary.items() if k != "table")
            done = "already done: " if result.skipped else ""
            console.say(f"      {done}{facts}")

    results = pp.run(
        recipe, raw, out, until=until, weights=by_modality(weights or []), overwrite=overwrite,
        scheduler=scheduler, workers=workers, device=device, on_step=announce,
    )  # fmt: skip
    if as_json:
        typer.echo(json.dumps([vars(result) for result in results], indent=1, default=str))
        return
    tables = [result.summary.get("table") for result in results]
    for table in filter(None, [*tables, *task_tables(out)]):
        console.print_table(
            table["title"], table["columns"], table["rows"], caption=table.get("caption")
        )
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
