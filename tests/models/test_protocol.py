import numpy as np
import pytest

from physiomodels.evaluation.protocol import PROTOCOLS, grouped_by, make_folds
from physioprep.errors import ModelError

SUBJECTS = np.repeat(np.array([f"s{n}" for n in range(7)], dtype=object), 6)
LABELS = np.tile([0, 0, 1], 14)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_folds_test_every_window_once(protocol: str) -> None:
    folds = make_folds(SUBJECTS, LABELS, protocol, 3, seed=1)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(42))
    for fold in folds:
        assert sorted([*fold.train, *fold.test]) == list(range(42))
        shared = set(SUBJECTS[fold.train]) & set(SUBJECTS[fold.test])
        assert bool(shared) == (protocol == "within-subject")
    assert grouped_by(protocol) == ("record" if protocol == "record-grouped" else "subject")
    assert len(folds) == (7 if protocol == "leave-one-subject-out" else 3)


def test_another_seed_gives_other_folds() -> None:
    first, again, other = (
        [set(f.test) for f in make_folds(SUBJECTS, LABELS, "subject-grouped", 3, seed)]
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_folds_that_cannot_be_made() -> None:
    with pytest.raises(ModelError, match=r"too many folds \(8\) for 7 subjects"):
        make_folds(SUBJECTS, LABELS, "subject-grouped", 8, 0)
    with pytest.raises(ModelError, match=r"too many folds \(8\) for 7 records"):
        make_folds(SUBJECTS, LABELS, "record-grouped", 8, 0)
    with pytest.raises(ModelError, match=r"too many folds \(29\) for 28 windows"):
        make_folds(SUBJECTS, LABELS, "within-subject", 29, 0)
    with pytest.raises(ModelError, match="one of subject-grouped"):
        make_folds(SUBJECTS, LABELS, "random", 3, 0)


@pytest.mark.parametrize("protocol", ["subject-grouped", "record-grouped"])
def test_no_class_as_large_as_the_folds_is_said_in_one_line(protocol: str) -> None:
    people = np.array([f"s{n}" for n in range(10)], object)
    codes = np.arange(10) % 5  # two of each
    with pytest.raises(
        ModelError, match=r"too many folds \(3\) for 2 windows of the largest class"
    ):
        make_folds(people, codes, protocol, 3, seed=0)
    assert len(make_folds(people, codes, protocol, 2, seed=0)) == 2


def test_a_class_rarer_than_the_folds_is_spread_as_far_as_it_goes() -> None:
    labels = LABELS.copy()
    labels[0] = 2
    for protocol in ("subject-grouped", "within-subject"):
        folds = make_folds(SUBJECTS, labels, protocol, 3, seed=0)
        assert sum(0 in fold.test for fold in folds) == 1
