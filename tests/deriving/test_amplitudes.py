"""Amplitudes, ST and axes of leads whose S is where the R peak of lead II is."""

import math

import numpy as np
import pytest

from physioprep.deriving.amplitudes import QrsEnds, amplitudes, common_qrs
from physioprep.deriving.pieces import in_memory
from physioprep.deriving.record import Rows, add_record
from tests.deriving.heart import RATE_HZ, drawn_ecg

KEY = {"corpus": "a", "record_id": "b"}
LIMBS = ("I", "II", "III", "aVR", "aVL", "aVF")


def limb_leads(signal: np.ndarray, degrees: float) -> np.ndarray:
    angle = math.radians(degrees)
    one, two = signal * math.cos(angle), signal * math.cos(angle - math.pi / 3)
    return np.stack([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2])


def measured(signals: np.ndarray, leads: tuple[str, ...]) -> Rows:
    rows = Rows()
    add_record(rows, in_memory(KEY, signals, leads, RATE_HZ))
    return rows


@pytest.mark.parametrize("degrees", [-45.0, 0.0, 60.0, 120.0, -150.0])
def test_the_axis_of_qrs_is_that_of_the_dipole(degrees: float) -> None:
    signal, _ = drawn_ecg(20.0)
    noise = np.random.default_rng(1).normal(0, 0.002, (6, len(signal)))
    records = measured(limb_leads(signal, degrees) + noise, LIMBS).records
    found = records["qrs_axis_deg"][0]
    assert records["reason"] == [None]  # a lead at a right angle to the axis is small, not noisy
    assert (found - degrees + 180) % 360 - 180 == pytest.approx(0, abs=6)


def test_v1_has_the_s_that_was_drawn_and_no_st() -> None:
    """R of lead II falls on the lowest sample of S in V1."""
    signal, r_s = drawn_ecg(20.0)
    time = np.arange(len(signal)) / RATE_HZ
    v1 = np.zeros(len(signal))
    for at in r_s:
        for centre, width, height in ((-0.022, 0.007, 0.2), (0.0, 0.012, -0.9)):
            v1 += height * np.exp(-0.5 * ((time - at - centre) / width) ** 2)
    rows = measured(np.stack([signal, signal, signal, v1, 0.8 * signal]), ("I", "II", "aVF", "V1",
                                                                         "V5"))  # fmt: skip
    lead = {name: values[3] for name, values in rows.leads.items()}
    assert lead["s_mv"] == pytest.approx(v1.min(), abs=0.03)
    assert lead["r_mv"] == pytest.approx(v1.max(), abs=0.03)
    assert lead["q_mv"] == pytest.approx(0, abs=0.02)
    assert lead["st_j60_mv"] == pytest.approx(0, abs=0.03)
    high = 0.8 * signal.max()
    assert rows.records["sokolow_lyon_mv"][0] == pytest.approx(high - v1.min(), abs=0.08)


@pytest.mark.parametrize(
    ("waves", "expected"),
    [
        ([-0.1, 1.0, -0.3], (-0.1, 1.0, -0.3)),
        ([0.2, -0.8, 0.5], (0.0, 0.5, -0.8)),  # rSR' of right bundle branch block
        ([0.0, -0.9, 0.0], (0.0, 0.0, -0.9)),  # QS
        ([0.0, -0.9, 0.1], (0.0, 0.1, -0.9)),  # and ST rises
        ([-0.7, 0.2, 0.0], (-0.7, 0.2, 0.0)),
    ],
)
def test_waves_of_qrs_are_named_by_their_order(
    waves: list[float], expected: tuple[float, float, float]
) -> None:
    signal = np.full(500, 0.3)
    for place, height in zip((240, 250, 260), waves, strict=True):
        signal[place] += height
    ends = QrsEnds(np.array([230]), np.array([270]), np.array([True]))
    unknown = {name: np.full(1, np.nan) for name in ("p_peak", "t_peak")}
    found = amplitudes(signal, 500.0, ends, unknown)
    assert tuple(found[name][0] for name in ("q_mv", "r_mv", "s_mv")) == pytest.approx(expected)
    assert found["st_j60_mv"][0] == pytest.approx(0)
    signal[255] = np.nan
    assert np.isnan(amplitudes(signal, 500.0, ends, unknown)["r_mv"][0])


def test_a_wrong_quarter_of_the_leads_does_not_move_the_ends() -> None:
    onsets, offsets = [470.0] * 6 + [498.0] * 2, [530.0] * 6 + [502.0] * 2
    leads = [{"qrs_onset": np.array([on, np.nan]), "qrs_offset": np.array([off, np.nan])}
             for on, off in zip(onsets, offsets, strict=True)]  # fmt: skip
    found = common_qrs(leads, np.array([500, 900]), 500.0)
    assert found.onset.tolist() == [470, 875]
    assert found.offset.tolist() == [530, 925]
    assert found.known.tolist() == [True, False]
