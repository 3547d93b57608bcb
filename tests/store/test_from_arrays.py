"""Arrays of trials in memory become a native store, exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import physioprep as pp
from physioprep.hashes import sha256_of

ABOUT: dict[str, Any] = {"channels": ["C3", "C4"], "rate_hz": 200, "units": "uV"}
LABELS = ["left", "right", "left", "right"]
SUBJECTS = ["s1", "s1", "s2", "s2"]


def _trials(dtype: str) -> np.ndarray[Any, Any]:
    values = np.random.default_rng(0).standard_normal((4, 2, 400)) * 1000
    return values.astype(dtype)


@pytest.mark.parametrize(
    ("dtype", "stored"),
    [
        *[("int16", "int16"), ("int64", "int16"), ("uint8", "int16"), ("float16", "float32")],
        *[("float32", "float32"), ("float64", "float64"), (">f8", "float64"), (">i4", "int16")],
    ],
)
def test_a_trial_comes_back_exactly(tmp_path: Path, dtype: str, stored: str) -> None:
    trials = _trials("float64").astype("int8").astype(dtype) if dtype == "uint8" else _trials(dtype)
    result = pp.from_arrays(trials, out=tmp_path / "a.zarr", **ABOUT)
    store = pp.open_store(tmp_path / "a.zarr")
    assert result.n_records == len(store) == 4
    for number, trial in enumerate(trials, 1):
        found = store.digital(f"trial-{number}", "eeg")
        assert found.dtype == stored
        assert np.array_equal(found, trial)
        assert store.record(f"trial-{number}")["eeg"].values == pytest.approx(trial)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zarr"]
    assert pp.verify(tmp_path / "a.zarr").problems == ()


def test_the_lowest_int16_is_a_sample(tmp_path: Path) -> None:
    """-32768 marks missing samples in int16: such trials are int32."""
    trials = np.full((1, 2, 400), -32768, np.int16)
    pp.from_arrays(trials, out=tmp_path / "a.zarr", **ABOUT)
    found = pp.open_store(tmp_path / "a.zarr").record("trial-1")["eeg"].values
    assert np.array_equal(found, trials[0])


def test_trials_of_a_list_may_differ_in_length_and_type(tmp_path: Path) -> None:
    trials = [_trials("int32")[0] * 1000 + 1, _trials("float32")[1, :, :300]]
    pp.from_arrays(trials, out=tmp_path / "a.zarr", **ABOUT)
    store = pp.open_store(tmp_path / "a.zarr")
    for number, trial in enumerate(trials, 1):
        assert np.array_equal(store.digital(f"trial-{number}", "eeg"), trial)


def test_trials_of_one_recording_are_its_annotations(tmp_path: Path) -> None:
    trials = _trials("float32")
    pp.from_arrays(
        trials,
        out=tmp_path / "a.zarr",
        records=["r1", "r2", "r1", "r2"],
        subjects=["a", "b", "a", "b"],
        labels=np.array([0, 1, 1, 0]),
        **ABOUT,
    )
    store = pp.open_store(tmp_path / "a.zarr")
    assert store.records["subject_id"].tolist() == ["a", "b"]
    for record, own, texts in (("r1", (0, 2), ["0", "1"]), ("r2", (1, 3), ["1", "0"])):
        notes = store.annotations(record)
        assert notes["text"].tolist() == texts
        assert notes["onset"].tolist() == [0.0, 3.0]
        found = store.digital(record, "eeg")
        assert np.array_equal(found[:, :400], trials[own[0]])
        assert np.isnan(found[:, 400:600]).all()
        assert np.array_equal(found[:, 600:], trials[own[1]])


def test_shards_have_the_labels(tmp_path: Path) -> None:
    trials = _trials("float32")
    pp.from_arrays(trials, out=tmp_path / "a.zarr", subjects=SUBJECTS, labels=LABELS, **ABOUT)
    spec = pp.ShardSpec(window_s=2.0, labels=("class",))
    pp.shard([tmp_path / "a.zarr"], tmp_path / "shards", spec)
    shards = pp.open_shards(tmp_path / "shards")
    names = shards.target("label_class").categories
    assert names is not None
    order = [int(name.removeprefix("trial-")) - 1 for name in shards.windows["record_id"]]
    assert sorted(order) == [0, 1, 2, 3]
    found = [names[code] for code in shards.values("label_class")]
    assert found == [LABELS[number] for number in order]
    assert shards.windows["subject_id"].tolist() == [SUBJECTS[number] for number in order]


def test_shards_have_the_events(tmp_path: Path) -> None:
    pp.from_arrays(
        _trials("int16"), out=tmp_path / "a.zarr", records=[1, 1, 1, 1], labels=LABELS, **ABOUT
    )
    label = pp.AnnotationLabel(name="side", rule="own")
    spec = pp.ShardSpec(window_s=2.0, align="event", annotation_labels=(label,))
    pp.shard([tmp_path / "a.zarr"], tmp_path / "shards", spec)
    shards = pp.open_shards(tmp_path / "shards")
    names = shards.target("label_side").categories
    assert names is not None
    found = zip(shards.windows["start_s"], shards.values("label_side"), strict=True)
    assert [names[code] for _, code in sorted(found)] == LABELS


def test_named_labels_are_columns(tmp_path: Path) -> None:
    labels = {"valence": [1.5, None, 2.0, np.nan], "findings": [["a", "b"], [], None, ["a"]]}
    pp.from_arrays(_trials("int16"), out=tmp_path / "a.zarr", labels=labels, **ABOUT)
    records = pp.open_store(tmp_path / "a.zarr").records
    assert records["label_valence"].isna().tolist() == [False, True, False, True]
    assert records["label_findings"].tolist() == [["a", "b"], [], None, ["a"]]


def test_truths_are_classes_of_their_own(tmp_path: Path) -> None:
    truths = {"a": [True, False, None, ""], "b": np.array([True, False, True, False])}
    pp.from_arrays(_trials("int16"), labels=truths, out=tmp_path / "a.zarr", **ABOUT)
    records = pp.open_store(tmp_path / "a.zarr").records
    assert records["label_a"].tolist() == ["true", "false", None, None]
    assert records["label_b"].tolist() == ["true", "false", "true", "false"]


def test_a_mask_of_nothing_masks_nothing(tmp_path: Path) -> None:
    trials = _trials("int16")
    pp.from_arrays(np.ma.array(trials), out=tmp_path / "a.zarr", **ABOUT)
    assert np.array_equal(pp.open_store(tmp_path / "a.zarr").digital("trial-1", "eeg"), trials[0])


def test_the_same_arrays_give_the_same_store(tmp_path: Path) -> None:
    for name in ("a.zarr", "b.zarr"):
        pp.from_arrays(_trials("int16"), out=tmp_path / name, records=[1, 1, 2, 2], **ABOUT)
    a, b = (sha256_of(tmp_path / name / "SHA256SUMS") for name in ("a.zarr", "b.zarr"))
    assert a == b


def test_an_older_store_stays_unless_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "a.zarr"
    pp.from_arrays(_trials("int16"), out=out, **ABOUT)
    pp.from_arrays(_trials("int16"), out=out, **ABOUT)  # complete already
    with pytest.raises(pp.StoreError, match="exists already, made from another manifest"):
        pp.from_arrays(_trials("int16") + 1, out=out, **ABOUT)
    assert np.array_equal(pp.open_store(out).digital("trial-1", "eeg"), _trials("int16")[0])
    pp.from_arrays(_trials("int16") + 1, out=out, overwrite=True, **ABOUT)
    assert np.array_equal(pp.open_store(out).digital("trial-1", "eeg"), _trials("int16")[0] + 1)


MASKED = np.ma.masked_less(_trials("float32"), 0)
HUGE = _trials("float64")
HUGE[2, 1, 5] = -1e39
BAD = _trials("float32")
BAD[1, 0, 7] = np.nan


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"signals": _trials("int16")[0]}, r"\(2, 400\) are not \(trial, 2 channels, time\)"),
        ({"signals": _trials("int16")[:, :1]}, r"trial 0: \(1, 400\) is not \(2 channels, time\)"),
        ({"signals": BAD}, "trial 1, channel 0, sample 7: nan"),
        ({"signals": HUGE}, r"trial 2, channel 1, sample 5: -1e\+39, beyond float32"),
        ({"signals": MASKED}, r"signals: \d+ samples are masked, the first at \(0, 0, 1\)"),
        ({"signals": list(MASKED)}, r"trial 0: \d+ samples are masked"),
        ({"signals": [list(MASKED[0])]}, r"trial 0: \d+ samples are masked"),
        ({"signals": np.full((1, 2, 9), 2**40)}, "integers beyond 32 bits"),
        ({"signals": np.zeros((1, 2, 9), complex)}, "type complex128"),
        ({"signals": []}, "no trial"),
        ({"channels": ["C3", "Czz"]}, "unknown channel 'Czz'; did you mean 'Cz'"),
        ({"channels": ["T3", "T7"]}, "'T3' and 'T7' are both T7"),
        ({"units": "furlong"}, "unit 'furlong' of channel C3 is not understood"),
        ({"units": ["uV"]}, "1 units for 2 channels"),
        ({"rate_hz": 0}, "rate_hz is 0"),
        ({"rate_hz": float("nan")}, "rate_hz is nan"),
        ({"subjects": ["a"]}, "1 subjects for 4 trials"),
        ({"subjects": ["a", "b", None, "c"]}, "subjects: item 2 is None"),
        ({"labels": ["a"] * 5}, "5 labels for 4 trials"),
        ({"labels": "left"}, "labels is a sequence"),
        ({"corpus": "mitdb"}, "corpus 'mitdb'"),
        ({"records": [1, 1, 2, 2], "subjects": list("abcc")}, "record 1: trials of subjects a and"),
        ({"records": [1, 1, 2, 2], "labels": [0.5] * 4}, "label 0 is 0.5"),
        ({"records": [1, 1], "signals": [np.ones((2, 8)), np.ones((2, 9))]}, "8 and 9 samples"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, change: dict[str, Any], said: str) -> None:
    given = {"signals": _trials("int16"), "out": tmp_path / "a.zarr"} | ABOUT | change
    with pytest.raises(pp.StoreError, match=said) as caught:
        pp.from_arrays(**given)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
