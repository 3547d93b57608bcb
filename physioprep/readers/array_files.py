"""Load one array of a file of arrays: NumPy, MATLAB, HDF5 or a pickle; its variable by a path.

The path of a variable goes through structs, groups, dicts and cells: ``data.eeg.x`` or
``data/eeg/x``, items of a list by their number from 0 on (``runs.2.x``).
"""

from __future__ import annotations

import math
import os
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.hdf5_check import check_hdf5
from physioprep.readers.regular import opened

HDF5: Final = (".h5", ".hdf5")
PICKLES: Final = (".pkl", ".pickle")
#: Endings of files of arrays.
SUFFIXES: Final = (".npy", ".npz", ".mat", *HDF5, *PICKLES)
_DEEPEST: Final = 16  # levels of a path
_SHOWN: Final = 12  # variables that an error lists
_WALKED: Final = 1000  # variables that it looks at


def load_array(path: Path, variable: str | None) -> NDArray[Any]:
    """Load an array.

    Parameters
    ----------
    path : Path
        A file of `SUFFIXES`.
    variable : str or None
        Path of the array in the file; None where the file holds one alone.

    Returns
    -------
    ndarray
        Axes in the order of NumPy, of MATLAB, or of HDF5 (as h5py and h5dump show it). A list or
        cell of arrays of one shape is an array, its items along the first axis.

    Raises
    ------
    UnreadableFileError
        There is no such variable, it is no array, or states more than the file holds.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.npz"
    >>> np.savez(path, x=np.ones((2, 3)), y=[1, 2])
    >>> load_array(path, "y").tolist()
    [1, 2]
    >>> load_array(path, "z")
    Traceback (most recent call last):
        ...
    physioprep.errors.UnreadableFileError: ...a.npz: no variable 'z'; there are x (2, 3), y (2,)
    """
    with opened(path):  # a file, not a pipe
        pass
    try:
        return _load(path, variable)
    except UnreadableFileError:
        raise
    except MemoryError:
        raise UnreadableFileError(path, "does not fit into memory") from None
    except Exception as error:  # NumPy, h5py and zipfile raise many classes
        text = " ".join(str(error).split())[:200]
        raise UnreadableFileError(path, f"not the array described ({text})") from error


def _load(path: Path, variable: str | None) -> NDArray[Any]:
    suffix = path.suffix.lower()
    if suffix == ".npy":
        with path.open("rb") as file:
            _check_array(file, path, os.fstat(file.fileno()).st_size)
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    if suffix == ".npz":
        with zipfile.ZipFile(path) as archive:
            return _array(_follow(_Members(archive, path), variable, path), variable, path)
    if suffix in HDF5:
        import h5py

        with h5py.File(path, "r") as file:
            check_hdf5(file, path)
            return _array(_follow(file, variable, path), variable, path)
    return _array(_follow(_content(path, suffix), variable, path), variable, path)


def _content(path: Path, suffix: str) -> Any:
    if suffix in PICKLES:
        from physioprep.readers.pickles import load_pickle

        return load_pickle(path)
    from physioprep.readers.mat_file import load_mat

    return load_mat(path)


