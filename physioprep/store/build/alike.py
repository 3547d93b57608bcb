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
from physioprep.recording import BAD_CHANNEL, GroupHeader, reader_flags
from physioprep.store.build.annotations import notes_of
from physioprep.store.build.expect import Expected, Signature
from physioprep.store.build.sources import check_sources
from physioprep.store.build.work import Job
from physioprep.store.build.writer import fill_rows, slots_of
from physioprep.store.format.codec import ChunkEncoder
from physioprep.store.format.layout import GroupLayout

if TYPE_CHECKING:
    from physioprep.harmonise import HarmonisedGroup

log = logging.getLogger(__name__)

_HEADER_BYTES: Final = 1 << 14


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
        from physioprep.readers.confinement import confined_to

        if (
            record["format"] != "wfdb"
            or not record["path"].endswith(".hea")
            or "#" in record["path"]
            or (record["faults"] and not self.job.recipe.native)
            or any(flag.startswith(BAD_CHANNEL) for flag in record["flags"] or ())
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
        found = self._arrays.get(key)
        if found is not None:
            return found if len(found.rows) < len(found.samples) else None
        signature, dtype = self.job.signatures[number], wfdb_plain.dtype_for(plain)
        signature.check_rates([twin.head.frame_rate])
        if self.job.recipe.native and any(
            self._layout_of(each).dtype != dtype for each in signature.expected
        ):
            return None
        n_channels = len(plain.channels)
        most = max(1, -(-self.together // (n_frames * n_channels)))
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
            np.empty((most, n_channels, n_frames), dtype),
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
        waiting, self._arrays = self._arrays, {}
        done: dict[int, Done] = {}
        for alike in waiting.values():
            try:
                done |= self._encode(alike, arrays)
            except Exception as error:  # of one of them: each is done by itself
                log.debug("%d records are done one by one: %r", len(alike.rows), error)
        return done

    def _encode(self, alike: _Alike, arrays: Mapping[str, NDArray[Any]]) -> dict[int, Done]:
        from physioprep.harmonise import harmonise_array

        samples = alike.samples[: len(alike.rows)]
        _, wrong = wfdb_plain.checksum_states(samples, np.array(alike.checksums))
        right = np.flatnonzero(~wrong.any(axis=1))
        if len(right) < len(samples):
            samples = samples[right]
        found = harmonise_array(alike.group, samples, self.job.recipe, alike.signature.modality_of)
        planned = [(each, self._layout_of(each)) for each in alike.signature.expected]
        rows = [
            (alike.rows[n].position, groups)
            for n, groups in zip(right.tolist(), found, strict=True)
            if groups is not None and _is_as_planned(groups, planned, alike.lengths[n])
        ]
        positions = [position for position, _ in rows]
        done = {position: Done({}, ()) for position in positions}
        for expected, layout in planned:
            groups = [of_all[expected.key] for _, of_all in rows]
            encoder = ChunkEncoder(slots_of(expected.channels, layout.channels), layout)
            for position, group in zip(positions, groups, strict=True):
                chunks, flags = done[position]
                chunks[layout.name] = encoder.encode(group.digital)
                done[position] = Done(chunks, flags + group.flags)
            if rows:
                fill_rows(arrays, expected, layout, encoder, positions, groups)
        return done


def _is_as_planned(
    groups: Mapping[str, HarmonisedGroup],
    planned: Sequence[tuple[Expected, GroupLayout]],
    lengths: Sequence[int],
) -> bool:
    """Return whether a record gives what its row of the manifest says, and has samples."""
    if len(groups) != len(planned):
        return False
    for (expected, layout), length in zip(planned, lengths, strict=True):
        group = groups.get(expected.key)
        if (
            group is None
            or group.channels != expected.channels
            or group.digital.shape != (len(group.channels), length)
            or group.digital.dtype != layout.dtype
        ):
            return False
        # nearly every record varies at once; of others, all may be missing
        first = group.digital[:, :64]
        if not (first != first[:, :1]).any():
            return False
    return True


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
