"""Channel names and units: every name at hand is known, and what is not known is loud."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from physioprep.harmonise.channels import (
    ECG_LEADS,
    MODALITIES,
    UnknownChannelError,
    canonical_channel,
    is_known,
    modality_of,
    order_channels,
)
from physioprep.harmonise.units import UnknownUnitError, factor, is_other_quantity


@pytest.mark.parametrize(
    ("source", "canonical", "modality"),
    [
        ("Right AUX", "Right AUX", "other"),
        ("AUX_LEFT", "AUX_LEFT", "other"),
        ("Accel Channel 0", "Accel Channel 0", "other"),
        ("Digital Channel 3 (D17)", "Digital Channel 3 (D17)", "other"),
        ("lead 2 (spec 1)", "ECG2", "ecg"),
        ("EEG Fp1", "Fp1", "eeg"),
        ("Fc5.", "FC5", "eeg"),
        ("Cz..", "Cz", "eeg"),
        ("Afz.", "AFz", "eeg"),
        ("Iz..", "Iz", "eeg"),
        ("T10.", "T10", "eeg"),
        ("EEG T3", "T7", "eeg"),
        ("T4", "T8", "eeg"),
        ("T5", "P7", "eeg"),
        ("EEG T6-REF", "P8", "eeg"),
        ("EEG FP1-REF", "Fp1", "eeg"),
        ("EEG CZ-LE", "Cz", "eeg"),
        ("EEG F1-Ref", "F1", "eeg"),
        ("EEG T1-REF", "T1", "eeg"),
        ("EEG A2-A1", "A2-A1", "eeg"),
        ("EEG Fpz-Cz", "Fpz-Cz", "eeg"),
        ("EEG (C3-O1)", "C3-O1", "eeg"),
        ("FP1-F7", "Fp1-F7", "eeg"),
        ("T3-C3", "T7-C3", "eeg"),
        ("AFF5h", "AFF5h", "eeg"),
        ("EEG SP1-REF", "Sp1", "eeg"),
        ("i", "I", "ecg"),
        ("DII", "II", "ecg"),
        ("AVR", "aVR", "ecg"),
        ("avl", "aVL", "ecg"),
        ("v6", "V6", "ecg"),
        ("vx", "Vx", "ecg"),
        ("MLII", "MLII", "ecg"),
        ("MCL1", "MCL1", "ecg"),
        ("V", "V", "ecg"),
        ("ECG ECG", "ECG", "ecg"),
        ("Ekg1", "ECG1", "ecg"),
        ("ECG 2", "ECG2", "ecg"),
        ("ECG I", "I", "ecg"),
        ("ECG I filtered", "I-filtered", "ecg"),
        ("EEG EKG1-REF", "ECG1", "ecg"),
        ("ECG EKG-REF", "ECG", "ecg"),
        ("EEG EKG-LE", "ECG", "ecg"),
        ("chest ECG", "ECG", "ecg"),
        ("chest EMG", "EMG chest", "emg"),
        ("wrist BVP", "BVP wrist", "ppg"),
        ("wrist ACC x", "wrist ACC x", "other"),
        ("C3-CS2", "C3", "eeg"),
        ("-", "-", "other"),
        ("--3", "-", "other"),
        (".", "-", "other"),
        ("EMG-LE", "EMG", "emg"),
        ("PHOTIC-LE", "PHOTIC", "other"),
        ("EOG horizontal", "HEOG", "eog"),
        ("hEOG", "HEOG", "eog"),
        ("EEG ROC-REF", "ROC", "eog"),
        ("EMG submental", "EMG submental", "emg"),
        ("EMG-REF", "EMG", "emg"),
        ("RESP", "Resp", "resp"),
        ("Resp (abdominal)", "Resp abdominal", "resp"),
        ("PLETH", "Pleth", "ppg"),
        ("BVP", "BVP", "ppg"),
        ("foot GSR", "GSR foot", "gsr"),
        ("Temp rectal", "Temp rectal", "temp"),
        ("ABP", "ABP", "abp"),
        ("EEG 20-REF", "20", "other"),
        ("EXG1", "EXG1", "other"),
        ("DC1-DC", "DC1", "other"),
        ("PULSE RATE", "PULSE RATE", "other"),
        ("Status", "Status", "other"),
    ],
)
def test_names(source: str, canonical: str, modality: str) -> None:
    assert canonical_channel(source) == canonical
    assert modality_of(source, "") == modality


@pytest.mark.parametrize("source", ["", "col 0", "sig 3, fmt 80", "ch1", "0", "lead", "V99", "EEG"])
def test_a_miss_is_loud(source: str) -> None:
    with pytest.raises(UnknownChannelError, match="aliases"):
        canonical_channel(source)
    assert modality_of(source, "mV") == "other"
    assert not is_known(source)


def test_a_unit_of_another_quantity_beats_the_name() -> None:
    assert modality_of("CP6", "µS") == "other"
    assert modality_of("CP6", "µV") == "eeg"
    assert modality_of("ECG", "NU") == "ecg"


@given(st.text(max_size=24))
def test_any_text_is_answered_and_canonical_names_are_stable(name: str) -> None:
    assert modality_of(name, "") in MODALITIES
    if is_known(name):
        once = canonical_channel(name)
        if is_known(once):
            assert canonical_channel(once) == once


@given(st.permutations([*ECG_LEADS, "MLII", "Vx"]))
def test_the_twelve_leads_come_first_in_order(names: list[str]) -> None:
    ordered = [names[i] for i in order_channels(names, "ecg")]
    assert ordered[:12] == list(ECG_LEADS)
    assert ordered[12:] == [n for n in names if n not in ECG_LEADS]


def test_units() -> None:
    assert factor("uV", "µV") == factor("μV", "µV") == factor("µV", "uV") == 1.0
    assert factor("mv", "µV") == 1000.0
    assert factor("nV", "mV") == 1e-6
    assert factor("V", "mV") == 1000.0
    assert factor("mmHg", "mmHg") == 1.0
    for unit in ("", "NU", "adu", "mmHg", "furlong"):
        with pytest.raises(UnknownUnitError):
            factor(unit, "mV")
    assert is_other_quantity("S")
    assert not is_other_quantity("n/a")


# Names that say nothing: made-up test files, and calibration inputs of an amplifier.
SAYS_NOTHING = {"", "0", "1", "ch1", "col 0", "col 1", "col 2", "0.2Hz Blk 1/0uV", "3Hz +5/-5 V"}


@pytest.mark.realdata
def test_every_name_in_the_real_files_is_known(shared_data: Path) -> None:
    unknown = {name for name in _names(shared_data) if not is_known(name)}
    assert {name for name in unknown if not name.startswith("sig ")} <= SAYS_NOTHING


def _names(folder: Path) -> set[str]:
    names = set()
    for path in folder.rglob("*.hea"):
        for line in path.read_text(errors="replace").splitlines()[1:]:
            fields = line.split()
            if len(fields) > 8 and not line.startswith(("#", "<", "=", ">")):
                names.add(" ".join(fields[8:]))
    for path in [*folder.rglob("*.edf"), *folder.rglob("*.bdf")]:
        head = path.read_bytes()[: 256 * 100]
        n = int(head[252:256])
        names |= {head[256 + 16 * i : 272 + 16 * i].decode("latin1").strip() for i in range(n)}
    return names
