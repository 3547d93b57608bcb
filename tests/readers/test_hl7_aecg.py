"""HL7 annotated ECGs, made byte by byte: scales, series, annotations, people, damage."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, read_header, read_recording

PLANTED = "PLANTEDNAME"
SAMPLES = np.random.default_rng(7).integers(-900, 900, (3, 40))
LEADS = ("MDC_ECG_LEAD_I", "MDC_ECG_LEAD_AVR", "MDC_ECG_LEAD_V1")
SPACES = 'xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


def absolute(head: str = "20021122091000.000", increment: str = 'value="0.002" unit="s"') -> str:
    return f"""<component><sequence><code code="TIME_ABSOLUTE"/><value xsi:type="GLIST_TS"><head
value="{head}"/><increment {increment}/></value></sequence></component>"""


def relative(head: str = 'value="0.000" unit="s"') -> str:
    return f"""<component><sequence><code code="TIME_RELATIVE"/><value xsi:type="GLIST_PQ"><head
{head}/><increment value="2" unit="ms"/></value></sequence></component>"""


def lead(code: str, samples: Any, scale: str = "", origin: str = "") -> str:
    digits = " ".join(map(str, samples))
    return f"""<component><sequence><code code="{code}"/><value xsi:type="SLIST_PQ">
<origin {origin or 'value="0" unit="uV"'}/><scale {scale or 'value="2.5" unit="uV"'}/>
<digits>{digits}</digits></value></sequence></component>"""


def leads(samples: Any = SAMPLES, **scaled: str) -> str:
    return "".join(lead(code, row, **scaled) for code, row in zip(LEADS, samples, strict=True))


def series(*sets: str, kind: str = "RHYTHM", low: str = "20021122091000", more: str = "") -> str:
    inner = "".join(f"<component><sequenceSet>{each}</sequenceSet></component>" for each in sets)
    time = f'<effectiveTime><low value="{low}"/></effectiveTime>' if low else ""
    return f'<component><series><code code="{kind}"/>{time}{inner}{more}</series></component>'


def derived(inner: str, more: str = "") -> str:
    return f"""<derivation><derivedSeries><code code="REPRESENTATIVE_BEAT"/><component><sequenceSet>
{inner}</sequenceSet></component>{more}</derivedSeries></derivation>"""


def annotation(code: str, value: str = "", roi: str = "", inner: str = "") -> str:
    parts = "".join(f"<component>{each}</component>" for each in [roi] if each)
    support = f"<support><supportingROI>{parts}</supportingROI></support>" if roi else ""
    return f'<component><annotation><code code="{code}"/>{value}{support}{inner}</annotation></component>'  # noqa: E501


def within(low: str, high: str, code: str = "TIME_ABSOLUTE") -> str:
    bounds = "".join(
        f"<{name} {value}/>" for name, value in (("low", low), ("high", high)) if value
    )
    return f'<boundary><code code="{code}"/><value>{bounds}</value></boundary>'


def annotations(*items: str) -> str:
    return f"<subjectOf><annotationSet>{''.join(items)}</annotationSet></subjectOf>"


def coded(code: str) -> str:
    return f'<value xsi:type="CE" code="{code}"/>'


def quantity(value: str, unit: str) -> str:
    return f'<value xsi:type="PQ" value="{value}" unit="{unit}"/>'


def document(*parts: str, prefix: str = "") -> str:
    text = f"<AnnotatedECG {SPACES}>{''.join(parts)}</AnnotatedECG>"
    if prefix:  # every element and the namespace with a prefix
        text = text.replace("</", f"</{prefix}:").replace("<", f"<{prefix}:")
        text = text.replace(f"<{prefix}:/", "</").replace("xmlns=", f"xmlns:{prefix}=")
    return f'<?xml version="1.0" encoding="utf-8"?><!-- an aECG -->{text}'


WHOLE = document(
    series(
        absolute() + leads(),
        more=annotations(
            annotation("MDC_ECG_HEART_RATE", quantity("57", "bpm")),
            annotation("MDC_ECG_TIME_PD_QT", quantity("0.4", "s")),
            annotation(
                "MDC_ECG_BEAT",
                coded("MDC_ECG_BEAT_NORMAL"),
                inner=annotation(
                    "MDC_ECG_WAVC",
                    coded("MDC_ECG_WAVC_PWAVE"),
                    within('value="20021122091000.012"', 'value="20021122091000.024"'),
                )
                + annotation("MDC_ECG_TIME_PD_PR", quantity("148", "ms"))
                + annotation(
                    "MDC_ECG_WAVC",
                    coded("MDC_ECG_WAVC_TWAVE"),
                    within("", 'value="60" unit="ms"', "TIME_RELATIVE"),
                ),
            ),
            annotation(
                "MINDRAY_Q_DUR",
                quantity("20", "ms"),
                '<boundary><code code="MDC_ECG_LEAD_V1"/></boundary>',
            ),
            annotation("MDC_ECG_INTERPRETATION_STATEMENT", "<value>Sinus rhythm</value>"),
            annotation("MDC_ECG_INTERPRETATION_STATEMENT", "<value>says Smith</value>"),
            annotation("MDC_ECG_INTERPRETATION_COMMENT", "<value>dizzy</value>"),
        )
        + derived(
            relative() + leads(SAMPLES[:, :9]),
            annotations(
                annotation(
                    "MDC_ECG_WAVC",
                    coded("MDC_ECG_WAVC_PWAVE"),
                    within('value="4" unit="ms"', 'value="8" unit="ms"', "TIME_RELATIVE"),
                )
            ),
        ),
    ),
    """<componentOf><x><trialSubject><id root="2.16" extension="SBJ-1"/><subjectDemographicPerson>
