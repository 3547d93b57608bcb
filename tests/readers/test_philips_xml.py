"""Philips XML that is written here, with XLI compressed by an encoder of our own."""

from __future__ import annotations

import base64
import contextlib
import re
import struct
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, philips_xml, read_header, read_recording

STANDARD = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]


def lzw(data: bytes) -> bytes:
    table = {bytes((value,)): value for value in range(256)}
    codes, current = [], b""
    for value in data:
        longer = current + bytes((value,))
        if longer in table:
            current = longer
            continue
        codes.append(table[current])
        if len(table) < 1023:
            table[longer] = len(table)
        current = bytes((value,))
    codes += [table[current], 1023]
    bits = "".join(f"{code:010b}" for code in codes)
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def xli(leads: list[list[int]]) -> bytes:
    out = b""
    for lead in leads:
        curves = [2 * b - a - c for a, b, c in zip(lead, lead[1:], lead[2:], strict=False)]
        words = [*lead[:2], *[curve + 64 for curve in curves[1:]], 64]
        raw = b"".join(struct.pack(">h", word) for word in words)
        chunk = lzw(raw[::2] + raw[1::2])
        out += struct.pack("<iHh", len(chunk), 0, curves[0]) + chunk
    return out


def residuals(leads: dict[str, list[int]]) -> list[list[int]]:
    """Return what is stored of twelve leads, sample by sample, as the format's readers undo it."""
    stored = {name: [*lead] for name, lead in leads.items()}
    for n in range(len(leads["I"])):
        one, two, three = (leads[name][n] for name in ("I", "II", "III"))
        stored["III"][n] = two - one - three
        stored["aVR"][n] = -leads["aVR"][n] - (one + two) // 2
        stored["aVL"][n] = (one - three) // 2 - leads["aVL"][n]
        stored["aVF"][n] = (two + three) // 2 - leads["aVF"][n]
    return [*stored.values()]


RNG = np.random.default_rng(16)
LEADS = {name: np.cumsum(RNG.integers(-40, 41, 500)).tolist() for name in STANDARD}
PLAIN = {
    **{"last": "Muster", "first": "Ada", "id": "4711", "version": "1.04", "encoding": "UTF-8"},
    **{"xmlns": "http://www3.medical.philips.com", "free": "", "statement": "", "signature": ""},
    **{"rate": "500", "step": "5", "more": "", "machine": "PageWriter TC70", "age": ""},
}


def document(waveforms: str, **changes: str) -> bytes:
    what = PLAIN | changes
    text = f"""<?xml version="1.0" encoding="{what["encoding"]}"?>
<!-- {what["free"]} --><restingecgdata xmlns="{what["xmlns"]}" status="x" lang="en">
<documentinfo><documentname>{what["free"]}</documentname><editor>{what["free"]}</editor>
<comments>{what["free"]}</comments><documentversion>{what["version"]}</documentversion>
</documentinfo>
<userdefines><userdefine><label>{what["free"]}</label><value>{what["free"]}</value></userdefine>
</userdefines><orderinfo><reasonfororder>{what["free"]}</reasonfororder></orderinfo>
<dataacquisition date="2010-01-19" time="15:19:22"><machine machineid="{what["free"]}"
detaildescription="{what["free"]}">{what["machine"]}</machine><acquirer>
<operator id="{what["free"]}"/><institutionname>{what["free"]}</institutionname>
<room>{what["free"]}</room></acquirer><signalcharacteristics>
<samplingrate>{what["rate"]}</samplingrate><signalresolution>{what["step"]}</signalresolution>
<acquisitiontype>STD-12</acquisitiontype><bitspersample>16</bitspersample>
<numberchannelsallocated>12</numberchannelsallocated></signalcharacteristics></dataacquisition>
<patient><generalpatientdata><patientid>{what["id"]}</patientid><name>
<lastname>{what["last"]}</lastname><firstname>{what["first"]}</firstname></name>
<age>{what["age"] or "<dateofbirth>1950-03-01</dateofbirth>"}</age><sex>Female</sex>
</generalpatientdata></patient>
<interpretations><interpretation criteriaversion="0A"><globalmeasurements>
<heartrate>84</heartrate><print>144</print><qrsdur>84</qrsdur><qtint>352</qtint>
<qtcb>417</qtcb><qtcf>394</qtcf><pfrontaxis>81</pfrontaxis><qrsfrontaxis>78</qrsfrontaxis>
<tfrontaxis>Failed</tfrontaxis></globalmeasurements>
<mdsignatureline>{what["signature"]}</mdsignatureline><severity code="AB">- ABNORMAL -</severity>
<statement><statementcode>SR</statementcode><leftstatement>SINUS RHYTHM</leftstatement>
<rightstatement>V-rate 60-99</rightstatement></statement>{what["statement"]}
</interpretation></interpretations>
<waveforms>{waveforms}{what["more"]}</waveforms></restingecgdata>"""
    return text.encode(what["encoding"])


