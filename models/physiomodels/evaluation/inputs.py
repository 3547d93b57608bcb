"""What the heads and plain models of a fold are given: one row per answer, calibrated or not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from physiomodels.evaluation.align import SIGNAL, Aligned, mean_product, products_of
from physiomodels.evaluation.calibration import ALL, NONE, calibrate, drawn
from physiomodels.training.encode import Change, Encoded

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards import Shards

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: Values of windows by modality: (window or epoch, feature), NaN where missing.
Values = dict[str, Floats]


@dataclass(frozen=True, eq=False)
class Source:
    """Windows of which values are asked.

    Parameters
    ----------
    shards : Shards
        That hold them.
    windows : pandas.DataFrame
        ``window`` (in the order of the shards), ``subject``, ``record_id``, ``start_s``.
    values_of : callable
        Takes a modality, numbers of windows in order, and a change of the signals or None; returns
        one row per window, of a sequence one per epoch.
    """

    shards: Shards
    windows: pd.DataFrame
    values_of: Callable[[str, Ints, Change | None], Floats]


@dataclass(frozen=True, eq=False)
class Variant:
    """Inputs by one way of calibration.

    Parameters
    ----------
    method : str
        "none", or one of `physiomodels.evaluation.calibration.METHODS`.
    whole : dict of str to ndarray of float64
        By modality, of every window: each person by all that calibrates it.
    test : dict of str to dict of str to ndarray of float64
        By the number of windows that calibrate, "0" where nothing does, else "1" ... and "all":
        the same of the test windows alone.
    """

    method: str
    whole: Values
    test: dict[str, Values]


def variants_of(
    evaluated: Source,
    calibrating: Source,
    tested: Ints,
    modalities: Sequence[str],
    methods: Sequence[str],
    counts: Sequence[int],
    seed: int,
    n_epochs: int = 1,
) -> list[Variant]:
    """Return the inputs without calibration, and by each method.

    Parameters
    ----------
    evaluated, calibrating : Source
        Windows to answer for; windows that calibrate, which may be the same.
    tested : ndarray of int64
        Rows of the windows of `evaluated` that are tested.
    modalities : sequence of str
        Whose values.
    methods : sequence of str
        Of `physiomodels.evaluation.calibration.METHODS`; none: without calibration alone.
    counts : sequence of int
        Numbers of a test person's windows to calibrate on, in addition to all.
    seed : int
        Of the draws of fewer windows.
    n_epochs : int
        Rows of a window.

    Returns
    -------
    list of Variant
        The first is without calibration.
    """
    numbers = evaluated.windows["window"].to_numpy(np.int64)
    plain = {name: evaluated.values_of(name, numbers, None) for name in modalities}
    own = plain
    if methods and calibrating is not evaluated:
        theirs = calibrating.windows["window"].to_numpy(np.int64)
        own = {name: calibrating.values_of(name, theirs, None) for name in modalities}
    rows = spread(tested, n_epochs)
    found = [Variant(NONE, plain, {"0": {name: x[rows] for name, x in plain.items()}})]
    for method in methods:
        how = _Calibration(evaluated, calibrating, plain, own, method, seed, n_epochs)
        every = np.arange(len(numbers))
        whole = how.values(every, None)
        test = {str(n): how.values(tested, n) for n in counts}
        test[ALL] = {name: x[rows] for name, x in whole.items()}
        found.append(Variant(method, whole, test))
    return found


@dataclass(frozen=True, eq=False)
class _Calibration:
    """One method, with the values that it starts from."""

    evaluated: Source
    calibrating: Source
    plain: Values
    own: Values
    method: str
    seed: int
    n_epochs: int

    def values(self, rows: Ints, n: int | None) -> Values:
        """Return the values of some windows, each person by n of its own windows."""
        windows = self.evaluated.windows.iloc[rows]
        people = windows["subject"].astype(str).unique()
        theirs = self.calibrating.windows
        draws = drawn(theirs[theirs["subject"].isin(people)], n, self.seed)
        owners = np.repeat(windows["subject"].to_numpy(object), self.n_epochs)
        place = {number: row for row, number in enumerate(theirs["window"].tolist())}
        found = {}
        for name, values in self.plain.items():
            if self.method == "align" and name == SIGNAL:
                found[name] = self._aligned(windows, draws)
                continue
            held = {
                person: self.own[name][
                    spread(np.array([place[w] for w in drawn_of]), self.n_epochs)
                ]
                for person, drawn_of in draws.items()
            }
            method = "centre" if self.method == "centre" else "standardise"
            found[name] = calibrate(values[spread(rows, self.n_epochs)], owners, held, method)
        return found

    def _aligned(self, windows: pd.DataFrame, draws: Mapping[str, Ints]) -> Floats:
        numbers = np.sort(np.concatenate(list(draws.values())))
        products = products_of(self.calibrating.shards, numbers)
        means = {person: mean_product(products, drawn_of) for person, drawn_of in draws.items()}
        person_of = dict(
            zip(windows["window"].tolist(), windows["subject"].astype(str), strict=True)
        )
        asked = windows["window"].to_numpy(np.int64)
        return self.evaluated.values_of(SIGNAL, asked, Aligned(means, person_of))


def spread(rows: Ints, n_epochs: int) -> Ints:
    """Return the rows of epochs of windows.

    Parameters
    ----------
    rows : ndarray of int64
        Numbers of windows.
    n_epochs : int
        Rows of each.

    Returns
    -------
    ndarray of int64

    Examples
    --------
    >>> spread(np.array([0, 2]), 3)
    array([0, 1, 2, 6, 7, 8])
    """
    found: Ints = (rows[:, None] * n_epochs + np.arange(n_epochs)).ravel()
    return found


def as_arrays(encoded: Encoded) -> Values:
    """Return the vectors of encoded windows as plain values.

    Parameters
    ----------
    encoded : Encoded
        One vector per row and modality.

    Returns
    -------
    dict of str to ndarray of float64, shape (row, width)
        NaN where a modality is absent.
    """
    found = {}
    for name, held in encoded.features.items():
        values = held.flatten(1).double().cpu().numpy()
        there = encoded.present[name].flatten(1).any(1).cpu().numpy()
        found[name] = np.where(there[:, None], values, np.nan)
    return found


def as_encoded(values: Mapping[str, Floats], windows: Ints) -> Encoded:
    """Return plain values as encoded windows: the inverse of `as_arrays`.

    Parameters
    ----------
    values : mapping of str to ndarray of float64, shape (row, width)
        NaN where a modality is absent.
    windows : ndarray of int64
        Numbers by which the windows are known.

    Returns
    -------
    Encoded
    """
    features, present = {}, {}
    for name, held in values.items():
        there = np.asarray(np.isfinite(held).all(1))
        plain = np.where(there[:, None], held, 0.0).astype(np.float32)
        features[name] = torch.from_numpy(plain)[:, None, None]
        present[name] = torch.from_numpy(there)[:, None, None]
    numbers = torch.from_numpy(np.ascontiguousarray(windows))
    return Encoded(features, present, numbers, pooled=True)
