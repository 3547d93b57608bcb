"""Keep the process that parses from opening what is no part of the recording.

Libraries open the files that a header names: BrainVision's data and markers, EEGLAB's ``.fdt``,
the next part of a FIF file. Python tells of each before it happens (`sys.addaudithook`); what lies
outside the folder of the corpus is refused, and so is writing, and all that starts a program or
opens a connection.
"""

from __future__ import annotations

import inspect
import os
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from physioprep.errors import UnreadableFileError
from physioprep.readers.confinement import is_inside, own_folder
from physioprep.readers.parts import split_part

_FORBIDDEN: Final = frozenset(
    {
        *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork"),
        *("os.forkpty", "pty.spawn", "socket.connect", "socket.bind", "socket.sendto"),
        *("os.remove", "os.rename", "os.rmdir", "os.truncate", "os.link", "os.symlink"),
        *("os.chmod", "os.chown", "os.mkdir", "shutil.rmtree", "urllib.Request"),
    }
)
#: Libraries read their own files; nothing in them is secret.
_LIBRARIES: Final = (
    *{sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")},
    str(Path(__file__).resolve().parents[1]),
    *(
        "/usr/share/zoneinfo",
        "/etc/localtime",
        "/proc/cpuinfo",
        "/proc/meminfo",
        "/proc/self/statm",
    ),
    os.devnull,
    str(Path("~/.mne").expanduser()),
)
_now: dict[str, Any] = {}


def install() -> None:
    """Watch this process from now on; `confined` says when it reads a recording."""
    sys.addaudithook(_hook)


@contextmanager
def confined(path: Path, root: str | None) -> Iterator[None]:
    """Refuse all files but those of a recording while the block runs.

    Parameters
    ----------
    path : Path
        Of the recording.
    root : str or None
        Folder of its corpus; by default its own.

    Yields
    ------
    None

    Raises
    ------
    UnreadableFileError
        Something else was to be opened, even if a library caught the error.
    """
    file = os.path.abspath(split_part(path)[0])  # noqa: PTH100
    refused: list[str] = []
    _now.update(file=file, root=root or own_folder(file), refused=refused)
    try:
        yield
    except BaseException as error:
        if refused:
            raise UnreadableFileError(path, refused[0]) from error
        raise
    finally:
        _now.clear()
    if refused:
        raise UnreadableFileError(path, refused[0])


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if not _now or (event != "open" and event not in _FORBIDDEN):
        return
    if event != "open":
        _refuse(f"its reader asks for {event}")
        return
    name, mode, flags = arguments
    if isinstance(name, int):
        return
    name = os.path.abspath(os.fsdecode(name))  # noqa: PTH100
    writes = (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    if name == os.devnull:
        return
    if writes or any(letter in (mode or "") for letter in "wax+"):
        _refuse(f"its reader writes {name}")
    if name == _now["file"] or is_inside(name, _now["root"]):
        return
    if not any(name == own or name.startswith(own + "/") for own in _LIBRARIES):
        _refuse(f"refers to a file outside the folder of its corpus: {name}")


def _is_importing() -> bool:
    """Return whether all this happens while a library imports another module."""
    frame = inspect.currentframe()
    while frame is not None:
        if "importlib._bootstrap" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False


def _refuse(cause: str) -> None:
    if _is_importing():
        return
    _now["refused"].append(cause)
    raise PermissionError(cause)
