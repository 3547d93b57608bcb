"""Damaged clinical XML: a recording or one clear error, within bounded time and memory."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physioprep.errors import UnreadableFileError
from physioprep.readers import cardiosoft_xml, hl7_aecg, muse_xml
from physioprep.recording import Recording
from tests.readers import test_cardiosoft_xml, test_hl7_aecg, test_muse_xml

FUZZ = settings(
    max_examples=150,
    deadline=1000,  # ms
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
MUSE = test_muse_xml.document(
    test_muse_xml.PEOPLE,
    test_muse_xml.MEASURED.format("RestingECGMeasurements"),
    test_muse_xml.STATEMENTS.format("Diagnosis"),
    test_muse_xml.BEATS,
    test_muse_xml.median(),
    test_muse_xml.rhythm(),
).encode()
FORMATS: dict[str, tuple[Any, bytes]] = {
    "muse_xml": (muse_xml, MUSE),
    "cardiosoft_xml": (cardiosoft_xml, test_cardiosoft_xml.WHOLE.encode()),
    "hl7_aecg": (hl7_aecg, test_hl7_aecg.WHOLE.encode()),
}
LIMIT = 1 << 24
edits = st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), min_size=1, max_size=4)
numbers = st.sampled_from(
    ["-1", "0", "1e308", "99999999999999999999", "nan", "1e-320", "", "x", "0.5", "²"]
)


def outcome(reader: Any, path: Path, raw: bytes) -> None:
    path.write_bytes(raw)
    assert reader.is_mine(path, raw[:4096]) in (True, False)
    for verify in (True, False):
        try:
            recording: Recording = reader.read(path, verify=verify)
        except UnreadableFileError as error:
            if "\n" in str(error) or str(path) not in str(error):
                pytest.fail(f"not one line that names the file: {error!s}")
            continue
        assert sum(group.digital.nbytes for group in recording.groups) < LIMIT
        for group in recording.groups:
            assert group.digital.shape == (len(group.channels), group.n_samples)
            assert len(group.gain) == len(group.units) == len(group.baseline) == len(group.channels)
        recording.annotations  # noqa: B018 (columns of one length)
        assert recording.duration_s >= 0


@pytest.mark.parametrize("format", FORMATS)
@FUZZ
@given(changes=edits, cut=st.floats(0.5, 1))
def test_changed_bytes_and_cuts(
    tmp_path: Path, format: str, changes: list[tuple[float, int]], cut: float
) -> None:
    reader, raw = FORMATS[format]
    out = bytearray(raw)
    for place, value in changes:
        out[int(place * len(out))] = value
    outcome(reader, tmp_path / "a.xml", bytes(out))
    outcome(reader, tmp_path / "a.xml", raw[: int(cut * len(raw))])


@pytest.mark.parametrize("format", FORMATS)
@FUZZ
@given(place=st.floats(0, 0.9999), what=numbers, more=st.booleans())
def test_impossible_values(
    tmp_path: Path, format: str, place: float, what: str, more: bool
) -> None:
    """The text of one element, or the value of one attribute, is exchanged."""
    reader, raw = FORMATS[format]
    spots = [*re.finditer(rb">([^<>\n]{1,40})<", raw), *re.finditer(rb'="([^"]{1,60})"', raw)]
    spot = spots[int(place * len(spots))]
    changed = raw[: spot.start(1)] + what.encode() + raw[spot.end(1) :]
    outcome(reader, tmp_path / "a.xml", changed)
    if more:  # the element is gone
        gone = re.sub(rb"<(\w+)>[^<>]*</\1>", b"", changed[spot.start(1) - 60 :], count=1)
        outcome(reader, tmp_path / "a.xml", changed[: spot.start(1) - 60] + gone)


@pytest.mark.parametrize("format", FORMATS)
def test_a_bomb_of_entities_is_one_error(tmp_path: Path, format: str) -> None:
    reader, raw = FORMATS[format]
    root = raw[raw.index(b"<", raw.rindex(b"?>") if b"?>" in raw else 0) :]
    lines = b"".join(b'<!ENTITY e%d "%s">' % (i + 1, b"&e%d;" % i * 10) for i in range(9))
    bomb = b'<!DOCTYPE a [<!ENTITY e0 "ha">' + lines + b"]>"
    start = root.index(b"<", 1) if root.startswith(b"<!") else 0
    path = tmp_path / "a.xml"
    path.write_bytes(bomb + root[start:])
    with pytest.raises(UnreadableFileError, match="document type"):
        reader.read(path, verify=True)
