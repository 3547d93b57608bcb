"""The steps a pipeline is made of: each calls one part of physioprep and sums up what it gave.

A step is a function of the `Place` it works in and of its own arguments, which are those of
the recipe. Paths are relative to the output folder, `root` to the raw folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physioprep import console
from physioprep.errors import RecipeError
from physioprep.pipeline.gather import gather, results

if TYPE_CHECKING:
    import pandas as pd

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
    goes_on : bool
        True where the same step of the same recipe and data was begun before and stopped.
    """

    raw: Path
    out: Path
    title: str
    simulated: bool
    goes_on: bool = False


def scan(
    place: Place, *, corpus: str, out: str, root: str = ".", high: Mapping[str, str] | None = None
) -> Summary:
    """Scan ``raw/root`` as `corpus` into the manifest `out`.

    `high` makes classes of ratings: ``{valence: "> 3"}`` adds ``label_valence_high``, "high" where
    ``label_valence`` is above 3, "low" where it is not, null where it is unknown.
    """
    from physioprep.corpora.scan import scan as scan_corpus
    from physioprep.manifest import write_manifest

    with console.progress_bar(f"scan {corpus}") as advance:
        manifest = scan_corpus(place.raw / root, corpus, progress=advance)
    for name, rule in (high or {}).items():
        manifest[f"label_{name}_high"] = high_or_low(manifest, f"label_{name}", rule)
    write_manifest(manifest, place.out / out)
    return {
        "manifest": out,
        "recordings": len(manifest),
        "subjects": int(manifest["subject_id"].nunique()),
        "hours": round(float(manifest["duration_s"].sum()) / 3600, 2),
        "not readable": int(manifest["error"].notna().sum()),
    }


def high_or_low(manifest: pd.DataFrame, column: str, rule: str) -> pd.Series[Any]:
    """Return "high" or "low" for each rating, null for unknown ones.

    Parameters
    ----------
    manifest : pandas.DataFrame
        With `column`, numbers.
    column : str
        ``label_...``.
    rule : str
        When a rating is high: ``"> 3"`` or ``">= 3"``.

    Raises
    ------
    RecipeError
        There is no such column, or the rule is none.

    Examples
    --------
    >>> import pandas as pd
    >>> ratings = pd.DataFrame({"label_valence": [2.0, 3.0, 4.0, None]})
    >>> high_or_low(ratings, "label_valence", "> 3").tolist()
    ['low', 'low', 'high', None]
    """
    import pandas as pd

    found = re.fullmatch(r"(>=?)\s*(-?\d+(?:\.\d+)?)", rule.strip())
    if found is None or column not in manifest:
        raise RecipeError(f"high: {column} {rule!r}: a rating of the corpus, '> 3' or '>= 3'")
    rating, limit = manifest[column].astype(float), float(found[2])
    above = rating >= limit if found[1] == ">=" else rating > limit
    names = [
        ("high" if is_above else "low") if known else None
        for is_above, known in zip(above, rating.notna(), strict=True)
    ]
    return pd.Series(names, manifest.index, dtype=object)


def ingest(place: Place, *, manifest: str, recipe: str | Mapping[str, Any], out: str) -> Summary:
    """Ingest `manifest` by `recipe` (a name, or what its YAML would say) into the store `out`.

    Bad recordings go to quarantine.
    """
    from physioprep.harmonise.recipe import Recipe
    from physioprep.manifest import read_manifest
    from physioprep.store.build.run import ingest as ingest_manifest

    frame = read_manifest(place.out / manifest)
    chosen = recipe if isinstance(recipe, str) else Recipe.from_dict(recipe)
    with console.progress_bar(f"ingest {out}") as advance:
        result = ingest_manifest(frame, place.out / out, chosen, overwrite=True, progress=advance)
    return result.summary() | {"store": out}


def audit(place: Place, *, paths: Sequence[str], out: str) -> Summary:
    """Audit manifests and stores; findings go to `out` (JSON, and HTML beside it), none stops."""
    from physioprep.auditing import audit as audit_paths
    from physioprep.auditing import write_html, write_json

    with console.progress_bar("audit") as advance:
        report = audit_paths([place.out / path for path in paths], progress=advance)
    write_json(report, place.out / out)
    write_html(report, (place.out / out).with_suffix(".html"))
    severities = [finding.severity for finding in report.findings]
    counts = {name: severities.count(name) for name in dict.fromkeys(severities)}
    return {"verdict": report.verdict, **counts}


