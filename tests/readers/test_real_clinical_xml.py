"""Every real file of GE MUSE, CardioSoft and HL7 aECG, against values of other implementations."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep.readers import read_header, read_recording
from physioprep.recording import Recording

pytestmark = pytest.mark.realdata


def _rows(recording: Recording, expected: dict[str, Any]) -> tuple[Any, list[Any], float]:
    """Return channels, rows of digital and physical samples, and rate of an expected group."""
    name, n = expected["name"].lower(), expected["n_samples"]
    if name in ("median", "derived"):
        beat = next(b for b in recording.metadata["median_beats"] if b["digital"].shape[1] == n)
        digital, gain = beat["digital"], np.array(beat["gain"])
        baseline = np.array(beat.get("baseline", np.zeros(len(gain))))
        rows = list(zip(digital, (digital - baseline[:, None]) / gain[:, None], strict=True))
        return (beat["channels"], beat["units"]), rows, beat["sampling_rate"]
    group = next(g for g in recording.groups if g.n_samples == n)
    rows = list(zip(group.digital, group.physical(), strict=True))
    return (list(group.channels), list(group.units)), rows, group.sampling_rate


@pytest.mark.parametrize("format", ["muse_xml", "cardiosoft_xml", "hl7_aecg"])
def test_every_file_against_its_expected_values(shared_data: Path, format: str) -> None:
    files = sorted((shared_data / "clinical_formats" / format).glob("*.xml"))
    assert files
    for path in files:
        expected = json.loads(Path(f"{path}.expected.json").read_text())
        recording, header = read_recording(path), read_header(path)
        assert recording.format == header.format == format
        start = expected["start_time"]
        assert recording.start_time == (datetime.fromisoformat(start) if start else None)
        assert len(recording.groups) + len(recording.metadata["median_beats"]) == len(
            expected["groups"]
        )
        of_beats = sum(len(b.get("annotations", ())) for b in recording.metadata["median_beats"])
        n_expected = expected["n_annotations"] + _EXTRA.get(path.name, 0)
        assert len(recording.annotations) + of_beats == n_expected
        for group in expected["groups"]:
            (channels, units), rows, rate_hz = _rows(recording, group)
            assert rate_hz == group["sampling_rate_hz"]
            assert channels == [each["name"] for each in group["channels"]]
            assert units == [each["unit"] for each in group["channels"]]
            assert len(rows) == group["n_channels"] == len(group["channels"])
            for each, (digital, physical) in zip(group["channels"], rows, strict=True):
                _compare(each, digital, physical)


#: Annotations beside those that were counted: events of the full disclosure.
_EXTRA = {"ukb_cardiosoft_scrubbed.xml": 11}


def _compare(expected: dict[str, Any], digital: Any, physical: Any) -> None:
    assert len(digital) == expected["n_samples"]
    assert digital[:5].tolist() == expected["first5_digital"]
    assert digital[-5:].tolist() == expected["last5_digital"]
    assert (digital.min(), digital.max()) == (expected["digital_min"], expected["digital_max"])
    assert digital.sum(dtype=np.int64) == expected["digital_sum"]
    hashed = hashlib.sha256(digital.astype("<i4").tobytes()).hexdigest()
    assert hashed == expected["digital_sha256_int32le"]
    step, offset = expected["physical_per_digital"], expected["offset_physical"]
    np.testing.assert_allclose(physical, digital * step + offset, rtol=4e-16, atol=0)
    np.testing.assert_allclose(physical[:5], expected["first5_physical"], rtol=4e-16)
    np.testing.assert_allclose(physical[-5:], expected["last5_physical"], rtol=4e-16)
    assert physical.min() == pytest.approx(expected["physical_min"], rel=1e-15)
    assert physical.max() == pytest.approx(expected["physical_max"], rel=1e-15)
    assert physical.sum() == pytest.approx(expected["physical_sum"], rel=1e-12)


def test_first_beats_of_muse(shared_data: Path) -> None:
    for path in sorted((shared_data / "clinical_formats/muse_xml").glob("*.xml")):
        expected = json.loads(Path(f"{path}.expected.json").read_text())["first3_annotations"]
        table = read_recording(path).annotations.head(3)
        found = [
            [num, subtype, round(onset * 1000)]
            for num, subtype, onset in zip(
                table["num"], table["subtype"], table["onset"], strict=True
            )
        ]
        assert found == expected
