"""Read, harmonise and write the records of one block, and record it in the journal.

Runs in any process that can read the source files and write to the working folder. The process
receives the path of the working folder and the number of the block; it never receives samples.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.atomic import sync_all, write_bytes
from physioprep.errors import PhysioprepError
from physioprep.harmonise.harmonised_group import PER_CHANNEL as OF_GROUP
from physioprep.positions import KEY as POSITIONS
from physioprep.readers.unexpected import unexpected_traceback
from physioprep.recording import reader_flags
from physioprep.store.build.alike import Alike, Done, Row
from physioprep.store.build.annotations import join_annotations
from physioprep.store.build.journal import Entry, Failure, write_entry
from physioprep.store.build.result import CHECKSUM
from physioprep.store.build.sources import (
    check_sources,
    read_source,
    reason_of,
    with_local_files,
)
from physioprep.store.build.trace import TargetError, Trace, to_target
from physioprep.store.build.work import (
    JOURNAL,
    PER_CHANNEL,
    STORE,
    TABLE,
    BlockResult,
    Job,
    shard_path,
)
from physioprep.store.build.writer import GroupWriter, fill_positions, fill_rows
from physioprep.store.format.codec import pack_shard
from physioprep.store.format.layout import GroupLayout

if TYPE_CHECKING:
    from physioprep.harmonise import HarmonisedGroup
    from physioprep.recording import Recording

log = logging.getLogger(__name__)

#: Source values (samples times channels) of the records that are harmonised together: with more,
#: the calls cost less and the arrays more memory.
TOGETHER: Final = 3 << 18


@dataclass(frozen=True, eq=False)
class _Read:
    """A record that was read; its recording is None if that failed."""

    position: int
    record: dict[str, Any]
    recording: Recording | None
    n_values: int = 0
    shape: Hashable = None  # None: to be done by itself
    row: Row | None = None  # its samples are in an array


def run_planned(
    work: Path,
    job: Job,
    block: int,
    records: list[dict[str, Any]],
    crashed: Mapping[int, str] | None,
) -> BlockResult:
    """Write one block of records in a working folder of this machine.

    Parameters
    ----------
    work : Path
        Working folder of the ingest.
    job : Job
        What all blocks of the ingest share.
    block : int
        Number of the block.
    records : list of dict
        Planned records of the block, from `block_records`.
    crashed : mapping of int to str, or None
        Number of a record that killed a process before, to the reason for its quarantine. None
        unless the block is run alone because a process died in it.

    Returns
    -------
    BlockResult
        Its `target_error` is set if the working folder cannot be written.
    """
    try:
        return _Block(work, job, block, records, crashed).run()
    except TargetError as error:
        return BlockResult(block, 0, target_error=str(error))


def block_records(work: Path, block: int) -> list[dict[str, Any]]:
    """Return the planned records of a block, from the memory-mapped table of the ingest.

    Parameters
    ----------
    work : Path
        Working folder of the ingest.
    block : int
        Number of the block.

    Returns
    -------
    list of dict
        One per record, in the order of the plan; the columns that `job_table` writes.
    """
    import pyarrow as pa

    with pa.memory_map(str(work / TABLE)) as source:
        records: list[dict[str, Any]] = pa.ipc.open_file(source).get_batch(block).to_pylist()
    return records


class _Block:
    """The state of one block while `run` reads and writes it."""

    def __init__(
        self,
        work: Path,
        job: Job,
        block: int,
        records: list[dict[str, Any]],
        crashed: Mapping[int, str] | None,
    ) -> None:
        self.work, self.job, self.block, self.records = work, job, block, records
        # Alone, each record is done by itself, so that the trace names the one that kills.
        self.crashed, self.together = crashed or {}, crashed is None
        self.waiting: list[_Read] = []
        self.alike = Alike(job, TOGETHER)
        self.layouts = {layout.name: layout for layout in job.layouts}
        self.chunks: dict[str, list[bytes | None]] = {layout.name: [] for layout in job.layouts}
        self.outputs: dict[str, tuple[str, int]] = {}
        self.n_written = dict.fromkeys(self.layouts, 0)
        self.flags: dict[int, list[str]] = {}
        self.failed: dict[int, Failure] = {}
        self.sources: dict[int, list[tuple[str, int]]] = {}
        self.wider: dict[str, str] = {}
        self.notes: list[tuple[int, Mapping[str, NDArray[Any]]]] = []
        n = len(self.records)
        self.arrays: dict[str, NDArray[Any]] = {
            f"{layout.name}/{name}": np.full((n, len(layout.channels)), absent, dtype)
            for layout in job.layouts
            for name, (dtype, absent) in PER_CHANNEL.items()
        }

    def run(self) -> BlockResult:
        with Trace(self.work, self.block) as trace, with_local_files(self.records) as records:
            # a copy of a remote file is gone before its record could be done again
            together = self.together and records is self.records
            for position, record in enumerate(records):
                trace.at(record["record"])
                # without a name here that keeps a recording while the next one is read
                self._do(self._read(position, record, together=together))
            self._write_waiting()
        if self.wider:
            return BlockResult(self.block, len(self.records), wider=self.wider)
        self._write_rest()
        entry = Entry(
            self.block,
            self.outputs,
            dict(sorted(self.failed.items())),  # some fail at the read, ahead of others
            self.sources,
            self.flags,
            self.arrays | join_annotations(self.notes),
        )
        # The shards have their names on the disk before the entry that says so.
        to_target(sync_all, {(self.work / STORE / name).parent for name in self.outputs})
        to_target(write_entry, self.work / JOURNAL, entry)
        return BlockResult(self.block, len(self.records), len(self.failed))

    def _read(self, position: int, record: dict[str, Any], *, together: bool) -> _Read:
        from physioprep.harmonise import shape_of

        row = self.alike.take(position, record) if together else None
        if row is not None:
            return _Read(position, record, None, row.n_values, row=row)
        number = record["record"]
        signature = self.job.signatures[record["signature"]]
        stage = "read"
        try:
            if number in self.crashed:
                stage = "crash"
                raise PhysioprepError(self.crashed[number])
            recording = read_source(
                record,
                verify=self.job.verify,
                recipe=self.job.recipe,
                on_checksum=self.job.on_checksum,
            )
            self.sources[number] = check_sources(record)
            signature.check_rates(group.sampling_rate for group in recording.groups)
        except Exception as error:
            self._fail(record, stage, error)
            return _Read(position, record, None)
        n_values = sum(math.prod(group.digital.shape) for group in recording.groups)
        shape = shape_of(recording) if together and n_values <= TOGETHER // 2 else None
        return _Read(position, record, recording, n_values, shape)

    def _do(self, read: _Read) -> None:
        """Let a record wait for others, or write it with those that wait before it."""
        if read.shape is None and read.row is None:
            self._write_waiting()
            self._one(read)
            return
        self.waiting.append(read)
        if sum(each.n_values for each in self.waiting) >= TOGETHER:
            self._write_waiting()

    def _write_waiting(self) -> None:
        """Harmonise the records that wait, those of one shape as one array, and encode them."""
        from physioprep.harmonise import harmonise_together

        waiting, self.waiting = self.waiting, []
        alike: dict[tuple[int, Hashable], list[_Read]] = {}
        for read in waiting:
            if read.shape is not None:
                alike.setdefault((read.record["signature"], read.shape), []).append(read)
        done = self.alike.finish(self.arrays)
        found: dict[int, dict[str, HarmonisedGroup]] = {}
        for (signature, _), reads in alike.items():
            recordings = [read.recording for read in reads if read.recording is not None]
            modality_of = self.job.signatures[signature].modality_of
            try:
                groups = harmonise_together(recordings, self.job.recipe, modality_of)
            except Exception as error:  # of one of them: below each is done by itself
                log.debug("%d records are done one by one: %r", len(reads), error)
                continue
            for read, each in zip(reads, groups, strict=True):
                if each is not None:
                    found[read.position] = each
        for read in waiting:
            if read.position in done:
                self._place(read, done.pop(read.position))
            elif read.row is not None:
                self._one(self._read(read.position, read.record, together=False))
            else:
                self._one(read, found.pop(read.position, None))

    def _place(self, read: _Read, done: Done) -> None:
        """Put a record that is encoded in its place."""
        number, row = read.record["record"], read.row
        assert row is not None
        for name, chunks in done.chunks.items():
            self.chunks[name] += chunks
        self.sources[number] = row.sources
        if done.flags or row.flags:
            self.flags[number] = [*done.flags, *row.flags]
        self.notes.append((number, row.annotations))

    def _one(self, read: _Read, harmonised: Mapping[str, HarmonisedGroup] | None = None) -> None:
        """Encode a record, which is harmonised here if it is not yet."""
        from physioprep.harmonise import harmonise_blocks

        record, recording = read.record, read.recording
        number = record["record"]
        signature = self.job.signatures[record["signature"]]
        writers = [
            GroupWriter(each, self.layouts[self.job.names[each.key, each.rate_hz]], length)
            for each, length in zip(signature.expected, record["lengths"], strict=True)
        ]
        if recording is None:
            self._leave_out(writers)
            return
        by_key = {writer.expected.key: writer for writer in writers}

        def add(key: str, first: int, samples: NDArray[Any]) -> None:
            if key not in by_key:
                raise PhysioprepError(f"the manifest has no {key} signals; its file gives some")
            by_key[key].add(samples)
            self._write_full_shards(by_key[key])

        try:
            if harmonised is None:
                groups = harmonise_blocks(recording, self.job.recipe, add, signature.modality_of)
            else:
                groups = dict(harmonised)
                for key, group in groups.items():
                    add(key, 0, group.digital)
            for writer in writers:
                writer.finish(groups.get(writer.expected.key))
            if all(writer.is_missing for writer in writers):
                raise PhysioprepError("every sample is marked as missing")
        except TargetError:
            raise
        except Exception as error:
            self._fail(record, "harmonise", error)
            self._unwrite()
            self._leave_out(writers)
            return
        if "checksum_failed" in recording.metadata:
            self.flags[number] = [CHECKSUM]
        for writer in writers:
            group = groups[writer.expected.key]
            self._keep(read.position, number, writer, group, recording)
        lost = reader_flags(recording.metadata)
        if lost:
            self.flags.setdefault(number, []).extend(lost)
        self.notes.append((number, recording.annotation_columns))

    def _leave_out(self, writers: Sequence[GroupWriter]) -> None:
        for writer in writers:
            self.chunks[writer.layout.name] += [None] * writer.n_chunks

    def _fail(self, record: dict[str, Any], stage: str, error: Exception) -> None:
        number = record["record"]
        failure = Failure(stage, reason_of(error, record), unexpected_traceback(error))
        if stage != "crash":
            try:
                check_sources(record)
            except PhysioprepError as changed:  # this explains the other error
                failure = Failure("read", reason_of(changed, record))
        self.sources.pop(number, None)
        self.failed[number] = failure
        log.warning("%s/%s: %s", record["corpus"], record["record_id"], failure.reason)

    def _keep(
        self,
        position: int,
        number: int,
        writer: GroupWriter,
        group: HarmonisedGroup,
        recording: Recording,
    ) -> None:
        layout = writer.layout
        if writer.dtype != layout.dtype:
            before = self.wider.get(layout.name, layout.dtype)
            self.wider[layout.name] = np.promote_types(before, writer.dtype).name
        self.chunks[layout.name] += writer.encoder.chunks
        own = {name: getattr(group, name) for name in OF_GROUP}
        fill_rows(self.arrays, writer.expected, layout, writer.encoder, [position], own)
        if POSITIONS in recording.metadata:
            fill_positions(self.arrays, writer.expected, layout, position, recording)
        if group.flags:
            self.flags.setdefault(number, []).extend(group.flags)

    def _write_full_shards(self, writer: GroupWriter) -> None:
        """Write the full shards of a record longer than one shard: a day of Holter fills 10."""
        per_shard = writer.layout.shard // writer.layout.chunk
        while writer.n_chunks > per_shard and len(writer.encoder.chunks) >= per_shard:
            self._write(writer.layout, writer.encoder.chunks[:per_shard])
            del writer.encoder.chunks[:per_shard]

    def _write(self, layout: GroupLayout, chunks: Sequence[bytes | None]) -> None:
        """Write the next shard of a group."""
        shard = int(self.job.shards[layout.name][self.block]) + self.n_written[layout.name]
        name = shard_path(layout.name, shard)
        data = pack_shard(chunks, layout)
        if data is None:
            to_target((self.work / STORE / name).unlink, missing_ok=True)
        else:
            to_target(write_bytes, self.work / STORE / name, data, wait=False)
            self.outputs[name] = (hashlib.sha256(data).hexdigest(), len(data))
        self.n_written[layout.name] += 1

    def _unwrite(self) -> None:
        """Remove the shards of a long record that failed; its block has no other record."""
        for name in self.outputs:
            to_target((self.work / STORE / name).unlink, missing_ok=True)
        self.outputs.clear()
        self.n_written = dict.fromkeys(self.layouts, 0)

    def _write_rest(self) -> None:
        for layout in self.job.layouts:
            first, last = (int(self.job.shards[layout.name][self.block + i]) for i in (0, 1))
            per_shard, chunks = layout.shard // layout.chunk, self.chunks[layout.name]
            for at in range(0, (last - first - self.n_written[layout.name]) * per_shard, per_shard):
                self._write(layout, chunks[at : at + per_shard])
