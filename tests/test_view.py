from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from physioprep.drawing import Mark, compose, ecg_panel, eeg_panel
from physioprep.drawing.ecg import choose_gain, clinical_rows
from physioprep.drawing.look import Look
from physioprep.drawing.marks import marks_of
from physioprep.drawing.page import GUTTER_MM, MARGIN_MM, MM_PER_INCH, RIGHT_MM
from physioprep.drawing.signals import Signals, draw_signals
from physioprep.errors import PhysioprepError, StoreError
from physioprep.store.draw import draw_record, plot_record

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")


def fake_store(
    arrays: dict[str, tuple[np.ndarray, float, tuple[str, ...], str]], corpus: str = "mine"
) -> SimpleNamespace:
    """What plot_record asks of a store; tests of the real one are marked realdata below."""
    table = pd.DataFrame(
        {"onset": [1.0, 2.0], "duration": [np.nan, 0.5], "code": ["N", "+"], "text": ["", "(AFIB"]}
    )
    records = pd.DataFrame(
        {"corpus": [corpus], "record_id": ["a"], "age": [60.0], "sex": ["F"], "duration_s": [25.0]}
    )

    def index(record_id: str) -> int:
        if record_id != "a":
            raise StoreError(f"no record {record_id}")
        return 0

    def per_record(modality: str, name: str) -> np.ndarray:
        values = arrays[modality][0]
        if name == "length":
            return np.array([values.shape[1]])
        return np.isfinite(values).any(axis=1)[None]

    return SimpleNamespace(
        path=Path("x.zarr"),
        modalities=tuple(arrays),
        records=records,
        attrs={"recipe": {"name": "native"}},
        index=index,
        group={name: SimpleNamespace(attrs={"modality": name}) for name in arrays},
        table=per_record,
        read=lambda _, modality, start, stop: arrays[modality][0][:, start:stop],
        rate_hz=lambda modality: arrays[modality][1],
        channels=lambda modality: arrays[modality][2],
        units=lambda modality: (arrays[modality][3],) * len(arrays[modality][2]),
        annotations=lambda _: table,
    )


