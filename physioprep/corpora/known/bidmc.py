"""BIDMC PPG and Respiration: 8 min of ECG, PPG and breath of 53 people in intensive care."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from physioprep import limits
from physioprep.corpora.entry import Entry, walk
from physioprep.corpora.tables import age, sex
from physioprep.readers.regular import read_text

_RECORD = re.compile(r"(?:.*/)?(bidmc(\d\d))\.hea")
_FIX = re.compile(r"(?:.*/)?bidmc_(\d\d)_Fix\.txt")
_FACT = re.compile(r"\s*(Age|Gender|Location)\s*:\s*(.*?)\s*", re.IGNORECASE)


def find(root: Path) -> list[Entry]:
    """List ``bidmcNN`` with age and sex from ``bidmc_csv/bidmc_NN_Fix.txt``; no ``bidmcNNn``.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject, age, sex, and ``location``, the care unit.
    """
    paths = list(walk(root))
    present = set(paths)
    facts = {found[1]: path for path in paths if (found := _FIX.fullmatch(path))}
    entries = []
    for path in paths:
        name = _RECORD.fullmatch(path)
        if name is None:
            continue
        breaths = f"{path[: -len('.hea')]}.breath"
        sidecars = [breaths] if breaths in present else []
        entry = Entry(name[1], path, subject_id=name[1], labels={"location": None})
        if name[2] in facts:
            entry = _with_facts(entry, root / facts[name[2]])
            sidecars.append(facts[name[2]])
        entries.append(replace(entry, sidecars=tuple(sidecars)))
    return entries


def _with_facts(entry: Entry, path: Path) -> Entry:
    lines = read_text(path, limits.MAX_WFDB_HEADER_BYTES).splitlines()
    said = {found[1].lower(): found[2] for line in lines if (found := _FACT.fullmatch(line))}
    return replace(
        entry,
        age=age(said.get("age")),
        sex=sex(said.get("gender")),
        labels={"location": said.get("location") or None},
    )
