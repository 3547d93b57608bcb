import numpy as np
import pytest
from sklearn import metrics

from physiomodels.protocol import PROTOCOLS, bootstrap, make_folds, scores
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
    assert len(folds) == (7 if protocol == "leave-one-subject-out" else 3)


def test_another_seed_gives_other_folds() -> None:
    first, again, other = (
        [set(f.test) for f in make_folds(SUBJECTS, LABELS, "subject-grouped", 3, seed)]
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other


def test_folds_that_cannot_be_made() -> None:
    with pytest.raises(ModelError, match="8 folds of 7 subjects"):
        make_folds(SUBJECTS, LABELS, "subject-grouped", 8, 0)
    with pytest.raises(ModelError, match="15 folds of 14 windows"):
        make_folds(SUBJECTS, LABELS, "within-subject", 15, 0)
    with pytest.raises(ModelError, match="one of subject-grouped"):
        make_folds(SUBJECTS, LABELS, "random", 3, 0)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_scores_are_scikit_learns(n_classes: int) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, n_classes, 200)
    p = rng.dirichlet(np.ones(n_classes), 200)
    p = np.round((p + np.eye(n_classes)[labels] * 0.4) / 1.4, 2)  # ties too
    p[:, 0] = 1 - p[:, 1:].sum(1)
    found = scores(labels, p)
    answers = p.argmax(1)
    one_hot = np.eye(n_classes)[labels]
    several = n_classes > 2
    average = "macro" if several else "binary"
    score = p if several else p[:, 1]
    truth = one_hot if several else labels
    expected = {
        "auroc": metrics.roc_auc_score(truth, score, average="macro"),
        "auprc": metrics.average_precision_score(truth, score, average="macro"),
        "f1": metrics.f1_score(labels, answers, average=average),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, answers),
        "kappa": metrics.cohen_kappa_score(labels, answers),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value), name
    if not several:
        assert found["brier"] == pytest.approx(2 * metrics.brier_score_loss(labels, p[:, 1]))
        flipped = scores(labels, p, positive=0)
        assert flipped["f1"] == pytest.approx(metrics.f1_score(labels, answers, pos_label=0))
        assert flipped["auroc"] == pytest.approx(found["auroc"])


def test_calibration_error() -> None:
    sure = np.tile([0.2, 0.8], (10, 1))
    assert scores(np.array([1] * 8 + [0] * 2), sure)["ece"] == pytest.approx(0.0)
    assert scores(np.array([1] * 3 + [0] * 7), sure)["ece"] == pytest.approx(0.5)
    assert np.isnan(scores(np.ones(3, int), sure[:3])["auroc"])


def test_bootstrap_draws_subjects_not_windows() -> None:
    # Every window of a subject is right or wrong together: intervals over windows would be 5
    # times too narrow.
    rng = np.random.default_rng(0)
    subjects = np.repeat(np.array([f"s{n}" for n in range(40)], dtype=object), 26)
    labels = np.tile([0, 1], 520)
    right = np.repeat(rng.random(40) < 0.7, 26)
    p1 = np.where(right == (labels == 1), 0.9, 0.1)
    p = np.stack([1 - p1, p1], axis=1)[None]
    low, high = bootstrap(subjects, labels, p, 500)["balanced_accuracy"]
    expected = 2 * 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / 40)
    assert low < right.mean() < high
    assert high - low == pytest.approx(expected, rel=0.2)
