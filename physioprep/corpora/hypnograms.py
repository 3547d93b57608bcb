"""Descriptions of hypnograms in a folder: which files they are, and how they are written.

They are the key ``hypnogram`` of ``name.yaml``, or of the ``physioprep.yaml`` beside the recording
or nearest above it; see `physioprep.corpora.label_files`.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Final

from physioprep import limits
from physioprep.documents import load_yaml
from physioprep.errors import CorpusError, UnreadableFileError
from physioprep.readers.endings import without_ending
from physioprep.readers.hypnogram_text import has_empty_epochs
from physioprep.readers.parts import stamp
from physioprep.readers.regular import read_text
from physioprep.readers.table import SHARED
from physioprep.recording import NOTE
from physioprep.suggest import did_you_mean

#: Flag of a recording whose labels are lost, as an ingest gives it.
NOT_READ: Final = "not-read:annotations of its corpus"
#: What lies beside a recording: files, relative to the folder of the corpus, and flags.
Beside = tuple[tuple[str, ...], tuple[str, ...]]
_KEYS: Final = ("file", "epoch_s", "stages")
#: Endings of files of labels that are no text of a stage a line.
_NO_TEXT: Final = (".xml", ".edf", ".bdf", ".rec")


@dataclass(frozen=True)
class Hypnogram:
    """Which files of a folder are hypnograms, and how they are written.

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


def hypnograms_beside(
    root: Path, path: str, present: set[str], described: dict[str, Hypnogram | str | None]
) -> tuple[list[str], list[str]]:
    """Return the hypnograms of a recording with their description, and its flags.

    Parameters
    ----------
    root : Path
        Folder of the corpus.
    path : str
        The recording, relative to it.
    present : set of str
        All files of the corpus.
    described : dict of str to (Hypnogram, str or None)
        By description, what it says or why it cannot be read: it grows.

    Returns
    -------
    files : list of str
        Relative to the folder of the corpus.
    flags : list of str
        Where a description is wrong, or names what is not there.

    Raises
    ------
    CorpusError
        A ``physioprep.yaml`` is wrong.
    """
    folder, stem = posixpath.dirname(path), without_ending(path)
    for yaml in descriptions(stem, folder):
        if yaml not in described:
            described[yaml] = _said(root, yaml) if yaml in present else None
        about = described[yaml]
        if about is None:
            continue
        if isinstance(about, str):
            return [], [NOT_READ, f"{NOTE}{about}"]
        names = [name for _, name in sources_of(about, posixpath.basename(stem))]
        inside = [posixpath.normpath(posixpath.join(folder, name)) for name in names]
        beside = [name for name in inside if name in present and name != path]
        own = posixpath.basename(yaml) != SHARED
        said = names if own else about.files
        lost = [name for name, file in zip(said, inside, strict=True) if file not in present]
        flags = [NOT_READ] if own and lost else []  # one for many may be of some alone
        flags += [f"{NOTE}{yaml}: hypnogram: no file {name}" for name in lost]
        flags += [
            f"{NOTE}{pattern}: an empty line is an epoch without a stage"
            for pattern, file in zip(about.files, inside, strict=True)
            if file in beside and _has_empty_epochs(root / file, about)
        ]
        return [*beside, yaml] if beside else [], flags
    return [], []


def _said(root: Path, yaml: str) -> Hypnogram | str | None:
    """Return what a description says, or why it says nothing; one of many may stop the scan."""
    try:
        return hypnogram_of(root / yaml)
    except UnreadableFileError as error:
        return str(error).replace(f"{root}/", "")
    except CorpusError as error:
        return own_fault(error, root, yaml)


def own_fault(error: CorpusError, root: Path, yaml: str) -> str:
    """Return what is wrong with the description of one recording; of many, it is an error.

    Parameters
    ----------
    error : CorpusError
    root : Path
        Folder of the corpus.
    yaml : str
        The description, relative to it.

    Returns
    -------
    str
        With its path relative to the corpus.

    Raises
    ------
    CorpusError
        It is a ``physioprep.yaml``.
    """
    if posixpath.basename(yaml) == SHARED:
        raise error
    return str(error).replace(f"{root}/", "")


def _has_empty_epochs(file: Path, about: Hypnogram) -> bool:
    if about.epoch_s is None or file.name.lower().endswith(_NO_TEXT):
        return False
    try:
        return has_empty_epochs(read_text(file, limits.MAX_ANNOTATION_BYTES))
    except (OSError, UnreadableFileError):
        return False  # who reads it says so


def descriptions(stem: str, folder: str) -> Iterator[str]:
    """Yield the files that may describe the labels of a recording, the nearest first.

    Parameters
    ----------
    stem : str
        The recording without its ending.
    folder : str
        Its folder, relative to the corpus.

    Yields
    ------
    str
    """
    yield f"{stem}.yaml"
    while True:
        yield posixpath.join(folder, SHARED)
        if not folder:
            return
        folder = posixpath.dirname(folder)


def hypnogram_of(file: Path) -> Hypnogram | None:
    """Return what a description says of hypnograms.

    Parameters
    ----------
    file : Path

    Returns
    -------
    Hypnogram or None
        None where it says nothing of them.

    Raises
    ------
    CorpusError
        Its key ``hypnogram`` is wrong.
    UnreadableFileError
        It is no YAML.
    """
    return _hypnogram_said(*stamp(file))


@lru_cache(maxsize=64)  # one is of many recordings
def _hypnogram_said(name: str, modified_ns: int, size: int) -> Hypnogram | None:
    file = Path(name)
    text = read_text(file, limits.MAX_YAML_BYTES)
    said = load_yaml(text, lambda cause: UnreadableFileError(file, cause))
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


def sources_of(about: Hypnogram, stem: str) -> list[tuple[str, str]]:
    """Return source and name of each hypnogram of a recording.

    Parameters
    ----------
    about : Hypnogram
    stem : str
        Name of the recording without its ending.

    Returns
    -------
    list of (str, str)

    Examples
    --------
    >>> sources_of(Hypnogram(("{stem}_1.txt",)), "n")
    [('hypnogram-1', 'n_1.txt')]
    """
    out = []
    for pattern in about.files:
        what = without_ending(posixpath.basename(pattern)).replace("{stem}", "").strip("_-. ")
        out.append((f"hypnogram-{what}" if what else "hypnogram", pattern.replace("{stem}", stem)))
    return out


def _is_length(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and 0 < value <= 86_400
