"""No text that names people leaves a DICOM file; and the real files, against their values."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep.readers import read_header, read_recording
from physioprep.recording import Recording
from tests.readers.test_dicom import PLANTED as NAME
from tests.readers.test_dicom import SAMPLES, planted


def test_a_name_in_every_field_leaves_the_reader_nowhere(tmp_path: Path) -> None:
    path = tmp_path / "a.dcm"
    path.write_bytes(planted()[path.name])
    assert path.read_bytes().count(NAME.encode()) > 1500
    found, header = read_recording(path), read_header(path)
    everything = repr((found, dict(found.metadata), found.annotations.to_csv(), header))
    assert NAME.lower() not in everything.lower()
    assert found.metadata["statements"] == [{"code": "", "text": "SINUS RHYTHM"}]
    assert (found.metadata["age"], found.metadata["sex"]) == (61.0, "F")
    assert {"id", "name"} <= set(found.metadata["identifying"])
    assert "annotations left out, which name people: 1" in found.metadata["notes"]
    assert np.array_equal(found.groups[0].digital, SAMPLES)


def _values(found: Recording) -> list[tuple[Any, ...]]:
    """Return the groups of a file in its order: rhythms, then median beats."""
    rhythms = [
        (g.channels, g.units, g.sampling_rate, g.digital, g.gain, g.baseline) for g in found.groups
    ]
    beats = found.metadata.get("median_beats", [])
    keys = ("channels", "units", "sampling_rate", "digital", "gain", "baseline")
    return [*rhythms, *[tuple(beat[key] for key in keys) for beat in beats]]


@pytest.mark.realdata
@pytest.mark.parametrize("name", ["_pydicom_waveform_ecg", "ge_muse_12lead_amc.dcm"])
def test_real_files(shared_data: Path, tmp_path: Path, name: str) -> None:
    folder = shared_data / "clinical_formats" / "dicom"
    expected = json.loads((folder / f"{name}.expected.json").read_text())
    path = folder / name
    if name.startswith("_"):
        from pydicom.data import get_testdata_file

        path = tmp_path / "waveform_ecg.dcm"
        shutil.copy(str(get_testdata_file("waveform_ecg.dcm")), path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == expected["sha256"]
    found = read_recording(path)
    assert found.start_time is not None
    assert found.start_time.isoformat() == expected["start_time"]
    assert found.metadata.get("utc_offset", "") == expected["timezone_offset"]
    assert found.metadata["sop_class"] in expected["sop_class"]
    groups = _values(found)
    for (names, units, rate, digital, gain, baseline), right in zip(
        groups, expected["groups"], strict=True
    ):
        assert (rate, digital.shape) == (
            right["sampling_rate_hz"],
            (right["n_channels"], right["n_samples"]),
        )
        for row, channel_ in enumerate(right["channels"]):
            short = channel_["name"].removeprefix("Lead ").removesuffix(" (Einthoven)")
            assert (names[row], units[row]) == (short, channel_["unit"])
            samples = digital[row]
            assert int(samples.sum(dtype=np.int64)) == channel_["digital_sum"]
            sha = hashlib.sha256(samples.astype("<i4").tobytes()).hexdigest()
            assert sha == channel_["digital_sha256_int32le"]
            physical = (samples - baseline[row]) / gain[row]
            step = channel_["physical_per_digital"]
            np.testing.assert_allclose(physical, samples * step, rtol=3e-16)  # the last bit
            assert physical[:5].tolist() == pytest.approx(channel_["first5_physical"], rel=3e-16)
            assert physical.sum() == pytest.approx(channel_["physical_sum"], rel=1e-12)
        if len(names) == 12 and "lead_codes" in found.metadata:
            codes = [each["code"] for each in right["channels"]]
            assert found.metadata["lead_codes"] == codes
    marks, said = found.annotations, found.metadata.get("statements", [])
    n = len(marks) + len(said) + len(found.metadata.get("measurements", {}))
    assert n == expected["n_annotations"]
    texts = [each["text"] for each in expected["first3_annotations"] if "text" in each]
    assert [each["text"] for each in said] == texts
    if texts:
        assert found.metadata["measurements"]["rr_ms"] == 982.0
        assert (found.metadata["age"], found.metadata["sex"]) == (42.0, "F")
        assert "642341" not in repr((found.metadata, found.annotations.to_csv()))