<name>Smith</name><administrativeGenderCode code="M"/><birthTime value="19530508"/>
</subjectDemographicPerson></trialSubject></x></componentOf>""",
)


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def written(*parts: str, **how: Any) -> Path:
        path = tmp_path / "ecg.xml"
        path.write_text(document(*parts, **how), encoding="utf-8")
        return path

    return written


def test_rhythm_beat_and_annotations(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(WHOLE)
    assert detect_format(path) == "hl7_aecg"
    recording = read_recording(path)
    (group,) = recording.groups
    assert (group.channels, group.units) == (("I", "aVR", "V1"), ("uV",) * 3)
    assert (group.sampling_rate, group.digital.dtype) == (500, np.int16)
    assert np.array_equal(group.digital, SAMPLES)
    assert np.array_equal(group.physical(), SAMPLES * 2.5)
    assert recording.start_time == datetime(2002, 11, 22, 9, 10)
    said = recording.metadata
    assert said["lead_codes"]["aVR"] == "MDC_ECG_LEAD_AVR"
    assert (said["age"], said["sex"]) == (49, "M")
    assert said["identifying"] == ["id", "name", "birth date"]
    assert said["measurements"] == {"heart_rate_bpm": 57, "qt_ms": 400}
    assert said["statements"] == [{"code": "", "text": "Sinus rhythm"}]
    (beat,) = said["median_beats"]
    assert np.array_equal(beat["digital"], SAMPLES[:, :9])
    (wave,) = beat["annotations"]
    assert (wave["onset_s"], wave["text"]) == (0.004, "MDC_ECG_WAVC_PWAVE")
    assert read_header(path).groups[0].n_samples == 40


def test_annotations_have_times_and_leads(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(WHOLE)
    table = read_recording(path).annotations.set_index("text", drop=False)
    assert len(table) == 10
    wave = table.loc["MDC_ECG_WAVC_PWAVE"]
    assert (wave["onset"], wave["code"]) == (0.012, "MDC_ECG_WAVC")
    assert wave["duration"] == pytest.approx(0.012)
    beat = table.loc["MDC_ECG_BEAT_NORMAL"]  # from the first of its waves to the last
    assert (beat["onset"], beat["duration"]) == (0.012, pytest.approx(0.048))
    assert table.loc["148 ms", "onset"] == 0.012
    assert table.loc["MDC_ECG_WAVC_TWAVE (end)", "onset"] == pytest.approx(0.06)
    assert (table.loc["57 bpm", "onset"], table.loc["57 bpm", "duration"]) == (0, 0.08)
    assert (table.loc["20 ms", "channel"], beat["channel"]) == (2, -1)
    assert table.loc["MDC_ECG_INTERPRETATION_COMMENT", "code"] == "MDC_ECG_INTERPRETATION_COMMENT"


def test_names_with_a_prefix(write: Any) -> None:
    path = write(series(absolute() + leads()), prefix="hl7")
    assert detect_format(path) == "hl7_aecg"
    assert np.array_equal(read_recording(path).groups[0].digital, SAMPLES)


@pytest.mark.parametrize(
    ("scale", "origin", "step", "zero"),
    [
        ('value="0.00488" unit="mV"', "", 0.00488, 0),
        ('value="4" unit="nV"', 'value="1" unit="uV"', 4, 1000),
        ('value="2" unit="uV"', 'value="-10" unit="uV"', 2, -10),
        ('value="-1.5" unit="mm[Hg]"', 'value="3" unit="mm[Hg]"', -1.5, 3),
    ],
)
def test_origin_and_scale_in_any_unit(
    write: Any, scale: str, origin: str, step: float, zero: float
) -> None:
    (group,) = read_recording(write(series(absolute() + leads(scale=scale, origin=origin)))).groups
    assert group.units[0] == scale.split('"')[3]
    np.testing.assert_allclose(group.physical(), SAMPLES * step + zero, rtol=1e-12, atol=1e-12)


def test_several_series_and_sets_each_with_its_time(write: Any) -> None:
    recording = read_recording(
        write(
            series(
                absolute("20021122091002.5", 'value="10" unit="ms"') + leads(),
                relative('value="500" unit="ms"') + lead("MDC_ECG_LEAD_II", SAMPLES[0]),
                low="20021122091003",
            ),
            series(absolute() + leads(SAMPLES[:, :5])),
        )
    )
    assert recording.start_time == datetime(2002, 11, 22, 9, 10)
    assert [group.segments[0][1] for group in recording.groups] == [2.5, 3.5, 0.0]
    assert [group.sampling_rate for group in recording.groups] == [100, 500, 500]


def test_the_zone_is_stated_beside_the_start(write: Any) -> None:
    recording = read_recording(write(series(absolute("20021122091000.25-0500") + leads())))
    assert recording.start_time == datetime(2002, 11, 22, 9, 10, 0, 250000)
    assert recording.metadata["utc_offset"] == "-0500"
    two = series(absolute("20021122091000-0500") + leads(), low="20021122141000+0000")
    (note,) = read_recording(write(two)).metadata["notes"]
    assert "several zones" in note


def test_missing_leads_are_noted(write: Any) -> None:
    parts = lead("MDC_ECG_LEAD_I", []) + lead("MDC_ECG_LEAD_II", SAMPLES[0])
    recording = read_recording(write(series(absolute() + parts)))
    assert [group.channels for group in recording.groups] == [("II",)]
    assert recording.metadata["notes"] == ["I has no samples: left out"]


@pytest.mark.parametrize(
    ("second", "cause"),
    [
        (SAMPLES[1, :9], "leads on one time axis differ in length: 9 and 40 samples"),
        (["1"] * 200_000, "differ in length: .* and 399999 bytes of samples"),
        (["1", " " * 200_000, "1"], "an element of samples has .* blanks in a row"),
    ],
)
def test_leads_on_one_time_axis_are_equally_long(write: Any, second: Any, cause: str) -> None:
    parts = lead("MDC_ECG_LEAD_V1", second) + lead("MDC_ECG_LEAD_II", SAMPLES[0])
    with pytest.raises(UnreadableFileError, match=cause):
        read_recording(write(series(absolute() + parts)))


def test_floats_stay_floats(write: Any) -> None:
    (group,) = read_recording(
        write(series(absolute() + lead("MDC_ECG_LEAD_I", ["1.5", "-2e1"])))
    ).groups
    assert group.digital.tolist() == [[1.5, -20.0]]


@pytest.mark.parametrize(
    "part",
    [
        "",
        series(absolute()),
        series(leads()),
        series(absolute() + relative() + leads()),
        series(absolute(increment='value="0" unit="s"') + leads()),
        series(absolute(increment='value="1" unit="parsec"') + leads()),
        series(absolute() + leads(scale='value="0" unit="uV"')),
        series(absolute() + leads(scale='value="nan" unit="uV"')),
        series(absolute() + leads(origin='value="1" unit="mm[Hg]"')),
        series(absolute() + lead("MDC_ECG_LEAD_I", ["1", "x"])),
        series(absolute() + lead("MDC_ECG_LEAD_I", [2**40])),
        series(absolute() + leads(), kind="REPRESENTATIVE_BEAT"),
        series(relative('value="-1" unit="s"') + leads()),
    ],
)
def test_what_cannot_be_read_is_one_error(write: Any, part: str) -> None:
    with pytest.raises(UnreadableFileError):
        read_recording(write(part))


def test_a_document_type_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_text(WHOLE.replace("<Anno", '<!DOCTYPE AnnotatedECG SYSTEM "a.dtd"><Anno', 1))
    with pytest.raises(UnreadableFileError, match="document type"):
        read_recording(path)


def planted() -> dict[str, bytes]:
    """Return a file with a name in every text of it."""
    who = f"""<trialSubject><id root="{PLANTED}" extension="{PLANTED}"/><code code="{PLANTED}"/>
