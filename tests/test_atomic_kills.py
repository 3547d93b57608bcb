"""Pictures and tables, killed before every system call that writes them: the old or the new.

The kill is SIGKILL, of a forked process, before a call into Python's system and file functions.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import physioprep as pp
from physioprep.atomic import temporary_file, write_text
from physioprep.manifest import make_manifest, write_manifest
from physioprep.pictures import save_picture

Write = Callable[[Path, int], object]


def write_picture(path: Path, version: int) -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([0, version])
    save_picture(figure, path)


def write_table(path: Path, version: int) -> None:
    records = [f"{version}-{number}" for number in range(3)]
    table = {"corpus": ["mine"] * 3, "record_id": records, "path": ["a.edf"] * 3}
    write_manifest(make_manifest(table), path, overwrite=True)


def write_page(path: Path, version: int) -> None:
    write_text(path, f"{version}" * 100_000)


def write_in_pieces(path: Path, version: int) -> None:
    with temporary_file(path) as temporary, temporary.open("w") as file:
        for _ in range(3):
            file.write(f"{version}" * 10_000)
            file.flush()


def is_system_call(function: Any) -> bool:
    of_file = type(getattr(function, "__self__", None)).__module__ in ("_io", "io")
    return of_file or getattr(function, "__module__", None) in ("posix", "_io", "io")


def run_killed(write: Write, path: Path, version: int, at: int | None) -> int | None:
    """Write in a fork, killed before its system call `at`; return the number of calls, if whole."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # a child that hangs fails the test
        seen = 0

        def count(frame: Any, event: str, function: Any) -> None:
            nonlocal seen
            if event == "c_call" and is_system_call(function):
                seen += 1
                if seen == at:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.setprofile(count)
            write(path, version)
            os.getpid()  # so that one kill comes after the last call of the writer
            sys.setprofile(None)
            os.write(writer, str(seen).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        said = file.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == (0 if at is None else -signal.SIGKILL)
    assert bool(said) == (at is None)
    return int(said) if said else None


@pytest.mark.parametrize("spread", [25, pytest.param(1, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.txt", write_in_pieces),
        ("a.html", write_page),
        ("a.parquet", write_table),
        ("a.csv", write_table),
        ("a.png", write_picture),
    ],
)
def test_killed_before_each_system_call_the_old_or_the_new_file_is_there(
    tmp_path: Path, name: str, write: Write, spread: int
) -> None:
    path = tmp_path / name
    write(tmp_path / f"new{path.suffix}", 2)
    write(path, 2)  # what is loaded for the first time is loaded now
    write(path, 1)
    old = path.read_bytes()
    n_calls = run_killed(write, path, 2, None)
    new = path.read_bytes()
    assert n_calls is not None
    assert new != old
    found = []
    around = range(max(1, n_calls - 12), n_calls + 1)  # the rename is among the last
    for step in sorted({*range(1, n_calls + 1, spread), *around}):
        path.write_bytes(old)
        run_killed(write, path, 2, step)
        data = path.read_bytes()
        found.append("old" if data == old else "new" if data == new else "neither")
    assert found == sorted(found, reverse=True)  # first old, then new
    assert set(found) == {"old", "new"}
    write(path, 2)
    assert path.read_bytes() == new


def test_a_manifest_of_two_files_killed_between_them_is_refused_and_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two names cannot change in one step: the JSON names the hash of its CSV."""
    path = tmp_path / "m.json"
    write_table(path, 1)
    with monkeypatch.context() as patch:
        patch.setattr("physioprep.manifest.files.write_text", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write_table(path, 2)
    with pytest.raises(pp.PhysioprepError):
        pp.read_manifest(path)
    write_table(path, 2)
    assert isinstance(pp.read_manifest(path), pd.DataFrame)