def coded(data: bytes) -> str:
    text = base64.b64encode(data).decode()
    return "\n".join(re.findall(".{1,76}", text))


def parsed(data: bytes, attributes: str) -> str:
    return f'<parsedwaveforms dataencoding="Base64" {attributes}>{coded(data)}</parsedwaveforms>'


COMPRESSED = parsed(
    xli(residuals(LEADS)), 'compressflag="True" compressmethod="XLI" durationperchannel="1000"'
)
BEAT = np.arange(6, dtype="<i2")


def write(folder: Path, content: bytes) -> Path:
    (folder / "a.xml").write_bytes(content)
    return folder / "a.xml"


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16"])
@pytest.mark.parametrize("version", ["1.03", "1.04", "1.04.01"])
def test_compressed_leads(tmp_path: Path, encoding: str, version: str) -> None:
    names = {"1.03": "http://www3.medical.philips.com", "1.04": "http://www.philips.com/ecg"}
    xmlns = names.get(version, "http://www3.medical.philips.com")
    content = document(COMPRESSED, encoding=encoding, version=version, xmlns=xmlns)
    path = write(tmp_path, content)
    assert detect_format(path) == "philips_xml"
    recording = read_recording(path)
    (group,) = recording.groups
    assert group.digital.dtype == np.int16
    assert group.digital.tolist() == [*LEADS.values()]
    assert list(group.channels) == STANDARD
    assert group.sampling_rate == 500.0
    np.testing.assert_allclose(group.physical(), 5.0 * group.digital, rtol=1e-15)
    assert recording.start_time == datetime(2010, 1, 19, 15, 19, 22)
    assert recording.metadata["age"] == 59.0
    assert recording.metadata["sex"] == "F"
    assert recording.metadata["format_version"] == version
    assert "notes" not in recording.metadata
    assert read_header(path).groups[0].n_samples == 500


def test_leads_in_another_order_and_without_sums(tmp_path: Path) -> None:
    stored = dict(zip(STANDARD, residuals(LEADS), strict=True))
    order = ["V1", "aVL", "I", "aVR", "II", "III"]
    attributes = f'compression="XLI" numberofleads="6" leadlabels="{" ".join(order)}"'
    waveforms = parsed(
        xli([stored[name] for name in order]),
        f'{attributes} durationperchannel="1000" samplespersecond="500" resolution="2.5"',
    )
    recording = read_recording(write(tmp_path, document(waveforms)))
    (group,) = recording.groups
    assert group.channels == tuple(order)
    assert group.digital.tolist() == [LEADS[name] for name in order]
    np.testing.assert_allclose(1 / group.gain, 2.5)
    assert "resolution" in recording.metadata["notes"][0]


def test_places_of_no_lead_are_left_out(tmp_path: Path) -> None:
    flat = [[0] * 250 + [200] * 250] * 4
    waveforms = parsed(
        xli(residuals(LEADS) + flat), 'compressmethod="XLI" durationperchannel="1000"'
    )
    recording = read_recording(write(tmp_path, document(waveforms)))
    assert len(recording.groups[0].channels) == 12
    assert "notes" not in recording.metadata
    waveforms = parsed(
        xli([*residuals(LEADS), LEADS["V1"]]), 'compressmethod="XLI" durationperchannel="1000"'
    )
    recording = read_recording(write(tmp_path, document(waveforms)))
    assert "not read: 1 lead without a name" in recording.metadata["notes"][0]


