"""How many values a Parquet file says it holds, from its footer.

pyarrow's own ``metadata.row_group(i).column(j)`` does not catch the exceptions of the library
under it: one flipped bit of a footer ends the process. This reads the few numbers in Python.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final

#: Numbers of the fields that lead to ``num_values``: row_groups, columns, meta_data, num_values.
_NUM_VALUES: Final = (4, 1, 3, 5)
#: Types of Thrift's compact protocol.
_STOP, _TRUE, _FALSE, _BYTE, _INTEGERS, _DOUBLE, _BINARY = 0, 1, 2, 3, (4, 5, 6), 7, 8
_LISTS, _STRUCT = (9, 10), 12


def stated_values(path: Path) -> int:
    """Return the number of values in a Parquet file, as its footer states it.

    Parameters
    ----------
    path : Path
        Of a Parquet file that pyarrow opens.

    Returns
    -------
    int
        Sum over all row groups and columns.

    Raises
    ------
    ValueError
        The footer is damaged.
    OSError
        The file cannot be read.
    """
    with path.open("rb") as file:
        end = file.seek(0, io.SEEK_END)
        file.seek(max(0, end - 8))
        size = int.from_bytes(file.read(4), "little")
        file.seek(max(0, end - 8 - size))
        footer = io.BytesIO(file.read(size))
    try:
        return _sum_of(footer, _STRUCT, ())
    except (EOFError, RecursionError, OverflowError):
        raise ValueError("its footer is damaged") from None


def _sum_of(footer: io.BytesIO, kind: int, fields: tuple[int, ...]) -> int:
    """Read one value; return the sum of all ``num_values`` in it."""
    if kind in _INTEGERS:
        number = _varint(footer)
        return max(0, _signed(number)) if fields == _NUM_VALUES else 0
    if kind == _STRUCT:
        return _sum_of_struct(footer, fields)
    if kind in _LISTS:
        head = _take(footer, 1)[0]
        size = head >> 4 if head >> 4 < 15 else _varint(footer)
        return sum(_sum_of(footer, head & 15, fields) for _ in range(size))
    if kind in (_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY):
        _take(footer, {_DOUBLE: 8}.get(kind, 1) if kind != _BINARY else _varint(footer))
        return 0
    raise ValueError(f"its footer is damaged: a value of type {kind}")


def _sum_of_struct(footer: io.BytesIO, fields: tuple[int, ...]) -> int:
    total = number = 0
    while (head := _take(footer, 1)[0]) & 15 != _STOP:
        number = number + (head >> 4) if head >> 4 else _signed(_varint(footer))
        if head & 15 not in (_TRUE, _FALSE):  # these are in the head itself, except in a list
            total += _sum_of(footer, head & 15, (*fields, number))
    return total


def _take(footer: io.BytesIO, size: int) -> bytes:
    taken = footer.read(size)
    if len(taken) < size:
        raise EOFError
    return taken


def _varint(footer: io.BytesIO) -> int:
    value = shift = 0
    while True:
        byte = _take(footer, 1)[0]
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value
        if shift > 63:
            raise ValueError("its footer is damaged: a number of more than 64 bits")


def _signed(number: int) -> int:
    """Undo the zigzag, by which small negative numbers are short."""
    return (number >> 1) ^ -(number & 1)
