"""What the report of a run shows: collected from the files that its steps made."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physioprep import limits
from physioprep.corpora.entry import walk
from physioprep.documents import load_json, read_text
from physioprep.errors import PhysioprepError
from physioprep.pipeline.report import Content, Picture
from physioprep.run_notes import FOLDER, read_note
from physioprep.versions import __version__

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.store.read import Store

_PLANTED: Final = "PLANTED_FAULTS.json"
_CURVES: Final = {
    "label_efficiency.png": "Results with fewer labels",
    "importance.png": "Features by permutation importance, on people or records held out",
    "calibration.png": "Results with fewer windows of the person to calibrate on, without labels",
}


def results(out: Path) -> list[str]:
    """List the evaluations of a run.

    Parameters
    ----------
    out : Path
        Output folder of the run.

    Returns
    -------
    list of str
        Each ``results.json``, relative to `out`, in order.
    """
    paths = [*out.glob("*/results.json"), *out.glob("*/*/*/results.json")]
    return [path.relative_to(out).as_posix() for path in sorted(paths)]


def gather(raw: Path, out: Path, title: str, *, simulated: bool) -> Content:
    """Collect what a report shows, from the files of a run.

    Parameters
    ----------
    raw : Path
        Folder of the raw corpora, which name the faults that were planted in them.
    out : Path
        Output folder of the run.
    title : str
        Of the report.
    simulated : bool
        Whether the raw data come from a simulator.

    Returns
    -------
    Content
        All that `physioprep.pipeline.report.write_report` shows.
    """
    from physiomodels.evaluation.result_table import result_table
    from physioprep.store.open import open_store

    audits = sorted(out.glob("audit*.json"))
    findings = [finding for path in audits for finding in _read_json(path)["findings"]]
    planted = sorted(name for name in walk(raw) if name.rpartition("/")[2] == _PLANTED)
    faults = [fault for name in planted for fault in _read_json(raw / name)]
    notes = [read_note(path) for path in out.glob(f"{FOLDER}/*-ingest.json")]
    ingested = sorted(note["summary"]["store"] for note in notes if note and note["summary"])
    stores = [open_store(out / name) for name in ingested]
    quarantine = [
        {"record": f"{row.corpus}/{row.record_id}", "reason": row.reason}
        for store in stores
        for row in store.quarantine.itertuples()
    ]
    n_excluded = sum(store.attrs.get("n_excluded", 0) for store in stores)
    excluded = f", {n_excluded} excluded by the recipe" if n_excluded else ""
    audited = f"{len(findings)} findings of the audit" if audits else "not audited"
    mark = "SIMULATED. " if simulated else ""
    tables = [result_table([_read_json(out / path)], f"{title}: {path}") for path in results(out)]
    return Content(
        title=title,
        simulated=simulated,
        verdict=f"{sum(len(store) for store in stores)} recordings ingested, "
        f"{len(quarantine) - n_excluded} in quarantine{excluded}, {audited}.",
        tables=[each for table in tables for each in (table, *table["more"])],
        findings=findings if audits else None,
        planted=faults,
        quarantine=quarantine,
        pictures=_pictures(out, mark),
        reconstructions=[
            Picture(path, f"{mark}What was hidden from the encoder, and what it filled in")
            for path in sorted(out.glob("reconstruction*.png"))
        ],
        losses=_losses(out),
        provenance=_provenance(stores),
    )


def _read_json(path: Path) -> Any:
    refuse = partial(_refuse, path)
    text = read_text(path, refuse, limit=limits.MAX_TEXT_BYTES)
    return load_json(text, refuse)


def _refuse(path: Path, cause: str) -> PhysioprepError:
    return PhysioprepError(f"{path}: {cause}")


def _pictures(out: Path, mark: str) -> list[Picture]:
    """Return the pictures of records and of label efficiency."""
    records = [
        Picture(path, f"{mark}Record {path.stem}") for path in sorted(out.glob("pictures/**/*.png"))
    ]
    curves = [
        ((out / path).with_name(name), what)
        for path in results(out)
        for name, what in _CURVES.items()
    ]
    return records + [
        Picture(path, f"{mark}{what}: {path.parent.relative_to(out).as_posix()}")
        for path, what in curves
        if path.is_file()
    ]


def _losses(out: Path) -> dict[str, pd.DataFrame]:
    """Return the loss tables of all trainings; folds of one training share a table."""
    import pandas as pd

    tables: dict[str, list[pd.DataFrame]] = {}
    folds = [*out.glob("*/loss/*.csv"), *out.glob("*/*/*/loss/*.csv")]
    for path in [*sorted(out.glob("*/loss.csv")), *sorted(folds)]:
        if path.name == "loss.csv":
            name, run = f"pretrain {path.parent.name}", "0"
        else:  # pretrain_eeg_0_3: repeat 0, fold 3
            *words, repeat, fold = path.stem.split("_")
            name, run = " ".join(words), f"{repeat}.{fold}"
        tables.setdefault(name, []).append(pd.read_csv(path).assign(run=run))
    return {name: pd.concat(runs) for name, runs in tables.items()}


def _provenance(stores: Sequence[Store]) -> dict[str, str]:
    facts = {"physioprep": __version__}
    for store in stores:
        facts[Path(store.path).name] = (
            f"recipe {store.attrs['recipe']['name']} ({store.attrs['recipe_sha256'][:16]}), "
            f"plan {store.attrs['plan_sha256'][:16]}, inputs {store.attrs['inputs_sha256'][:16]}"
        )
        facts["software"] = ", ".join(f"{k} {v}" for k, v in store.attrs["software"].items())
    return facts
