"""Names of channels in files of hospitals and laboratories, as far as the files say them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import yaml

import physioprep as pp
from physioprep.errors import PhysioprepError
from physioprep.harmonise import UnknownChannelError, harmonise, load_recipe
from physioprep.harmonise.channels import canonical_channel, is_known, modality_of
from physioprep.readers import read_recording
from physioprep.recording import Recording, SignalGroup
from tests.readers import scp_files


@pytest.mark.parametrize(
    ("name", "standard", "modality"),
    [
        ("EKG - ERS100C", "ECG", "ecg"),
        ("ECG - ECG100C", "ECG", "ecg"),
        ("Lead II - ECG100C", "II", "ecg"),
        ("chest strap - ECG100C", "ECG", "ecg"),
        ("EKG – ECG100C-MRI", "ECG", "ecg"),
        ("RESP - RSP100C", "Resp", "resp"),
        ("EDA - GSR100C", "EDA", "gsr"),
        ("Pulse - PPG100C", "PPG", "ppg"),
        ("Fz - EEG100C", "Fz", "eeg"),
        ("ECG, X, RSPEC-R", "ECG", "ecg"),
        ("RSP, Y, RSPEC-R", "Resp", "resp"),
        ("ECG (.5 - 35 Hz)", "ECG", "ecg"),
        ("EMG (30 - 500 Hz)", "EMG", "emg"),
    ],
)
def test_a_name_with_an_amplifier_is_what_it_says(name: str, standard: str, modality: str) -> None:
    assert (canonical_channel(name), modality_of(name, "mV")) == (standard, modality)


@pytest.mark.parametrize(
    "name", ["left - EEG100C", "x - DA100C", "EKG2-CHIN", "EEG, X, EEG2-R", "X", "E1", "EXG 1", "0"]
)
def test_what_does_not_say_it_is_not_guessed(name: str) -> None:
    assert not is_known(name)


def recording(names: list[str], unit: str = "uV", format: str = "table") -> Recording:
    n = len(names)
    wave = np.rint(100 * np.sin(np.arange(2000) / 9))[None] + np.arange(n)[:, None]
    group = SignalGroup(
        tuple(names), (unit,) * n, 250.0, 2000, np.ones(n), np.zeros(n), np.full(n, np.nan),
        digital=wave.astype(np.int16),
    )  # fmt: skip
    return Recording(Path("a"), format, (group,), (Path("a"),))


def test_an_error_names_all_channels_and_prints_lines_that_can_be_pasted(tmp_path: Path) -> None:
    names = ["EXG Channel 0", "EXG Channel 1", "0", 'a "b"']
    with pytest.raises(UnknownChannelError) as error:
        harmonise(recording(names), load_recipe("eeg-200hz"))
    assert all(repr(name) in str(error.value) for name in names)
    (lines,) = re.findall(r"`(aliases: .*?)`", str(error.value))
    assert list(yaml.safe_load(lines)["aliases"]) == names
    for name in ("Fp1", "Fp2", "Cz", "Pz"):
        lines = lines.replace("NAME", name, 1)
    (tmp_path / "mine.yaml").write_text(f"name: mine\nbase: eeg-200hz\n{lines}\n")
    found = harmonise(recording(names), load_recipe(tmp_path / "mine.yaml"))["eeg"]
    assert found.channels == ("Fp1", "Fp2", "Cz", "Pz")


def test_an_error_of_many_channels_is_bounded() -> None:
    with pytest.raises(UnknownChannelError) as error:
        harmonise(recording([f"E{n}" for n in range(1, 258)]), load_recipe("eeg-200hz"))
    assert "(257)" in str(error.value)
    assert "and 193 more" in str(error.value)
    assert len(str(error.value)) < 1500


@pytest.mark.parametrize("format", ["dicom", "hl7_aecg", "ishne", "scp"])
def test_leads_of_a_code_are_those_of_frank_and_easi(format: str) -> None:
    names = ["X", "Y", "Z", "ES", "AS", "AI"]
    found = harmonise(recording(names, format=format), load_recipe("ecg-200hz"))["ecg"]
    assert found.channels == ("Vx", "Vy", "Vz", "E-S", "A-S", "A-I")
    assert found.source_channels == tuple(names)
    with pytest.raises(PhysioprepError, match="unknown channels 'X', 'Y'"):  # axes of a sensor?
        harmonise(recording(names, format="biopac"), load_recipe("ecg-200hz"))


@pytest.mark.parametrize("recipe", ["native", "ecg-200hz"])
def test_frank_leads_of_a_file_are_an_ecg_in_manifest_and_store(
    tmp_path: Path, recipe: str
) -> None:
    samples = np.rint(100 * np.sin(np.arange(3 * 2000) / 40)).astype(int).reshape(3, 2000)
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a.scp").write_bytes(
        scp_files.record(
            {
                1: scp_files.person_tags(every="", last="", id="1", model="AT10"),
                3: scp_files.leads((16, 17, 18), 1, 2000),
                6: scp_files.waveforms([scp_files.plain(row) for row in samples], step_nv=5000),
            }
        )
    )
    assert read_recording(tmp_path / "raw" / "a.scp").groups[0].channels == ("X", "Y", "Z")
    manifest = pp.scan(tmp_path / "raw", "folder")
    assert manifest["modality"][0] == ["ecg"]
    pp.ingest(manifest, tmp_path / "s.zarr", recipe)
    assert pp.open_store(tmp_path / "s.zarr").channels("ecg") == ("Vx", "Vy", "Vz")


@pytest.mark.parametrize("format", ["mff", "egi_raw"])
def test_numbered_electrodes_of_egi_are_eeg_under_their_own_names(format: str) -> None:
    mixed = recording(["E1", "E2", "VREF", "ECG"], format=format)
    native = harmonise(mixed, load_recipe("native"))
    assert {key: group.channels for key, group in native.items()} == {
        "eeg": ("E1", "E2", "VREF"), "ecg": ("ECG",),
    }  # fmt: skip
    assert harmonise(mixed, load_recipe("ecg-200hz"))["ecg"].channels == ("ECG",)
    with pytest.raises(UnknownChannelError, match="'E1', 'E2', 'VREF'"):  # places differ by net
        harmonise(mixed, load_recipe("eeg-200hz"))
    assert set(harmonise(recording(["E1"]), load_recipe("native"))) == {"other"}
