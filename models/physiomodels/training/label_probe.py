"""A quick probe of a label on frozen embeddings, record by record."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep.errors import ModelError

if TYPE_CHECKING:
    import pandas as pd

_FOLDS: Final = 5
_STRENGTH: Final = 1e-2


def linear_probe() -> Any:
    """Return the probe: logistic regression on standardised features.

    Returns
    -------
    sklearn.pipeline.Pipeline
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        StandardScaler(),
        LogisticRegression(C=_STRENGTH, class_weight="balanced", max_iter=2000),
    )


def label_probe(
    vectors: NDArray[np.float64], windows: pd.DataFrame, label: str
) -> dict[str, float]:
    """Score a probe of a label on the means of records, in folds that keep records apart.

    Parameters
    ----------
    vectors : ndarray of float64, shape (window, feature)
        Embeddings.
    windows : pandas.DataFrame
        The window manifest's rows, in the same order.
    label : str
        ``label_...`` column with one class per window; the first one where it is a list.

    Returns
    -------
    dict of str to float
        ``label``: AUROC, the mean over classes, each against the others. Classes with fewer
        records than folds are left out; empty where fewer than two classes are left.

    Raises
    ------
    ModelError
        If the shards have no such label.
    """
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    if label not in windows:
        raise ModelError(f"checks: the shards have no {label}")
    record = (windows["corpus"].astype(str) + "/" + windows["record_id"].astype(str)).to_numpy(str)
    _, first, own, count = np.unique(
        record, return_index=True, return_inverse=True, return_counts=True
    )
    means = np.zeros((len(first), vectors.shape[1]))
    np.add.at(means, own, vectors)
    means /= count[:, None]
    truth = np.array([_class(value) for value in windows[label].iloc[first]], dtype=object)
    names, number = np.unique([name for name in truth if name is not None], return_counts=True)
    names = names[number >= _FOLDS]
    if len(names) < 2:
        return {}
    kept = np.isin(truth.astype(str), names) & (truth != None)  # noqa: E711
    classes = truth[kept].astype(str)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a probe that has not quite converged
        given = cross_val_predict(
            linear_probe(), means[kept], classes, cv=folds, method="predict_proba"
        )
    if len(names) == 2:
        return {"label": float(roc_auc_score(classes == names[1], given[:, 1]))}
    return {"label": float(roc_auc_score(classes, given, multi_class="ovr", average="macro"))}


def _class(value: Any) -> str | None:
    if isinstance(value, (list, tuple, np.ndarray)):
        return str(value[0]) if len(value) == 1 else None
    return None if value is None or value != value else str(value)
