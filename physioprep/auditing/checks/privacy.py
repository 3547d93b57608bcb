"""Checks for personal data: names, birth dates and recording dates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physioprep.auditing.findings import Finding
from physioprep.auditing.inputs import Name
from physioprep.recording import IDENTIFYING

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

_UNKNOWN = frozenset(("", "x", "n/a", "na", "none", "unknown", "anonymous", "anonymized",
                      "anonymised", "-", "?", "."))  # fmt: skip
_NAME = re.compile(
    r"\b(?:patient(?:'?s)?|subject|family|last|first|given|full)[ _]*name"
    r"\s*[:=]\s*([^\s,;][^,;\n]*)",
    re.IGNORECASE,
)
_BIRTH = re.compile(
    r"\b(?:dob|date[ _]of[ _]birth|birth[ _]?dat(?:e|um)|born|geboren)\b\s*[:=]?\s*"
    r"([\d]{1,4}[-./ ][\w]{1,9}[-./ ][\d]{1,4})",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(?<!\d)(?:(?:19|20)\d\d[-_.]?(?:0[1-9]|1[0-2])[-_.]?(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[1-9]|[12]\d|3[01])[-_.](?:0[1-9]|1[0-2])[-_.](?:19|20)\d\d)(?!\d)"
)
_EDF_DAY = re.compile(r"\d\d?-[A-Z]{3}-\d{4}")
#: Dates that mean "unknown": defaults of EDF and of manufacturers.
_NO_BIRTHDAY = "01-JAN"
_NO_DATE = ("01.01.85", "01.01.00", "01.01.70", "01.01.01")
#: Extensions of text headers, and how many bytes of one are read.
_TEXT = (".hea", ".vhdr", ".json", ".tsv", ".txt")
_BYTES = 65_536


def header_faults(path: Path) -> dict[str, str]:
    """Return the personal data in the header of a file.

    Parameters
    ----------
    path : Path
        WFDB, BrainVision, EDF or BDF header; other files are not read.

    Returns
    -------
    dict of str to str
        Keys ``name``, ``birth date``, ``record date``; the text found.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix in (".edf", ".bdf", ".rec"):
        with path.open("rb") as file:
            head = file.read(256)
        return _edf_faults(head.decode("latin-1"))
    if suffix not in _TEXT:
        return {}
    with path.open("rb") as file:
        text = file.read(_BYTES).decode("latin-1")
    return text_faults(text)


def text_faults(text: str) -> dict[str, str]:
    """Return names and birth dates in free text.

    Parameters
    ----------
    text : str

    Returns
    -------
    dict of str to str
        Keys ``name``, ``birth date``; the text found.

    Examples
    --------
    >>> text_faults("# Patient name: Maria Muster, date of birth: 03.04.1950")
    {'name': 'Maria Muster', 'birth date': '03.04.1950'}
    >>> text_faults("# age: 69 sex: M, name of lead: V1, patient name: X")
    {}
    """
    out = {}
    for kind, pattern in (("name", _NAME), ("birth date", _BIRTH)):
        match = pattern.search(text)
        if match and match[1].strip().strip(".").lower() not in _UNKNOWN:
            out[kind] = match[1].strip()
    return out


def _edf_faults(head: str) -> dict[str, str]:
    """Read the patient field of EDF+: code, sex, birth date, name; 'X' where unknown."""
    patient, recording, date = head[8:88].strip(), head[88:168].strip(), head[168:176]
    out = {}
    parts = patient.split()
    if len(parts) >= 4 and parts[1].upper() in ("M", "F", "X"):
        if parts[2].upper() != "X" and not parts[2].upper().startswith(_NO_BIRTHDAY):
            out["birth date"] = parts[2]
        who = parts[3].strip("_")
        # "Subject0" and "Female_33yr" are placeholders, not names
        if who.lower() not in _UNKNOWN and not any(map(str.isdigit, who)):
            out["name"] = " ".join(parts[3:])
    else:
        out |= text_faults(patient) | text_faults(recording)
        if found := _EDF_DAY.search(patient):
            out["birth date"] = found[0]
    if re.fullmatch(r"\d\d\.\d\d\.\d\d", date) and date not in _NO_DATE:
        out["record date"] = date
    return out


def check_privacy(records: pd.DataFrame, name: Name) -> list[Finding]:
    """Find names, birth dates and recording dates in headers and file names.

    Headers are read where the files are on this machine; of clinical files the scan's flags
    (``identifying:…``) say what they have. The findings do not repeat the data.

    Parameters
    ----------
    records : pandas.DataFrame
        Manifest rows, one per recording.
    name : callable
        Writes the name of a recording; see `namer`.

    Returns
    -------
    list of Finding
        ``privacy`` and ``privacy-date``, one per corpus and kind of data.
    """
    groups: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for kind, corpus, record, where in _faults(records):
        groups.setdefault((corpus, kind), []).append((name((corpus, record)), where))
    out = []
    for (corpus, kind), found in groups.items():
        severity = "info" if kind.startswith("record date") else "error"
        check = "privacy-date" if severity == "info" else "privacy"
        names = tuple(dict.fromkeys(record for record, _ in found))
        detail = f"{kind} of {len(names)} recordings"
        # the finding must not repeat personal data
        evidence = {"corpus": corpus, "what": kind, "found_in": sorted({w for _, w in found})}
        out.append(Finding(check, severity, names, detail, evidence))
    return out


def _is_date(start_times: pd.Series[Any]) -> NDArray[np.bool_]:
    """Return which start times have a date, and none that stands for an unknown one."""
    import pandas as pd

    days = pd.to_datetime(start_times, errors="coerce", utc=True).dt.strftime("%d.%m.%y")
    return np.asarray(start_times.notna() & ~days.isin(_NO_DATE))


def _faults(records: pd.DataFrame) -> Iterator[tuple[str, str, str, str]]:
    if "path" not in records:
        return
    keys = list(zip(records["corpus"].tolist(), records["record_id"].tolist(), strict=True))
    paths = records["path"].astype(str)
    dated = paths.str.rpartition("/")[2].str.contains(_DATE, regex=True)
    for row in np.flatnonzero(dated).tolist():
        yield "record date in the file name", *keys[row], "file name"
    if "start_time" in records:
        for row in np.flatnonzero(_is_date(records["start_time"])).tolist():
            yield "record date", *keys[row], "header"
    for row, flags in enumerate(records["flags"].tolist() if "flags" in records else ()):
        for flag in () if flags is None else flags:
            if str(flag).startswith(IDENTIFYING):  # as the scan found it
                for kind in str(flag).removeprefix(IDENTIFYING).split(", "):
                    yield kind, *keys[row], "header"
    if "root" not in records or not records["root"].notna().any():
        return
    roots: dict[object, bool] = {}
    for row, (root, path) in enumerate(zip(records["root"], paths, strict=True)):
        if root not in roots:
            roots[root] = isinstance(root, str) and Path(root).is_dir()
        if not roots[root]:
            continue
        try:
            faults = header_faults(Path(root) / path.partition("#")[0])
        except OSError:
            continue  # reported as `unreadable-file`
        for kind in sorted(faults.keys() - {"record date"}):  # the manifest's start_time has it
            yield kind, *keys[row], "header"
