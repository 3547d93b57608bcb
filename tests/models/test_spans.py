"""Events in time, judged by hand and by SzCORE's own code (timescoring)."""

import numpy as np
import pytest
from timescoring.annotations import Annotation
from timescoring.scoring import EventScoring, SampleScoring

from physiomodels.metrics.spans import COUNTS, METRICS, counts_of, pieces, runs, scores

HOUR = 3600.0


@pytest.mark.parametrize(
    ("reference", "answer", "found", "false"),
    [
        ([(100, 130)], [(110, 115)], 1, 0),  # any overlap will do
        ([(100, 130)], [(60, 71)], 1, 0),  # within the 30 s before
        ([(100, 130)], [(60, 70)], 0, 1),  # 30 s before, and no longer
        ([(100, 130)], [(189, 200)], 1, 0),  # within the 60 s after
        ([(100, 130)], [(190, 200)], 0, 1),
        ([(100, 130)], [], 0, 0),
        ([], [(190, 200)], 0, 1),
        ([(100, 130)], [(100, 110), (150, 160)], 1, 0),  # 40 s apart: one answer
        ([(1000, 1010)], [(0, 10), (99, 110), (300, 310)], 0, 2),  # 89 s apart, 190 s apart
        ([(1000, 1010)], [(0, 10), (100, 110)], 0, 2),  # 90 s apart are two
        ([(100, 130), (200, 210)], [(205, 206)], 1, 0),  # one seizure of 110 s
        ([(100, 130), (230, 240)], [(235, 236)], 1, 0),  # two seizures, 100 s apart
        ([(100, 1000)], [(100, 390)], 2, 0),  # three pieces of 300 s; 370 s is near the second
        ([(2000, 2010)], [(100, 1000)], 0, 3),  # a false alarm of 15 minutes is three
    ],
)  # fmt: skip
def test_events_by_hand(
    reference: list[tuple[float, float]], answer: list[tuple[float, float]], found: int, false: int
) -> None:
    counts = dict(zip(COUNTS, counts_of(reference, answer, HOUR), strict=True))
    assert (counts["found"], counts["false"]) == (found, false)
    assert counts["events"] == len(pieces(reference))
    assert counts["hours"] == 1


def test_rates_over_recordings() -> None:
    counts = counts_of([(100, 130)], [(110, 120)], 2 * HOUR) + counts_of(
        [(500, 520)], [(1000, 1010), (1600, 1610)], HOUR / 2
    )
    found = scores(counts)
    assert tuple(found) == METRICS
    assert found["event_sensitivity"] == 1 / 2
    assert found["event_precision"] == 1 / 3
    assert found["event_f1"] == pytest.approx(0.4)
    assert found["false_alarms_per_hour"] == 2 / 2.5
    assert found["sample_sensitivity"] == 10 / 50
    assert found["sample_precision"] == 10 / 30
    nothing = scores(counts_of([], [], HOUR))
    assert nothing["false_alarms_per_hour"] == 0
    assert np.isnan([nothing["event_sensitivity"], nothing["sample_precision"]]).all()


def test_szcores_own_code_agrees() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        spans = []
        for _ in range(2):
            edges = np.sort(rng.choice(3600, 2 * rng.integers(0, 6), replace=False)).reshape(-1, 2)
            longest = rng.integers(5, 900)
            spans.append([(int(a), int(min(b, a + longest))) for a, b in edges])
        reference, answer = (Annotation(one, 1, 3600) for one in spans)
        events, samples = EventScoring(reference, answer), SampleScoring(reference, answer)
        found = scores(counts_of(*spans, HOUR))
        judged = {
            "event_sensitivity": events.sensitivity,
            "event_precision": events.precision,
            "event_f1": events.f1,
            "false_alarms_per_hour": events.fpRate / 24,
            "sample_sensitivity": samples.sensitivity,
            "sample_precision": samples.precision,
            "sample_f1": samples.f1,
        }
        assert found == pytest.approx(judged, abs=1e-9, nan_ok=True), spans


def test_windows_become_spans() -> None:
    start = np.array([30.0, 0.0, 5.0, 10.0, 50.0])
    flags = np.array([True, True, True, False, True])
    assert runs(start, 10.0, flags) == [(0.0, 15.0), (30.0, 40.0), (50.0, 60.0)]
    assert runs(start, 10.0, ~flags) == [(10.0, 20.0)]
