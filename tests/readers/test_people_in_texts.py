"""The person's own id and birth date in the texts of a clinical file are not handed on."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from physioprep.readers import read_recording
from tests.readers import test_cardiosoft_xml as cardiosoft
from tests.readers import test_dicom as dicom
from tests.readers import test_hl7_aecg as hl7
from tests.readers import test_muse_xml as muse
from tests.readers import test_philips_xml as philips
from tests.readers import test_scp_texts as scp
from tests.readers.dicom_file import as_file, code, multiplex, recording
from tests.readers.test_scp_texts import bodies, record, report, text

ID, BORN = "7712399", "02-03-1951"
#: With the id, with the birth date, and with neither.
SAID = (f"see {ID} here", f"patient of {BORN}", "Sinus rhythm")


def of_muse() -> bytes:
    texts = "".join(
        f"<DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag><StmtText>{each}</StmtText>"
        "</DiagnosisStatement>"
        for each in SAID
    )
    who = f"""<PatientDemographics><PatientID>{ID}</PatientID><DateofBirth>{BORN}</DateofBirth>
    <PatientLastName>Zqfamily</PatientLastName></PatientDemographics><TestDemographics>
    <AcquisitionDevice>b 1951-02-03</AcquisitionDevice></TestDemographics>"""
    return muse.document(who, f"<Diagnosis>{texts}</Diagnosis>", muse.rhythm()).encode("latin-1")


def of_philips() -> bytes:
    statements = "".join(
        f"<statement><leftstatement>{left}</leftstatement><rightstatement>{right}</rightstatement>"
        "</statement>"
        for left, right in ((SAID[0], "x"), ("x", SAID[1]), (SAID[2], ""))
    )
    content = philips.document(philips.COMPRESSED, id=ID, statement="STATEMENTS").decode()
    before, _, after = content.partition("<statement>")
    content = f"{before}{statements}<statement>{after}"
    return content.replace("1950-03-01", "1951-02-03").encode()


def of_hl7() -> bytes:
    who = f"""<trialSubject><id root="1" extension="{ID}"/><subjectDemographicPerson><birthTime
    value="19510203"/></subjectDemographicPerson></trialSubject>"""
    marks = hl7.annotations(
        *(
            hl7.annotation(
                "MDC_ECG_INTERPRETATION_STATEMENT", f'<value xsi:type="ST">{each}</value>'
            )
            for each in SAID
        )
    )
    wave = hl7.series(hl7.absolute() + hl7.leads(), more=marks)
    return hl7.document(who, wave).encode()


def of_cardiosoft() -> bytes:
    who = f"""<PatientInfo><PID>{ID}</PID><BirthDateTime><Month>2</Month><Day>3</Day>
    <Year>1951</Year></BirthDateTime></PatientInfo>"""
    said = "".join(
        f"<Diagnosis><DiagnosisText>{each}</DiagnosisText></Diagnosis>"
        f"<Conclusion><ConclusionText>{each}</ConclusionText></Conclusion>"
        for each in SAID
    )
    beats = "".join(f'<Time units="ms">100</Time><BeatClass>{each}</BeatClass>' for each in SAID)
    strip = cardiosoft.waves(
        "StripData", cardiosoft.STRIP, f"<ArrhythmiaResults>{beats}</ArrhythmiaResults>"
    )
    return cardiosoft.document(who, f"<Interpretation>{said}</Interpretation>", strip).encode(
        "latin-1"
    )


def of_dicom() -> bytes:
    def measured(concept: str) -> list[Any]:
        unit = (0x40, 0x8EA, "SQ", [code("ms", "UCUM", "ms")])
        return [(0x40, 0xA043, "SQ", [code("1", "L", concept)]), unit, (0x40, 0xA30A, "DS", "9")]

    items = [[(0x70, 6, "ST", each)] for each in SAID]
    items += [measured(each) for each in (f"id {ID}", "b 1951-02-03", "QRS Duration")]
    more = [
        (8, 0x1090, "LO", "b 1951-02-03"), (0x18, 0x1020, "LO", "3.2.51"),
        (0x10, 0x20, "LO", ID), (0x10, 0x30, "DA", "19510203"), (0x40, 0xB020, "SQ", items),
    ]  # fmt: skip
    return as_file(recording([multiplex(dicom.SAMPLES, dicom.TWO)], more))


def of_scp() -> bytes:
    who = scp.person_tags(last="Zqfamily", first="Ada", id=ID, model="AT10")
    born = struct.pack("<BHHBB", 5, 4, 1951, 2, 3)
    who = born + who
    return record(bodies(s1=who, s8=report([text(each) for each in SAID])))


WRITTEN = {
    **{"muse_xml": of_muse, "philips_xml": of_philips, "hl7_aecg": of_hl7},
    **{"cardiosoft_xml": of_cardiosoft, "dicom": of_dicom, "scp": of_scp},
}


@pytest.mark.parametrize("format", WRITTEN)
def test_id_and_birth_date_are_in_no_text(format: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{format}"
    path.write_bytes(WRITTEN[format]())
    found = read_recording(path)
    assert found.format == format
    shown = repr((found, dict(found.metadata))) + found.annotations.to_csv()
    for each in (ID, BORN, "1951-02-03", "19510203", "3.2.51", "b_195"):
        assert each not in shown
    assert "Sinus rhythm" in shown
    assert {"id", "birth date"} <= set(found.metadata["identifying"])
    if format == "dicom":
        assert found.metadata["measurements"] == {"qrs_ms": 9.0}
    if format == "cardiosoft_xml":
        assert found.annotations["text"].tolist() == ["Sinus rhythm"]
