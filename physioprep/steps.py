"""The steps a pipeline is made of: each calls one part of physioprep and sums up what it gave.

A step is a function of the `Place` it works in and of its own arguments, which are those of
the recipe. Paths are relative to the output folder, `root` to the raw folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import physioprep as pp
from physioprep import console

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.report import Content
    from physioprep.store import Store

Summary = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where a pipeline works.

    Parameters
    ----------
    raw, out : Path
        Folder of the raw corpora; folder of all that is made.
    title : str
        The recipe's.
    simulated : bool
        True where the raw data come from a simulator.
    """

    raw: Path
    out: Path
    title: str
    simulated: bool


def scan(place: Place, *, corpus: str, out: str, root: str = ".") -> Summary:
    """Scan ``raw/root`` as `corpus` into the manifest `out`."""
    with console.progress_bar(f"scan {corpus}") as advance:
        manifest = pp.scan(place.raw / root, corpus, progress=advance)
    pp.write_manifest(manifest, place.out / out)
    return {
        "manifest": out,
        "recordings": len(manifest),
        "subjects": int(manifest["subject_id"].nunique()),
        "hours": round(float(manifest["duration_s"].sum()) / 3600, 2),
        "not readable": int(manifest["error"].notna().sum()),
    }


def ingest(place: Place, *, manifest: str, recipe: str, out: str) -> Summary:
    """Ingest `manifest` by `recipe` into the store `out`; bad recordings go to quarantine."""
    frame = pp.read_manifest(place.out / manifest)
    with console.progress_bar(f"ingest {out}") as advance:
        result = pp.ingest(frame, place.out / out, recipe, overwrite=True, progress=advance)
    return result.summary() | {"store": out}


def audit(place: Place, *, paths: Sequence[str], out: str) -> Summary:
    """Audit manifests and stores; findings go to `out` (JSON, and HTML beside it), none stops."""
    from physioprep.audit import audit as audit_paths

    with console.progress_bar("audit") as advance:
        report = audit_paths([place.out / path for path in paths], progress=advance)
    report.write_json(place.out / out)
    report.write_html((place.out / out).with_suffix(".html"))
    severities = [finding.severity for finding in report.findings]
    counts = {name: severities.count(name) for name in dict.fromkeys(severities)}
    return {"verdict": report.verdict, **counts}


def shard(place: Place, *, stores: Sequence[str], out: str, **arguments: Any) -> Summary:
    """Cut windows; `arguments` are those of `physioprep.shard`."""
    regions = arguments.pop("regions", None)
    if regions is not None:
        regions = [(r.get("where"), r.get("from_s"), r.get("to_s")) for r in regions]
    with console.progress_bar(f"shard {out}") as advance:
        result = pp.shard(
            [place.out / store for store in stores],
            place.out / out,
            regions=regions,
            overwrite=True,
            progress=advance,
            **arguments,
        )
    return result.summary() | {"shards": out}


def pretrain(
    place: Place, *, shards: str, out: str, where: str | None = None, **config: Any
) -> Summary:
    """Pretrain one encoder by dual masking; `config` is a `PretrainConfig`."""
    from physiomodels.config import PretrainConfig, load_config
    from physiomodels.pretrain import pretrain as train

    with console.progress_bar(f"pretrain {out}") as advance:
        result = train(
            place.out / shards, place.out / out, load_config(PretrainConfig, config),
            where=where, resume=False, progress=advance,
        )  # fmt: skip
    losses = result.history["loss"].tolist()
    return {"encoder": out, "first loss": round(losses[0], 4), "last loss": round(losses[-1], 4)}


