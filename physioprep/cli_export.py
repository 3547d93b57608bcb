"""The verb that gives shards to other trainers: one thin function, no logic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import physioprep as pp
from physioprep import console
from physioprep.cli_options import Json, Overwrite
from physioprep.cli_words import Verbs

app = Verbs()


@app.command(epilog="Example: physioprep export w.shards -o w.tars --as webdataset")
def export(
    shards: Annotated[str, typer.Argument(help="Shards, or their URL.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to make.")],
    form: Annotated[
        str,
        typer.Option("--as", help="lmdb (CBraMod's keys), webdataset, or parquet (Hugging Face)."),
    ],
    label: Annotated[
        str | None,
        typer.Option(help="Of an LMDB: label of each window; without it, for pretraining."),
    ] = None,
    modality: Annotated[
        list[str] | None, typer.Option(help="ecg, eeg …; default: all; of an LMDB one: eeg.")
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="Query on the windows: \"split == 'train'\".")
    ] = None,
    patch: Annotated[float, typer.Option(help="Of an LMDB: length of a patch, s.")] = 1.0,
    per_file: Annotated[
        int, typer.Option(min=1, max=1 << 24, help="Most windows of a tar or Parquet file.")
    ] = 1024,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write shards as LMDB, WebDataset or Parquet, for other people's trainers."""
    with console.progress_bar("export") as advance:
        result = pp.export(
            shards, out, form, label=label, modalities=modality, where=where, patch_s=patch,
            per_file=per_file, overwrite=overwrite, progress=advance,
        )  # fmt: skip
    summary = {
        "export": str(result.path), "as": result.form, "windows": result.windows,
        "left out": result.left_out, "windows with missing samples": result.missing_samples,
        "files": result.n_files, "bytes": result.bytes,
    }  # fmt: skip
    console.show(summary, as_json)
