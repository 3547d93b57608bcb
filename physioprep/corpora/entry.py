"""What a corpus module knows of one recording before its file is opened."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from physioprep.corpora.not_taken import current_walk
from physioprep.corpora.only import is_flat
from physioprep.hashes import kind_of
from physioprep.limits import MAX_FOLDER_DEPTH

log = logging.getLogger(__name__)

#: Endings of folders that are one recording: EGI, CTF, MEF.
FOLDER_ENDINGS: Final = (".mff", ".ds", ".mefd")
#: A label of a recording: a text, a number, several statements, or not stated.
LabelValue = str | float | list[str] | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One recording as a corpus lists it.

    Parameters
    ----------
    record_id : str
        Unique within the corpus.
    path : str
        Relative to the corpus root, with ``/``; ``file#part`` inside a container file.
    subject_id, session : str or None
        The person, and which visit or run of theirs.
    age : float or None
        Years at recording.
    sex : {'F', 'M'} or None
    split : str or None
        Official split or fold.
    labels : mapping of str to (str, float, list of str or None)
        Manifest columns without their ``label_``; a list holds several statements, [] says none.
    sidecars : tuple of str
        Files beyond those of the recording that belong to it (annotations), relative.
    faults : tuple of str
        Ids of known faults seen in this recording, beside those that the facts list by
        record id.
    flags : tuple of str
        Anything else worth knowing.
    error : str or None
        Why the recording cannot be scanned, where the listing already shows it.

    Examples
    --------
    >>> Entry("208", "208.hea", subject_id="208").path
    '208.hea'
    """

    record_id: str
    path: str
    subject_id: str | None = None
    session: str | None = None
    age: float | None = None
    sex: str | None = None
    split: str | None = None
    labels: Mapping[str, LabelValue] = field(default_factory=dict)
    sidecars: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    error: str | None = None

    def to_json(self) -> list[Any]:
        """Return the fields as plain values, in order, as they travel to a worker.

        Returns
        -------
        list
            Texts, numbers, None, lists of texts, and a mapping.

        Examples
        --------
        >>> Entry.from_json(Entry("208", "208.hea").to_json()).path
        '208.hea'
        """
        return list(_fields_of(self))

    @classmethod
    def from_json(cls, values: Sequence[Any]) -> Entry:
        """Make an entry of what `to_json` returned.

        Parameters
        ----------
        values : sequence
            Fields in order; lists may be tuples.

        Returns
        -------
        Entry
        """
        fixed: Any = (*values[:8], *map(tuple, values[8:11]), values[11])
        return cls(*fixed)


_fields_of: Final = attrgetter(*(item.name for item in fields(Entry)))


