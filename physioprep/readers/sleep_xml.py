"""Read sleep scoring in XML, in both dialects of the National Sleep Research Resource (NSRR).

``PSGAnnotation`` (``*-nsrr.xml``) has an event a stage; ``CMPStudyConfig`` (``*-profusion.xml``,
Compumedics Profusion) a list of stages, a number an epoch, and the other events beside it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from physioprep.documents import load_xml
from physioprep.readers.label_rows import LabelRow, check_number, seconds

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

#: Roots of the two dialects, and the source of their annotations.
DIALECTS: Final = {"PSGAnnotation": "nsrr", "CMPStudyConfig": "profusion"}
#: Number of a stage in both dialects; 4 is the stage 4 of Rechtschaffen and Kales, part of N3.
STAGES: Final = {
    "0": "W", "1": "N1", "2": "N2", "3": "N3", "4": "N3", "5": "REM",
    "6": "movement", "9": "unscored",
}  # fmt: skip
_START: Final = "Recording Start Time"  # not an event: the whole recording


def parse_sleep_xml(text: bytes) -> dict[str, list[LabelRow]]:
    """Return the stages and the events of a scored night.

    Parameters
    ----------
    text : bytes
        The file, in the encoding that it states.

    Returns
    -------
    dict of str to list of LabelRow
        ``"nsrr-stages"`` and ``"nsrr-events"``, or ``"profusion-stages"`` and
        ``"profusion-events"``. Stages are W, N1, N2, N3, REM, movement, unscored; ``code`` has the
        file's number (3 and 4 are both N3), and a number without a meaning stays ``stage N``.

    Raises
    ------
    ValueError
        It is no XML, declares a document type or entities, or is neither dialect.

    Examples
    --------
    >>> night = b"<CMPStudyConfig><EpochLength>30</EpochLength><SleepStages><SleepStage>0"
    >>> night += b"</SleepStage><SleepStage>5</SleepStage></SleepStages></CMPStudyConfig>"
    >>> [(row.onset, row.text) for row in parse_sleep_xml(night)["profusion-stages"]]
    [(0.0, 'W'), (30.0, 'REM')]
    """
    root = load_xml(text, ValueError)
    source = DIALECTS.get(root.tag)
    if source is None:
        raise ValueError(f"neither PSGAnnotation nor CMPStudyConfig, but {root.tag[:40]!r}")
    stages = _stages(root)
    events: list[LabelRow] = []
    for event in root.iterfind("ScoredEvents/ScoredEvent"):
        concept = _text(event, "EventConcept") or _text(event, "Name")
        if concept == _START:
            continue
        row = _event(event, concept)
        if _text(event, "EventType").partition("|")[0].strip() == "Stages":
            stages.append(row._replace(text=STAGES.get(row.code, row.text)))
        else:
            events.append(row)
    check_number(stages)
    check_number(events)
    return {f"{source}-stages": stages, f"{source}-events": events}


def _stages(root: Element) -> list[LabelRow]:
    """Return the stages that are listed, an epoch each."""
    codes = [(stage.text or "").strip() for stage in root.iterfind("SleepStages/SleepStage")]
    if not codes:
        return []
    said = _text(root, "EpochLength")
    epoch_s = seconds(said, "EpochLength")
    if epoch_s <= 0:
        raise ValueError(f"EpochLength is {said!r}")
    rows = [
        LabelRow(number * epoch_s, epoch_s, STAGES.get(code, f"stage {code[:40]}"), code[:40])
        for number, code in enumerate(codes)
    ]
    check_number(rows)
    return rows


def _event(event: Element, concept: str) -> LabelRow:
    name, _, code = concept.partition("|")
    start, duration = _text(event, "Start"), _text(event, "Duration")
    length = seconds(duration, concept) if duration else math.nan
    if length < 0:
        raise ValueError(f"an event of {length:g} s: {concept[:60]!r}")
    return LabelRow(seconds(start, concept), length, name.strip(), code.strip())


def _text(parent: Element, name: str) -> str:
    return (parent.findtext(name) or "").strip()