<subjectDemographicPerson><name><family>{PLANTED}</family></name><Age>{PLANTED}</Age>
<PatientID>{PLANTED}</PatientID><administrativeGenderCode code="{PLANTED}"/><birthTime
value="{PLANTED}"/></subjectDemographicPerson></trialSubject><investigatorPerson><name>{PLANTED}
</name></investigatorPerson><text>{PLANTED}</text><title>{PLANTED}</title>"""
    device = f"""<author><seriesAuthor><manufacturedSeriesDevice><manufacturerModelName>{PLANTED}
</manufacturerModelName><softwareName>{PLANTED}</softwareName><SerialNumber>{PLANTED}</SerialNumber>
</manufacturedSeriesDevice></seriesAuthor></author><controlVariable><controlVariable><code
code="MDC_ECG_CTL_VBL_ATTR_FILTER_NOTCH"/><component><controlVariable><value>{PLANTED}</value>
</controlVariable></component></controlVariable></controlVariable>"""
    marks = annotations(
        annotation("MDC_ECG_INTERPRETATION_COMMENT", f"<value>{PLANTED}</value>"),
        annotation("MDC_ECG_INTERPRETATION_STATEMENT", f"<value>is {PLANTED}</value>"),
        annotation("OTHER_1", f"<value>{PLANTED}</value>"),
    )
    return {"a.xml": document(who, series(absolute() + leads(), more=device + marks)).encode()}


def test_no_name_leaves_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "a.xml"
    path.write_bytes(planted()[path.name])
    recording = read_recording(path)
    shown = repr(recording) + repr(dict(recording.metadata)) + recording.annotations.to_string()
    assert PLANTED not in shown
    assert len(recording.annotations) == 3


@pytest.mark.parametrize(
    "old", ['code="TIME', 'code="MDC', 'value="0.002', 'value="2.5', ">-", ">"]
)
def test_no_name_is_in_an_error(write: Any, old: str) -> None:
    text = series(absolute() + leads()).replace(old, old[:-1] + PLANTED + old[-1])
    try:
        recording = read_recording(write(text))
    except UnreadableFileError as error:
        shown = str(error)
    else:
        shown = repr(dict(recording.metadata))
    assert PLANTED not in shown
