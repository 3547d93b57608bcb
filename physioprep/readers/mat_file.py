"""Load any MATLAB file, v4 to v7.3, into plain dicts, lists, strings and arrays."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import UnreadableFileError
from physioprep.readers.hdf5_check import check_dataset, check_hdf5
from physioprep.readers.mat_sizes import check_sizes
from physioprep.readers.parts import stamp

_ZLIB_LIMIT = 1032  # zlib compresses to no less than 1 / 1032


def load_mat(file: Path) -> dict[str, Any]:
    """Load the variables of a MATLAB file.

    Structures become dicts (structure arrays: lists of dicts), cells lists in MATLAB's
    order, text str, and numbers 2-D arrays; v5 and v7.3 give the same.

    Parameters
    ----------
    file : Path

    Returns
    -------
    dict of str to Any
        One item per variable. The last file is cached: do not change its arrays.

    Raises
    ------
    UnreadableFileError
        The file is missing, damaged, or refers to another file.

    Examples
    --------
    >>> import tempfile
    >>> from scipy.io import savemat
    >>> path = Path(tempfile.mkdtemp()) / "a.mat"
    >>> savemat(path, {"ECG": {"sex": "Male", "data": np.eye(2)}})
    >>> load_mat(path)["ECG"]["sex"]
    'Male'
    """
    return _load(*stamp(file))


def items_of(value: Any) -> list[Any]:
    """Return the items of a cell; a value that is no cell is a list of one.

    Parameters
    ----------
    value : Any
        Of `load_mat`'s dict, at any depth.

    Returns
    -------
    list

    Examples
    --------
    >>> items_of(["a", "b"]), items_of("a")
    (['a', 'b'], ['a'])
    """
    return list(value) if isinstance(value, list) else [value]


def value_of(value: Any) -> Any:
    """Return the one number or text in an array or cell of a single item.

    Parameters
    ----------
    value : Any
        Of `load_mat`'s dict, at any depth.

    Returns
    -------
    Any
        A Python number or text; a list if there are several items.

    Examples
    --------
    >>> value_of(np.array([[128]])), value_of(["male"]), value_of(np.eye(2))
    (128, 'male', [1.0, 0.0, 0.0, 1.0])
    """
    if isinstance(value, list):
        return value_of(value[0]) if len(value) == 1 else value
    if isinstance(value, np.ndarray | np.generic):
        array: NDArray[Any] = np.asarray(value)
        return array.item() if array.size == 1 else array.ravel().tolist()
    return value


@lru_cache(maxsize=1)  # a scan reads all parts of one file before the next file
def _load(name: str, modified_ns: int, size: int) -> dict[str, Any]:
    file = Path(name)
    with file.open("rb") as opened:
        magic = opened.read(8)
        opened.seek(512)
        user_block = opened.read(8)
    hdf5 = b"\x89HDF\r\n\x1a\n"
    try:
        return _load_hdf5(file) if hdf5 in (magic, user_block) else _load_classic(file, size)
    except UnreadableFileError:
        raise
    except MemoryError:
        raise UnreadableFileError(file, "its variables do not fit into memory") from None
    except Exception as error:  # SciPy and h5py raise nearly anything on damaged files
        text = " ".join(str(error).split()) or type(error).__name__
        raise UnreadableFileError(file, f"not a readable MATLAB file ({text[:200]})") from error


def _load_classic(file: Path, size: int) -> dict[str, Any]:
    from scipy.io import loadmat, whosmat

    check_sizes(file)
    for variable, shape, _ in whosmat(file):
        if np.prod(np.array(shape, np.float64)) > size * _ZLIB_LIMIT:
            raise UnreadableFileError(file, f"variable {variable} of {shape} in {size} bytes")
    loaded = loadmat(file)
    return {key: _plain(value) for key, value in loaded.items() if not key.startswith("__")}


def _plain(value: Any) -> Any:
    """Turn SciPy's arrays of objects and records into lists and dicts."""
    if isinstance(value, np.void):
        return {name: _plain(value[name]) for name in value.dtype.names or ()}
    if not isinstance(value, np.ndarray):
        return value
    if value.dtype.names:
        items = [_plain(item) for item in value.ravel(order="F")]
        return items[0] if len(items) == 1 else items
    if value.dtype == object:
        return [_plain(item) for item in value.ravel(order="F")]
    if value.dtype.kind == "U":
        texts = [str(item) for item in value.ravel()]
        return texts[0] if len(texts) == 1 else texts or ""
    return value


def _load_hdf5(file: Path) -> dict[str, Any]:
    import h5py

    with h5py.File(file, "r") as opened:
        check_hdf5(opened, file)
        return {key: _from_hdf5(item, opened, 0) for key, item in opened.items() if key[0] != "#"}


def _from_hdf5(item: Any, opened: Any, depth: int) -> Any:
    import h5py

    if depth > 32:
        raise ValueError("nested too deeply")
    if isinstance(item, h5py.Dataset):  # a reference may lead to one that no link names
        check_dataset(item.id, str(item.name), Path(opened.filename))
    if isinstance(item, h5py.Group):
        fields = {key: _from_hdf5(child, opened, depth + 1) for key, child in item.items()}
        return _split_structs(item, fields)
    kind = item.attrs.get("MATLAB_class", b"")
    if item.attrs.get("MATLAB_empty", 0):
        empty = np.zeros([int(n) for n in item[()]], np.float64)
        return "" if kind == b"char" else [] if kind == b"cell" else empty
    if item.dtype == h5py.ref_dtype:
        # HDF5 keeps MATLAB's order with reversed axes, so C order here is MATLAB's
        return [_from_hdf5(opened[ref], opened, depth + 1) for ref in item[()].ravel()]
    values = item[()]
    if kind == b"char":
        texts = ["".join(map(chr, row)) for row in np.atleast_2d(np.asarray(values).T)]
        return texts[0] if len(texts) == 1 else texts
    return np.asarray(values).T


def _split_structs(group: Any, fields: dict[str, Any]) -> Any:
    """Turn a structure array, stored as one list per field, into a list of dicts."""
    import h5py

    stored = [child for child in group.values() if isinstance(child, h5py.Dataset)]
    is_array = (
        bool(stored)
        and len(stored) == len(fields)
        and all(
            child.dtype == h5py.ref_dtype and "MATLAB_class" not in child.attrs for child in stored
        )
    )
    if not is_array:
        return fields
    names = list(fields)
    return [dict(zip(names, row, strict=True)) for row in zip(*fields.values(), strict=True)]