def finetune(
    place: Place, *, shards: str, out: str, label: str, encoders: Mapping[str, str],
    where: str | None = None, **config: Any,
) -> Summary:  # fmt: skip
    """Train one classifier on pretrained encoders; `config` is a `FinetuneConfig`."""
    from physiomodels.config import FinetuneConfig, load_config
    from physiomodels.finetune import finetune as train

    with console.progress_bar(f"finetune {out}") as advance:
        train(
            place.out / shards, place.out / out, load_config(FinetuneConfig, config), label=label,
            encoders={name: place.out / path for name, path in encoders.items()}, where=where,
            progress=advance,
        )  # fmt: skip
    return {"classifier": out}


def evaluate(
    place: Place, *, shards: str, out: str, config: str, pretrain_shards: str | None = None,
    weights: Mapping[str, str] | None = None,
) -> Summary:  # fmt: skip
    """Compare signals, pretraining and a plain baseline; `config` names an `EvaluateConfig`."""
    from physiomodels.config import EvaluateConfig, load_config
    from physiomodels.evaluate import evaluate as compare

    with console.progress_bar(f"evaluate {out}") as advance:
        found = compare(
            place.out / shards,
            place.out / out,
            load_config(EvaluateConfig, config),
            pretrain_shards=place.out / pretrain_shards if pretrain_shards else None,
            weights={name: place.out / path for name, path in (weights or {}).items()},
            workers=os.cpu_count() or 1,
            overwrite=True,
            progress=advance,
        )
    table = result_table(found.results, place.title, simulated=place.simulated)
    return {"results": f"{out}/results.json", "table": table}


def result_table(results: Mapping[str, Any], title: str, *, simulated: bool) -> Summary:
    """Lay out an evaluation for people.

    Parameters
    ----------
    results : mapping
        The content of ``results.json``.
    title : str
        Of the data.
    simulated : bool
        True says so in the title.

    Returns
    -------
    dict
        ``title``, ``columns``, ``rows`` (text) and ``caption``.
    """
    names = {"auroc": "AUROC", "balanced_accuracy": "balanced accuracy", "f1": "F1"}
    rows = []
    for arm in results["arms"]:
        signals = " + ".join(name.upper() for name in arm["modalities"])
        figures = [arm["metrics"][name] for name in names]
        low, high = arm["metrics"]["auroc"]["ci95_subjects"]
        rows.append(
            [
                signals,
                arm["weights"],
                *(f"{f['mean']:.3f} ± {f['sd_folds']:.3f}" for f in figures),
                f"{low:.2f} to {high:.2f}",
            ]
        )
    caption = (
        f"{results['protocol']}: {results['protocol_means']}. {results['n_subjects']} subjects, "
        f"{results['n_windows']} windows, {results['n_folds']} folds, {results['repeats']} "
        "repeat(s), each with its own folds and seeds. Mean ± standard deviation over all folds; "
        "95 % interval, by bootstrap over subjects, of the AUROC of all folds' predictions "
        "together. features: logistic regression on EEG band power and on heart rate and its "
        "variability (NeuroKit2)."
    )
    return {
        "title": f"SIMULATED DATA. {title}" if simulated else title,
        "columns": ["signals", "weights", *names.values(), "AUROC 95 %"],
        "rows": rows,
        "caption": caption,
    }


def view(place: Place, *, store: str, records: Sequence[str], out: str) -> Summary:
    """Draw `records` of `store` into the folder `out`, one PNG each."""
    from physioprep.view import plot_record

    (place.out / out).mkdir(parents=True, exist_ok=True)
    opened = pp.open_store(place.out / store)
    for record in records:
        plot_record(opened, record, place.out / out / f"{record}.png")
    return {"pictures": len(records)}


def reconstruct(
    place: Place, *, encoder: str, shards: str, modality: str, out: str, mask: Mapping[str, Any],
    where: str | None = None,
) -> Summary:  # fmt: skip
    """Hide parts of one window, let an encoder fill them in, and draw both into `out`."""
    from physiomodels.finetune import load_encoder
    from physiomodels.masking import DualMask
    from physiomodels.picture import reconstruct as draw

    draw(
        load_encoder(place.out / encoder), place.out / shards, place.out / out, modality=modality,
        mask=DualMask(**mask), where=where,
    )  # fmt: skip
    return {"picture": out}


