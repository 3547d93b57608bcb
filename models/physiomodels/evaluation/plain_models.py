"""What answers from plain features: logistic and ridge regression, and gradient boosting."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physiomodels.training.kinds import NOT_STATED

Floats = NDArray[np.float64]

#: What answers, by the name of its arm.
MODELS: Final = ("features", "boosted")
#: Strengths of the regularisation to choose from, inside the training windows.
STRENGTHS = (1e-3, 1e-2, 1e-1)
#: Penalties of ridge regression to choose from.
PENALTIES = (1.0, 10.0, 100.0, 1000.0)
_WITHOUT_CHOICE = 1e-2  # where too few labels are left for a choice
_LEAF = 20  # windows of a leaf, scikit-learn's own; of few windows a tenth of them
_ITERATIONS = 100


def answer(
    kind: str,
    train: Floats,
    truth: NDArray[Any],
    subjects: NDArray[np.object_],
    test: Floats,
    n_outputs: int,
    model: str = "features",
) -> Floats:
    """Fit a plain model to a kind of target, and answer the test windows.

    Parameters
    ----------
    kind : {"class", "classes", "number"}
        One class by one model; several by one each, against all windows that state its absence.
    train : ndarray of float64, shape (window, feature)
        Features of the training windows; NaN where missing.
    truth : ndarray, shape (window,) or (window, class)
        Of the training windows: codes, flags (255 not stated) or numbers.
    subjects : ndarray of str, shape (window,)
        Of the training windows.
    test : ndarray of float64, shape (window, feature)
        Features of the test windows.
    n_outputs : int
        Columns of the result.
    model : {"features", "boosted"}
        `logistic` or, of a number, `ridge`; or gradient boosting (`boosted`, `boosted_number`).

    Returns
    -------
    ndarray of float64, shape (window, output)
        Probabilities, or numbers. A class that all training windows have, or none, has that
        share.
    """
    if kind == "number":
        number = boosted_number if model == "boosted" else ridge
        return number(train, truth.astype(np.float64), subjects, test)[:, None]
    classify = boosted if model == "boosted" else logistic
    if kind == "class":
        return classify(train, truth, subjects, test, n_outputs)
    found = np.zeros((len(test), n_outputs))
    for code in range(n_outputs):
        stated = truth[:, code] != NOT_STATED
        flags = truth[stated, code].astype(np.int64)
        if len(np.unique(flags)) < 2:
            found[:, code] = flags[0] if len(flags) else 0.0
        else:
            alone = classify(train[stated], flags, subjects[stated], test, 2)
            found[:, code] = alone[:, 1]
    return found


def ridge(train: Floats, truth: Floats, subjects: NDArray[np.object_], test: Floats) -> Floats:
    """Fit ridge regression and predict the test windows.

    Missing values are replaced by the training median, features are standardised. The strength of
    the penalty is chosen by cross-validation over the training subjects, where there are at least
    two; else it is 1.

    Parameters
    ----------
    train, truth, subjects, test
        As for `answer`; `truth` are numbers.

    Returns
    -------
    ndarray of float64, shape (window,)
    """
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV, GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    model: Any = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler(), Ridge(1.0)
    )
    people = subjects.astype(str)
    n_people = len(np.unique(people))
    if n_people > 1:
        folds = list(GroupKFold(min(3, n_people)).split(train, truth, people))
        grid = {"ridge__alpha": PENALTIES}
        model = GridSearchCV(model, grid, scoring="neg_mean_squared_error", cv=folds)
    with threadpool_limits(1):
        model.fit(train, truth)
    return np.asarray(model.predict(test), np.float64)


def logistic(
    train: NDArray[np.float64],
    labels: NDArray[np.int64],
    subjects: NDArray[np.object_],
    test: NDArray[np.float64],
    n_classes: int,
) -> NDArray[np.float64]:
    """Fit logistic regression and return class probabilities of the test windows.

    Missing values are replaced by the training median, features are standardised, and classes have
    equal weight. The strength of the L2 penalty is chosen by cross-validation over the training
    subjects, where at least two folds of three have every class on both sides; else it is 1e-2.

    Parameters
    ----------
    train : ndarray of float64, shape (window, feature)
        Features of the training windows; NaN where missing.
    labels : ndarray of int64, shape (window,)
        Codes of the training windows.
    subjects : ndarray of str, shape (window,)
        Of the training windows.
    test : ndarray of float64, shape (window, feature)
        Features of the test windows.
    n_classes : int
        Columns of the result.

    Returns
    -------
    ndarray of float64, shape (window, class)
        Probabilities; 0 for a class that has no training window.
    """
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, GroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    pipeline = make_pipeline(
        SimpleImputer(strategy="median", keep_empty_features=True),  # one that no window has
        StandardScaler(),
        LogisticRegression(class_weight="balanced", max_iter=10_000),
    )
    people = subjects.astype(str)
    n_people, n_known = len(np.unique(people)), len(np.unique(labels))
    folds = []
    if n_people > 1:
        splits = GroupKFold(min(3, n_people)).split(train, labels, people)
        folds = [
            split for split in splits if all(len(np.unique(labels[s])) == n_known for s in split)
        ]
    model: Any = pipeline.set_params(logisticregression__C=_WITHOUT_CHOICE)
    if len(folds) > 1:
        grid = {"logisticregression__C": STRENGTHS}
        model = GridSearchCV(pipeline, grid, scoring="neg_log_loss", cv=folds)
    with threadpool_limits(1):  # threads cost more than they gain on so little
        model.fit(train, labels)
    answer = np.zeros((len(test), n_classes))
    answer[:, model.classes_] = model.predict_proba(test)
    return answer


def boosted(
    train: Floats,
    labels: NDArray[np.int64],
    subjects: NDArray[np.object_],
    test: Floats,
    n_classes: int,
) -> Floats:
    """Fit gradient boosting and return class probabilities of the test windows.

    scikit-learn's HistGradientBoostingClassifier as it comes, 100 rounds without early stopping,
    with classes of equal weight; of fewer than 200 windows a leaf holds a tenth of them at least.
    It takes missing values as they are.

    Parameters
    ----------
    train, labels, subjects, test, n_classes
        As for `logistic`; subjects are not asked, for nothing is chosen.

    Returns
    -------
    ndarray of float64, shape (window, class)
        Probabilities; 0 for a class that has no training window.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    found = np.zeros((len(test), n_classes))
    if len(np.unique(labels)) < 2:
        found[:, labels[0]] = 1.0
        return found
    model = HistGradientBoostingClassifier(
        max_iter=_ITERATIONS, early_stopping=False, class_weight="balanced",
        min_samples_leaf=_leaf(len(train)), random_state=0,
    )  # fmt: skip
    train, test = _without_unknown(train, test)
    with threadpool_limits(1):
        model.fit(train, labels)
        found[:, model.classes_] = model.predict_proba(test)
    return found


def boosted_number(
    train: Floats, truth: Floats, subjects: NDArray[np.object_], test: Floats
) -> Floats:
    """Fit gradient boosting of a number and predict the test windows.

    Parameters
    ----------
    train, truth, subjects, test
        As for `ridge`; settings are those of `boosted`.

    Returns
    -------
    ndarray of float64, shape (window,)
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingRegressor(
        max_iter=_ITERATIONS, early_stopping=False, min_samples_leaf=_leaf(len(train)),
        random_state=0,
    )  # fmt: skip
    train, test = _without_unknown(train, test)
    with threadpool_limits(1):
        model.fit(train, truth)
        return np.asarray(model.predict(test), np.float64)


def _without_unknown(train: Floats, test: Floats) -> tuple[Floats, Floats]:
    """Leave out features that no training window has: scikit-learn finds no bins for them."""
    known = np.isfinite(train).any(axis=0)
    if not known.any():
        return np.zeros((len(train), 1)), np.zeros((len(test), 1))
    return train[:, known], test[:, known]


def _leaf(n_windows: int) -> int:
    return max(1, min(_LEAF, n_windows // 10))
