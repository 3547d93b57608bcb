"""What clinical formats do by design is no fault: a calibration pulse, a strip, a late signal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import physioprep as pp
from physioprep.auditing import audit
from tests.auditing.conftest import make_ecg
from tests.readers.test_philips_xml import STANDARD, document, parsed, residuals, xli

RATE_HZ = 500


def philips(folder: Path, *, pulse: bool) -> Path:
    """Write 11 s of twelve leads, of which the last 0.4 s are zeros and a pulse of 1 mV."""
    leads = np.rint(make_ecg(3, 11.0, RATE_HZ) * 200).astype(int)  # steps of 5 µV
    order = ["I", "II", "III", "aVR", "aVL", "aVF", *STANDARD[6:]]
    assert order == STANDARD
    if pulse:
        leads[:, 5300:] = 0
        leads[:, 5350:5450] = 200
    stored = residuals(dict(zip(STANDARD, leads.tolist(), strict=True)))
    # an encoder of differences of 16 bits keeps all of them
    waveforms = parsed(
        xli(stored), 'compressflag="True" compressmethod="XLI" durationperchannel="11000"'
    )
    folder.mkdir(exist_ok=True)
    (folder / "a.xml").write_bytes(document(waveforms))
    return folder


def test_a_calibration_pulse_is_annotated_and_its_samples_are_kept(tmp_path: Path) -> None:
    recording = pp.read_recording(philips(tmp_path / "raw", pulse=True) / "a.xml")
    (row,) = recording.annotations.to_dict("records")
    assert (row["onset"], row["source"], row["text"]) == (10.6, "calibration", "calibration pulse")
    assert row["duration"] == pytest.approx(0.4)
    assert recording.groups[0].n_samples == 5500
    assert recording.groups[0].digital[0, 5400] == 200
    none = pp.read_recording(philips(tmp_path / "raw", pulse=False) / "a.xml")
    assert len(none.annotations) == 0


@pytest.mark.parametrize("recipe", ["native", "ecg-200hz", "files"])
def test_a_calibration_pulse_is_not_judged_as_signal(tmp_path: Path, recipe: str) -> None:
    manifest = pp.scan(philips(tmp_path / "raw", pulse=True), "folder")
    path = pp.write_manifest(manifest, tmp_path / "m.parquet")
    if recipe != "files":
        path = tmp_path / "s.zarr"
        pp.ingest(manifest, path, recipe)
        (name,) = manifest["record_id"]
        rate_hz = {"native": 500, "ecg-200hz": 200}[recipe]
        assert pp.open_store(path).record(name).sizes["time"] == 11 * rate_hz  # none dropped
    report = audit(path)
    said = {one.check for one in report.findings}
    assert said <= {"privacy", "privacy-date", "coarse-resolution"}  # steps of 5 µV
    (ecg,) = report.measured
    assert ecg.duration_s == pytest.approx(10.6)


def test_a_strip_beside_the_whole_recording_is_no_mismatch(
    manifest_of: Callable[..., Path],
) -> None:
    path = manifest_of(
        record_id=["strip", "drift"],
        modality=[["ecg", "ecg"], ["ecg", "eeg"]],
        n_samples=[[5000, 2700]] * 2,
        sampling_rate=[[500.0, 100.0]] * 2,
        channels=[[["I"], ["I"]]] * 2,
        units=[[["mV"], ["mV"]]] * 2,
    )
    found = [one for one in audit(path).findings if one.check == "duration-mismatch"]
    assert [one.records for one in found] == [("drift",)]
    assert "10.0 s and 27.0 s" in found[0].detail


def test_a_signal_that_begins_later_is_no_gap(tmp_path: Path) -> None:
    session = tmp_path / "raw" / "one"
    session.mkdir(parents=True)
    pulse = np.sin(np.arange(64 * 40) / 10).round(3)
    (session / "BVP.csv").write_text("\n".join(map(str, [100.0, 64.0, *pulse])))
    heart = 70 + np.arange(30) % 7  # begins 10 s late, as the device does it
    (session / "HR.csv").write_text("\n".join(map(str, [110.0, 1.0, *heart])))
    pp.ingest(pp.scan(tmp_path / "raw", "folder"), tmp_path / "s.zarr", "native")
    report = audit(tmp_path / "s.zarr")
    assert not {one.check for one in report.findings} & {"gap", "missing-samples"}
    assert {one.modality: one.n_samples for one in report.measured} == {"ppg": 2560, "other": 30}


def test_missing_samples_that_the_file_has_are_a_gap(tmp_path: Path) -> None:
    lead = np.rint(make_ecg(1, 30.0)[1] * 200).astype("<i2")
    lead[: 5 * RATE_HZ] = -32768
    (tmp_path / "raw").mkdir()
    lead.tofile(tmp_path / "raw" / "a.dat")
    (tmp_path / "raw" / "a.hea").write_text(
        f"a 1 {RATE_HZ} {len(lead)}\na.dat 16 200/mV 16 0 -32768 0 0 II\n"
    )
    pp.ingest(pp.scan(tmp_path / "raw", "folder"), tmp_path / "s.zarr", "native")
    found = {one.check for one in audit(tmp_path / "s.zarr").findings}
    assert {"gap", "missing-samples"} <= found
