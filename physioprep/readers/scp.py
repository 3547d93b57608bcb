"""Read SCP-ECG (EN 1064, ISO 11073-91064), versions 1 and 2: one short ECG.

The checksums of the record and of all sections of the standard are compared.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import UnreadableFileError
from physioprep.readers import scp_texts as texts
from physioprep.readers.regular import read_bytes
from physioprep.readers.scp_huffman import read_tables
from physioprep.readers.scp_sections import Beats, Lead, beats_of, is_scp, lead_name, leads_of
from physioprep.readers.scp_sections import sections_of as split
from physioprep.readers.scp_waveforms import Waveforms, reference_of, rhythm_of
from physioprep.readers.xml_tree import narrow
from physioprep.recording import (
    NO_SCALE,
    Recording,
    SignalGroup,
    annotation_columns,
    no_scale_note,
)

_FORMAT: Final = "scp"
_VERSION_3: Final = 12
#: 32 bits state the size of a record; 16 that of a lead, of 255 at most.
_MOST_BYTES: Final = 64 << 20


def is_mine(path: Path, head: bytes) -> bool:
    """Return whether a file is SCP-ECG.

    Parameters
    ----------
    path : Path
    head : bytes
        Its first bytes.

    Returns
    -------
    bool
    """
    return is_scp(head)


def read(path: Path, *, verify: bool) -> Recording:
    """Read an ECG.

    Parameters
    ----------
    path : Path
    verify : bool
        Whether wrong checksums, and leads that are shorter than stated, are errors; else they
        are noted.

    Returns
    -------
    Recording
        In µV; a group for each set of leads that begin and end together.

    Raises
    ------
    ChecksumError
        A checksum is wrong.
    UnreadableFileError
        It is damaged, or no SCP-ECG.
    """
    data = read_bytes(path, _MOST_BYTES).tobytes()
    if not is_scp(data):
        raise UnreadableFileError(path, "not SCP-ECG")
    try:
        return _read(path, data, verify=verify)
    except (struct.error, IndexError, ValueError):
        raise UnreadableFileError(path, "a section is cut off, or its lengths lie") from None


def _read(path: Path, data: bytes, *, verify: bool) -> Recording:
    notes: list[str] = []
    sections = split(path, data, notes, verify=verify)
    if 6 not in sections and _VERSION_3 in sections:
        raise UnreadableFileError(path, "long-term rhythms (section 12, version 3) are not read")
    leads, flags = leads_of(path, sections.get(3))
    beats = beats_of(path, sections.get(4))
    tables = read_tables(path, sections[2]) if 2 in sections else None
    reference = reference_of(path, sections.get(5), tables, len(leads), beats)
    rhythm = rhythm_of(
        path, sections.get(6), tables, leads, beats, reference, bool(flags & 1), notes,
        verify=verify,
    )  # fmt: skip
    metadata, tags, spikes_s = _described(sections, notes)
    metadata |= _encoding(rhythm, flags, tables is not None)
    if reference is not None:
        metadata["median_beats"] = _medians(leads, reference)
    if not rhythm.step_nv:
        names = [lead_name(lead.code) for lead in leads]
        metadata["flags"] = [f"{NO_SCALE}{name}" for name in names]
        notes.append(no_scale_note(names))
    if notes:
        metadata["notes"] = notes
    groups = _groups(leads, rhythm)
    columns = _annotations(beats, spikes_s, groups[0].sampling_rate)
    return Recording(
        path, _FORMAT, groups, (path,), texts.start_of(tags), metadata, columns
    )  # fmt: skip


def _groups(leads: list[Lead], rhythm: Waveforms) -> tuple[SignalGroup, ...]:
    together: dict[tuple[int, int], list[int]] = {}
    for number, (lead, samples) in enumerate(zip(leads, rhythm.leads, strict=True)):
        together.setdefault((max(1, lead.start), len(samples)), []).append(number)
    rate_hz = 1e6 / rhythm.interval_us
    gain = 1000 / rhythm.step_nv if rhythm.step_nv else np.nan
    return tuple(
        SignalGroup(
            channels=tuple(lead_name(leads[number].code) for number in numbers),
            units=("uV",) * len(numbers),
            sampling_rate=rate_hz,
            n_samples=n_samples,
            gain=np.full(len(numbers), gain),
            baseline=np.zeros(len(numbers)),
            invalid=np.full(len(numbers), np.nan),
            segments=((0, (start - 1) / rate_hz),),
            digital=narrow(np.array([rhythm.leads[number] for number in numbers])),
            steps=np.full(len(numbers), rhythm.step_nv / 1000 if rhythm.step_nv else np.nan),
        )
        for (start, n_samples), numbers in together.items()
    )


def _medians(leads: list[Lead], reference: Waveforms) -> list[dict[str, Any]]:
    gain = 1000 / reference.step_nv if reference.step_nv else np.nan
    found: dict[int, list[int]] = {}
    for number, samples in enumerate(reference.leads):
        found.setdefault(len(samples), []).append(number)
    return [
        {
            "channels": [lead_name(leads[number].code) for number in numbers],
            "units": ["uV"] * len(numbers),
            "sampling_rate": 1e6 / reference.interval_us,
            "gain": [gain] * len(numbers),
            "digital": narrow(np.array([reference.leads[number] for number in numbers])),
        }
        for numbers in found.values()
    ]


def _encoding(rhythm: Waveforms, flags: int, huffman: bool) -> dict[str, Any]:
    steps = [
        *(["huffman"] if huffman else []),
        *([f"differences of order {rhythm.difference}"] if rhythm.difference else []),
        *(["reference beat subtracted"] if flags & 1 else []),
        *(["bimodal"] if rhythm.bimodal else []),
    ]
    simultaneous = bool(flags & 4)
    return {"compression": ", ".join(steps) or "none", "leads_are_simultaneous": simultaneous}


@contextmanager
def _noting(number: int, notes: list[str], lost: list[str]) -> Iterator[None]:
    """Note a section that is damaged and holds no samples."""
    try:
        yield
    except (struct.error, IndexError, ValueError):
        lost.append(f"section {number}")
        notes.append(f"section {number} is damaged")


def _described(
    sections: dict[int, bytes], notes: list[str]
) -> tuple[dict[str, Any], texts.Tags, list[float]]:  # fmt: skip
    said: dict[str, Any] = {}
    lost = [f"section {number}" for number in sections if number >= _VERSION_3]
    tags: texts.Tags = {}
    spikes_s: list[float] = []
    with _noting(1, notes, lost):
        tags = texts.tags_of(sections.get(1, b""))
        said |= texts.described(tags)
    if 7 in sections:
        with _noting(7, notes, lost):
            measured, spikes_s = texts.measured(sections[7])
            said |= {"measurements": measured} if measured else {}
    if 10 in sections:
        with _noting(10, notes, lost):
            said["lead_measurements"] = texts.measured_leads(sections[10])
    for number in (8, 11):
        # without section 1 nobody knows whose names they hold
        if number not in sections or "section 1" in lost:
            continue
        with _noting(number, notes, lost):
            found, n_left_out = texts.statements_in(sections[number], tags, coded=number == 11)
            if found:
                said["statements"] = [*said.get("statements", ()), *found]
            if n_left_out:
                said["statements_left_out"] = said.get("statements_left_out", 0) + n_left_out
    if sections.get(9):
        lost.append("section 9")  # of the manufacturer, in a form of its own
    if lost:
        said["not_read"] = lost
    return said, tags, spikes_s


def _annotations(beats: Beats, spikes_s: list[float], rate_hz: float) -> dict[str, NDArray[Any]]:
    """Return QRS complexes at their fiducials, by the kind of their beat, and pacemaker spikes."""
    rows = [
        ((beat.fiducial - 1) / rate_hz, "QRS", str(beat.kind), beat.fiducial - 1)
        for beat in beats.beats
        if beat.fiducial
    ]
    rows += [(time_s, "pace", "", -1) for time_s in spikes_s]
    rows.sort(key=lambda row: row[0])
    columns = annotation_columns(
        [row[0] for row in rows], [np.nan] * len(rows), [row[1] for row in rows], _FORMAT
    )
    columns["code"] = np.array([row[2] for row in rows], object)
    columns["sample"] = np.array([row[3] for row in rows], np.int64)
    return columns
