"""SEED-V: EEG of 16 people who watched 15 video clips of five emotions on each of three days."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from physioprep.corpora.entry import Entry, walk
from physioprep.recording import annotation_columns

#: By session: start and stop of its clips, s, as the authors' code book has them.
TIMES: Final = {
    "1": (
        *((30, 102), (132, 228), (287, 524), (555, 742), (773, 920), (982, 1240), (1271, 1568)),
        *((1628, 1697), (1730, 1994), (2025, 2166), (2227, 2401), (2435, 2607), (2667, 2901)),
        *((2932, 3172), (3204, 3359)),
    ),
    "2": (
        *((30, 267), (299, 488), (548, 614), (646, 773), (836, 967), (1000, 1059), (1091, 1331)),
        *((1392, 1622), (1657, 1777), (1809, 1908), (1966, 2153), (2186, 2302), (2333, 2428)),
        *((2490, 2709), (2741, 2817)),
    ),
    "3": (
        *((30, 321), (353, 418), (478, 643), (674, 764), (825, 877), (908, 1147), (1200, 1284)),
        *((1346, 1418), (1451, 1679), (1711, 1996), (2055, 2275), (2307, 2425), (2457, 2664)),
        *((2726, 2857), (2888, 3066)),
    ),
}
EMOTIONS: Final = ("disgust", "fear", "sad", "neutral", "happy")
#: By session: the emotions of its clips, numbers of `EMOTIONS`.
CODES: Final = {"1": "413204132041320", "2": "213044032134120", "3": "213044032134120"}
_NAME = re.compile(r"(?:.*/)?((\d{1,2})_([123])_\d{8}(?:\.\d+)?)\.cnt")


def find(root: Path) -> list[Entry]:
    """List ``EEG_raw/N_S_DATE.cnt``: person N, session S.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        With subject and session.
    """
    found = ((_NAME.fullmatch(path), path) for path in walk(root))
    return [Entry(n[1], path, subject_id=n[2], session=n[3]) for n, path in found if n]


def read_annotations(path: Path) -> Mapping[str, NDArray[Any]]:
    """Return a clip each, its text the emotion, from the code book of the session.

    Parameters
    ----------
    path : Path
        The recording.

    Returns
    -------
    mapping of str to ndarray, shape (annotation,)
        Columns of `physioprep.recording.ANNOTATION_COLUMNS`; empty for other names.
    """
    name = _NAME.fullmatch(path.name)
    if name is None:
        return {}
    times = TIMES[name[3]]
    emotions = [EMOTIONS[int(code)] for code in CODES[name[3]]]
    onset = [float(start) for start, _ in times]
    duration = [float(stop - start) for start, stop in times]
    return annotation_columns(onset, duration, emotions, "trial")
