"""Test ECG leads: relations between the limb leads, plausibility of the median beat.

The limb leads are linear in two of them (Einthoven 1913, Goldberger 1942): III = II - I,
aVR = -(I + II) / 2, aVL = I - II / 2, aVF = II - I / 2. A channel with a wrong name or sign breaks
these relations. Electrodes on the wrong arms do not, since the machine derives all six leads from
the same electrodes. They are found by the median beat: the covariance of the leads over hearts is
known (`COVARIANCE`), and a beat that is improbable as named but probable once two electrodes are
exchanged back shows a swap (compare Kors and van Herpen, Am J Cardiol 88, 2001).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from physioprep.auditing.measure.medians import largest_quantile, quantile

LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")
#: Coefficients of each limb lead from I and II.
FROM_I_II = np.array([[1, 0], [0, 1], [-1, 1], [-0.5, -0.5], [1, -0.5], [-0.5, 1]])
#: A larger deviation, absolute or relative to the amplitude of the limb leads, breaks a relation.
TOLERANCE_MV, TOLERANCE_SHARE = 0.015, 0.03
#: An exchange or inversion mends a misfit if it leaves no more than the tolerance; of three leads,
#: which have one relation, also no more than this share of the misfit, as chance would. Where none
#: does, one is named that leaves at most this share, by number of leads, while every other one
#: leaves more than NEXT times as much.
MENDED, NEXT = {3: 0.05, 4: 0.5, 5: 0.65, 6: 0.65}, 1.15
#: Length of the moving average that is the baseline, s.
BASELINE_S = 0.6
EIGHT = ("I", "II", "V1", "V2", "V3", "V4", "V5", "V6")
#: Covariance of the eight independent leads over the median beats of 86 recordings of PTB-XL,
#: LUDB, CPSC 2018, PTB and Challenge 2021 (P and ST-T weighed as `_WEIGHT`, each beat of equal
#: power), in thousandths. ``benchmarks/audit.py --fit`` makes it.
COVARIANCE = np.array(
    [
        [58.8, 45.6, -33.3, 12.6, 44.6, 59.6, 62.4, 55.3],
        [45.6, 76.5, -32.6, 5.2, 48.1, 75.4, 76.6, 68.6],
        [-33.3, -32.6, 81.1, 80.8, 30.3, -11.5, -35.6, -40.8],
        [12.6, 5.2, 80.8, 220.0, 154.5, 79.7, 24.2, -2.2],
        [44.6, 48.1, 30.3, 154.5, 191.9, 145.0, 84.0, 48.6],
        [59.6, 75.4, -11.5, 79.7, 145.0, 163.5, 121.7, 87.3],
        [62.4, 76.6, -35.6, 24.2, 84.0, 121.7, 118.9, 95.2],
        [55.3, 68.6, -40.8, -2.2, 48.6, 87.3, 95.2, 89.4],
    ]
)
_WEIGHT = np.ones(80)
_WEIGHT[8:26], _WEIGHT[36:] = 2.0, 1.5  # P wave, ST-T
#: Log ratio of misfits from which a swap or inversion is reported.
MARGIN = {"limb": 0.15, "precordial": 0.5, "inverted": 0.2}
#: Chest leads differ much between sound hearts: below this margin, QRS and ST-T have to show a swap
#: each, by PART_MARGIN.
CLEAR_MARGIN, PART_MARGIN = 0.65, 0.1
_PARTS = slice(22, 40), slice(42, 80)


@dataclass(frozen=True)
class LimbMisfit:
    """Deviation of limb leads from Einthoven's and Goldberger's relations.

    Parameters
    ----------
    misfit_mv : float
        95th percentile of the deviation of the worst lead, without its offset.
    tolerance_mv : float
        Deviation that rounding and filters explain.
    lead : str
        The worst lead.
    explained_by : tuple of str
        Exchanges of names or inversions that restore all relations: ``"I and III exchanged"``,
        ``"aVR inverted"``; or the one that nearly does.
    left_mv : float
        The deviation that these leave; NaN where there are none.
    """

    misfit_mv: float
    tolerance_mv: float
    lead: str
    explained_by: tuple[str, ...]
    left_mv: float = math.nan

    @property
    def mended(self) -> bool:
        """Return whether `explained_by` restores the relations.

        Returns
        -------
        bool
        """
        return self.left_mv <= self.tolerance_mv

    @property
    def broken(self) -> bool:
        """Return whether the relations are broken.

        Returns
        -------
        bool
        """
        return self.misfit_mv > self.tolerance_mv


def limb_misfit(
    signal_mv: NDArray[np.floating],
    channels: Sequence[str],
    alive: NDArray[np.bool_],
    step_mv: NDArray[np.float64],
    rate_hz: float,
) -> LimbMisfit | None:
    """Test the relations between the limb leads of a recording.

    Parameters
    ----------
    signal_mv : ndarray of float, shape (channel, sample)
        mV; NaN where missing.
    channels : sequence of str
        Canonical names.
    alive : ndarray of bool, shape (channel,)
        Flat and absent channels are left out.
    step_mv : ndarray of float64, shape (channel,)
        Resolution; 0 where unknown.
    rate_hz : float
        Sampling rate, Hz.

    Returns
    -------
    LimbMisfit or None
        None with fewer than three live limb leads: two are independent.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> leads = FROM_I_II @ rng.normal(size=(2, 1000))
    >>> alive, step = np.ones(6, bool), np.zeros(6)
    >>> limb_misfit(leads, LIMB, alive, step, 100.0).broken
    False
    >>> leads[3] *= -1
    >>> limb_misfit(leads, LIMB, alive, step, 100.0).explained_by
    ('aVR inverted',)
    """
    places = [place for place, name in enumerate(channels) if name in LIMB and alive[place]]
    if len(places) < 3:
        return None
    x = np.asarray(signal_mv)[places].astype(np.float64)
    x = x[:, np.isfinite(x).all(axis=0)]
    if x.shape[1] < 100:
        return None
    step = float(step_mv[places].max())
    return limb_misfits(x[None], [channels[place] for place in places], [step], rate_hz)[0]


def limb_misfits(
    x: NDArray[np.float64], names: Sequence[str], step_mv: Sequence[float], rate_hz: float
) -> list[LimbMisfit]:
    """Test the relations between the limb leads of records, as `limb_misfit` does of one.

    Parameters
    ----------
    x : ndarray of float64, shape (record, lead, sample)
        mV, three live limb leads or more, without missing samples.
    names : sequence of str
        Of the leads, from `LIMB`.
    step_mv : sequence of float
        The coarsest resolution of each record; 0 where unknown.
    rate_hz : float
        Sampling rate, Hz.

    Returns
    -------
    list of LimbMisfit
        One per record.
    """
    from scipy.ndimage import uniform_filter1d

    # some machines correct the baseline of each lead separately, which breaks the relations
    x = x - uniform_filter1d(x, max(1, round(BASELINE_S * rate_hz)), axis=2)
    x = x[:, :, :: max(1, x.shape[2] // 20_000)]
    consistent = _consistent(tuple(LIMB.index(name) for name in names))
    sizes = np.median(quantile(np.abs(x), 0.99), axis=1)
    worst, misfits = largest_quantile(np.abs(x - consistent @ x), 0.95)
    out = []
    for one, lead, misfit, size, step in zip(
        x, worst.tolist(), misfits.tolist(), sizes.tolist(), step_mv, strict=True
    ):
        tolerance = max(TOLERANCE_MV, TOLERANCE_SHARE * size, 4 * step)
        most = max(tolerance, MENDED[len(names)] * misfit)
        left = {} if misfit <= tolerance else _left(one, names, most)
        explained = _explained(left, misfit, tolerance, len(names)) if left else ()
        rest = max((left[how] for how in explained), default=math.nan)
        out.append(LimbMisfit(misfit, tolerance, names[lead], explained, rest))
    return out


def _left(x: NDArray[np.float64], names: Sequence[str], most: float = math.inf) -> dict[str, float]:
    """Return the largest deviation of a lead after each exchange of two and each inversion.

    All are left out where none leaves `most` or less, else those that leave more than `NEXT` times
    that: neither can explain a misfit. One lead is enough to know it, that of most energy.
    """
    how, matrix = _faults_of(tuple(names))
    n = x.shape[1]
    kept = np.arange(len(how))
    if most < math.inf:
        energy = np.vecdot(matrix @ (x @ x.T), matrix)
        loudest = matrix[kept, np.argmax(energy, axis=1)]
        sizes, enough = np.abs(loudest @ x), n - int(0.95 * (n - 1))
        most *= 1 + 1e-9
        if (np.count_nonzero(sizes > most, axis=1) >= enough).all():
            return {}
        kept = np.flatnonzero(np.count_nonzero(sizes > NEXT * most, axis=1) < enough)
    rests = np.abs(matrix[kept].reshape(-1, len(names)) @ x)
    _, largest = largest_quantile(rests.reshape(kept.size, len(names), n), 0.95)
    return dict(zip((how[fault] for fault in kept.tolist()), largest.tolist(), strict=True))


@lru_cache(maxsize=64)
def _faults_of(names: tuple[str, ...]) -> tuple[list[str], NDArray[np.float64]]:
    """Return each exchange and inversion, and a matrix for the deviations after it."""
    n = len(names)
    how, matrices = [], []
    for one, two in combinations(range(n), 2):
        order = np.arange(n)
        order[[one, two]] = two, one
        how.append(f"{names[one]} and {names[two]} exchanged")
        matrices.append(np.eye(n)[order])
    for one in range(n):
        how.append(f"{names[one]} inverted")
        matrices.append(np.diag(np.where(np.arange(n) == one, -1.0, 1.0)))
    consistent = _consistent(tuple(LIMB.index(name) for name in names))
    return how, (np.eye(n) - consistent) @ np.array(matrices)


def _explained(
    left: Mapping[str, float], misfit: float, tolerance: float, n_leads: int
) -> tuple[str, ...]:
    """Return the exchanges or inversions that mend a misfit, or the only one that nearly does."""
    whole = tuple(how for how, rest in left.items() if rest <= tolerance)
    if n_leads == 3:
        return tuple(how for how in whole if left[how] <= MENDED[3] * misfit)
    if whole:
        return whole
    best = min(left.values())
    near = tuple(how for how, rest in left.items() if rest <= NEXT * best)
    return near if best <= MENDED[n_leads] * misfit and len(near) == 1 else ()


@lru_cache(maxsize=64)
def _consistent(rows: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the projection of limb leads, by their numbers in `LIMB`, onto consistent signals."""
    relations = FROM_I_II[list(rows)]
    return np.asarray(relations @ np.linalg.pinv(relations))


