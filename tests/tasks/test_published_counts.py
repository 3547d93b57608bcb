"""Published counts of windows, from the public structure of whole corpora and our own rules.

No file of these corpora is needed: recordings of the published lengths, with annotations at the
published times, go through the plan of the task's own step `shard`. Where the structure is not
public in such detail (which trials of SHU-MI and PhysioNet-MI are there, lengths of ISRUC, CHB-MIT,
Mumtaz2016, TUEV and TUAB), nothing is shown here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from physioprep.corpora.known import faced, seed_v
from physioprep.pipeline.check_data import spec_of
from physioprep.pipeline.recipe import load_pipeline
from physioprep.pipeline.task import ALL, TOTAL
from physioprep.pipeline.task_list import load_task
from physioprep.shards import lay
from physioprep.shards.plan import plan_windows
from physioprep.shards.source import Source, SourceGroup

Event = tuple[float, float, str]


@dataclass(frozen=True)
class Recording:
    """A recording as its corpus describes it."""

    record_id: str
    subject_id: str
    length_s: float
    events: tuple[Event, ...] = ()
    source: str = "trial"
    columns: Mapping[str, Any] = field(default_factory=dict)


def counts(
    task: str, recordings: list[Recording], monkeypatch: pytest.MonkeyPatch
) -> dict[str, dict[str, int]]:
    """Plan the windows of a task; count them per part and class."""
    head = load_task(task)[1]
    (step,) = (one for one in load_pipeline(f"tasks/{task}").steps if one.verb == "shard")
    n, rate = len(recordings), 256
    table = pd.DataFrame(
        [
            {"corpus": head.corpus, "record_id": one.record_id, "subject_id": one.subject_id,
             **one.columns}
            for one in recordings
        ]
    )  # fmt: skip
    length = np.array([round(one.length_s * rate) for one in recordings])
    ones = np.ones((n, 1), np.float32)
    group = SourceGroup(
        path=Path("eeg"), channels=("Cz",), units=("µV",), rate_hz=rate, dtype="int16",
        start=np.cumsum(length) - length, length=length, scale=ones, offset=0 * ones,
        present=ones.astype(bool), invalid=np.full((n, 1), -32768, np.int32),
    )  # fmt: skip
    source = Source(Path("s.zarr"), table, {"eeg": group}, {})
    monkeypatch.setattr(lay, "read_annotations", lambda _: annotations(recordings))
    plan = plan_windows([source], spec_of(step.arguments))
    (label,) = plan.labels
    candidate = np.arange(len(plan.record))
    values = label.of(plan.record, candidate)
    part = plan.split_of(candidate)
    found: dict[str, dict[str, int]] = {}
    for name in (ALL, "train", "validation", "test"):
        own = values if name == ALL else values[part == name]
        found[name] = {TOTAL: len(own)}
        for code, category in enumerate(label.categories or ()):
            found[name][category] = int((own == code).sum())
    return found


def annotations(recordings: list[Recording]) -> pd.DataFrame:
    rows = [
        (number, onset, duration, text, one.source)
        for number, one in enumerate(recordings)
        for onset, duration, text in one.events
    ]
    table = pd.DataFrame(rows, columns=["record", "onset", "duration", "text", "source"])
    table = table.assign(code="", channel=-1.0, subtype=0.0, num=0.0, note=np.arange(len(rows)))
    return table.assign(end=table["onset"] + table["duration"])


def one_after_the_other(n: int, length_s: float, texts: list[str]) -> tuple[Event, ...]:
    return tuple(
        (number * length_s, length_s, text) for number, text in enumerate(islice(cycle(texts), n))
    )


def mental_arithmetic() -> Iterator[Recording]:
    """182 s of rest, but for three people; 62 s of arithmetic (README and files of eegmat)."""
    rest_s = {"Subject04": 170, "Subject10": 188, "Subject31": 80}
    for number in range(36):
        who = f"Subject{number:02d}"
        for run, length_s in (("1", rest_s.get(who, 182)), ("2", 62)):
            named = {"label_condition": "rest" if run == "1" else "arithmetic"}
            yield Recording(f"{who}_{run}", who, length_s, columns=named)


def faced_clips() -> Iterator[Recording]:
    """28 clips of 30 s, three of each emotion and four neutral ones, of 123 people."""
    for number in range(123):
        events = tuple((30.0 * n, 30.0, emotion) for n, emotion in enumerate(faced.EMOTIONS))
        yield Recording(f"sub{number:03d}", f"sub{number:03d}", 840, events)


def seed_vig() -> Iterator[Recording]:
    """885 values of PERCLOS, one every 8 s, of 23 experiments."""
    events = one_after_the_other(885, 8.0, ["0.5"])
    for number in range(23):
        yield Recording(f"{number + 1}_2015", f"{number + 1}", 7080, events, "perclos")


def bcic2020() -> Iterator[Recording]:
    """300, 50 and 50 trials of 795 samples of each of 15 people."""
    words = ["hello", "help me", "stop", "thank you", "yes"]
    length_s = 795 / 256
    for who in range(1, 16):
        for part, n in (("train", 300), ("validation", 50), ("test", 50)):
            events = one_after_the_other(n, length_s, words)
            yield Recording(
                f"{part}/{who:02d}", f"{who:02d}", n * length_s, events, columns={"split": part}
            )


def bciciv() -> Iterator[Recording]:
    """Six runs of 48 trials on two days of nine people; a trial is 7.5 to 8.5 s apart."""
    movements = ["left hand", "right hand", "feet", "tongue"]
    events = tuple((3 + 8.0 * n, 6.0, text) for n, text in enumerate(islice(cycle(movements), 48)))
    for who in range(1, 10):
        for day in "TE":
            for run in range(1, 7):
                yield Recording(f"A{who:02d}{day}/r{run}", f"A{who:02d}", 390, events)


def seed_v_clips() -> Iterator[Recording]:
    """Three sessions of 16 people, clips at the times of the code book."""
    for who in range(1, 17):
        for session, times in seed_v.TIMES.items():
            codes = seed_v.CODES[session]
            events = tuple(
                (float(start), float(stop - start), seed_v.EMOTIONS[int(code)])
                for (start, stop), code in zip(times, codes, strict=True)
            )
            yield Recording(f"{who}_{session}_2018", f"{who}", times[-1][1] + 10, events)


@pytest.mark.parametrize(
    ("task", "recordings"),
    [
        ("faced", faced_clips()),
        ("seed-vig", seed_vig()),
        ("bcic2020-3", bcic2020()),
        ("seed-v", seed_v_clips()),
    ],
    ids=["faced", "seed-vig", "bcic2020-3", "seed-v"],
)
def test_our_rules_give_the_published_counts_on_the_whole_corpus(
    task: str, recordings: Iterator[Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = counts(task, list(recordings), monkeypatch)
    published = dict(load_task(task)[1].windows or {})
    assert published[ALL][TOTAL] is not None
    for part, classes in published.items():
        for name, count in classes.items():
            assert count is None or found[part][name] == count, (part, name)


def test_mental_arithmetic_lacks_the_two_windows_that_hold_padding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last second is padding; two recordings of rest are a whole number of 5 s long."""
    published = load_task("mental-arithmetic")[1].published
    found = counts("mental-arithmetic", list(mental_arithmetic()), monkeypatch)
    assert published == 1707
    assert found[ALL][TOTAL] == published - 2
    assert found[ALL]["rest"] + 12 * 36 == published - 2  # of arithmetic none is left out


def test_bciciv_2a_has_two_runs_more_than_the_published_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An older script of CBraMod skipped two runs of A04T, as it says itself and the task notes."""
    recordings = list(bciciv())
    published = load_task("bciciv-2a")[1].published
    assert published is not None
    assert counts("bciciv-2a", recordings, monkeypatch)[ALL][TOTAL] == published + 2 * 48 == 5184
    without = [one for one in recordings if one.record_id not in ("A04T/r1", "A04T/r2")]
    assert counts("bciciv-2a", without, monkeypatch)[ALL][TOTAL] == published


def test_parts_and_classes_that_are_published_sum_to_the_whole() -> None:
    for task in (
        "apnea-ecg",
        "cinc2017",
        "faced",
        "seed-v",
        "seed-vig",
        "bcic2020-3",
        "tuev",
        "tuab",
    ):
        windows = dict(load_task(task)[1].windows or {})
        parts = [windows[part].get(TOTAL) for part in windows if part != ALL]
        assert not parts or sum(filter(None, parts)) == windows[ALL][TOTAL], task
        for part, classes in windows.items():
            known = [count for name, count in classes.items() if name != TOTAL]
            if known and None not in known:
                assert sum(filter(None, known)) == classes[TOTAL], (task, part)
