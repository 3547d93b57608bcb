"""The verb that gives shards to other trainers, and encoders to other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

import physioprep as pp
from physioprep import console
from physioprep.cli_options import Json, Overwrite
from physioprep.cli_words import Verbs

app = Verbs()
#: Of models; all other forms are of shards.
MODEL_FORMS: Final = ("onnx", "torch-export")


def numbers(text: str | None) -> tuple[int, ...] | None:
    """Return whole numbers with commas between them."""
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"--shape {text!r}: three whole numbers, as 1,12,10") from None


@app.command(epilog="Example: physioprep export w.shards -o w.tars --as webdataset")
def export(
    source: Annotated[str, typer.Argument(help="Shards, or their URL; or a model.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder, or a model's file.")],
    form: Annotated[
        str,
        typer.Option(
            "--as",
            help="lmdb (CBraMod's keys), webdataset, or parquet (Hugging Face); of a model's "
            "encoder onnx, or torch-export (.pt2).",
        ),
    ],
    label: Annotated[
        str | None,
        typer.Option(help="Of an LMDB: label of each window; without it, for pretraining."),
    ] = None,
    modality: Annotated[
        list[str] | None,
        typer.Option(help="ecg, eeg …; default: all; of an LMDB one: eeg; of a model one."),
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="Query on the windows: \"split == 'train'\".")
    ] = None,
    patch: Annotated[float, typer.Option(help="Of an LMDB: length of a patch, s.")] = 1.0,
    per_file: Annotated[
        int, typer.Option(min=1, max=1 << 24, help="Most windows of a tar or Parquet file.")
    ] = 1024,
    shape: Annotated[
        str | None,
        typer.Option(help="Of a model: windows, leads, patches to fix: 1,12,10. Default: any."),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write shards as LMDB, WebDataset or Parquet, or a model's encoder as ONNX, for others."""
    if form in MODEL_FORMS:
        from physiomodels.exporting.run import export_encoder
        from physiomodels.exporting.summary import summary_of

        if modality is not None and len(modality) > 1:
            raise typer.BadParameter("--modality: of a model one encoder leaves")
        made = export_encoder(
            source, out, form, modality=modality[0] if modality else None, shape=numbers(shape),
            overwrite=overwrite,
        )  # fmt: skip
        console.show(summary_of(made), as_json)
        return
    if shape is not None:
        raise typer.BadParameter(f"--shape is for {' and '.join(MODEL_FORMS)}")
    with console.progress_bar("export") as advance:
        result = pp.export(
            source, out, form, label=label, modalities=modality, where=where, patch_s=patch,
            per_file=per_file, overwrite=overwrite, progress=advance,
        )  # fmt: skip
    summary = {
        "export": str(result.path), "as": result.form, "windows": result.windows,
        "left out": result.left_out, "windows with missing samples": result.missing_samples,
        "files": result.n_files, "bytes": result.bytes,
    }  # fmt: skip
    console.show(summary, as_json)
