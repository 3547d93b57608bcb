"""Parse files in a separate process: a file that crashes or stalls its parser loses one row.

Native libraries crash on hostile files, and some never end. Such formats are parsed in a child
process with limits of time and memory (`physioprep.readers.parser_limits`). The child is started on
first use and serves many files; each thread that reads at the same time has one. What comes back
is plain data (`physioprep.readers.frames`).
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing.util
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any, Final

from physioprep.errors import ChecksumError, UnreadableFileError
from physioprep.limits import VARIABLE
from physioprep.readers import frames, parser_limits, person
from physioprep.readers.recognise import BY_CONTENT, FIXED_FIELDS

#: Formats whose parsers are libraries, or build what a file describes.
GUARDED: Final = frozenset({"mat", "hdf5", "pickles", "mne", "table", *BY_CONTENT} - FIXED_FIELDS)
_ERRORS: Final = {kind.__name__: kind for kind in (UnreadableFileError, ChecksumError)}
_START: Final = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); "
    "from physioprep.readers.guard_child import serve; serve(int(sys.argv[2]), int(sys.argv[3]))"
)
_QUIET: Final = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    "ARROW_DEFAULT_MEMORY_POOL": "system",  # the others reserve GiBs of address space at once
    "MALLOC_ARENA_MAX": "2",
}


class ParserError(Exception):
    """The error in the parser process; it is the cause of the error that the reader raises.

    Parameters
    ----------
    text : str
        Class and message.
    calls : list of [str, int, str]
        File, line and function of each call, innermost last.
    """

    def __init__(self, text: str, calls: list[list[Any]]) -> None:
        self.calls = calls
        super().__init__(text)


class _Child:
    """A process that parses."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.socket = ours
        self.last = ""
        with theirs:
            arguments = (json.dumps(sys.path), str(theirs.fileno()), str(os.getpid()))
            self.process = subprocess.Popen(
                [sys.executable, "-c", _START, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=os.environ | _QUIET,
            )

    def ask(self, request: dict[str, Any]) -> Any:
        """Return the answer; raise `EOFError` if the process ends before it."""
        try:
            frames.send(self.socket, request)
            return frames.receive(self.socket)
        except ConnectionError:
            raise EOFError from None

    def end(self) -> int:
        """End the process; return how it ended."""
        self.socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(0.05)  # it may be dying of something that is worth naming
        self.process.kill()
        return self.process.wait()

    def forget(self) -> None:
        """Leave the process to the one that started it."""
        self.socket.close()
        self.process.returncode = 0


class _Children:
    """The processes that parse for this one."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.Lock()
        self.slots = threading.BoundedSemaphore(max(1, len(os.sched_getaffinity(0))))
        self.idle: list[_Child] = []
        self.all: set[_Child] = set()
        # multiprocessing's own exit functions, as its processes skip those of `atexit`
        multiprocessing.util.Finalize(None, _end_all, exitpriority=1)

    def take(self, file: str) -> _Child:
        """Return an idle process, one that has just read the file if there is one."""
        with self.lock:
            for child in [one for one in self.idle if one.process.poll() is not None]:
                self.idle.remove(child)  # killed since, by somebody else
                self.all.discard(child)
                child.socket.close()
            for number, child in enumerate(self.idle):
                if child.last == file:
                    return self.idle.pop(number)
            if self.idle:
                return self.idle.pop()
            child = _Child()
            self.all.add(child)
            return child

    def drop(self, child: _Child) -> int:
        """End a process; return how it ended."""
        with self.lock:
            self.all.discard(child)
        return child.end()


_children: _Children | None = None
_starting = threading.Lock()
_inside = False


def parse_here() -> None:
    """Parse in this process from now on; for the process that parses."""
    global _inside
    _inside = True


def is_guarded(format: str) -> bool:
    """Return whether files of a format are parsed in another process.

    Parameters
    ----------
    format : str
        A key of `physioprep.readers.FORMATS`.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_guarded("mat"), is_guarded("wfdb")
    (True, False)
    """
    return format in GUARDED and not _inside


def read_guarded(module: str, path: str, *, root: str | None, act: str, verify: bool = True) -> Any:
    """Read a recording, its header or the list of a file's parts in a separate process.

    Parameters
    ----------
    module : str
        Of the reader.
    path : str
    root : str or None
        Folder of the corpus; by default that of the file.
    act : {"read", "read_header", "list_parts"}
        Function of the module.
    verify : bool
        As for `physioprep.readers.read_recording`.

    Returns
    -------
    Recording, Header or list of str

    Raises
    ------
    UnreadableFileError
        The reader raised it, its process died, or it went over a limit of time.
    """
    children = _of_this_process()
    request = {
        **{"module": module, "path": path, "root": root, "act": act, "verify": verify},
        "cwd": None if os.path.isabs(path) else os.getcwd(),  # noqa: PTH109, PTH117 (hot path)
        "limits": parser_limits.chosen().to_json(),
        "key": person.key_in_use().hex(),
    }
    file = path.partition("#")[0]
    with children.slots:
        child = children.take(file)
        begun = time.monotonic()
        try:
            answer = child.ask(request)
        except (EOFError, frames.FrameError, MemoryError) as error:
            seconds = time.monotonic() - begun
            cause = _cause_of(error, children.drop(child), seconds)
            raise UnreadableFileError(path, cause) from None
        except BaseException:  # Ctrl-C: its answer would be taken for that to the next question
            children.drop(child)
            raise
        child.last = file
        with children.lock:
            children.idle.append(child)
    return _result(answer, path)


def _result(answer: Any, path: str) -> Any:
    if not isinstance(answer, dict) or answer.keys() > {"result", "error"}:
        raise UnreadableFileError(path, "its reader gave no answer")
    if answer.get("error") is None:
        return answer["result"]
    kind, where, cause, origin = answer["error"]
    error = _ERRORS[kind](where, cause)
    if origin is not None:
        error.__cause__ = ParserError(*origin)
    raise error


def _cause_of(error: BaseException, code: int, seconds: float) -> str:
    """Say why there is no answer."""
    if isinstance(error, MemoryError):
        return "does not fit into memory"
    if code in (-signal.SIGALRM, -signal.SIGXCPU):
        allowed = f"{seconds:.0f} s"
        if code == -signal.SIGXCPU:
            allowed = f"{parser_limits.chosen().cpu_s:.2g} s of processor time and 1 s per MiB"
        return f"its reader took longer than {allowed} ({VARIABLE}=2 doubles)"
    if code < 0 and isinstance(error, EOFError):
        with contextlib.suppress(ValueError):
            return f"its reader crashed ({signal.Signals(-code).name})"
    return f"its reader crashed (exit code {code})"


def _of_this_process() -> _Children:
    global _children
    with _starting:
        if _children is None or _children.pid != os.getpid():
            _children = _Children()
        return _children


def _end_all() -> None:
    """End all processes at exit."""
    if _children is not None and _children.pid == os.getpid():
        with _children.lock:
            every = [*_children.all]
            _children.all.clear()
        for child in every:
            child.process.kill()
        for child in every:
            child.end()


def _after_fork() -> None:
    """Let go of the parent's processes: a fork must not answer or end them."""
    global _children, _starting
    if _children is not None:
        for child in _children.all:
            child.forget()
    _children, _starting = None, threading.Lock()


os.register_at_fork(after_in_child=_after_fork)