def shard(place: Place, *, stores: Sequence[str], out: str, **arguments: Any) -> Summary:
    """Cut windows; `arguments` are those of `physioprep.shard`."""
    from physioprep.shards.run import shard as cut

    regions = arguments.pop("regions", None)
    if regions is not None:
        regions = [(r.get("where"), r.get("from_s"), r.get("to_s")) for r in regions]
    with console.progress_bar(f"shard {out}") as advance:
        result = cut(
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
    from physiomodels.training.pretrain import pretrain as train

    with console.progress_bar(f"pretrain {out}") as advance:
        result = train(
            place.out / shards, place.out / out, load_config(PretrainConfig, config),
            where=where, resume=place.goes_on, progress=advance,
        )  # fmt: skip
    losses = result.history["loss"].tolist()
    return {"encoder": out, "first loss": round(losses[0], 4), "last loss": round(losses[-1], 4)}


def finetune(
    place: Place, *, shards: str, out: str, label: str, encoders: Mapping[str, str],
    where: str | None = None, **config: Any,
) -> Summary:  # fmt: skip
    """Train one classifier on pretrained encoders; `config` is a `FinetuneConfig`."""
    from physiomodels.config import FinetuneConfig, load_config
    from physiomodels.training.finetune import finetune as train

    with console.progress_bar(f"finetune {out}") as advance:
        train(
            place.out / shards, place.out / out, load_config(FinetuneConfig, config), label=label,
            encoders={name: place.out / path for name, path in encoders.items()}, where=where,
            progress=advance,
        )  # fmt: skip
    return {"classifier": out}


def evaluate(
    place: Place, *, shards: str, out: str, config: str | Mapping[str, Any],
    pretrain_shards: str | None = None, weights: Mapping[str, str] | None = None,
    labels: Sequence[str] | None = None, protocols: Sequence[str] | None = None,
) -> Summary:  # fmt: skip
    """Compare signals, pretraining and a baseline; `config` is, or names, an `EvaluateConfig`.

    With `labels` and `protocols` each label is evaluated under each protocol.
    """
    from physiomodels.config import EvaluateConfig, load_config
    from physiomodels.evaluation.result_table import result_table
    from physiomodels.evaluation.targets import evaluate_targets

    settings = load_config(EvaluateConfig, config)
    with console.progress_bar(f"evaluate {out}") as advance:
        found = evaluate_targets(
            place.out / shards,
            place.out / out,
            settings,
            labels=labels,
            protocols=protocols,
            pretrain_shards=place.out / pretrain_shards if pretrain_shards else None,
            weights={name: place.out / path for name, path in (weights or {}).items()},
            simulated=place.simulated,
            workers=os.cpu_count() or 1,
            overwrite=True,
            progress=advance,
        )
    table = result_table([one.results for one in found], place.title)
    return {"results": ", ".join(results(place.out)), "table": table}


def view(place: Place, *, store: str, records: Sequence[str], out: str) -> Summary:
    """Draw `records` of `store` into the folder `out`, one PNG each."""
    from physioprep.store.open import open_store
    from physioprep.viewing import plot_record

    (place.out / out).mkdir(parents=True, exist_ok=True)
    opened = open_store(place.out / store)
    for record in records:
        plot_record(opened, record, place.out / out / f"{record}.png")
    return {"pictures": len(records)}


def reconstruct(
    place: Place, *, encoder: str, shards: str, modality: str, out: str, mask: Mapping[str, Any],
    where: str | None = None,
) -> Summary:  # fmt: skip
    """Hide parts of one window, let an encoder fill them in, and draw both into `out`."""
    from physiomodels.model.masking import DualMask
    from physiomodels.training.finetune import load_encoder
    from physiomodels.training.reconstruction import reconstruct as draw

    draw(
        load_encoder(place.out / encoder), place.out / shards, place.out / out, modality=modality,
        mask=DualMask(**mask), where=where,
    )  # fmt: skip
    return {"picture": out}


def report(place: Place, *, out: str) -> Summary:
    """Gather what the steps before made into one self-contained HTML file."""
    from physioprep.pipeline.report import write_report

    content = gather(place.raw, place.out, place.title, simulated=place.simulated)
    write_report(place.out / out, content)
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
