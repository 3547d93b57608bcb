"""AMIGOS: EEG, ECG and skin conductance of 40 people watching 20 videos."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from physioprep.corpora.entry import Entry, walk, with_labels
from physioprep.corpora.tables import number, text
from physioprep.errors import UnreadableFileError
from physioprep.readers.mat_file import items_of, value_of
from physioprep.readers.parts import numbered, pick, unscaled
from physioprep.readers.structures import Container, Structure
from physioprep.recording import Header, Recording

N_VIDEOS = 20
_NAME = re.compile(r"(?:.*/)?Data_Preprocessed_(P\d\d)\.mat")
_RATINGS = ("arousal", "valence", "dominance", "liking", "familiarity")
_EMOTIONS = ("neutral", "disgust", "happiness", "surprise", "anger", "fear", "sadness")
_EMOTIV = "AF3 F7 F3 FC5 T7 P7 O1 O2 P8 T8 FC6 F4 F8 AF4".split()  # noqa: SIM905
_CHANNELS = (*_EMOTIV, "ECG right", "ECG left", "GSR")
_UNITS = (*["uV"] * 14, "", "", "")
_RATE_HZ, _BASELINE_S = 128.0, 5.0


def find(root: Path) -> list[Entry]:
    """List ``Data_Preprocessed_PNN.mat#vNN``: the cells of a subject, some of which are empty.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        Per subject 20 entries, one per video, each with subject and session.
    """
    entries = []
    for path in walk(root):
        found = _NAME.fullmatch(path)
        if found is None:
            continue
        for video in range(1, N_VIDEOS + 1):
            part = f"v{video:02}"
            entries.append(
                Entry(f"{found[1]}/{part}", f"{path}#{part}", subject_id=found[1], session=part)
            )
    return entries


def describe(entry: Entry, header: Header) -> Entry:
    """Add the subject's ratings and the video's name from the structure.

    Parameters
    ----------
    entry : Entry
        From `find`.
    header : Header
        Of the recording.

    Returns
    -------
    Entry
        With ``arousal``, ``valence``, ``dominance``, ``liking``, ``familiarity`` (null where not
        rated) and ``video``.
    """
    said = {key.lower(): str(value) for key, value in header.metadata.items()}
    labels: dict[str, str | float | None] = {name: number(said.get(name)) for name in _RATINGS}
    return with_labels(entry, labels | {"video": text(said.get("video"))})


def _matches(content: Mapping[str, Any]) -> bool:
    return "joined_data" in content


def _read(container: Container) -> Recording:
    """Return one video, its baseline of 5 s included."""
    content, path = container.content, container.path
    (video,) = numbered(container.part, r"v(\d+)", path)
    data = np.asarray(pick(items_of(content["joined_data"]), video, "video", path))
    if data.size == 0:
        raise UnreadableFileError(path, "an empty cell: the subject has no such video")
    group = unscaled(_CHANNELS, _UNITS, _RATE_HZ, data.T, path)
    at = int(video) - 1
    metadata: dict[str, Any] = {"layout": "amigos", "baseline_s": _BASELINE_S}
    own = np.asarray(items_of(content["labels_selfassessment"])[at], np.float64).ravel()
    names = (*_RATINGS, *_EMOTIONS)
    if own.size == len(names):
        metadata |= dict(zip(names, own.tolist(), strict=True))
    if "VideoIDs" in content:
        metadata["video"] = value_of(items_of(content["VideoIDs"])[at])
    if "labels_ext_annotation" in content:
        others = np.asarray(items_of(content["labels_ext_annotation"])[at], np.float64)
        metadata["external_annotation"] = others.tolist()
    return Recording(path, container.format, (group,), (container.file,), None, metadata)


#: Structure of ``Data_Preprocessed_PNN.mat``; parts ``#v01`` .. ``#v20``.
STRUCTURE = Structure(_matches, _read)
