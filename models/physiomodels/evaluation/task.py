"""One fold of an evaluation, and the table of its answers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from physiomodels.config import EvaluateConfig
from physiomodels.evaluation.protocol import Fold
from physiomodels.metrics.choice import Scoring
from physiomodels.training.labels import Labels
from physiomodels.training.truth import with_truth

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards


@dataclass(frozen=True, eq=False)
class Calibrating:
    """Windows of other shards that calibrate.

    Parameters
    ----------
    shards : Shards
        Where they are; labels are not asked.
    windows : pandas.DataFrame
        ``window``, ``subject``, ``record_id``, ``start_s``.
    features : dict of str to pandas.DataFrame
        By modality: the baseline's, in the order of `windows`.
    """

    shards: Shards
    windows: pd.DataFrame
    features: dict[str, pd.DataFrame]


@dataclass(frozen=True, eq=False)
class FoldTask:
    """One fold of one repeat.

    Parameters
    ----------
    shards : Shards
        Labelled windows.
    losses : Path
        Folder for the losses of its trainings.
    config : EvaluateConfig
        Label, protocol, training.
    labels : Labels
        Target, and its values for all windows of the shards.
    scoring : Scoring
        Classes and metrics.
    repeat, fold : int
        Numbers.
    windows : pandas.DataFrame
        All evaluated windows: ``window``, ``subject`` (or record), ``code`` ...
    members : pandas.DataFrame
        Windows that belong to each row of `windows`: `physiomodels.evaluation.rows.MEMBERS`.
    split : Fold
        Rows of `windows`.
    encoders : dict of str to str
        By modality: path of the pretrained one.
    features : dict of str to pandas.DataFrame
        By modality: the baseline's, in the order of `members`; of a sequence a row per epoch.
    calibrating : Calibrating or None
        Other windows that calibrate. None: those of `members`.
    device : str
        Where models run.
    """

    shards: Shards
    losses: Path
    config: EvaluateConfig
    labels: Labels
    scoring: Scoring
    repeat: int
    fold: int
    windows: pd.DataFrame
    members: pd.DataFrame
    split: Fold
    encoders: dict[str, str]
    features: dict[str, pd.DataFrame]
    device: str
    calibrating: Calibrating | None = None

    @property
    def n_epochs(self) -> int:
        """Rows of a window.

        Returns
        -------
        int
        """
        return self.labels.target.n_epochs or 1

    @property
    def tested(self) -> NDArray[np.int64]:
        """Rows of `members` that belong to the test.

        Returns
        -------
        ndarray of int64
        """
        return np.flatnonzero(self.members["row"].isin(self.split.test))

    def windows_of(self, rows: NDArray[np.int64]) -> list[int]:
        """Return the numbers of all windows of some rows.

        Parameters
        ----------
        rows : ndarray of int64
            Rows of `windows`.

        Returns
        -------
        list of int
        """
        own = self.members["row"].isin(rows)
        return [int(number) for number in self.members.loc[own, "window"]]


@dataclass(frozen=True)
class Arm:
    """What answers.

    Parameters
    ----------
    modalities : tuple of str
        Signals that it is given.
    weights : str
        "pretrained", "random", "features" or "boosted".
    share : float
        Of the training labels.
    calibration, calibration_windows : str or None
        Method and number of windows; None under other protocols.
    """

    modalities: tuple[str, ...]
    weights: str
    share: float
    calibration: str | None = None
    calibration_windows: str | None = None


def rows_of_arm(task: FoldTask, arm: Arm, answer: pd.DataFrame) -> pd.DataFrame:
    """Put the names of an arm before the truth and the answers.

    Parameters
    ----------
    task : FoldTask
        The fold.
    arm : Arm
        What answered.
    answer : pandas.DataFrame
        Indexed by the test windows.

    Returns
    -------
    pandas.DataFrame
        As `physiomodels.evaluation.arms.predict_fold` returns it.
    """
    rows = truth_of(task, task.windows.iloc[task.split.test], answer)
    if arm.calibration is not None:
        rows.insert(0, "calibration_windows", arm.calibration_windows)
        rows.insert(0, "calibration", arm.calibration)
    rows.insert(0, "label_share", arm.share)
    rows.insert(0, "weights", arm.weights)
    rows.insert(0, "modalities", "+".join(arm.modalities))
    rows.insert(0, "fold", task.fold)
    rows.insert(0, "repeat", task.repeat)
    return rows


def truth_of(task: FoldTask, windows: pd.DataFrame, answer: pd.DataFrame) -> pd.DataFrame:
    """Return windows, or their epochs that have a label, with the truth and the answers.

    Parameters
    ----------
    task : FoldTask
        The fold.
    windows : pandas.DataFrame
        Rows of its windows.
    answer : pandas.DataFrame
        Indexed by window.

    Returns
    -------
    pandas.DataFrame
    """
    return with_truth(task.labels, windows, answer, task.scoring.length_s)
