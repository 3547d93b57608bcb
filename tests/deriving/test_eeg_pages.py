"""Pages of EEG: the waveform is read back, negative up, in the montage that was asked for."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app
from physioprep.deriving.paper.draw import PEN_MM, background
from physioprep.deriving.paper.layout import page_of
from physioprep.deriving.paper.record import NO_LEAD, draw_pages
from physioprep.deriving.paper.spec import PictureSpec
from physioprep.errors import PhysioprepError
from physioprep.harmonise.montage import rereference
from tests.deriving.reading_paper import curve_of, ink_of, samples_of

KEY = {"corpus": "drawn", "record_id": "1"}
NAMES = ("Fp1", "F7", "T7", "P7", "O1", "Cz")
RATE_HZ = 40.0


def brain(seconds: float = 10, n: int = len(NAMES), rate_hz: float = RATE_HZ) -> np.ndarray:
    """Rhythms of 1 to 9 Hz, µV, each channel's own, on an offset of its own."""
    rng, t = np.random.default_rng(2), np.arange(round(seconds * rate_hz)) / rate_hz
    waves = [
        sum(a * np.sin(2 * np.pi * (f * t + rng.random())) for f, a in ((1.3, 15), (9, 9)))
        for _ in range(n)
    ]
    return np.stack(waves).astype(np.float32) + np.arange(n, dtype=np.float32)[:, None]


def page(
    signal: np.ndarray, rate_hz: float = RATE_HZ, **changes: object
) -> tuple[bytes, list[dict]]:
    spec = PictureSpec(of="eeg", **changes)  # type: ignore[arg-type]
    ((_, content, rows),) = draw_pages(spec, KEY, signal / 1000, NAMES, NAMES, rate_hz)
    return content, rows


@pytest.mark.parametrize(("speed", "sensitivity"), [(25, 7.0), (30, 5.0), (60, 10.0)])
def test_every_sample_is_read_back_within_a_pixel(speed: float, sensitivity: float) -> None:
    signal = brain()
    content, rows = page(
        signal, mm_per_s=speed, uv_per_mm=sensitivity, dpi=300, names=False, pulse=False,
        grid="pink",
    )  # fmt: skip
    ink = ink_of(content)
    assert [row["lead"] for row in rows] == list(NAMES)
    for row in rows:
        assert (row["n_outside"], row["modality"], row["reason"]) == (0, "eeg", None)
        assert row["px_per_mv"] == pytest.approx(-1000 / sensitivity * row["px_per_mm"])
        assert row["px_per_sample"] == pytest.approx(speed / RATE_HZ * row["px_per_mm"])
        wanted = signal[NAMES.index(row["lead"])] / 1000
        read = samples_of(ink, row, PEN_MM * row["px_per_mm"])
        off = (np.abs(read - wanted) * abs(row["px_per_mv"]))[1:-1]
        assert off.max() < 1, (row["lead"], off.argmax(), off.max())


def test_negative_is_up_and_a_millimetre_is_the_sensitivity() -> None:
    signal = np.zeros((6, 400), np.float32)
    signal[0, 200:240] = -35  # five millimetres at 7 µV/mm
    content, rows = page(signal, names=False, pulse=False, grid="none", dpi=254)  # 10 px/mm
    columns, middle = curve_of(ink_of(content), rows[0])
    at = (columns - rows[0]["x_first_px"]) / rows[0]["px_per_sample"]
    rest, deep = np.median(middle[at < 190]), np.median(middle[(at > 205) & (at < 235)])
    assert rest - deep == pytest.approx(50, abs=0.5)


