"""Sleep-EDF Expanded: whole nights with hypnograms, at home (SC) and in hospital (ST)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from physioprep.corpora.entry import Entry, walk
from physioprep.corpora.tables import age, sex
from physioprep.recording import Header

_PSG = re.compile(r"(?:.*/)?(((SC4|ST7)\d\d)(\d)..)-PSG\.edf")
_HYPNOGRAM = re.compile(r"(?:.*/)?((?:SC4|ST7)\d\d\d).*-Hypnogram\.edf")
_PERSON = re.compile(r"X [FMX] X (Female|Male)_(\d+)yr")
_STUDY = {"SC4": "cassette", "ST7": "telemetry"}


def find(root: Path) -> list[Entry]:
    """List ``SC4ssNE0-PSG.edf`` and ``ST7ssNJ0-PSG.edf`` (subject ss, night N).

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject, night and ``study`` (``cassette`` or ``telemetry``).
    """
    paths = list(walk(root))
    scored = {found[1]: path for path in paths if (found := _HYPNOGRAM.fullmatch(path))}
    entries = []
    for path in paths:
        found = _PSG.fullmatch(path)
        if found is None:
            continue
        record_id, subject, study, night = found.groups()
        hypnogram = scored.get(record_id[:6])
        entries.append(
            Entry(
                record_id,
                path,
                subject_id=subject,
                session=night,
                labels={"study": _STUDY[study]},
                sidecars=(hypnogram,) if hypnogram else (),
            )
        )
    return entries


def describe(entry: Entry, header: Header) -> Entry:
    """Add age and sex from the patient field: ``X F X Female_33yr``.

    Parameters
    ----------
    entry : Entry
        From `find`.
    header : Header
        Of the recording.

    Returns
    -------
    Entry
        With age and sex, where the field has them.
    """
    found = _PERSON.search(str(header.metadata.get("patient", "")))
    return replace(entry, age=age(found[2]), sex=sex(found[1])) if found else entry


def read_annotations(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return the stages (``Sleep stage W``, ``1`` ... ``4``, ``R``, ``?``) of the hypnogram.

    Parameters
    ----------
    path : Path
        The recording.

    Returns
    -------
    mapping of str to ndarray, shape (annotation,)
        Columns of `physioprep.recording.ANNOTATION_COLUMNS`; empty without a hypnogram.
    """
    from physioprep.readers import read_recording

    night = path.name[:6]
    for beside in sorted(path.parent.glob(f"{night}*-Hypnogram.edf")):
        return read_recording(beside).annotation_columns
    return {}