def texts(figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_paper_is_true_to_scale() -> None:
    """One second is 25 mm and one millivolt 10 mm, of the figure's own inches."""
    rate = 500.0
    signal = np.zeros((1, 5000))
    signal[0, 2500] = 1.0
    figure = compose([ecg_panel(signal, rate, ["II"])], 10.0, title="t")
    axes = figure.axes[1]  # after the heading
    trace = max(axes.lines, key=lambda line: len(line.get_xdata()))
    inch = trace.get_transform().transform(np.column_stack(trace.get_data())) / figure.dpi
    mm = inch * MM_PER_INCH
    assert mm[2500, 0] - mm[0, 0] == pytest.approx(5 * 25.0, abs=1e-6)
    assert mm[2500, 1] - mm[0, 1] == pytest.approx(10.0, abs=1e-6)
    assert mm[0, 0] == pytest.approx(MARGIN_MM + GUTTER_MM, abs=1e-6)
    width_mm = figure.get_size_inches()[0] * MM_PER_INCH
    assert width_mm == pytest.approx(250 + GUTTER_MM + RIGHT_MM + 2 * MARGIN_MM)


def test_thick_grid_lines_are_every_fifth_of_a_second() -> None:
    figure = compose([ecg_panel(np.zeros((1, 1000)), 100.0, ["I"])], 10.0, title="t")
    grid = figure.axes[1].collections[3]  # paper, thin upright and level, thick upright
    xs = [float(path.vertices[0, 0]) for path in grid.get_paths()]
    assert np.allclose(np.diff(xs), 5.0)
    assert any(np.isclose(x, GUTTER_MM) for x in xs), "time zero lies on a thick line"


def test_twelve_leads_stand_in_clinical_rows_whatever_their_order() -> None:
    rows = clinical_rows(LEADS[::-1], 1000)
    names = [[LEADS[::-1][strip.lead] for strip in row] for row in rows]
    assert names == [
        ["I", "aVR", "V1", "V4"],
        ["II", "aVL", "V2", "V5"],
        ["III", "aVF", "V3", "V6"],
        ["II"],
    ]
    assert [(s.first, s.stop) for s in rows[0]] == [(0, 250), (250, 500), (500, 750), (750, 1000)]
    assert [len(row) for row in clinical_rows(("MLII", "V5"), 100)] == [1, 1]


@pytest.mark.parametrize(
    ("peak_mv", "gain"), [(0.01, 10), (5.0, 10), (9.0, 5), (1000.0, 0.0390625)]
)
def test_gain_is_standard_unless_the_trace_does_not_fit(peak_mv: float, gain: float) -> None:
    trace = np.zeros(1000)
    trace[:100] = peak_mv
    assert choose_gain(trace[None]) == gain


def test_gain_of_nothing_but_missing_samples() -> None:
    assert choose_gain(np.full((2, 10), np.nan)) == 10.0


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_plot_record_writes_each_kind(tmp_path: Path, suffix: str) -> None:
    rng = np.random.default_rng(0)
    store = fake_store(
        {
            "ecg": (rng.normal(0, 0.1, (12, 12500)).astype("f4"), 500.0, LEADS, "mV"),
            "eeg": (rng.normal(0, 20, (3, 5000)).astype("f4"), 200.0, ("Fp1", "Fp2", "Cz"), "µV"),
            "resp": (rng.normal(0, 1, (1, 250)).astype("f4"), 10.0, ("chest",), "V"),
        }
    )
    out = plot_record(store, "a", tmp_path / f"a{suffix}", duration_s=12)
    head = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[suffix]
    assert out.read_bytes().startswith(head)
    assert [p.name for p in tmp_path.iterdir()] == [out.name], "nothing half-written is left"


def test_page_says_what_is_missing_absent_and_simulated() -> None:
    ecg = np.zeros((3, 1000), np.float32)
    ecg[0, 200:600] = np.nan
    ecg[2] = np.nan
    signals = [Signals("ecg", ecg, 100.0, ("I", "II", "V1"), "mV", absent=("V1",))]
    marks = [Mark(1.0, "N"), Mark(2.0, "(AFIB", 3.0)]
    words = texts(draw_signals(signals, marks=marks, title="t", simulated=True))
    assert "missing" in words
    assert "V1 absent" in words
    assert "SIMULATED" in words
    assert {"N", "(AFIB"} <= set(words)
    assert any("25 mm/s, 10 mm/mV" in word for word in words)


def test_simulated_corpora_are_labelled_and_real_ones_are_not(tmp_path: Path) -> None:
    from physioprep.store.draw import draw_record

    one = {"ecg": (np.zeros((1, 1000), "f4"), 100.0, ("I",), "mV")}
    assert "SIMULATED" in texts(draw_record(fake_store(one, "demo-ecg"), "a"))
    assert "SIMULATED" not in texts(draw_record(fake_store(one, "mitdb"), "a"))


def test_leads_that_twelve_lead_records_lack_are_named_others_left_out() -> None:
    from physioprep.store.draw import draw_record

    values = np.zeros((12, 1000), "f4")
    values[4] = np.nan
    words = texts(draw_record(fake_store({"ecg": (values, 100.0, LEADS, "mV")}), "a"))
    assert "aVL absent" in words
    values[2:] = np.nan
    words = texts(draw_record(fake_store({"ecg": (values, 100.0, LEADS, "mV")}), "a"))
    assert not any("absent" in word for word in words)
    assert "III" not in words


def test_seconds_count_from_the_recordings_start() -> None:
    from physioprep.store.draw import draw_record

    one = {"ecg": (np.zeros((1, 2500), "f4"), 100.0, ("I",), "mV")}
    words = texts(draw_record(fake_store(one), "a", start_s=5, duration_s=10))
    assert "5 s" in words
    assert "15" in words
    assert "16" not in words


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({"name": "native"}, "as recorded (no re-referencing here)"),
        ({"modalities": {"eeg": {"reference": ""}}}, "as recorded (no re-referencing here)"),
        ({"modalities": {"eeg": {"reference": "average"}}}, "average reference (by the recipe)"),
        ({"modalities": {"eeg": {"reference": "linked-mastoids"}}}, "linked mastoids (by the"),
        ({"modalities": {"eeg": {"reference": "tcp"}}}, "bipolar, TCP montage (by the recipe)"),
    ],
)
def test_eeg_says_the_reference_that_the_recipe_applied(
    recipe: dict[str, object], said: str
) -> None:
    store = fake_store({"eeg": (np.zeros((2, 2000), "f4"), 200.0, ("Fp1", "Cz"), "µV")})
    store.attrs["recipe"] = recipe
    footer = " ".join(texts(draw_record(store, "a")))
    assert said in footer
    assert footer.count("as recorded") == said.count("as recorded")


