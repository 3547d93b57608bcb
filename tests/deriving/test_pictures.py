"""Pictures of ECG: the waveform can be read back, nothing is invented, nobody is named."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from physioprep.deriving.paper.augment import generator
from physioprep.deriving.paper.draw import PEN_MM
from physioprep.deriving.paper.quantities import PICTURES
from physioprep.deriving.paper.record import NO_LEAD, NO_SAMPLE, draw_pages, safe
from physioprep.deriving.paper.spec import AUGMENTATIONS, LAYOUTS, TWELVE, PictureSpec
from physioprep.errors import PhysioprepError
from tests.deriving.heart import RATE_HZ, drawn_ecg
from tests.deriving.reading_paper import curve_of, ink_of, samples_of

KEY = {"corpus": "drawn", "record_id": "1"}
GAINS = (0.6, 1.0, 0.4, -0.8, 0.2, 0.7, -0.7, -0.9, 0.5, 1.1, 1.0, 0.9)


@pytest.fixture(scope="module")
def hearts() -> np.ndarray:
    drawn = [drawn_ecg(10, 0.83, gain, n)[0] + 0.3 * n for n, gain in enumerate(GAINS)]
    return np.stack(drawn).astype(np.float32)


def page(
    signal: np.ndarray, rate_hz: float = RATE_HZ, leads: tuple[str, ...] = TWELVE, **changes: object
) -> tuple[str, bytes, list[dict]]:
    spec = PictureSpec(**changes)  # type: ignore[arg-type]
    (made,) = draw_pages(spec, KEY, signal, leads, TWELVE, rate_hz)
    return made


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("speed", "gain"), [(25, 5), (50, 10)])
def test_every_sample_is_read_back_within_a_pixel(
    hearts: np.ndarray, layout: str, speed: float, gain: float
) -> None:
    every = 10 if speed == 25 else 5  # so few that bends are further apart than the pen is wide
    signal = hearts[:, ::every] * np.float32(5 / gain)  # within its row, also of 15 mm
    rate = RATE_HZ / every
    _, content, rows = page(
        signal, rate, layout=layout, mm_per_s=speed, mm_per_mv=gain, dpi=300, names=False
    )
    ink = ink_of(content)
    assert len(rows) == sum(map(len, LAYOUTS[layout]))
    for row in rows:
        assert row["n_outside"] == 0
        first = row["first_sample"]
        wanted = signal[TWELVE.index(row["lead"]), first : first + row["n_samples"]]
        read = samples_of(ink, row, PEN_MM * row["px_per_mm"])
        # the first and the last have no line on one side, or the neighbour's on it
        off = (np.abs(read - wanted) * row["px_per_mv"])[1:-1]
        assert off.max() < 1, (row["lead"], off.argmax(), off.max())
    counted = {row["lead"]: 0 for row in rows}
    for row in rows:
        counted[row["lead"]] += row["n_samples"]
    if layout == "12x1":
        assert set(counted.values()) == {signal.shape[1]}


def test_at_the_usual_size_the_trace_is_within_a_pixel(hearts: np.ndarray) -> None:
    _, content, rows = page(hearts, layout="6x2", names=False, mm_per_mv=5)
    ink, pen = ink_of(content), max(PEN_MM * rows[0]["px_per_mm"], 1.2)
    flat = 0
    for row in rows:
        first = row["first_sample"]
        wanted = hearts[TWELVE.index(row["lead"]), first : first + row["n_samples"]]
        x = row["x_first_px"] + np.arange(len(wanted)) * row["px_per_sample"]
        y = row["y_zero_px"] - wanted * row["px_per_mv"]
        fine = np.linspace(0, len(wanted) - 1, 40 * len(wanted))
        x, y = np.interp(fine, np.arange(len(x)), x), np.interp(fine, np.arange(len(y)), y)
        columns, middle = curve_of(ink, row)
        inked = ink[int(row["top_px"]) + 1 : int(row["bottom_px"])] > 0.5
        for column in columns[3:-3]:
            here, near = (y[np.abs(x - column) <= reach] for reach in (0.25, 0.5 + pen / 2))
            at = np.flatnonzero(inked[:, column]) + int(row["top_px"]) + 1
            assert near.min() - pen / 2 - 1 < at[0] < here.min() + 1
            assert here.max() - 1 < at[-1] < near.max() + pen / 2 + 1
            if np.ptp(near) < 0.5:
                flat += 1
                assert abs(middle[column - columns[0]] - here.mean()) < 0.5
    assert flat > 2000


def test_what_is_absent_is_left_empty_and_said(hearts: np.ndarray) -> None:
    leads = tuple(lead for lead in TWELVE if lead not in ("V3", "aVL"))
    signal = hearts[[TWELVE.index(lead) for lead in leads]].copy()
    signal[leads.index("V6")] = np.nan
    signal[leads.index("I"), 100:300] = np.nan
    _, content, rows = page(signal, leads=leads, layout="3x4+1", names=False)
    ink = ink_of(content)
    empty = {row["lead"]: row["reason"] for row in rows if row["reason"] is not None}
    assert empty == {"V3": NO_LEAD, "aVL": NO_LEAD, "V6": NO_SAMPLE}
    for row in rows:
        columns, middle = curve_of(ink, row)
        if row["reason"] is not None:
            assert np.isnan(middle[3:-3]).all()  # the neighbours' pen reaches in
            assert row["n_samples"] == 0
            assert row["y_zero_px"] is None
        elif row["lead"] == "I":
            at = (columns - row["x_first_px"]) / row["px_per_sample"]
            assert np.isnan(middle[(at > 108) & (at < 292)]).all()
            assert np.isfinite(middle[(at > 2) & (at < 98)]).all()
            assert row["n_missing"] == 200
        else:
            assert np.isfinite(middle[1:-1]).all()
    assert set(rows[0]) | {"file"} == {quantity.name for quantity in PICTURES}


def test_a_short_record_ends_where_it_ends(hearts: np.ndarray) -> None:
    _, _, rows = page(hearts[:, :2000], layout="3x4")  # 4 of 10 s: two columns of 2.5 s
    counts = {row["lead"]: (row["n_samples"], row["reason"]) for row in rows}
    assert counts["I"] == (1250, None)
    assert counts["aVR"] == (750, None)
    assert counts["V1"] == counts["V4"] == (0, "the record ends before")


def test_a_picture_holds_no_text_but_names_of_leads(hearts: np.ndarray) -> None:
    key = {"corpus": "drawn", "record_id": "Doe^Jane 1970"}
    spec = PictureSpec(text=True)
    ((name, content, _),) = draw_pages(spec, key, hearts, TWELVE, TWELVE, RATE_HZ)
    chunks, at = [], 8
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        chunks.append(content[at + 4 : at + 8].decode())
        at += 12 + length
    assert set(chunks) == {"IHDR", "PLTE", "pHYs", "IDAT", "IEND"}
    # the same pixels whoever it is
    assert content == next(draw_pages(spec, KEY, hearts, TWELVE, TWELVE, RATE_HZ))[1]
    assert name == "drawn_Doe-Jane-1970-a16f5e3b_00000.png"
    image = Image.open(io.BytesIO(page(hearts, augment=("jpeg",))[1]))
    assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi"}


def test_names_of_files_stay_in_the_folder_and_apart() -> None:
    ids = ("../../etc/passwd", "a.b", "a-b", "a/b", "a b", "", ".", "x" * 300, "Ä", "a_b")
    names = [safe(each) for each in ids]
    assert len(set(names)) == len(ids)
    for name in names:
        assert not set(name) & set("/\\._ "), name
        assert len(name) < 100


def test_augmentation_is_seeded_for_each_picture(hearts: np.ndarray) -> None:
    clean = ink_of(page(hearts)[1])
    for name in AUGMENTATIONS:
        one, again, other = (page(hearts, augment=(name,), seed=seed)[1:] for seed in (1, 1, 2))
        assert one[0] == again[0] != other[0]
        assert not np.array_equal(ink_of(one[0]), clean)
        turned = {row["rotation_deg"] for row in one[1]}
        assert (turned == {0.0}) == (name != "rotation")
    drawn = [generator(PictureSpec(seed=1), key).random() for key in ("a", "b")]
    assert drawn[0] != drawn[1]


def test_the_angle_says_where_the_trace_went(hearts: np.ndarray) -> None:
    _, content, rows = page(hearts, augment=("rotation",), seed=4, names=False, layout="12x1")
    row = rows[1]
    angle = np.deg2rad(row["rotation_deg"])
    assert abs(angle) > 0.01
    ink = ink_of(content)
    middle = (row["width_px"] - 1) / 2, (row["height_px"] - 1) / 2
    flat = np.flatnonzero(np.abs(hearts[1] - np.median(hearts[1])) < 0.01)
    x = row["x_first_px"] + flat * row["px_per_sample"] - middle[0]
    y = row["y_zero_px"] - hearts[1, flat] * row["px_per_mv"] - middle[1]
    there = (
        np.round(middle[1] - x * np.sin(angle) + y * np.cos(angle)).astype(int),
        np.round(middle[0] + x * np.cos(angle) + y * np.sin(angle)).astype(int),
    )
    assert (ink[there] > 0.3).mean() > 0.95


def test_what_cannot_be_drawn_is_refused() -> None:
    for changes, said in (
        ({"layout": "3x5"}, "no layout '3x5'; did you mean '3x4'"),
        ({"mm_per_s": 12.5, "of": "ecg"}, "paper speed 12.5 mm/s: 25, 50"),
        ({"mm_per_mv": 7}, "gain 7 mm/mV: 5, 10, 20"),
        ({"dpi": 9}, "9 dpi"),
        ({"size": (5, 100)}, "16 to 10000 pixels"),
        ({"grid": "#fff"}, "grid '#fff'"),
        ({"page_s": 0.1}, "page of 0.1 s"),
        ({"augment": ("fold",)}, "no augmentation 'fold'"),
        ({"seed": -1}, "seed -1"),
        ({"pages": -1}, "pages"),
    ):
        with pytest.raises(PhysioprepError, match=said):
            PictureSpec(**changes)  # type: ignore[arg-type]
    with pytest.raises(PhysioprepError, match="none of the leads of layout 3x4, but MLII: take"):
        PictureSpec(layout="3x4").rows_of(("MLII",))


def test_a_size_holds_the_whole_page(hearts: np.ndarray) -> None:
    for size in ((224, 224), (1024, 300), (300, 1024)):
        _, content, rows = page(hearts, size=size)
        assert Image.open(io.BytesIO(content)).size == size
        for row in rows:
            assert row["left_px"] > 0 < row["top_px"]
            assert row["right_px"] < size[0]
            assert row["bottom_px"] < size[1]
