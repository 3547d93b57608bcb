"""What the process that parses does; see `physioprep.readers.guard`."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import traceback
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from physioprep.errors import PhysioprepError, UnreadableFileError
from physioprep.parallel.workers import end_with
from physioprep.readers import frames, guard, notes, parser_limits, person, watch
from physioprep.readers.parts import header_by, split_part
from physioprep.trees import files_below

_READERS: Final = "physioprep.readers."
#: What a reader imports when it reads; imported before its limits begin.
_LIBRARIES: Final = {
    "mat": ("scipy.io", "scipy.sparse", "h5py"),
    "hdf5": ("h5py",),
    "mne": ("mne", "mne.io", "scipy.io", "h5py"),
    "table": ("yaml",),
    "dicom": ("pydicom", "pydicom.sr.codedict"),
    "nwb": ("h5py",),
    "xdf": ("pyxdf",),
    "biopac": ("bioread", "bioread.headers"),
}


def serve(descriptor: int, parent: int) -> None:
    """Read one file after another, until the other side of the socket is gone.

    Parameters
    ----------
    descriptor : int
        Of the socket.
    parent : int
        Process id of what asks.
    """
    end_with(parent)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    warnings.simplefilter("ignore")
    guard.parse_here()
    watch.install()
    with socket.socket(fileno=descriptor) as other:
        silence = os.open(os.devnull, os.O_WRONLY)  # libraries report damage there
        os.dup2(silence, 2)
        while True:
            try:
                request = frames.receive(other)
            except (EOFError, ConnectionError):
                return
            with contextlib.suppress(ConnectionError):
                frames.send(other, _answer(request))


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    path, name = Path(request["path"]), request["module"]
    if not name.startswith(_READERS):
        raise ValueError(name)
    if request["cwd"] is not None:
        os.chdir(request["cwd"])
    person.use_key(bytes.fromhex(request["key"]))
    reader = import_module(name)
    for library in _LIBRARIES.get(name.removeprefix(_READERS), ()):
        import_module(library)
    try:
        parser_limits.begin(parser_limits.Limits(**request["limits"]), _size(split_part(path)[0]))
        with watch.confined(path, request["root"]), notes.collected() as found:
            if request["act"] == "read":
                result = reader.read(path, verify=request["verify"])
            elif request["act"] == "read_header":
                result = header_by(reader, path)
            elif request["act"] == "list_parts":
                result = reader.list_parts(path)
            else:
                raise ValueError(request["act"])
        return {"result": result if isinstance(result, list) else notes.with_notes(result, found)}
    except UnreadableFileError as error:
        origin = _origin(error.__cause__)
        return {"error": [type(error).__name__, error.path, error.cause, origin]}
    except MemoryError:
        return {"error": ["UnreadableFileError", str(path), "does not fit into memory", None]}
    except Exception as error:  # a fault of ours, or of a library, that no reader expects
        text = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        cause = f"its reader failed ({text})"
        return {"error": ["UnreadableFileError", str(path), cause, _origin(error)]}
    finally:
        parser_limits.end()


def _origin(error: BaseException | None) -> Any:
    """Return class, message and calls of the error that led to another."""
    while isinstance(error, PhysioprepError | OSError):
        error = error.__cause__
    if error is None:
        return None
    calls = [[call.filename, call.lineno, call.name] for call in _calls(error)]
    return [f"{type(error).__name__}: {error}", calls]


def _calls(error: BaseException) -> list[traceback.FrameSummary]:
    found = traceback.walk_tb(error.__traceback__)
    return list(traceback.StackSummary.extract(found, lookup_lines=False))


def _size(file: Path) -> int:
    """Return the bytes of a file, or of the files in a folder."""
    try:
        if not file.is_dir():
            return file.stat().st_size
        return sum(each.stat().st_size for each in files_below(file))
    except OSError:
        return 0
