"""Files that crash or stall their parsers cost one error, and nothing else."""

from __future__ import annotations

import json
import multiprocessing
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from physioprep.corpora.scan import scan
from physioprep.errors import UnreadableFileError
from physioprep.readers import frames, guard, parser_limits, read_header, read_recording
from physioprep.recording import ANNOTATION_COLUMNS, Recording, SignalGroup


def good(folder: Path, name: str = "A0001.mat", length: int = 500) -> Path:
    path = folder / name
    data = np.arange(12.0 * length).reshape(12, length)
    savemat(path, {"ECG": {"sex": "Male", "age": 60, "data": data}})
    return path


def nested_cells(path: Path, depth: int = 20_000) -> Path:
    """Write a MAT 5 file of cells in cells, which overflow the stack of SciPy's parser."""
    body = b""
    flags = struct.pack("<IIII", 6, 8, 1, 0)  # class of a cell
    shape = struct.pack("<IIii", 5, 8, 1, 1)
    head = flags + shape + struct.pack("<II", 1, 0)
    size = 0
    heads = []
    for _ in range(depth):
        size += len(head)
        heads.append(struct.pack("<II", 14, size) + head)
        size += 8
    body = b"".join(reversed(heads))
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + body)
    return path


def endless_fif(path: Path) -> Path:
    """Write a FIF file whose last tag says that the first comes next."""

    def tag(kind: int, type_: int, data: bytes, following: int) -> bytes:
        return struct.pack(">iiii", kind, type_, len(data), following) + data

    raw = tag(100, 31, bytes(20), 0) + tag(101, 3, struct.pack(">i", -1), 0)
    path.write_bytes(raw + tag(106, 3, struct.pack(">i", -1), 0) + tag(108, 3, bytes(4), 36))
    return path


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    few = parser_limits.Limits(1.5, 12.0, 100.0)
    monkeypatch.setattr(parser_limits, "chosen", lambda: few)


def test_a_crash_costs_one_file(tmp_path: Path) -> None:
    bad = nested_cells(tmp_path / "bad.mat")
    with pytest.raises(UnreadableFileError, match=r"bad\.mat: its reader crashed \(SIGSEGV\)"):
        read_recording(bad)
    assert read_recording(good(tmp_path)).groups[0].digital[1, 2] == 502


def test_a_scan_keeps_its_manifest(tmp_path: Path) -> None:
    for number in range(1, 4):
        good(tmp_path, f"A000{number}.mat")
    nested_cells(tmp_path / "A0002.mat")
    table = scan(tmp_path, "cpsc2018").set_index("record_id")
    assert "crashed (SIGSEGV)" in table.loc["A0002", "error"]
    assert table["error"].notna().sum() == 1
    assert table["n_samples"].map(len).tolist() == [1, 0, 1]


