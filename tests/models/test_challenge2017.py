"""The F1 of the Challenge 2017, against scikit-learn and through the evaluation's scoring."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score

from physiomodels.metrics.challenge2017 import score, scored_codes
from physiomodels.metrics.choice import Scoring, choose_metrics, scorer
from physiomodels.metrics.choice import score as score_rows
from physioprep.errors import ModelError

CLASSES = ("af", "noise", "normal", "other")


def rows(n: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, n)
    p = rng.dirichlet(np.ones(4), n) + 0.4 * np.eye(4)[truth]
    table = pd.DataFrame(p / p.sum(1, keepdims=True), columns=[f"p_{code}" for code in range(4)])
    return table.assign(code=truth)


def test_it_is_the_mean_f1_of_three_classes_and_noise_counts_by_its_errors_alone() -> None:
    table = rows()
    truth, said = table["code"].to_numpy(), table.filter(like="p_").to_numpy().argmax(1)
    scored = scored_codes(CLASSES)
    expected = f1_score(truth, said, labels=[0, 2, 3], average="macro")
    assert score(truth, said, scored) == pytest.approx(expected, abs=1e-12)
    assert expected != pytest.approx(f1_score(truth, said, average="macro"), abs=1e-3)
    wrong = np.where(truth == 1, 2, said)  # noise answered as normal: its precision falls
    assert score(truth, wrong, scored) < score(truth, np.where(truth == 1, 1, said), scored)
    assert np.isnan(score(np.array([2, 3]), np.array([2, 3]), scored))  # no atrial fibrillation


def test_an_evaluation_gives_it_and_its_draws_are_those_of_the_drawn_rows() -> None:
    table = rows(60)
    names = choose_metrics(("auroc", "challenge2017"), "class", CLASSES)
    scoring = Scoring("class", CLASSES, 0, names, 10.0)
    fast, rng = scorer(table, scoring), np.random.default_rng(1)
    for _ in range(5):
        drawn = rng.integers(0, 60, 60)
        found = fast(np.bincount(drawn, minlength=60))
        assert found == pytest.approx(score_rows(table.iloc[drawn], scoring), abs=1e-9)


def test_other_names_and_other_classes() -> None:
    assert scored_codes(["N", "A", "O", "~"]).tolist() == [0, 1, 2]
    with pytest.raises(ModelError, match="normal, af and other"):
        choose_metrics(("challenge2017",), "class", ("rest", "arithmetic"))
