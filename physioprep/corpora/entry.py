"""What a corpus module knows of one recording before its file is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter
from pathlib import Path
from typing import Any, Final


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
    labels : mapping of str to (str, float or None)
        Manifest columns without their ``label_``.
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
    labels: Mapping[str, str | float | None] = field(default_factory=dict)
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


def walk(root: Path) -> Iterator[str]:
    """Yield every file under `root` but hidden ones, sorted by name.

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
    yield from _walk(os.fspath(root), "")


def _walk(folder: str, prefix: str) -> Iterator[str]:
    # os.scandir: a corpus of 800,000 records is millions of files, and pathlib's own walk
    # costs several times as much.
    with os.scandir(folder) as listing:
        found = sorted(listing, key=lambda item: item.name)
    for item in found:
        if item.name.startswith("."):
            continue
        if item.is_dir():
            yield from _walk(item.path, f"{prefix}{item.name}/")
        else:
            yield prefix + item.name


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


def with_labels(entry: Entry, labels: Mapping[str, str | float | None], **more: Any) -> Entry:
    """Return `entry` with further labels, and any other fields replaced.

    Parameters
    ----------
    entry : Entry
        Stays as it is.
    labels : mapping of str to (str, float or None)
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