def test_lines_stand_at_seconds_in_the_box_alone() -> None:
    spec = PictureSpec(of="eeg", mm_per_s=30, dpi=254)
    sheet = page_of(spec, NAMES)
    grid = background(spec, sheet)
    assert all(text.isascii() for text, *_ in (*sheet.labels, (sheet.text,)))  # font has no µ
    left, top, right, bottom = sheet.cells[0].box[:3] + sheet.cells[-1].box[3:]
    middle = grid[int((top + bottom) / 2)]
    thick = np.flatnonzero(middle == middle.max())
    seconds = left + np.arange(11) * 300
    assert all(np.abs(thick - each).min() < 2 for each in seconds)
    assert all(np.abs(seconds - each).min() < 3 for each in thick)
    assert not grid[: int(top) - 2].any()
    assert not grid[:, : int(left) - 3].any()
    assert not grid[:, int(right) + 4 :].any()
    assert not grid[int(bottom) + 4 :].any()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three records of EEG; in the second an electrode is flat."""
    out = tmp_path_factory.mktemp("pages") / "brains.zarr"
    signals = [brain(12 + n, rate_hz=200.0) for n in range(3)]
    pp.from_arrays(signals, channels=list(NAMES), rate_hz=200.0, units="uV", out=out)
    return out


def drawn(store: Path, out: Path, **changes: object) -> tuple[pd.DataFrame, Path]:
    spec = PictureSpec(dpi=60, per_tar=2, **changes)  # type: ignore[arg-type]
    scheduler = "sync" if "seed" not in changes else "processes"
    made = pp.derive(store, out, kinds=["pictures"], pictures=spec, scheduler=scheduler).path
    return pd.read_parquet(made / "pictures.parquet"), made


def test_a_store_of_eeg_gives_pages_of_every_channel(store: Path, tmp_path: Path) -> None:
    table, made = drawn(store, tmp_path / "out", pages=0, page_s=8)
    assert set(table["modality"]) == {"eeg"}
    assert table.groupby(["record_id", "page"])["lead"].agg(tuple).unique().tolist() == [NAMES]
    assert table.groupby("record_id")["page"].nunique().tolist() == [2, 2, 2]
    for row in table.itertuples():
        with Image.open(made / str(row.file)) as image:
            assert image.size == (row.width_px, row.height_px)
    assert pp.verify(made).problems == ()
    again, other = drawn(store, tmp_path / "two", pages=0, page_s=8, seed=0)
    pd.testing.assert_frame_equal(table, again)
    for file in table["file"].unique():
        assert (made / file).read_bytes() == (other / file).read_bytes()


def test_a_montage_is_computed_as_a_recipe_does(store: Path, tmp_path: Path) -> None:
    table, _ = drawn(store, tmp_path / "tcp", montage="tcp", page_s=10, uv_per_mm=10)
    bipolar, names = rereference(brain(12, rate_hz=200.0)[:, :2000], NAMES, "tcp")
    first = table[table["record_id"] == table["record_id"].iloc[0]]
    assert tuple(first["lead"]) == names == ("Fp1-F7", "F7-T7", "T7-P7", "P7-O1")
    for row, values in zip(first.itertuples(), bipolar, strict=True):
        middle = (row.top_px + row.bottom_px) / 2
        at = row.y_zero_px - np.median(values) / 1000 * row.px_per_mv
        assert at == pytest.approx(middle, abs=0.02)


def test_a_recording_without_an_electrode_has_an_empty_row() -> None:
    spec = PictureSpec(of="eeg")
    held = ["Fp1", "F7"]
    ((_, content, rows),) = draw_pages(spec, KEY, brain()[:2] / 1000, held, NAMES, RATE_HZ)
    assert {row["lead"] for row in rows if row["reason"] == NO_LEAD} == set(NAMES) - set(held)
    assert Image.open(io.BytesIO(content)).size == (rows[0]["width_px"], rows[0]["height_px"])


def test_what_cannot_be_drawn_is_refused(store: Path, tmp_path: Path) -> None:
    for changes, words in (
        ({"of": "eeg", "layout": "3x4"}, "layout 3x4: of ECG"),
        ({"montage": "tpc"}, "no montage 'tpc'; did you mean 'tcp'"),
        ({"of": "emg"}, "no signal 'emg'"),
        ({"uv_per_mm": 0.0}, "sensitivity 0 µV/mm"),
        ({"of": "ecg", "mm_per_s": 30.0}, "paper speed 30 mm/s: 25, 50"),
        ({"montage": "linked-mastoids"}, "montage linked-mastoids: "),
        ({"of": "ecg"}, "holds no ecg"),
    ):
        with pytest.raises(PhysioprepError, match=words):
            drawn(store, tmp_path / "x", **changes)


def test_the_command_draws_eeg(store: Path, tmp_path: Path) -> None:
    command = ["derive", str(store), "-o", str(tmp_path / "out"), "--pictures", "--speed", "30"]
    more = ["--pictures-of", "eeg", "--sensitivity", "10", "--montage", "average", "--page", "5"]
    done = CliRunner().invoke(app, [*command, *more, "--dpi", "60", "--scheduler", "sync"])
    assert done.exit_code == 0, done.output
    table = pd.read_parquet(tmp_path / "out" / "pictures.parquet")
    assert set(table["n_samples"]) == {1000}
    assert np.allclose(table["px_per_mv"], -100 * table["px_per_mm"])
