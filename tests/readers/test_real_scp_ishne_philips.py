"""Every SCP-ECG, ISHNE and Philips file of the real recordings, against its expected values."""

from __future__ import annotations

import hashlib
import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep.readers import detect_format, read_header, read_recording

pytestmark = pytest.mark.realdata

FILES = {
    "ishne": ["ishne/lifecard_holter.ecg"],
    "scp": [
        "scp/demo_uncompressed.scp",
        "scp/ecgtoolkit_example.scp",
        "scp/welch_allyn_2017_test.scp",
    ],
    "philips_xml": [
        "philips_sierra_xml/philips_1.03_129DYPRG.xml",
        "philips_sierra_xml/philips_1.03_repbeats_example.xml",
        "philips_sierra_xml/philips_1.04_zzdemoptonly.xml",
    ],
}


@pytest.mark.parametrize(
    ("format", "name"), [(format, name) for format, names in FILES.items() for name in names]
)
def test_values(shared_data: Path, format: str, name: str) -> None:
    path = shared_data / "clinical_formats" / name
    expected = json.loads(Path(f"{path}.expected.json").read_text())
    assert detect_format(path) == format
    recording, header = read_recording(path), read_header(path)
    assert recording.start_time == header.start_time
    assert recording.start_time == datetime.fromisoformat(expected["start_time"])
    for group, described, wanted in zip(
        recording.groups, header.groups, expected["groups"], strict=True
    ):
        assert group.sampling_rate == described.sampling_rate == wanted["sampling_rate_hz"]
        assert group.channels == described.channels
        assert group.n_samples == described.n_samples == wanted["n_samples"]
        physical = group.physical()
        for row, channel in enumerate(wanted["channels"]):
            _check(group, row, physical[row], channel)
    statements = [each["text"] for each in recording.metadata.get("statements", ())]
    if "first3_annotations" in expected:
        assert len(statements) == expected["n_annotations"]
        for said, first in zip(statements, expected["first3_annotations"], strict=False):
            assert said.startswith(first)
    else:
        assert len(recording.annotations) == expected["n_annotations"]
    has_beats = expected.get("n_repbeats", 0) > 0 or "5" in expected.get("sections", ())
    assert len(recording.metadata.get("median_beats", ())) == has_beats


def _check(group: Any, row: int, physical: Any, wanted: dict[str, Any]) -> None:
    digital = group.digital[row]
    assert group.channels[row] == wanted["name"]
    assert group.units[row] == wanted["unit"]
    assert digital[:5].tolist() == wanted["first5_digital"]
    assert digital[-5:].tolist() == wanted["last5_digital"]
    assert digital.sum(dtype=np.int64) == wanted["digital_sum"]
    assert (digital.min(), digital.max()) == (wanted["digital_min"], wanted["digital_max"])
    raw = digital.astype("<i4").tobytes()
    assert hashlib.sha256(raw).hexdigest() == wanted["digital_sha256_int32le"]
    assert 1 / group.gain[row] == pytest.approx(wanted["physical_per_digital"], rel=1e-15)
    assert group.baseline[row] == 0
    np.testing.assert_allclose(physical[:5], wanted["first5_physical"], rtol=1e-15)
    np.testing.assert_allclose(physical[-5:], wanted["last5_physical"], rtol=1e-15)
    assert math.isclose(physical.sum(), wanted["physical_sum"], rel_tol=1e-9)
    assert (physical.min(), physical.max()) == pytest.approx(
        (wanted["physical_min"], wanted["physical_max"]), rel=1e-15
    )


@pytest.mark.parametrize("name", FILES["philips_xml"])
def test_limb_leads_of_philips_are_sums_but_for_the_calibration_pulse(
    shared_data: Path, name: str
) -> None:
    recording = read_recording(shared_data / "clinical_formats" / name)
    (group,) = recording.groups
    assert group.channels[:6] == ("I", "II", "III", "aVR", "aVL", "aVF")
    one, two, three, right, left, foot = group.digital[:6, :5350].astype(int)
    assert np.abs(two - one - three).max() <= 2  # steps of 5 µV
    assert np.abs(2 * right + one + two).max() <= 4
    assert np.abs(2 * left - one + three).max() <= 4
    assert np.abs(2 * foot - two - three).max() <= 4
    assert (group.digital[:, 5350:] == group.digital[0, 5350:]).all()  # 1 mV, then zeros
    assert group.digital[0, 5350:5450].tolist() == [200] * 100
    begin = "10.6" if "1.04" in name else "10.528"  # zeros stand before it, too
    assert recording.metadata["notes"][0].startswith(
        f"from {begin} s on all leads are alike: zeros"
    )
