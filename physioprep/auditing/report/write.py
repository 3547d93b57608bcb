"""Write an audit's report: as JSON, as an HTML page, as a quality table, as a manifest.

No writer ever writes over an input of the audit, and each file appears whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from physioprep.atomic import write_text
from physioprep.auditing import act
from physioprep.auditing.findings import AuditReport
from physioprep.auditing.report.page import render
from physioprep.auditing.report.picture import draw_example
from physioprep.auditing.report.quality_table import QUALITY, quality_table, write_table
from physioprep.errors import PhysioprepError
from physioprep.outputs import FINDINGS, PAGE, Kind, check_output

if TYPE_CHECKING:
    import pandas as pd


def refuse_input(path: str | Path, inputs: Iterable[str | Path]) -> None:
    """Refuse a file to write that is an input, or lies inside one.

    Parameters
    ----------
    path : path-like
        File to write.
    inputs : iterable of path-like
        Manifests, stores and shards that are read.

    Raises
    ------
    PhysioprepError
        If `path` is one of `inputs`, also under another name, or lies in a folder of them.

    Examples
    --------
    >>> refuse_input("kept.parquet", ["manifest.parquet"])
    """
    resolved = Path(path).resolve()
    for one in map(Path, inputs):
        own = one.resolve()
        same = resolved.exists() and own.exists() and resolved.samefile(own)
        if same or resolved == own or own in resolved.parents:
            raise PhysioprepError(f"{path}: not written, it is an input of the audit ({one})")


def refuse_same(outputs: Mapping[str, str | Path | None]) -> None:
    """Refuse two outputs in one file: the later would replace the earlier.

    Parameters
    ----------
    outputs : mapping of str to path-like
        Option to the file that it writes; None where it is not given.

    Raises
    ------
    PhysioprepError
        Two are the same file, also under other names.

    Examples
    --------
    >>> refuse_same({"--report": "audit.html", "--json": "./audit.html"})
    Traceback (most recent call last):
        ...
    physioprep.errors.PhysioprepError: --report and --json: both would write ./audit.html
    """
    given = [(option, path) for option, path in outputs.items() if path is not None]
    for (option, one), (other, two) in combinations(given, 2):
        here, there = Path(one), Path(two)
        same = here.exists() and there.exists() and here.samefile(there)
        if same or here.resolve() == there.resolve():
            raise PhysioprepError(f"{option} and {other}: both would write {two}")


def refuse_existing(path: str | Path, *, overwrite: bool) -> None:
    """Refuse a file that exists already, unless it is to be replaced.

    Parameters
    ----------
    path : path-like
        File to write.
    overwrite : bool
        Whether an existing file is to be replaced.

    Raises
    ------
    PhysioprepError
        If `path` is a folder, or exists and `overwrite` is False.
    """
    if Path(path).is_dir():
        raise PhysioprepError(f"{path}: is a folder, not a file")
    if Path(path).exists() and not overwrite:
        raise PhysioprepError(f"{path}: exists; overwrite it (--overwrite) or choose another name")


def refuse_foreign(path: str | Path, kind: Kind, inputs: Iterable[str | Path] = ()) -> None:
    """Refuse a file to write that is an input, a link, or a file that no audit wrote.

    Parameters
    ----------
    path : path-like
        File to write; an older one of the same kind is replaced without being asked.
    kind : Kind
        ``PAGE``, ``FINDINGS`` or ``QUALITY``.
    inputs : iterable of path-like
        Manifests, stores and shards that are read.

    Raises
    ------
    PhysioprepError
        If it is not to be written.
    """
    refuse_input(path, inputs)
    check_output(path, kind, overwrite=True)


def write_json(report: AuditReport, path: str | Path) -> Path:
    """Write `AuditReport.to_dict` as JSON.

    Parameters
    ----------
    report : AuditReport
    path : path-like
        In a folder that exists; an older one is replaced.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    PhysioprepError
        If `path` is an input of the audit, or a file that no audit wrote.
    """
    refuse_foreign(path, FINDINGS, (*report.paths, *report.against))
    return write_text(Path(path), json.dumps(report.to_dict(), indent=1, allow_nan=False))


def write_html(report: AuditReport, path: str | Path) -> Path:
    """Write the self-contained HTML page, with a picture of an example per check.

    Parameters
    ----------
    report : AuditReport
    path : path-like
        In a folder that exists; an older one is replaced.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    PhysioprepError
        If `path` is an input of the audit, or a file that no audit wrote.
    """
    refuse_foreign(path, PAGE, (*report.paths, *report.against))
    return write_text(Path(path), render(report, partial(draw_example, report.examples)))


def write_quality(report: AuditReport, path: str | Path) -> Path:
    """Write the quality indices and a score from 0 to 1, one row per record and channel.

    Parameters
    ----------
    report : AuditReport
    path : path-like
        Parquet file, in a folder that exists; an older one is replaced.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    PhysioprepError
        If `path` is an input of the audit, or a file that no audit wrote.
    """
    refuse_foreign(path, QUALITY, (*report.paths, *report.against))
    return write_table(quality_table(report.measured), Path(path))


def write_kept(
    report: AuditReport,
    path: str | Path,
    *,
    drop: Collection[str] = (),
    fix: Collection[str] = (),
    overwrite: bool = False,
) -> pd.DataFrame:
    """Write a manifest corrected for the findings of `fix`, without the records of `drop`.

    Parameters
    ----------
    report : AuditReport
    path : path-like
        ``.parquet``, ``.csv`` or ``.json``.
    drop, fix : collection of str
        Ids of checks.
    overwrite : bool
        Replace an existing file. An input of the audit is never replaced.

    Returns
    -------
    pandas.DataFrame
        The manifest that was written.

    Raises
    ------
    PhysioprepError
        If there is no such check, one cannot be fixed, neither a manifest nor a store was audited,
        no record would be left, or `path` exists or is an input of the audit.
    """
    from physioprep.manifest import write_manifest

    act.check_ids(drop, fix)
    refuse_input(path, (*report.paths, *report.against))
    refuse_existing(path, overwrite=overwrite)
    frame = act.manifest_of(report.paths)
    frame = act.drop(act.fix(frame, report.findings, fix), report.findings, drop)
    write_manifest(frame, path, overwrite=overwrite)
    return frame


def describe_kept(report: AuditReport, kept: pd.DataFrame, checks: Collection[str]) -> str:
    """Say what a manifest of `write_kept` holds, and what its user has to know.

    Parameters
    ----------
    report : AuditReport
    kept : pandas.DataFrame
        From `write_kept`.
    checks : collection of str
        Those that were dropped or fixed.

    Returns
    -------
    str

    Examples
    --------
    >>> import pandas as pd
    >>> kept = pd.DataFrame({"root": ["/data", "/data"]})
    >>> describe_kept(AuditReport((), (), ()), kept, ["gap"])
    '2 records; no finding of gap names a record to leave out'
    """
    said = [f"{len(kept)} records"]
    named = {one.check for one in act.to_drop(report.findings)}
    idle = [check for check in checks if check not in named]
    if idle:
        said.append(f"no finding of {', '.join(idle)} names a record to leave out")
    acted = set(map(id, act.to_drop(report.findings)))
    passed = [one for one in report.findings if one.check in checks and id(one) not in acted]
    n = len({record for one in passed for record in one.records})
    if n:
        said.append(f"{n} records of findings that are only good to know, fixed or flagged stay")
    if kept["root"].isna().any():
        said.append(
            "a store does not keep the folder of the raw files: give it to `ingest` (--root FOLDER)"
        )
    return "; ".join(said)
