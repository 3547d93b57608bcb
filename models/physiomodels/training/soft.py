"""Targets of a training: labels as they are, or softened: by mixup, or by a teacher's answers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from physiomodels.training.kinds import KINDS, NOT_STATED
from physiomodels.training.labels import Labels
from physioprep.errors import ModelError
from physioprep.hashes import read_regular
from physioprep.local_path import local_path
from physioprep.stream.augment import mix_labels

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards

_KEY: Final = b"physioprep.pseudo_labels"


@dataclass(frozen=True, eq=False)
class Pseudo:
    """Labels that a teacher gave.

    Parameters
    ----------
    windows : ndarray of int64, shape (window,)
        Numbers of the windows.
    answers : ndarray of float32, shape (window, output), or (window, epoch, output)
        Probabilities, or numbers.
    weights : ndarray of float32, shape (window,)
        How much each counts; a label counts 1.
    """

    windows: NDArray[np.int64]
    answers: NDArray[np.float32]
    weights: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Targets:
    """What windows are to answer, by their numbers, and what is lost if they do not.

    Parameters
    ----------
    kind : {"class", "classes", "number"}
        Of the target.
    truth : Tensor, shape (window, ...)
        Codes, flags, or deviations of a number.
    class_weights : Tensor or None
        By class.
    soft : Tensor of float32, shape (window, ..., output), or None
        Shares instead of codes; NaN where nothing is known.
    weight : Tensor of float32, shape (window,), or None
        How much a window counts.
    """

    kind: str
    truth: Tensor
    class_weights: Tensor | None
    soft: Tensor | None = None
    weight: Tensor | None = None

    def loss(self, outputs: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """Return the loss of a batch.

        Parameters
        ----------
        outputs : Tensor, shape (batch, ..., output)
            Of the model.
        batch : mapping of str to Tensor
            ``index``; of mixed windows ``mixup_index`` and ``mixup_share``.

        Returns
        -------
        Tensor
            A number.
        """
        kind = KINDS[self.kind]
        if self.soft is None or self.weight is None:
            truth = self.truth[batch["index"]].to(outputs.device)
            return kind.loss(outputs, truth, self.class_weights)
        held = dict(batch)
        soft = mix_labels(self.soft, held).to(outputs.device)
        weight = mix_labels(self.weight, held).to(outputs.device)
        return kind.soft(outputs, soft, weight, self.class_weights)


def soften(
    targets: Targets, n_outputs: int, labelled: NDArray[np.int64], pseudo: Pseudo | None
) -> Targets:
    """Return targets as shares of classes, of labelled windows and of a teacher's.

    Parameters
    ----------
    targets : Targets
        Labels as they are.
    n_outputs : int
        Classes, or 1 of a number.
    labelled : ndarray of int64
        Windows whose labels are used; the label of any other is not looked at.
    pseudo : Pseudo or None
        A teacher's labels; a window that has a label keeps it.

    Returns
    -------
    Targets
    """
    truth, chosen = targets.truth, torch.from_numpy(labelled)
    wide = truth.shape if targets.kind == "classes" else (*truth.shape, n_outputs)
    soft = torch.full(wide, float("nan"))
    weight = torch.zeros(len(truth))
    weight[chosen] = 1.0
    held = truth[chosen]
    if targets.kind == "class":
        shares = torch.nn.functional.one_hot(held.clamp(min=0), n_outputs).float()
        soft[chosen] = shares.masked_fill((held < 0)[..., None], float("nan"))
    elif targets.kind == "classes":
        soft[chosen] = held.float().masked_fill(held == NOT_STATED, float("nan"))
    else:
        soft[chosen] = held[..., None].float()
    if pseudo is not None:
        new = ~np.isin(pseudo.windows, labelled)
        told = torch.from_numpy(pseudo.windows[new])
        soft[told] = torch.from_numpy(pseudo.answers[new])
        weight[told] = torch.from_numpy(pseudo.weights[new])
    return Targets(targets.kind, truth, targets.class_weights, soft, weight)


def pseudo_labels(
    answers: pd.DataFrame, kind: str, *, least: float = 0.0, temperature: float = 1.0
) -> pd.DataFrame:
    """Make labels of a teacher's answers.

    Parameters
    ----------
    answers : pandas.DataFrame
        From `physiomodels.predict`.
    kind : {"class", "classes", "number"}
        Of the target.
    least : float
        Windows that are answered with less confidence are left out: the largest probability of one
        class; of several at once the mean distance of each from an even chance, 0 to 1. Of a
        sequence, the mean over its epochs.
    temperature : float
        Below 1 probabilities of one class are sharpened: ``p ** (1 / temperature)``, normalised.

    Returns
    -------
    pandas.DataFrame
        As `answers`, with ``weight``: the confidence; 1 of a number, which has none.
    """
    columns = _columns(answers)
    values = answers[columns].to_numpy(np.float64)
    if kind == "class":
        confidence = values.max(1)
        values = values ** (1 / temperature)
        values /= values.sum(1, keepdims=True)
    elif kind == "classes":
        confidence = np.abs(2 * values - 1).mean(1)
    else:
        confidence = np.ones(len(values))
    found = answers.copy()
    found[columns] = values
    found["weight"] = confidence
    found["weight"] = found.groupby("window")["weight"].transform("mean")
    return found[found["weight"] >= least].reset_index(drop=True)


def write_pseudo(
    path: Path, table: pd.DataFrame, shards: Shards, label: str, classes: Sequence[str], kind: str
) -> None:
    """Write labels of a teacher, with what they are of.

    Parameters
    ----------
    path : Path
        A Parquet file.
    table : pandas.DataFrame
        From `pseudo_labels`.
    shards : Shards
        Whose windows the numbers are.
    label : str
        What is labelled.
    classes : sequence of str
        By column ``p_0``, ``p_1`` ...
    kind : str
        Of the target.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    from physioprep.atomic import temporary_file

    about = _about(shards, label, classes, kind)
    held = pa.Table.from_pandas(table, preserve_index=False)
    held = held.replace_schema_metadata({_KEY: json.dumps(about).encode()})
    with temporary_file(path) as temporary:
        pq.write_table(held, temporary)