@pytest.mark.parametrize("attributes", ["", 'compressflag="False" compressmethod="XLI"'])
def test_plain_samples(tmp_path: Path, attributes: str) -> None:
    data = np.array([*LEADS.values()], "<i2").tobytes()
    waveforms = parsed(data, f'{attributes} durationperchannel="1000"')
    (group,) = read_recording(write(tmp_path, document(waveforms))).groups
    assert group.digital.tolist() == [*LEADS.values()]


@pytest.mark.parametrize("version", ["1.03", "1.04"])
def test_representative_beats_are_metadata(tmp_path: Path, version: str) -> None:
    data = coded(BEAT.tobytes())
    one = f'<repbeat leadname="I" duration="6">{data}</repbeat>'
    if version == "1.04":
        one = f'<repbeat leadname="I"><waveform duration="6">{data}</waveform></repbeat>'
    more = f"""<repbeats dataencoding="Base64" samplespersec="1000" resolution="2.5">{one}
    {one.replace('"I"', '"II"')}</repbeats>"""
    recording = read_recording(write(tmp_path, document(COMPRESSED, more=more, version=version)))
    (beats,) = recording.metadata["median_beats"]
    assert beats["channels"] == ["I", "II"]
    assert beats["sampling_rate"] == 1000.0
    assert beats["gain"] == [0.4, 0.4]
    assert beats["units"] == ["uV", "uV"]
    assert beats["digital"].tolist() == [BEAT.tolist()] * 2
    assert "notes" not in recording.metadata


def test_measurements_and_statements(tmp_path: Path) -> None:
    said = read_recording(write(tmp_path, document(COMPRESSED))).metadata
    wanted = {"heart_rate_bpm": 84, "pr_ms": 144, "qrs_ms": 84, "qt_ms": 352, "qtc_ms": 417}
    wanted |= {"qtc_bazett_ms": 417, "qtc_fridericia_ms": 394, "p_axis_deg": 81}
    assert said["measurements"] == wanted | {"qrs_axis_deg": 78}
    assert said["statements"] == [
        {"code": "SR", "text": "SINUS RHYTHM", "reason": "V-rate 60-99"}
    ]  # fmt: skip
    assert said["severity"] == "AB"
    assert said["device"] == "PageWriter TC70"


def test_lines_that_name_somebody_are_left_out(tmp_path: Path) -> None:
    lines = ["Compared with MUSTER of 2009", "Reviewed by X. Y.", "as Bobson says"]
    extra = "".join(
        f"<statement><leftstatement>{line}</leftstatement></statement>" for line in lines
    )
    content = document(COMPRESSED, statement=extra, signature="Confirmed by DR BOBSON")
    said = read_recording(write(tmp_path, content)).metadata
    assert [each["code"] for each in said["statements"]] == ["SR"]
    assert said["statements_left_out"] == 3


def planted() -> dict[str, bytes]:
    """Return a file with a name in every text of it."""
    texts = dict.fromkeys(("last", "first", "id", "free", "signature", "machine"), "PLANTEDNAME")
    return {"a.xml": document(COMPRESSED, **texts)}


def test_no_name_of_the_file_is_handed_on(tmp_path: Path) -> None:
    recording = read_recording(write(tmp_path, planted()["a.xml"]))
    texts = repr((recording, dict(recording.metadata), recording.annotations.to_dict()))
    assert "PLANTED" not in texts
    assert recording.metadata["identifying"] == ["id", "name", "birth date"]


@pytest.mark.parametrize(("age", "years"), [("years>50</years", 50.0), ("months>6</months", 0.5)])
def test_a_stated_age(tmp_path: Path, age: str, years: float) -> None:
    recording = read_recording(write(tmp_path, document(COMPRESSED, age=f"<{age}>")))
    assert recording.metadata["age"] == years


