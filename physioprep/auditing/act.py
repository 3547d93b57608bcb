"""Act on findings: leave out the records they name, or correct the manifest."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physioprep.auditing.advice import ADVICE
from physioprep.auditing.inputs import open_input
from physioprep.errors import PhysioprepError
from physioprep.suggest import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.auditing.findings import Finding

#: Checks whose findings a change of the manifest corrects.
FIXABLE: Final = (
    "duplicate-file", "duplicate-signal", "near-duplicate", "duplicate-subject", "subject-leak",
    "duplicate-leak",
)  # fmt: skip
#: Records that a command line lists at most.
LISTED: Final = 20


def check_ids(drop: Collection[str] = (), fix: Collection[str] = ()) -> None:
    """Refuse ids that are no checks, and checks that no change of a manifest corrects.

    Parameters
    ----------
    drop, fix : collection of str
        Ids of checks, as `drop` and `fix` take them.

    Raises
    ------
    PhysioprepError
        With the nearest id.

    Examples
    --------
    >>> check_ids(["lead_swap"])
    Traceback (most recent call last):
        ...
    physioprep.errors.PhysioprepError: no check is called 'lead_swap'; did you mean 'lead-swap'?
    """
    for name in (*drop, *fix):
        if name not in ADVICE:
            near = did_you_mean(name.replace("_", "-").replace(" ", "-"), ADVICE)
            raise PhysioprepError(
                f"no check is called {name!r}{near or ' (docs/audit.md lists all)'}"
            )
    other = sorted(set(fix) - set(FIXABLE))
    if other:
        raise PhysioprepError(
            f"{', '.join(other)}: no change of a manifest corrects that; "
            f"these can be: {', '.join(FIXABLE)}"
        )


def manifest_of(paths: Sequence[Path]) -> pd.DataFrame:
    """Return one manifest of manifests and stores.

    Parameters
    ----------
    paths : sequence of Path
        Inputs of an audit; shards among them are left out.

    Returns
    -------
    pandas.DataFrame
        One row per recording: of a manifest, if one has it.

    Raises
    ------
    PhysioprepError
        If there is neither a manifest nor a store among them, or one cannot be read.
    """
    import pandas as pd

    from physioprep.manifest import read_manifest
    from physioprep.manifest.schema import COLUMNS

    frames = [read_manifest(path) for path in paths if not path.is_dir()]
    for one in (open_input(path) for path in paths if path.is_dir()):
        if one.kind == "store":
            kept = [c for c in one.records if c in COLUMNS or str(c).startswith("label_")]
            frames.append(one.records[kept])
    if not frames:
        raise PhysioprepError("no manifest to change: audit a manifest or a store, not only shards")
    frame = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    frame = frame.drop_duplicates(["corpus", "record_id"], ignore_index=True)
    return frame.assign(**{name: None for name in COLUMNS if name not in frame})


def drop(
    manifest: pd.DataFrame, findings: Iterable[Finding], checks: Collection[str]
) -> pd.DataFrame:
    """Return a manifest without the records that findings of some checks advise to leave out.

    Parameters
    ----------
    manifest : pandas.DataFrame
    findings : iterable of Finding
        They name records by record id, or by corpus/record.
    checks : collection of str
        Ids of checks. Which of their findings count, `to_drop` says.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    PhysioprepError
        If there is no such check, or no record would be left.

    Examples
    --------
    >>> from physioprep.auditing import Finding
    >>> from physioprep.manifest import make_manifest
    >>> frame = make_manifest({"corpus": ["x"] * 2, "record_id": ["a", "b"], "path": ["a", "b"]})
    >>> drop(frame, [Finding("flat-lead", "error", ("b",), "dead")], ["flat-lead"])["record_id"][0]
    'a'
    """
    check_ids(drop=checks)
    named = {r for one in to_drop(findings) if one.check in checks for r in one.records}
    keep = ~_names(manifest).isin(named) & ~manifest["record_id"].isin(named)
    kept: pd.DataFrame = manifest[keep].reset_index(drop=True)
    if len(manifest) and kept.empty:
        raise PhysioprepError(
            f"--drop {' --drop '.join(checks)} would leave none of the {len(manifest)} records"
        )
    return kept


def to_drop(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings whose records `drop` leaves out.

    Parameters
    ----------
    findings : iterable of Finding
        All of an audit.

    Returns
    -------
    list of Finding
        Those that name records; of known faults, those that the facts advise to drop, not those
        that are fixed or flagged; of a check with findings that are errors or warnings, none that
        is only good to know.

    Examples
    --------
    >>> from physioprep.auditing import Finding
    >>> found = [Finding("known-fault", "info", (n,), "", {"action": n}) for n in ("fix", "drop")]
    >>> [one.records for one in to_drop(found)]
    [('drop',)]
    """
    named = [one for one in findings if one.records and _may_go(one)]
    graver = {one.check for one in named if one.severity != "info"}
    return [one for one in named if one.severity != "info" or one.check not in graver]


