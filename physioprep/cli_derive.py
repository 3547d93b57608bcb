"""The verb that derives tables and pictures from a store: one thin function, no logic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import physioprep as pp
from physioprep import cli_pictures as picture
from physioprep import console
from physioprep.cli_options import Json, Overwrite, Workers
from physioprep.cli_words import Verbs
from physioprep.errors import PhysioprepError

app = Verbs()


def _refuse_unused(kind: str, is_made: bool, is_default: bool) -> None:
    """Refuse options of a kind that is not made."""
    if not is_made and not is_default:
        raise PhysioprepError(f"options of --{kind} without --{kind}: add it, or leave them out")


_GROUP = "Scalograms"
Scheduler = Annotated[
    str | None,
    typer.Option(
        help="sync, processes, cluster (a LocalCluster), or the address of a Dask scheduler "
        "(tcp://…); docs/cluster.md. Default: by the size of the work. No threads."
    ),
]
Scalograms = Annotated[
    bool,
    typer.Option("--scalograms", help="Wavelet pictures, a .npy a record.", rich_help_panel=_GROUP),
]
ScalogramsOf = Annotated[str, typer.Option(help="Which modality.", rich_help_panel=_GROUP)]
ScalogramSize = Annotated[
    str, typer.Option(help="WIDTHxHEIGHT: columns, frequencies.", rich_help_panel=_GROUP)
]
ScalogramBand = Annotated[
    tuple[float, float],
    typer.Option(help="First and last frequency, Hz.", rich_help_panel=_GROUP),
]


@app.command(epilog="Example: physioprep derive mitdb.zarr -o mitdb.tables --beats")
def derive(
    store: Annotated[str, typer.Argument(help="A store, or shards, in mV (ECG) and µV (EEG).")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder of tables to make.")],
    beats: Annotated[
        bool,
        typer.Option("--beats", help="Beats of ECG: waves, intervals, axes, HRV, median beats."),
    ] = False,
    eeg: Annotated[
        bool, typer.Option("--eeg", help="Of EEG: band powers, entropies, slope, Hjorth.")
    ] = False,
    pairs: Annotated[
        bool,
        typer.Option("--pairs", help="PPG, pressure: pulses, lag behind the ECG, mmHg."),
    ] = False,
    method: Annotated[
        str,
        typer.Option(
            help="Of delineation, by NeuroKit2: prominence, dwt, cwt or peak; or your own, "
            "MODULE:FUNCTION, which is imported (docs/derive.md)."
        ),
    ] = "prominence",
    window: Annotated[
        float, typer.Option(help="Length of a window of EEG or of a scalogram, s.")
    ] = 10.0,
    where: Annotated[
        str | None, typer.Option(help="Query on the store's records: \"split == 'train'\".")
    ] = None,
    scheduler: Scheduler = None,
    workers: Workers = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
    pictures: picture.Pictures = False,
    layout: picture.Layout = "auto",
    speed: picture.Speed = 25.0,
    gain: picture.Gain = 10.0,
    dpi: picture.Dpi = 100.0,
    size: picture.Size = None,
    grid: picture.Grid = "auto",
    names: picture.Names = True,
    pulse: picture.Pulse = True,
    text: picture.Text = False,
    page: picture.PageSeconds = 10.0,
    pages: picture.Pages = 1,
    augment: picture.Augment = None,
    seed: picture.Seed = 0,
    tars: picture.Tars = False,
    per_tar: picture.PerTar = 500,
    pictures_of: picture.PicturesOf = "auto",
    sensitivity: picture.Sensitivity = 7.0,
    montage: picture.Montage = "stored",
    scalograms: Scalograms = False,
    scalograms_of: ScalogramsOf = "ecg",
    scalogram_size: ScalogramSize = "224x224",
    scalogram_band: ScalogramBand = (0.5, 40.0),
) -> None:
    """Derive heart beats, measurements, features of EEG and pictures from a store or shards."""
    from physioprep.deriving.paper import spec as spec_module
    from physioprep.stream.wavelets import ScalogramSpec

    chosen = {
        "beats": beats,
        "eeg": eeg,
        "pictures": pictures,
        "scalograms": scalograms,
        "pairs": pairs,
    }
    kinds = [name for name, is_chosen in chosen.items() if is_chosen]
    spec = pp.PictureSpec(
        layout=layout, mm_per_s=speed, mm_per_mv=gain, dpi=dpi,
        size=None if size is None else spec_module.size_of(size), grid=grid, names=names,
        pulse=pulse, text=text, page_s=page, pages=pages,
        augment=spec_module.augmentations_of(augment or ""), seed=seed, tars=tars, per_tar=per_tar,
        of=pictures_of, uv_per_mm=sensitivity, montage=montage,
    )  # fmt: skip
    width, height = spec_module.size_of(scalogram_size)
    waves = ScalogramSpec(*scalogram_band, height=height, width=width)
    _refuse_unused("pictures", pictures, spec == pp.PictureSpec())
    _refuse_unused("scalograms", scalograms, (waves, scalograms_of) == (ScalogramSpec(), "ecg"))
    _refuse_unused("beats", beats or not kinds, method == "prominence")
    with console.progress_bar("derive") as advance:
        result = pp.derive(
            store, out, kinds=kinds or None, method=method, window_s=window, where=where,
            pictures=spec, scalograms=waves, scalograms_of=scalograms_of,
            scheduler=scheduler, workers=workers, overwrite=overwrite,
            progress=advance, announce=console.say_dashboard,
        )  # fmt: skip
    summary = {"tables": str(result.path), **result.summary(), "plan": result.plan_sha256[:16]}
    console.show(summary, as_json)
