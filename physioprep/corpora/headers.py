"""Read the headers of recordings into rows of a manifest: what a worker of a scan does."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from physioprep.corpora import corpus_module
from physioprep.corpora.entry import FOLDER_ENDINGS, Entry, LabelValue
from physioprep.corpora.faults import LONGEST_NAME, faults_by_record, faults_by_signal
from physioprep.corpora.people import People, shifted, with_person
from physioprep.corpora.vendor_labels import Rules, with_vendor_labels
from physioprep.errors import PhysioprepError
from physioprep.facts import Facts, load_facts
from physioprep.harmonise.clocks import clock_flags, synchronised_group
from physioprep.harmonise.timeline import timeline_length
from physioprep.hashes import kind_of
from physioprep.readers.confinement import confined_to, is_inside
from physioprep.readers.person import use_key
from physioprep.readers.unexpected import unexpected_place, unexpected_traceback
from physioprep.recording import group_end_s, reader_flags
from physioprep.trees import files_below

if TYPE_CHECKING:
    from physioprep.recording import Header

#: The signals of a row: the manifest's `GROUP_COLUMNS`, one list per column.
Groups = tuple[list[str], list[float], list[int | None], list[list[str]], list[list[str]]]
#: The columns of a manifest that a header and its entry fill, in the order of `Row.values`.
COLUMNS: Final = (
    *("record_id", "subject_id", "session", "path", "format", "files", "bytes", "start_time"),
    *("duration_s", "modality", "sampling_rate", "n_samples", "channels", "units", "age", "sex"),
    *("split", "flags", "faults", "error"),
)


class Row(NamedTuple):
    """One recording as a row of a manifest.

    Parameters
    ----------
    values : tuple
        In the order of `COLUMNS`.
    labels : mapping of str to (str, float, list of str or None)
        Columns without their ``label_``.
    trace : str or None
        Traceback of an error that no reader raises on purpose.
    """

    values: tuple[Any, ...]
    labels: Mapping[str, LabelValue]
    trace: str | None


def read_rows(job: Mapping[str, Any], item: Mapping[str, Any]) -> list[Row]:
    """Read the headers of some recordings of a corpus.

    Parameters
    ----------
    job : mapping
        ``"corpus"``: its name; ``"folder"``: where it is, absolute; ``"people"``: as `People` of
        `physioprep.corpora.people` gives it; ``"labels"``: as `read_rules` of
        `physioprep.corpora.vendor_labels` gives them, in JSON.
    item : mapping
        ``"entries"``: recordings, as `Entry.to_json` gives them.

    Returns
    -------
    list of Row
        One per entry, in their order. A recording that cannot be read has its error in it.
    """
    reader = _reader(*_settings(job))
    use_key(reader.key)
    return [reader.row(Entry.from_json(values)) for values in item["entries"]]


def failed_row(job: Mapping[str, Any], entry: Sequence[Any], cause: str) -> Row:
    """Return the row of a recording whose header kills the process that reads it.

    Parameters
    ----------
    job : mapping
        As for `read_rows`.
    entry : sequence
        As `Entry.to_json` gives it.
    cause : str
        What the process died of.

    Returns
    -------
    Row
    """
    found = Entry.from_json(entry)
    error = f"{found.path}: the process that read its header died ({cause})"
    return _reader(*_settings(job)).without_header(found, error)


def _settings(job: Mapping[str, Any]) -> tuple[str, str, str, bool, bool, str]:
    people = job["people"]
    key, numbered, shift = (people[name] for name in ("key", "numbered", "shift"))
    return job["corpus"], job["folder"], key, numbered, shift, job.get("labels", "null")


@lru_cache(maxsize=8)
def _reader(
    corpus: str, folder: str, key: str, numbered: bool, shift: bool, labels: str
) -> _HeaderReader:
    people = People(bytes.fromhex(key), numbered, shift)
    return _HeaderReader(corpus, folder, people, json.loads(labels))


class _HeaderReader:
    """What the headers of a corpus are read with; one per process and corpus."""

    def __init__(self, corpus: str, folder: str, people: People, labels: Rules | None) -> None:
        self.key, self._people, self._labels = people.key, people, labels
        facts, module = load_facts(corpus), corpus_module(corpus)
        self._folder, self._prefix = folder, f"{folder}{os.sep}"
        self._describe = getattr(module, "describe", None)
        self._modality = _modality_function(facts, getattr(module, "modality", None))
        self._faults = faults_by_record(facts)
        self._signal_faults = faults_by_signal(facts)
        self._actions = {fault.id: fault.action for fault in facts.faults}
        self._alias = facts.subject_alias
        # Recordings of a corpus share a few channel lists: sort those into modalities once.
        self._by_signals: dict[Any, list[tuple[str, list[str], list[str]]]] = {}
        self._per_header = getattr(module, "modality", None) is not None

    def row(self, entry: Entry) -> Row:
        """Return the row of one recording."""
        from physioprep import readers

        if entry.error is not None:
            return self.without_header(entry, entry.error)
        try:
            header = readers.read_header(f"{self._prefix}{entry.path}", root=self._folder)
            with confined_to(self._folder):
                if self._describe is not None:
                    entry = self._describe(entry, header)
                entry = with_person(entry, header.metadata, numbered=self._people.numbered)
                entry = with_vendor_labels(entry, header.metadata, self._labels)
                groups = self._groups(header)
        except (PhysioprepError, OSError) as refused:
            return self.without_header(entry, self._relative(str(refused)))
        except Exception as bug:  # one odd file must not cost the scan of a million
            text = self._relative(f"{type(bug).__name__}: {bug}")
            text = f"{text} (unexpected error at {unexpected_place(bug)})"
            return self.without_header(entry, text, unexpected_traceback(bug))
        files, n_bytes, missing = self._files(entry, header)
        if missing is not None:
            return self._row(entry, None, ([], [], [], [], []), files, n_bytes, missing, None)
        return self._row(entry, header, groups, files, n_bytes, None, None)

    def without_header(self, entry: Entry, error: str, trace: str | None = None) -> Row:
        """Return the row of a recording that cannot be read."""
        files, n_bytes, _ = self._files(entry, None)
        return self._row(entry, None, ([], [], [], [], []), files, n_bytes, error, trace)

    def _row(
        self,
        entry: Entry,
        header: Header | None,
        groups: Groups,
        files: list[str],
        n_bytes: int | None,
        error: str | None,
        trace: str | None,
    ) -> Row:
        faults = [*self._faults(entry.record_id), *entry.faults]
        if header is not None:
            faults += [name for name in self._signal_faults(header) if name not in faults]
        said = []
        if header is not None:
            said = [*reader_flags(header.metadata), *clock_flags(header, groups[3])]
        lost = [self._relative(flag) for flag in said]
        subject = entry.subject_id
        values = (
            entry.record_id,
            self._alias.get(subject, subject) if subject is not None else None,
            entry.session,
            entry.path,
            header.format if header is not None else None,
            files,
            n_bytes,
            self._start(header, subject) if header is not None else None,
            _duration(header),
            *groups,
            entry.age,
            entry.sex,
            entry.split,
            [*entry.flags, *lost, *[f"{self._actions[fault]}:{fault}" for fault in faults]],
            faults,
            error,
        )
        return Row(values, entry.labels, trace)

    def _start(self, header: Header, subject: str | None) -> datetime | None:
        if not self._people.shift_dates:
            return header.start_time
        return shifted(header.start_time, subject, self.key)

    def _files(
        self, entry: Entry, header: Header | None
    ) -> tuple[list[str], int | None, str | None]:
        """Return the files of a recording, their size, and what is missing of them."""
        if header is None:
            names = self._in_folder(entry.path) or [entry.path.partition("#")[0]]
        else:
            prefix = self._prefix
            names = [str(path).removeprefix(prefix).replace(os.sep, "/") for path in header.files]
        names += [name for name in entry.sidecars if name not in names]
        total = 0
        for name in names:
            if name in entry.sidecars and not is_inside(self._prefix + name, self._folder):
                return names, None, f"{name}: lies outside the folder of its corpus"
            try:
                status = os.stat(self._prefix + name)  # noqa: PTH116 - twice as fast
            except OSError:
                return names, None, f"{name}: no such file{_named_by(name, entry.path)}"
            if stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode):
                return names, None, f"{name}: {kind_of(status.st_mode)}, not a file"
            total += status.st_size
        return names, total, None

    def _in_folder(self, name: str) -> list[str]:
        """Return the files of a folder that is a recording by itself."""
        if not name.lower().endswith(FOLDER_ENDINGS):
            return []
        found = sorted(files_below(Path(self._prefix + name)))
        return [str(item).removeprefix(self._prefix).replace(os.sep, "/") for item in found]

    def _relative(self, text: str) -> str:
        return text.replace(self._prefix, "").replace(os.sep, "/")

    def _groups(self, header: Header) -> Groups:
        out: Groups = ([], [], [], [], [])
        bare = header.metadata.get("uncalibrated", ())  # they would be missing in every window
        for group, n_samples in zip(header.groups, _n_samples(header), strict=True):
            key = (group.channels, group.units, header.format)
            sorted_out = None if self._per_header or bare else self._by_signals.get(key)
            if sorted_out is None:
                found: dict[str, tuple[list[str], list[str]]] = {}
                for channel, unit in zip(*key[:2], strict=True):
                    kind = "other" if channel in bare else self._modality(channel, unit, header)
                    names, units = found.setdefault(kind, ([], []))
                    names.append(channel)
                    units.append(unit)
                sorted_out = [(m, *both) for m, both in found.items()]
                if not bare:
                    self._by_signals[key] = sorted_out
            for modality, names, units in sorted_out:
                out[0].append(modality)
                out[1].append(group.sampling_rate)
                out[2].append(n_samples if n_samples >= 0 else None)
                out[3].append(names.copy())
                out[4].append(units.copy())
        return out


def _named_by(name: str, recording: str) -> str:
    """Say which recording names a file of another stem; "" where the name tells it."""
    stem, of = (each.rpartition("/")[2].partition(".")[0] for each in (name, recording))
    return "" if stem.startswith(of) else f" (named by {recording})"


def _n_samples(header: Header) -> list[int]:
    """Return the samples per channel of each group.

    Gaps that all groups share (EDF+D) are in the duration alone. Where each group has its own (a
    sensor that starts later, streams with clocks of their own), its samples include them.
    """
    counts = [group.n_samples for group in header.groups]
    if min(counts, default=-1) < 0 or all(
        len(group.segments) == 1 and not group.segments[0][1] for group in header.groups
    ):
        return counts
    rates = [group.sampling_rate for group in header.groups]
    missing = [header.duration_s - n / rate for n, rate in zip(counts, rates, strict=True)]
    if max(missing) - min(missing) <= 0.5 / min(rates):
        return counts
    return [timeline_length(group) for group in header.groups]


def _duration(header: Header | None) -> float | None:
    """Return how long a recording lasts, s; of streams with clocks of their own by their stamps."""
    if header is None or any(group.n_samples < 0 for group in header.groups):
        return None
    groups = [synchronised_group(header, n, group) for n, group in enumerate(header.groups)]
    return max(map(group_end_s, groups), default=0.0)


def _modality_function(
    facts: Facts, own: Callable[[str, str, Header], str | None] | None
) -> Callable[[str, str, Header], str]:
    """Return channel to modality: by the corpus's facts, else its module, else name and unit."""
    from physioprep.harmonise.in_context import modality_in

    roles = [(re.compile(role.match), role.modality) for role in facts.channels]

    def modality(channel: str, unit: str, header: Header) -> str:
        name = channel.strip()
        for match, role in roles if len(name) <= LONGEST_NAME else ():
            if match.fullmatch(name):
                return role
        found = own(channel, unit, header) if own is not None else None
        return found if found is not None else modality_in(header.format)(channel, unit)

    return modality
