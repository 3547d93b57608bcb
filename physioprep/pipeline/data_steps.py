"""Steps from raw files to shards, and what shows them: scan, ingest, audit, shard, view, report.

Each calls one part of physioprep and sums up what it returned. Paths are relative to the output
folder, `root` to the raw folder.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from physioprep import console
from physioprep.errors import RecipeError
from physioprep.pipeline.gather import gather
from physioprep.pipeline.outputs import refuse_outside
from physioprep.pipeline.place import Place, Summary
from physioprep.suggest import did_you_mean

if TYPE_CHECKING:
    import pandas as pd


def scan(
    place: Place,
    *,
    corpus: str,
    out: str,
    root: str = ".",
    high: Mapping[str, str] | None = None,
    join: str | None = None,
    on: str | None = None,
    labels: str | None = None,
    pseudonym_key: str | None = None,
    shift_dates: bool = False,
    hashes: bool = True,
) -> Summary:
    """Scan ``raw/root`` as `corpus` into the manifest `out`.

    Parameters
    ----------
    place : Place
        Raw folder and output folder.
    corpus : str
        Name of the corpus; ``physioprep corpora`` lists them.
    out : str
        Manifest to write, in the output folder.
    root : str
        Folder of the corpus, in the raw folder.
    high : mapping of str to str, optional
        Classes from ratings: ``{valence: "> 3"}`` adds ``label_valence_high``, see `high_or_low`.
    join, on : str, optional
        Table in the raw folder whose columns become labels, and its column of records, studies or
        subjects.
    labels : str, optional
        ``vendor``, or a YAML file in the raw folder: labels of what clinical files say, see
        `physioprep.corpora.vendor_labels`.
    pseudonym_key : str, optional
        File with the secret of pseudonyms and shifts of dates: from the folder in which the run
        begins, since it does not belong to the data.
    shift_dates : bool
        Move the starts of recordings into the past, all of a person by the same number of days.
    hashes : bool
        Hash every file. Where an ingest follows, it hashes what it reads: with false, each file is
        read and hashed once, and the manifest has no hashes.

    Returns
    -------
    dict
        The manifest and its numbers of recordings, subjects, hours and unreadable files; in
        words, what tables lack, what was not taken, which units are not understood, and what of
        the recordings is not as the facts of the corpus say.

    Raises
    ------
    PhysioprepError
        The corpus is unknown or not in the folder, or a rule of `high` cannot be applied.
    """
    from physioprep.corpora.fit import misfits
    from physioprep.corpora.flag_kinds import count_kinds
    from physioprep.corpora.scan import scan as scan_corpus
    from physioprep.corpora.summary import summary_of
    from physioprep.corpora.vendor_labels import VENDOR
    from physioprep.manifest import write_manifest

    with console.progress_bar(f"scan {corpus}") as advance:
        manifest = scan_corpus(
            place.raw / root, corpus, scheduler=place.scheduler, workers=place.workers,
            join=None if join is None else place.raw / join, on=on, hashes=hashes, progress=advance,
            labels=labels if labels in (None, VENDOR) else place.raw / labels,
            pseudonym_key=pseudonym_key, shift_dates=shift_dates,
        )  # fmt: skip
    for name, rule in (high or {}).items():
        manifest[f"label_{name}_high"] = high_or_low(manifest, f"label_{name}", rule)
    write_manifest(manifest, place.out / out, overwrite=True)
    notes = manifest.attrs.get("notes", ())
    return {
        "manifest": out,
        "recordings": len(manifest),
        "subjects": int(manifest["subject_id"].nunique()),
        "hours": round(float(manifest["duration_s"].sum()) / 3600, 2),
        "not readable": int(manifest["error"].notna().sum()),
        **summary_of(notes),
        "flagged": count_kinds(manifest["flags"]),
        "does not fit": "; ".join(misfits(manifest)) or "nothing",
    }


def high_or_low(manifest: pd.DataFrame, column: str, rule: str) -> pd.Series[Any]:
    """Return "high" or "low" for each rating, null for unknown ones.

    Parameters
    ----------
    manifest : pandas.DataFrame
        Has `column`, of numbers.
    column : str
        ``label_...``.
    rule : str
        Which ratings are high: ``"> 3"`` or ``">= 3"``.

    Returns
    -------
    pandas.Series
        Of object, shape (recording,): "high", "low" or None.

    Raises
    ------
    RecipeError
        The column does not exist, or `rule` has another form.

    Examples
    --------
    >>> import pandas as pd
    >>> ratings = pd.DataFrame({"label_valence": [2.0, 3.0, 4.0, None]})
    >>> high_or_low(ratings, "label_valence", "> 3").tolist()
    ['low', 'low', 'high', None]
    """
    import pandas as pd

    comparison, limit = high_rule(column, rule)
    if column not in manifest:
        held = [str(name) for name in manifest.columns if str(name).startswith("label_")]
        raise RecipeError(f"high: no rating {column}{did_you_mean(column, held)}")
    rating = manifest[column].astype(float)
    above = rating >= limit if comparison == ">=" else rating > limit
    names = [
        ("high" if is_above else "low") if known else None
        for is_above, known in zip(above, rating.notna(), strict=True)
    ]
    return pd.Series(names, manifest.index, dtype=object)


def high_rule(name: str, rule: str) -> tuple[str, float]:
    """Return the comparison and the limit of a rule of `high_or_low`.

    Parameters
    ----------
    name : str
        Of the rating, for the message.
    rule : str
        ``"> 3"`` or ``">= 3"``.

    Returns
    -------
    (str, float)

    Raises
    ------
    RecipeError
        `rule` has another form.

    Examples
    --------
    >>> high_rule("valence", "> 3")
    ('>', 3.0)
    """
    found = re.fullmatch(r"(>=?)\s*(-?\d+(?:\.\d+)?)", str(rule).strip())
    if found is None:
        raise RecipeError(f"high: {name} {rule!r}: write '> 3' or '>= 3'")
    return found[1], float(found[2])


def ingest(
    place: Place, *, manifest: str, recipe: str | Mapping[str, Any], out: str,
    on_checksum: str | None = None, where: str | None = None,
) -> Summary:  # fmt: skip
    """Ingest `manifest` by `recipe` into the store `out`.

    Parameters
    ----------
    place : Place
        Raw folder and output folder.
    manifest : str
        Manifest in the output folder.
    recipe : str or mapping
        Name of a recipe, or its content as in a YAML file.
    out : str
        Store to make, in the output folder; an older one is replaced.
    on_checksum : {"quarantine", "flag"}, optional
        A record whose samples fail the checksum of their header; default: as the corpus's facts
        say.
    where : str, optional
        Pandas query on the manifest: only these recordings.

    Returns
    -------
    dict
        The store with its numbers of records and of those in quarantine.

    Raises
    ------
    PhysioprepError
        The manifest cannot be read, the recipe is faulty, or no recording can be ingested.
    """
    from physioprep.harmonise.recipe import Recipe
    from physioprep.manifest import read_manifest
    from physioprep.store.build.run import ingest as ingest_manifest

    frame = read_manifest(place.out / manifest)
    chosen = recipe if isinstance(recipe, str) else Recipe.from_dict(recipe)
    with console.progress_bar(f"ingest {out}") as advance:
        result = ingest_manifest(
            frame, place.out / out, chosen, overwrite=True, on_checksum=on_checksum,
            where=where,
            scheduler=place.scheduler, workers=place.workers, progress=advance,
        )  # fmt: skip
    return result.summary() | {"store": out}


def audit(place: Place, *, paths: Sequence[str], out: str) -> Summary:
    """Audit manifests, stores and shards; a finding does not stop the run.

    Parameters
    ----------
    place : Place
        Raw folder and output folder.
    paths : sequence of str
        Manifests, stores and shards in the output folder.
    out : str
        Findings as JSON, in the output folder; the HTML report has the same name.

    Returns
    -------
    dict
        The verdict and the number of findings per severity.

    Raises
    ------
    PhysioprepError
        One of `paths` cannot be opened.
    """
    from physioprep.auditing import audit as audit_paths
    from physioprep.auditing import write_html, write_json

    with console.progress_bar("audit") as advance:
        report = audit_paths(
            [place.out / path for path in paths], scheduler=place.scheduler,
            workers=place.workers, progress=advance,
        )  # fmt: skip
    write_json(report, place.out / out)
    write_html(report, (place.out / out).with_suffix(".html"))
    severities = [finding.severity for finding in report.findings]
    counts = {name: severities.count(name) for name in dict.fromkeys(severities)}
    return {"verdict": report.verdict, **counts}


def shard(
    place: Place, *, stores: Sequence[str], out: str, root: str = ".", **arguments: Any
) -> Summary:
    """Cut stores into shuffled windows.

    Parameters
    ----------
    place : Place
        Raw folder and output folder.
    stores : sequence of str
        Stores in the output folder.
    out : str
        Shards to make, in the output folder; older ones are replaced.
    root : str
        Folder, in the raw folder, of the tables that a split reads (its rule ``csv``).
    **arguments
        Those of `physioprep.shard`; `regions` as mappings with ``where``, ``from_s``, ``to_s``.

    Returns
    -------
    dict
        The shards with their numbers of windows.

    Raises
    ------
    PhysioprepError
        A store cannot be opened, an argument is faulty, or no window is left.
    """
    from physioprep.shards import listed_split
    from physioprep.shards.run import shard as cut
    from physioprep.store.open import open_store

    paths = [place.out / store for store in stores]
    if arguments.get("split") is not None:
        corpora = {str(one) for path in paths for one in open_store(path).records["corpus"]}
        arguments["split"] = listed_split(arguments["split"], sorted(corpora), place.raw / root)
    regions = arguments.pop("regions", None)
    if regions is not None:
        regions = [region_of(region) for region in regions]
    with console.progress_bar(f"shard {out}") as advance:
        result = cut(
            paths,
            place.out / out,
            regions=regions,
            overwrite=True,
            scheduler=place.scheduler,
            workers=place.workers,
            progress=advance,
            **arguments,
        )
    return result.summary() | {"shards": out}


def region_of(region: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """Return a region of `shard` as it stands in a recipe.

    Parameters
    ----------
    region : mapping
        With some of ``where``, ``from_s`` and ``to_s``.

    Returns
    -------
    (str or None, float or None, float or None)

    Raises
    ------
    RecipeError
        It has another key.
    """
    names = ("where", "from_s", "to_s")
    if not isinstance(region, Mapping) or set(region) - set(names):
        raise RecipeError(f"regions: {region!r}: a region has {', '.join(names)} only")
    return region.get("where"), region.get("from_s"), region.get("to_s")


def view(place: Place, *, store: str, records: int | Sequence[str], out: str) -> Summary:
    """Draw records of a store, one PNG per record.

    Parameters
    ----------
    place : Place
        Raw folder and output folder.
    store : str
        Store in the output folder.
    records : int or sequence of str
        Record ids; or how many to draw, the first ones of the store.
    out : str
        Folder for the pictures, in the output folder.

    Returns
    -------
    dict
        The number of pictures.

    Raises
    ------
    PhysioprepError
        The store or a record does not exist.
    """
    from physioprep.store.draw import plot_record
    from physioprep.store.open import open_store

    opened = open_store(place.out / store)
    if isinstance(records, int):
        records = [str(record) for record in opened.records["record_id"].iloc[:records]]
    for record in records:  # a hostile corpus may name one ../../x
        refuse_outside(place.out, f"{out}/{record}.png", f"view: record {record}")
    for record in records:
        plot_record(opened, record, place.out / out / f"{record}.png")
    return {"pictures": len(records)}


def report(place: Place, *, out: str) -> Summary:
    """Write one self-contained HTML file from what the steps before made.

    Parameters
    ----------
    place : Place
        Raw folder and output folder.
    out : str
        The file, in the output folder.

    Returns
    -------
    dict
        The file's name.
    """
    from physioprep.pipeline.report import write_report

    content = gather(place.raw, place.out, place.title, simulated=place.simulated)
    write_report(place.out / out, content)
    return {"report": out}
