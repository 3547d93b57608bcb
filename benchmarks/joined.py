"""Does an encoder add to plain features? Embeddings and features joined: cinc2017, rhythm.

    python benchmarks/few_labels.py ../shared/data build/ecg-pretrain/encoder/last \
        -o build/few-labels --arms frozen random features --shares 1.0 --seeds 1
    python benchmarks/joined.py build/few-labels

Trained on the labels of `cinc2017_more`, tested once on the records of `cinc2017`. An arm is also
answered for in five folds of the training records, by which one may choose: among the arms, and of
each its decision, the class with the largest p * share**power. The power (0: classes count alike,
as all models are fitted; more: the rarer, the less often said) is that of the best macro F1 there.
Regressions have the strength of the checks' probe. "random" is the same with random weights, what
a join is worth without pretraining, and is not chosen. Where `few_labels.py` trained encoders
whole, with all labels, their answers are averaged with boosting.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from few_labels import METRICS, WHOLE, classes_of, figures, per_record
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline

import physioprep as pp
from physiomodels.evaluation.plain_models import fitted
from physiomodels.evaluation.rows import mean_of, summary_of
from physiomodels.training.label_probe import linear_probe

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: From training rows and test rows of the inputs to answers.
Arm = Callable[[dict[str, Floats], Ints, dict[str, Floats]], Floats]

FOLDS: Final = 5
POWERS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
BEST_PLAIN: Final = "features, boosted"


def inputs_of(out: Path, name: str) -> tuple[dict[str, Floats], NDArray[np.str_], list[str]]:
    """Return what models are given by name, one row per record, with labels and records."""
    shards = pp.open_shards(out / f"{name}.shards")
    found: dict[str, Floats] = {}
    for key, source, summary in (
        ("features", "features", summary_of),
        ("frozen", "frozen", mean_of),
        ("random", "random-0", mean_of),
    ):
        table = per_record(shards, pd.read_parquet(out / f"{source}-{name}.parquet"), summary)
        labels = table.pop("label_rhythm")
        found[key] = table.to_numpy(np.float64)
    return found, labels.to_numpy(str), table.index.tolist()


def fit_answer(model: str, train: Floats, truth: Ints, test: Floats) -> Floats:
    if model == "logistic":
        found = make_pipeline(SimpleImputer(strategy="median"), linear_probe()).fit(train, truth)
        return np.asarray(found.predict_proba(test), np.float64)
    people = np.arange(len(train)).astype(str).astype(object)
    return fitted("class", train, truth, people, int(truth.max()) + 1, model)(test)


def single(model: str, *names: str) -> Arm:
    """Return an arm of one model, on inputs side by side."""

    def answer(train: dict[str, Floats], truth: Ints, test: dict[str, Floats]) -> Floats:
        a, b = (np.concatenate([held[name] for name in names], axis=1) for held in (train, test))
        return fit_answer(model, a, truth, b)

    return answer


def out_of_fold(arm: Arm, held: dict[str, Floats], truth: Ints) -> Floats:
    """Answer for each row by a model of the other folds."""
    found = np.zeros((len(truth), int(truth.max()) + 1))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    for train, test in folds.split(truth, truth):
        some = [{name: values[rows] for name, values in held.items()} for rows in (train, test)]
        found[test] = arm(some[0], truth[train], some[1])
    return found


def arms_of() -> dict[str, Arm]:
    """Return the arms: of features, of embeddings, and of both."""
    found = {
        "features, logistic": single("logistic", "features"),
        BEST_PLAIN: single("boosted", "features"),
    }
    for name in ("frozen", "random"):
        found |= {
            f"{name}, logistic": single("logistic", name),
            f"{name} + features, logistic": single("logistic", name, "features"),
        }
    return found


def best_power(truth: Ints, p: Floats, classes: list[str]) -> float:
    share = np.bincount(truth) / len(truth)
    return max(POWERS, key=lambda power: figures(truth, p * share**power, classes)[1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path, help="of few_labels.py")
    out = parser.parse_args().out
    train, labels, _ = inputs_of(out, "cinc2017_more")
    test, tested, records = inputs_of(out, "cinc2017")
    classes = sorted(np.unique(labels))
    truth, true = (np.searchsorted(classes, some) for some in (labels, tested))
    folder = out / "joined"
    folder.mkdir(exist_ok=True)
    held: dict[str, dict[str, Any]] = {}
    for name, arm in arms_of().items():
        file = folder / f"{name}.npz"
        if not file.exists():
            found = {"test": arm(train, truth, test)}
            if "random" not in name:
                found["own"] = out_of_fold(arm, train, truth)
            np.savez(file, **found)
            print(name, figures(true, found["test"], classes), flush=True)
        held[name] = dict(np.load(file))
    boosted = held[BEST_PLAIN]
    for name in [name for name in held if name.startswith(("frozen", "random"))]:
        held[f"{name}; averaged with boosted"] = {
            key: (p + boosted[key]) / 2 for key, p in held[name].items()
        }
    for name, p in whole_of(out, records, classes).items():
        held[name] = {"test": p}
        held[f"{name}; averaged with boosted"] = {"test": (p + boosted["test"]) / 2}
    summary(held, truth, true, classes, out)


def whole_of(out: Path, records: list[str], classes: list[str]) -> dict[str, Floats]:
    """Return the answers of encoders trained whole with all labels, of the first seed."""
    found: dict[str, Floats] = {}
    for file in sorted((out / "answers").glob("*_1.0_0.parquet")):
        arm = file.stem.split("_")[0]
        if arm.startswith(WHOLE):
            table = pd.read_parquet(file).loc[records]
            assert classes_of(table) == classes
            found[f"{arm}, whole"] = table.filter(regex="^p_").to_numpy(np.float64)
    return found


def summary(
    held: dict[str, dict[str, Floats]],
    truth: Ints,
    true: Ints,
    classes: list[str],
    out: Path,
    draws: int = 300,
) -> None:
    """Print each arm in the folds of training and on the test, and what it gains on others."""
    share = np.bincount(truth) / len(truth)
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, len(true), len(true)) for _ in range(draws)]
    spread, rows = {}, []
    for name, p in held.items():
        row: dict[str, Any] = {"arm": name}
        row |= dict(zip(METRICS, figures(true, p["test"], classes), strict=True))
        spread[name] = np.array([figures(true[k], p["test"][k], classes) for k in drawn])
        row["interval"] = ends(spread[name][:, 0])
        if "own" in p:
            power = best_power(truth, p["own"], classes)
            own = figures(truth, p["own"] * share**power, classes)
            row |= {"power": power} | {f"folds {m}": v for m, v in zip(METRICS, own, strict=True)}
            row |= {
                f"{metric}, power": value
                for metric, value in zip(
                    METRICS[1:], figures(true, p["test"] * share**power, classes)[1:], strict=True
                )
            }
        rows.append(row)
    for row in rows:
        name = row["arm"]
        without = name.replace("frozen", "random").replace("pretrained", "scratch")
        for key, other in (("less boosted", BEST_PLAIN), ("less without pretraining", without)):
            if other in spread and other != name:
                row[key] = "; ".join(ends(column) for column in (spread[name] - spread[other]).T)
    table = pd.DataFrame(rows)
    table.to_csv(out / "joined.csv", index=False)
    print(table.round(3).T.to_string())


def ends(values: Floats) -> str:
    low, high = np.nanquantile(values, (0.025, 0.975))
    return f"{low:+.3f} to {high:+.3f}"


if __name__ == "__main__":
    main()
