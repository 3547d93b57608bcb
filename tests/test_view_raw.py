"""Pictures of raw files, without a store."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

import physioprep as pp
from physioprep.drawing.mark_line import texts_of
from physioprep.drawing.page import Mark, compose
from physioprep.drawing.signals import Signals
from physioprep.errors import PhysioprepError
from physioprep.recording import Recording, SignalGroup
from physioprep.viewing import raw_file


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


def test_electrodes_of_a_net_are_drawn_as_eeg(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Signals] = []
    monkeypatch.setattr(raw_file, "draw_signals", lambda signals, **_: kept.extend(signals))
    group = SignalGroup(
        ("E1", "E2", "ECG"), ("uV",) * 3, 250.0, 500, np.ones(3), np.zeros(3), np.full(3, np.nan),
        digital=np.ones((3, 500), np.int16),
    )  # fmt: skip
    found = Recording(tmp_path, "mff", (group,), (tmp_path,))
    monkeypatch.setattr(raw_file, "read_recording", lambda _: found)
    raw_file.draw_file(tmp_path)
    assert [(one.modality, one.channels) for one in kept] == [
        ("eeg", ("E1", "E2")),
        ("ecg", ("ECG",)),
    ]


def test_texts_that_would_lie_over_one_another_are_counted() -> None:
    marks = [Mark(0.0, f"measurement {n}", 10.0) for n in range(20)]
    beats = [Mark(1.0, "N"), Mark(1.01, "V"), Mark(5.0, "rhythm")]
    texts = texts_of([*marks, *beats], 0.0)
    assert texts == ["measurement 0 (+19)", *[""] * 19, "N", "V", "rhythm"]


def test_the_line_below_a_short_recording_is_on_the_page(wfdb: Path) -> None:
    figure = raw_file.draw_file(wfdb, duration_s=0.5)
    foot = figure.axes[-1].texts[-1]
    figure.draw_without_rendering()
    edge = figure.bbox.x1
    assert foot.get_window_extent().x1 < edge
    narrow = compose([], 0.5, title="a", footer="a long line about scales; " * 8)
    narrow.draw_without_rendering()
    assert narrow.axes[-1].texts[-1].get_window_extent().x1 < narrow.bbox.x1
    items = ["EEG: 25 mm/s, 5 µV/mm, negative up, as recorded (no re-referencing here)"] * 3
    page = compose([], 10.0, title="a", footer="   ·   ".join(items))
    page.draw_without_rendering()
    foot = page.axes[-1].texts[-1]
    assert foot.get_window_extent().x1 < page.bbox.x1 - page.dpi * 0.2  # within the margin
    lines = foot.get_text().split("\n")
    assert [line.split("   ·   ") for line in lines] == [items[:2], items[2:]]
