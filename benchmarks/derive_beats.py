"""R peaks of `derive` beside the reference beats of the MIT-BIH Arrhythmia Database, by record.

    OMP_NUM_THREADS=1 python benchmarks/derive_beats.py ../shared/data/mitdb [--detectors]

A beat is found where an R peak lies within 150 ms of it (ANSI/AAMI EC57's window), each peak of
one beat. Ventricular flutter, from `[` to `]`, has no beats in the reference and is left out; its
flutter waves (`!`) and the R peaks in it are counted apart. `--detectors` compares other methods
of NeuroKit2, each in the first lead.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import wfdb
from numpy.typing import NDArray

from physioprep.deriving.pieces import lead_of
from physioprep.deriving.r_peaks import choose_beats

#: WFDB's codes of beats.
BEATS = frozenset("NLRBAaJSVrFejnE/fQ?")
NEAR_S = 0.15
#: Methods of NeuroKit2, and the cleaning before each.
DETECTORS = {
    "neurokit": "neurokit",
    "pantompkins1985": "pantompkins1985",
    "hamilton2002": "hamilton2002",
    "elgendi2010": "elgendi2010",
    "kalidas2017": "neurokit",
    "rodrigues2021": "neurokit",
}

Ints = NDArray[np.int64]


def found_of(reference: Ints, peaks: Ints, near: float) -> int:
    """Return how many beats have a peak of their own nearby; both ascend."""
    count = one = two = 0
    while one < len(reference) and two < len(peaks):
        if abs(reference[one] - peaks[two]) <= near:
            count, one, two = count + 1, one + 1, two + 1
        elif peaks[two] < reference[one]:
            two += 1
        else:
            one += 1
    return count


def inside(samples: Ints, spans: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    """Return which samples lie in a span."""
    out = np.zeros(len(samples), np.bool_)
    for begin, end in spans:
        out |= (samples >= begin) & (samples <= end)
    return out


def reference_of(path: Path, length: int) -> tuple[Ints, Ints, list[tuple[int, int]]]:
    """Return the beats and flutter waves of a record, and its spans of flutter."""
    marks = wfdb.rdann(str(path), "atr")
    symbols, samples = np.array(marks.symbol), np.asarray(marks.sample, np.int64)
    begins, ends = samples[symbols == "["].tolist(), samples[symbols == "]"].tolist()
    spans = list(zip(begins, [*ends, length][: len(begins)], strict=True))
    beats = samples[np.isin(symbols, sorted(BEATS))]
    return beats[~inside(beats, spans)], samples[symbols == "!"], spans


def peaks_by(detector: str, signal: NDArray[np.float64], rate_hz: float) -> Ints:
    """Return the R peaks that a method of NeuroKit2 finds in a lead, after its cleaning."""
    import neurokit2

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cleaned = neurokit2.ecg_clean(
            signal, sampling_rate=round(rate_hz), method=DETECTORS[detector]
        )
        found = neurokit2.ecg_findpeaks(cleaned, sampling_rate=round(rate_hz), method=detector)
    return np.unique(np.asarray(found["ECG_R_Peaks"], np.float64)).astype(np.int64)


def main() -> None:
    """Print a row for each record, or for each record and detector."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--detectors", action="store_true")
    arguments = parser.parse_args()
    print("| record | R peaks by | beats | sensitivity | PPV | flutter waves | peaks in flutter |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for path in sorted(arguments.folder.glob("*.hea")):
        record = wfdb.rdrecord(str(path.with_suffix("")))
        rate_hz, leads = float(record.fs), record.sig_name
        signals = np.asarray(record.p_signal.T, np.float64)
        beats, flutter, spans = reference_of(path.with_suffix(""), signals.shape[1])
        if arguments.detectors:
            made = {
                f"{name}, {leads[0]}": peaks_by(name, signals[0], rate_hz) for name in DETECTORS
            }
        else:
            chosen = choose_beats([lead_of(each, rate_hz) for each in signals], leads)
            place = chosen.place
            made = {f"derive, {'none' if place is None else leads[place]}": chosen.r_peaks}
        for name, peaks in made.items():
            own = peaks[~inside(peaks, spans)]
            found = found_of(beats, own, NEAR_S * rate_hz)
            in_flutter = len(peaks) - len(own)
            print(
                f"| {path.stem} | {name} | {len(beats):,} | {found / len(beats):.1%} "
                f"| {found / max(1, len(own)):.1%} | {len(flutter):,} | {in_flutter:,} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