def gather(place: Place) -> Content:
    """Collect what a report shows from the files in ``place.out``."""
    from physioprep.report import Content, Picture

    findings = [
        finding
        for path in sorted(place.out.glob("audit*.json"))
        for finding in json.loads(path.read_text(encoding="utf-8"))["findings"]
    ]
    planted = [
        fault
        for path in sorted(place.raw.rglob("PLANTED_FAULTS.json"))
        for fault in json.loads(path.read_text(encoding="utf-8"))
    ]
    ingested = [json.loads(path.read_text()) for path in place.out.glob(".steps/*-ingest.json")]
    stores = [pp.open_store(place.out / name) for name in
              sorted(note["summary"]["store"] for note in ingested)]  # fmt: skip
    quarantine = [
        {"record": f"{row.corpus}/{row.record_id}", "reason": row.reason}
        for store in stores
        for row in store.quarantine.itertuples()
    ]
    tables = [
        result_table(json.loads(path.read_text()), place.title, simulated=place.simulated)
        for path in sorted(place.out.glob("*/results.json"))
    ]
    mark = "SIMULATED. " if place.simulated else ""
    pictures = [
        Picture(path, f"{mark}Record {path.stem}")
        for path in sorted(place.out.glob("pictures/**/*.png"))
    ]
    reconstructions = [
        Picture(path, f"{mark}What was hidden from the encoder, and what it made of it")
        for path in sorted(place.out.glob("reconstruction*.png"))
    ]
    n_records = sum(len(store) for store in stores)
    verdict = (
        f"{n_records} recordings ingested, {len(quarantine)} in quarantine, "
        f"{len(findings)} findings of the audit."
    )
    return Content(
        place.title,
        place.simulated,
        verdict,
        tables,
        findings,
        planted,
        quarantine,
        pictures,
        reconstructions,
        _losses(place.out),
        _provenance(stores),
    )


def _losses(out: Path) -> dict[str, pd.DataFrame]:
    """Return the loss tables of all trainings; folds of one training share a table."""
    import pandas as pd

    tables: dict[str, list[pd.DataFrame]] = {}
    for path in [*sorted(out.glob("*/loss.csv")), *sorted(out.glob("*/loss/*.csv"))]:
        if path.name == "loss.csv":
            name, run = f"pretrain {path.parent.name}", "0"
        else:  # pretrain_eeg_0_3: repeat 0, fold 3
            *words, repeat, fold = path.stem.split("_")
            name, run = " ".join(words), f"{repeat}.{fold}"
        tables.setdefault(name, []).append(pd.read_csv(path).assign(run=run))
    return {name: pd.concat(runs) for name, runs in tables.items()}


def _provenance(stores: Sequence[Store]) -> dict[str, str]:
    facts = {"physioprep": pp.__version__}
    for store in stores:
        facts[store.path.name] = (
            f"recipe {store.attrs['recipe']['name']} ({store.attrs['recipe_sha256'][:16]}), "
            f"plan {store.attrs['plan_sha256'][:16]}, inputs {store.attrs['inputs_sha256'][:16]}"
        )
        facts["software"] = ", ".join(f"{k} {v}" for k, v in store.attrs["software"].items())
    return facts


def report(place: Place, *, out: str) -> Summary:
    """Gather what the steps before made into one self-contained HTML file."""
    from physioprep.report import write_report

    write_report(place.out / out, gather(place))
    return {"report": out}


#: Every step a recipe can name.
STEPS: dict[str, Callable[..., Summary]] = {
    "scan": scan,
    "ingest": ingest,
    "audit": audit,
    "shard": shard,
    "pretrain": pretrain,
    "finetune": finetune,
    "evaluate": evaluate,
    "view": view,
    "reconstruct": reconstruct,
    "report": report,
}
