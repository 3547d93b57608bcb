"""Physical values to the last bit where a file states the size of a digital step."""

import json
from pathlib import Path

import numpy as np
import pytest

import physioprep as pp
from physioprep.recording import SignalGroup


def group(step: float, digital: list[int], offset: float = 0.0) -> SignalGroup:
    return SignalGroup(
        channels=("I",), units=("uV",), sampling_rate=500.0, n_samples=len(digital),
        gain=np.array([1 / step]), baseline=np.array([-offset / step]),
        invalid=np.array([-32768.0]), digital=np.array([digital], np.int16),
        steps=np.array([step]), offsets=np.array([offset]),
    )  # fmt: skip


def test_a_step_is_multiplied_and_not_divided_by_its_inverse() -> None:
    digital = list(range(-3000, 3000))
    found = group(4.88, digital).physical()[0]
    assert found.tolist() == [n * 4.88 for n in digital]
    divided = np.array(digital) / (1 / 4.88)
    assert (found != divided).any()  # else this test would prove nothing


def test_offsets_and_missing_samples() -> None:
    found = group(0.5, [2, -32768, 4], 10.0).physical()[0]
    np.testing.assert_array_equal(found, [11.0, np.nan, 12.0])
    np.testing.assert_allclose(group(0.5, [2, 4], 10.0).physical(np.float32)[0], [11, 12])


@pytest.mark.realdata
@pytest.mark.parametrize(
    "name",
    ["dicom/ge_muse_12lead_amc.dcm", "ishne/lifecard_holter.ecg", "scp/demo_uncompressed.scp"],
)
def test_the_ends_of_real_files_are_exactly_the_expected_values(
    shared_data: Path, name: str
) -> None:
    path = shared_data / "clinical_formats" / name
    expected = json.loads(Path(f"{path}.expected.json").read_text())["groups"][0]["channels"]
    (first, *_) = pp.read_recording(path).groups
    for row, channel in zip(first.physical(), expected, strict=True):
        assert row[:5].tolist() == channel["first5_physical"]
        assert row[-5:].tolist() == channel["last5_physical"]
