"""Files of labels beside the recordings of a folder: which there are, and how they are read.

Found by themselves are TUH's (``name.tse``, ``.tse_bi``, ``.lbl``, ``.lbl_bi``, ``.csv_bi``, and
``.csv`` and ``.rec`` that begin as TUH's do), sleep scoring in XML (``name.xml``,
``name-nsrr.xml``, ``name-profusion.xml``) and RemLogic's (``name.txt``, as CAP has it). Other
hypnograms are those that the key ``hypnogram`` says, of ``name.yaml``, or of the
``physioprep.yaml`` beside the recording or nearest above it::

    hypnogram:
      file: "{stem}_1.txt"      # or a list; {stem} is the recording's name without its ending
      epoch_s: 30               # of a stage a line, and of tables without a duration
      stages: {0: W, 5: REM}    # optional; the file's stage: name
"""

from __future__ import annotations

import math
import os
import posixpath
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from physioprep import limits
from physioprep.corpora.hypnograms import (
    Beside,
    Hypnogram,
    hypnogram_of,
    hypnograms_beside,
    sources_of,
)
from physioprep.errors import CorpusError, UnreadableFileError
from physioprep.readers.endings import is_edf, without_ending
from physioprep.readers.hypnogram_text import parse_hypnogram
from physioprep.readers.label_rows import LabelRow, columns_of, joined
from physioprep.readers.regular import opened, read_bytes, read_text
from physioprep.readers.remlogic import is_remlogic, parse_remlogic
from physioprep.readers.sleep_xml import DIALECTS, parse_sleep_xml
from physioprep.readers.table import SHARED
from physioprep.readers.tuh_labels import PARSERS

#: Endings of TUH's label files that nothing else has; a ``.csv`` may be anything.
_TUH: Final = tuple(ending for ending in PARSERS if ending not in (".csv", ".rec"))
_LIKE_TUH: Final = {
    ".csv": re.compile(rb"\s*#\s*version\s*=\s*csv_v\d"),
    ".rec": re.compile(rb"\s*\d{1,3}\s*,\s*\d+(\.\d*)?\s*,\s*\d+(\.\d*)?\s*,\s*[1-6](\.0*)?\s"),
}
_XML: Final = (".xml", "-nsrr.xml", "-profusion.xml")
_REMLOGIC: Final = (".txt", ".TXT")
_HEAD: Final = 4096  # bytes of an XML in which its root stands


def labels_beside(root: Path, recordings: Sequence[str], present: set[str]) -> dict[str, Beside]:
    """Return the files of labels of each recording, and the description of them.

    Parameters
    ----------
    root : Path
        Folder of the corpus.
    recordings : sequence of str
        Relative to it.
    present : set of str
        All files of the corpus.

    Returns
    -------
    dict of str to (tuple of str, tuple of str)
        By recording: files, relative to the folder of the corpus, and flags.

    Raises
    ------
    CorpusError
        A ``physioprep.yaml`` is wrong.
    """
    described: dict[str, Hypnogram | str | None] = {}
    out = {}
    for path in recordings:
        stem = without_ending(path)
        found = tuh_beside(root, path, present)
        scored = [stem + ending for ending in _XML if stem + ending in present]
        found += [name for name in scored if _is_sleep_xml(root / name)]
        texts = [stem + ending for ending in _REMLOGIC if stem + ending in present]
        found += [name for name in texts if name != path and is_remlogic(head_of(root / name))]
        names, flags = hypnograms_beside(root, path, present, described)
        out[path] = (tuple(dict.fromkeys([*found, *names])), tuple(flags))
    return out


def tuh_beside(root: Path, path: str, present: set[str]) -> list[str]:
    """Return the label files of TUH's formats beside a recording.

    Parameters
    ----------
    root : Path
        Folder of the corpus.
    path : str
        The recording, relative to it.
    present : set of str
        All files of the corpus.

    Returns
    -------
    list of str
        Those of the recording's name; a ``.csv`` or ``.rec`` only if it begins as TUH's.

    Examples
    --------
    >>> tuh_beside(Path("raw"), "a/b.edf", {"a/b.edf", "a/b.tse", "a/c.tse"})
    ['a/b.tse']
    """
    stem = without_ending(path)
    beside = [stem + ending for ending in _TUH if stem + ending in present]
    for ending, begin in _LIKE_TUH.items():
        name = stem + ending
        if name in present and name != path and begin.match(head_of(root / name)):
            beside.append(name)
    return beside


def read_tuh_beside(path: Path) -> dict[str, NDArray[Any]]:
    """Return the labels of TUH's formats that lie beside a recording of a TUH corpus.

    Parameters
    ----------
    path : Path
        The recording.

    Returns
    -------
    dict of str to ndarray
        Columns of `physioprep.recording.ANNOTATION_COLUMNS`; their source is the ending of the
        file. Empty without any.

    Raises
    ------
    CorpusError
        A file is damaged.
    """
    beside = [path.with_suffix(ending) for ending in (*_TUH, *_LIKE_TUH)]
    there = [file for file in beside if file.is_file()]
    return joined([read_tuh(each) for each in there if each.suffix in _TUH or _is_like_tuh(each)])


