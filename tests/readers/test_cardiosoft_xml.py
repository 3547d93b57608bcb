"""CardioSoft XML, made byte by byte: strips, full disclosure, phases, people, damage."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, read_header, read_recording

PLANTED = "PLANTEDNAME"
RNG = np.random.default_rng(61)
LEADS = ("I", "II", "III", "V1")
RATE = 20


def limbs(n: int) -> Any:
    """Random samples whose lead III is II - I."""
    samples = RNG.integers(-500, 500, (4, n))
    samples[2] = samples[1] - samples[0]
    return samples


STRIP, MEDIAN, FULL = limbs(50), limbs(12), limbs(47)


def scale(unit: str = "uVperLsb", step: str = "5", rate_hz: int = RATE) -> str:
    return (
        f'<SampleRate units="Hz">{rate_hz}</SampleRate><Resolution units="{unit}">{step}'
        "</Resolution>"
    )


def waves(tag: str, samples: Any, more: str = "", **other: Any) -> str:
    n_leads, n = other.get("n_leads", len(samples)), other.get("n", samples.shape[1])
    rows = "".join(
        f'<WaveformData lead="{name}">\n\t\t{",".join(map(str, row[:30]))},\n\t\t'
        f"{','.join(map(str, row[30:]))}</WaveformData>"
        for name, row in zip(other.get("leads", LEADS), samples, strict=True)
    ).replace(",\n\t\t</", "</")
    return (
        f"<{tag}><NumberOfLeads>{n_leads}</NumberOfLeads>{other.get('scale', scale())}"
        f'<ChannelSampleCountTotal>{n}</ChannelSampleCountTotal><FirstValid units="Sample">1'
        f"</FirstValid>{rows}{more}</{tag}>"
    )


def seconds_in_turn(samples: Any) -> list[int]:
    """The layout of a full disclosure: a second of each lead, the next second of each ..."""
    n = samples.shape[1]
    blocks = [samples[:, start : start + RATE].ravel() for start in range(0, n, RATE)]
    return np.concatenate(blocks).tolist()


def disclosure(numbers: list[int], leads: str = "I,II,III,V1", total: int | None = None) -> str:
    lines = ",\n\t\t".join(
        ",".join(map(str, numbers[at : at + RATE])) for at in range(0, len(numbers), RATE)
    )
    return f"""<FullDisclosure><StartTime><Minute>1</Minute><Second>2.5</Second></StartTime>