def _may_go(finding: Finding) -> bool:
    return finding.evidence.get("action") not in ("fix", "flag")


def fix(
    manifest: pd.DataFrame, findings: Iterable[Finding], checks: Collection[str]
) -> pd.DataFrame:
    """Return a manifest corrected for the findings of some checks.

    Of duplicates, the first record is kept. Two persons with the same recording become one person.
    A person or recording in two splits is assigned to the split with most of its records.

    Parameters
    ----------
    manifest : pandas.DataFrame
    findings : iterable of Finding
    checks : collection of str
        Of `FIXABLE`.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    PhysioprepError
        If there is no such check, or it is not in `FIXABLE`.
    """
    check_ids(fix=checks)
    out = manifest.copy()
    gone: set[Any] = set()
    for one in findings:
        if one.check not in checks:
            continue
        rows = out.index[_names(out).isin(one.records) | out["record_id"].isin(one.records)]
        rows = rows.difference(list(gone))
        if one.check in ("subject-leak", "duplicate-leak"):
            _join_splits(out, rows)
        elif one.check == "duplicate-subject":
            first = out.loc[rows, "subject_id"].dropna()
            if len(first):
                same = out["subject_id"].isin(set(first)) & out["corpus"].isin(
                    set(out.loc[rows, "corpus"])
                )
                out.loc[same, "subject_id"] = sorted(first)[0]
        else:
            gone.update(rows[1:])
    return out.drop(index=list(gone)).reset_index(drop=True)


def _join_splits(frame: pd.DataFrame, rows: Any) -> None:
    """Assign records to the split of most of them; of equals, to the last by name."""
    counts = frame.loc[rows, "split"].value_counts()
    if len(counts) > 1:
        best = max(split for split, n in counts.items() if n == counts.max())
        frame.loc[rows, "split"] = best


def _names(frame: pd.DataFrame) -> Any:
    return frame["corpus"].astype(str) + "/" + frame["record_id"].astype(str)


def commands(check: str, inputs: Sequence[Any], records: Collection[str]) -> list[str]:
    """Return command lines that act on the findings of a check.

    Parameters
    ----------
    check : str
        Id of the check.
    inputs : sequence of mapping
        Of `AuditReport`: ``path``, ``kind``, ``corpora``, and where known ``as_given``,
        ``recipe``.
    records : collection of str
        What the findings of this check name that `drop` leaves out.

    Returns
    -------
    list of str
        Empty where no manifest can be changed, or no record is to be left out. FOLDER stands for
        that of the raw files, which a store does not keep, and RECIPE.yaml for a recipe that is
        not one of physioprep's.

    Examples
    --------
    >>> inputs = [{"path": "m.parquet", "kind": "manifest", "as_given": "data/m.parquet"}]
    >>> commands("subject-leak", inputs, ["a"])[0]
    'physioprep audit data/m.parquet --fix subject-leak --out fixed.parquet'
    """
    tables = [one for one in inputs if one["kind"] in ("manifest", "store")]
    if not records or not tables:
        return []
    base = f"physioprep audit {shlex.join(_given(inputs))}"
    out = [f"{base} --fix {check} --out fixed.parquet"] if check in FIXABLE else []
    out.append(f"{base} --drop {check} --out kept.parquet")
    stores = [one for one in tables if one["kind"] == "store"]
    if not stores:
        return out
    if len(records) <= LISTED:
        where = shlex.quote(_others_than(records, inputs))
        out.append(
            f"physioprep shard {shlex.join(_given(stores))} --out kept.shards --where {where}"
        )
    rooted = len(stores) < len(tables)
    if len(stores) == 1 and (rooted or len(stores[0].get("corpora", ())) == 1):
        recipe = stores[0].get("recipe") or "RECIPE.yaml"
        again = f"physioprep ingest kept.parquet --out kept.zarr --recipe {shlex.quote(recipe)}"
        out.append(again if rooted else f"{again} --root FOLDER")
    return out


def _given(inputs: Sequence[Any]) -> list[str]:
    return [str(one.get("as_given", one["path"])) for one in inputs]


def _others_than(records: Collection[str], inputs: Sequence[Any]) -> str:
    """Return the query of `shard --where` that leaves records out."""
    corpora = sorted({corpus for one in inputs for corpus in one.get("corpora", ())})
    parts = []
    for corpus in corpora:
        full = [name for name in records if name.startswith(f"{corpus}/")]
        own = sorted({name.removeprefix(f"{corpus}/") for name in full})
        if len(corpora) < 2:  # then a name is the record's id, but for an audit against another
            return f"record_id not in {_list(sorted({*records, *own}))}"
        if own:
            parts.append(f"not (corpus == {_literal(corpus)} and record_id in {_list(own)})")
    return " and ".join(parts)


def _list(names: Sequence[str]) -> str:
    return f"[{', '.join(map(_literal, names))}]"


def _literal(name: str) -> str:
    """Return a text as Python writes it, in double quotes where they fit: the shell has others."""
    said = repr(name)
    return said if '"' in said else f'"{said[1:-1]}"'
