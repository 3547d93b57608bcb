"""Read recordings from pickles without running the code that a pickle may name.

The unpickler admits NumPy arrays of numbers and text, and builtin containers; any other name
in the file is an error. Which recordings a pickle holds is known by the modules that
`physioprep.corpora.known.STRUCTURES` lists.
"""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from physioprep.errors import UnreadableFileError
from physioprep.readers.parts import header_of, split_part, stamp
from physioprep.readers.structures import Container, read_structure
from physioprep.recording import Header, Recording

_SIMPLE_DTYPE = re.compile(r"[<>|=]?[?bBhHiIlLqQefdFDSU]\d{0,9}|[<>|=]?[biufcSU]\d{1,9}")


def read_header(path: Path) -> Header:
    """Describe one recording of a pickle.

    Parameters
    ----------
    path : Path
        ``file.pkl`` or ``file.dat#part``.

    Returns
    -------
    Header
        Read with the samples: the file does not list its recordings.

    Raises
    ------
    UnreadableFileError
        The file is missing, damaged, unsafe, of an unknown structure, or has no such part.
    """
    return header_of(read(path))


def read(path: Path, verify: bool = True) -> Recording:
    """Read one recording of a pickle.

    Parameters
    ----------
    path : Path
        ``file.pkl`` or ``file.dat#part``.
    verify : bool
        No effect: these files have no checksums.

    Returns
    -------
    Recording
        Samples as stored, units as the corpus documents them, ``""`` where it does not.

    Raises
    ------
    UnreadableFileError
        The file is missing, damaged, unsafe, of an unknown structure, or has no such part.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "s01.dat"
    >>> arrays = {"data": np.zeros((2, 40, 8064)), "labels": np.ones((2, 4))}
    >>> _ = path.write_bytes(pickle.dumps(arrays))
    >>> read(Path(f"{path}#v02")).duration_s
    63.0
    """
    file, part = split_part(path)
    content = load_pickle(file)
    if isinstance(content, dict):
        recording = read_structure(Container(content, path, file, part, "pickles"))
        if recording is not None:
            return recording
    raise UnreadableFileError(path, "a pickle of no known corpus")


def load_pickle(file: Path) -> Any:
    """Load a pickle of NumPy arrays and builtins, and nothing else.

    Parameters
    ----------
    file : Path
        Written by Python 2 or 3.

    Returns
    -------
    Any
        The pickled object. The last file is cached: do not change its arrays.

    Raises
    ------
    UnreadableFileError
        The file is missing, damaged, or asks for any other class or function.

    Examples
    --------
    >>> import os, tempfile
    >>> path = Path(tempfile.mkdtemp()) / "bad.pkl"
    >>> _ = path.write_bytes(pickle.dumps(os.system))
    >>> load_pickle(path)
    Traceback (most recent call last):
        ...
    physioprep.errors.UnreadableFileError: ...bad.pkl: a pickle that asks for posix.system, ...
    """
    return _load(*stamp(file))


@lru_cache(maxsize=1)  # a scan reads all parts of one file before the next file
def _load(name: str, modified_ns: int, size: int) -> Any:
    with open(name, "rb") as opened:  # noqa: PTH123
        try:
            return _Unpickler(_Bounded(opened, size), encoding="latin1").load()
        except _ForbiddenError as error:
            cause = f"a pickle that asks for {error}, which arrays do not need"
            raise UnreadableFileError(name, cause) from error
        except MemoryError as error:
            raise UnreadableFileError(name, "its arrays do not fit into memory") from error
        except Exception as error:  # damaged pickles raise nearly anything
            text = " ".join(str(error).split())[:200]
            cause = f"not a readable pickle ({type(error).__name__}: {text})"
            raise UnreadableFileError(name, cause) from error


class _ForbiddenError(Exception):
    pass


class _Bounded:
    """A file that refuses to read past its end before memory for these bytes is allocated."""

    def __init__(self, file: io.BufferedReader, size: int) -> None:
        self._file, self._size = file, size
        self.readline = file.readline

    def read(self, n: int) -> bytes:
        if n < 0 or self._file.tell() + n > self._size:
            raise pickle.UnpicklingError("cut off")
        return self._file.read(n)

    def readinto(self, buffer: bytearray) -> int:
        if self._file.tell() + len(buffer) > self._size:
            raise pickle.UnpicklingError("cut off")
        return self._file.readinto(buffer)


class _Unpickler(pickle._Unpickler):
    """Unpickles arrays and builtins.

    The pure-Python unpickler: the one in C allocates as much memo as a few bytes may demand.
    """

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)
    stack: list[Any]

    def find_class(self, module: str, name: str) -> Any:
        found = _ADMITTED.get((module.replace("numpy._core", "numpy.core"), name))
        if found is None:
            raise _ForbiddenError(f"{module}.{name}"[:80])
        return found

    def load_build(self) -> None:
        state, target = self.stack[-1], self.stack[-2]
        if isinstance(target, np.dtype):
            # names, fields or subarrays would make arrays of objects
            if not (isinstance(state, tuple) and len(state) >= 5 and not any(state[2:5])):
                raise _ForbiddenError("a structured dtype")
        elif type(target) is np.ndarray:
            if not (isinstance(state, tuple) and len(state) == 5):
                raise _ForbiddenError("an odd array")
            _, shape, dtype, _, raw = state
            count = int(np.prod(np.array(shape, np.float64)))
            if dtype.kind not in "?biufcSU" or len(raw) != count * dtype.itemsize:
                raise _ForbiddenError(f"an array of {str(dtype)[:40]}")
            if isinstance(raw, str):  # Python 2's bytes
                self.stack[-1] = (*state[:4], raw.encode("latin-1"))
        else:
            raise _ForbiddenError(f"the state of a {type(target).__name__}")
        super().load_build()  # type: ignore[misc]  # not in typeshed

    dispatch[pickle.BUILD[0]] = load_build


def _empty_array(kind: Any, shape: Any, typecode: Any) -> Any:
    if kind is not np.ndarray or tuple(shape) != (0,):
        raise _ForbiddenError("an odd array")
    return np.empty(0, np.uint8)


def _dtype(text: Any, *flags: Any) -> np.dtype[Any]:
    if not isinstance(text, str) or not _SIMPLE_DTYPE.fullmatch(text):
        raise _ForbiddenError(f"the dtype {str(text)[:40]}")
    return np.dtype(text, copy=True)


def _scalar(dtype: Any, raw: Any) -> Any:
    raw = _encode(raw) if isinstance(raw, str) else raw
    if not isinstance(dtype, np.dtype) or dtype.kind not in "?biufcSU":
        raise _ForbiddenError("an odd scalar")
    return np.frombuffer(raw, dtype, 1)[0]


def _encode(text: str, encoding: str = "latin1") -> bytes:
    return text.encode("latin-1")


def _from_buffer(raw: Any, dtype: Any, shape: Any, order: str, *more: Any) -> Any:
    """Rebuild what NumPy writes with pickle protocol 5."""
    if not isinstance(dtype, np.dtype) or dtype.kind not in "?biufcSU":
        raise _ForbiddenError("an odd array")
    return np.frombuffer(raw, dtype).reshape(shape, order="F" if order == "F" else "C")


_ADMITTED: dict[tuple[str, str], Callable[..., Any] | type] = {
    ("numpy.core.multiarray", "_reconstruct"): _empty_array,
    ("numpy.core.multiarray", "scalar"): _scalar,
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _encode,
}