def _transforms() -> dict[str, tuple[str, NDArray[np.float64]]]:
    """Return the effect of each fault on the eight leads: name to (kind, matrix)."""
    out: dict[str, tuple[str, NDArray[np.float64]]] = {}
    for name, limb in {
        "left arm and left leg": [[0, 1], [1, 0]],  # cannot be detected; competes with "none"
        "left and right arm": [[-1, 0], [-1, 1]],
        "right arm and left leg": [[1, -1], [0, -1]],
        "both arms and the leg, in turn": [[-1, 1], [-1, 0]],
        "both arms and the leg, the other turn": [[0, -1], [1, -1]],
    }.items():
        matrix = np.eye(8)
        matrix[:2, :2] = limb
        out[name] = ("limb", matrix)
    for one, two in combinations(range(2, 8), 2):
        matrix = np.eye(8)
        matrix[[one, two]] = matrix[[two, one]]
        out[f"{EIGHT[one]} and {EIGHT[two]}"] = ("precordial", matrix)
    for one in range(2, 8):
        matrix = np.eye(8)
        matrix[one, one] = -1
        out[EIGHT[one]] = ("inverted", matrix)
    return out


_FAULTS = _transforms()
#: This fault is hardly detectable by the beat (Kors and van Herpen: 18 %). So each other limb
#: fault is reported alike with and without it.
_UNDECIDABLE = "left arm and left leg"
_REPORTED_AS = {
    "both arms and the leg, in turn": "right arm and left leg",
    "both arms and the leg, the other turn": "left and right arm",
}
#: Inverse matrices: of no fault, then of each fault.
_UNDO = np.array([np.eye(8), *(np.linalg.inv(matrix) for _, matrix in _FAULTS.values())])