def is_utf8(name: str) -> bool:
    """Return whether the name of a file can be written down: manifests and stores hold UTF-8.

    Parameters
    ----------
    name : str
        As Python gives it; bytes that are not UTF-8 are lone surrogates in it.

    Returns
    -------
    bool
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def named_in_utf8(entry: Entry) -> Entry:
    r"""Return an entry that can be written down: one of other names has an error, and escapes.

    Parameters
    ----------
    entry : Entry
        As its corpus lists it.

    Returns
    -------
    Entry

    Examples
    --------
    >>> odd = named_in_utf8(Entry("p\udce9re", "p\udce9re.edf"))
    >>> odd.path, odd.error
    ('p\\udce9re.edf', 'p\\udce9re.edf: the name is not UTF-8: rename the file or its folder')
    """
    said = (value if isinstance(value, list) else [str(value)] for value in entry.labels.values())
    fields_of = [entry.record_id, entry.path, *entry.sidecars, *chain.from_iterable(said)]
    if all(map(is_utf8, [*fields_of, entry.subject_id or "", entry.session or ""])):
        return entry

    def escaped(name: Any) -> Any:
        if isinstance(name, list):
            return [escaped(each) for each in name]
        return name.encode(errors="backslashreplace").decode() if isinstance(name, str) else name

    path = escaped(entry.path)
    return replace(
        entry,
        record_id=escaped(entry.record_id),
        path=path,
        subject_id=escaped(entry.subject_id),
        session=escaped(entry.session),
        labels={name: escaped(value) for name, value in entry.labels.items()},
        sidecars=(),
        error=f"{path}: the name is not UTF-8: rename the file or its folder",
    )


def walk(root: Path) -> Iterator[str]:
    """Yield every file under `root` but hidden ones, sorted by name.

    What cannot be a recording is left out with an error in the log, and the scan continues: pipes,
    sockets, devices, folders that may not be read or are nested deeper than
    `physioprep.limits.MAX_FOLDER_DEPTH`, links to folders that are walked anyway. A link that
    leads nowhere is yielded, since the file that it names may not be downloaded yet. A folder that
    is one recording (`FOLDER_ENDINGS`) is yielded like a file. `physioprep.corpora.not_taken` is
    told of all.

    Parameters
    ----------
    root : Path
        A folder.

    Yields
    ------
    str
        Relative to `root`, with ``/``.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     (Path(folder) / "a").mkdir()
    ...     _ = (Path(folder) / "a" / "1.hea").write_text("")
    ...     list(walk(Path(folder)))
    ['a/1.hea']
    """
    seen = current_walk()
    top = os.path.realpath(root)
    linked: set[str] = set()  # folders outside that links have led to
    ahead = [_listing(os.fspath(root), "")]  # of the open folders, the rest of each
    while ahead:
        item = next(ahead[-1], None)
        if item is None:
            ahead.pop()
            continue
        name, path, kind = item
        if kind == "link":
            target = os.path.realpath(path)
            if _is_walked(target, top) or any(_is_walked(target, seen) for seen in linked):
                _skip(name, "a link to a folder that is scanned anyway")
                continue
            if os.path.commonpath([target, top]) == target:
                _skip(name, "a link to a folder that holds this one")
                continue
            linked.add(target)
        if kind in ("folder", "link") and not name.lower().endswith(FOLDER_ENDINGS):
            if len(ahead) > MAX_FOLDER_DEPTH:
                _skip(name, f"over {MAX_FOLDER_DEPTH} folders deep")
                continue
            if is_flat():
                continue
            ahead.append(_listing(path, f"{name}/"))
        else:
            if seen is not None:
                seen.names.append(name)
            yield name


def _listing(folder: str, prefix: str) -> Iterator[tuple[str, str, str]]:
    """Yield name from the root, path and kind of what is in a folder, sorted by name."""
    # os.scandir: a corpus of 800,000 records is millions of files, and pathlib's own walk
    # costs several times as much.
    try:
        with os.scandir(folder) as listing:
            found = sorted(listing, key=lambda item: item.name)
    except OSError as error:
        if not prefix:
            raise
        _skip(prefix, error.strerror or str(error))
        return
    for item in found:
        if not item.name.startswith("."):
            name, (kind, cause) = prefix + item.name, _kind(item)
            if cause:
                _skip(name, cause)
            else:
                yield name, item.path, kind
        elif (seen := current_walk()) is not None:
            seen.skipped[prefix + item.name] = "hidden"


def _skip(name: str, cause: str) -> None:
    log.error("skipped %s: %s", name, cause)
    if (seen := current_walk()) is not None:
        seen.skipped[name] = cause


def _kind(item: os.DirEntry[str]) -> tuple[str, str]:
    """Return "file", "folder" or "link" (to a folder), and why it is none of them."""
    try:
        if item.is_dir():
            return "link" if item.is_symlink() else "folder", ""
        if item.is_file():
            return "file", ""
        mode = item.stat().st_mode
    except FileNotFoundError:
        return "file", ""
    except OSError as error:
        return "", error.strerror or str(error)
    return "", f"{kind_of(mode)}, not a file"


def _is_walked(target: str, top: str) -> bool:
    """Return whether the walk of `top` comes to the folder `target` without a link."""
    inside = os.path.relpath(target, top)
    return inside == "." or (not inside.startswith(".") and "/." not in inside)


def wfdb_paths(root: Path, signal_suffixes: tuple[str, ...] = (".dat", ".mat")) -> list[Entry]:
    """List the WFDB records under `root`, one bare entry each.

    A signal file without a header is an entry with an error rather than an omission.

    Parameters
    ----------
    root : Path
    signal_suffixes : tuple of str
        Endings of signal files that should have a header of the same name.

    Returns
    -------
    list of Entry
        `record_id` is the file name without its ending, `path` that of the ``.hea``.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "1.hea").write_text("")
    ...     _ = (Path(folder) / "2.dat").write_text("")
    ...     [(entry.record_id, entry.error) for entry in wfdb_paths(Path(folder))]
    [('1', None), ('2', '2.dat: no header 2.hea beside it')]
    """
    headers: dict[str, str] = {}
    signals: dict[str, str] = {}
    for path in walk(root):
        stem, dot, suffix = path.rpartition(".")
        if dot + suffix == ".hea":
            headers[stem] = path
        elif dot + suffix in signal_suffixes:
            signals[stem] = path
    entries = [Entry(_name(stem), path) for stem, path in headers.items()]
    for stem, path in signals.items():
        if stem not in headers:
            error = f"{path}: no header {_name(stem)}.hea beside it"
            entries.append(Entry(_name(stem), path, error=error))
    return entries


def _name(stem: str) -> str:
    return stem.rpartition("/")[2]


def with_labels(entry: Entry, labels: Mapping[str, LabelValue], **more: Any) -> Entry:
    """Return `entry` with further labels, and any other fields replaced.

    Parameters
    ----------
    entry : Entry
        Stays as it is.
    labels : mapping of str to (str, float, list of str or None)
        Without ``label_``; they replace those of the same name.
    **more
        Other fields of the entry.

    Returns
    -------
    Entry

    Examples
    --------
    >>> with_labels(Entry("1", "1.hea"), {"rhythm": "N"}, age=40.0).labels
    {'rhythm': 'N'}
    """
    return replace(entry, labels={**entry.labels, **labels}, **more)
