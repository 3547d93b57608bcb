"""The verb that answers new recordings: one thin function, no logic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from physioprep import console
from physioprep.cli_options import Device, Json, Overwrite, Workers
from physioprep.cli_words import Verbs

app = Verbs()


@app.command(
    epilog="Example: physioprep predict model clinic/p01.edf clinic/p02.edf -o answers.csv"
)
def predict(
    model: Annotated[Path, typer.Argument(help="A folder of `finetune`.")],
    recordings: Annotated[
        list[Path],
        typer.Argument(help="Raw files, folders of them, a manifest, a store, or shards."),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help=".csv or .parquet. Default: print it.")
    ] = None,
    per: Annotated[str, typer.Option(help="What a row is: record or window.")] = "record",
    workers: Workers = None,
    device: Device = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Answer new recordings by a trained model and its recipe, from raw file to probability."""
    from physiomodels.prediction.run import predict_recordings
    from physiomodels.prediction.summary import shown, summary_of
    from physiomodels.prediction.table import check_table, write_table

    if out is not None:
        check_table(out, overwrite=overwrite)
    with console.progress_bar("predict") as advance:
        table = predict_recordings(
            model, recordings, per=per, device=device, workers=workers, progress=advance
        )
    summary, failed = summary_of(table, per), int(table["error"].notna().sum())
    if out is not None:
        write_table(table, out, overwrite=overwrite)
        summary = {"predictions": str(out)} | summary
    if as_json:
        rows = {} if out is not None else {"rows": json.loads(table.to_json(orient="records"))}
        console.show(summary | rows, as_json)
    else:
        if out is None:
            console.print_table("Predictions", *shown(table))
        console.print_facts(summary)
    for note in table.attrs["notes"] if not as_json else ():
        console.say(note)
    raise typer.Exit(1 if failed else 0)
