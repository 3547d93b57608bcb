"""Windows as published tasks cut them: padded, several at one onset, oversampled, cropped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physioprep.errors import ShardError
from physioprep.shards import AnnotationLabel, ShardSpec, open_shards, shard
from physioprep.shards.cut import padded

RATE = 100


@pytest.fixture(scope="module")
def store(
    tmp_path_factory: pytest.TempPathFactory,
    make_group: Callable[..., dict[str, Any]],
    write_store: Callable[..., Path],
) -> Path:
    """Three records of 10, 20 and 30 s; runs R04, R06, R08 of people who move at T1 and T2."""
    rng = np.random.default_rng(3)
    eeg = [rng.integers(-900, 900, (2, n * RATE)).astype(np.int16) for n in (10, 20, 30)]
    notes = [
        (0, 0.5, 1.0, "T1", "edf+", ""),
        (0, 0.5, 1.0, "T2", "edf+", ""),
        (0, 9.5, 0.5, "T1", "edf+", ""),
        (1, 4.0, 6.0, "seizure", "edf+", ""),
        (1, 12.0, 1.0, "T2", "edf+", ""),
        (2, 3.0, 2.0, "0.25", "perclos", ""),
        (2, 5.0, 2.0, "0.5", "perclos", ""),
        (2, 8.0, 1.0, "T1", "edf+", ""),
        (2, 20.0, 1.0, "T2", "edf+", ""),
    ]
    return write_store(
        tmp_path_factory.mktemp("events") / "store.zarr",
        {"eeg": make_group(eeg, channels=["C3", "C4"], unit="µV", scale=1.0)},
        {"label_run": ["R04", "R06", "R08"]},
        annotations=notes,
    )


def cut(store: Path, out: Path, **arguments: Any) -> dict[tuple[str, float], dict[str, Any]]:
    """Windows by record and start, each with its signal and labels."""
    shard(store, out, **arguments)
    shards = open_shards(out)
    rows = shards.windows.sort_values("window").reset_index(drop=True)
    signal = np.concatenate([shards.read(chunk, "eeg") for chunk in range(shards.n_chunks)])
    found: dict[tuple[str, float], dict[str, Any]] = {}
    for number, row in rows.iterrows():
        key = (row["record_id"], round(row["start_s"], 6))
        found.setdefault(key, {"rows": []})["rows"].append(row)
        found[key]["signal"] = signal[number]
    return found


@pytest.mark.parametrize("pad", ["wrap", "reflect", "edge"])
@pytest.mark.parametrize(("first", "n", "length"), [(-7, 20, 5), (-3, 8, 9), (4, 9, 6), (0, 3, 1)])
def test_padding_is_numpys(pad: Any, first: int, n: int, length: int) -> None:
    record = np.arange(length)
    before, after = max(0, -first), max(0, first + n - length)
    whole = np.pad(record, (before, after), mode=pad)
    wanted = whole[first + before : first + before + n]
    assert padded(first, n, length, pad).tolist() == wanted.tolist()


@pytest.mark.parametrize("pad", ["wrap", "reflect", "edge"])
def test_windows_around_onsets_at_the_ends(store: Path, tmp_path: Path, pad: Any) -> None:
    """As TUEV is cut: 2 s before and after an event, the recording repeated at its ends."""
    found = cut(
        store, tmp_path / "s", window_s=5.0, align="annotation", before_s=2.0, pad=pad,
        align_where="text in ['T1', 'T2']", where="record_id == 'r000'",
    )  # fmt: skip
    assert sorted(found) == [("r000", -1.5), ("r000", 7.5)]
    whole = open_shards_signal(store, 0)
    for (_, start), window in found.items():
        first = round(start * RATE)
        longer = np.pad(whole, ((0, 0), (500, 500)), mode=pad)
        assert np.array_equal(window["signal"], longer[:, 500 + first : 1000 + first])
    without = shard(
        store, tmp_path / "t", window_s=5.0, align="annotation", before_s=2.0,
        align_where="text in ['T1', 'T2']",
    )  # fmt: skip
    assert without.left_out["beyond the record's ends"] == 2


def open_shards_signal(store: Path, record: int) -> np.ndarray:
    from physioprep.store.open import open_store

    opened = open_store(store)
    return opened.record(opened.records["record_id"].iloc[record])["eeg"].to_numpy()


def test_several_annotations_at_one_onset(store: Path, tmp_path: Path) -> None:
    label = AnnotationLabel(name="what", rule="own", where="text in ['T1', 'T2']")
    common: dict[str, Any] = {
        "window_s": 1.0, "align": "annotation", "align_where": "text in ['T1', 'T2']",
        "annotation_labels": [label],
    }  # fmt: skip
    once = shard(store, tmp_path / "once", **common)
    assert (once.n_windows, once.left_out["at the same second as another"]) == (4, 1)
    each = cut(store, tmp_path / "each", **common, same_onset="each")
    rows = each["r000", 0.5]["rows"]
    assert sorted(row["label_what"] for row in rows) == ["T1", "T2"]
    assert [row["label_what"] for row in each["r002", 20.0]["rows"]] == ["T2"]


def test_a_label_of_event_and_record_together(store: Path, tmp_path: Path) -> None:
    cases = {
        "left fist": "text == 'T1' and label_run in ['R04', 'R08']",
        "right fist": "text == 'T2' and label_run in ['R04', 'R08']",
        "both fists": "text == 'T1'",
        "both feet": "text == 'T2'",
    }
    found = cut(
        store, tmp_path / "s", window_s=1.0, align="annotation", same_onset="each",
        align_where="text in ['T1', 'T2'] and label_run != 'R99'",
        annotation_labels={"move": {"cases": cases, "rule": "own"}},
    )  # fmt: skip
    said = {key: sorted(row["label_move"] for row in held["rows"]) for key, held in found.items()}
    assert said == {
        ("r000", 0.5): ["left fist", "right fist"],
        ("r001", 12.0): ["both feet"],
        ("r002", 8.0): ["left fist"],
        ("r002", 20.0): ["right fist"],
    }
    assert open_shards(tmp_path / "s").categories("label_move") == tuple(cases)


def test_more_windows_in_rare_events(store: Path, tmp_path: Path) -> None:
    """As CHB-MIT is cut: steps of 10 s everywhere, of 5 s from 1 s before a seizure on."""
    more = {"where": "text == 'seizure'", "step_s": 1.5, "before_s": 1.0, "after_s": 1.0}
    found = cut(store, tmp_path / "s", window_s=4.0, more_windows=more, trim_s=0.0)
    tiled = {(f"r00{n}", 4.0 * k) for n, s in enumerate((10, 20, 30)) for k in range(s // 4)}
    # from 3 s on, before the seizure's end at 10 s and one second more
    extra = {("r001", 3.0 + 1.5 * k) for k in range(6) if 3.0 + 1.5 * k < 11.0}
    assert set(found) == tiled | extra


def test_a_crop_by_events(store: Path, tmp_path: Path) -> None:
    crop = {"where": "text in ['T1', 'T2']", "before_s": 2.0, "after_s": 1.5}
    found = cut(store, tmp_path / "s", window_s=1.0, crop=crop, where="record_id != 'r001'")
    # r000: 0.5 - 2 s is before the record, 10 + 1.5 s behind it; r002: 8 - 2 to 21 + 1.5 s
    wanted = {("r000", float(k)) for k in range(10)} | {("r002", 6.0 + k) for k in range(16)}
    assert set(found) == wanted


def test_numbers_of_events_and_windows_without(store: Path, tmp_path: Path) -> None:
    label = {"perclos": {"where": "source == 'perclos'", "number": True, "rule": "centre"}}
    found = cut(store, tmp_path / "s", window_s=1.0, annotation_labels=label, labelled_only=True)
    values = {key: float(held["rows"][0]["label_perclos"]) for key, held in found.items()}
    assert values == {("r002", 3.0): 0.25, ("r002", 4.0): 0.25,
                      ("r002", 5.0): 0.5, ("r002", 6.0): 0.5}  # fmt: skip
    assert open_shards(tmp_path / "s").target("label_perclos").kind == "number"
    wrong = {"perclos": {"number": True}}
    with pytest.raises(ShardError, match="is no number"):
        shard(store, tmp_path / "t", window_s=1.0, annotation_labels=wrong)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pad": "zero"}, "pad is 'wrap', 'reflect' or 'edge'"),
        ({"pad": "wrap"}, "pad is for windows at an onset"),
        ({"same_onset": "all"}, "same_onset is"),
        ({"labelled_only": True}, "labelled_only needs"),
        ({"crop": {"wher": "x"}}, "crop: unknown field 'wher'; did you mean 'where'"),
        ({"crop": {"before_s": 1}}, "crop: missing"),
        ({"crop": 3}, "crop: 3 is no mapping"),
        ({"more_windows": {"where": "a", "step_s": 0}}, "step_s must be longer"),
        ({"more_windows": {"where": "a", "step_s": float("nan")}}, "no number of seconds"),
        ({"annotation_labels": {"a": {"cases": {"x": "y"}, "categories": {"a": "b"}}}}, "not both"),
    ],
)
def test_wrong_options_are_one_line(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ShardError, match=message) as refused:
        ShardSpec.of(**arguments)
    assert "\n" not in str(refused.value)


def test_the_new_fields_are_in_the_spec_only_where_they_are_set() -> None:
    fields = ("same_onset", "pad", "more_windows", "crop", "labelled_only")
    assert not set(fields) & set(ShardSpec().to_dict())
    spec = ShardSpec.of(
        align="annotation", same_onset="each", pad="wrap", labelled_only=True,
        crop={"where": "text == 'a'"}, more_windows={"where": "text == 'b'", "step_s": 2.0},
        annotation_labels={"x": {"cases": {"a": "text == 'a'"}, "rule": "own"}},
    )  # fmt: skip
    assert ShardSpec.from_dict(spec.to_dict()) == spec
