"""Options of pictures of ECG: a group of their own in the help of `derive`."""

from __future__ import annotations

from typing import Annotated

import typer

from physioprep.bounds import SEED

_GROUP = "Pictures"

Pictures = Annotated[
    bool,
    typer.Option(
        "--pictures",
        help="ECG as on paper, or EEG pages, and where each sample stands.",
        rich_help_panel=_GROUP,
    ),
]
Layout = Annotated[
    str,
    typer.Option(
        help="3x4, 3x4+1 (and a rhythm strip), 6x2, 12x1; rows: one for each lead of the store. "
        "auto: 3x4+1 where it has the twelve leads, else rows.",
        rich_help_panel=_GROUP,
    ),
]
Speed = Annotated[
    float, typer.Option(help="25 or 50 mm/s; of EEG also 15, 30, 60.", rich_help_panel=_GROUP)
]
Gain = Annotated[float, typer.Option(help="5, 10 or 20 mm/mV.", rich_help_panel=_GROUP)]
Dpi = Annotated[float, typer.Option(help="Dots per inch.", rich_help_panel=_GROUP)]
Size = Annotated[
    str | None,
    typer.Option(help="WIDTHxHEIGHT in pixels, in place of --dpi.", rich_help_panel=_GROUP),
]
Grid = Annotated[
    str,
    typer.Option(
        help="auto, pink, red, blue, green, grey, none, or #rrggbb,#rrggbb,#rrggbb: paper, thin, "
        "thick.",
        rich_help_panel=_GROUP,
    ),
]
Names = Annotated[
    bool, typer.Option("--names/--no-names", help="Names of leads.", rich_help_panel=_GROUP)
]
Pulse = Annotated[
    bool, typer.Option("--pulse/--no-pulse", help="Calibration pulse.", rich_help_panel=_GROUP)
]
Text = Annotated[
    bool, typer.Option("--text", help="Print speed and gain below.", rich_help_panel=_GROUP)
]
PicturesOf = Annotated[
    str,
    typer.Option(
        help="ecg or eeg; auto: the ECG, where there is none the EEG.", rich_help_panel=_GROUP
    ),
]
Sensitivity = Annotated[float, typer.Option(help="Of EEG, µV/mm.", rich_help_panel=_GROUP)]
Montage = Annotated[
    str,
    typer.Option(
        help="Of EEG: stored, average, linked-mastoids, or tcp (bipolar).", rich_help_panel=_GROUP
    ),
]
PageSeconds = Annotated[
    float, typer.Option("--page", help="Seconds of a page.", rich_help_panel=_GROUP)
]
Pages = Annotated[
    int,
    typer.Option(min=0, help="Pages of a record, from its start; 0: all.", rich_help_panel=_GROUP),
]
Augment = Annotated[
    str | None,
    typer.Option(
        help="Some of rotation,crease,shadow,jpeg, or all: at random, seeded for each picture.",
        rich_help_panel=_GROUP,
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        min=SEED.least, max=int(SEED.most), help="Of augmentation: the same, the same bytes.",
        rich_help_panel=_GROUP,
    ),
]  # fmt: skip
Tars = Annotated[
    bool,
    typer.Option("--tars", help="WebDataset tars in place of files.", rich_help_panel=_GROUP),
]
PerTar = Annotated[
    int,
    typer.Option(min=1, help="Pictures of a tar, or of a folder.", rich_help_panel=_GROUP),
]