def read_labels(path: Path, files: Sequence[Path]) -> Mapping[str, NDArray[Any]]:
    """Return the labels that stand in the files beside a recording.

    Parameters
    ----------
    path : Path
        The recording.
    files : sequence of Path
        All files of its row in the manifest.

    Returns
    -------
    mapping of str to ndarray
        Columns of `physioprep.recording.ANNOTATION_COLUMNS`; empty where there are none. Their
        source is the ending (``tse_bi``), the dialect (``nsrr-stages``, ``remlogic-events``), or
        ``hypnogram``.

    Raises
    ------
    CorpusError
        A file of labels is damaged.
    """
    tables = []
    yamls = [file for file in files if file.name == SHARED or file.suffix == ".yaml"]
    yamls.sort(key=lambda file: file.name == SHARED)  # the recording's own first
    about = next((found for file in yamls if (found := hypnogram_of(file)) is not None), None)
    named = sources_of(about, without_ending(path.name)) if about is not None else []
    texts = {posixpath.basename(name): source for source, name in named}
    for file in files:
        low = file.name.lower()
        if file == path or file in yamls:
            continue
        if (file.name in texts or low.endswith(".txt")) and is_remlogic(head_of(file)):
            tables += _remlogic(file, path, about)
        elif about is not None and file.name in texts and not low.endswith(".xml"):
            tables.append(columns_of(_scored(file, about), texts[file.name]))
        elif low.endswith(_TUH) or (low.endswith(tuple(_LIKE_TUH)) and _is_like_tuh(file)):
            tables.append(read_tuh(file))
        elif low.endswith(".xml"):
            content = read_bytes(file, limits.MAX_ANNOTATION_BYTES).tobytes()
            for source, rows in _parsed(file, parse_sleep_xml, content).items():
                tables.append(columns_of(_renamed(rows, about), source))
    return joined(tables)


def _scored(file: Path, about: Hypnogram) -> list[LabelRow]:
    """Return the stages of a hypnogram: of a text, or of the annotations of an EDF+ file."""
    if not is_edf(file):
        text = read_text(file, limits.MAX_ANNOTATION_BYTES)
        rows: list[LabelRow] = _parsed(file, parse_hypnogram, text, about.epoch_s, about.stages)
        return rows
    from physioprep.readers import edf

    try:
        table = edf.read(file, verify=False).annotation_columns
    except UnreadableFileError as error:
        raise CorpusError(str(error)) from None
    found = zip(*(table[name].tolist() for name in ("onset", "duration", "text")), strict=True)
    rows = []
    for onset, duration, text in found:
        known = about.epoch_s if math.isnan(duration) and about.epoch_s is not None else duration
        rows.append(LabelRow(onset, known, about.stages.get(text, text), text))
    return rows


def _remlogic(file: Path, path: Path, about: Hypnogram | None) -> list[dict[str, NDArray[Any]]]:
    """Return the tables of a RemLogic text, whose times are those of the recording's clock."""
    from physioprep.readers import read_header

    header = read_header(path)
    content = read_bytes(file, limits.MAX_ANNOTATION_BYTES).tobytes()
    names = about.stages if about is not None else {}
    found = _parsed(file, parse_remlogic, content, header.start_time, header.duration_s, names)
    return [columns_of(rows, source) for source, rows in found.items()]


def _renamed(rows: list[LabelRow], about: Hypnogram | None) -> list[LabelRow]:
    """Give the stages of an XML the names that a description has for their numbers."""
    names = about.stages if about is not None else {}
    return [row._replace(text=names.get(row.code, row.text)) if row.code else row for row in rows]


def read_tuh(file: Path) -> dict[str, NDArray[Any]]:
    """Return the labels of one of TUH's files.

    Parameters
    ----------
    file : Path
        Of one of the endings of `physioprep.readers.tuh_labels.PARSERS`.

    Returns
    -------
    dict of str to ndarray
        Columns of `physioprep.recording.ANNOTATION_COLUMNS`; their source is the ending.

    Raises
    ------
    CorpusError
        It is no such file.
    """
    text = read_text(file, limits.MAX_ANNOTATION_BYTES)
    ending = file.suffix.lower()
    rows: list[LabelRow] = _parsed(file, PARSERS[ending], text)
    return columns_of(rows, ending.removeprefix("."))


def _parsed(file: Path, parse: Any, *content: Any) -> Any:
    try:
        return parse(*content)
    except ValueError as error:
        raise CorpusError(f"{file}: {error}") from None


def head_of(file: Path) -> bytes:
    """Return the first 4096 bytes of a file; none of one that cannot be opened.

    Parameters
    ----------
    file : Path

    Returns
    -------
    bytes
    """
    try:
        with opened(file) as descriptor:
            return os.read(descriptor, _HEAD)
    except (OSError, UnreadableFileError):
        return b""


def _is_like_tuh(file: Path) -> bool:
    begin = _LIKE_TUH.get(file.suffix.lower())
    return begin is not None and begin.match(head_of(file)) is not None


def _is_sleep_xml(file: Path) -> bool:
    """Return whether an XML is scored sleep; others may lie beside recordings."""
    head = head_of(file).replace(b"\0", b"")  # as UTF-16, too
    return any(b"<" + root.encode() in head for root in DIALECTS)
