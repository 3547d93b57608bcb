"""One pass over the signals gives the same, whatever runs it; and quality tells good from bad."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import physioprep as pp
from physioprep.auditing import audit, write_quality
from physioprep.auditing.measure.measure import clipped_share, flat_share, measure
from physioprep.auditing.measure.quality import agreement, kurtosis, score
from physioprep.auditing.measure.spectrum import share, spectrum
from physioprep.auditing.report.quality_table import quality_table
from physioprep.auditing.signals import Signal
from physioprep.errors import PhysioprepError

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
Ecg = Callable[..., np.ndarray]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, ecg: Ecg) -> Path:
    folder = tmp_path_factory.mktemp("signals")
    root = folder / "raw"
    root.mkdir()
    for n in range(40):
        x = ecg(n)
        x[8] *= n != 7
        digital = np.round(x * 1000).astype("<i2")
        (root / f"r{n}.dat").write_bytes(digital.T.tobytes())
        lines = [f"r{n} 12 500 5000"]
        for lead, row in zip(LEADS, digital, strict=True):
            total = int(row.sum(dtype=np.int64)) & 0xFFFF
            total -= 0x10000 if total >= 0x8000 else 0
            lines.append(f"r{n}.dat 16 1000(0)/mV 16 0 {row[0]} {total} 0 {lead}")
        (root / f"r{n}.hea").write_text("\n".join(lines) + "\n")
    pp.ingest(pp.scan(root, "folder"), folder / "s.zarr", recipe="native")
    return folder / "s.zarr"


@pytest.mark.parametrize("scheduler", ["threads", "processes", "cluster", "address"])
def test_the_pass_is_the_same_whatever_runs_it(store: Path, scheduler: str) -> None:
    alone = audit([store], scheduler="sync")
    if scheduler == "address":
        from distributed import LocalCluster

        with LocalCluster(
            n_workers=1, threads_per_worker=1, processes=False, dashboard_address=None
        ) as cluster:
            other = audit([store], scheduler="inproc://" + cluster.scheduler_address[9:])
    else:
        other = audit([store], scheduler=scheduler, workers=2)
    assert other.to_dict() == alone.to_dict()
    assert [(f.check, f.records) for f in alone.findings] == [("flat-lead", ("r7",))]
    pd.testing.assert_frame_equal(quality_table(alone.measured), quality_table(other.measured))


POISON = """
import ctypes, physioprep.readers as readers
read = readers.read_recording
def poisoned(path, **options):
    if str(path).endswith("r3.hea"):
        ctypes.string_at(0)
    return read(path, **options)
readers.read_recording = poisoned
"""


def test_a_recording_that_crashes_its_process_costs_only_itself(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A native library's segmentation fault is a finding, and all others are checked."""
    manifest = pp.write_manifest(
        pp.scan(store.parent / "raw", "folder").head(6), tmp_path / "m.parquet"
    )
    (tmp_path / "sitecustomize.py").write_text(POISON)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("PYTHONFAULTHANDLER", "")
    steps: list[tuple[int, int]] = []
    report = audit(
        [manifest], scheduler="processes", workers=1, progress=lambda *step: steps.append(step)
    )
    found = [(f.check, f.records, f.detail) for f in report.findings]
    reason = "it crashes the process that reads it (SIGSEGV)"
    assert found == [("unreadable-file", ("r3",), reason)]
    assert report.inputs[0]["signals_read"] == 5
    assert steps[-1] == (6, 6)


def test_quality_can_be_filtered_on(store: Path, tmp_path: Path) -> None:
    frame = pd.read_parquet(write_quality(audit([store]), tmp_path / "q.parquet"))
    assert len(frame) == 40 * 12
    assert not frame.duplicated(["corpus", "record_id", "modality", "channel"]).any()
    bad = frame[frame["score"] < 0.5]
    assert bad[["record_id", "channel"]].values.tolist() == [["r7", "V3"]]


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_only_integers_have_steps(tmp_path: Path, whole: bool, coarse: bool) -> None:
    x = np.random.default_rng(0).normal(0, 20e-6, (5000, 2))  # V
    step = 20e-6 if coarse else 1e-7
    root = tmp_path / "raw"
    root.mkdir()
    about = "sampling_rate: 250\nchannels: [Fz, Cz]\nunits: V\n"
    (root / "a.yaml").write_text(about + (f"gain: {1 / step}\n" if whole else ""))
    np.save(root / "a.npy", np.round(x / step).astype("<i2") if whole else x)
    for recipe in ("native", "eeg-200hz"):
        store = tmp_path / f"{recipe}.zarr"
        pp.ingest(pp.scan(root, "folder"), store, recipe, scheduler="sync")
        found = {each.check for each in audit([store], scheduler="sync").findings}
        assert ("coarse-resolution" in found) == (whole and coarse and recipe == "native")
    assert str(pp.open_store(tmp_path / "native.zarr").group["eeg"]["signal"].dtype) == (
        "int16" if whole else "float64"
    )


