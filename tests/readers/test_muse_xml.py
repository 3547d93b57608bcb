"""GE MUSE XML, made byte by byte: samples, checksums, metadata, people, damage."""

from __future__ import annotations

import base64
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep.errors import ChecksumError, UnreadableFileError
from physioprep.readers import detect_format, read_header, read_recording

LEADS = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
RNG = np.random.default_rng(16)
SAMPLES = RNG.integers(-3000, 3000, (8, 50)).astype("<i2")
MEDIAN = RNG.integers(-300, 300, (8, 12)).astype("<i2")
HEAD = '<?xml version="1.0" encoding="ISO-8859-1"?>\n<!DOCTYPE RestingECG SYSTEM "restecg.dtd">\n'
PLANTED = "PLANTEDNAME"


def lead(name: str, samples: Any, **other: Any) -> str:
    """A lead element; `other` replaces what it states, None leaves it out."""
    data = samples.tobytes()
    fields = {
        "LeadByteCountTotal": len(data),
        "LeadTimeOffset": 0,
        "LeadSampleCountTotal": samples.size,
        "LeadAmplitudeUnitsPerBit": "4.88",
        "LeadAmplitudeUnits": "MICROVOLTS",
        "LeadHighLimit": 32767,
        "LeadLowLimit": -32768,
        "LeadID": name,
        "LeadOffsetFirstSample": 0,
        "FirstSampleBaseline": 0,
        "LeadSampleSize": samples.itemsize,
        "LeadOff": "FALSE",
        "BaselineSway": "FALSE",
        "LeadDataCRC32": zlib.crc32(data),
        "WaveFormData": base64.encodebytes(data).decode(),
    } | other
    inner = "".join(f"<{k}>{v}</{k}>\n" for k, v in fields.items() if v is not None)
    return f"<LeadData>\n{inner}</LeadData>\n"


def waveform(kind: str, leads: list[str], **other: Any) -> str:
    fields = {
        "WaveformType": kind, "WaveformStartTime": 0, "NumberofLeads": len(leads),
        "SampleType": "CONTINUOUS_SAMPLES", "SampleBase": 500, "SampleExponent": 0,
        "HighPassFilter": 16, "LowPassFilter": 150, "ACFilter": "NONE",
    } | other  # fmt: skip
    return (
        "<Waveform>"
        + "".join(f"<{k}>{v}</{k}>" for k, v in fields.items())
        + "".join(leads)
        + "</Waveform>\n"
    )


def rhythm(samples: Any = SAMPLES, **other: Any) -> str:
    leads = [lead(name, row, **other) for name, row in zip(LEADS, samples, strict=True)]
    return waveform("Rhythm", leads)


def median() -> str:
    leads = [lead(name, row) for name, row in zip(LEADS, MEDIAN, strict=True)]
    return waveform("Median", leads)


def document(*parts: str, head: str = HEAD) -> str:
    return f"{head}<RestingECG>{''.join(parts)}</RestingECG>"


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def written(*parts: str, head: str = HEAD, encoding: str = "latin-1") -> Path:
        path = tmp_path / "ecg.xml"
        path.write_bytes(document(*parts, head=head).encode(encoding))
        return path

    return written


def test_eight_leads_stay_eight(write: Any) -> None:
    path = write(median(), rhythm())
    assert detect_format(path) == "muse_xml"
    recording = read_recording(path)
    (group,) = recording.groups
    assert group.channels == LEADS
    assert group.units == ("uV",) * 8
    assert group.sampling_rate == 500
    assert group.digital.dtype == np.int16
    assert np.array_equal(group.digital, SAMPLES)
    np.testing.assert_allclose(group.physical(), SAMPLES * 4.88, rtol=4e-16)
    (beat,) = recording.metadata["median_beats"]
    assert np.array_equal(beat["digital"], MEDIAN)
    assert (beat["channels"], beat["sampling_rate"]) == (list(LEADS), 500)
    assert recording.start_time is None
    assert recording.metadata["high_pass_hz"] == 0.16
    assert "notch_hz" not in recording.metadata
    assert read_header(path).groups[0].n_samples == 50


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        ("", "utf-8"),
        ('<?xml version="1.0" encoding="UTF-16"?>\n', "utf-16"),
        ("\ufeff<!-- a comment -->\n<?a pi?>", "utf-8"),
        ('<?xml version="1.0" encoding="gb2312"?>\n', "gb2312"),
        ("<!--" + "x" * 5000 + "-->", "utf-8"),
    ],
)
def test_encodings_and_what_stands_before_the_root(write: Any, head: str, encoding: str) -> None:
    path = write(rhythm(), head=head, encoding=encoding)
    assert detect_format(path) == "muse_xml"
    assert np.array_equal(read_recording(path).groups[0].digital, SAMPLES)