@pytest.mark.usefixtures("short")
def test_an_endless_loop_costs_one_file(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(UnreadableFileError, match=r"took longer than|fit into memory"):
        read_recording(endless_fif(tmp_path / "a_raw.fif"))
    assert time.monotonic() - begun < 30
    assert read_header(good(tmp_path)).groups[0].n_samples == 500


def test_time_of_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = parser_limits.Limits(cpu_s=1, memory_mib=1 << 20)
    monkeypatch.setattr(parser_limits, "chosen", lambda: few)
    with pytest.raises(UnreadableFileError, match=r"took longer than \d+ s of processor time"):
        read_recording(endless_fif(tmp_path / "a_raw.fif"))


def test_time_by_the_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_header(good(tmp_path))  # the process is there
    large = good(tmp_path, "A0002.mat", 40_000)
    none = 1e-6 - large.stat().st_size / (1 << 20)
    monkeypatch.setattr(parser_limits, "chosen", lambda: parser_limits.Limits(wall_s=none))
    with pytest.raises(UnreadableFileError, match=r"took longer than \d+ s \("):
        read_header(large)


def test_memory_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.npz"
    np.savez_compressed(path, val=np.zeros((2, 40_000_000), np.uint8))
    (tmp_path / "a.yaml").write_text(
        "sampling_rate: 100\nchannels: [I, II]\nunits: mV\naxes: channel sample\n"
    )
    monkeypatch.setattr(parser_limits, "chosen", lambda: parser_limits.Limits(memory_mib=32))
    with pytest.raises(UnreadableFileError, match=r"a\.npz: does not fit into memory"):
        read_recording(path)
    monkeypatch.undo()
    assert read_recording(path).groups[0].n_samples == 40_000_000


def test_a_parser_killed_while_idle_is_replaced(tmp_path: Path) -> None:
    path = good(tmp_path)
    read_header(path)
    assert guard._children is not None
    for child in guard._children.all:
        child.process.kill()
        child.process.wait()
    assert read_header(path).groups[0].n_samples == 500


def test_one_process_reads_many_files(tmp_path: Path) -> None:
    paths = [good(tmp_path, f"A{number:04}.mat", 10 + number) for number in range(20)]
    read_header(paths[0])
    assert guard._children is not None
    before = {child.process.pid for child in guard._children.all}
    assert [read_header(path).groups[0].n_samples for path in paths] == list(range(10, 30))
    assert {child.process.pid for child in guard._children.all} == before


def test_threads_get_their_own_answers(tmp_path: Path) -> None:
    paths = [good(tmp_path, f"A{number:04}.mat", 10 + number) for number in range(12)]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda path: read_header(path).groups[0].n_samples, paths * 4))
    assert found == list(range(10, 22)) * 4


def read_many(path: Path) -> None:
    for _ in range(1000):
        read_recording(path)


def test_an_interrupted_read_does_not_answer_the_next(tmp_path: Path) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        large, small = good(tmp_path, "A0001.mat", 200_000), good(tmp_path, "A0002.mat", 7)
        read_header(small)
        signal.setitimer(signal.ITIMER_REAL, 0.005)
        with pytest.raises(KeyboardInterrupt):
            read_many(large)
        assert read_header(small).groups[0].n_samples == 7
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def n_samples(path: str) -> int:
    return read_header(path).groups[0].n_samples


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_processes_have_their_own(tmp_path: Path, method: str) -> None:
    paths = [str(good(tmp_path, f"A{number:04}.mat", 10 + number)) for number in range(4)]
    assert n_samples(paths[0]) == 10
    with multiprocessing.get_context(method).Pool(2) as pool:  # its processes are daemonic
        assert pool.map(n_samples, paths) == [10, 11, 12, 13]
    assert n_samples(paths[3]) == 13


