"""Fiducial points of each method beside the manual marks of LUDB, per lead.

    OMP_NUM_THREADS=1 python benchmarks/derive_accuracy.py ../shared/data/ludb [--method METHOD]...

A mark is found if a point of the same kind lies within 150 ms; errors are those of found marks,
point less mark. R peaks are of one lead, so that their error holds the time between leads.
LUDB: Kalyakulina et al., IEEE Access 8, 2020; 12 leads, 10 s, 500 Hz, marked lead by lead.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import wfdb

from physioprep.deriving.delineation import METHODS, POINTS, delineate
from physioprep.deriving.pieces import lead_of
from physioprep.deriving.record import find_beats

WAVES = {"p": "p", "N": "qrs", "t": "t"}
WITHIN_S = 0.15
KINDS = [name for name in POINTS if name[0] not in "s" and name != "q_peak"]


def marks_of(record: Path, lead: str) -> dict[str, list[int]]:
    """Return the marked samples of a lead, by point."""
    note = wfdb.rdann(str(record), lead)
    signs = list(zip(note.sample.tolist(), note.symbol, strict=True))
    found: dict[str, list[int]] = defaultdict(list)
    for place, (sample, sign) in enumerate(signs):
        wave = WAVES.get(sign)
        if wave is None:
            continue
        if wave != "qrs":
            found[f"{wave}_peak"].append(sample)
        if place and signs[place - 1][1] == "(":
            found[f"{wave}_onset"].append(signs[place - 1][0])
        if place + 1 < len(signs) and signs[place + 1][1] == ")":
            found[f"{wave}_offset"].append(signs[place + 1][0])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--method", nargs="+", default=list(METHODS))
    args = parser.parse_args()
    records = sorted(path.with_suffix("") for path in args.data.rglob("*.hea"))
    errors: dict[tuple[str, str], list[float]] = defaultdict(list)
    marked: dict[str, int] = defaultdict(int)
    for record in records:
        read = wfdb.rdrecord(str(record))
        signal, rate_hz = read.p_signal.T, float(read.fs)
        names = [name.upper().replace("AV", "aV") for name in read.sig_name]
        r_peaks = find_beats([lead_of(samples, rate_hz) for samples in signal], names)
        for lead, samples in zip(read.sig_name, signal, strict=True):
            marks = marks_of(record, lead.lower())
            for name in KINDS:
                marked[name] += len(marks[name])
            for method in args.method:
                points = delineate(samples, rate_hz, r_peaks, method)
                for name in KINDS:
                    known = points[name][np.isfinite(points[name])]
                    for mark in marks[name] if len(known) else ():
                        nearest = known[np.abs(known - mark).argmin()] - mark
                        if abs(nearest) <= WITHIN_S * rate_hz:
                            errors[method, name].append(1000 * nearest / rate_hz)
    print(f"{len(records)} records\n| point | marks | {' | '.join(args.method)} |")
    print(f"|---|---:|{'---|' * len(args.method)}")
    for name in KINDS:
        cells = [f"{name} | {marked[name]:,}"]
        for method in args.method:
            ms = np.array(errors[method, name])
            share = len(ms) / marked[name]
            cells.append(
                f"{share:.0%}, {ms.mean():+.0f} ± {ms.std():.0f} ms" if len(ms) else "none"
            )
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