@pytest.mark.parametrize(
    "declared", ["<!ELEMENT a ANY>", "<!ENTITY a 'b'>", "<!ENTITY % a SYSTEM 'b'> %a;"]
)
def test_an_internal_subset_is_refused(write: Any, declared: str) -> None:
    path = write(rhythm(), head=f'<!DOCTYPE RestingECG SYSTEM "restecg.dtd" [{declared}]>')
    with pytest.raises(UnreadableFileError, match="document type"):
        read_recording(path)


def test_an_entity_is_refused(write: Any) -> None:
    with pytest.raises(UnreadableFileError, match="entity"):
        read_recording(write("<MuseInfo>&who;</MuseInfo>", rhythm()))


def test_rates_with_an_exponent_several_rhythms_and_onsets(write: Any) -> None:
    long = waveform(
        "Rhythm",
        [
            lead("I", SAMPLES[0], LeadOffsetFirstSample=25),
            lead("II", SAMPLES[1], LeadOffsetFirstSample=25),
            lead("V1", SAMPLES[2], LeadAmplitudeUnits="MILLIVOLTS"),
        ],
        SampleBase=25,
        SampleExponent=1,
    )
    recording = read_recording(write(long, rhythm()))
    assert [group.channels for group in recording.groups] == [("I", "II"), ("V1",), LEADS]
    assert [group.sampling_rate for group in recording.groups] == [250, 250, 500]
    assert [group.segments for group in recording.groups] == [
        ((0, 0.1),), ((0, 0.0),), ((0, 0.0),)
    ]  # fmt: skip
    assert recording.groups[1].units == ("mV",)
    assert any("differ in length or onset" in note for note in recording.metadata["notes"])


def test_samples_of_four_bytes(write: Any) -> None:
    wide = SAMPLES.astype("<i4") * 100
    assert np.array_equal(read_recording(write(rhythm(wide))).groups[0].digital, wide)


BROKEN = {
    "CRC": {"LeadDataCRC32": 1},
    "bytes": {"LeadByteCountTotal": 98},
    "samples": {"LeadSampleCountTotal": 49},
    "huge": {"LeadSampleCountTotal": 10**14},
    "no samples": {"WaveFormData": "", "LeadSampleCountTotal": 0, "LeadByteCountTotal": 0},
}


@pytest.mark.parametrize("what", BROKEN)
def test_wrong_counts_and_checksums(write: Any, what: str) -> None:
    leads = [lead("I", SAMPLES[0]), lead("II", SAMPLES[1], **BROKEN[what])]
    path = write(waveform("Rhythm", leads))
    with pytest.raises(ChecksumError if what == "CRC" else UnreadableFileError):
        read_recording(path)
    recording = read_recording(path, verify=False)
    assert any("lead II" in note for note in recording.metadata["notes"])
    assert np.array_equal(recording.groups[0].digital[0], SAMPLES[0])


def test_a_changed_sample_is_noticed(write: Any) -> None:
    data = base64.b64encode(SAMPLES[0].tobytes()).decode()
    changed = data[:10] + ("A" if data[10] != "A" else "B") + data[11:]
    path = write(waveform("Rhythm", [lead("I", SAMPLES[0], WaveFormData=changed)]))
    with pytest.raises(ChecksumError, match="lead I"):
        read_recording(path)