SCRIPT = """
import sys, time
from physioprep.readers import guard, read_header
read_header(sys.argv[1])
print([child.process.pid for child in guard._children.all][0], flush=True)
if sys.argv[2] == "stay":
    time.sleep(60)
if sys.argv[2] == "loop":
    read_header(sys.argv[3])
"""


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("how", ["end", "stay", "loop"])
def test_no_process_is_left(tmp_path: Path, how: str) -> None:
    loop = endless_fif(tmp_path / "a_raw.fif")
    command = [sys.executable, "-c", SCRIPT, str(good(tmp_path)), how, str(loop)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        if how == "end":
            assert process.wait(20) == 0
        else:
            assert is_running(pid)
            time.sleep(0.2)
            process.kill()
    deadline = time.monotonic() + 20
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(pid)


def test_what_led_to_an_error_is_kept(tmp_path: Path) -> None:
    from physioprep.readers.unexpected import unexpected_traceback

    path = tmp_path / "a.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + bytes(range(100)))
    with pytest.raises(UnreadableFileError) as caught:
        read_recording(path)
    assert isinstance(caught.value.__cause__, guard.ParserError)
    lines = unexpected_traceback(caught.value).splitlines()
    assert lines[0].startswith("physioprep/readers/mat_file.py:")
    assert "Error: " in lines[-1]


def exchange(message: Any) -> Any:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sender = threading.Thread(target=frames.send, args=(ours, message))
        sender.start()
        found = frames.receive(theirs)
        sender.join()
    return found


def test_recordings_travel_as_they_are() -> None:
    big = np.arange(300_000, dtype=np.int32).reshape(3, -1)
    group = SignalGroup(
        *(("a", "b", "ü"), ("mV", "", "uV"), 250.0, 100_000, np.ones(3), np.zeros(3)),
        *(np.full(3, np.nan), ((0, 0.0), (5, 1.5)), big),
    )
    columns = {
        name: np.array(["x", None, "\ud800"], object)
        if kind is object
        else np.arange(3).astype(kind)
        for name, kind in ANNOTATION_COLUMNS.items()
    }
    about = {
        **{"a": [1, 2.5, None, True], "tuple": (1, ("x",)), "nan": np.nan, 3: "number"},
        **{"$": "text", "scalar": np.float32(1.5), "array": np.array(["ab", "c"]), "big": 1 << 70},
        **{"date": datetime(2020, 1, 31, 12), "empty": np.zeros((0, 3)), "order": big[:, ::-7].T},
    }
    sent = Recording(Path("a#b"), "mat", (group,), (Path("a"),), None, about, columns)
    found = exchange({"result": sent})["result"]
    assert (found.path, found.format, found.files) == (sent.path, sent.format, sent.files)
    (mine,) = found.groups
    assert type(mine) is SignalGroup
    assert mine.channels == group.channels
    assert mine.segments == group.segments
    assert np.array_equal(mine.digital, big)
    assert mine.digital.flags.writeable
    for name, column in columns.items():
        assert found.annotation_columns[name].dtype == column.dtype
        assert found.annotation_columns[name].tolist() == column.tolist()
    assert found.metadata.keys() == about.keys()
    for key, value in about.items():
        assert type(found.metadata[key]) is type(value)
        same = found.metadata[key] == value
        assert key == "nan" or (same.all() if isinstance(same, np.ndarray) else same)


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[" * 100_000,
        '{"$": "array", "s": [9], "d": "<f8"}',
        '{"$": "array", "s": [-1], "d": "<f8"}',
        '{"$": "array", "s": [1], "d": "|O8"}',
        '{"$": "os.system", "v": []}',
        '{"$": "recording", "v": {"$": "dict", "v": [["x", 1]]}}',
    ],
)
def test_malformed_messages(text: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(struct.pack("<QQ", len(text), 64) + text.encode() + bytes(64))
        with pytest.raises(frames.FrameError):
            frames.receive(theirs)


HOOKED = """
import sys, os, socket, subprocess, json
from pathlib import Path
from physioprep.errors import UnreadableFileError
from physioprep.readers import watch
watch.install()
folder = Path(sys.argv[1])
sys.path.append(sys.argv[2])
tries = {
    "open": lambda: open("/etc/passwd").close(),
    "os.open": lambda: os.open("/etc/passwd", 0),
    "caught": lambda: [None for _ in (0,) if not Path("/etc/hosts").read_text()],
    "write": lambda: open(folder / "x", "w").close(),
    "program": lambda: subprocess.run(["true"]),
    "connect": lambda: socket.create_connection(("127.0.0.1", 9)),
    "delete": lambda: (folder / "a").unlink(),
    "own": lambda: open(folder / "a").close(),
    "import": lambda: __import__("another"),
}
found = {}
for name, do in tries.items():
    try:
        with watch.confined(folder / "a", None):
            try:
                do()
            except OSError:
                pass
        found[name] = "done"
    except UnreadableFileError as error:
        found[name] = error.cause
open("/etc/passwd").close()
print(json.dumps(found))
"""


def test_nothing_else_is_opened_written_or_started(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_text("x")
    (tmp_path / "another.py").write_text("import subprocess; subprocess.run(['true'])")
    done = subprocess.run(
        [sys.executable, "-c", HOOKED, str(tmp_path / "folder"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert (found.pop("own"), found.pop("import")) == ("done", "done")
    assert all(cause != "done" for cause in found.values()), found
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["a"]
