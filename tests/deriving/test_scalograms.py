"""Scalograms of a store: joined by record, lead and window, and what torch makes of a batch."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import wfdb
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app
from physioprep.deriving import task as task_module
from physioprep.deriving.paper.tars import unpack, write_tar
from physioprep.deriving.pieces import Recorded
from physioprep.deriving.scalograms import images_of
from physioprep.errors import PhysioprepError
from physioprep.hashes import sha256_of
from physioprep.stream.wavelets import ScalogramSpec
from tests.deriving.heart import drawn_ecg

SPEC = ScalogramSpec(1.0, 40.0, height=16, width=32)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scalograms")
    folder = out / "raw"
    folder.mkdir()
    for n, seconds in enumerate((12, 25, 6)):
        signal = np.stack([drawn_ecg(seconds, 0.8, gain, n)[0] for gain in (1.0, 0.6)], axis=1)
        if seconds == 25:
            signal[5000:10000, 0] = np.nan
            signal[7000:7100, 1] = np.nan
        wfdb.wrsamp(
            f"r{n}", 500, ["mV", "mV"], ["II", "V5"], signal, fmt=["16", "16"],
            write_dir=str(folder),
        )  # fmt: skip
    pp.ingest(pp.scan(folder, "folder"), out / "hearts.zarr", recipe="native", scheduler="sync")
    return out / "hearts.zarr"


@pytest.fixture(autouse=True)
def _short_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("physioprep.deriving.plan.TASK_S", 60.0)


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256_of(path)
        for path in sorted(folder.rglob("*")) if path.is_file()
    }  # fmt: skip


def derived(store: Path, out: Path, **changes: object) -> Path:
    options = {"kinds": ["scalograms"], "scalograms": SPEC, "scheduler": "sync"} | changes
    return pp.derive(store, out, **options).path  # type: ignore[arg-type]


def test_images_join_by_record_lead_and_window(store: Path, tmp_path: Path) -> None:
    made = derived(store, tmp_path / "made")
    table = pd.read_parquet(made / "scalograms.parquet")
    assert len(table) == 2 + 4 + 2
    assert table["reason"].dropna().tolist() == [
        "its samples are missing", *["the record is shorter than a window"] * 2
    ]  # fmt: skip
    assert set(table["signal_unit"]) == {"mV"}
    records = pp.open_store(store).records
    assert set(table["record_id"]) == set(records["record_id"])
    cut = table[(table["lead"] == "V5") & (table["window"] == 1)].iloc[0]
    assert cut["n_missing"] == 100
    assert cut["start_s"] == 10.0
    image = np.load(made / cut["file"])[int(cut["image"])]
    assert image.shape == (16, 32)
    assert image.dtype == np.float32
    assert np.isnan(image).any()
    assert np.isfinite(image).any()
    assert pp.verify(made).problems == ()


def test_torch_makes_the_same_of_a_batch(store: Path, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from physioprep.stream.time_frequency import scalogram

    made = derived(store, tmp_path / "made")
    table = pd.read_parquet(made / "scalograms.parquet")
    first = table[(table["window"] == 0) & table["reason"].isna()]
    opened = pp.open_store(store)
    for row in first.itertuples():
        number = opened.records["record_id"].tolist().index(row.record_id)
        samples = opened.read(number, "ecg")[["II", "V5"].index(row.lead), :5000]
        batch = {"ecg": torch.from_numpy(np.asarray(samples, np.float32))[None, None],
                 "present_ecg": torch.ones(1, 1, dtype=torch.bool)}  # fmt: skip
        expected = scalogram(batch, "ecg", 500.0, SPEC)["ecg_scalogram"][0, 0].numpy()
        image = np.load(made / row.file)[int(row.image)]
        np.testing.assert_allclose(image, expected, atol=2e-3)


def test_bytes_are_the_same_for_any_workers_and_after_a_kill(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = derived(store, tmp_path / "one")
    two = derived(store, tmp_path / "two", scheduler="processes", workers=2)
    assert hashes(one) == hashes(two)
    assert len(list((one / "scalograms").iterdir())) > 1
    tables, made = task_module._tables, list[int]()

    def killed(job: object, kind: str, numbers: range) -> object:
        made.append(numbers.start)
        if len(made) == 2:
            raise KeyboardInterrupt
        return tables(job, kind, numbers)  # type: ignore[arg-type]

    monkeypatch.setattr(task_module, "_tables", killed)
    with pytest.raises(KeyboardInterrupt):
        derived(store, tmp_path / "three")
    assert hashes(derived(store, tmp_path / "three")) == hashes(one)
    assert len(made) == len(set(made)) + 1


def test_what_cannot_be_made_is_refused(store: Path, tmp_path: Path) -> None:
    with pytest.raises(PhysioprepError, match="holds no pcg, of which scalograms are made"):
        derived(store, tmp_path / "made", scalograms_of="pcg")
    with pytest.raises(PhysioprepError, match="up to 300 Hz of samples at 500 Hz"):
        derived(store, tmp_path / "made", scalograms=ScalogramSpec(1, 300))
    ran = CliRunner().invoke(
        app, ["derive", str(store), "-o", str(tmp_path / "made"), "--scalograms",
              "--scalogram-size", "32x16", "--scalogram-band", "1", "40", "--scheduler", "sync"],
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    assert hashes(tmp_path / "made") == hashes(derived(store, tmp_path / "same"))


def test_a_table_without_any_value_is_warned_of(
    store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    derived(store, tmp_path / "some")
    assert not caplog.messages
    none = derived(store, tmp_path / "none", window_s=10_000)
    said = "scalograms: no row has values: the record is shorter than a window"
    assert caplog.messages == [f"{none}: {said}"]


def test_the_summary_counts_scalograms_and_not_rows(store: Path, tmp_path: Path) -> None:
    result = pp.derive(
        store, tmp_path / "made", kinds=["scalograms"], scalograms=SPEC, scheduler="sync"
    )
    images = sum(len(np.load(path)) for path in result.path.rglob("*.npy"))
    assert result.summary() == {"scalograms": images}
    assert images < result.rows["scalograms"]  # a window without a sample has a row


def test_of_other_signals_scalograms_are_named(tmp_path: Path) -> None:
    store = tmp_path / "sounds.zarr"
    sound = np.random.default_rng(0).normal(0, 1, (1, 1, 20_000)).astype(np.float32)
    pp.from_arrays(sound, channels=["PCG"], rate_hz=1000, units="mV", out=store)
    command = ["derive", str(store), "-o", str(tmp_path / "made")]
    for options in ([], ["--scalograms"]):
        ran = CliRunner().invoke(app, [*command, *options])
        assert ran.exit_code != 0
        assert "--scalograms --scalograms-of pcg" in str(ran.exception) + ran.output
    ran = CliRunner().invoke(app, [*command, "--scalograms", "--scalograms-of", "pcg"])
    assert ran.exit_code == 0, ran.output


def test_a_file_is_made_window_by_window_with_the_bytes_of_the_whole(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = hashes(derived(store, tmp_path / "whole"))
    monkeypatch.setattr("physioprep.deriving.pieces.PIECE_S", 10.0)
    assert hashes(derived(store, tmp_path / "pieces")) == whole
    for path in (tmp_path / "whole" / "scalograms").rglob("*.npy"):
        saved = io.BytesIO()
        np.save(saved, np.load(path))
        assert path.read_bytes() == saved.getvalue()


def test_a_day_is_never_held(tmp_path: Path) -> None:
    most, rate_hz = 0, 50.0

    def read(low: int, high: int) -> np.ndarray:
        nonlocal most
        most = max(most, high - low)
        return np.sin(np.arange(low, high) / 9)[None]

    day = Recorded({}, ("II",), rate_hz, round(86400 * rate_hz), read)
    made = images_of(day, 500, ScalogramSpec(1.0, 20.0, height=2, width=4), 8640)
    write_tar(tmp_path / "day.tar", [("day.npy", made)])
    assert most <= 610 * rate_hz
    unpack(tmp_path / "day.tar", tmp_path / "day")
    assert np.load(tmp_path / "day" / "day.npy").shape == (8640, 2, 4)