def test_a_signed_checksum_is_the_same(write: Any) -> None:
    crcs = [zlib.crc32(row.tobytes()) for row in SAMPLES]
    row = next(i for i, crc in enumerate(crcs) if crc >= 2**31)
    one = lead("I", SAMPLES[row], LeadDataCRC32=crcs[row] - 2**32)
    assert "notes" not in read_recording(write(waveform("Rhythm", [one]))).metadata
    none = lead("I", SAMPLES[0], LeadDataCRC32=None)
    (note,) = read_recording(write(waveform("Rhythm", [none]))).metadata["notes"]
    assert "not verified" in note


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (median(),),
        (waveform("Rhythm", [lead("I", SAMPLES[0])], NumberofLeads=8),),
        (rhythm(WaveFormData="====AA"),),
        (rhythm(LeadAmplitudeUnitsPerBit="0"),),
        (rhythm(LeadAmplitudeUnitsPerBit="nan"),),
        (rhythm(LeadSampleSize="3"),),
        (rhythm(LeadAmplitudeUnits="FURLONGS"),),
        (rhythm(LeadOffsetFirstSample="-5"),),
        (waveform("Rhythm", [lead("I", SAMPLES[0])], SampleExponent=400),),
        (waveform("Rhythm", [lead("I", SAMPLES[0])], SampleBase=0),),
    ],
)
def test_what_cannot_be_read_is_one_error(write: Any, parts: tuple[str, ...]) -> None:
    with pytest.raises(UnreadableFileError) as caught:
        read_recording(write(*parts))
    assert "\n" not in str(caught.value)


def test_a_cut_file_is_one_error(write: Any) -> None:
    path = write(rhythm())
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(UnreadableFileError, match="XML"):
        read_recording(path)


PEOPLE = """
<PatientDemographics><PatientID>4711</PatientID><PatientAge>18</PatientAge><AgeUnits>MONTHS
</AgeUnits><Gender>FEMALE</Gender><DateofBirth>01-02-2003</DateofBirth>
<PatientLastName>Smith</PatientLastName><PatientFirstName>Ann</PatientFirstName>
</PatientDemographics><TestDemographics><AcquisitionDevice>MAC55</AcquisitionDevice>
<AcquisitionDate>12-31-2004</AcquisitionDate><AcquisitionTime>23:59:58</AcquisitionTime>
<OverreaderLastName>Miller</OverreaderLastName></TestDemographics>
"""
STATEMENTS = """<{0}><Modality>RESTING</Modality>
<DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag><StmtText>Sinus rhythm</StmtText>
</DiagnosisStatement><DiagnosisStatement><StmtText>with</StmtText></DiagnosisStatement>
<DiagnosisStatement><StmtFlag>USERINSERT</StmtFlag><StmtFlag>ENDSLINE</StmtFlag>
<StmtText>occasional PVCs</StmtText></DiagnosisStatement>
<DiagnosisStatement><StmtText>Confirmed by</StmtText></DiagnosisStatement>
<DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag><StmtText>X, Y (12)</StmtText>
</DiagnosisStatement><DiagnosisStatement><StmtText>as MILLER said</StmtText></DiagnosisStatement>
</{0}>"""
BEATS = """<QRSTimesTypes><QRS><Number>2</Number><Type>1</Type><Time>1914</Time></QRS>
<QRS><Number>1</Number><Type>0</Type><Time>614</Time></QRS><GlobalRR>1242</GlobalRR>
</QRSTimesTypes><PaceSpikes><PaceSpike><Time>600</Time></PaceSpike></PaceSpikes>"""
MEASURED = """<{0}><VentricularRate>48</VentricularRate><PRInterval>138</PRInterval>
<QRSDuration/><RAxis>-20</RAxis><QTCorrected>n/a</QTCorrected></{0}>"""


