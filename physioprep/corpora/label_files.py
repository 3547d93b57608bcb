"""Files of labels beside the recordings of a folder: which there are, and how they are read.

Found by themselves are TUH's (``name.tse``, ``.tse_bi``, ``.lbl``, ``.lbl_bi``, ``.csv_bi``) and
sleep scoring in XML (``name.xml``, ``name-nsrr.xml``, ``name-profusion.xml``). Hypnograms in text
are those that the key ``hypnogram`` of the ``physioprep.yaml`` beside the recording says::

    hypnogram:
      file: "{stem}_1.txt"      # or a list; the recording's name without its ending
      epoch_s: 30               # of a stage a line, and of tables without a duration
      stages: {0: W, 5: REM}    # optional; the file's stage: name
"""

from __future__ import annotations

import math
import os
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from numpy.typing import NDArray

from physioprep import limits
from physioprep.documents import load_yaml
from physioprep.errors import CorpusError, UnreadableFileError
from physioprep.readers.endings import without_ending
from physioprep.readers.hypnogram_text import parse_hypnogram
from physioprep.readers.label_rows import LabelRow, columns_of, joined
from physioprep.readers.regular import opened, read_bytes, read_text
from physioprep.readers.sleep_xml import DIALECTS, parse_sleep_xml
from physioprep.readers.table import SHARED
from physioprep.readers.tuh_labels import PARSERS
from physioprep.suggest import did_you_mean

#: Endings of TUH's label files that nothing else has; a ``.csv`` may be anything.
_TUH: Final = tuple(ending for ending in PARSERS if ending != ".csv")
_XML: Final = (".xml", "-nsrr.xml", "-profusion.xml")
_KEYS: Final = ("file", "epoch_s", "stages")
_HEAD: Final = 4096  # bytes of an XML in which its root stands


@dataclass(frozen=True)
class Hypnogram:
    """Which files of a folder are hypnograms in text, and how they are written.

    Parameters
    ----------
    files : tuple of str
        Names with ``{stem}``, relative to the folder.
    epoch_s : float or None
        Length of an epoch.
    stages : mapping of str to str
        The file's stage to a name.

    Examples
    --------
    >>> Hypnogram(("{stem}_1.txt",), 30.0).stages
    {}
    """

    files: tuple[str, ...]
    epoch_s: float | None = None
    stages: Mapping[str, str] = field(default_factory=dict)


def labels_beside(
    root: Path, recordings: Sequence[str], present: set[str]
) -> dict[str, tuple[str, ...]]:
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
    dict of str to tuple of str
        By recording, relative to the folder of the corpus.

    Raises
    ------
    CorpusError
        A description of hypnograms is wrong.
    """
    described: dict[str, Hypnogram | None] = {}
    out = {}
    for path in recordings:
        folder = path.rpartition("/")[0]
        shared = posixpath.join(folder, SHARED)
        if shared not in described:
            described[shared] = hypnogram_of(root / shared) if shared in present else None
        stem = without_ending(path)
        found = [stem + ending for ending in _TUH if stem + ending in present]
        scored = [stem + ending for ending in _XML if stem + ending in present]
        found += [name for name in scored if _is_sleep_xml(root / name)]
        about = described[shared]
        if about is not None:
            names = [name for _, name in _named(about, posixpath.basename(stem))]
            inside = [posixpath.normpath(posixpath.join(folder, name)) for name in names]
            texts = [name for name in inside if name in present and name != path]
            found += [*texts, shared] if texts else []
        out[path] = tuple(dict.fromkeys(found))
    return out


def hypnogram_of(file: Path) -> Hypnogram | None:
    """Return what a ``physioprep.yaml`` says of hypnograms in text.

    Parameters
    ----------
    file : Path

    Returns
    -------
    Hypnogram or None
        None where it says nothing of them, or cannot be read: who reads the tables says so.

    Raises
    ------
    CorpusError
        Its key ``hypnogram`` is wrong.
    """
    try:
        text = read_text(file, limits.MAX_YAML_BYTES)
        said = load_yaml(text, lambda cause: UnreadableFileError(file, cause))
    except UnreadableFileError:
        return None
    if not isinstance(said, dict) or "hypnogram" not in said:
        return None
    about = said["hypnogram"]
    if not isinstance(about, dict) or "file" not in about:
        raise CorpusError(f"{file}: hypnogram: state its file ('{{stem}}_1.txt') and epoch_s")
    for key in about:
        if key not in _KEYS:
            near = did_you_mean(str(key), _KEYS)
            raise CorpusError(f"{file}: hypnogram: unknown key {key!r}{near}")
    files = about["file"] if isinstance(about["file"], list) else [about["file"]]
    if not files or not all(isinstance(name, str) and "{stem}" in name for name in files):
        raise CorpusError(f"{file}: hypnogram: file must hold {{stem}}, the recording's name")
    epoch_s, stages = about.get("epoch_s"), about.get("stages", {})
    if epoch_s is not None and not _is_length(epoch_s):
        raise CorpusError(f"{file}: hypnogram: epoch_s is {str(epoch_s)[:40]!r}, not seconds")
    if not isinstance(stages, dict):
        raise CorpusError(f"{file}: hypnogram: stages is not a mapping of stage to name")
    names = {str(stage): str(name) for stage, name in stages.items()}
    return Hypnogram(tuple(files), None if epoch_s is None else float(epoch_s), names)


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
        source is the ending (``tse_bi``), the dialect (``nsrr-stages``), or ``hypnogram``.

    Raises
    ------
    CorpusError
        A file of labels is damaged.
    """
    tables = []
    about = next((hypnogram_of(file) for file in files if file.name == SHARED), None)
    named = _named(about, without_ending(path.name)) if about is not None else []
    texts = {posixpath.basename(name): source for source, name in named}
    for file in files:
        if file == path:
            continue
        low = file.name.lower()
        if low.endswith(_TUH):
            tables.append(read_tuh(file))
        elif low.endswith(".xml"):
            content = read_bytes(file, limits.MAX_ANNOTATION_BYTES).tobytes()
            for source, rows in _parsed(file, parse_sleep_xml, content).items():
                tables.append(columns_of(rows, source))
        elif about is not None and file.name in texts:
            text = read_text(file, limits.MAX_ANNOTATION_BYTES)
            rows = _parsed(file, parse_hypnogram, text, about.epoch_s, about.stages)
            tables.append(columns_of(rows, texts[file.name]))
    return joined(tables)


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


def _named(about: Hypnogram, stem: str) -> list[tuple[str, str]]:
    """Return source and name of each hypnogram of a recording."""
    out = []
    for pattern in about.files:
        what = without_ending(posixpath.basename(pattern)).replace("{stem}", "").strip("_-. ")
        out.append((f"hypnogram-{what}" if what else "hypnogram", pattern.replace("{stem}", stem)))
    return out


def _is_length(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and 0 < value <= 86_400


def _is_sleep_xml(file: Path) -> bool:
    """Return whether an XML is scored sleep; others may lie beside recordings."""
    try:
        with opened(file) as descriptor:
            head = os.read(descriptor, _HEAD).replace(b"\0", b"")  # as UTF-16, too
    except (OSError, UnreadableFileError):
        return False
    return any(b"<" + root.encode() in head for root in DIALECTS)
