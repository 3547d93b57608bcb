"""Unpickle dicts of text, numbers, NumPy arrays and flat lists, as DEAP and WESAD have them.

The opcodes are checked before anything is built: a closed list of them, and limits of their
number and of nesting. No name in a pickle is looked up: the few that arrays need stand for
functions of this module, which make arrays by `numpy.frombuffer` from bytes in the file.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

#: DEAP's files have some 50 opcodes, WESAD's some 400.
MAX_OPCODES: Final = 20_000
#: Containers in each other, an array counting as four; DEAP has 5, WESAD 7.
MAX_DEPTH: Final = 12
_MAX_NDIM, _MAX_BITS = 8, 64
_SIMPLE_DTYPE = re.compile(r"[<>|=]?[?bBhHiIlLqQefdFD]|[<>|=]?(?:[biufc]\d{1,2}|[SU]\d{1,6})")
_PLAIN = (str, bytes, int, float, complex, np.generic, np.ndarray, dict, list, type(None))
_ITEMS = (str, bytes, int, float, np.generic)


class ForbiddenError(Exception):
    """A pickle holds what arrays do not need; the text names it."""


def unpickle(file: io.BufferedReader, size: int) -> Any:
    """Load a pickle that holds only dicts, text, numbers, arrays, and lists of text and numbers.

    Parameters
    ----------
    file : binary file
        At the pickle's begin.
    size : int
        Bytes of the file; arrays take no more than this together.

    Returns
    -------
    dict, ndarray, list, str or number
        Arrays are not writable.

    Raises
    ------
    ForbiddenError
        The pickle holds anything else.
    UnpicklingError
        The pickle is cut off. Damaged pickles raise nearly anything else.

    Examples
    --------
    >>> raw = pickle.dumps({"labels": np.arange(3)})
    >>> unpickle(io.BytesIO(raw), len(raw))
    {'labels': array([0, 1, 2])}
    """
    bounded = _Bounded(file, size)
    _check_opcodes(bounded)
    file.seek(0)
    return _finished(_Unpickler(bounded, size).load())


class _Bounded:
    """A file that refuses to read past its end before memory for these bytes is allocated."""

    def __init__(self, file: io.BufferedReader, size: int) -> None:
        self._file, self._size = file, size
        self.readline, self.tell = file.readline, file.tell

    def read(self, n: int) -> bytes:
        if n < 0 or self._file.tell() + n > self._size:
            raise pickle.UnpicklingError("cut off")
        return self._file.read(n)

    def readinto(self, buffer: bytearray) -> int:
        if self._file.tell() + len(buffer) > self._size:
            raise pickle.UnpicklingError("cut off")
        return self._file.readinto(buffer)


# Not among them: classes (INST, OBJ, NEWOBJ, EXT), persistent ids, buffers out of band, sets, POP
# and DUP. Lists hold text and numbers only: shared lists in lists multiply when an array is made.
_OPCODES: Final = frozenset(
    re.findall(
        r"\w+",
        "PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 LONG4 "
        "FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE "
        "BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 EMPTY_LIST LIST APPEND APPENDS "
        "EMPTY_DICT DICT SETITEM SETITEMS "
        "EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 GLOBAL STACK_GLOBAL REDUCE BUILD PUT BINPUT "
        "LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET",
    )
)
_MARK: Final = -1
_GROWING: Final = ("SETITEM", "SETITEMS", "APPEND", "APPENDS", "BUILD")


def _check_opcodes(file: Any) -> None:
    """Follow the opcodes, with the depth of each object in place of the object."""
    stack: list[int] = []
    memo: dict[int, int] = {}
    argument: Any
    for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        name = opcode.name
        if name not in _OPCODES:
            raise ForbiddenError(f"the opcode {name}")
        if number >= MAX_OPCODES:
            raise ForbiddenError(f"more than {MAX_OPCODES} opcodes")
        if isinstance(argument, int) and argument.bit_length() > _MAX_BITS:
            raise ForbiddenError(f"a number of {argument.bit_length()} bits")
        if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "MARK":
            stack.append(_MARK)
        elif name != "STOP":
            _step(opcode, stack)


def _step(opcode: Any, stack: list[int]) -> None:
    """Take off what an opcode takes, and put on the depth of what it makes."""
    before, after = opcode.stack_before, opcode.stack_after
    taken = []
    if pickletools.stackslice in before:
        while (depth := stack.pop()) != _MARK:
            taken.append(depth)
        before = before[: before.index(pickletools.markobject)]
    for _ in before:
        taken.append(stack.pop())
    grown = taken.pop() if opcode.name in _GROWING else 0
    if after:
        depth = max(grown, max(taken, default=-1) + 1)
        if depth > MAX_DEPTH:
            raise ForbiddenError(f"nesting of more than {MAX_DEPTH}")
        stack.append(depth)


class _Function:
    """Stands for a function of NumPy's; not callable by a pickle but through REDUCE."""

    def __init__(self, call: Callable[..., Any] | None) -> None:
        self.call = call


