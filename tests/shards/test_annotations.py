"""Windows at annotations, and labels out of them, against plain loops over the same table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import zarr

from physioprep.errors import ShardError
from physioprep.shards import AnnotationLabel, open_shards, shard
from physioprep.store.open import open_store
from physioprep.store.read import Store

RATE = 100.0


@pytest.fixture(scope="module")
def noted(
    tmp_path_factory: pytest.TempPathFactory,
    make_group: Callable[..., dict[str, Any]],
    write_store: Callable[..., Path],
) -> Path:
    """Six records of 12 to 30 s; rhythm changes, beats, and events that state how long they last.

    Onsets are whole hundredths of a second, so that a loop over hundredths is exact.
    """
    rng = np.random.default_rng(11)
    seconds = rng.integers(12, 30, 6)
    ecg = [rng.integers(-900, 900, (2, int(n * RATE))).astype(np.int16) for n in seconds]
    ecg[2][:, 500:650] = -32768
    rows: list[tuple[Any, ...]] = []
    for record, length in enumerate(seconds.tolist()):
        if record == 4:
            continue  # nobody annotated it
        for onset in np.sort(rng.choice(length * 100, 6, replace=False)) / 100:
            rows.append((record, onset, np.nan, rng.choice(["(N", "(AFIB", "(AFL"]), "atr", "+"))
        for onset in np.sort(rng.choice(length * 100, length, replace=False)) / 100:
            rows.append((record, onset, np.nan, "", "atr", rng.choice(["N", "V", "A", "~"])))
        for onset in np.sort(rng.choice(length * 100, 5, replace=False)) / 100:
            lasts = rng.integers(0, 500) / 100
            rows.append((record, onset, lasts, rng.choice(["T1", "T2"]), "edf+", ""))
    rows.sort(key=lambda row: row[:2])
    return write_store(
        tmp_path_factory.mktemp("noted") / "store.zarr",
        {"ecg": make_group(ecg, channels=["I", "II"])},
        annotations=rows,
    )


def table(store: Store) -> pd.DataFrame:
    """All annotations, each with its record and the second at which it ends."""
    found = []
    for record in store.records["record_id"]:
        notes = store.annotations(record)
        length = store.record(record).sizes["time"] / RATE
        for number, row in enumerate(notes.itertuples()):
            end = row.onset + row.duration
            if np.isnan(end):
                later = notes.iloc[number + 1 :]
                same = later[(later["source"] == row.source) & (later["code"] == row.code)]
                end = same["onset"].min() if len(same) else length
            found.append((record, row.onset, end, row.text, row.source, row.code))
    return pd.DataFrame(found, columns=["record", "onset", "end", "text", "source", "code"])


def good(store: Store, record: str, start: float, window_s: float) -> bool:
    """Whether a window lies in its record, without a missing sample."""
    signal = store.record(record)["ecg"].to_numpy()
    first = round(start * RATE)
    piece = signal[:, first : first + round(window_s * RATE)]
    whole = start >= 0 and piece.shape[1] == round(window_s * RATE)
    return bool(whole and np.isfinite(piece).all())


def check(path: Path, store: Store, wanted: set[tuple[str, float]]) -> None:
    shards = open_shards(path)
    rows = shards.windows
    found = [(r, round(s, 6)) for r, s in zip(rows["record_id"], rows["start_s"], strict=True)]
    assert set(found) == {(record, round(start, 6)) for record, start in wanted}
    assert len(set(found)) == len(found)
    values = np.concatenate([shards.read(chunk, "ecg") for chunk in range(shards.n_chunks)])
    for (record, start), value in zip(found, values, strict=True):
        first = round(start * RATE)
        signal = store.record(record)["ecg"].to_numpy()
        np.testing.assert_array_equal(value, signal[:, first : first + value.shape[1]])


@pytest.mark.parametrize(
    ("align", "where", "keep", "before", "lead"),
    [
        ("annotation", "code == '+'", lambda t: t.code == "+", None, 0.0),
        ("annotation", "text == 'T1'", lambda t: t.text == "T1", 0.5, 0.5),
        ("annotation", "text == 'T1'", lambda t: t.text == "T1", -0.25, -0.25),
        ("beat", None, lambda t: t.code.isin(["N", "V", "A"]), None, 0.6),
        ("beat", "code == 'V'", lambda t: t.code == "V", 0.3, 0.3),
    ],
)
def test_windows_at_onsets(
    noted: Path, tmp_path: Path, align: str, where: Any, keep: Any, before: Any, lead: float
) -> None:
    store = open_store(noted)
    result = shard(
        noted, tmp_path / "s", window_s=1.2, align=align, align_where=where, before_s=before
    )
    notes = table(store)
    notes = notes[keep(notes)]
    asked = {(row.record, row.onset - lead) for row in notes.itertuples()}
    wanted = {pair for pair in asked if good(store, *pair, 1.2)}
    check(tmp_path / "s", store, wanted)
    lengths = {r: store.record(r).sizes["time"] / RATE for r in store.records["record_id"]}
    beyond = sum(not -1e-9 < s <= lengths[r] - 1.2 + 1e-9 for r, s in asked)
    assert result.left_out.get("beyond the record's ends", 0) == beyond
    assert result.left_out.get("missing samples", 0) == len(asked) - beyond - len(wanted)
    assert sum(result.left_out.values()) == len(notes) - len(wanted)
    assert result.n_without == 6 - len({record for record, _ in wanted}) >= 1


def test_windows_within_events(noted: Path, tmp_path: Path) -> None:
    store = open_store(noted)
    shard(
        noted, tmp_path / "s", window_s=1.0, stride_s=0.5, align="event",
        align_where="text in ['T1', '(AFIB']",
    )  # fmt: skip
    wanted = set()
    for row in table(store).itertuples():
        start = row.onset
        while row.text in ("T1", "(AFIB") and start + 1.0 <= row.end + 1e-9:
            if good(store, row.record, start, 1.0):
                wanted.add((row.record, start))
            start += 0.5
    assert wanted
    check(tmp_path / "s", store, wanted)


def test_regions_and_trim_hold_for_onsets_too(noted: Path, tmp_path: Path) -> None:
    store = open_store(noted)
    options: dict[str, Any] = {"window_s": 1.0, "align": "beat", "where": "record_id != 'r000'"}
    whole = shard(noted, tmp_path / "all", **options)
    result = shard(noted, tmp_path / "s", trim_s=1.0, regions=[(None, 2.0, -3.0)], **options)
    rows = open_shards(tmp_path / "all").windows
    ends = {r: store.record(r).sizes["time"] / RATE for r in store.records["record_id"]}
    inside = [
        3.0 - 1e-9 <= start <= ends[record] - 3.0 - 1.0 - 1.0 + 1e-9
        for record, start in zip(rows["record_id"], rows["start_s"], strict=True)
    ]
    wanted = rows[inside]
    check(tmp_path / "s", store, set(zip(wanted["record_id"], wanted["start_s"], strict=True)))
    assert result.left_out["outside the regions"] >= whole.n_windows - result.n_windows > 0


def slow_label(label: AnnotationLabel, notes: pd.DataFrame, start: float, window_s: float) -> Any:
    """What a label should be: a loop over hundredths of a second, and over annotations."""
    import re

    told = []
    for row in notes.itertuples():
        text = getattr(row, label.of)
        if label.where is not None and f"'{row.code}'" not in label.where:
            continue
        if label.pairs is None:
            told.append((row.onset, row.end, text or None))
        else:
            names = [name for pattern, name in label.pairs if re.fullmatch(pattern, text)]
            told.append((row.onset, row.end, names[0] if names else None))
    told = [each for each in told if each[2] is not None]
    order = list(dict.fromkeys(name for _, name in label.pairs or ()))
    order = order or sorted({name for *_, name in told})

    def holding(tick: int) -> Any:
        states = [name for b, e, name in told if round(b * 100) <= tick < round(e * 100)]
        return states[-1] if states else label.otherwise

    first, count = round(start * 100), round(window_s * 100)
    within = [n for b, _, n in told if first <= round(b * 100) < first + count]
    if label.rule == "any":
        if label.lasts:
            ticks = range(first, first + count)
            within = [n for b, e, n in told if any(round(b * 100) <= t < round(e * 100)
                                                   for t in ticks)]  # fmt: skip
        return next((name for name in order if name in within), label.otherwise)
    if label.rule == "centre" and label.lasts:
        return holding(first + count // 2)
    if label.rule == "centre":
        middle = first + count // 2
        near = [(abs(round(b * 100) - middle), i, n) for i, (b, _, n) in enumerate(told)]
        return min(near)[2] if near and min(near)[0] <= 15 else label.otherwise
    votes = [holding(t) for t in range(first, first + count)] if label.lasts else within
    votes = votes or [label.otherwise]
    return max([*order, label.otherwise], key=votes.count)


RHYTHMS = {r"\(AFIB|\(AFL": "AF", r"\(N": "normal"}
LABELS = [
    AnnotationLabel(name="a", where="code == '+'"),
    AnnotationLabel(name="b", where="code == '+'", rule="any", categories=RHYTHMS),
    AnnotationLabel(name="c", where="code == '+'", rule="centre", categories=RHYTHMS),
    AnnotationLabel(name="d", categories={"T1": "left", "T2": "right"}, otherwise="rest"),
    AnnotationLabel(name="e", categories={"T2": "right"}, rule="any", otherwise="left"),
    AnnotationLabel(name="f", categories={"T2": "right", "T1": "left"}, rule="centre"),
    AnnotationLabel(name="g", of="code", lasts=False, categories={"[NA]": "N", "V": "V"}),
    AnnotationLabel(
        name="h", of="code", lasts=False, rule="any", categories={"V": "V", "[NA]": "N"}
    ),
    AnnotationLabel(
        name="i", of="code", lasts=False, rule="centre", where="code in ['N', 'V', 'A']",
        otherwise="none",
    ),
]  # fmt: skip


@pytest.mark.parametrize("label", LABELS, ids=lambda label: label.name)
def test_labels_are_those_of_the_slow_way(
    noted: Path, tmp_path: Path, label: AnnotationLabel
) -> None:
    store = open_store(noted)
    shard(noted, tmp_path / "s", window_s=2.0, stride_s=0.5, annotation_labels=[label])
    rows, notes = open_shards(tmp_path / "s").windows, table(store)
    column = rows[f"label_{label.name}"]
    found = [None if pd.isna(value) else value for value in column]
    wanted = [
        slow_label(label, notes[notes["record"] == row.record_id], row.start_s, 2.0)
        for row in rows.itertuples()
    ]
    assert found == wanted
    assert len(set(wanted)) > 1
    array = zarr.open_group(str(tmp_path / "s"), mode="r")[f"label_{label.name}"]
    names = [*array.attrs["categories"], None]
    assert [names[code] for code in array[:]] == wanted


def test_labels_by_name_and_spec_are_recorded(noted: Path, tmp_path: Path) -> None:
    labels = {"rhythm": {"where": "code == '+'", "rule": "any", "categories": RHYTHMS}}
    result = shard(noted, tmp_path / "s", window_s=2.0, annotation_labels=labels)
    shards = open_shards(tmp_path / "s")
    assert shards.categories("rhythm") == ("AF", "normal")
    (said,) = shards.attrs["spec"]["annotation_labels"]
    assert said["categories"] == [[r"\(AFIB|\(AFL", "AF"], [r"\(N", "normal"]]
    turned = {"rhythm": labels["rhythm"] | {"categories": dict(reversed(RHYTHMS.items()))}}
    other = shard(noted, tmp_path / "t", window_s=2.0, annotation_labels=turned)
    assert other.plan_sha256 != result.plan_sha256
    assert open_shards(tmp_path / "t").categories("rhythm") == ("normal", "AF")


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"align": "centre"}, "align 'centre' is none of start, annotation"),
        ({"align_where": "code == 'N'"}, "align_where chooses annotations; align='start'"),
        ({"before_s": 1.0}, "before_s is for windows at an onset"),
        ({"align": "beat", "align_where": "code == 'Q'"}, "no annotated heart beat .*'Q'"),
        (
            {"align": "annotation", "align_where": "kode == 1"},
            "on the annotations: no column 'kode'; did you mean 'code'",
        ),
        ({"annotation_labels": {"a": {"rule": "most"}}}, "'a': rule 'most' is none of majority"),
        ({"annotation_labels": {"a": {"rule": "any"}}}, "rule 'any' needs categories"),
        ({"annotation_labels": {"a": {"colour": 1}}}, "'a': unknown key `colour`"),
        ({"annotation_labels": {"a b": {}}}, "a name is letters"),
        ({"annotation_labels": {"a": {"categories": {"(": "x"}}}}, "'a': .*'\\(': missing \\)"),
        ({"annotation_labels": {"a": {"categories": {"zz": "x"}}}}, "hold no such annotation"),
    ],
)
def test_wrong_options_are_one_line(
    noted: Path, tmp_path: Path, options: dict[str, Any], cause: str
) -> None:
    with pytest.raises(ShardError, match=cause) as error:
        shard(noted, tmp_path / "s", window_s=1.0, **options)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_store_without_beats_says_what_detects_them(
    tmp_path: Path, make_group: Callable[..., dict[str, Any]], write_store: Callable[..., Path]
) -> None:
    group = make_group([np.ones((1, 500), np.int16)], channels=["I"])
    store = write_store(tmp_path / "a.zarr", {"ecg": group})
    with pytest.raises(ShardError, match=r"no annotated heart beat .align='r_peak' detects them"):
        shard(store, tmp_path / "s", window_s=1.0, align="beat")
    with pytest.raises(ShardError, match="finds no R peak"):
        shard(store, tmp_path / "s", window_s=1.0, align="r_peak")
    eeg = make_group([np.ones((1, 500), np.int16)], channels=["Cz"])
    other = write_store(tmp_path / "b.zarr", {"eeg": eeg})
    with pytest.raises(ShardError, match="no store holds ecg"):
        shard(other, tmp_path / "s", window_s=1.0, align="r_peak")


def test_texts_of_no_category_are_counted(noted: Path, tmp_path: Path) -> None:
    label = AnnotationLabel(name="trial", where="source == 'edf+'", categories={"T1": "one"})
    own = AnnotationLabel(name="own", rule="own", categories={"T1": "one", "[(]N": "normal"})
    result = shard(
        noted, tmp_path / "s", window_s=1.0, align="annotation", align_where="source == 'edf+'",
        annotation_labels=(label, own),
    )  # fmt: skip
    notes = table(open_store(noted))
    wanted = {"T2": int((notes["text"] == "T2").sum())}
    assert result.unlisted == {"label_trial": wanted, "label_own": wanted}
    assert result.summary()["label_trial: not among the categories"] == f"T2 ({wanted['T2']})"
    cases = {"one": "text == 'T1'"}
    label = AnnotationLabel(name="trial", where="source == 'edf+'", cases=cases)
    records = ["r000", "r001"]
    few = shard(
        noted, tmp_path / "few", window_s=1.0, where=f"record_id in {records}",
        annotation_labels=(label,),
    )  # fmt: skip
    some = notes[notes["record"].isin(records)]
    assert few.unlisted == {"label_trial": {"T2": int((some["text"] == "T2").sum())}}
