"""The verbs of whole runs: `simulate` and `run`; thin functions, no logic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

import physioprep as pp
from physioprep import console
from physioprep.cli_options import Device, Json, Overwrite, Scheduler, Seed, Workers
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
    scheduler: Scheduler = None,
    workers: Workers = None,
    device: Device = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Run a pipeline from raw files to a result table; completed steps are skipped."""

    def announce(number: int, total: int, step: Any, result: Any) -> None:
        if result is None:
            console.say(f"[{number}/{total}] {step.verb}")
        else:
            facts = ", ".join(f"{k} {v}" for k, v in result.summary.items() if k != "table")
            done = "already done: " if result.skipped else ""
            console.say(f"      {done}{facts}")

    results = pp.run(
        recipe, raw, out, overwrite=overwrite, scheduler=scheduler, workers=workers,
        device=device, on_step=announce,
    )  # fmt: skip
    if as_json:
        typer.echo(json.dumps([vars(result) for result in results], indent=1, default=str))
        return
    for result in results:
        table = result.summary.get("table")
        if table:
            console.print_table(
                table["title"], table["columns"], table["rows"], caption=table.get("caption")
            )
    for result in results:
        if "report" in result.summary:
            console.print_line(f"report: {out / result.summary['report']}")
