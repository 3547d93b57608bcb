"""One pass over the signals: every recording is read once, and all checks of signals run on it.

The recordings are read in blocks by `physioprep.parallel.run`, as `ingest` does. Only paths and
numbers travel to a worker: it opens the inputs itself, and returns findings and the few numbers
that the checks of a whole corpus need.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from physioprep.auditing.checks.amplitude import (
    check_clipping,
    check_offset,
    check_sentinels,
    check_uncalibrated,
    check_units,
)
from physioprep.auditing.checks.annotations import check_annotations
from physioprep.auditing.checks.eeg import check_bad_channels, check_eeg_electrodes, check_reference
from physioprep.auditing.checks.flat import check_flat, check_gaps, check_missing, check_noise
from physioprep.auditing.checks.leads import check_electrodes, check_limb_relations
from physioprep.auditing.checks.sampling_rate import (
    check_heart_rate,
    check_mains,
    check_sampling_rate,
)
from physioprep.auditing.checks.synchrony import check_drift
from physioprep.auditing.findings import Finding
from physioprep.auditing.inputs import Input, Key, namer, open_input, sampled
from physioprep.auditing.measure.measured import Measured
from physioprep.auditing.named_split import with_split
from physioprep.auditing.recordings import measure_recordings
from physioprep.auditing.signals import Signal, recording_of
from physioprep.parallel.run import choose_scheduler, run_tasks

if TYPE_CHECKING:
    import pandas as pd

#: Where the samples of a recording are: an input and a row of it.
Sources = dict[Key, tuple[Input, int]]
#: Recordings per block; from this many recordings, worker processes are worth their start.
BLOCK, MANY = 16, 400
#: First and last + 1 of a block, in the order of `AuditInputs.sources`.
Block = list[int]
#: Checks that need the numbers of one recording only.
RECORD_CHECKS: tuple[Callable[..., list[Finding]], ...] = (
    check_flat, check_missing, check_gaps, check_units, check_uncalibrated, check_offset,
    check_clipping, check_sentinels, check_limb_relations, check_electrodes, check_heart_rate,
    check_sampling_rate, check_mains,
    check_eeg_electrodes, check_reference, check_bad_channels, check_noise, check_drift,
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class AuditInputs:
    """The opened inputs of an audit, and where each recording is read.

    Parameters
    ----------
    inputs : tuple of Input
        What is audited.
    others : tuple of Input
        The sets that it is compared against.
    ours, theirs : mapping of key to (Input, row)
        Where the samples of each recording of `inputs` are, and of those of `others` that are
        not in `inputs`.
    root : Path or None
        Folder of the raw files of manifests, where it was given.
    """

    inputs: tuple[Input, ...]
    others: tuple[Input, ...]
    ours: Sources
    theirs: Sources
    root: Path | None = None

    @property
    def sources(self) -> Sources:
        """Return where all recordings are read.

        Returns
        -------
        dict of key to (Input, row)
            `ours`, then `theirs`.
        """
        return self.ours | self.theirs

    @property
    def many(self) -> bool:
        """Return whether there are several corpora, so that names of recordings show theirs.

        Returns
        -------
        bool
        """
        return len({c for one in (*self.inputs, *self.others) for c in one.corpora}) > 1


@dataclass(frozen=True, eq=False)
class BlockFindings:
    """What a pass over a block of recordings, or over all, found.

    Parameters
    ----------
    measured : list of Measured
        One per recording and modality.
    findings : list of Finding
        Of the checks that need one recording only.
    unread : list of (corpus, record id, path, reason)
        Recordings that could not be read.
    read : list of key
        Recordings of which something was read.
    """

    measured: list[Measured]
    findings: list[Finding]
    unread: list[tuple[str, str, str, str]]
    read: list[Key]


def open_inputs(
    paths: Sequence[Path],
    against: Sequence[Path],
    sample: int | None,
    split: str | None = None,
    root: Path | None = None,
) -> AuditInputs:
    """Open the inputs and decide where each recording is read: in a store rather than in files.

    Parameters
    ----------
    paths : sequence of Path
        Manifests, stores and shards to audit.
    against : sequence of Path
        Sets to compare them against.
    sample : int or None
        Read the signals of this many recordings per input only; all where None.
    split : str, optional
        Published split to judge, instead of the records' own.
    root : Path, optional
        Folder of the raw files of manifests, where it is not the one that they state.

    Returns
    -------
    AuditInputs

    Raises
    ------
    PhysioprepError
        If an input cannot be opened.
    """
    inputs = tuple(open_input(path, root) for path in paths)
    if split is not None:
        inputs = tuple(with_split(one, split) for one in inputs)
    others = tuple(open_input(path, root) for path in against)
    ours = _sources(inputs, sample)
    theirs = {key: at for key, at in _sources(others, sample).items() if key not in ours}
    return AuditInputs(inputs, others, ours, theirs, root)


def _sources(inputs: Sequence[Input], sample: int | None) -> Sources:
    out: Sources = {}
    for one in sorted(inputs, key=lambda one: one.kind != "store"):
        if one.kind == "shards":
            continue
        roots: dict[object, bool] = {}
        kept = sampled(one, sample).records
        root = kept["root"].tolist() if one.kind == "manifest" else [None] * len(kept)
        for row, corpus, record, folder in zip(
            kept.index, kept["corpus"], kept["record_id"], root, strict=True
        ):
            if one.kind == "manifest":
                if folder not in roots:
                    roots[folder] = isinstance(folder, str) and Path(folder).is_dir()
                if not roots[folder]:
                    continue
            out.setdefault((corpus, record), (one, int(row)))
    return out


def read_signals(
    opened: AuditInputs,
    sample: int | None,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    announce: Callable[[str], None] | None = None,
) -> BlockFindings:
    """Measure and check every recording that can be read.

    A recording that kills the process that reads it is reported as unreadable; the others of
    its block are read again one by one.

    Parameters
    ----------
    opened : AuditInputs
    sample : int or None
        As it was given to `open_inputs`.
    scheduler : str, optional
        ``"sync"``, ``"threads"``, ``"processes"``, ``"cluster"`` or the address of a Dask
        scheduler. Default: worker processes from `MANY` recordings on, else ``"sync"``.
    workers : int, optional
        Default: the processor cores this process may use.
    progress : callable, optional
        Called with (recordings read, recordings to read).
    announce : callable, optional
        Called with the link of a cluster's dashboard.

    Returns
    -------
    BlockFindings
        In the order of ``opened.sources``, whatever the scheduler.

    Raises
    ------
    PhysioprepError
        If the scheduler is unknown or cannot be reached.
    """
    n = len(opened.sources)
    scheduler = choose_scheduler(scheduler, workers, "processes" if n >= MANY else "sync")
    run_id = uuid4().hex
    job = {
        "paths": [str(one.path.resolve()) for one in opened.inputs],
        "against": [str(one.path.resolve()) for one in opened.others],
        "sample": sample,
        "root": None if opened.root is None else str(opened.root.resolve()),
        "run": run_id,
    }
    found: dict[int, BlockFindings] = {}
    suspects: list[Block] = []
    done = 0

    def finished(block: Block, result: BlockFindings) -> None:
        nonlocal done
        found[block[0]] = result
        done += block[1] - block[0]
        if progress is not None:
            progress(done, n)

    def crashed(block: Block, cause: str) -> None:
        first, stop = block
        if stop - first > 1:
            suspects.extend([number, number + 1] for number in range(first, stop))
        else:
            finished(block, _killed(opened, first, cause))

    blocks = [[first, min(first + BLOCK, n)] for first in range(0, n, BLOCK)]
    run = partial(
        run_tasks, job=job, on_done=finished, scheduler=scheduler, workers=workers,
        announce=announce, on_crash=crashed,
    )  # fmt: skip
    _OPENED[run_id] = opened
    try:
        run("audit", blocks)
        if suspects:
            run("audit", list(suspects))
    finally:
        del _OPENED[run_id]
    ordered = [found[first] for first in sorted(found)]
    return BlockFindings(
        list(chain.from_iterable(one.measured for one in ordered)),
        list(chain.from_iterable(one.findings for one in ordered)),
        list(chain.from_iterable(one.unread for one in ordered)),
        list(chain.from_iterable(one.read for one in ordered)),
    )


#: Inputs that this process has opened, by run: its own threads need not open them again.
_OPENED: Final[dict[str, AuditInputs]] = {}


def read_in_worker(job: Mapping[str, Any], block: Block) -> BlockFindings:
    """Read a block in a worker: the task ``"audit"`` of `physioprep.parallel.tasks`.

    Parameters
    ----------
    job : mapping
        ``paths``, ``against``, ``root`` (absolute, as text), ``sample`` (as for `open_inputs`)
        and ``run``, the id of this pass.
    block : list of int
        First and last + 1 of the recordings, in the order of `AuditInputs.sources`.

    Returns
    -------
    BlockFindings
    """
    opened = _OPENED.get(job["run"]) or _open_once(
        job["run"], tuple(job["paths"]), tuple(job["against"]), job["sample"], job["root"]
    )
    return read_block(opened, *block)


@lru_cache(maxsize=1)
def _open_once(
    run: str, paths: tuple[str, ...], against: tuple[str, ...], sample: int | None, root: str | None
) -> AuditInputs:
    """Open the inputs, once per run and worker."""
    folder = None if root is None else Path(root)
    return open_inputs([*map(Path, paths)], [*map(Path, against)], sample, root=folder)


def _killed(opened: AuditInputs, number: int, cause: str) -> BlockFindings:
    """Report a recording as unreadable because it kills the process that reads it."""
    key, (one, row) = next(islice(opened.sources.items(), number, None))
    reason = f"it crashes the process that reads it ({cause})"
    return BlockFindings([], [], [(*key, str(one.records["path"].at[row]), reason)], [])


def read_block(opened: AuditInputs, first: int, stop: int) -> BlockFindings:
    """Read, measure and check the recordings of a block.

    Parameters
    ----------
    opened : AuditInputs
    first, stop : int
        First and last + 1 of the recordings, in the order of ``opened.sources``.

    Returns
    -------
    BlockFindings
    """
    name = namer(many=opened.many)
    out = BlockFindings([], [], [], [])
    sources = dict(islice(opened.sources.items(), first, stop))
    measured = measure_recordings(list(sources.values()))
    for (key, (one, row)), each in zip(sources.items(), measured, strict=True):
        if each.error is not None:
            root: Any = one.records["root"].at[row] if "root" in one.records else ""
            reason = str(each.error)
            for folder in (root, str(one.path.absolute())):
                reason = reason.replace(f"{folder}/", "") if folder else reason
            out.unread.append((*key, str(one.records["path"].at[row]), reason))
            continue
        pieces = each.pieces
        if pieces:
            out.read.append(key)
        if key in opened.ours:
            for check in RECORD_CHECKS:
                out.findings.extend(check(pieces, name))
            if each.annotations is not None:
                out.findings.extend(check_annotations(key, each.annotations, pieces, name))
        # beat and covariance, the larger part, serve only the checks above
        out.measured.extend(replace(piece, beat=None, covariance=None) for piece in pieces)
    return out


def unread_table(found: BlockFindings) -> pd.DataFrame:
    """Return the recordings that could not be read.

    Parameters
    ----------
    found : BlockFindings

    Returns
    -------
    pandas.DataFrame
        ``corpus, record_id, path, reason``.
    """
    import pandas as pd

    return pd.DataFrame(found.unread, columns=["corpus", "record_id", "path", "reason"])


def reader(sources: Sources) -> Callable[[Key, str], Signal | None]:
    """Return a function that reads the beginning of a recording again, to compare it.

    Parameters
    ----------
    sources : mapping of key to (Input, row)

    Returns
    -------
    callable
        ``read(key, modality)``: the first piece of a modality (10 minutes), None where the
        recording lacks it. The last 128 are kept.
    """

    @lru_cache(maxsize=128)
    def read(key: Key, modality: str) -> Signal | None:
        one, row = sources[key]
        return next((s for s in recording_of(one, row)[0] if s.modality == modality), None)

    return read
