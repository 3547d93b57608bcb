"""QT Database: 105 two-lead ECGs of 15 min in which experts marked the waves of some beats."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.corpora.entry import Entry, wfdb_paths

_RECORD: Final = re.compile(r"sele?\d+")
#: Annotators who are people, in their second pass.
_MANUAL: Final = ("q1c", "q2c")
#: Marks of a beat (QRS); the experts used N, A, B, V and Q.
_BEATS: Final = frozenset("NABVQ")
#: Beats that are farther apart than this many median intervals have others between them.
_NEXT: Final = 1.5
_Wave = tuple[str, int, int]


def find(root: Path) -> list[Entry]:
    """List the records ``sel...``.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        Each record is one person, but for those of ``subject_alias`` in the facts.
    """
    return [
        replace(entry, subject_id=entry.record_id)
        for entry in wfdb_paths(root)
        if _RECORD.fullmatch(entry.record_id)
    ]


def derive_annotations(marks: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
    """Add the waves of the experts as intervals, and the stretches in which all beats are marked.

    Parameters
    ----------
    marks : mapping of str to ndarray
        The columns of `physioprep.recording.ANNOTATION_COLUMNS`, as read; the source is the
        annotator.

    Returns
    -------
    mapping of str to ndarray
        The same and, in order of time, with no code: ``P`` and ``QRS`` from mark ``(`` to ``)``;
        ``T from peak`` from the mark of the peak to ``)``, since few onsets of T are marked; and
        ``marked``, from the first to the last wave of beats that follow one another.
    """
    if not len(marks.get("onset", ())):
        return marks
    found: list[_Wave] = []
    for source in _MANUAL:
        rows = np.flatnonzero(marks["source"] == source)
        waves = _waves(rows, marks["code"])
        found += [*waves, *_stretches(waves, marks["onset"])]
    names = [name for name, _, _ in found]
    first, last = (np.array([wave[place] for wave in found], np.int64) for place in (1, 2))
    added = {name: column[first] for name, column in marks.items()}
    added["duration"] = marks["onset"][last] - marks["onset"][first]
    added["text"] = np.array(names, object)
    added["code"] = np.array([""] * len(names), object)
    order = np.argsort(np.concatenate([marks["onset"], added["onset"]]), kind="stable")
    return {name: np.concatenate([column, added[name]])[order] for name, column in marks.items()}


def _waves(rows: NDArray[np.int64], codes: NDArray[Any]) -> list[_Wave]:
    """Return name, first and last row of each wave of one annotator."""
    found: list[_Wave] = []
    for place, row in enumerate(rows.tolist()):
        before = rows[place - 1] if place else -1
        after = rows[place + 1] if place + 1 < len(rows) else -1
        closed = after >= 0 and codes[after] == ")"
        opened = before >= 0 and codes[before] == "("
        if codes[row] == "t" and closed:
            found.append(("T from peak", row, int(after)))
        elif opened and closed and (codes[row] == "p" or codes[row] in _BEATS):
            name = "P" if codes[row] == "p" else "QRS"
            found.append((name, int(before), int(after)))
    return found


def _stretches(waves: Sequence[_Wave], onset: NDArray[np.float64]) -> list[_Wave]:
    """Return the stretches of beats that follow one another: no beat between is left unmarked."""
    beats = [place for place, wave in enumerate(waves) if wave[0] == "QRS"]
    if len(beats) < 2:
        return []
    gaps = np.diff([onset[waves[place][1]] for place in beats])
    breaks = np.flatnonzero(gaps > _NEXT * np.median(gaps)).tolist()
    found: list[_Wave] = []
    for first, last in zip(
        [0, *(gap + 1 for gap in breaks)], [*breaks, len(beats) - 1], strict=True
    ):
        begin, end = beats[first], beats[last]
        if begin and waves[begin - 1][0] == "P":
            begin -= 1
        if end + 1 < len(waves) and waves[end + 1][0] == "T from peak":
            end += 1
        found.append(("marked", waves[begin][1], waves[end][2]))
    return found
