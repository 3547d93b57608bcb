"""What a file of weights promises by its header, looked at before anything of it is loaded.

A few bytes of a zip archive can stand for gigabytes, and a few of a pickle for billions of values.
"""

from __future__ import annotations

import math
import pickletools
import zipfile
from collections.abc import Mapping
from itertools import islice
from typing import Any, BinaryIO, Final

from physioprep.documents import load_json
from physioprep.limits import (
    MAX_PARAMETERS,
    MAX_PICKLE_NODES,
    MAX_TENSORS,
    MAX_WEIGHTS_HEADER_BYTES,
    VARIABLE,
)

#: Bytes of the widest number that weights may have.
_WIDEST: Final = 8
#: Types of safetensors that are read as weights, without a cast to other numbers.
_FLOATS: Final = frozenset({"F16", "BF16", "F32", "F64"})
#: Containers within containers of a pickle: checkpoints have some 6.
_MAX_DEPTH: Final = 40
_MAX_BITS: Final = 256
#: Depth and number of what an opcode has put on the stack.
_Node = tuple[int, int]
_MARK: Final = (-1, 0)


class HeaderError(ValueError):
    """A header promises too much, or is none; the text is the cause."""


def check_size(n_bytes: int) -> None:
    """Refuse a file that is larger than the largest model.

    Parameters
    ----------
    n_bytes : int
        Its size.

    Raises
    ------
    HeaderError
    """
    _check(n_bytes, _WIDEST * MAX_PARAMETERS + MAX_WEIGHTS_HEADER_BYTES, "bytes")


def check_parameters(number: int) -> None:
    """Refuse a model that is too large.

    Parameters
    ----------
    number : int
        Of its parameters.

    Raises
    ------
    HeaderError

    Examples
    --------
    >>> check_parameters(10**12)
    Traceback (most recent call last):
        ...
    physiomodels.model.headers.HeaderError: 1000000000000 parameters, over the limit of 200000000 \
(PHYSIOPREP_READ_LIMITS raises it)
    """
    _check(number, MAX_PARAMETERS, "parameters")


def check_safetensors(file: BinaryIO) -> None:
    """Look at the header of a safetensors file.

    Parameters
    ----------
    file : binary file
        At its begin.

    Raises
    ------
    HeaderError
        There are too many tensors or parameters, or others than floating-point numbers.
    """
    n_bytes = int.from_bytes(file.read(8), "little")
    _check(n_bytes, MAX_WEIGHTS_HEADER_BYTES, "bytes of a header")
    header = load_json(file.read(n_bytes), HeaderError)
    if not isinstance(header, Mapping):
        raise HeaderError("its header is no list of tensors")
    _check(len(header), MAX_TENSORS, "tensors")
    total = 0
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        shape = entry.get("shape") if isinstance(entry, Mapping) else None
        if not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape):
            raise HeaderError(f"{name[:80]} has no shape")
        if entry.get("dtype") not in _FLOATS:
            raise HeaderError(f"{name[:80]} holds {str(entry.get('dtype'))[:20]}, no weights")
        total += math.prod(shape)
    check_parameters(total)


def check_torch_file(file: BinaryIO) -> None:
    """Look at the zip directory of a torch file, and follow its pickle without building anything.

    Parameters
    ----------
    file : binary file
        It is left at its begin.

    Raises
    ------
    HeaderError
        It is no such file, unpacks to more than its own bytes, has too many parts, or its pickle
        stands for too many values.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
            _check(len(parts), MAX_TENSORS, "parts")
            size = sum(part.file_size for part in parts)
            if size > file.seek(0, 2) or any(part.compress_type for part in parts):
                raise HeaderError(f"compressed: it would unpack to {size} bytes")
            for part in parts:
                if part.filename.endswith(".pkl"):
                    _check(part.file_size, MAX_WEIGHTS_HEADER_BYTES, "bytes of a pickle")
                    _follow(archive.read(part))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, UnicodeDecodeError):
        raise HeaderError("no file of torch 1.6 or later") from None
    file.seek(0)


def _follow(pickle: bytes) -> None:
    """Count what opcodes make: an object that stands in several places counts in each."""
    stack: list[_Node] = []
    memo: dict[int, _Node] = {}
    try:
        for opcode, argument, _ in islice(pickletools.genops(pickle), MAX_PICKLE_NODES):
            if opcode.name == "STOP":
                return
            _take(opcode, argument, stack, memo)
            if stack and stack[-1][1] > MAX_PICKLE_NODES:
                break
    except (IndexError, KeyError, ValueError):
        raise HeaderError("its pickle is damaged") from None
    raise HeaderError(f"its pickle stands for over {MAX_PICKLE_NODES} values ({VARIABLE})")


def _take(opcode: Any, argument: Any, stack: list[_Node], memo: dict[int, _Node]) -> None:
    name = opcode.name
    if isinstance(argument, int) and argument.bit_length() > _MAX_BITS:
        raise HeaderError(f"its pickle has a number of {argument.bit_length()} bits")
    if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
        memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
    elif name in ("GET", "BINGET", "LONG_BINGET"):
        stack.append(memo[argument])
    elif name == "MARK":
        stack.append(_MARK)
    else:
        before, taken = opcode.stack_before, []
        if pickletools.stackslice in before:
            while (node := stack.pop()) != _MARK:
                taken.append(node)
            before = before[: before.index(pickletools.markobject)]
        taken += [stack.pop() for _ in before]
        size = sum(node[1] for node in taken) + 1
        grown = taken.pop()[0] if name in _GROW else 0
        depth = max(grown, max((node[0] for node in taken), default=-1) + 1)
        stack += [(depth, size)] * len(opcode.stack_after)
        if depth > _MAX_DEPTH:
            raise HeaderError(f"its pickle is nested deeper than {_MAX_DEPTH}")


#: Opcodes that put something into what is there.
_GROW: Final = frozenset({"SETITEM", "SETITEMS", "APPEND", "APPENDS", "BUILD", "ADDITEMS"})


def _check(number: int, limit: int, what: str) -> None:
    if number > limit:
        shown = str(number) if number.bit_length() <= 128 else f"2^{number.bit_length() - 1}"
        raise HeaderError(f"{shown} {what}, over the limit of {limit} ({VARIABLE} raises it)")