def test_an_unknown_scheduler_is_one_error(store: Path) -> None:
    with pytest.raises(PhysioprepError, match="unknown scheduler 'somewhere'"):
        audit([store], scheduler="somewhere")


def test_fast_shares_are_those_of_the_obvious_loops() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        x = np.round(rng.normal(0, 2, (3, 400))).astype(np.float32)
        x[0, 50 : 50 + rng.integers(1, 200)] = x[0].max()
        if rng.random() < 0.5:
            x[1, rng.random(400) < 0.2] = np.nan
        flat, clipped = [], []
        for row in x:
            row = row[np.isfinite(row)]
            runs, begin = [], 0
            for at in range(1, len(row) + 1):
                if at == len(row) or row[at] != row[begin]:
                    runs.append((row[begin], at - begin))
                    begin = at
            flat.append(sum(n for _, n in runs if n >= 50) / len(row))
            rails = (row.min(), row.max())
            clipped.append(sum(n for v, n in runs if v in rails and n >= 3) / len(row))
        np.testing.assert_allclose(flat_share(x, 100.0), flat)
        np.testing.assert_allclose(clipped_share(x), clipped)


def test_the_indices_are_neurokits(ecg: Ecg) -> None:
    nk = pytest.importorskip("neurokit2")
    from neurokit2.ecg.ecg_quality import _ecg_quality_basSQI, _ecg_quality_pSQI

    x = ecg(3, 30.0)[1]
    assert kurtosis(x.astype(np.float32)) == pytest.approx(
        nk.stats.__dict__.get("kurtosis", lambda v: ((v - v.mean()) ** 4).mean() / v.var() ** 2)(x)
    )
    f, p = spectrum(x[None].astype(np.float32), 500.0)
    theirs = _ecg_quality_pSQI(x, sampling_rate=500, window=1024, num_spectrum=(5, 15),
                               dem_spectrum=(5, 40))  # fmt: skip
    assert share(f, p, (5, 15), (5, 40))[0] == pytest.approx(theirs, abs=0.05)
    base = _ecg_quality_basSQI(x, sampling_rate=500, window=1024, num_spectrum=(0, 1),
                               dem_spectrum=(0, 40))  # fmt: skip
    assert 1 - share(f, p, (0, 1), (0, 40))[0] == pytest.approx(base, abs=0.1)


def test_agreement_falls_with_noise(ecg: Ecg) -> None:
    rng = np.random.default_rng(0)
    clean = np.stack([ecg(n)[1, ::5] for n in range(20)]).astype(np.float32)
    means = [
        agreement(clean + rng.normal(0, noise, clean.shape).astype(np.float32)).mean()
        for noise in (0, 0.2, 0.8)
    ]
    assert means[0] > 0.97
    assert means[0] > means[1] + 0.2 > means[2] + 0.3


def test_a_few_large_beats_do_not_hide_the_others(ecg: Ecg) -> None:
    look = ecg(3)[1:2, ::5].astype(np.float32)
    peaks = np.flatnonzero((look[0] > 0.6) & (look[0] == np.max(look)) | (look[0] > 0.6))
    for peak in peaks[[0, len(peaks) // 2, -1]]:
        look[0, max(0, peak - 6) : peak + 6] *= 3
    assert agreement(look)[0] > 0.7


def test_the_score_of_noise_is_below_that_of_an_ecg(ecg: Ecg) -> None:
    noise = np.random.default_rng(0).normal(0, 0.3, (12, 5000))
    scores = []
    for x in (ecg(1), noise):
        one = measure(Signal(("x", "a"), "ecg", LEADS, ("mV",) * 12, 500.0, x.astype("f4")))
        scores.append(score(one.quality, one.missing, one.flat))
    assert scores[0].min() > scores[1].max()


@pytest.mark.realdata
def test_recordings_labelled_noise_score_lower(shared_data: Path) -> None:
    from sklearn.metrics import roc_auc_score

    labels = pd.read_csv(
        shared_data / "cinc2017" / "REFERENCE-v3.csv", header=None, index_col=0
    )[1]  # fmt: skip
    scores, noisy = [], []
    paths = sorted((shared_data / "cinc2017").glob("*.hea"))
    chosen = [p for p in paths if labels[p.stem] == "~"] + paths[:60]
    for path in chosen:
        group = pp.read_recording(path).groups[0]
        values = group.physical().astype(np.float32)
        signal = Signal(("x", path.stem), "ecg", ("I",), ("mV",), group.sampling_rate, values)
        one = measure(signal)
        scores.append(float(score(one.quality, one.missing, one.flat)[0]))
        noisy.append(labels[path.stem] == "~")
    assert roc_auc_score(np.logical_not(noisy), scores) > 0.8