@dataclass(frozen=True)
class LeadVerdict:
    """The fault that makes a beat likelier than the channel names do.

    Parameters
    ----------
    kind : {'limb', 'precordial', 'inverted'}
    fault : str
        ``"left and right arm"``, ``"V2 and V3"``, ``"V5"``.
    margin : float
        Log of the ratio of misfits: 0.35 is 1.4 times.
    parts : float
        The same of QRS or ST-T alone, whichever is less.
    """

    kind: str
    fault: str
    margin: float
    parts: float

    @property
    def believed(self) -> bool:
        """Return whether the evidence is enough for a report.

        Returns
        -------
        bool
        """
        if self.kind == "precordial" and self.margin < CLEAR_MARGIN and self.parts < PART_MARGIN:
            return False
        return self.margin >= MARGIN[self.kind]


def beat_covariance(beats_mv: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
    """Return how the eight independent leads vary together over beats: how `COVARIANCE` was made.

    Parameters
    ----------
    beats_mv : sequence of ndarray, shape (8, 80)
        Median beats, leads as in `EIGHT`, of sound recordings.

    Returns
    -------
    ndarray of float64, shape (8, 8)
        In thousandths; each beat normalised to equal power.
    """
    weighed = [np.asarray(beat, np.float64) * _WEIGHT for beat in beats_mv]
    shapes = [1e3 * beat @ beat.T / np.sum(beat**2) for beat in weighed]
    return np.asarray(np.mean(shapes, axis=0))


def judge_beat(
    beat_mv: NDArray[np.floating],
    channels: Sequence[str],
    covariance: NDArray[np.float64] = COVARIANCE,
) -> LeadVerdict | None:
    """Return the likeliest lead swap or inversion of a median beat.

    Parameters
    ----------
    beat_mv : ndarray of float, shape (channel, 80)
        From `median_beat`; all leads alive.
    channels : sequence of str
        Canonical names.
    covariance : ndarray of float64, shape (8, 8)
        Of the leads of `EIGHT` in sound recordings.

    Returns
    -------
    LeadVerdict or None
        With any margin above 0; `MARGIN` states which to trust. None where the names fit best or
        one of the eight leads is absent.
    """
    if not set(EIGHT) <= set(channels):
        return None
    rows = np.asarray(beat_mv, np.float64)[[list(channels).index(name) for name in EIGHT]]
    rows = rows * _WEIGHT
    if not np.all(np.abs(rows).max(axis=1) > 1e-3):
        return None
    forms = _forms(covariance.tobytes())
    misfits = _beat_misfits(rows, forms)
    best = min(set(misfits) - {"none", _UNDECIDABLE}, key=lambda name: misfits[name])
    margin = _margin(misfits, best)
    if margin <= 0:
        return None
    parts = min(_margin(_beat_misfits(rows[:, part], forms), best) for part in _PARTS)
    return LeadVerdict(_FAULTS[best][0], _REPORTED_AS.get(best, best), margin, parts)


@lru_cache(maxsize=8)
def _forms(covariance: bytes) -> NDArray[np.float64]:
    """Return, of no fault and of each, what makes a beat's misfit and size of ``rows @ rows.T``."""
    table = np.frombuffer(covariance, np.float64).reshape(8, 8)
    precision = np.linalg.inv(table + 0.003 * np.trace(table) / 8 * np.eye(8))
    turned = _UNDO.transpose(0, 2, 1)
    return np.stack([turned @ precision @ _UNDO, turned @ _UNDO]).reshape(2, -1, 64)


def _beat_misfits(rows: NDArray[np.float64], forms: NDArray[np.float64]) -> dict[str, float]:
    """Return the log of the misfit as named ("none"), and after each fault is undone."""
    misfits, sizes = forms @ (rows @ rows.T).ravel()
    return dict(zip(("none", *_FAULTS), np.log(misfits / sizes).tolist(), strict=True))


def _margin(misfits: Mapping[str, float], fault: str) -> float:
    return min(misfits["none"], misfits[_UNDECIDABLE]) - misfits[fault]
