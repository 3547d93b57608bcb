"""Pictures of raw files, without a store."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

import physioprep as pp
from physioprep.errors import PhysioprepError
from physioprep.viewing import raw_file
from physioprep.viewing.record import Signals


@pytest.fixture
def wfdb(tmp_path: Path) -> Path:
    lines = "a.dat 16 200/mV 16 0 0 0 0 II\na.dat 16 1/bpm 16 0 0 0 0 HR\n"
    (tmp_path / "a.hea").write_text(f"a 2 250 1000\n{lines}")
    values = np.stack([200 * np.sin(np.arange(1000) / 20), np.full(1000, 60)], axis=1)
    values[100:200, 0] = -32768
    (tmp_path / "a.dat").write_bytes(values.astype("<i2").tobytes())
    return tmp_path / "a.hea"


def test_a_raw_file_is_drawn(wfdb: Path, tmp_path: Path) -> None:
    drawn = pp.view(wfdb, None, tmp_path / "a.png", duration_s=2.0)
    assert matplotlib.image.imread(drawn).std() > 0


def test_samples_are_physical_and_missing_ones_are_not_drawn(
    wfdb: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Signals] = []
    monkeypatch.setattr(raw_file, "draw_signals", lambda signals, **_: kept.extend(signals))
    raw_file.draw_file(wfdb, start_s=0.2, duration_s=1.0)
    assert [(one.modality, one.channels, one.units) for one in kept] == [("ecg", ("II",), "mV")]
    expected = np.sin(np.arange(50, 300) / 20)
    assert np.isnan(kept[0].values[0, 50:150]).all()
    np.testing.assert_allclose(kept[0].values[0, 150:], expected[150:], atol=0.006)


def test_nothing_there_and_a_store_without_a_record_are_errors(wfdb: Path, tmp_path: Path) -> None:
    with pytest.raises(PhysioprepError, match="no modality 'eeg'"):
        pp.view(wfdb, None, tmp_path / "a.png", modality="eeg")
    with pytest.raises(PhysioprepError, match="nothing at 90 s"):
        pp.view(wfdb, None, tmp_path / "a.png", start_s=90)
    raw = tmp_path / "raw"
    raw.mkdir()
    for name in ("a.hea", "a.dat"):
        (tmp_path / name).rename(raw / name)
    pp.ingest(pp.scan(raw, "folder"), tmp_path / "s.zarr", recipe="native")
    with pytest.raises(PhysioprepError, match="a store; name a record"):
        pp.view(tmp_path / "s.zarr", None, tmp_path / "a.png")
