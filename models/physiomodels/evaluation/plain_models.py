"""What answers from plain features: logistic and ridge regression, and gradient boosting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from physiomodels.training.kinds import NOT_STATED

Floats = NDArray[np.float64]
#: From features of windows to their answers.
Predict = Callable[[Floats], Floats]

#: What answers, by the name of its arm.
MODELS: Final = ("features", "boosted")
#: Strengths of the regularisation to choose from, inside the training windows.
STRENGTHS = (1e-3, 1e-2, 1e-1)
#: Penalties of ridge regression to choose from.
PENALTIES = (1.0, 10.0, 100.0, 1000.0)
_WITHOUT_CHOICE = 1e-2  # where too few labels are left for a choice
_LEAF = 20  # windows of a leaf, scikit-learn's own; of few windows a tenth of them
_ITERATIONS = 100


def fitted(
    kind: str,
    train: Floats,
    truth: NDArray[Any],
    subjects: NDArray[np.object_],
    n_outputs: int,
    model: str = "features",
) -> Predict:
    """Fit a plain model to a kind of target.

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
    n_outputs : int
        Columns of an answer.
    model : {"features", "boosted"}
        `logistic` or, of a number, `ridge`; or gradient boosting (`boosted`, `boosted_number`).

    Returns
    -------
    callable
        From features to (window, output): probabilities, or numbers. A class that all training
        windows have, or none, has that share.
    """
    if kind == "number":
        number = (boosted_number if model == "boosted" else ridge)(
            train, truth.astype(np.float64), subjects
        )
        return lambda test: number(test)[:, None]
    classify = boosted if model == "boosted" else logistic
    if kind == "class":
        return classify(train, truth, subjects, n_outputs)
    alone: list[Predict] = []
    for code in range(n_outputs):
        stated = truth[:, code] != NOT_STATED
        flags = truth[stated, code].astype(np.int64)
        if len(np.unique(flags)) < 2:
            alone.append(_always(float(flags[0]) if len(flags) else 0.0))
        else:
            alone.append(_second(classify(train[stated], flags, subjects[stated], 2)))
    return lambda test: np.stack([predict(test) for predict in alone], axis=1)


def _always(share: float) -> Predict:
    return lambda test: np.full(len(test), share)


def _second(classify: Predict) -> Predict:
    return lambda test: classify(test)[:, 1]


def ridge(train: Floats, truth: Floats, subjects: NDArray[np.object_]) -> Predict:
    """Fit ridge regression.

    Missing values are replaced by the training median, features are standardised. The strength of
    the penalty is chosen by cross-validation over the training subjects, where there are at least
    two; else it is 1.

    Parameters
    ----------
    train, truth, subjects
        As for `fitted`; `truth` are numbers.

    Returns
    -------
    callable
        From features to numbers, (window,).
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
    return lambda test: np.asarray(model.predict(test), np.float64)


def logistic(
    train: Floats, labels: NDArray[np.int64], subjects: NDArray[np.object_], n_classes: int
) -> Predict:
    """Fit logistic regression.

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
    n_classes : int
        Columns of an answer.

    Returns
    -------
    callable
        From features to probabilities, (window, class); 0 for a class that has no training window.
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
    return _probabilities(model, n_classes)


def _probabilities(model: Any, n_classes: int) -> Predict:
    def predict(test: Floats) -> Floats:
        from threadpoolctl import threadpool_limits

        found = np.zeros((len(test), n_classes))
        with threadpool_limits(1):
            found[:, model.classes_] = model.predict_proba(test)
        return found

    return predict


def boosted(
    train: Floats, labels: NDArray[np.int64], subjects: NDArray[np.object_], n_classes: int
) -> Predict:
    """Fit gradient boosting.

    scikit-learn's HistGradientBoostingClassifier as it comes, 100 rounds without early stopping,
    with classes of equal weight; of fewer than 200 windows a leaf holds a tenth of them at least.
    It takes missing values as they are.

    Parameters
    ----------
    train, labels, subjects, n_classes
        As for `logistic`; subjects are not asked, for nothing is chosen.

    Returns
    -------
    callable
        From features to probabilities, (window, class); 0 for a class that has no training window.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    if len(np.unique(labels)) < 2:
        only = np.eye(n_classes)[labels[0]]
        return lambda test: np.tile(only, (len(test), 1))
    model = HistGradientBoostingClassifier(
        max_iter=_ITERATIONS, early_stopping=False, class_weight="balanced",
        min_samples_leaf=_leaf(len(train)), random_state=0,
    )  # fmt: skip
    known = _known(train)
    with threadpool_limits(1):
        model.fit(known(train), labels)
    predict = _probabilities(model, n_classes)
    return lambda test: predict(known(test))


def boosted_number(train: Floats, truth: Floats, subjects: NDArray[np.object_]) -> Predict:
    """Fit gradient boosting of a number.

    Parameters
    ----------
    train, truth, subjects
        As for `ridge`; settings are those of `boosted`.

    Returns
    -------
    callable
        From features to numbers, (window,).
    """
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingRegressor(
        max_iter=_ITERATIONS, early_stopping=False, min_samples_leaf=_leaf(len(train)),
        random_state=0,
    )  # fmt: skip
    known = _known(train)
    with threadpool_limits(1):
        model.fit(known(train), truth)

    def predict(test: Floats) -> Floats:
        with threadpool_limits(1):
            return np.asarray(model.predict(known(test)), np.float64)

    return predict


def _known(train: Floats) -> Predict:
    """Return what leaves out features that no training window has: scikit-learn has no bins."""
    known = np.isfinite(train).any(axis=0)
    if not known.any():
        return lambda values: np.zeros((len(values), 1))
    return lambda values: values[:, known]


def _leaf(n_windows: int) -> int:
    return max(1, min(_LEAF, n_windows // 10))
