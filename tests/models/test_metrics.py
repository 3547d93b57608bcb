import numpy as np
import pytest
import torch
from sklearn import metrics
from torchmetrics import classification as tm

from physiomodels.metrics.bootstrap import Floats, Ints, Texts, interval, seed_interval
from physiomodels.metrics.bootstrap import bootstrap as bootstrap_of
from physiomodels.metrics.one_class import METRICS, Fast, ranking, reported, scores


def bootstrap(
    groups: Texts, labels: Ints, repeats: Floats, draws: int, seed: int = 0
) -> dict[str, Floats]:
    """Return the draws of each metric of one class."""
    return bootstrap_of(groups, [Fast(labels, p) for p in repeats], draws, seed)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("never", [None, 1, "said"])
def test_the_fast_path_is_scikit_learn(n_classes: int, never: int | str | None) -> None:
    """Also where a class is never true, or never true nor answered."""
    rng = np.random.default_rng(7)
    for _ in range(20):
        labels = rng.integers(0, n_classes, 60)
        p = np.round(rng.dirichlet(np.ones(n_classes), 60), 1)
        if never is not None:
            labels[labels == 1] = 0
        if never == "said":
            p[:, 1] = 0
        fast, slow = scores(labels, p), reported(labels, p)
        assert tuple(fast) == tuple(slow) == METRICS
        for name, value in slow.items():
            assert fast[name] == pytest.approx(value, abs=1e-6, nan_ok=True), name


@pytest.mark.parametrize("n_classes", [2, 4])
def test_scores_are_those_of_torchmetrics(n_classes: int) -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, n_classes, 300)
    p = rng.dirichlet(np.ones(n_classes), 300) + 0.3 * np.eye(n_classes)[labels]
    p /= p.sum(1, keepdims=True)
    found, many = reported(labels, p), {"num_classes": n_classes}
    answer, truth = torch.from_numpy(p), torch.from_numpy(labels)
    judges = {
        "accuracy": tm.MulticlassAccuracy(**many, average="micro"),
        "balanced_accuracy": tm.MulticlassAccuracy(**many, average="macro"),
        "kappa": tm.MulticlassCohenKappa(**many),
        "macro_f1": tm.MulticlassF1Score(**many, average="macro"),
        "weighted_f1": tm.MulticlassF1Score(**many, average="weighted"),
        "auroc": tm.MulticlassAUROC(**many, average="macro"),
        "ece": tm.MulticlassCalibrationError(**many, n_bins=10, norm="l1"),
    }
    if n_classes > 2:
        judges["auprc"] = tm.MulticlassAveragePrecision(**many, average="macro")
    for name, judge in judges.items():
        assert found[name] == pytest.approx(float(judge(answer, truth)), abs=1e-6), name


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
        "accuracy": metrics.accuracy_score(labels, answers),
        "macro_f1": metrics.f1_score(labels, answers, average="macro"),
        "weighted_f1": metrics.f1_score(labels, answers, average="weighted"),
    }
    assert tuple(found) == METRICS
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
    low, high = interval(bootstrap(subjects, labels, p, 500)["balanced_accuracy"])
    expected = 2 * 1.96 * np.sqrt(right.mean() * (1 - right.mean()) / 40)
    assert low < right.mean() < high
    assert high - low == pytest.approx(expected, rel=0.2)


def test_bootstrap_of_like_subjects_has_no_spread_and_of_two_three_values() -> None:
    subjects = np.array(["a"] * 4 + ["b"] * 4, dtype=object)
    labels = np.tile([0, 1], 4)
    good = np.where(labels == 1, 0.9, 0.1)
    like = np.stack([1 - good, good], axis=1)
    for values in bootstrap(subjects, labels, like[None], 50).values():
        assert np.ptp(values) == 0
    mixed = like.copy()
    mixed[4:] = mixed[4:, ::-1]  # all of b's windows wrong
    found = bootstrap(subjects, labels, mixed[None], 400)["balanced_accuracy"]
    share = [np.mean(found == value) for value in (0.0, 0.5, 1.0)]
    assert np.allclose(share, (0.25, 0.5, 0.25), atol=0.08)  # both drawn twice, or one each
    # the same seed draws the same people: differences are of pairs
    again = bootstrap(subjects, labels, mixed[None], 400)["balanced_accuracy"]
    assert np.array_equal(found, again)
    both = bootstrap(subjects, labels, np.stack([like, mixed]), 400)["balanced_accuracy"]
    assert np.allclose(both, (1 + found) / 2)


def test_bootstrap_leaves_out_draws_without_a_class() -> None:
    subjects = np.array(["a", "b", "c"], dtype=object)
    p = np.tile([[0.4, 0.6]], (3, 1))
    found = bootstrap(subjects, np.array([0, 1, 1]), p[None], 300)
    assert 0 < len(found["auroc"]) < 300
    assert np.isfinite(found["auroc"]).all()
    assert bootstrap(subjects, np.array([0, 1, 1]), p[None], 0) == {}
    assert np.isnan(interval(np.array([]))).all()
    assert interval(np.array([np.nan, 2.0, np.nan])) == (2.0, 2.0)


def test_ranking_counts_ties_as_scikit_learn_does() -> None:
    rng = np.random.default_rng(4)
    for _ in range(50):
        positive = rng.random(30) < 0.4
        positive[:2] = True, False
        score = rng.integers(0, 5, 30) / 4
        area, precision = ranking(positive, score)
        assert area == pytest.approx(metrics.roc_auc_score(positive, score))
        assert precision == pytest.approx(metrics.average_precision_score(positive, score))


def test_interval_over_seeds_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    ends = np.array([seed_interval(rng.normal(0.8, 0.05, 3)) for _ in range(2000)])
    covered = np.mean((ends[:, 0] < 0.8) & (ends[:, 1] > 0.8))
    assert covered == pytest.approx(0.95, abs=0.02)
    assert np.isnan(seed_interval(np.array([0.7]))).all()