class _Members(Mapping[str, Any]):
    """The arrays of a .npz, each read when it is asked for."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self.archive, self.path = archive, path
        self.members = {name.removesuffix(".npy"): name for name in archive.namelist()}

    def __getitem__(self, name: str) -> NDArray[Any]:
        member = self.archive.getinfo(self.members[name])
        stored = self.path.stat().st_size
        limits.check_expansion(self.path, member.file_size, stored, "decompressed")
        with self.archive.open(member) as file:
            _check_array(file, self.path, member.file_size)
        with self.archive.open(member) as file:
            return np.asarray(np.lib.format.read_array(file, allow_pickle=False))

    def __iter__(self) -> Iterator[str]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)

    def shape(self, name: str) -> str:
        """Return the shape that the header of an array states."""
        with self.archive.open(self.members[name]) as file:
            return str(_header(file)[0])


def _check_array(file: BinaryIO | Any, path: Path, n_bytes: int) -> None:
    """Refuse a NumPy array whose header states more than its bytes hold, or items of no bytes."""
    shape, dtype = _header(file)
    if dtype.itemsize == 0 or dtype.hasobject:
        raise UnreadableFileError(path, f"an array of {dtype}, not of numbers")
    stated = math.prod(shape) * dtype.itemsize
    if stated > n_bytes or min(shape, default=0) < 0:
        raise UnreadableFileError(path, f"states {stated} bytes of samples, holds {n_bytes}")
    more = n_bytes - file.tell() - stated
    if more > 0:  # warnings of a reader become notes
        warnings.warn(f"{path.name}: {more} bytes longer than stated, not read", stacklevel=2)


def _header(file: BinaryIO | Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    major, _ = np.lib.format.read_magic(file)
    read = (
        np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read(file)
    return shape, dtype


def _follow(content: Any, variable: str | None, path: Path) -> Any:
    """Return what stands at a path in nested dicts, groups and lists; without one, the only leaf.

    Raises
    ------
    UnreadableFileError
        There is no such variable, or several where none is named.
    """
    node, rest = content, variable
    for _ in range(_DEEPEST):
        names = _names(node)
        if rest is None:
            if len(names) != 1 or isinstance(node, list):
                break
            node = _item(node, names[0])
            continue
        rest = rest.strip("/")
        # "a.b" may be one name; the longest that fits
        fits = [name for name in names if rest == name or rest.startswith((f"{name}.", f"{name}/"))]
        if not fits:
            raise UnreadableFileError(path, f"no variable {variable!r}; {_listed(content)}")
        name = max(fits, key=len)
        node, rest = _item(node, name), rest[len(name) + 1 :]
        if not rest:
            break
    if isinstance(node, Mapping) or _is_structs(node) or rest:
        what = "states no variable" if variable is None else f"{variable!r} is no array"
        raise UnreadableFileError(path, f"{what}; {_listed(content)}")
    return node


def _names(node: Any) -> list[str]:
    if isinstance(node, list):
        return [str(number) for number in range(len(node))]
    return [str(name) for name in node] if isinstance(node, Mapping) else []


def _item(node: Any, name: str) -> Any:
    return node[int(name)] if isinstance(node, list) else node[name]


def _is_structs(node: Any) -> bool:
    return isinstance(node, list) and any(isinstance(item, Mapping) for item in node)


def _listed(content: Any) -> str:
    """Return the variables that a file has, with their shapes."""
    found: list[str] = []
    for said in _leaves(content, "", 0):
        found.append(said)
        if len(found) > _WALKED:
            break
    if not found:
        return "there is none"
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"there are {', '.join(said[:60] for said in found[:_SHOWN])}{more}"


def _leaves(node: Any, prefix: str, depth: int) -> Iterator[str]:
    for name in _names(node)[:_WALKED] if depth < _DEEPEST else ():
        if isinstance(node, _Members):
            yield f"{name} {node.shape(name)}"
            continue
        item = _item(node, name)
        if isinstance(item, Mapping) or _is_structs(item):
            yield from _leaves(item, f"{prefix}{name}.", depth + 1)
        elif isinstance(item, list):
            yield f"{prefix}{name} ({len(item)},)"
        else:
            yield f"{prefix}{name} {tuple(np.shape(item)) if hasattr(item, 'shape') else 'text'}"


def _array(found: Any, variable: str | None, path: Path) -> NDArray[Any]:
    """Return what was found as an array of numbers or text.

    Raises
    ------
    UnreadableFileError
        It is neither.
    """
    import h5py

    named = "its array" if variable is None else f"variable {variable!r}"
    if isinstance(found, h5py.Dataset):
        found = _dataset(found, named, path)
    if isinstance(found, list):
        shapes = sorted({np.shape(item) for item in found})
        if len(shapes) > 1:
            some = ", ".join(map(str, shapes[:3]))
            raise UnreadableFileError(path, f"{named} is a list of different shapes: {some}")
        longest = max((len(item) for item in found if isinstance(item, str | bytes)), default=0)
        stored = path.stat().st_size  # one long text, many times, takes no bytes in a pickle
        limits.check_expansion(path, 4 * longest * len(found), stored, "as an array")
    if isinstance(found, bytes):
        found = found.decode("utf-8", "replace")
    array = np.asarray(found)
    if array.dtype.kind not in "biufUS":
        raise UnreadableFileError(path, f"{named} holds {array.dtype}, neither numbers nor text")
    return array


def _dataset(dataset: Any, named: str, path: Path) -> Any:
    """Return the values of an HDF5 dataset of numbers or text.

    Raises
    ------
    UnreadableFileError
        It holds something else, or states far more than the file holds.
    """
    import h5py

    if dataset.shape is None:
        raise UnreadableFileError(path, f"{named} is empty")
    limits.check_expansion(path, dataset.nbytes, path.stat().st_size, "decompressed")
    if h5py.check_string_dtype(dataset.dtype) is not None:
        values = dataset.asstr(errors="replace")[()]
        return np.asarray(values, str)
    if dataset.dtype == h5py.ref_dtype:
        cause = f"{named} is a cell of MATLAB's: name the file .mat to have it read"
        raise UnreadableFileError(path, cause)
    return dataset[()]