def test_what_the_file_says_beside_its_samples(write: Any) -> None:
    parts = (
        PEOPLE, MEASURED.format("RestingECGMeasurements"),
        MEASURED.replace("138", "140").format("OriginalRestingECGMeasurements"),
        STATEMENTS.format("Diagnosis"), STATEMENTS.format("OriginalDiagnosis"), BEATS,
        rhythm(LeadOff="TRUE"),
    )  # fmt: skip
    recording = read_recording(write(*parts))
    said = recording.metadata
    assert recording.start_time == datetime(2004, 12, 31, 23, 59, 58)
    assert (said["age"], said["sex"], said["device"]) == (1.5, "F", "MAC55")
    assert said["identifying"] == ["id", "name", "birth date"]
    assert said["measurements"] == {
        "heart_rate_bpm": 48, "pr_ms": 138, "qrs_axis_deg": -20, "global_rr_ms": 1242
    }  # fmt: skip
    assert said["original_measurements"]["pr_ms"] == 140
    texts = [each["text"] for each in said["statements"]]
    assert texts == ["Sinus rhythm", "with", "occasional PVCs"]
    assert said["statements"][2]["flags"] == ["USERINSERT", "ENDSLINE"]
    assert said["statements_left_out"] == 2
    assert said["original_statements"] == said["statements"]
    assert said["flags"] == [f"bad-channel:{name}" for name in LEADS]
    table = recording.annotations
    assert table["text"].tolist() == ["pace", "QRS", "QRS"]
    assert table["onset"].tolist() == [0.6, 0.614, 1.914]
    assert table["code"].tolist() == ["", "0", "1"]


def planted() -> dict[str, bytes]:
    """Return a file with a name in every text of it."""
    tags = {
        "PatientDemographics": "PatientID PatientLastName PatientFirstName Gender Race AgeUnits "
        "PatientAge DateofBirth HeightIN",
        "TestDemographics": "SiteName Location RoomID AcquisitionDevice AcquisitionTechFirstName "
        "AnalysisSoftwareVersion AcquisitionSoftwareVersion TestReason Status Priority DataType "
        "AcquisitionDate AcquisitionTime ReferringMDLastName EditorID CartNumber SecondaryID",
        "Order": "RequisitionNumber OrderingMDFirstName Comment",
        "MuseInfo": "MuseVersion",
        "Diagnosis": "Modality",
        "PharmaData": "PharmaUniqueECGID PharmaCartID",
        "ExtraQuestions": "Question Answer",
        "UnknownPart": "Anything",
    }
    texts = "".join(
        f"<{part}>{''.join(f'<{tag}>{PLANTED}</{tag}>' for tag in named.split())}</{part}>"
        for part, named in tags.items()
    )
    signed = f"""<OriginalDiagnosis><DiagnosisStatement><StmtFlag>{PLANTED}</StmtFlag><StmtText>see
    {PLANTED}</StmtText></DiagnosisStatement></OriginalDiagnosis>"""
    wave = waveform(
        "Rhythm", [lead("I", SAMPLES[0])], SampleType=PLANTED, HighPassFilter=PLANTED
    ).replace("<WaveformType>Rhythm", f"<WaveformType>{PLANTED}")
    return {"a.xml": document(f"<!-- {PLANTED} -->", texts, signed, wave).encode("latin-1")}


def test_no_name_leaves_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(planted()[path.name])
    recording = read_recording(path)
    shown = repr(recording) + repr(dict(recording.metadata)) + recording.annotations.to_string()
    assert PLANTED not in shown
    assert recording.metadata["identifying"] == ["id", "name"]


@pytest.mark.parametrize(
    "tag", ["LeadDataCRC32", "LeadAmplitudeUnits", "LeadByteCountTotal", "WaveFormData"]
)
def test_no_name_is_in_an_error(write: Any, tag: str) -> None:
    with pytest.raises(UnreadableFileError) as caught:
        read_recording(write(rhythm(**{tag: f"{PLANTED}="})))
    assert PLANTED not in str(caught.value)


@pytest.mark.parametrize(
    ("device", "handed_on"), [("MAC55", True), ("WARD SMITHSON", False), ("SN 2022081144", False)]
)
def test_a_device_is_a_model_or_nothing(write: Any, device: str, *, handed_on: bool) -> None:
    tag = "AcquisitionDevice"
    said = read_recording(
        write(f"<TestDemographics><{tag}>{device}</{tag}></TestDemographics>", rhythm())
    ).metadata
    assert said.get("device") == (device if handed_on else None)
