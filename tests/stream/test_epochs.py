"""The log of epochs: what processes conclude from the same records."""

import copy
import os
import pickle
from typing import Any

import pytest

from physioprep.errors import ShardError
from physioprep.stream.epochs import EpochLog, Worker, whole_number


def test_each_iteration_is_the_next_epoch_unless_one_is_chosen() -> None:
    log = EpochLog(3)
    assert [log.begin(None).epoch for _ in range(2)] == [3, 4]
    log.choose(9, 48)
    assert log.begin(None)[:2] == (9, 48)
    assert log.begin(None)[:2] == (10, 0)


def beside(log: EpochLog) -> EpochLog:
    """Return the log as a worker process has it."""
    worker = EpochLog(0)
    vars(worker).update(vars(log) | {"_file": os.dup(log._file), "_iterations": {}})
    return worker


def test_workers_of_a_group_agree_though_another_epoch_is_chosen_between_them() -> None:
    log = EpochLog(0)
    one, two = beside(log), beside(log)
    for turn, chosen in ((0, 0), (1, 5)):
        log.choose(chosen)
        assert one.begin(Worker(77, 0, 2)).epoch == chosen
        log.choose(8 + turn)  # too late for this one
        assert two.begin(Worker(77, 1, 2)).epoch == chosen
        log.refresh()
        assert log.next_epoch == 8 + turn


def test_a_new_group_with_the_same_seed_is_another_one() -> None:
    log = EpochLog(0)
    for epoch in range(3):
        group = [beside(log) for _ in range(2)]
        assert [w.begin(Worker(1, n, 2)).epoch for n, w in enumerate(group)] == [epoch] * 2
    log.refresh()
    assert (log.epoch, log.by_workers, log.next_epoch) == (2, True, 3)


@pytest.mark.parametrize(("at_end", "epoch"), [((True, True), 5), ((True, False), 4)])
def test_a_group_rolls_over_where_all_had_given_their_last(at_end: Any, epoch: int) -> None:
    log = EpochLog(0)
    group = [(beside(log), Worker(1, number, 2), at_end[number]) for number in range(2)]
    turns = [own.begin(worker, 4, at_end=end) for own, worker, end in group]
    rolls = [
        own.rolls_over(turn, worker) for (own, worker, _), turn in zip(group, turns, strict=True)
    ]
    assert rolls == [epoch == 5] * 2
    log.refresh()
    assert (log.epoch, log.next_epoch) == (epoch, epoch + 1)


def test_workers_with_different_states_are_refused() -> None:
    for states in ((3, 4), (3, None), (None, 3)):
        log = EpochLog(0)
        beside(log).begin(Worker(1, 0, 2), states[0])
        with pytest.raises(ShardError, match="different states"):
            beside(log).begin(Worker(1, 1, 2), states[1])


def test_a_worker_that_never_begins_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("physioprep.stream.epochs._PATIENCE_S", 0.05)
    log, worker = EpochLog(0), Worker(1, 0, 2)
    turn = log.begin(worker, 3, at_end=True)
    with pytest.raises(ShardError, match="1 workers did not begin"):
        log.rolls_over(turn, worker)


def test_a_copy_goes_on_by_itself_and_so_does_a_fork() -> None:
    log = EpochLog(0)
    log.choose(4, 7)
    for other in (copy.deepcopy(log), pickle.loads(pickle.dumps(log)), log.copy()):
        assert other.begin(None)[:2] == (4, 7)
    child = os.fork()
    if child == 0:
        os._exit(0 if [log.begin(None).epoch for _ in range(3)] == [4, 5, 6] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert log.begin(None)[:2] == (4, 7)


def test_a_log_closes_its_file() -> None:
    file = EpochLog(0)._file
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(file)


@pytest.mark.parametrize("value", [-1, 2**62, 1.0, "1", None, float("nan")])
def test_a_number_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(ShardError, match=r"epoch .*: it must be a whole number from 0"):
        whole_number(value, "epoch")
