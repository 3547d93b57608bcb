"""Recordings as JSON text and raw bytes, between a process and the one that parses for it.

Nothing is pickled: what comes from a process that parses untrusted files is untrusted, too.
"""

from __future__ import annotations

import json
import math
import re
import socket
import struct
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.recording import GroupHeader, Header, Recording, SignalGroup

_HEAD: Final = struct.Struct("<QQ")  # bytes of the text, bytes of all arrays
_ALIGN: Final = 64
_SMALL: Final = 1 << 16  # arrays up to this size are sent together
_MAX_TEXT: Final = 1 << 30
_DTYPE: Final = re.compile(r"[<>|](?:[biufc]\d{1,2}|[SU]\d{1,6})")
_Arrays = list[NDArray[Any]]


class FrameError(Exception):
    """The other side sent what is no message."""


def send(to: socket.socket, message: Any) -> None:
    """Send a message.

    Parameters
    ----------
    to : socket
    message : Any
        JSON values, tuples, paths, dates, arrays of numbers and text, recordings and headers,
        and lists, dicts and arrays of these.

    Raises
    ------
    TypeError
        The message holds anything else.
    """
    arrays: _Arrays = []
    text = json.dumps(_pack(message, arrays)).encode("ascii")
    sizes = [array.nbytes + -array.nbytes % _ALIGN for array in arrays]
    waiting = bytearray(_HEAD.pack(len(text), sum(sizes)) + text)
    for array, size in zip(arrays, sizes, strict=True):
        padding = bytes(size - array.nbytes)
        if array.nbytes > _SMALL:
            to.sendall(waiting)
            to.sendall(array.reshape(-1).view(np.uint8).data)
            waiting = bytearray(padding)
        else:
            waiting += array.tobytes() + padding
    to.sendall(waiting)


def receive(source: socket.socket) -> Any:
    """Receive a message.

    Parameters
    ----------
    source : socket

    Returns
    -------
    Any
        As it was sent. Arrays are views of one buffer.

    Raises
    ------
    EOFError
        The other side is gone.
    FrameError
        The message is malformed.
    """
    n_text, n_bytes = _HEAD.unpack(bytes(_exactly(source, _HEAD.size)))
    if n_text > _MAX_TEXT:
        raise FrameError("a text too long")
    text = bytes(_exactly(source, n_text))
    raw = _exactly(source, n_bytes)
    try:
        return _unpack(json.loads(text), raw, [0])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
        raise FrameError(f"{type(error).__name__}: {error}") from None


def _exactly(source: socket.socket, size: int) -> NDArray[np.uint8]:
    out = np.empty(size, np.uint8)
    view = memoryview(out.data)
    at = 0
    while at < size:
        n = source.recv_into(view[at:], 0, socket.MSG_WAITALL)
        if n == 0:
            raise EOFError
        at += n
    return out


def _pack(value: Any, arrays: _Arrays) -> Any:
    """Turn a value into JSON; arrays of numbers and text are put on the list."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is list:
        return [_pack(item, arrays) for item in value]
    if type(value) is tuple:
        return {"$": "tuple", "v": [_pack(item, arrays) for item in value]}
    if isinstance(value, Path):
        return {"$": "path", "v": str(value)}
    if isinstance(value, datetime):
        return {"$": "date", "v": value.isoformat()}
    if isinstance(value, np.generic):
        return {"$": "scalar", "v": _pack(np.asarray(value), arrays)}
    if isinstance(value, np.ndarray):
        return _pack_array(value, arrays)
    if isinstance(value, dict):
        items = [[_pack(key, arrays), _pack(item, arrays)] for key, item in value.items()]
        return {"$": "dict", "v": items}
    for name, kind in _KINDS.items():
        if type(value) is kind:
            fields = {key: item for key, item in vars(value).items() if key != "annotations"}
            return {"$": name, "v": _pack(fields, arrays)}
    if isinstance(value, bool | int | float | str):
        return _pack({bool: bool, int: int, float: float, str: str}[_base(value)](value), arrays)
    raise TypeError(f"a {type(value).__name__} cannot be sent from the parser process")


def _base(value: Any) -> type:
    return next(kind for kind in (bool, int, float, str) if isinstance(value, kind))


def _pack_array(value: NDArray[Any], arrays: _Arrays) -> Any:
    if value.dtype == object:
        items = [_pack(item, arrays) for item in value.ravel().tolist()]
        return {"$": "objects", "s": list(value.shape), "v": items}
    if not _DTYPE.fullmatch(value.dtype.str):
        raise TypeError(f"an array of {value.dtype} cannot be sent from the parser process")
    arrays.append(np.ascontiguousarray(value))
    return {"$": "array", "s": list(value.shape), "d": value.dtype.str}


def _unpack(value: Any, raw: NDArray[np.uint8], at: list[int]) -> Any:
    """Turn what `_pack` made back; `at` is where the next array begins."""
    if isinstance(value, list):
        return [_unpack(item, raw, at) for item in value]
    if not isinstance(value, dict):
        return value
    kind = value["$"]
    content: Any = value.get("v")
    if kind == "array":
        return _unpack_array(value, raw, at)
    if kind == "dict":
        return {_unpack(key, raw, at): _unpack(item, raw, at) for key, item in content}
    if kind == "path":
        return Path(content)
    if kind == "date":
        return datetime.fromisoformat(content)
    if kind == "objects":
        items = [_unpack(item, raw, at) for item in content]
        out = np.empty(len(items), object)
        out[:] = items
        return out.reshape(value["s"])
    inner = _unpack(content, raw, at)
    if kind == "tuple":
        return tuple(inner)
    if kind == "scalar":
        return inner[()]
    return _KINDS[kind](**inner)


def _unpack_array(value: Any, raw: NDArray[np.uint8], at: list[int]) -> NDArray[Any]:
    shape, text = value["s"], value["d"]
    if not _DTYPE.fullmatch(text) or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("an odd array")
    dtype = np.dtype(text)
    size = math.prod(shape) * dtype.itemsize
    first = at[0]
    at[0] = first + size + -size % _ALIGN
    if at[0] > len(raw):
        raise ValueError("an array beyond the bytes sent")
    found: NDArray[Any] = raw[first : first + size].view(dtype)
    return found.reshape(shape)


_KINDS: Final[dict[str, Any]] = {
    "recording": Recording,
    "header": Header,
    "signals": SignalGroup,
    "group": GroupHeader,
}
