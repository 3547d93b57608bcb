"""Act on findings: leave out the records they name, or correct the manifest."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physioprep.auditing.inputs import open_input
from physioprep.errors import PhysioprepError

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.auditing.findings import Finding

#: Checks whose findings a change of the manifest corrects.
FIXABLE: Final = (
    "duplicate-file", "duplicate-signal", "near-duplicate", "duplicate-subject", "subject-leak",
    "duplicate-leak",
)  # fmt: skip


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
    """Return a manifest without the records that findings of some checks name.

    Parameters
    ----------
    manifest : pandas.DataFrame
    findings : iterable of Finding
        They name records by record id, or by corpus/record.
    checks : collection of str
        Ids of checks.

    Returns
    -------
    pandas.DataFrame

    Examples
    --------
    >>> from physioprep.auditing import Finding
    >>> from physioprep.manifest import make_manifest
    >>> frame = make_manifest({"corpus": ["x"] * 2, "record_id": ["a", "b"], "path": ["a", "b"]})
    >>> drop(frame, [Finding("flat-lead", "error", ("b",), "dead")], ["flat-lead"])["record_id"][0]
    'a'
    """
    named = {record for one in findings if one.check in checks for record in one.records}
    keep = ~_names(manifest).isin(named) & ~manifest["record_id"].isin(named)
    kept: pd.DataFrame = manifest[keep].reset_index(drop=True)
    return kept


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
        If a check is not in `FIXABLE`.
    """
    other = sorted(set(checks) - set(FIXABLE))
    if other:
        raise PhysioprepError(
            f"{', '.join(other)}: no change of a manifest corrects that; "
            f"these can be: {', '.join(FIXABLE)}"
        )
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


def commands(check: str, inputs: Sequence[Any], many: bool) -> list[str]:
    """Return command lines that act on the findings of a check.

    Parameters
    ----------
    check : str
        Id of the check.
    inputs : sequence of mapping
        Of `AuditReport`: ``path``, ``kind`` and, where given, ``as_given``.
    many : bool
        Whether findings of this check name records at all.

    Returns
    -------
    list of str
        Empty where no manifest can be changed.

    Examples
    --------
    >>> inputs = [{"path": "m.parquet", "kind": "manifest", "as_given": "data/m.parquet"}]
    >>> commands("subject-leak", inputs, True)[0]
    'physioprep audit data/m.parquet --fix subject-leak --out fixed.parquet'
    """
    paths = [str(one.get("as_given", one["path"])) for one in inputs]
    tables = [one for one in inputs if one["kind"] in ("manifest", "store")]
    if not many or not tables:
        return []
    base = f"physioprep audit {shlex.join(paths)}"
    ways: list[Callable[[], str]] = []
    if check in FIXABLE:
        ways.append(lambda: f"{base} --fix {check} --out fixed.parquet")
    ways.append(lambda: f"{base} --drop {check} --out kept.parquet")
    return [way() for way in ways]
