"""Every reader and parser under thousands of damaged files: the right content, or one error.

`make endurance` runs the long form, 23,000 mutants; `make test` a seeded sample of it. What counts
as right is said by the judge of each subject (`native`, `libraries`,
`documents`, `bids`, `stores`).
"""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers import read_recording
from tests.fuzz.attack import Subject, attack
from tests.fuzz.bids import BIDS
from tests.fuzz.documents import DOCUMENTS
from tests.fuzz.libraries import LIBRARIES
from tests.fuzz.native import NATIVE
from tests.fuzz.stores import STORES

pytestmark = pytest.mark.filterwarnings("ignore")
#: Kinds of subjects, mutants of each in the sample, and in the long form.
KINDS: list[tuple[dict[str, Subject], int, int]] = [
    (NATIVE, 10, 600), (LIBRARIES, 6, 300), (DOCUMENTS, 6, 200), (BIDS, 20, 600),
    (STORES, 2, 120),
]  # fmt: skip
SAMPLE = [(name, held[name], n) for held, n, _ in KINDS for name in held]
LONG = [(name, held[name], first, n) for held, first, n in KINDS for name in held]


def ids(cases: list[Any]) -> list[str]:
    return [case[0] for case in cases]


@pytest.mark.parametrize(("name", "subject", "n"), SAMPLE, ids=ids(SAMPLE))
def test_a_sample(tmp_path: Path, name: str, subject: Subject, n: int) -> None:
    faults = attack(subject, tmp_path, range(n), name)
    assert not faults, "\n".join(faults)


@pytest.mark.long
@pytest.mark.parametrize(("name", "subject", "first", "n"), LONG, ids=ids(LONG))
def test_all(tmp_path: Path, name: str, subject: Subject, first: int, n: int) -> None:
    faults = attack(subject, tmp_path, range(first, n), name)  # those before are the sample
    assert not faults, "\n".join(faults)


def test_there_are_20_000_mutants() -> None:
    assert sum(n for *_, n in LONG) >= 20_000


def other_samples(path: Path) -> Any:
    recording = read_recording(path)
    if path.parent.name == "good":
        return recording
    groups = [replace(group, digital=group.digital + 1) for group in recording.groups]
    return replace(recording, groups=tuple(groups))


def a_foreign_error(path: Path) -> Any:
    return {}["x"] if path.parent.name != "good" else read_recording(path)


def an_error_of_another_file(path: Path) -> Any:
    if path.parent.name != "good":
        raise UnreadableFileError("another", "not this one")
    return read_recording(path)


def a_hang(path: Path) -> Any:
    if path.parent.name != "good":
        time.sleep(0.3)
    return read_recording(path)


@pytest.mark.parametrize(
    ("name", "read", "cause"),
    [
        ("wfdb-16", other_samples, "samples"),
        ("wfdb-212", other_samples, "samples"),
        ("flac", other_samples, "other samples"),
        ("edf", other_samples, "not those of the bytes"),
        ("csv", other_samples, "other numbers"),
        ("npz", other_samples, "NumPy"),
        ("eeglab-fdt", other_samples, "samples differ"),
        ("wfdb-16", a_foreign_error, "foreign KeyError"),
        ("wfdb-16", an_error_of_another_file, "does not name the file"),
        ("wfdb-16", a_hang, "took 0.3 s"),
    ],
)
def test_a_wrong_reader_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, read: Any, cause: str
) -> None:
    monkeypatch.setattr("tests.fuzz.attack.SECONDS", 0.2 if read is a_hang else 5.0)
    subject = replace({**NATIVE, **LIBRARIES}[name], read=read)
    faults = attack(subject, tmp_path, range(200 if name == "flac" else 30), name)
    assert any(cause in fault for fault in faults), faults


def a_row_less(path: Path) -> Any:
    """As a reader that passes over rows which it does not like."""
    path.write_bytes(b"\n".join(path.read_bytes().split(b"\n")[:-2]) + b"\n")
    return BIDS[f"bids-{path.stem.rpartition('_')[2]}"].read(path)


def people_of_others(path: Path) -> Any:
    frame = BIDS["bids-people"].read(path)
    return frame if path.name == "good" else frame.assign(age=frame["age"].tolist()[::-1])


@pytest.mark.parametrize(
    ("name", "read", "cause"),
    [
        ("bids-events", a_row_less, "left out of|events lost"),
        ("bids-channels", a_row_less, "other channels"),
        ("bids-electrodes", a_row_less, "other electrodes"),
        ("bids-people", people_of_others, "age 41.0, not 27"),
    ],
)
def test_a_wrong_reader_of_tables_is_caught(
    tmp_path: Path, name: str, read: Any, cause: str
) -> None:
    faults = attack(replace(BIDS[name], read=read), tmp_path, range(80), name)
    assert any(re.search(cause, fault) for fault in faults), faults
