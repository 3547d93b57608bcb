"""Checks against the publisher's lists: SHA256SUMS and RECORDS."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physioprep import limits
from physioprep.auditing.checks.completeness import unreadable_list
from physioprep.auditing.findings import Comparison, Finding
from physioprep.auditing.inputs import Name
from physioprep.errors import CorpusError, UnreadableFileError
from physioprep.facts import load_facts
from physioprep.hashes import sha256_of
from physioprep.readers.endings import without_ending
from physioprep.readers.regular import read_text

if TYPE_CHECKING:
    import pandas as pd

_NAMED = 20


def read_sums(path: Path) -> dict[str, str]:
    r"""Read a ``SHA256SUMS`` file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict of str to str
        SHA-256 (64 hexadecimal digits, lower case) by file name; other lines are left out.

    Raises
    ------
    UnreadableFileError
        It is no file, or over a limit of `physioprep.limits`.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "SHA256SUMS.txt"
    >>> _ = path.write_text(f"{'a' * 64} *x/100.dat\nno sum\n")
    >>> read_sums(path)["x/100.dat"] == "a" * 64
    True
    """
    out = {}
    for line in read_text(path, limits.MAX_TEXT_BYTES, "replace").splitlines():
        digest, _, name = line.strip().partition(" ")
        if len(digest) == 64 and name.strip():
            out[name.strip().lstrip("*").removeprefix("./")] = digest.lower()
    return out


def check_published(records: pd.DataFrame, name: Name) -> tuple[list[Finding], list[Comparison]]:
    """Compare each corpus folder with its SHA256SUMS and RECORDS.

    The hashes of the manifest are compared; a scan without hashes leaves nothing to compare.

    Parameters
    ----------
    records : pandas.DataFrame
        Manifest rows, one per recording.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    findings : list of Finding
        ``checksum``, ``missing-file`` and ``extra-file``; ``unreadable-file`` for a list that is
        none.
    compared : list of Comparison
        One per list of sums.
    """
    findings: list[Finding] = []
    compared: list[Comparison] = []
    if "root" not in records:
        return findings, compared
    for (corpus, root), rows in records.dropna(subset=["root"]).groupby(["corpus", "root"]):
        folder = Path(str(root))
        if not folder.is_dir():
            continue
        for sums in sorted(folder.glob("SHA256SUMS*")):
            try:
                found, comparison = _sums(sums, folder, str(corpus), rows, name)
            except UnreadableFileError as error:
                findings.append(unreadable_list(sums, error))
                continue
            findings += found
            compared.append(comparison)
        listing = folder / "RECORDS"
        if listing.is_file():
            try:
                findings += _listing(listing, folder, rows)
            except UnreadableFileError as error:
                findings.append(unreadable_list(listing, error))
    return findings, compared


def _sums(
    path: Path, folder: Path, corpus: str, rows: pd.DataFrame, name: Name
) -> tuple[list[Finding], Comparison]:
    sums, out = read_sums(path), []
    seen: set[str] = set()
    bad: dict[str, list[str]] = {}
    n = 0
    columns = (rows[column] for column in ("record_id", "files", "file_sha256"))
    for record, files, hashes in zip(*columns, strict=True):
        seen.update(files)
        for file, digest in zip(files, hashes if isinstance(hashes, list) else (), strict=False):
            if digest and file in sums:
                n += 1
                if digest != sums[file]:
                    bad.setdefault(str(record), []).append(file)
    evidence: dict[str, Any]
    for record, wrong in bad.items():
        detail = f"{', '.join(wrong)}: differs from the file that {path.name} lists"
        evidence = {"files": wrong, "sums": path.name}
        out.append(Finding("checksum", "error", (name((corpus, record)),), detail, evidence))
    missing = [file for file in sums if not _is_file(folder, file)]
    if missing:
        detail = f"{len(missing)} of {len(sums)} files that {path.name} lists are missing"
        evidence = {"corpus": corpus, "files": missing[:_NAMED], "n": len(missing)}
        out.append(Finding("missing-file", "error", (), detail, evidence))
    extra = sorted(seen - set(sums))
    if extra:
        detail = f"{len(extra)} files of recordings are not in {path.name}"
        evidence = {"corpus": corpus, "files": extra[:_NAMED], "n": len(extra)}
        out.append(Finding("extra-file", "info", (), detail, evidence))
    out += _whose(path, corpus)
    return out, Comparison("files", (str(folder.name), path.name), "sha256", n, n - sum(
        map(len, bad.values())))  # fmt: skip


def _whose(path: Path, corpus: str) -> list[Finding]:
    """Report a list of sums that is not that of a known version of the corpus."""
    try:
        known = {one.sha256sums for one in load_facts(corpus).versions if one.sha256sums}
    except CorpusError:
        return []
    if not known or sha256_of(path) in known:
        return []
    detail = f"{path.name} is not that of a known version of {corpus}"
    return [Finding("checksum", "warning", (), detail, {"corpus": corpus, "sums": path.name})]


def _is_file(folder: Path, name: str) -> bool:
    return os.path.isfile(folder / name)  # noqa: PTH113 (False, not an error, of an odd name)


def _listing(path: Path, folder: Path, rows: pd.DataFrame) -> list[Finding]:
    lines = [line.strip() for line in read_text(path, limits.MAX_TEXT_BYTES).splitlines()]
    wanted = {line for line in lines if line and not line.endswith("/")}
    there = {without_ending(str(file)) for file in rows["path"]}
    there |= {str(file) for file in rows["path"]}
    missing = sorted(
        line for line in wanted - there
        if not _is_file(folder, line) and not _is_file(folder, f"{line}.hea")
    )  # fmt: skip
    if not missing:
        return []
    detail = f"{len(missing)} of {len(wanted)} records that RECORDS lists are missing"
    evidence = {"files": missing[:_NAMED], "n": len(missing)}
    return [Finding("missing-file", "error", (), detail, evidence)]
