"""Decode WFDB annotation files (MIT format), and find those of a record.

Format as in annot(5) of the WFDB Applications Guide
(https://physionet.org/physiotools/wag/annot-5.htm).
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.confinement import check_confined
from physioprep.readers.regular import opened, read_bytes
from physioprep.recording import ANNOTATION_COLUMNS

_SYMBOLS = dict(enumerate(' NLRaVFJASEj/Q~?|?sT*D"=pB^t+u?![]en@xf()r'))
for _unused in (15, 17):
    del _SYMBOLS[_unused]
_NOTE, _SKIP, _NUM, _SUB, _CHAN, _AUX = 22, 59, 60, 61, 62, 63

#: Extensions that PhysioNet uses for annotations: a file of one that does not parse is missed.
KNOWN_EXTENSIONS = frozenset(
    {
        "al", "alh", "alm", "ann", "ao", "apn", "ari", "atr", "aw", "blh", "blm", "bph",
        "bpm", "dstu", "ecg", "gqrs", "gqrsh", "gqrsl", "man", "marker", "oart", "pu",
        "pu0", "pu1", "q1c", "q1t", "q2c", "q2t", "qrs", "qrsc", "qt1", "qt2", "resp",
        "seizures", "sqrs", "st", "stf", "trigger", "trg", "win", "wqrs", "wrm", "i", "ii",
        "iii", "avr", "avl", "avf", "v1", "v2", "v3", "v4", "v5", "v6",
    }
)  # fmt: skip
_OTHER_EXTENSIONS = frozenset(
    {
        "hea", "dat", "mat", "edf", "bdf", "rec", "txt", "csv", "tsv", "json", "xml",
        "yaml", "zip", "gz", "bz2", "png", "jpg", "jpeg", "svg", "pdf", "ps", "html", "md",
        "py", "m", "bak", "xws", "npy", "npz", "parquet", "rr", "hr", "tmp", "part",
        "crdownload",
    }
)  # fmt: skip
_NO_END = "does not end with the end mark of annotation files"
_NONE: dict[str, NDArray[Any]] = {
    name: np.empty(0, dtype) for name, dtype in ANNOTATION_COLUMNS.items()
}
_RESOLUTION = re.compile(r"## time resolution: (\d{1,9}\.?\d{0,9})", re.ASCII)
_DEFINITION = re.compile(r"(\d{1,9}) (\S+)(?: (.*))?", re.ASCII)


class Beside(NamedTuple):
    """The annotation files beside a record.

    Attributes
    ----------
    files : list of Path
        Those that are annotations by their content, or by one of `KNOWN_EXTENSIONS`.
    tables : list of dict
        Their columns; empty where only the files were asked for.
    notes : list of str
        What was not taken, and why.
    not_read : list of str
        Names of files among them that their extension calls annotations.
    """

    files: list[Path]
    tables: list[dict[str, NDArray[Any]]]
    notes: list[str]
    not_read: list[str]

    def in_metadata(self, metadata: dict[str, Any]) -> None:
        """Add the notes to the metadata of a recording.

        Parameters
        ----------
        metadata : dict
            Its ``"notes"`` grow, and ``"not_read"`` lists the annotation files that are lost.
        """
        if self.notes or "notes" not in metadata:
            metadata["notes"] = [*metadata.get("notes", ()), *self.notes]
        if self.not_read:
            metadata["not_read"] = [*metadata.get("not_read", ()), *self.not_read]


def look_beside(
    folder: Path,
    record: str,
    exclude: Collection[str],
    *,
    rate_hz: float | None = None,
    endings: tuple[str, ...] = ("",),
) -> Beside:
    """Find the annotation files of a record by their content, sorted by name, and read them.

    Parameters
    ----------
    folder : Path
        Folder of the record.
    record : str
        Record name; annotation files are called ``record.extension``.
    exclude : collection of str
        Names of files that are not annotations (signal files).
    rate_hz : float, optional
        Frame rate of the record, Hz. Without it no annotations are read, and no file with one of
        `KNOWN_EXTENSIONS` is opened: a scan reads many headers.
    endings : tuple of str
        Of the names to look at.

    Returns
    -------
    Beside
    """
    listing = _extensions(str(folder), os.stat(folder).st_mtime_ns)  # noqa: PTH116 (hot path)
    found = Beside([], [], [], [])
    for extension, is_regular in listing.get(record, ()):
        name = f"{record}.{extension}"
        if name in exclude or not name.endswith(endings):
            continue
        path, known = folder / name, extension in KNOWN_EXTENSIONS
        is_file = is_regular or os.path.isfile(path)  # noqa: PTH113 (hot path)
        if not is_file and not known and path.is_dir():
            continue  # a folder whose name begins as the record's
        try:
            if known and is_file:  # whatever it holds, but not what a link elsewhere leads to
                check_confined(path)
                found.files.append(path)
            if rate_hz is not None or not is_file:
                _check_end(path)
            if rate_hz is not None:
                found.tables.append(read_annotations(path, rate_hz, extension))
            elif not known:
                _check_end(path)
                _decode(read_bytes(path, limits.MAX_ANNOTATION_BYTES), path)
            if not known:
                found.files.append(path)
        except UnreadableFileError as error:
            found.notes.append(f"{name}: not read as annotations ({error.cause})")
            if known:
                found.not_read.append(name)
    return found


@lru_cache(maxsize=4)
def _extensions(folder: str, modified_ns: int) -> dict[str, tuple[tuple[str, bool], ...]]:
    """Map record to extensions that may be annotations, and whether each is a plain file.

    One listing serves a folder's records; it tells files from links without a look at each.
    """
    found: dict[str, list[tuple[str, bool]]] = {}
    with os.scandir(folder) as listing:  # pathlib takes several times as long
        known = {item.name: item.is_file(follow_symlinks=False) for item in listing}
    for name, is_regular in sorted(known.items()):
        if name.rpartition(".")[2].lower() in _OTHER_EXTENSIONS:
            continue
        stem, dot, extension = name.rpartition(".")
        while stem and dot:
            found.setdefault(stem, []).append((extension, is_regular))
            if stem in known or f"{stem}.hea" in known:
                break  # the file belongs to this one, not to a record of a shorter name
            stem, dot, more = stem.rpartition(".")
            extension = f"{more}.{extension}"
    return {stem: tuple(extensions) for stem, extensions in found.items()}


def _check_end(path: Path) -> None:
    """Refuse what cannot be annotations by its last two bytes."""
    with opened(path) as file:
        size = os.fstat(file).st_size
        if size < 2:
            raise UnreadableFileError(path, "too short for an annotation file")
        if os.pread(file, 2, size - 2) != bytes(2):
            raise UnreadableFileError(path, _NO_END)


def read_annotations(
    path: Path, rate_hz: float, source: str | None = None
) -> dict[str, NDArray[Any]]:
    """Read one annotation file.

    Parameters
    ----------
    path : Path
    rate_hz : float
        The record's frame rate, Hz. A time resolution stated in the file takes precedence.
    source : str, optional
        What the annotations are said to come from; by default the extension.

    Returns
    -------
    dict of str to ndarray
        The columns of `physioprep.recording.ANNOTATION_COLUMNS`.

    Raises
    ------
    UnreadableFileError
        The file is missing or damaged.
    """
    data = read_bytes(path, limits.MAX_ANNOTATION_BYTES, "bytes of annotations")
    samples, codes, subtypes, channels, numbers, notes = _decode(data, path)
    symbols, resolution, keep = _definitions(samples, codes, notes)
    code = np.array([symbols.get(value, f"[{value}]") for value in range(50)], object)[codes]
    onset = samples / (resolution or rate_hz)
    columns: dict[str, NDArray[Any]] = {
        "onset": onset,
        "duration": np.full(len(onset), np.nan),
        "text": notes,
        "source": np.full(len(onset), source or path.name.rpartition(".")[2], object),
        "code": code,
        "sample": samples,
        "channel": channels,
        "subtype": subtypes,
        "num": numbers,
    }
    return {name: column[keep] for name, column in columns.items()}


def merge(tables: list[dict[str, NDArray[Any]]]) -> Mapping[str, NDArray[Any]]:
    """Join annotation tables.

    Parameters
    ----------
    tables : list of dict of str to ndarray
        Each with the columns of `physioprep.recording.ANNOTATION_COLUMNS`.

    Returns
    -------
    mapping of str to ndarray
        The same columns, in order of onset.
    """
    if not tables:
        return _NONE.copy()
    if len(tables) == 1 and np.all(np.diff(tables[0]["onset"]) >= 0):
        return tables[0]
    order = np.argsort(np.concatenate([table["onset"] for table in tables]), kind="stable")
    return {
        name: np.concatenate([table[name] for table in tables])[order]
        for name in ANNOTATION_COLUMNS
    }


def _decode(data: NDArray[np.uint8], path: Path) -> tuple[NDArray[Any], ...]:
    """Decode the bytes into samples, codes, subtypes, channels, numbers and notes."""
    if data.size < 2:
        raise UnreadableFileError(path, "too short for an annotation file")
    words = data[: data.size // 2 * 2].view("<u2")
    kinds, values = words >> 10, words & np.uint16(0x3FF)
    stops = np.flatnonzero((kinds == _SKIP) | (kinds == _AUX) | (words == 0))
    limits.check(path, len(stops), 2 * limits.MAX_ANNOTATIONS, "notes and skips")
    payload, raw, word_at = bytearray(len(words)), data.tobytes(), memoryview(words.data)
    skips: dict[int, int] = {}
    aux: dict[int, str] = {}
    end, after = len(words), 0
    for at in stops.tolist():
        if at < after:
            continue  # payload of an earlier word
        word = word_at[at]
        if word == 0:
            end = at
            break
        length = word & 0x3FF
        after = at + (3 if word >> 10 == _SKIP else 1 + (length + 1) // 2)
        if after > len(words):
            raise UnreadableFileError(path, "truncated within an annotation")
        payload[at:after] = bytes([1]) * (after - at)
        if word >> 10 == _SKIP:
            skips[at] = _signed32(word_at[at + 1] << 16 | word_at[at + 2])
        else:
            aux[at] = _text(raw[2 * at + 2 : 2 * at + 2 + length])
    if end == len(words) or (data.size % 2 and data[-1]) or words[end:].any():
        raise UnreadableFileError(path, _NO_END)
    plain = np.frombuffer(payload, np.bool_)[:end] ^ True
    return _collect(kinds[:end], values[:end], plain, skips, aux, path)


def _signed32(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value


def _text(raw: bytes) -> str:
    """Decode a note; some writers end it with NUL."""
    raw = raw.rstrip(b"\0")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _collect(
    kinds: NDArray[Any],
    values: NDArray[np.uint16],
    plain: NDArray[np.bool_],
    skips: dict[int, int],
    aux: dict[int, str],
    path: Path,
) -> tuple[NDArray[Any], ...]:
    """Attach modifiers to the annotations before them."""
    is_first = (kinds < _SKIP) & plain  # not the payload of a skip or a note
    first = np.flatnonzero(is_first)
    limits.check(path, len(first), limits.MAX_ANNOTATIONS, "annotations")
    if np.any(kinds[first] > 49):
        raise UnreadableFileError(path, f"unknown annotation code {int(kinds[first].max())}")
    steps = np.where(is_first, values, 0).astype(np.int64)
    steps[list(skips)] = list(skips.values())
    samples = np.cumsum(steps)[first]
    owner = np.cumsum(is_first) - 1
    columns = []
    for kind, signed, carried in (
        (_SUB, True, False),
        (_CHAN, False, True),
        (_NUM, True, True),
    ):
        at = np.flatnonzero((kinds == kind) & plain)
        if at.size and owner[at[0]] < 0:
            raise UnreadableFileError(path, "begins with a modifier without annotation")
        column = np.zeros(len(first), np.int64)
        given = (values[at] & 0xFF).astype(np.uint8)
        given = given.view(np.int8) if signed else given
        column[owner[at]] = given
        if carried and at.size:
            known = np.zeros(len(first), np.int64)
            known[owner[at]] = owner[at]
            column = column[np.maximum.accumulate(known)]
        columns.append(column)
    notes = np.full(len(first), "", object)
    noted = owner[list(aux)]
    if np.any(noted < 0):
        raise UnreadableFileError(path, "begins with a note without annotation")
    for row, text in zip(noted.tolist(), aux.values(), strict=True):  # the last of a row stays
        notes[row] = text
    return samples, kinds[first].astype(np.int64), *columns, notes


def _definitions(
    samples: NDArray[np.int64], codes: NDArray[np.int64], notes: NDArray[Any]
) -> tuple[dict[int, str], float | None, NDArray[np.bool_]]:
    """Return symbols and time resolution, defined by notes at sample 0, and the other rows."""
    keep = codes != 0  # code 0 is "not an annotation"
    symbols, resolution, defining = _SYMBOLS, None, False
    for row in np.flatnonzero((samples == 0) & (codes == _NOTE)).tolist():
        text = notes[row]
        if match := _RESOLUTION.match(text):
            resolution = float(match[1]) or None
        elif text == "## annotation type definitions":
            defining, symbols = True, dict(symbols)
        elif text == "## end of definitions":
            defining = False
        elif defining and (match := _DEFINITION.match(text)):
            symbols[int(match[1])] = match[2]
        else:
            continue
        keep[row] = False
    return symbols, resolution, keep
