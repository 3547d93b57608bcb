"""A record of any length is read piece by piece, and has the rows of the whole."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from physioprep.deriving import eeg
from physioprep.deriving.pieces import Recorded, in_memory, pieces
from physioprep.deriving.record import Rows, add_record
from physioprep.deriving.variability import _powers
from tests.deriving.heart import RATE_HZ, drawn_ecg

KEY = {"corpus": "a", "record_id": "b"}
PIECE_S = 20.0


def short_pieces(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("physioprep.deriving.pieces.PIECE_S", PIECE_S)
    patch.setattr("physioprep.deriving.eeg.PIECE_S", PIECE_S)
    patch.setattr("physioprep.shards.peaks._PIECE_S", PIECE_S)


def tables(recorded: Recorded) -> dict[str, pd.DataFrame]:
    rows = Rows()
    add_record(rows, recorded)
    return {name: pd.DataFrame(columns) for name, columns in vars(rows).items()}


def test_pieces_have_the_rows_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times to 4 ms, amplitudes to 10 µV; R peaks, medians over beats of them, to the sample."""
    signal = np.stack([drawn_ecg(100.0, gain=gain, seed=n)[0] for n, gain in enumerate((1, 0.5))])
    signal[1, 20_000:22_000] = np.nan
    recorded = in_memory(KEY, signal, ("II", "V1"), RATE_HZ)
    whole = tables(recorded)
    short_pieces(monkeypatch)
    assert len(list(pieces(signal.shape[1], RATE_HZ))) == 5
    found = tables(recorded)
    for name, limit in (("beats", 0.004), ("leads", 4.0), ("records", 4.0)):
        texts = whole[name].select_dtypes(exclude="number")
        pd.testing.assert_frame_equal(found[name][texts.columns], texts)
        numbers = whole[name].select_dtypes("number")
        amplitudes = [column for column in numbers if column.endswith("_mv")]
        others = numbers.columns.difference(amplitudes)
        for columns, atol in ((amplitudes, 0.01), (others, limit)):
            pd.testing.assert_frame_equal(
                found[name][columns], numbers[columns], atol=atol, rtol=0, check_like=True
            )
    assert found["beats"]["r_sample"].equals(whole["beats"]["r_sample"])
    for one, two in zip(
        found["median_beats"]["median_mv"], whole["median_beats"]["median_mv"], strict=True
    ):
        np.testing.assert_allclose(one, two, atol=0.005)
    assert (whole["beats"]["reason"] == "samples are missing").any()


@pytest.mark.parametrize("kind", ["beats", "eeg"])
def test_no_more_than_a_piece_is_asked_for_at_once(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    short_pieces(monkeypatch)
    signal = np.stack([drawn_ecg(150.0)[0]] * 2)
    asked: list[int] = []

    def read(low: int, high: int) -> np.ndarray:
        asked.append(high - low)
        return signal[:, low:high]

    recorded = Recorded(KEY, ("II", "V1"), RATE_HZ, signal.shape[1], read)
    if kind == "beats":
        add_record(Rows(), recorded)
    else:
        columns: dict[str, list[Any]] = {}
        eeg.add_record(columns, recorded, 3.0)
        assert len(columns["window"]) == 100
        assert columns["window"][:50] == list(range(50))
    assert max(asked) <= (1.5 * PIECE_S + 2 * 10) * RATE_HZ
    assert max(asked) < signal.shape[1]


def test_of_very_many_beats_the_median_beat_is_of_some(monkeypatch: pytest.MonkeyPatch) -> None:
    signal = drawn_ecg(80.0)[0][None]
    whole = tables(in_memory(KEY, signal, ("II",), RATE_HZ))
    monkeypatch.setattr("physioprep.deriving.measurements.MOST_BEATS", 20)
    found = tables(in_memory(KEY, signal, ("II",), RATE_HZ))
    assert found["median_beats"]["n_beats"].tolist() == [20]
    one, two = (np.array(each["median_beats"]["median_mv"][0]) for each in (found, whole))
    np.testing.assert_allclose(one, two, atol=0.005)
    np.testing.assert_allclose(found["beats"]["quality"], whole["beats"]["quality"], atol=1e-3)


def test_powers_of_hours_are_averaged(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two halves of other variability: the mean is between them, and of a whole hour nothing."""
    rng = np.random.default_rng(0)
    calm, wild = (np.rint(800 + width * rng.normal(size=300)).astype(np.int64) for width in (5, 60))
    peaks = np.cumsum(np.concatenate([calm, wild]))
    whole = _powers(peaks)
    monkeypatch.setattr("physioprep.deriving.variability._HOUR_MS", 240_000)
    low, high = _powers(peaks)
    parts = [_powers(peaks[:300]), _powers(peaks[300:])]
    assert low == pytest.approx(np.mean([part[0] for part in parts]), rel=0.02)
    assert high == pytest.approx(np.mean([part[1] for part in parts]), rel=0.02)
    assert parts[0][1] * 20 < high < parts[1][1]
    assert whole != (low, high)


def test_an_index_of_a_lead_that_is_absent_is_unknown() -> None:
    signal = np.stack([drawn_ecg(20.0)[0]] * 3)
    without = tables(in_memory(KEY, signal, ("V5", "V2", "aVL"), RATE_HZ))["records"].iloc[0]
    assert np.isnan(without["sokolow_lyon_mv"])
    assert np.isnan(without["cornell_mv"])
    known = tables(in_memory(KEY, signal, ("V5", "V1", "II"), RATE_HZ))["records"].iloc[0]
    assert known["sokolow_lyon_mv"] > 1
