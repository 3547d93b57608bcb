"""Options that several verbs share, with one text each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from physioprep import console
from physioprep.bounds import SEED
from physioprep.versions import __version__

Json = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")]
DryRun = Annotated[
    bool,
    typer.Option("--dry-run", help="Say what, how many, how large, how long; write nothing."),
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, max=65_536, help="Parallel workers; default: one per processor core."),
]
MAX_SEED = int(SEED.most)
Seed = Annotated[
    int,
    typer.Option(min=SEED.least, max=MAX_SEED, help="The same seed gives the same bytes."),
]
Corpus = Annotated[
    str,
    typer.Option(
        help="Its name; see `physioprep corpora`. folder: files of your own; a table records.csv "
        "gives subjects and labels (record_id, subject_id, session, age, sex, split, label_…)."
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        help="sync, threads, processes, cluster (a LocalCluster), or the address of a Dask "
        "scheduler (tcp://…); docs/cluster.md. Default: chosen by the size of the work."
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="cpu, cuda or cuda:NUMBER. Default: cuda where there is a GPU and one task runs at a "
        "time."
    ),
]
VendorLabels = Annotated[
    str | None,
    typer.Option(
        help="vendor: labels of the measurements and statements in clinical files; or a YAML file "
        "that says which."
    ),
]

Channels = Annotated[
    list[str] | None,
    typer.Option(
        help="Only these, in this order: II,V1,V5, or by modality ecg=II,V1. Default: all."
    ),
]
InputLeads = Annotated[
    str | None,
    typer.Option(help='Leads given: "II V1 V5", or subsets to draw from: "I:0.5,II V1 V5:0.5".'),
]
TargetLeads = Annotated[
    str | None, typer.Option(help="Leads to answer, of the same windows; as --input-leads.")
]
PseudonymKey = Annotated[
    Path | None,
    typer.Option(help="File with a secret: ids of people in clinical files become its HMAC."),
]
ShiftDates = Annotated[
    bool, typer.Option("--shift-dates", help="Move start times, per person, into the past.")
]


def _say_version(asked: bool) -> None:
    if asked:
        console.print_line(f"physioprep {__version__}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Show the version.")
]


def by_modality(texts: list[str]) -> dict[str, str]:
    """Return paths by modality from texts as ``ecg=FOLDER``.

    Parameters
    ----------
    texts : list of str
        As given on the command line.

    Returns
    -------
    dict of str to str

    Raises
    ------
    typer.BadParameter
        One has no ``=``, or no path.

    Examples
    --------
    >>> by_modality(["ecg=encoders/ecg"])
    {'ecg': 'encoders/ecg'}
    """
    pairs = [text.partition("=") for text in texts]
    wrong = [text for text, (_, _, path) in zip(texts, pairs, strict=True) if not path]
    if wrong:
        raise typer.BadParameter(f"{wrong[0]!r} is not MODALITY=PATH")
    return {name: path for name, _, path in pairs}