class _Dtype:
    """A dtype whose byte order may still be told, by BUILD."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype

    def build(self, state: Any) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) >= 8 else None
        if order not in ("<", ">", "|", "="):
            raise ForbiddenError("an odd dtype")
        dtype = self.dtype if order == "|" else self.dtype.newbyteorder(order)
        sized = (dtype.itemsize, dtype.alignment) if dtype.kind in "SU" else (-1, -1)
        # without fields, subarrays, metadata, or flags that are not this dtype's own
        if not (state[0] in (3, 4) and state[2:] in _states_of(dtype, sized)):
            raise ForbiddenError("a dtype that holds neither numbers nor text")
        self.dtype = dtype


def _states_of(dtype: np.dtype[Any], sized: tuple[int, int]) -> tuple[Any, ...]:
    bare = (None, None, None, *sized, dtype.flags)
    return bare, (*bare, None)  # the last is the metadata of version 4


class _Array:
    """An array that BUILD is still to fill."""

    filled: NDArray[Any] | None = None


class _Unpickler(pickle._Unpickler):
    """Unpickles arrays and builtins.

    The pure-Python unpickler: the one in C allocates as much memo as a few bytes may demand.
    """

    dispatch: ClassVar[dict[int, Any]] = {
        ord(opcode.code): pickle._Unpickler.dispatch[ord(opcode.code)]
        for opcode in pickletools.opcodes
        if opcode.name in _OPCODES
    }
    stack: list[Any]
    memo: dict[int, Any]

    def __init__(self, file: Any, size: int) -> None:
        super().__init__(file, encoding="latin1")
        self._left = size

    def find_class(self, module: str, name: str) -> Any:
        found = _ADMITTED.get((module.replace("numpy._core", "numpy.core"), name))
        if found is None:
            raise ForbiddenError(f"{module}.{name}"[:80])
        return found

    def load_reduce(self) -> None:
        arguments = self.stack.pop()
        function = self.stack.pop()
        if not isinstance(function, _Function) or function.call is None:
            raise ForbiddenError("a call of what is no function")
        made = function.call(*arguments)
        self._count(made)
        self.stack.append(made)

    def load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, _Dtype):
            target.build(state)
        elif isinstance(target, _Array) and target.filled is None:
            if not (isinstance(state, tuple) and len(state) == 5):
                raise ForbiddenError("an odd array")
            _, shape, dtype, columns_first, raw = state
            target.filled = _from_buffer(raw, dtype, shape, "F" if columns_first else "C")
            self._count(target.filled)
        else:
            raise ForbiddenError("a state of what is no array")

    def _count(self, made: Any) -> None:
        """Refuse arrays that many times share bytes of the file."""
        self._left -= made.nbytes if isinstance(made, np.ndarray) else 0
        if self._left < 0:
            raise ForbiddenError("arrays larger than the file")

    def load_setitem(self) -> None:
        value = self.stack.pop()
        key = self.stack.pop()
        self._set([key, value])

    def load_setitems(self) -> None:
        self._set(self.pop_mark())  # type: ignore[attr-defined]  # not in typeshed

    def load_dict(self) -> None:
        items = self.pop_mark()  # type: ignore[attr-defined]
        self.stack.append({})
        self._set(items)

    def _set(self, items: list[Any]) -> None:
        into = self.stack[-1]
        if type(into) is not dict or len(items) % 2:
            raise ForbiddenError("items of what is no dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            if type(key) is not str:
                raise ForbiddenError(f"a {type(key).__name__} as a key")
            into[key] = _finished(value)

    def load_list(self) -> None:
        items = self.pop_mark()  # type: ignore[attr-defined]
        self.stack.append([])
        self._extend(items)

    def load_append(self) -> None:
        self._extend([self.stack.pop()])

    def load_appends(self) -> None:
        self._extend(self.pop_mark())  # type: ignore[attr-defined]

    def _extend(self, items: list[Any]) -> None:
        into = self.stack[-1]
        if type(into) is not list:
            raise ForbiddenError("items of what is no list")
        for item in items:
            if not isinstance(item, _ITEMS):
                raise ForbiddenError(f"a {type(item).__name__} in a list")
            into.append(item)

    def load_get(self) -> None:
        self._get(int(self.readline()[:-1]))  # type: ignore[attr-defined]

    def load_binget(self) -> None:
        self._get(self.read(1)[0])  # type: ignore[attr-defined]

    def load_long_binget(self) -> None:
        self._get(int.from_bytes(self.read(4), "little"))  # type: ignore[attr-defined]

    def _get(self, number: int) -> None:
        found = self.memo[number]
        if isinstance(found, dict | list):  # they are a tree, and none holds itself
            raise ForbiddenError(f"a {type(found).__name__} in two places")
        self.stack.append(found)

    for _code, _load in (
        *((pickle.REDUCE, load_reduce), (pickle.BUILD, load_build)),
        *((pickle.SETITEM, load_setitem), (pickle.SETITEMS, load_setitems)),
        *((pickle.DICT, load_dict), (pickle.GET, load_get), (pickle.LIST, load_list)),
        *((pickle.APPEND, load_append), (pickle.APPENDS, load_appends)),
        *((pickle.BINGET, load_binget), (pickle.LONG_BINGET, load_long_binget)),
    ):
        dispatch[_code[0]] = _load


def _finished(value: Any) -> Any:
    """Return a value that may stand in a dict."""
    if isinstance(value, _Array):
        value = value.filled
        if value is None:
            raise ForbiddenError("an array without values")
    if isinstance(value, bytearray):
        value = bytes(value)
    if not isinstance(value, _PLAIN):
        raise ForbiddenError(f"a {type(value).__name__} as a value")
    return value


def _reconstruct(kind: Any, shape: Any, typecode: Any) -> _Array:
    if kind is not _NDARRAY or shape != (0,):
        raise ForbiddenError("an odd array")
    return _Array()


def _dtype(text: Any, *flags: Any) -> _Dtype:
    if not isinstance(text, str) or not _SIMPLE_DTYPE.fullmatch(text):
        raise ForbiddenError(f"the dtype {str(text)[:40]}")
    dtype = np.dtype(text)
    if not dtype.itemsize:
        raise ForbiddenError("items of no bytes")
    return _Dtype(dtype)


def _scalar(dtype: Any, raw: Any) -> Any:
    return _from_buffer(raw, dtype, (), "C")[()]


def _encode(text: Any, encoding: Any = "latin1") -> bytes:
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise ForbiddenError("an odd text")
    return text.encode("latin-1")


def _from_buffer(raw: Any, dtype: Any, shape: Any, order: Any) -> NDArray[Any]:
    """Make an array of exactly the bytes that its shape needs."""
    raw = raw.encode("latin-1") if isinstance(raw, str) else raw  # Python 2's bytes
    sized = isinstance(shape, tuple) and len(shape) <= _MAX_NDIM
    if not (
        isinstance(raw, bytes | bytearray)
        and isinstance(dtype, _Dtype)
        and sized
        and all(type(n) is int and n >= 0 for n in shape)
        and len(raw) == math.prod(shape) * dtype.dtype.itemsize
    ):
        raise ForbiddenError("an odd array")
    flat = np.frombuffer(raw, dtype.dtype)
    flat.flags.writeable = False
    return flat.reshape(shape, order="F" if order == "F" else "C")


_NDARRAY: Final = _Function(None)
_ADMITTED: Final = {
    ("numpy.core.multiarray", "_reconstruct"): _Function(_reconstruct),
    ("numpy.core.multiarray", "scalar"): _Function(_scalar),
    ("numpy.core.numeric", "_frombuffer"): _Function(_from_buffer),
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _Function(_dtype),
    ("_codecs", "encode"): _Function(_encode),
}
