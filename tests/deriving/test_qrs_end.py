"""A QRS that goes on behind the end that was found has no duration and no ST, and says why."""

from pathlib import Path

import numpy as np
import pytest
import wfdb

from physioprep.deriving.pieces import in_memory
from physioprep.deriving.qrs_end import REASON
from physioprep.deriving.record import Rows, add_record
from tests.deriving.heart import RATE_HZ, drawn_ecg


def widened(share: float) -> np.ndarray:
    """Two leads whose first beats have a slow second half of QRS, 60 to 150 ms behind R."""
    signal, r_s = drawn_ecg(30.0, 0.8, 1.0, 3)
    time = np.arange(len(signal)) / RATE_HZ
    for at in r_s[: round(share * len(r_s))]:
        signal = signal - 1.6 * np.exp(-0.5 * ((time - at - 0.10) / 0.022) ** 2)
    return np.stack([signal, 0.6 * signal])


def rows_of(signal: np.ndarray, leads: tuple[str, ...], rate_hz: float) -> Rows:
    rows = Rows()
    add_record(rows, in_memory({"corpus": "a", "record_id": "b"}, signal, leads, rate_hz))
    return rows


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_wide_beats_are_null_and_a_record_of_them_too(share: float) -> None:
    rows = rows_of(widened(share), ("II", "V5"), RATE_HZ)
    st = np.array(rows.beats["st_j60_mv"])
    wide = np.array([reason == REASON for reason in rows.beats["reason"]])
    assert wide.mean() == pytest.approx(share, abs=0.06)
    assert np.isnan(st[wide]).all()
    assert np.isnan(np.array(rows.beats["qrs_offset_s"])[wide]).all()
    assert np.isfinite(np.array(rows.beats["qrs_onset_s"])[wide]).any() == (share > 0)
    if share < 1:
        assert np.isfinite(st[~wide]).all()
        assert rows.leads["reason"] == [None, None]
        assert abs(rows.leads["st_j60_mv"][0]) < 0.05
        assert rows.records["reason"] == [None]
    else:
        assert rows.leads["reason"] == [REASON, REASON]
        assert np.isnan(rows.leads["st_j80_mv"]).all()
        assert np.isnan(rows.records["qrs_ms"]).all()
        assert rows.records["reason"] == [REASON]
        assert np.isfinite(rows.records["heart_rate_bpm"]).all()


@pytest.mark.realdata
@pytest.mark.parametrize(("record", "is_wide"), [("102", True), ("114", False)])
def test_paced_beats_have_no_st(shared_data: Path, record: str, is_wide: bool) -> None:
    held = wfdb.rdrecord(str(shared_data / "mitdb" / record), sampto=360 * 40)
    rows = rows_of(held.p_signal.T, tuple(held.sig_name), 360.0)
    assert (rows.leads["reason"] == [REASON, REASON]) == is_wide
    assert np.isnan(rows.records["qrs_ms"][0]) == is_wide


@pytest.mark.realdata
def test_ends_of_ludb_are_ends(shared_data: Path) -> None:
    for name in ("3", "23", "60"):  # 23: a QRS of 146 ms, whose end is found 49 ms early
        held = wfdb.rdrecord(str(shared_data / "ludb" / "data" / name))
        leads = tuple(lead.upper() for lead in held.sig_name)
        rows = rows_of(held.p_signal.T, leads, 500.0)
        assert REASON not in rows.leads["reason"]


def test_qrs_of_a_record_is_that_of_all_leads_that_are_alike() -> None:
    """Two leads see a part of QRS each; a third one is noise, whose ends do not count."""
    first, r_s = drawn_ecg(30.0, 0.8, 1.0, 3)
    time, second = np.arange(len(first)) / RATE_HZ, 0.5 * first
    for at in r_s:
        first = first + 0.6 * np.exp(-0.5 * ((time - at + 0.035) / 0.008) ** 2)
        second = second - 0.7 * np.exp(-0.5 * ((time - at - 0.045) / 0.008) ** 2)
    noise = np.random.default_rng(1).normal(0, 0.3, len(first))
    alone = rows_of(np.stack([first, second]), ("II", "V5"), RATE_HZ)
    both = alone.records["qrs_ms"][0]
    assert both > max(alone.leads["qrs_ms"]) + 5
    onset, offset = (
        np.array(alone.beats[f"qrs_{end}_s"]).reshape(2, -1) for end in ("onset", "offset")
    )
    outer = np.nanmax(offset, axis=0) - np.nanmin(onset, axis=0)
    inner = np.nanmin(offset, axis=0) - np.nanmax(onset, axis=0)
    spans = 1000 * (0.9 * outer + 0.1 * inner)
    assert both == pytest.approx(np.nanmedian(spans))
    four = np.stack([first, second, first, second])
    without = rows_of(four, ("II", "V5", "I", "V6"), RATE_HZ)
    noisy = rows_of(np.vstack([four, noise]), ("II", "V5", "I", "V6", "V1"), RATE_HZ)
    assert noisy.leads["reason"][4] is not None
    assert noisy.records["qrs_ms"] == without.records["qrs_ms"]
