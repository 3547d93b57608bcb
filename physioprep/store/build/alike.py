"""Records of a block that are alike: read into one array, and encoded from it in few calls.

Only what is usual and right is done here. What is not, and what raises, is left to the block, which
does that record by itself and says what is wrong with it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import UnreadableFileError
from physioprep.readers import wfdb_kinds, wfdb_plain
from physioprep.readers.confinement import confined_to
from physioprep.recording import BAD_CHANNEL, GroupHeader, reader_flags
from physioprep.store.build.annotations import notes_of
from physioprep.store.build.expect import Expected, Signature
from physioprep.store.build.sources import check_sources
from physioprep.store.build.work import Job
from physioprep.store.build.writer import fill_rows, slots_of
from physioprep.store.format.codec import ChunkEncoder
from physioprep.store.format.layout import GroupLayout

if TYPE_CHECKING:
    from physioprep.harmonise.harmonised_group import HarmonisedRows

log = logging.getLogger(__name__)

_HEADER_BYTES: Final = 1 << 14
#: Arrays that are kept for the next records.
_KEPT: Final = 4


class Row(NamedTuple):
    """A record whose samples are in an array.

    Attributes
    ----------
    position : int
        Of the record in its block.
    n_values : int
        Samples times channels.
    sources : list of (str, int)
        SHA-256 and size of its files, as `check_sources` gives them.
    flags : list of str
        Of its reader.
    annotations : mapping of str to ndarray
        The columns of `physioprep.recording.ANNOTATION_COLUMNS`.
    """

    position: int
    n_values: int
    sources: list[tuple[str, int]]
    flags: list[str]
    annotations: Mapping[str, NDArray[Any]]


class Done(NamedTuple):
    """A record that was encoded.

    Attributes
    ----------
    chunks : dict of str to list of (bytes or None)
        By group.
    flags : tuple of str
        That harmonising gave.
    """

    chunks: dict[str, list[bytes | None]]
    flags: tuple[str, ...]


@dataclass(eq=False)
class _Alike:
    """Records of one kind, length and signature; `samples` has room for more than `rows`."""

    kind: wfdb_kinds.Kind
    signature: Signature
    group: GroupHeader
    samples: NDArray[Any]
    checksums: list[tuple[int, ...]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    lengths: list[list[int]] = field(default_factory=list)


class Alike:
    """The records of a block that wait in arrays.

    Parameters
    ----------
    job : Job
        Of the ingest.
    together : int
        Values of the records that wait at most.
    """

    def __init__(self, job: Job, together: int) -> None:
        self.job, self.together = job, together
        self.layouts = {layout.name: layout for layout in job.layouts}
        self._arrays: dict[tuple[Any, ...], _Alike] = {}

    def take(self, position: int, record: Mapping[str, Any]) -> Row | None:
        """Read a record into an array.

        Parameters
        ----------
        position : int
            Of the record in its block.
        record : mapping
            A row of the ingest's table.

        Returns
        -------
        Row or None
            None where it must be done by itself: it is unusual, or something is wrong.
        """
        if (
            record["format"] != "wfdb"
            or not record["path"].endswith(".hea")
            or "#" in record["path"]
            or (record["faults"] and not self.job.recipe.native)
            or (record["flags"] and any(map(_is_bad, record["flags"])))
        ):
            return None
        try:
            with confined_to(record["root"]):
                return self._take(position, record)
        except Exception as error:  # the usual way says what it is
            log.debug("%s is done by itself: %r", record["path"], error)
            return None

    def _take(self, position: int, record: Mapping[str, Any]) -> Row | None:
        root = record["root"]
        header = f"{root}/{record['path']}"
        folder, _, name = header.rpartition("/")
        name = name[:-4]
        raw = wfdb_plain.read_small(header, _HEADER_BYTES)
        twin = wfdb_kinds.recognise(raw.decode(), name) if raw is not None else None
        plain = wfdb_plain.fits(twin) if twin is not None else None
        if raw is None or twin is None or plain is None or not self.job.verify:
            return None
        n_values = twin.head.n_frames * len(plain.channels)
        if n_values > self.together // 2:
            return None
        alike = self._array_of(twin, plain, record)
        if alike is None:
            return None
        file = f"{name}{twin.kind.suffix}"
        data = wfdb_plain.read_file(f"{folder}/{file}", plain, twin.head.n_frames)
        if data is None:
            return None
        stem = record["path"][: -len(name) - 4]
        known = {record["path"]: raw, f"{stem}{file}": data}
        sources = _sources(record, known)
        metadata, annotations = notes_of(record, folder, name, file, twin.head)
        n = len(alike.rows)
        wfdb_plain.decode(data, plain, alike.samples[n])
        row = Row(position, n_values, sources, reader_flags(metadata), annotations)
        alike.rows.append(row)
        alike.checksums.append(twin.numbers[1::2])
        alike.lengths.append(record["lengths"])
        return row

    def _array_of(
        self, twin: wfdb_kinds.Twin, plain: wfdb_kinds.Plain, record: Mapping[str, Any]
    ) -> _Alike | None:
        """Return the array for a record; None where the store has no room for what it gives."""
        n_frames, number = twin.head.n_frames, record["signature"]
        key = (id(twin.kind), n_frames, twin.head.frame_rate, number)
        found = self._arrays.pop(key, None)
        if found is not None:
            self._arrays[key] = found  # the last used is last
            if len(found.rows) == len(found.samples):
                found.samples = _doubled(found.samples)
            return found
        signature, dtype = self.job.signatures[number], wfdb_plain.dtype_for(plain)
        signature.check_rates([twin.head.frame_rate])
        if self.job.recipe.native and any(
            self._layout_of(each).dtype != dtype for each in signature.expected
        ):
            return None
        found = _Alike(
            twin.kind,
            signature,
            GroupHeader(
                plain.channels,
                plain.units,
                twin.head.frame_rate,
                n_frames,
                plain.gain,
                plain.baseline,
                plain.invalid,
            ),
            np.empty((1, len(plain.channels), n_frames), dtype),
        )
        self._arrays[key] = found
        return found

    def _layout_of(self, expected: Expected) -> GroupLayout:
        return self.layouts[self.job.names[expected.key, expected.rate_hz]]

    def finish(self, arrays: Mapping[str, NDArray[Any]]) -> dict[int, Done]:
        """Verify, harmonise and encode all that waits.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            Per record of the block and channel; the rows of what is done are filled.

        Returns
        -------
        dict of int to Done
            By position. Records that are not in it must be done by themselves.
        """
        done: dict[int, Done] = {}
        for alike in self._arrays.values():
            try:
                done |= self._encode(alike, arrays) if alike.rows else {}
            except Exception as error:  # of one of them: each is done by itself
                log.debug("%d records are done one by one: %r", len(alike.rows), error)
            for each in (alike.rows, alike.checksums, alike.lengths):
                each.clear()
        for key in [*self._arrays][:-_KEPT]:
            del self._arrays[key]
        return done

    def _encode(self, alike: _Alike, arrays: Mapping[str, NDArray[Any]]) -> dict[int, Done]:
        from physioprep.harmonise import harmonise_array

        samples = alike.samples[: len(alike.rows)]
        _, wrong = wfdb_plain.checksum_states(samples, np.array(alike.checksums))
        right = np.arange(len(samples))
        if wrong.any():
            right = np.flatnonzero(~wrong.any(axis=1))
            samples = samples[right]
        modality_of = alike.signature.modality_of
        taken, found = harmonise_array(alike.group, samples, self.job.recipe, modality_of)
        planned = [(each, self._layout_of(each)) for each in alike.signature.expected]
        lengths = [list(each) for each in zip(*alike.lengths, strict=True)]
        usual = _as_planned(found, planned, np.array(lengths)[:, right[taken]])
        if usual is None:
            return {}
        places = np.flatnonzero(usual)
        rows = [alike.rows[n] for n in right[taken[places]].tolist()]
        done = {row.position: Done({}, ()) for row in rows}
        for expected, layout in planned:
            of_group = found[expected.key]
            encoder = ChunkEncoder(slots_of(expected.channels, layout.channels), layout)
            for place, row in zip(places.tolist(), rows, strict=True):
                chunks, flags = done[row.position]
                chunks[layout.name] = encoder.encode(of_group.digital[place])
                done[row.position] = Done(chunks, flags + of_group.flags[place])
            per_channel = {
                name: values if len(values) == 1 else values[places]
                for name, values in of_group.per_channel.items()
            }
            fill_rows(arrays, expected, layout, encoder, [*done], per_channel)
        return done


def _is_bad(flag: str) -> bool:
    return flag.startswith(BAD_CHANNEL)


def _doubled(samples: NDArray[Any]) -> NDArray[Any]:
    """Return an array of twice as many records that begins with these."""
    larger = np.empty((2 * len(samples), *samples.shape[1:]), samples.dtype)
    larger[: len(samples)] = samples
    return larger


def _as_planned(
    found: Mapping[str, HarmonisedRows],
    planned: Sequence[tuple[Expected, GroupLayout]],
    lengths: NDArray[np.int64],
) -> NDArray[np.bool_] | None:
    """Return which records give what their rows of the manifest say, and have samples.

    None if none does.
    """
    if len(found) != len(planned):
        return None
    usual = np.ones(lengths.shape[1], bool)
    for (expected, layout), planned_length in zip(planned, lengths, strict=True):
        rows = found.get(expected.key)
        if (
            rows is None
            or rows.like.channels != expected.channels
            or rows.digital.shape[1] != len(expected.channels)
            or rows.digital.dtype != layout.dtype
        ):
            return None
        # nearly every record varies at once; of others, all may be missing
        first = rows.digital[:, :, :64]
        same = (first == first[:, :, :1]) | (first != first)
        usual &= (planned_length == rows.digital.shape[2]) & ~same.all(axis=(1, 2))
    return usual if usual.any() else None


def _sources(record: Mapping[str, Any], known: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Hash the files of a record, of some of which the bytes are known."""
    names = record["files"]
    found = []
    for name, before in zip(names, record["file_sha256"] or [None] * len(names), strict=True):
        data = known.get(name)
        if data is None:
            alone = {**record, "files": [name], "file_sha256": [before]}
            found += check_sources(alone)
            continue
        now = hashlib.sha256(data).hexdigest()
        if before not in (None, now):
            raise UnreadableFileError(name, "changed since the scan")
        found.append((now, len(data)))
    return found
