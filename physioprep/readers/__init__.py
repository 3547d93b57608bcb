"""Readers: one module per file format, from a path to a `Recording` with native samples.

A reader rescales, renames and resamples nothing; it either returns exactly what the file
holds or raises one `UnreadableFileError` that names the file and the cause. It opens no file
outside the folder of the corpus. Formats that libraries parse are read in a process of their own.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physioprep.errors import UnreadableFileError
from physioprep.limits import check_rate, one_error
from physioprep.readers import recognise
from physioprep.readers.confinement import check_confined, confined_to, own_folder
from physioprep.readers.regular import check_not_empty

if TYPE_CHECKING:
    from physioprep.recording import Header, Recording

__all__ = ["FORMATS", "detect_format", "list_parts", "read_header", "read_recording"]

#: The module that reads each format; modules are imported on first use.
FORMATS: dict[str, str] = {
    "wfdb": "physioprep.readers.wfdb",
    "edf": "physioprep.readers.edf",
    "mat": "physioprep.readers.mat",
    "hdf5": "physioprep.readers.hdf5",
    "pickles": "physioprep.readers.pickles",
    "mne": "physioprep.readers.mne",
    "table": "physioprep.readers.table",
    **recognise.BY_CONTENT,
}

#: First bytes of a file, and the format that they identify.
_MAGIC = (
    (b"0       ", "edf"),
    (b"\xffBIOSEMI", "edf"),
    (b"\x89HDF\r\n\x1a\n", "hdf5"),
    (b"MATLAB 5", "mat"),
    (b"MATLAB 7", "mat"),
)


#: Endings of recordings that are not part of a WFDB record, also beside a header of their stem.
#: A file of these is in a folder that Zarr wrote.
_OF_ZARR: Final = (".zgroup", ".zattrs", ".zmetadata", "zarr.json")
_NOT_WFDB: Final = frozenset(
    {".edf", ".bdf", ".rec", ".edf+", ".bdf+", ".vhdr", ".ahdr", ".set", ".gdf", ".fif", ".cnt"}
    | {".csv", ".tsv", ".parquet", ".npy", ".npz", ".h5", ".hdf5"}
)


def detect_format(path: str | Path) -> str:
    """Return the format of a file, found from the files beside it and its first bytes.

    Parameters
    ----------
    path : path-like
        A file, or a WFDB record without its extension.

    Returns
    -------
    str
        A key of `FORMATS`.

    Raises
    ------
    UnreadableFileError
        The file is missing, or no reader knows its format.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "100.hea").write_text("100 0 360 0")
    >>> detect_format(folder / "100")
    'wfdb'
    """
    name = os.fspath(path)
    if name.endswith(".hea") or os.path.isfile(name + ".hea"):  # noqa: PTH113 (hot path)
        return "wfdb"
    if "#" in name:
        from physioprep.readers.parts import split_part

        name = str(split_part(name)[0])
    head = recognise.read_head(name)  # some formats are folders
    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    if suffix.lower() in recognise.ENDINGS:
        said = recognise.recognise(name, head)
        if said is not None:
            return said
    if suffix.lower() not in _NOT_WFDB and os.path.isfile(stem + ".hea"):  # noqa: PTH113
        return "wfdb"
    return _by_content(Path(name), suffix.lower(), head)


def _by_content(path: Path, suffix: str, head: bytes) -> str:
    """Return the format of a file that is no WFDB record."""
    from physioprep.readers import mne, table

    if table.description_of(path):
        return "table"
    if path.name.lower().endswith(mne.SUFFIXES):
        return "mne"
    if suffix == ".mat":
        return "mat"
    for first, format in _MAGIC:
        if head.startswith(first):
            return format
    if suffix in (".pkl", ".pickle") or (head[:1] == b"\x80" and head[1:2] <= b"\x05"):
        return "pickles"
    said = recognise.recognise(path, head)
    if said is not None:
        return said
    check_not_empty(path)
    if suffix in table.SUFFIXES:
        return "table"  # its reader raises that the description is missing
    if path.is_dir() and any((path / name).is_file() for name in _OF_ZARR):
        cause = (
            "a Zarr folder is no recording; NWB in Zarr: export it to HDF5 (.nwb) with hdmf-zarr"
        )
        raise UnreadableFileError(path, cause)
    if recognise.declares_type(head):
        cause = "an XML of no known format that declares a document type, which may hold entities"
        raise UnreadableFileError(path, f"{cause}: not read")
    raise UnreadableFileError(path, "no reader knows this format")


def read_recording(
    path: str | Path,
    *,
    format: str | None = None,
    verify: bool = True,
    root: str | Path | None = None,
) -> Recording:
    r"""Read a recording as it is: native samples, native units, source names.

    Parameters
    ----------
    path : path-like
        A file, or a WFDB record without its extension.
    format : str, optional
        A key of `FORMATS`; found by `detect_format` if not given.
    verify : bool
        Check what the format allows to check: WFDB checksums; the size of an EDF file against
        the number of data records it states. If False, a truncated EDF file is read up to its
        last whole data record.
    root : path-like, optional
        Folder of the corpus: no file outside it is read, whatever link, header or path names it.
        By default the folder of the file, and the file itself may be a link.

    Returns
    -------
    Recording
        Signal groups (one per sampling rate), annotations, metadata.

    Raises
    ------
    UnreadableFileError
        The file is missing, damaged, of an unknown format, or refers to a file outside the folder.
    ChecksumError
        The samples do not have the checksum that the header states.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.hea").write_text("a 1 250 3\na.dat 16 200/mV 16 0 1 6 0 I\n")
    >>> _ = (folder / "a.dat").write_bytes(bytes([1, 0, 2, 0, 3, 0]))
    >>> read_recording(folder / "a").groups[0].digital
    array([[1, 2, 3]], dtype=int16)
    """
    with one_error(path):
        recording: Recording = _read(path, format, root, header=False, verify=verify)
    return recording


def read_header(
    path: str | Path, *, format: str | None = None, root: str | Path | None = None
) -> Header:
    r"""Read what a recording's header says, without its samples.

    Parameters
    ----------
    path : path-like
        A file, or a WFDB record without its extension.
    format : str, optional
        A key of `FORMATS`; found by `detect_format` if not given.
    root : path-like, optional
        Folder of the corpus: no file outside it is read, whatever link, header or path names it.
        By default the folder of the file, and the file itself may be a link.

    Returns
    -------
    Header
        Signal groups without samples, the files of the recording, metadata.

    Raises
    ------
    UnreadableFileError
        The file is missing, its header damaged, its format unknown, or it refers to a file outside
        the folder.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.hea").write_text("a 1 250 3\na.dat 16 200/mV 16 0 1 6 0 I\n")
    >>> read_header(folder / "a").groups[0].channels
    ('I',)
    """
    with one_error(path):
        header: Header = _read(path, format, root, header=True, verify=True)
    return header


def list_parts(path: str | Path, *, root: str | Path | None = None) -> list[str]:
    """List the recordings of an HDF5 file that only the file itself knows (CODE-15%).

    Parameters
    ----------
    path : path-like
    root : path-like, optional
        As for `read_header`.

    Returns
    -------
    list of str
        What follows ``#`` in the path of each, in the order of the file.

    Raises
    ------
    UnreadableFileError
        The file is missing, damaged, or of no known structure.
    """
    from physioprep.readers.guard import read_guarded

    folder = own_folder(path) if root is None else os.fspath(root)
    with one_error(path), confined_to(folder, os.fspath(path) if root is None else None):
        check_confined(path)
        parts: list[str] = read_guarded(FORMATS["hdf5"], str(path), root=folder, act="list_parts")
        return parts


def _read(
    path: str | Path, format: str | None, root: str | Path | None, *, header: bool, verify: bool
) -> Any:
    """Read a recording or its header in this process or another, and see that it is confined."""
    name = os.fspath(path)
    if "#" in name:
        from physioprep.readers.parts import split_part

        file = os.fspath(split_part(name)[0])
    else:
        file = name
    folder, but = (own_folder(file), file) if root is None else (os.fspath(root), None)
    with confined_to(folder, but):
        check_confined(file)
        found = _read_confined(path, name, format, folder, header=header, verify=verify)
        for each in found.files:  # those that libraries opened
            check_confined(each)
    for group in found.groups:
        check_rate(path, group.sampling_rate)
    return found


def _read_confined(
    path: str | Path, name: str, format: str | None, folder: str, *, header: bool, verify: bool
) -> Any:
    from physioprep.readers.guard import is_guarded, read_guarded

    format = format or detect_format(path)
    if format not in FORMATS:
        known = ", ".join(sorted(FORMATS))
        raise UnreadableFileError(path, f"unknown format {format!r}; known are {known}")
    if format in recognise.BY_CONTENT:
        check_not_empty(name)
    if is_guarded(format):
        act = "read_header" if header else "read"
        return read_guarded(FORMATS[format], name, root=folder, act=act, verify=verify)
    from physioprep.readers.parts import header_by

    reader, where = _module(format), Path(path)
    return header_by(reader, where) if header else reader.read(where, verify=verify)


@cache
def _module(name: str) -> Any:
    return import_module(FORMATS[name])