<NumberOfChannels>{leads.count(",") + 1}</NumberOfChannels>{scale()}<LeadOrder>{leads}</LeadOrder>
<FullDisclosureData>\n\t\t{lines}\n<SampleCountTotal>{total or len(numbers)}</SampleCountTotal>
</FullDisclosureData><EventList><Event>L</Event><Time><Minute>1</Minute><Second>8.1</Second></Time>
</EventList></FullDisclosure>"""


BEATS = """<ArrhythmiaResults><Time units="ms">610</Time><BeatClass>dominant</BeatClass>
<Time units="ms">1410</Time><BeatClass>VES</BeatClass></ArrhythmiaResults>"""
TIME = """<ObservationType>RestECG</ObservationType><ObservationDateTime><Hour>1</Hour><Minute>2
</Minute><Second>3</Second><Day>4</Day><Month>5</Month><Year>2006</Year></ObservationDateTime>"""
RESTING = """<RestingECGMeasurements><VentricularRate units="BPM">75</VentricularRate>
<PQInterval units="ms"></PQInterval><QTInterval units="s">378</QTInterval>
<SokolovLVHIndex units="mV">1.5</SokolovLVHIndex><MeasurementTable Creation="12SL">
<LeadOrder>I, II</LeadOrder><QDuration units="ms">, 11</QDuration></MeasurementTable>{}
</RestingECGMeasurements>"""
PHASES = """<Protocol><Phase><PhaseName>Pretest</PhaseName><PhaseDuration><Minute>0</Minute>
<Second>15</Second></PhaseDuration></Phase><Phase><PhaseName>Exercise</PhaseName><PhaseDuration>
<Minute>6</Minute><Second>0</Second></PhaseDuration></Phase></Protocol>
<ExerciseMeasurements><MaxHeartRate>140</MaxHeartRate></ExerciseMeasurements>
<TrendData><TrendEntry><EntryTime><Minute>0</Minute><Second>20</Second></EntryTime>
<StageName>WORKLOAD</StageName><HeartRate>80</HeartRate></TrendEntry><TrendEntry><EntryTime>
<Minute>1</Minute><Second>0</Second></EntryTime><StageName>WORKLOAD</StageName></TrendEntry>
</TrendData>"""
TEXTS = """<Interpretation><Diagnosis><DiagnosisText>Sinus rhythm</DiagnosisText><DiagnosisText>---
</DiagnosisText><DiagnosisText>of SMITH</DiagnosisText></Diagnosis></Interpretation>
<PatientInfo><PID>7</PID><Name><FamilyName>Smith</FamilyName><GivenName>Jo</GivenName></Name>
<Age units="YEARS">55</Age><Gender>MALE</Gender><PaceMaker>no</PaceMaker></PatientInfo>
<FilterSetting><Filter50Hz>Yes</Filter50Hz><HighPass units="Hz">0.01</HighPass></FilterSetting>
<ClinicalInfo><DeviceInfo><Desc>CardioSoft</Desc><SoftwareVer>V6.73</SoftwareVer></DeviceInfo>
</ClinicalInfo>"""
HEAD = '<?xml version="1.0" encoding="ISO-8859-1" ?>\n'


def document(*parts: str) -> str:
    return f"{HEAD}<CardiologyXML>{''.join(parts)}</CardiologyXML>"


WHOLE = document(
    TIME, TEXTS, RESTING.format(waves("MedianSamples", MEDIAN)),
    waves("StripData", STRIP, BEATS), disclosure(seconds_in_turn(FULL)), PHASES,
)  # fmt: skip


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def written(*parts: str) -> Path:
        path = tmp_path / "ecg.xml"
        path.write_bytes(document(*parts).encode("latin-1"))
        return path

    return written


def test_strip_median_and_full_disclosure(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(WHOLE)
    assert detect_format(path) == "cardiosoft_xml"
    recording = read_recording(path)
    strip, full = recording.groups
    assert strip.channels == full.channels == LEADS
    assert strip.units == ("uV",) * 4
    assert np.array_equal(strip.digital, STRIP)
    assert strip.digital.dtype == np.int16
    assert np.array_equal(strip.physical(), STRIP * 5.0)
    assert np.array_equal(full.digital, FULL)  # two seconds and a part of one
    assert (strip.segments, full.segments) == (((0, 0.0),), ((0, 62.5),))
    (beat,) = recording.metadata["median_beats"]
    assert np.array_equal(beat["digital"], MEDIAN)
    assert beat["first_valid"] == 1
    assert recording.start_time == datetime(2006, 5, 4, 1, 2, 3)
    assert [group.n_samples for group in read_header(path).groups] == [50, 47]


def test_what_the_file_says_beside_its_samples(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(WHOLE)
    recording = read_recording(path)
    said = recording.metadata
    assert said["measurements"] == {
        "heart_rate_bpm": 75, "sokolow_mv": 1.5, "max_heart_rate_bpm": 140
    }  # fmt: skip
    assert said["notes"] == [
        "the measurement QTInterval is no number, or in another unit: left out"
    ]
    assert said["lead_measurements"] == {"leads": ["I", "II"], "QDuration_ms": [None, 11]}
    assert said["statements"] == [{"code": "", "text": "Sinus rhythm"}]
    assert said["statements_left_out"] == 1
    assert (said["age"], said["sex"], said["device"]) == (55, "M", "CardioSoft")
    assert (said["notch_hz"], said["high_pass_hz"], said["pacemaker"]) == (50, 0.01, "no")
    assert said["trend"][0] == {"time_s": 20.0, "heart_rate_bpm": 80}
    table = recording.annotations
    rows = list(zip(table["onset"], table["text"], strict=True))
    assert rows == [
        (0.0, "phase Pretest"), (0.61, "dominant"), (1.41, "VES"), (15.0, "phase Exercise"),
        (20.0, "stage WORKLOAD"), (68.1, "L"),
    ]  # fmt: skip
    assert table["duration"].iloc[3] == 360


def test_strips_of_an_exercise_test_begin_later(write: Any) -> None:
    strip = "<Strip><Time><Minute>2</Minute><Second>0</Second></Time>{}</Strip>".format
    recording = read_recording(write(waves("StripData", STRIP), strip(waves("StripData", MEDIAN))))
    assert [group.segments[0][1] for group in recording.groups] == [0.0, 120.0]


def test_three_leads_of_the_biobank(write: Any) -> None:
    path = write(disclosure(seconds_in_turn(FULL[:3]), "I,2,3"))
    (group,) = read_recording(path).groups
    assert group.channels == ("I", "2", "3")
    assert np.array_equal(group.digital, FULL[:3])


def test_a_full_disclosure_in_the_other_order_is_seen(write: Any) -> None:
    recording = read_recording(write(disclosure(FULL.T.ravel().tolist())))
    assert np.array_equal(recording.groups[0].digital, FULL)
    assert any("sample by sample" in note for note in recording.metadata["notes"])


@pytest.mark.parametrize(
    ("unit", "expected"), [("mVperLsb", "mV"), ("nVperLsb", "nV"), ("uV/Lsb", "uV")]
)
def test_units_of_the_resolution(write: Any, unit: str, expected: str) -> None:
    recording = read_recording(write(waves("StripData", STRIP, scale=scale(unit, "0.25"))))
    assert recording.groups[0].units == (expected,) * 4
    assert np.array_equal(recording.groups[0].physical(), STRIP * 0.25)


COUNTS = [
    waves("StripData", STRIP, n=51), waves("StripData", STRIP, n_leads=12),
    disclosure(seconds_in_turn(FULL), total=12),
]  # fmt: skip


@pytest.mark.parametrize("part", COUNTS)
def test_lying_counts(write: Any, part: str) -> None:
    path = write(part)
    with pytest.raises(UnreadableFileError, match="states"):
        read_recording(path)
    assert any("states" in note for note in read_recording(path, verify=False).metadata["notes"])


@pytest.mark.parametrize(
    "part",
    [
        "",
        waves("StripData", STRIP, scale=scale(rate_hz=0)),
        waves("StripData", STRIP, scale=scale("furlongs")),
        waves("StripData", STRIP, scale=scale(step="0")),
        waves("StripData", STRIP, leads=["I", "II", "III", ""]),
        waves("StripData", STRIP).replace(",", ",,", 1),
        waves("StripData", STRIP).replace(",", ",x,", 1),
        waves("StripData", STRIP).replace(",", ",1,", 1),
        waves("StripData", STRIP).replace(",", ",99999999999,", 1),
        disclosure(seconds_in_turn(FULL)[:-1]),
        disclosure(seconds_in_turn(FULL)).replace("<NumberOfChannels>4", "<NumberOfChannels>400"),
    ],
)
def test_what_cannot_be_read_is_one_error(write: Any, part: str) -> None:
    with pytest.raises(UnreadableFileError):
        read_recording(write(part))


def planted() -> dict[str, bytes]:
    """Return a file with a name in every text of it."""
    tags = {
        "ClinicalInfo": "ReasonForStudy ObservationComment",
        "PatientVisit": "PatientClass PatientRoom OrderNumber Facility LocationName Street1",
        "PatientInfo": "PID Age Gender Race PaceMaker",
        "FilterSetting": "Filter50Hz LowPass HighPass",
        "ObservationDateTime": "Year Month Day Hour",
        "UID": "DICOMStudyUID",
        "Export": "Anything",
    }
    texts = "".join(
        f"<{part}>{''.join(f'<{tag}>{PLANTED}</{tag}>' for tag in named.split())}</{part}>"
        for part, named in tags.items()
    )
    name = f"<Name><FamilyName>{PLANTED}</FamilyName><GivenName>{PLANTED}</GivenName></Name>"
    texts = texts.replace("<PatientInfo>", f"<PatientInfo>{name}")
    device = "".join(f"<{tag}>{PLANTED}</{tag}>" for tag in ("Desc", "SoftwareVer", "AnalysisVer"))
    texts = texts.replace("<ClinicalInfo>", f"<ClinicalInfo><DeviceInfo>{device}</DeviceInfo>")
    signed = f"""<ObservationType>{PLANTED}</ObservationType><Interpretation><Conclusion>
    <ConclusionText>seen by {PLANTED}</ConclusionText></Conclusion></Interpretation>"""
    return {"a.xml": document(texts, signed, waves("StripData", STRIP)).encode("latin-1")}


def test_no_name_leaves_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(planted()[path.name])
    recording = read_recording(path)
    shown = repr(recording) + repr(dict(recording.metadata)) + recording.annotations.to_string()
    assert PLANTED not in shown
    assert recording.metadata["identifying"] == ["id", "name"]


@pytest.mark.parametrize("old", ["5</Resolution>", "20</SampleRate>", "50</Channel", "4</Number"])
def test_no_name_is_in_an_error(write: Any, old: str) -> None:
    text = waves("StripData", STRIP)
    assert old in text
    with pytest.raises(UnreadableFileError) as caught:
        read_recording(write(text.replace(old, PLANTED + old)))
    assert PLANTED not in str(caught.value)
