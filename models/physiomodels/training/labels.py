"""What a model is to answer: a target of shards, with the classes of the chosen windows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physiomodels.training.kinds import KINDS, is_known
from physioprep.errors import ModelError
from physioprep.shards import open_shards
from physioprep.shards.target import label_name
from physioprep.suggest import did_you_mean

if TYPE_CHECKING:
    from physioprep.shards import Shards, Target


@dataclass(frozen=True, eq=False)
class Labels:
    """A target and its values for all windows of shards.

    Parameters
    ----------
    target : Target
        As the shards describe it.
    classes : tuple of str
        What outputs mean; empty of a number.
    truth : ndarray, shape (window,), (window, epoch), and of several classes with a last axis
        Numbers of classes (-1 unknown), flags (255 not stated) or numbers (NaN unknown).
    """

    target: Target
    classes: tuple[str, ...]
    truth: NDArray[Any]

    @property
    def n_outputs(self) -> int:
        """Outputs of a model: one per class, or one number.

        Returns
        -------
        int
        """
        return max(1, len(self.classes))

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which windows have a value, of a sequence in at least one epoch.

        Returns
        -------
        ndarray of bool, shape (window,)
        """
        found = is_known(self.truth, self.target.kind)
        return np.asarray(found.any(1)) if self.target.is_sequence else found


def read_labels(
    shards: str | Path | Shards,
    label: str,
    *,
    where: str | None = None,
    classes: Sequence[str] | None = None,
) -> Labels:
    """Read a target.

    Parameters
    ----------
    shards : path-like or Shards
        With the label.
    label : str
        ``label_...`` column.
    where : str, optional
        Query on the window manifest: of one class, the classes are those of these windows.
    classes : sequence of str, optional
        The classes, where they are settled already; others count as unknown.

    Returns
    -------
    Labels

    Raises
    ------
    ModelError
        If the shards lack the label, it is a text, or the chosen windows have fewer than two
        classes of it.
    """
    opened = open_shards(shards)
    target = target_of(opened, label)
    values = opened.values(label)
    if target.kind != "class":
        return Labels(target, target.categories, values)
    if classes is None and where is None:
        classes = classes_of(opened, label)
    elif classes is None and where is not None:
        held = np.unique(values[opened.mask(where)])
        classes = classes_of(opened, label, {target.categories[code] for code in held if code >= 0})
    assert classes is not None
    number = {name: code for code, name in enumerate(classes)}
    output_of = np.array([*(number.get(name, -1) for name in target.categories), -1], np.int64)
    return Labels(target, tuple(classes), output_of[values])  # the last is of code -1


def full_label(shards: Shards, label: str) -> str:
    """Return the name of a label's column; `shard` takes it without its ``label_``, too.

    Parameters
    ----------
    shards : Shards
    label : str
        With or without ``label_``.

    Returns
    -------
    str
        As given where the shards have no such label: `target_of` says so.
    """
    return label_name(label, shards.labels) or label


def target_of(shards: str | Path | Shards, label: str) -> Target:
    """Return what a label is.

    Parameters
    ----------
    shards : path-like or Shards
        With the label.
    label : str
        ``label_...`` column.

    Returns
    -------
    Target

    Raises
    ------
    ModelError
        If the shards lack the label, or nothing here is trained on its kind.
    """
    opened = open_shards(shards)
    if label not in opened.labels:
        held = ", ".join(opened.labels) or "none"
        full = label if label.startswith("label_") else f"label_{label}"
        hint = did_you_mean(full, opened.labels)
        raise ModelError(f"{opened.path}: no label {label}{hint}; the shards hold {held}")
    target = opened.target(label)
    if target.kind not in KINDS:
        raise ModelError(
            f"{opened.path}: {label} is a {target.kind}, not one of {', '.join(KINDS)}"
        )
    return target


def classes_of(
    shards: str | Path | Shards, label: str, held: Collection[str] | None = None
) -> tuple[str, ...]:
    """Return the classes of a label.

    Parameters
    ----------
    shards : path-like or Shards
        With the label.
    label : str
        ``label_...`` column.
    held : collection of str, optional
        The classes that occur in the chosen windows. By default all of the shards.

    Returns
    -------
    tuple of str
        In the order of the shards' codes, those of `held` alone.

    Raises
    ------
    ModelError
        If the shards lack the label, it is a number, or there are fewer than two classes.
    """
    opened = open_shards(shards)
    classes = target_of(opened, label).categories
    if len(classes) < 2:
        raise ModelError(f"{opened.path}: {label} needs at least two classes")
    if held is None:
        return classes
    kept = tuple(name for name in classes if name in held)
    if len(kept) < 2:
        found = ", ".join(kept) or "none"
        raise ModelError(
            f"{opened.path}: the chosen windows have fewer than two classes of {label} ({found})"
        )
    return kept


def strata_of(labels: Labels, windows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return one code per window, by which folds and subsets are balanced.

    Parameters
    ----------
    labels : Labels
        Target.
    windows : ndarray of int64, shape (window,)
        Their numbers.

    Returns
    -------
    ndarray of int64, shape (window,)
        Of one class: the class, of a sequence the commonest of its epochs. Of several: the rarest
        class that is present, and one more code for none. Of a number: its fifth among the windows,
        of a sequence that of its mean.
    """
    truth, kind = labels.truth[windows], labels.target.kind
    sequence = labels.target.is_sequence
    if kind == "class":
        if not sequence:
            return np.asarray(truth, np.int64)
        counts = [(truth == code).sum(1) for code in range(len(labels.classes))]
        return np.asarray(np.argmax(counts, axis=0), np.int64)
    if kind == "classes":
        present = (truth == 1).any(1) if sequence else truth == 1
        order = np.argsort(present.sum(0), kind="stable")  # rarest first
        none = ~present.any(1)
        rarest = order[present[:, order].argmax(1)]
        return np.asarray(np.where(none, present.shape[1], rarest), np.int64)
    values = np.nanmean(truth, axis=1) if sequence else truth
    edges = np.quantile(values, (0.2, 0.4, 0.6, 0.8))
    return np.asarray(np.searchsorted(edges, values, side="right"), np.int64)
