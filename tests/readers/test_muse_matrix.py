"""The measurement matrix of MUSE, made here, and in real files as their median beats say."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest

from physioprep.readers import read_recording
from physioprep.readers.muse_matrix import LEADS, NAMES, read_matrix
from tests.readers.test_muse_xml import document, rhythm

VALUES = np.arange(12 * 53).reshape(12, 53) - 300


def matrix(values: np.ndarray = VALUES) -> bytes:
    words = np.zeros((12, 53, 2), "<i2")
    words[..., 0] = np.arange(53) * 256 + np.arange(12)[:, None]
    words[..., 1] = values
    return bytes(36) + words.tobytes()


def element(raw: bytes) -> str:
    text = base64.encodebytes(raw).decode()
    inner = f"<MeasurementMatrix>{text}</MeasurementMatrix>"
    return f"<RestingECGMeasurements>{inner}</RestingECGMeasurements>"


def metadata(folder: Path, raw: bytes) -> dict[str, object]:
    path = folder / "a.xml"
    path.write_text(document(element(raw), rhythm()))
    return dict(read_recording(path).metadata)


def test_each_lead_has_its_items(tmp_path: Path) -> None:
    found = metadata(tmp_path, matrix())["lead_measurements"]
    assert isinstance(found, dict)
    assert tuple(found) == LEADS
    assert {name: found["V1"][name] for name in NAMES} == {
        name: int(VALUES[2, item]) for name, item in NAMES.items()
    }


@pytest.mark.parametrize("raw", [matrix()[:-2], bytes(len(matrix())), b"x"])
def test_another_layout_is_not_read(tmp_path: Path, raw: bytes) -> None:
    found = metadata(tmp_path, raw)
    assert "lead_measurements" not in found
    assert found["not_read"] == ["MeasurementMatrix"]


def test_what_is_no_base64_is_not_read() -> None:
    assert read_matrix("é") == read_matrix("A") == {}


@pytest.mark.realdata
def test_amplitudes_are_those_of_the_median_beat(shared_data: Path) -> None:
    for path in sorted((shared_data / "clinical_formats/muse_xml").glob("*.xml")):
        about = read_recording(path).metadata
        (beat,) = about["median_beats"]
        on, off, begin, end, last = (
            about["measurements"][f"{name}_sample"]
            for name in ("q_onset", "q_offset", "p_onset", "p_offset", "t_offset")
        )
        waves = dict(zip(beat["channels"], beat["digital"] * 4.88, strict=True))
        waves["III"] = waves["II"] - waves["I"]
        waves["aVR"] = -(waves["I"] + waves["II"]) / 2
        waves["aVL"], waves["aVF"] = waves["I"] - waves["II"] / 2, waves["II"] - waves["I"] / 2
        for lead, said in about["lead_measurements"].items():
            wave = waves[lead] - waves[lead][on]
            assert said["p_onset_uv"] == pytest.approx(wave[begin], abs=5), lead
            assert said["j_uv"] == pytest.approx(wave[off], abs=5), lead
            up, down = wave[on:off].max(), -wave[on:off].min()
            highest = max(said["r_uv"], said["r2_uv"])
            lowest = max(said["q_uv"], said["s_uv"], said["s2_uv"])
            assert highest == pytest.approx(up, abs=5) or up < 50  # smaller ones are no waves
            assert lowest == pytest.approx(down, abs=5) or down < 50
            assert said["p_ms"] <= 2 * (end - begin) + 4
            if said["t_uv"] > 80:
                assert said["t_uv"] == pytest.approx(wave[off:last].max(), abs=5), lead