def check_pseudo_output(path: Path, *, overwrite: bool) -> None:
    """Refuse to replace a file: at all, or where it holds something else.

    Parameters
    ----------
    path : Path
        For `write_pseudo`.
    overwrite : bool
        Older labels of a teacher may be replaced.

    Raises
    ------
    ModelError
        There is such a file.
    """
    if not path.exists():
        return
    if not overwrite:
        raise ModelError(f"{path}: exists; overwrite it (--overwrite) or choose another name")
    _read(path)


def _read(path: Path) -> tuple[Any, dict[str, Any]]:
    """Return the table of a file, and what its labels are of.

    Raises
    ------
    ModelError
        It holds something else.
    """
    import io

    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(io.BytesIO(read_regular(path)))
        about = json.loads((table.schema.metadata or {})[_KEY])
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise ModelError(f"{path}: no labels of a teacher ({type(error).__name__})") from error
    if not isinstance(about, dict):
        raise ModelError(f"{path}: no labels of a teacher")
    return table, about


def read_pseudo(path: str | Path, shards: Shards, labels: Labels) -> Pseudo:
    """Read what `write_pseudo` wrote.

    Parameters
    ----------
    path : path-like
        The Parquet file.
    shards : Shards
        Opened.
    labels : Labels
        What is to be trained, with its classes.

    Returns
    -------
    Pseudo

    Raises
    ------
    ModelError
        There are no such labels, or they are of other shards, of another label or other classes.
    """
    path = local_path(path, ModelError)
    table, about = _read(path)
    wanted = _about(shards, labels.target.name, labels.classes, labels.target.kind)
    for key, value in wanted.items():
        if about.get(key) != value:
            raise ModelError(f"{path}: {key} is {about.get(key)!s:.80}, not {value!s:.80}")
    frame = table.to_pandas()
    columns = _columns(frame)
    order = ["window", "epoch"] if "epoch" in frame else ["window"]
    frame = frame.sort_values(order, kind="stable")
    windows, first = np.unique(frame["window"].to_numpy(np.int64), return_index=True)
    answers = frame[columns].to_numpy(np.float32)
    if "epoch" in frame:
        answers = answers.reshape(len(windows), -1, len(columns))
    weights = frame["weight"].to_numpy(np.float32)[first]
    usable = np.isfinite(answers).all() and np.isfinite(weights).all() and (weights >= 0).all()
    inside = len(windows) > 0 and windows[0] >= 0 and windows[-1] < shards.n_windows
    if not (usable and inside and len(answers) == len(windows)):
        raise ModelError(f"{path}: no answers and weights of windows 0 to {shards.n_windows - 1}")
    return Pseudo(windows, answers, weights)


def _columns(table: pd.DataFrame) -> list[str]:
    return [name for name in table.columns.astype(str) if name.startswith("p_")] or ["predicted"]


def _about(shards: Shards, label: str, classes: Sequence[str], kind: str) -> dict[str, Any]:
    return {
        "shards_sha256": shards.attrs.get("plan_sha256"),
        "label": label,
        "classes": list(classes),
        "kind": kind,
    }
