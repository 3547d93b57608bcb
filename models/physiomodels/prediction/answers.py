"""Answers of a model as tables: a row per window, and a row per record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physiomodels.prediction.windows import absent_of, faults_of
from physiomodels.training.predict import predict

if TYPE_CHECKING:
    import pandas as pd

    from physiomodels.training.classifier import Classifier
    from physiomodels.training.inputs import ModelInputs
    from physioprep.shards import Shards

#: What stands before the answers, per record and per window.
OF_RECORD: Final = ("source", "record_id", "path", "windows", "windows_left_out", "quality")
OF_WINDOW: Final = ("source", "record_id", "path", "start_s", "quality")
#: From which probability on a class is answered, of several at once, where none was chosen.
HALF: Final = 0.5
#: Between the classes of a decision.
_AND: Final = "; "


def answer_columns(classifier: Classifier) -> list[str]:
    """Return the columns of a model's answers.

    Parameters
    ----------
    classifier : Classifier

    Returns
    -------
    list of str
        ``p_CLASS`` each, or ``predicted``; then ``decision``, and of several classes at once
        ``threshold``.
    """
    kind = classifier.model.kind
    if kind == "number":
        return ["predicted"]
    named = [f"p_{name}" for name in classifier.classes]
    return [*named, "decision", *(["threshold"] if kind == "classes" else [])]


def window_answers(
    classifier: Classifier, shards: Shards, inputs: ModelInputs, device: str | None
) -> pd.DataFrame:
    """Answer the windows of shards.

    Parameters
    ----------
    classifier : Classifier
        The model.
    shards : Shards
        Opened.
    inputs : ModelInputs
        How its training windows were made.
    device : str or None
        Where it runs.

    Returns
    -------
    pandas.DataFrame
        ``corpus``, ``record_id``, ``start_s``, ``quality`` (share of samples that are not
        missing, in the worst channel), ``absent``, ``error``, and `answer_columns`, null where a
        window is not answered. In the order of records and time; of a sequence a row per epoch.
    """
    faults, absent = faults_of(shards, inputs), absent_of(shards, inputs)
    table = shards.windows[["window", "corpus", "record_id", "start_s", "quality"]].assign(
        absent=absent, error=faults
    )
    good = table.loc[table["error"].isna(), "window"].tolist()
    n_epochs = classifier.model.n_epochs
    if n_epochs is not None:
        length_s = inputs.spec.window_s / n_epochs
        table = table.loc[table.index.repeat(n_epochs)].reset_index(drop=True)
        table["epoch"] = np.tile(np.arange(n_epochs), len(table) // n_epochs)
        table["start_s"] += table["epoch"] * length_s
    keys = ["window"] if n_epochs is None else ["window", "epoch"]
    if good:
        answers = predict(
            classifier.model, shards, where=f"window in {good}", device=device
        ).rename(columns={f"p_{n}": f"p_{name}" for n, name in enumerate(classifier.classes)})
        table = table.merge(answers, how="left", on=keys)
    table = table.sort_values(["corpus", "record_id", "start_s"], kind="stable")
    return decided(table.drop(columns=keys).reset_index(drop=True), classifier)


def record_answers(windows: pd.DataFrame, classifier: Classifier) -> pd.DataFrame:
    """Answer records by the mean of their windows' answers.

    Parameters
    ----------
    windows : pandas.DataFrame
        From `window_answers`, of no sequence.
    classifier : Classifier
        The model.

    Returns
    -------
    pandas.DataFrame
        ``corpus``, ``record_id``, ``windows`` (that answer), ``windows_left_out``, ``quality``
        (mean of the windows that answer), ``absent``, ``error`` (where no window answers), and
        `answer_columns`.
    """
    import pandas as pd

    means = [name for name in answer_columns(classifier) if name not in ("decision", "threshold")]
    rows = []
    for (corpus, record), held in windows.groupby(["corpus", "record_id"], sort=False):
        answered = held[held["error"].isna()]
        row: dict[str, Any] = {
            "corpus": corpus,
            "record_id": record,
            "windows": len(answered),
            "windows_left_out": len(held) - len(answered),
            "quality": answered["quality"].mean() if len(answered) else held["quality"].mean(),
            "absent": _together(answered if len(answered) else held),
            "error": None if len(answered) else _why(held),
        }
        if len(answered):
            row |= {name: float(answered[name].mean()) for name in means}
        rows.append(row)
    return decided(pd.DataFrame(rows), classifier)


def decided(table: pd.DataFrame, classifier: Classifier) -> pd.DataFrame:
    """Add what probabilities decide.

    Parameters
    ----------
    table : pandas.DataFrame
        With the probabilities, null or absent where there is no answer.
    classifier : Classifier
        The model: its classes and threshold.

    Returns
    -------
    pandas.DataFrame
        All of `answer_columns`.
    """
    kind, classes = classifier.model.kind, classifier.classes
    names = [f"p_{name}" for name in classes] if kind != "number" else ["predicted"]
    table = table.reindex(columns=[*table.columns, *(n for n in names if n not in table)])
    for name in names:
        table[name] = table[name].astype("float64")
    if kind == "number":
        return table
    given: NDArray[np.float64] = table[names].to_numpy(np.float64)
    known = np.isfinite(given).all(axis=1)
    decision = np.full(len(table), None, object)
    if kind == "class":
        decision[known] = np.array(classes, object)[given[known].argmax(axis=1)]
    else:
        threshold = HALF if classifier.threshold is None else classifier.threshold
        table["threshold"] = np.where(known, threshold, np.nan)
        decision[known] = [
            _AND.join(name for name, said in zip(classes, row, strict=True) if said)
            for row in given[known] >= threshold
        ]
    return table.assign(decision=decision)


def stacked(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of several tables as one; pandas is at odds with itself on empty columns.

    Parameters
    ----------
    frames : sequence of pandas.DataFrame
        Columns may differ.

    Returns
    -------
    pandas.DataFrame
        Columns in the order in which they come; null where a table lacks one.
    """
    import pandas as pd

    columns = dict.fromkeys(name for frame in frames for name in frame.columns)
    rows = [row for frame in frames for row in frame.to_dict("records")]
    return pd.DataFrame(rows, columns=list(columns))


def _together(windows: pd.DataFrame) -> str:
    """Return the channels that any of some windows lacks."""
    texts: Mapping[str, None] = dict.fromkeys(windows["absent"])
    return ", ".join(dict.fromkeys(name for text in texts if text for name in text.split(", ")))


def _why(windows: pd.DataFrame) -> str:
    counts = windows["error"].value_counts()
    said = ", ".join(f"{count} {reason}" for reason, count in counts.items())
    return f"no good window of {len(windows)}: {said}"