SHORT = xli(residuals(LEADS))
ATTRIBUTES = 'compressmethod="XLI" durationperchannel="1000"'


@pytest.mark.parametrize(
    "waveforms",
    [
        "",
        "<leadwaveforms/>",
        parsed(SHORT[:-3], ATTRIBUTES),
        parsed(SHORT[:-300], ATTRIBUTES),
        parsed(xli(residuals(LEADS)[:11]), ATTRIBUTES),  # a lead is missing
        parsed(SHORT, 'compressmethod="XLI" durationperchannel="2000"'),
        parsed(SHORT, 'compressmethod="XLI" durationperchannel="1e18"'),
        parsed(SHORT, 'compressmethod="ABC" durationperchannel="1000"'),
        parsed(SHORT, 'compressmethod="XLI"'),
        parsed(b"\xff\xff\xff\x7f" + SHORT[4:], ATTRIBUTES),  # a chunk of 2 GB
        parsed(b"", 'durationperchannel="1000"'),
        parsed(b"123", 'durationperchannel="1000"'),
        '<parsedwaveforms dataencoding="Base64" durationperchannel="1000">é!</parsedwaveforms>',
        '<parsedwaveforms dataencoding="Hex" durationperchannel="1000">00</parsedwaveforms>',
        parsed(xli([LEADS["V1"]]), f'{ATTRIBUTES} leadlabels="III"'),  # no I and II
    ],
)
def test_damage_is_one_error(tmp_path: Path, waveforms: str) -> None:
    with pytest.raises(UnreadableFileError, match=r"a\.xml: "):
        read_recording(write(tmp_path, document(waveforms)))


def test_codes_that_grow_beyond_what_is_stated(tmp_path: Path) -> None:
    chunk = lzw(bytes(4_000_000))
    bomb = struct.pack("<iHh", len(chunk), 0, 0) + chunk
    with pytest.raises(UnreadableFileError, match="more samples"):
        read_recording(write(tmp_path, document(parsed(bomb, ATTRIBUTES))))


def test_fewer_samples_than_stated_are_a_note_without_verification(tmp_path: Path) -> None:
    waveforms = parsed(SHORT, 'compressmethod="XLI" durationperchannel="2000"')
    recording = read_recording(write(tmp_path, document(waveforms)), verify=False)
    assert recording.groups[0].digital.tolist() == [*LEADS.values()]
    assert "500 samples a lead, 1000 are stated" in recording.metadata["notes"]


@pytest.mark.parametrize("changes", [{"rate": "0"}, {"rate": "x"}, {"step": ""}, {"step": "-5"}])
def test_no_rate_or_resolution(tmp_path: Path, changes: dict[str, str]) -> None:
    with pytest.raises(UnreadableFileError):
        read_recording(write(tmp_path, document(COMPRESSED, **changes)))


def test_an_entity_bomb_is_refused(tmp_path: Path) -> None:
    bomb = b'<!DOCTYPE restingecgdata [<!ENTITY a "b">]><restingecgdata>&a;</restingecgdata>'
    with pytest.raises(UnreadableFileError):
        read_recording(write(tmp_path, bomb))


@settings(
    max_examples=60, deadline=4000, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
@given(
    changes=st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), max_size=4),
    cut=st.integers(0, 20_000),
)
def test_damaged_bytes_give_a_recording_or_one_error(
    tmp_path: Path, changes: Any, cut: int
) -> None:
    xli_bytes = bytearray(SHORT)
    for place, value in changes:
        xli_bytes[int(place * len(xli_bytes))] = value
    raw = document(parsed(bytes(xli_bytes), ATTRIBUTES))
    out = bytearray(raw[:cut] if cut < len(raw) else raw)
    if out and cut % 2:
        for place, value in changes:
            out[int(place * len(out))] = value
    path = write(tmp_path, bytes(out))
    with contextlib.suppress(UnreadableFileError):
        recording = philips_xml.read(path, verify=True)  # here: its own errors only
        assert recording.groups[0].digital.nbytes < 1 << 22
