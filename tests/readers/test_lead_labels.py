"""A label of a lead or a stream that holds the person's name is replaced, all others stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from physioprep.readers import read_recording
from tests.readers import mff_files as mff
from tests.readers import test_cardiosoft_xml as cardiosoft
from tests.readers import test_muse_xml as muse
from tests.readers import test_philips_xml as philips
from tests.readers import test_xdf as xdf

NAME = "Zqfamily"
DISCLOSED = cardiosoft.disclosure(cardiosoft.seconds_in_turn(cardiosoft.FULL))


def of_muse() -> bytes:
    who = f"<PatientDemographics><PatientLastName>{NAME}</PatientLastName></PatientDemographics>"
    text = muse.document(who, muse.rhythm(), muse.median())
    return text.replace("<LeadID>V3<", f"<LeadID>{NAME}<").encode("latin-1")


def of_cardiosoft() -> bytes:
    strip = cardiosoft.waves("StripData", cardiosoft.STRIP).replace('"V1"', f'"{NAME} 1"')
    texts = cardiosoft.TEXTS.replace("Smith", NAME)
    disclosed = DISCLOSED.replace("II,III,V1", f"II,III,{NAME} 1")
    return cardiosoft.document(cardiosoft.TIME, texts, strip, disclosed).encode("latin-1")


def of_philips() -> bytes:
    labels = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", NAME, "V3", "V4", "V5", "V6")
    about = f'compression="XLI" leadlabels="{" ".join(labels)}" durationperchannel="1000"'
    samples = philips.parsed(philips.xli(philips.residuals(philips.LEADS)), about)
    beat = (
        f'<repbeat leadname="{NAME}" duration="6">{philips.coded(philips.BEAT.tobytes())}</repbeat>'
    )
    beats = (
        f'<repbeats dataencoding="Base64" samplespersec="1000" resolution="2.5">{beat}</repbeats>'
    )
    return philips.document(samples, last=NAME, more=beats)


def of_xdf() -> bytes:
    subject = f"<subject><name>Anna {NAME}</name></subject>"
    desc = xdf.DESC.replace("</desc>", f"{subject}</desc>").replace("<label>C3<", f"<label>{NAME}<")
    eeg = xdf.header(7, f"EEG of {NAME}", "EEG", 2, 100.0, "int16", desc)
    return xdf.WHOLE.replace(xdf.EEG, eeg)


MADE = {
    "a.muse.xml": (of_muse, "lead-1"),
    "a.cardiosoft.xml": (of_cardiosoft, "lead-1"),
    "a.philips.xml": (of_philips, "lead-1"),
    "a.xdf": (of_xdf, "stream-1"),
}


@pytest.mark.parametrize("name", MADE)
def test_a_label_that_holds_a_name_of_the_file_is_replaced(tmp_path: Path, name: str) -> None:
    make, instead = MADE[name]
    path = tmp_path / name
    path.write_bytes(make())
    assert NAME.encode() in path.read_bytes().replace(b"\0", b"")
    found = read_recording(path)
    said = repr((found, found.metadata, found.annotations.to_dict()))
    assert NAME.lower() not in said.lower()
    assert instead in said
    assert any("they hold a name of the file" in note for note in found.metadata["notes"])
    labels = [label for group in found.groups for label in group.channels]
    assert len(labels) > sum(label.startswith(("lead-", "channel-")) for label in labels)


def test_a_lead_keeps_its_name_whoever_is_called_so(tmp_path: Path) -> None:
    who = "<PatientDemographics><PatientLastName>II</PatientLastName><PatientFirstName>V3"
    who += "</PatientFirstName></PatientDemographics>"
    path = tmp_path / "a.xml"
    path.write_bytes(muse.document(who, muse.rhythm()).encode("latin-1"))
    assert read_recording(path).groups[0].channels == muse.LEADS


def test_labels_of_mff_are_replaced_too(tmp_path: Path) -> None:
    subject = mff.SUBJECT.replace(f"Name</name><data>{mff.PLANTED}", f"Name</name><data>{NAME}")
    pns = mff.xml("PNSSet", mff.sensors((f"{NAME} ECG",), (0,), f"<unit>{NAME}</unit>"))
    folder = tmp_path / "a.mff"
    folder.mkdir()
    for name, content in mff.files(**{"subject.xml": subject, "pnsSet.xml": pns}).items():
        (folder / name).write_bytes(content)
    found = read_recording(folder)
    assert NAME not in repr((found, found.metadata, found.annotations.to_dict()))
    channels = [label for group in found.groups for label in group.channels]
    assert channels[-1] == "channel-1"
    assert channels[:2] == ["E1", "E2"]
    assert any("2 labels replaced" in note for note in found.metadata["notes"])