def test_units_are_converted_to_millivolts() -> None:
    micro = Signals("ecg", np.full((1, 100), 0.0), 100.0, ("I",), "µV")
    micro.values[0, 50] = 1000.0
    figure = draw_signals([micro], title="t")
    trace = max(figure.axes[1].lines, key=lambda line: len(line.get_xdata()))
    assert np.ptp(trace.get_ydata()) == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start_s": 30}, "nothing at 30 s"),
        ({"duration_s": 0}, "duration_s=0: draw between"),
        ({"duration_s": 1e4}, "duration_s=10000: draw between"),
        ({"modality": "eeg"}, "no modality 'eeg'"),
        ({"record_id": "b"}, "no record b"),
        ({"out": "a.txt"}, "file extension of a picture is .png"),
    ],
)
def test_what_cannot_be_drawn_is_one_clear_error(
    tmp_path: Path, arguments: dict[str, object], message: str
) -> None:
    store = fake_store({"ecg": (np.zeros((1, 2500), "f4"), 100.0, ("I",), "mV")})
    given = {"record_id": "a", "out": "a.png", **arguments}
    out = tmp_path / str(given.pop("out"))
    with pytest.raises(PhysioprepError, match=message):
        plot_record(store, given.pop("record_id"), out, **given)
    assert not list(tmp_path.iterdir())


def test_marks_of_a_lead_stand_in_its_row_and_nowhere_else() -> None:
    table = pd.DataFrame(
        {
            "onset": [1.0, 1.0, 1.2, 1.0, 3.0], "duration": [np.nan, 0.2, np.nan, 0.3, 4.0],
            "code": ["(", "", ")", "", "+"], "text": ["", "QRS", "", "T", "(AFIB"],
            "source": ["ii", "ii", "ii", "v1", "atr"],
        }
    )  # fmt: skip
    marks = marks_of(table, 0.0, 10.0, ["II", "V1"])
    assert marks == [
        Mark(1.0, "QRS", 0.2, "II"), Mark(1.0, "T", 0.3, "V1"), Mark(3.0, "(AFIB", 4.0),
    ]  # fmt: skip
    signal = np.zeros((1, 1000))
    figure = compose([ecg_panel(signal, 100.0, ["II"], marks=marks)], 10.0, title="t")
    words = texts(figure)
    assert "QRS" in words
    assert "(AFIB" in words
    assert "T" not in words


def test_borders_of_long_stretches_cross_the_panel_and_those_of_waves_do_not() -> None:
    def lines(duration_s: float) -> int:
        mark = Mark(2.0, "T1", duration_s)
        figure = compose([eeg_panel(np.zeros((2, 1000)), 100.0, ["Cz", "Pz"], marks=[mark])], 10.0,
                         title="t")  # fmt: skip
        x = GUTTER_MM + 2.0 * 25
        return sum(
            np.ptp(line.get_ydata()) > 20 and line.get_xdata()[0] == x
            for axes in figure.axes for line in axes.lines
        )  # fmt: skip

    assert (lines(4.0), lines(0.1)) == (1, 0)


