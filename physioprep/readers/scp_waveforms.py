"""Samples of SCP-ECG (EN 1064): the reference beat (section 5) and the rhythm (section 6).

A rhythm may be Huffman codes of differences, without the reference beat, and outside of protected
zones of a lower rate. The last is undone as BioSig does: samples between two are interpolated, and
smoothed over three.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.plain_text import counted
from physioprep.readers.scp_huffman import Table, decode
from physioprep.readers.scp_sections import Beat, Beats, Lead

_MOST_TIMES: Final = 20
_Samples = NDArray[np.int64]


class Waveforms(NamedTuple):
    """Section 5 or 6.

    Attributes
    ----------
    step_nv : int
        Of a digital step; 0 where it is unknown.
    interval_us : int
        Between two samples.
    difference : int
        0, 1 or 2: how often differences were taken.
    bimodal : bool
        Whether the rate is lower outside of protected zones.
    leads : list of ndarray
    """

    step_nv: int
    interval_us: int
    difference: int
    bimodal: bool
    leads: list[_Samples]


def _stored(
    path: Path, body: bytes, tables: list[Table] | None, counts: Sequence[int | None], what: str
) -> Waveforms:
    """Decode the leads of a section; `counts` says how many samples each has, if it is known."""
    n = len(counts)
    if len(body) < 6 + 2 * n:
        raise UnreadableFileError(path, f"{what} is cut off")
    step_nv, interval_us, difference, bimodal = struct.unpack_from("<HHBB", body)
    sizes = struct.unpack_from(f"<{n}H", body, 6)
    if difference > 2:
        raise UnreadableFileError(path, f"{what}: differences of order {difference}")
    if not interval_us:
        raise UnreadableFileError(path, f"{what}: no time between samples")
    at = 6 + 2 * n
    if at + sum(sizes) > len(body):
        raise UnreadableFileError(
            path, f"{what} is cut off: leads of {counted(sum(sizes), 'byte')}"
        )
    leads = []
    for size, count in zip(sizes, counts, strict=True):
        data = body[at : at + size]
        at += size
        if tables is None:
            values = np.frombuffer(data[: size // 2 * 2], "<i2").astype(np.int64)
        elif count is None:
            raise UnreadableFileError(path, f"{what}: the length of the reference beat is missing")
        else:
            values = decode(tables, data, count)
        leads.append(_summed(values, difference))
    return Waveforms(step_nv, interval_us, difference, bool(bimodal), leads)


def _summed(values: _Samples, difference: int) -> _Samples:
    """Undo differences; samples are 16 bits, and so are the sums of those who write them."""
    if difference == 1:
        values = np.cumsum(values)
    elif difference == 2 and len(values) > 1:
        steps = np.concatenate(([values[1] - values[0]], values[2:]))
        values = values[0] + np.concatenate(([0], np.cumsum(np.cumsum(steps))))
    return values.astype(np.int16).astype(np.int64)


def reference_of(
    path: Path, body: bytes | None, tables: list[Table] | None, n_leads: int, beats: Beats
) -> Waveforms | None:
    """Return the reference beat.

    Parameters
    ----------
    path : Path
        Named in errors.
    body : bytes or None
        Of section 5.
    tables : list of Table or None
    n_leads : int
    beats : Beats
        Section 4, with the length of the beat.

    Returns
    -------
    Waveforms or None
        None if there is none.

    Raises
    ------
    UnreadableFileError
        It is damaged.
    """
    if body is None:
        return None
    if len(body) < 6:
        raise UnreadableFileError(path, "section 5 is cut off")
    interval_us = int.from_bytes(body[2:4], "little")
    count = round(beats.length_ms * 1000 / interval_us) if interval_us else 0
    found = _stored(path, body, tables, [count or None] * n_leads, "section 5")
    if tables is not None and any(len(lead) < count for lead in found.leads):
        raise UnreadableFileError(path, "section 5: a lead ends before the reference beat does")
    return found


def rhythm_of(
    path: Path, body: bytes | None, tables: list[Table] | None, leads: list[Lead], beats: Beats,
    reference: Waveforms | None, subtracted: bool, notes: list[str], *, verify: bool,
) -> Waveforms:  # fmt: skip
    """Return the rhythm as it was before compression.

    Parameters
    ----------
    path : Path
        Named in errors.
    body : bytes or None
        Of section 6.
    tables : list of Table or None
    leads : list of Lead
        Of section 3.
    beats : Beats
        Of section 4.
    reference : Waveforms or None
        Of section 5.
    subtracted : bool
        Whether the reference beat is to be added.
    notes : list of str
        Added to.
    verify : bool
        Whether leads that are shorter than stated are an error.

    Returns
    -------
    Waveforms
        Its step is the finest of rhythm and reference beat, where these were added.

    Raises
    ------
    UnreadableFileError
        It is missing or damaged, or compressed in a way that is not understood.
    """
    if body is None:
        raise UnreadableFileError(path, "section 6, the rhythm, is missing")
    if len(body) < 6:
        raise UnreadableFileError(path, "section 6 is cut off")
    limits.check(path, max(lead.n_samples for lead in leads), 1 << 28, "samples of a lead")
    limits.check_expansion(
        path, 8 * sum(lead.n_samples for lead in leads), len(body), "decompressed"
    )
    times = _times(path, body, reference, subtracted)
    zones = [beat.protected for beat in beats.beats]
    if times > 1 and not any(zones):
        raise UnreadableFileError(path, "bimodal, and section 4 states no protected zones")
    if times > 1 and [*zones] != sorted(zones):
        raise UnreadableFileError(path, "protected zones are out of order")
    plans = [_plan(lead, zones, times) for lead in leads]
    counts = [sum(kept for _, kept, _ in plan) for plan in plans]
    found = _stored(path, body, tables, counts, "section 6")
    _compare(path, leads, counts, found.leads, notes, verify=verify)
    signals = found.leads
    leads = [lead._replace(start=max(1, lead.start)) for lead in leads]
    if times > 1:
        signals = [_interpolated(*each, times) for each in zip(signals, plans, strict=True)]
        signals = [
            _smoothed(signal, lead, beats.beats)
            for signal, lead in zip(signals, leads, strict=True)
        ]
    interval_us = found.interval_us // times
    if not subtracted:
        return found._replace(leads=signals, interval_us=interval_us)
    if reference is None or not beats.beats:
        raise UnreadableFileError(path, "without its reference beat, which section 4 or 5 lacks")
    if not (found.step_nv and reference.step_nv):
        raise UnreadableFileError(path, "without its reference beat, of no known scale")
    step_nv = math.gcd(found.step_nv, reference.step_nv)
    by, beat_by = found.step_nv // step_nv, reference.step_nv // step_nv
    added = [
        _added(by * signal, beat_by * beat, lead, beats)
        for signal, beat, lead in zip(signals, reference.leads, leads, strict=True)
    ]
    return found._replace(leads=added, interval_us=interval_us, step_nv=step_nv)


def _times(path: Path, body: bytes, reference: Waveforms | None, subtracted: bool) -> int:
    """Return by how much the rate is lower outside of protected zones."""
    interval_us, bimodal = int.from_bytes(body[2:4], "little"), bool(body[5])
    if reference is None or interval_us == reference.interval_us:
        if bimodal and reference is None:
            raise UnreadableFileError(path, "bimodal, without section 5, which has the full rate")
        return 1
    times, rest = divmod(interval_us, reference.interval_us)
    if bimodal and not rest and 1 < times <= _MOST_TIMES:
        return times
    if bimodal or subtracted:
        rates = f"{reference.interval_us} and {interval_us} µs"
        raise UnreadableFileError(path, f"reference beat and rhythm of {rates} do not fit")
    return 1


#: Samples of a stretch, of them stored, and whether its rate is lower.
_Plan = list[tuple[int, int, bool]]


def _plan(lead: Lead, zones: Sequence[tuple[int, int]], times: int) -> _Plan:
    """Return the stretches of a lead, inside and outside of protected zones."""
    if times == 1:
        return [(lead.n_samples, lead.n_samples, False)]
    plan: _Plan = []
    at = lead.start
    for start, end in zones:
        start, end = max(start, at), min(end, lead.end)
        if end < start or not start:
            continue
        free = start - at
        plan += [(free, free // times + free % times, True), (end - start + 1,) * 2 + (False,)]
        at = end + 1
    free = lead.end + 1 - at
    return [*plan, (free, free // times + free % times, True)]


def _interpolated(values: _Samples, plan: _Plan, times: int) -> _Samples:
    """Return a lead at the full rate; what does not fill a sample of the lower is stored as is."""
    pieces, at = [], 0
    for size, kept, slow in plan:
        piece = values[at : at + kept]
        at += kept
        n_slow = size // times if slow else 0
        if n_slow:
            low, piece = piece[:n_slow], piece[n_slow:]
            half = times // 2
            steps = np.arange(times) / times
            between = low[:-1, None] + (low[1:] - low[:-1])[:, None] * steps
            pieces += [np.full(half, low[0]), np.trunc(between).astype(np.int64).ravel()]
            pieces += [np.full(times - half, low[-1])]
        pieces.append(piece)
    return np.concatenate(pieces)


def _smoothed(signal: _Samples, lead: Lead, beats: Sequence[Beat]) -> _Samples:
    """Return means of three samples outside of protected zones; ends of stretches stay."""
    out = signal.copy()
    before: Beat | None = None
    for beat in [*beats, None]:
        first = lead.start if before is None else before.protected[1]
        last = lead.end if beat is None else beat.protected[0]
        cuts = [first]
        if before is not None and before.kind == 0:
            cuts.append(before.end + 1)
        if beat is not None and beat.kind == 0:
            cuts.append(beat.start)
        cuts = sorted({min(max(cut, first), last + 1) for cut in cuts} | {last + 1})
        for start, stop in pairwise(cuts):
            piece = signal[max(0, start - lead.start) : max(0, stop - lead.start)]
            if len(piece) > 2:
                three = piece[:-2] + piece[1:-1] + piece[2:]
                mean = (np.abs(three) + 1) // 3 * np.sign(three)
                out[start - lead.start + 1 : stop - lead.start - 1] = mean
        before = beat
    return out


def _added(signal: _Samples, reference: _Samples, lead: Lead, beats: Beats) -> _Samples:
    """Add the reference beat at each QRS complex from which it was subtracted."""
    out = signal.copy()
    for beat in beats.beats:
        if beat.kind != 0:
            continue
        shift = beat.fiducial - beats.fiducial  # from a sample of the reference beat
        first = max(beat.start, lead.start, shift + 1)
        last = min(beat.end, lead.start + len(out) - 1, shift + len(reference))
        if last >= first:
            piece = reference[first - shift - 1 : last - shift]
            out[first - lead.start : last - lead.start + 1] += piece
    return out


def _compare(
    path: Path, leads: list[Lead], counts: list[int], found: list[_Samples], notes: list[str], *,
    verify: bool,
) -> None:  # fmt: skip
    """Compare what section 3 states with what section 6 holds."""
    differ = []
    for number, (lead, count, values) in enumerate(zip(leads, counts, found, strict=True), 1):
        if len(values) == count:
            continue
        text = f"lead {number}: {counted(count, 'sample')} in section 3, {len(values)} in section 6"
        counted_from_0 = lead.start == 0 and len(values) == count - 1
        if len(values) < count and verify and not counted_from_0:
            raise UnreadableFileError(path, text)
        differ.append(text)
    if differ:
        more = f" (and {len(differ) - 1} more leads)" if len(differ) > 1 else ""
        notes.append(differ[0] + more)
