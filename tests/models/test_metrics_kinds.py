"""Metrics of several classes at once, of numbers, and the Challenge's score."""

import numpy as np
import pytest
import torch
from sklearn import metrics
from torchmetrics import classification, regression

from physiomodels.metrics import challenge, multi_label, number
from physiomodels.metrics.bootstrap import bootstrap, interval
from physioprep.errors import ModelError


def many(n: int = 150, k: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Truth with classes that are not stated, and answers with ties."""
    rng = np.random.default_rng(seed)
    truth = (rng.random((n, k)) < 0.3).astype(np.uint8)
    p = np.round(np.clip(rng.random((n, k)) * 0.7 + 0.3 * truth, 0, 1), 2)
    truth[rng.random((n, k)) < 0.2] = 255
    return truth, p


def test_several_classes_are_scored_as_scikit_learn_scores_what_is_stated() -> None:
    truth, p = many()
    found = multi_label.reported(truth, p)
    each = multi_label.per_class(truth, p, list("abcd"))
    areas, precisions = [], []
    for k, name in enumerate("abcd"):
        stated = truth[:, k] != 255
        areas.append(metrics.roc_auc_score(truth[stated, k], p[stated, k]))
        precisions.append(metrics.average_precision_score(truth[stated, k], p[stated, k]))
        assert each[name]["auroc"] == pytest.approx(areas[-1], abs=1e-9)
        assert each[name]["n_stated"] == stated.sum()
        assert each[name]["n_present"] == (truth[:, k] == 1).sum()
    assert found["auroc"] == pytest.approx(np.mean(areas), abs=1e-9)
    assert found["auprc"] == pytest.approx(np.mean(precisions), abs=1e-9)
    wrong = truth.copy()
    wrong[truth == 255] = 0  # "not stated" taken for "absent" would be seen
    assert multi_label.reported(wrong, p)["auroc"] != pytest.approx(found["auroc"], abs=1e-3)


def test_several_classes_are_scored_as_torchmetrics_does() -> None:
    truth, p = many()
    args = torch.from_numpy(p), torch.from_numpy(truth.astype(np.int64))
    found = multi_label.reported(truth, p)
    for name, judge in (
        ("auroc", classification.MultilabelAUROC(4, ignore_index=255)),
        ("auprc", classification.MultilabelAveragePrecision(4, ignore_index=255)),
    ):
        assert found[name] == pytest.approx(float(judge(*args)), abs=1e-6)


def test_a_class_on_one_side_only_is_left_out() -> None:
    truth, p = many()
    truth[:, 2] = 0
    found = multi_label.per_class(truth, p, list("abcd"))
    assert np.isnan(found["c"]["auroc"])
    some = [0, 1, 3]
    rest = multi_label.reported(truth[:, some], p[:, some])
    assert multi_label.reported(truth, p)["auroc"] == pytest.approx(rest["auroc"])
    truth[:] = 255
    assert np.isnan(list(multi_label.reported(truth, p).values())).all()


def test_f_max_is_the_best_f1_of_mean_precision_and_mean_recall() -> None:
    """By plain loops over windows, as Strodthoff et al. (arXiv 2004.13701) write it."""
    truth, p = many(n=40)
    best = 0.0
    for threshold in range(101):
        precisions, recalls = [], []
        for row, answer in zip(truth, p, strict=True):
            true = {k for k in range(4) if row[k] == 1}
            said = {k for k in range(4) if row[k] != 255 and answer[k] >= threshold / 100}
            if said:
                precisions.append(len(true & said) / len(said))
            if true:
                recalls.append(len(true & said) / len(true))
        if precisions and (total := np.mean(precisions) + np.mean(recalls)):
            best = max(best, 2 * np.mean(precisions) * np.mean(recalls) / total)
    assert 0.5 < best < 1
    assert multi_label.reported(truth, p)["f_max"] == pytest.approx(best, abs=1e-9)
    nothing = multi_label.reported(truth, np.zeros_like(p))["f_max"]  # all said at threshold 0
    assert 0 < nothing < best


def test_draws_of_several_classes_are_those_of_the_drawn_rows() -> None:
    truth, p = many(n=40)
    fast = multi_label.Fast(truth, p)
    rng = np.random.default_rng(3)
    for _ in range(20):
        drawn = rng.integers(0, 40, 40)
        again = multi_label.reported(truth[drawn], p[drawn])
        assert fast(np.bincount(drawn, minlength=40)) == pytest.approx(again, abs=1e-9)


def test_numbers_are_scored_by_scikit_learn_and_torchmetrics() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(50, 10, 200)
    predicted = 0.6 * truth + rng.normal(15, 5, 200)
    found = number.reported(truth, predicted)
    tensors = torch.from_numpy(predicted), torch.from_numpy(truth)
    expected = {
        "pearson": (np.corrcoef(truth, predicted)[0, 1], regression.PearsonCorrCoef()),
        "r2": (metrics.r2_score(truth, predicted), regression.R2Score()),
        "rmse": (
            metrics.mean_squared_error(truth, predicted) ** 0.5,
            regression.MeanSquaredError(squared=False),
        ),
        "mae": (metrics.mean_absolute_error(truth, predicted), regression.MeanAbsoluteError()),
    }
    assert tuple(found) == number.METRICS == tuple(expected)
    for name, (value, judge) in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-9)
        assert found[name] == pytest.approx(float(judge.double()(*tensors)), abs=1e-6)


def test_draws_of_numbers_are_those_of_the_drawn_rows() -> None:
    rng = np.random.default_rng(1)
    truth, predicted = rng.normal(900, 3, (2, 50))
    fast = number.Fast(truth, predicted)
    for _ in range(20):
        drawn = rng.integers(0, 50, 50)
        again = number.reported(truth[drawn], predicted[drawn])
        assert fast(np.bincount(drawn, minlength=50)) == pytest.approx(again, abs=1e-9)
    flat = number.Fast(np.full(5, 0.1), np.arange(5.0))(np.ones(5, int))
    assert np.isnan([flat["pearson"], flat["r2"]]).all()
    assert np.isnan(number.reported(np.full(5, 0.1), np.arange(5.0))["r2"])
    groups = np.repeat(np.array(list("abcdefghij"), object), 5)
    low, high = interval(bootstrap(groups, [fast], 200)["mae"])
    assert low < number.reported(truth, predicted)["mae"] < high


CODES = ["426783006", "164889003", "713427006", "59118001", "270492004"]  # NSR AF CRBBB RBBB IAVB


def plain_challenge_score(labels: list[set[str]], answers: list[set[str]]) -> float:
    """Follow section 2.5 of Perez Alday et al. 2021 by loops over merged classes.

    a_ij sums, over recordings with true class i and answered class j, one over the number of
    classes that are true or answered; the score is sum(w a), scaled so that right answers have 1
    and "sinus rhythm" always has 0.
    """
    weight = {("NSR", "AF"): 0.25, ("NSR", "RBBB"): 0.35, ("NSR", "IAVB"): 0.45,
              ("AF", "RBBB"): 0.4, ("AF", "IAVB"): 0.3, ("RBBB", "IAVB"): 0.4}  # fmt: skip

    def total(said: list[set[str]]) -> float:
        found = 0.0
        for true, answered in zip(labels, said, strict=True):
            for i in true:
                for j in answered:
                    credit = 1.0 if i == j else weight.get((i, j)) or weight[j, i]
                    found += credit / max(1, len(true | answered))
        return found

    normal = total([{"NSR"}] * len(labels))
    return (total(answers) - normal) / (total(labels) - normal)


def test_the_challenge_score_merges_equal_classes_and_gives_partial_credit() -> None:
    names = ["NSR", "AF", "RBBB", "RBBB", "IAVB"]
    rng = np.random.default_rng(0)
    for _ in range(20):
        truth = (rng.random((30, 5)) < 0.3).astype(np.uint8)
        p = rng.random((30, 5))
        labels = [{n for n, v in zip(names, row, strict=True) if v} for row in truth]
        answers = [{n for n, v in zip(names, row, strict=True) if v >= 0.5} for row in p]
        expected = plain_challenge_score(labels, answers)
        credit = challenge.credits(truth, p, CODES)
        assert challenge.score(credit) == pytest.approx(expected, abs=1e-9)
        again = challenge.credits(truth, p, ["NSR", "AF", "CRBBB", "RBBB", "IAVB"])
        assert np.array_equal(credit, again)
    assert challenge.score(challenge.credits(truth, truth.astype(float), CODES)) == 1.0
    normal = np.tile([1.0, 0, 0, 0, 0], (30, 1))
    assert challenge.score(challenge.credits(truth, normal, CODES)) == 0.0


def test_a_recording_that_does_not_state_a_class_has_no_credit() -> None:
    truth = np.array([[1, 0, 0, 0, 0], [0, 1, 255, 0, 0], [0, 1, 0, 0, 0]], np.uint8)
    p = np.array([[1.0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [0, 1, 0, 0, 0]])
    credit = challenge.credits(truth, p, CODES)
    assert np.isnan(credit[1]).all()
    assert challenge.score(credit) == 1.0
    assert np.isnan(challenge.score(credit[1:2]))
    only_af = challenge.credits(truth[:, 1:2], p[:, 1:2], ["AF"])
    assert challenge.score(only_af, np.array([1, 0, 1])) == pytest.approx(1.0)


def test_the_facts_of_the_challenge() -> None:
    facts = challenge.challenge_facts()
    assert len(facts.names) == 26
    assert len(facts.numbers) == 30 + 30  # four pairs of equal classes, codes and abbreviations
    assert facts.weights.shape == (26, 26)
    assert np.array_equal(facts.weights, facts.weights.T)
    assert (np.diag(facts.weights) == 1).all()
    for a, b in (("CLBBB", "LBBB"), ("CRBBB", "RBBB"), ("PAC", "SVPB"), ("PVC", "VPB")):
        assert facts.numbers[a] == facts.numbers[b]
    with pytest.raises(ModelError, match=r"'LBB'; did you mean 'LBBB'"):
        challenge.scored_classes(["AF", "LBB"])
