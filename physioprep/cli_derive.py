"""The verb that derives tables from a store: one thin function, no logic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import physioprep as pp
from physioprep import console
from physioprep.cli_options import Json, Overwrite, Scheduler, Workers
from physioprep.cli_words import Verbs

app = Verbs()


@app.command(epilog="Example: physioprep derive mitdb.zarr -o mitdb.tables --beats")
def derive(
    store: Annotated[str, typer.Argument(help="A store, harmonised to mV (ECG) and µV (EEG).")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of tables to make.")],
    beats: Annotated[
        bool,
        typer.Option("--beats", help="Beats of ECG: waves, intervals, axes, HRV, median beats."),
    ] = False,
    eeg: Annotated[
        bool, typer.Option("--eeg", help="Of EEG: band powers, entropies, slope, Hjorth.")
    ] = False,
    method: Annotated[
        str, typer.Option(help="Of delineation, by NeuroKit2: prominence, dwt, cwt or peak.")
    ] = "prominence",
    window: Annotated[float, typer.Option(help="Length of a window of EEG, s.")] = 10.0,
    where: Annotated[
        str | None, typer.Option(help="Query on the store's records: \"split == 'train'\".")
    ] = None,
    scheduler: Scheduler = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Derive tables from a store: heart beats and measurements, features of EEG."""
    kinds = [name for name, chosen in (("beats", beats), ("eeg", eeg)) if chosen]
    with console.progress_bar("derive") as advance:
        result = pp.derive(
            store, out, kinds=kinds or None, method=method, window_s=window, where=where,
            scheduler=scheduler, workers=workers, overwrite=overwrite, progress=advance,
            announce=console.say_dashboard,
        )  # fmt: skip
    summary = {"tables": str(result.path), **result.rows, "plan": result.plan_sha256[:16]}
    console.show(summary, as_json)
