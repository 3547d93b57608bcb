"""Onsets and ends of waves: matched within 150 ms, and the error of those found."""

import numpy as np
import pandas as pd
import pytest

from physiomodels.metrics import waves
from physiomodels.metrics.choice import Scoring, score, score_classes, scorer

CLASSES = ("P", "QRS", "none")
SEEN = [(0.0, 100.0)]


def test_an_answer_that_is_the_reference_is_perfect() -> None:
    spans = [(1.0, 1.1), (2.0, 2.1), (3.0, 3.1)]
    found = waves.scores(waves.counts_of(spans, spans, SEEN))
    assert found == {
        "wave_f1": 1, "wave_sensitivity": 1, "wave_precision": 1, "wave_error_ms": 0,
        "wave_sd_ms": 0,
    }  # fmt: skip


@pytest.mark.parametrize(("late_s", "hits"), [(0.149, 3), (0.15, 3), (0.151, 0), (-0.15, 3)])
def test_points_within_150_ms_are_found(late_s: float, hits: int) -> None:
    spans = [(1.0, 1.5), (2.0, 2.5), (3.0, 3.5)]
    counts = waves.counts_of(spans, [(a + late_s, b + late_s) for a, b in spans], SEEN)
    assert counts[:, 2].tolist() == [hits, hits]


def test_a_point_is_found_once_by_the_nearest() -> None:
    assert waves.errors_s([1.0, 1.1], [1.03, 1.12]).round(3).tolist() == [0.02, 0.03]
    assert waves.errors_s([1.0], [0.9, 1.05]).round(3).tolist() == [0.05]
    assert waves.errors_s([], [1.0]).tolist() == waves.errors_s([1.0], []).tolist() == []


def test_errors_are_those_of_numpy() -> None:
    rng = np.random.default_rng(0)
    onset = np.arange(1, 90, 1.0) + rng.uniform(0, 0.3, 89)
    errors = rng.normal(0.02, 0.03, (2, 89))
    reference = [(a, a + 0.3) for a in onset.tolist()]
    answer = [(a + e, a + 0.3 + d) for a, e, d in zip(onset, *errors, strict=True)]
    kept = np.ones(89, bool)
    kept[::10] = False  # nine are missed, and three answers are false
    said = [span for span, keep in zip(answer, kept, strict=True) if keep]
    counts = waves.counts_of(reference, [*said, (0.2, 0.4), (95.0, 95.2), (97.0, 97.2)], SEEN)
    for edge in range(2):
        own = waves.point_scores(counts[edge])
        assert own["sensitivity"] == pytest.approx(80 / 89)
        assert own["precision"] == pytest.approx(80 / 83)
        assert own["f1"] == pytest.approx(2 * 80 / (89 + 83))
        assert own["bias_ms"] == pytest.approx(1000 * errors[edge, kept].mean())
        assert own["sd_ms"] == pytest.approx(1000 * errors[edge, kept].std(ddof=1))


def test_points_outside_of_windows_and_waves_cut_by_them_do_not_count() -> None:
    seen = [(2.0, 4.0), (6.0, 8.0)]
    counts = waves.counts_of([(1.9, 2.1), (3.0, 3.1), (5.0, 5.1), (7.9, 8.1)], [(2.0, 2.1)], seen)
    assert counts[0, :2].tolist() == [2, 0]  # onsets at 3.0 and 7.9; the answer's is the window's
    assert counts[1, :3].tolist() == [2, 1, 1]  # ends at 2.1 and 3.1


def test_what_is_never_answered_lowers_the_mean() -> None:
    one = waves.counts_of([(1.0, 1.1)], [(1.0, 1.1)], SEEN)
    none = waves.counts_of([(5.0, 5.1)], [], SEEN)
    found = waves.scores(np.concatenate([one, none]))
    assert found["wave_sensitivity"] == found["wave_f1"] == 0.5
    assert found["wave_precision"] == 1
    empty = waves.scores(np.zeros((4, 5)))
    assert all(np.isnan(value) for value in empty.values())


def predictions(said: list[str]) -> tuple[pd.DataFrame, Scoring]:
    """Two records of 5 s in epochs of 0.1 s; each has P at 1.0 to 1.2 s and QRS at 1.5 to 1.6 s."""
    n = len(said) // 2
    rows = pd.DataFrame(
        {
            "corpus": "x",
            "record_id": np.repeat(["a", "b"], n),
            "start_s": np.tile(np.arange(n) * 0.1, 2),
            "code": 2,
        }
    )
    for code, name in enumerate(CLASSES):
        rows[f"p_{code}"] = [0.8 if name == each else 0.1 for each in said]
    held = {"P": [(1.0, 1.2)], "QRS": [(1.5, 1.6)]}
    marks = {name: {"x/a": spans, "x/b": spans} for name, spans in held.items()}
    return rows, Scoring("class", CLASSES, 2, waves.METRICS, 0.1, waves=marks)


def test_runs_of_epochs_are_scored_against_the_exact_intervals() -> None:
    right = ["none"] * 50
    right[10:12], right[15:16] = ["P"] * 2, ["QRS"]
    wrong = ["none"] * 50
    wrong[11:13] = ["P"] * 2  # 100 ms late; no QRS
    rows, scoring = predictions(right + wrong)
    found = score(rows, scoring)
    assert found["wave_sensitivity"] == pytest.approx((1 + 1 + 0.5 + 0.5) / 4)
    assert found["wave_precision"] == pytest.approx(1)
    assert found["wave_error_ms"] == pytest.approx((50 + 50 + 0 + 0) / 4)
    each = score_classes(rows, scoring)
    assert set(each) == {"P", "QRS"}
    assert each["P"]["onset_bias_ms"] == pytest.approx(50)
    assert (each["QRS"]["n_onset"], each["QRS"]["end_sensitivity"]) == (2, 0.5)
    again = scorer(rows, scoring)(np.ones(len(rows), np.int64))
    assert again == pytest.approx(found)
    twice = scorer(rows, scoring)(np.repeat([2, 0], 50))  # a draw of record a alone
    assert twice is not None
    assert twice["wave_sensitivity"] == 1
