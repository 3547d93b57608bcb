"""Which epoch comes next: a log that a stream shares with its `DataLoader` workers.

Each worker process has a copy of the stream, and nobody tells it what the parent chose after it
was made, or that it is one of several. So all write to one file in memory, to whose end a record
is appended at once, whole: everybody reads the same records in the same order, and concludes the
same. No lock is held, so a killed worker leaves none behind.

An iteration takes the epoch that was chosen last, or the one after that of the last iteration;
the first worker of a group that begins one decides for all of them.
"""

from __future__ import annotations

import fcntl
import operator
import os
import tempfile
import time
import weakref
from dataclasses import dataclass, field
from multiprocessing import context, parent_process, reduction
from struct import Struct
from typing import Any, NamedTuple

from physioprep.errors import ShardError

_CHOSEN, _BEGUN, _RESUMED, _RESUMED_AT_END = range(4)
_FORM = Struct("<9q")
#: An epoch's number has to fit into a record.
MOST_EPOCHS = 2**62
#: Iterations remembered; one is needed until all its workers have begun it.
_KEPT = 64
#: How long a worker waits for the others to start, s.
_PATIENCE_S = 600.0


class Worker(NamedTuple):
    """A worker process of a loader.

    Parameters
    ----------
    group : int
        Equal in all workers of a loader, and in no others (their base seed).
    number, workers : int
        Which worker, of how many.
    """

    group: int
    number: int
    workers: int


class Turn(NamedTuple):
    """An iteration of this process.

    Parameters
    ----------
    epoch : int
        Which epoch.
    position : int
        Position in the epoch where it begins, of all workers together.
    key : tuple of int
        Of the iteration, for `EpochLog.rolls_over`.
    """

    epoch: int
    position: int
    key: tuple[int, int]


class _Record(NamedTuple):
    kind: int
    family: int
    process: int
    turn: int
    group: int
    number: int
    workers: int
    epoch: int
    position: int


@dataclass
class _Iteration:
    """One iteration: its epoch, and who of its workers has begun it, at the end or not."""

    epoch: int
    position: int
    workers: int
    resumed: bool
    at_end: dict[int, bool] = field(default_factory=dict)

    @property
    def rolls_over(self) -> bool:
        return len(self.at_end) == self.workers and all(self.at_end.values())


