"""Arrays of records against one record at a time, measure by measure and finding by finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import maximum_filter1d

import physioprep as pp
from physioprep.auditing import audit, recordings
from physioprep.auditing.inputs import open_input
from physioprep.auditing.measure import together
from physioprep.auditing.measure.beats import to_analysis_rate
from physioprep.auditing.measure.limb_leads import LIMB, _consistent, _left
from physioprep.auditing.measure.measure import clipped_share, flat_share, measure
from physioprep.auditing.measure.measured import Measured
from physioprep.auditing.measure.medians import quantile
from physioprep.auditing.measure.quality import running_maximum
from physioprep.auditing.measure.together import measure_all
from physioprep.auditing.one_pass import RECORD_CHECKS
from physioprep.auditing.signals import Signal, signals_of
from tests.auditing.cases import LEADS, NAME

FOLDERS = {
    "ptbxl": "ptb-xl", "ludb": "ludb", "cinc2021": "folder", "cpsc2018_cinc2020": "folder",
    "cinc2015": "cinc2015", "cinc2021_ptbxl_twins": "folder", "mitdb": "mitdb",
    "ecgiddb": "ecgiddb", "wfdb_odd_formats": "folder", "eegmat": "eegmat", "cinc2017": "cinc2017",
}  # fmt: skip


def signal(key: str, values: np.ndarray, **changes: Any) -> Signal:
    n = len(values)
    one = Signal(("x", key), "ecg", LEADS[:n], ("mV",) * n, 500.0, values.astype(np.float32), 0.0,
                 np.full(n, 0.001), LEADS[:n])  # fmt: skip
    return replace(one, **changes)


def same(one: Any, two: Any, what: str) -> None:
    """Assert that all numbers are equal but for the last digits of float32."""
    if is_dataclass(one) and not isinstance(one, type):
        assert type(one) is type(two), what
        for field in fields(one):
            same(getattr(one, field.name), getattr(two, field.name), f"{what}.{field.name}")
    elif isinstance(one, Mapping):
        assert one.keys() == two.keys(), what
        for name in one:
            same(one[name], two[name], f"{what}.{name}")
    elif isinstance(one, np.ndarray) and one.dtype.names:
        assert one.dtype == two.dtype, what
        for name in one.dtype.names:
            same(one[name], two[name], f"{what}.{name}")
    elif isinstance(one, (np.ndarray, float)):
        np.testing.assert_allclose(two, one, rtol=2e-6, atol=1e-9, err_msg=what)
    else:
        assert one == two, what


def compared(signals: list[Signal]) -> int:
    """Compare `measure_all` with `measure`, and their findings; return how many went together."""
    alone = []

    def lone(one: Signal) -> Measured:
        alone.append(one)
        return measure(one)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(together, "measure", lone)
        fast = measure_all(signals)
    assert len(fast) == len(signals)
    for one, found in zip(signals, fast, strict=True):
        slow = measure(one)
        same(slow, found, f"{one.key}")
        for check in RECORD_CHECKS:
            assert check([found], NAME) == check([slow], NAME), one.key
    return len(signals) - len(alone)


def test_faults_are_measured_alike_in_arrays_and_alone(ecg) -> None:
    whole = [ecg(seed) for seed in range(6)]
    dead, gap, clipped, sentinel, swapped = (one.copy() for one in whole[:5])
    dead[3] = 0.0
    gap[:, 1000:1700] = np.nan
    clipped[6] = np.clip(clipped[6], -0.1, 0.2)
    sentinel[2, [5, 900, 4000]] = -32.0
    swapped[[0, 2]] = swapped[[2, 0]]
    paused = whole[5].copy()
    paused[7, 1000:2200] = paused[7, 1000]
    twelve = [*whole, dead, gap, clipped, sentinel, swapped, paused, whole[0] * 1e-3]
    signals = [signal(str(n), one) for n, one in enumerate(twelve)]
    signals += [signal(f"eight {n}", one[4:], channels=LEADS[4:]) for n, one in enumerate(whole)]
    signals += [signal(f"one {n}", one[:1]) for n, one in enumerate(whole)]
    signals += [signal(f"slow {n}", one, rate_hz=250.0) for n, one in enumerate(whole)]
    signals += [signal(f"odd {n}", one, units=("mmHg",) * 12, step=None)
                for n, one in enumerate(whole)]  # fmt: skip
    signals += [signal(f"short {n}", one[:, :900]) for n, one in enumerate(whole)]
    signals += [signal(f"twice {n}", one[:, ::2], rate_hz=1250.0) for n, one in enumerate(whole)]
    signals.append(signal("alone", whole[0][:, :4321]))
    signals.append(signal("other", whole[0], modality="eeg"))
    n = len(signals)
    # alone: the dead lead, the gap, the short ones, the only one of its length, the EEG
    assert compared(signals) == n - 2 - 6 - 2
    order = np.random.default_rng(0).permutation(n)
    assert compared([signals[place] for place in order]) == n - 10


@pytest.mark.realdata
@pytest.mark.parametrize("folder", FOLDERS)
def test_real_folders_are_measured_alike_in_arrays_and_alone(
    folder: str, shared_data: Path, tmp_path: Path
) -> None:
    found = pp.scan(shared_data / folder, FOLDERS[folder], hashes=False).head(200)
    path = tmp_path / "m.parquet"
    pp.write_manifest(found[found["error"].isna()], path)
    signals = [one for one in signals_of(open_input(path)) if one.values.size <= together.SHORT]
    held = compared(signals)
    shapes = [(one.channels, one.units, one.rate_hz, one.values.shape) for one in signals]
    twins = [one for one, shape in zip(signals, shapes, strict=True) if shapes.count(shape) > 4]
    if any(one.modality == "ecg" for one in twins):
        assert held, "some were measured together"


@pytest.mark.realdata
@pytest.mark.parametrize("recipe", ["native", "ecg-200hz"])
@pytest.mark.parametrize("folder", ["ptbxl", "ludb", "cinc2015"])
def test_an_audit_finds_the_same_either_way(
    folder: str, recipe: str, shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = pp.scan(shared_data / folder, FOLDERS[folder], hashes=False)
    pp.ingest(rows, tmp_path / "s.zarr", recipe=recipe, scheduler="sync")
    fast = audit([tmp_path / "s.zarr"], scheduler="sync")
    monkeypatch.setattr(recordings, "measure_all", lambda signals: [measure(x) for x in signals])
    slow = audit([tmp_path / "s.zarr"], scheduler="sync")
    assert fast.findings
    assert fast.findings == slow.findings
    assert fast.tables == slow.tables


@pytest.mark.parametrize("n", [1, 5, 24, 51, 1000])
@pytest.mark.parametrize("size", [3, 31, 51])
def test_the_running_maximum_is_scipys(n: int, size: int) -> None:
    x = np.random.default_rng(n).normal(size=(4, n)).astype(np.float32)
    assert np.array_equal(running_maximum(x, size), maximum_filter1d(x, size, axis=1))
    assert np.array_equal(running_maximum(x > 1.5, size), maximum_filter1d(x > 1.5, size, axis=1))


def test_flat_and_clipped_shares_are_those_of_a_walk_over_the_samples() -> None:
    def runs(row: np.ndarray) -> list[np.ndarray]:
        return np.split(row, np.flatnonzero(row[1:] != row[:-1]) + 1)

    rng = np.random.default_rng(0)
    for rate in (4.0, 100.0, 250.0, 500.0):
        least = max(2, round(0.5 * rate))
        steps = rng.choice([1, 2, least - 1, least, least + 1, 3 * least], 40)
        row = np.repeat(rng.integers(-3, 4, 40), np.maximum(steps, 1)).astype(np.float32)
        flat = sum(part.size for part in runs(row) if part.size >= least) / row.size
        ends = {row.min(), row.max()}
        held = [part.size for part in runs(row) if part.size >= 3 and part[0] in ends]
        assert flat_share(row[None], rate)[0] == pytest.approx(flat)
        assert clipped_share(row[None])[0] == pytest.approx(sum(held) / row.size)


@pytest.mark.parametrize("leads", [LIMB, LIMB[:3], ("II", "aVR", "aVL", "aVF")])
def test_what_each_exchange_leaves_is_found_by_trying_it(leads: tuple[str, ...], ecg) -> None:
    """The slow way: exchange or invert the leads, and test the relations again."""
    x = to_analysis_rate(ecg(3)[[LEADS.index(name) for name in leads]], 500.0).astype(np.float64)
    x[1] *= -1
    x += np.random.default_rng(0).normal(0, 0.02, x.shape)
    consistent = _consistent(tuple(LIMB.index(name) for name in leads))
    slow = {}
    for one, two in combinations(range(len(leads)), 2):
        order = np.arange(len(leads))
        order[[one, two]] = two, one
        rest = x[order] - consistent @ x[order]
        slow[f"{leads[one]} and {leads[two]} exchanged"] = quantile(np.abs(rest), 0.95).max()
    for one, name in enumerate(leads):
        y = x.copy()
        y[one] *= -1
        slow[f"{name} inverted"] = quantile(np.abs(y - consistent @ y), 0.95).max()
    fast = _left(x, leads)
    assert list(fast) == list(slow)
    np.testing.assert_allclose(list(fast.values()), list(slow.values()), rtol=1e-9)


@pytest.mark.parametrize("alone_too", [False, True])
def test_a_measure_that_raises_marks_its_recording_only(
    alone_too: bool, ecg, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of the arrays marks none; one of a recording itself marks that recording."""
    signals = [signal(f"r{seed}", ecg(seed)) for seed in range(4)]
    reads = iter([([one], None) for one in signals])

    def faulty(*_: Any) -> Any:
        raise ValueError("no array")

    def picky(one: Signal) -> Measured:
        if alone_too and one.key[1] == "r2":
            raise ZeroDivisionError("no such number")
        return measure(one)

    monkeypatch.setattr(together, "_measure_equal", faulty)
    monkeypatch.setattr(recordings, "read_ahead", lambda sources: None)
    monkeypatch.setattr(recordings, "recording_of", lambda *_: next(reads))
    monkeypatch.setattr(recordings, "measure", picky)
    found = recordings.measure_recordings([(None, row) for row in range(4)])  # type: ignore[misc]
    errors = [None if each.error is None else str(each.error) for each in found]
    why = "it cannot be measured (ZeroDivisionError: no such number)"
    assert errors == [None, None, why if alone_too else None, None]
    assert [len(each.pieces) for each in found] == [1, 1, 0 if alone_too else 1, 1]
    for one, each in zip(signals, found, strict=True):
        for piece in each.pieces:
            same(measure(one), piece, one.key[1])