def test_channels_montage_scale_and_speed_are_chosen() -> None:
    rng = np.random.default_rng(0)
    eeg = rng.normal(0, 20, (4, 2000)).astype(np.float32)
    store = fake_store({"eeg": (eeg, 200.0, ("Fp1", "F7", "T7", "Cz"), "µV")})
    look = Look(channels="F7-T7", montage="tcp", uv_per_mm=5.0, mm_per_s=30.0)
    figure = draw_record(store, "a", look=look)
    words = texts(figure)
    assert "F7-T7" in words
    assert "Fp1-F7" not in words
    assert "Cz" not in words
    assert any("30 mm/s, 5 µV/mm" in word and "(by this picture)" in word for word in words)
    trace = next(line for a in figure.axes for line in a.lines if len(line.get_ydata()) == 2000)
    drawn = -(trace.get_ydata() - np.median(trace.get_ydata())) * 5.0
    expected = eeg[1] - eeg[2]
    np.testing.assert_allclose(drawn, expected - np.median(expected), atol=1e-3)
    assert np.ptp(trace.get_xdata()) == pytest.approx(9.995 * 30.0)


def test_a_slow_page_has_longer_strips_and_a_fast_one_is_wider() -> None:
    ecg = Signals("ecg", np.zeros((1, 4000), np.float32), 100.0, ("I",), "mV")
    slow = draw_signals([ecg], look=Look(mm_per_s=12.5))
    fast = draw_signals([ecg], look=Look(mm_per_s=50.0))
    n_panels = [len(figure.axes) - 2 for figure in (slow, fast)]  # without head and foot
    assert n_panels == [2, 4]
    widths = [figure.get_size_inches()[0] * MM_PER_INCH for figure in (slow, fast)]
    assert widths[1] - widths[0] == pytest.approx(250.0)


def test_only_the_annotators_asked_for_are_shown() -> None:
    store = fake_store({"ecg": (np.zeros((1, 1000), np.float32), 100.0, ("I",), "mV")})
    table = store.annotations("a").assign(source=["atr", "qrs"])
    store.annotations = lambda _: table
    words = texts(draw_record(store, "a", look=Look(annotators=["atr"])))
    assert "N" in words
    assert "(AFIB" not in words
    with pytest.raises(PhysioprepError, match="no annotation of me; it has those of: atr, qrs"):
        draw_record(store, "a", look=Look(annotators=["me"]))


@pytest.mark.parametrize(("high", "noted"), [(40, True), (100, False), (None, False)])
def test_the_footer_warns_of_ringing_after_a_low_pass(high: float | None, noted: bool) -> None:
    store = fake_store({"ecg": (np.zeros((1, 1000), np.float32), 100.0, ("I",), "mV")})
    store.attrs["recipe"]["modalities"] = {"ecg": {"band_hz": [0.5, high]}}
    assert any("ringing" in word for word in texts(draw_record(store, "a"))) is noted


@pytest.mark.parametrize(
    ("look", "message"),
    [
        ({"mm_per_s": 0.0}, "paper speed 0 mm/s"),
        ({"mm_per_s": float("nan")}, "paper speed nan mm/s"),
        ({"mm_per_mv": -1.0}, "-1 mm/mV"),
        ({"uv_per_mm": float("inf")}, "inf µV/mm"),
        ({"montage": "laplace"}, "montage 'laplace'"),
        ({"montage": "tcp"}, "no EEG for the montage tcp"),
        ({"channels": ["V9"]}, "V9"),
    ],
)
def test_impossible_looks_are_one_clear_error(look: dict, message: str) -> None:
    store = fake_store({"ecg": (np.zeros((1, 1000), np.float32), 100.0, ("I",), "mV")})
    with pytest.raises(PhysioprepError, match=message):
        draw_record(store, "a", look=Look(**look))