class EpochLog:
    """Epoch and position of the next iteration, as a process and its workers agree on them.

    Parameters
    ----------
    epoch : int
        First epoch.

    Examples
    --------
    >>> log = EpochLog(3)
    >>> log.begin(None).epoch, log.begin(None).epoch
    (3, 4)
    >>> log.choose(9)
    >>> log.begin(None).epoch, log.next_epoch
    (9, 10)
    """

    def __init__(self, epoch: int) -> None:
        self._hold(_new_file())
        self._read_up_to, self._process, self._turns = 0, os.getpid(), 0
        self._iterations: dict[tuple[int, int], _Iteration] = {}
        self.next_epoch, self.next_position = epoch, 0
        #: Nothing was begun since the epoch was chosen.
        self.is_chosen = True
        self._overrides_states = False  # it was chosen by a call
        #: Epoch of the last iteration, and whether workers began it.
        self.epoch, self.by_workers = epoch, False

    def _hold(self, file: int) -> None:
        self._file = file
        weakref.finalize(self, os.close, file)

    def copy(self) -> EpochLog:
        """Return a log of its own, which continues from here.

        Returns
        -------
        EpochLog
        """
        self.refresh()
        return _copied(self.next_epoch, self.next_position, self.epoch, self.is_chosen)

    def __reduce__(self) -> tuple[Any, ...]:
        if context.get_spawning_popen() is None:
            self.refresh()
            return _copied, (self.next_epoch, self.next_position, self.epoch, self.is_chosen)
        state = {name: value for name, value in vars(self).items() if name != "_file"}
        return _inherited, (reduction.DupFd(self._file), state)

    def choose(self, epoch: int, position: int = 0) -> None:
        """Choose where the next iteration begins.

        Parameters
        ----------
        epoch, position : int
            From 0.
        """
        self._append(_CHOSEN, None, epoch, position)
        self.refresh()

    def begin(
        self, worker: Worker | None, resumed: int | None = None, *, at_end: bool = False
    ) -> Turn:
        """Begin an iteration, or join that of this worker's group.

        Parameters
        ----------
        worker : Worker or None
            None: this process is not a worker.
        resumed : int, optional
            The worker was given a state of its own, of this epoch.
        at_end : bool
            In that state it had given its last batch; if all had, the next epoch begins.

        Returns
        -------
        Turn

        Raises
        ------
        ShardError
            Some workers of a group were given a state, and others none or another.
        """
        kind = _BEGUN if resumed is None else _RESUMED_AT_END if at_end else _RESUMED
        if os.getpid() != self._process:  # forked since
            self._process, self._turns = os.getpid(), 0
        self._turns += 1
        self._append(kind, worker, resumed or 0, 0)
        self.refresh(worker)
        key = (self._process if worker is None else worker.group, self._turns)
        own = self._iterations[key]
        if own.resumed != (resumed is not None) or resumed not in (None, own.epoch):
            raise ShardError(
                "the workers of one loader were given different states; load them with "
                "StatefulDataLoader.load_state_dict, or the stream's before the loader starts"
            )
        return Turn(own.epoch, own.position, key)

    def rolls_over(self, turn: Turn, worker: Worker) -> bool:
        """Whether every worker of a resumed group had given its last batch of the epoch.

        Waits until all have begun; a loader starts them together.

        Parameters
        ----------
        turn : Turn
            Of this worker.
        worker : Worker
            This one.

        Returns
        -------
        bool
            True: the group begins the next epoch.

        Raises
        ------
        ShardError
            Others did not begin, so that nobody knows.
        """
        own, deadline = self._iterations[turn.key], time.monotonic() + _PATIENCE_S
        while len(own.at_end) < own.workers:
            if time.monotonic() > deadline:
                raise ShardError(f"{own.workers - len(own.at_end)} workers did not begin")
            time.sleep(0.002)
            self.refresh(worker)
        return own.rolls_over

    def refresh(self, worker: Worker | None = None) -> None:
        """Take in what was written by this process, its workers or its parent.

        Parameters
        ----------
        worker : Worker, optional
            This process, if it is one.
        """
        family = _family(worker)
        while len(found := os.pread(self._file, _FORM.size, self._read_up_to)) == _FORM.size:
            self._read_up_to += _FORM.size
            record = _Record(*_FORM.unpack(found))
            if record.family == family:
                self._take(record)

    def _append(self, kind: int, worker: Worker | None, epoch: int, position: int) -> None:
        group, number, workers = worker or (os.getpid(), 0, 1)
        os.write(
            self._file,
            _FORM.pack(
                kind, _family(worker), os.getpid(), self._turns, group, number, workers,
                epoch, position,
            ),
        )  # fmt: skip

    def _take(self, record: _Record) -> None:
        if record.kind == _CHOSEN:
            self.next_epoch, self.next_position = record.epoch, record.position
            self.epoch, self.is_chosen, self.by_workers = record.epoch, True, False
            self._overrides_states = True
            return
        key = (record.group, record.turn)
        own = self._iterations.get(key)
        # A new group may have an old one's seed: after `torch.manual_seed`, or restored.
        if own is None or record.number in own.at_end:
            resumed = record.kind != _BEGUN
            epoch = record.epoch if resumed else self.next_epoch
            position = 0 if resumed else self.next_position
            own = self._iterations[key] = _Iteration(epoch, position, record.workers, resumed)
            while len(self._iterations) > _KEPT:
                del self._iterations[next(iter(self._iterations))]
            self._began(own, epoch, record.group != record.process)
        own.at_end[record.number] = record.kind == _RESUMED_AT_END
        if own.rolls_over:
            self._began(own, own.epoch + 1, True)

    def _began(self, own: _Iteration, epoch: int, by_workers: bool) -> None:
        self.epoch, self.by_workers = epoch, by_workers
        # An epoch that was chosen is not forgotten for workers that go on with another one: a
        # loader may replace them before their first batch.
        if not own.resumed or epoch == self.next_epoch or not self._overrides_states:
            self.next_epoch, self.next_position, self.is_chosen = epoch + 1, 0, False
            self._overrides_states = False


def whole_number(value: Any, what: str, least: int = 0) -> int:
    """Check a number of epochs, batches or windows, or a seed.

    Parameters
    ----------
    value : int
        As the user gave it; an integer of NumPy or torch is one.
    what : str
        What it counts.
    least : int
        The smallest one allowed.

    Returns
    -------
    int

    Raises
    ------
    ShardError
        It is none.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = -1
    if not least <= number < MOST_EPOCHS:
        raise ShardError(f"{what} {value!r}: it must be a whole number from {least}")
    return number


def _family(worker: Worker | None) -> int:
    """Return the process whose iterations these are: records of other forks are not for us."""
    parent = parent_process() if worker is not None else None
    pid = os.getpid() if parent is None else parent.pid
    assert pid is not None
    return pid


def _new_file() -> int:
    """Open an empty file to append to, which is nowhere on disk where that is possible."""
    if not hasattr(os, "memfd_create"):  # macOS
        with tempfile.TemporaryFile("ab+") as on_disk:
            return os.dup(on_disk.fileno())
    file = os.memfd_create("physioprep-epochs")
    fcntl.fcntl(file, fcntl.F_SETFL, fcntl.fcntl(file, fcntl.F_GETFL) | os.O_APPEND)
    return file


def _copied(next_epoch: int, next_position: int, epoch: int, is_chosen: bool) -> EpochLog:
    log = EpochLog(epoch)
    log.next_epoch, log.next_position, log.is_chosen = next_epoch, next_position, is_chosen
    return log


def _inherited(file: Any, state: dict[str, Any]) -> EpochLog:
    log = EpochLog.__new__(EpochLog)
    vars(log).update(state)
    log._hold(file.detach())
    return log
