"""Fiducial points of each method beside manual marks: of LUDB per lead, or of QTDB.

    OMP_NUM_THREADS=1 python benchmarks/derive_accuracy.py ../shared/data/ludb [--method METHOD]...
    OMP_NUM_THREADS=1 python benchmarks/derive_accuracy.py ../shared/data/ludb --amplitudes
    OMP_NUM_THREADS=1 python benchmarks/derive_accuracy.py ../shared/data/ludb --durations
    OMP_NUM_THREADS=1 python benchmarks/derive_accuracy.py qtdb --ending q1c

A mark is found if a point of the same kind lies within 150 ms; errors are those of found marks,
point less mark. R peaks are of one lead, so that their error holds the time between leads.
LUDB: Kalyakulina et al., IEEE Access 8, 2020; 12 leads, 10 s, 500 Hz, marked lead by lead.
QTDB: Laguna et al., Comput. Cardiol. 24, 1997; 2 leads, 15 min, 250 Hz. An expert's marks (`q1c`,
`q2c`) are of both leads together: of a mark the lead with the smaller error counts, as
Martinez et al. (IEEE Trans. Biomed. Eng. 51, 2004) do it.

Amplitudes are medians over the beats of a lead, ours less those between the manual marks of QRS:
level of the 10 ms before its onset, highest and lowest sample, ST 60 and 80 ms after its end. Our
lowest sample is the lower one of Q and S.

Durations of QRS are of a record, beside those of the marks: their earliest onset to their latest
offset over all leads, median over beats; and the median over leads of their durations.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import wfdb

from physioprep.deriving.amplitudes import amplitudes, common_qrs
from physioprep.deriving.delineation import METHODS, POINTS, delineate
from physioprep.deriving.pieces import lead_of
from physioprep.deriving.qrs_end import duration_ms
from physioprep.deriving.r_peaks import choose_beats, is_alike

#: Signs of the waves; experts of QTDB used N, A, B, V and Q for QRS.
WAVES = {"p": "p", "t": "t", **dict.fromkeys("NABVQ", "qrs")}
WITHIN_S = 0.15
AMPLITUDES = ("R", "lower one of Q and S", "ST at J + 60 ms", "ST at J + 80 ms")
KINDS = [name for name in POINTS if name[0] not in "s" and name != "q_peak"]


def marks_of(record: Path, ending: str) -> dict[str, list[int]]:
    """Return the marked samples of an annotation file, by point."""
    note = wfdb.rdann(str(record), ending)
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


def errors_ms(marks: Sequence[int], leads: Sequence[np.ndarray], rate_hz: float) -> list[float]:
    """Return the error of each mark that is found, ms: of several leads the smallest."""
    errors = []
    for mark in marks:
        near = [known[np.abs(known - mark).argmin()] - mark for known in leads if len(known)]
        if near and abs(least := min(near, key=abs)) <= WITHIN_S * rate_hz:
            errors.append(1000 * least / rate_hz)
    return errors


def judge(
    records: Sequence[Path], methods: Sequence[str], ending: str | None
) -> tuple[dict[str, int], dict[tuple[str, str], list[float]]]:
    """Return the number of marks by point, and errors in ms by method and point."""
    marked: dict[str, int] = defaultdict(int)
    errors: dict[tuple[str, str], list[float]] = defaultdict(list)
    for record in records:
        read = wfdb.rdrecord(str(record))
        signal, rate_hz = read.p_signal.T, float(read.fs)
        names = [name.upper().replace("AV", "aV") for name in read.sig_name]
        r_peaks = choose_beats([lead_of(samples, rate_hz) for samples in signal], names).r_peaks
        # groups of leads that have marks together
        places = [(n,) for n in range(len(signal))] if ending is None else [range(len(signal))]
        for group in places:
            marks = marks_of(record, ending or read.sig_name[group[0]].lower())
            for name in KINDS:
                marked[name] += len(marks[name])
            for method in methods:
                points = [delineate(signal[n], rate_hz, r_peaks, method) for n in group]
                for name in KINDS:
                    known = [each[name][np.isfinite(each[name])] for each in points]
                    errors[method, name] += errors_ms(marks[name], known, rate_hz)
    return marked, errors


def marked_amplitudes(record: Path, ending: str, signal: np.ndarray, rate_hz: float) -> list[float]:
    """Return R, the lowest sample of QRS, ST at J + 60 and J + 80 ms of a lead by its marks, mV."""
    note = wfdb.rdann(str(record), ending)
    signs, rows = "".join(note.symbol), []
    for place in range(1, len(signs) - 1):
        if signs[place - 1 : place + 2] != "(N)":
            continue
        first, last = note.sample[place - 1], note.sample[place + 1]
        after = [last + round(s * rate_hz) for s in (0.06, 0.08)]
        if after[1] < len(signal):
            level = signal[max(0, first - round(0.01 * rate_hz)) : first + 1].mean()
            qrs = signal[first : last + 1]
            rows.append([max(qrs.max() - level, 0), min(qrs.min() - level, 0),
                         *(signal[after] - level)])  # fmt: skip
    return np.median(rows, axis=0).tolist() if rows else [np.nan] * 4


def judge_amplitudes(
    records: Sequence[Path], methods: Sequence[str]
) -> dict[tuple[str, str], list[float]]:
    """Return the errors of each lead in mV, by method and amplitude; no marks, no error."""
    errors: dict[tuple[str, str], list[float]] = defaultdict(list)
    for record in records:
        read = wfdb.rdrecord(str(record))
        signal, rate_hz = read.p_signal.T, float(read.fs)
        names = [name.upper().replace("AV", "aV") for name in read.sig_name]
        r_peaks = choose_beats([lead_of(samples, rate_hz) for samples in signal], names).r_peaks
        marked = [
            marked_amplitudes(record, name.lower(), samples, rate_hz)
            for name, samples in zip(read.sig_name, signal, strict=True)
        ]
        for method in methods:
            points = [delineate(samples, rate_hz, r_peaks, method) for samples in signal]
            ends = common_qrs(points, r_peaks, rate_hz)
            for samples, own, expected in zip(signal, points, marked, strict=True):
                found = amplitudes(samples, rate_hz, ends, own)
                lowest = np.fmin(found["q_mv"], found["s_mv"])
                every = (found["r_mv"], lowest, found["st_j60_mv"], found["st_j80_mv"])
                for name, values, right in zip(AMPLITUDES, every, expected, strict=True):
                    known = values[np.isfinite(values)]
                    if len(known) and np.isfinite(right):
                        errors[method, name].append(float(np.median(known)) - right)
    return errors


def marked_duration_ms(
    marks: Sequence[Mapping[str, list[int]]], r_peaks: np.ndarray, rate_hz: float
) -> float:
    """Return the duration of QRS over all leads by their marks, median over beats."""
    spans = []
    for peak in r_peaks.tolist():
        ends = {
            name: [
                sample
                for lead in marks
                for sample in lead[name]
                if abs(sample - peak) <= WITHIN_S * rate_hz
            ]
            for name in ("qrs_onset", "qrs_offset")
        }
        if all(ends.values()):
            spans.append(1000 * (max(ends["qrs_offset"]) - min(ends["qrs_onset"])) / rate_hz)
    return float(np.median(spans)) if spans else np.nan


def judge_durations(
    records: Sequence[Path], methods: Sequence[str]
) -> list[dict[str, float | str]]:
    """Return a row per record: the duration by its marks, and by each method over and by leads."""
    rows: list[dict[str, float | str]] = []
    for record in records:
        read = wfdb.rdrecord(str(record))
        rate_hz = float(read.fs)
        held = [lead_of(samples, rate_hz) for samples in read.p_signal.T]
        names = [name.upper().replace("AV", "aV") for name in read.sig_name]
        r_peaks = choose_beats(held, names).r_peaks
        marks = [marks_of(record, name.lower()) for name in read.sig_name]
        row: dict[str, float | str] = {"record": record.name}
        row["marks"] = marked_duration_ms(marks, r_peaks, rate_hz)
        alike = [lead for lead in held if is_alike(lead, r_peaks)]
        for method in methods:
            points = [delineate(lead, rate_hz, r_peaks, method) for lead in alike]
            none = np.zeros(len(r_peaks), np.bool_)
            by_lead = [duration_ms([lead], rate_hz, none) for lead in points]
            row[method] = duration_ms(points, rate_hz, none)
            row[f"{method}, lead by lead"] = float(np.nanmedian(by_lead))
        rows.append(row)
    return rows


def table_of_durations(rows: Sequence[Mapping[str, float | str]]) -> str:
    """Return each record, and mean and standard deviation of ours less the marks'."""
    columns = list(rows[0])
    lines = [f"| {' | '.join(columns)} |", f"|---|{'---:|' * (len(columns) - 1)}"]
    for row in rows:
        numbers = [f"{row[name]:.0f}" for name in columns[1:]]
        lines.append(f"| {row['record']} | {' | '.join(numbers)} |")
    cells = ["less the marks", ""]
    for name in columns[2:]:
        less = np.array([float(row[name]) - float(row["marks"]) for row in rows])
        cells.append(f"{np.nanmean(less):+.0f} ± {np.nanstd(less):.0f}")
    return "\n".join([*lines, f"| {' | '.join(cells)} |"])


def table_of_amplitudes(
    errors: Mapping[tuple[str, str], list[float]], methods: Sequence[str]
) -> str:
    """Return mean and standard deviation, and how many leads are off by more than 0.1 mV."""
    lines = [f"| amplitude | {' | '.join(methods)} |", f"|---|{'---|' * len(methods)}"]
    for name in AMPLITUDES:
        cells = [name]
        for method in methods:
            uv = 1000 * np.array(errors[method, name])
            wrong = f"{(np.abs(uv) > 100).sum()} of {len(uv)}"
            cells.append(f"{uv.mean():+.0f} ± {uv.std():.0f} µV, {wrong}" if len(uv) else "none")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def table(
    marked: Mapping[str, int], errors: Mapping[tuple[str, str], list[float]], methods: Sequence[str]
) -> str:
    """Return the figures as a table."""
    lines = [f"| point | marks | {' | '.join(methods)} |", f"|---|---:|{'---|' * len(methods)}"]
    for name in KINDS:
        cells = [f"{name} | {marked[name]:,}"]
        for method in methods:
            ms = np.array(errors[method, name])
            share = len(ms) / max(1, marked[name])
            cells.append(
                f"{share:.0%}, {ms.mean():+.0f} ± {ms.std():.0f} ms" if len(ms) else "none"
            )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--method", nargs="+", default=list(METHODS))
    parser.add_argument("--ending", help="Of marks for all leads together: q1c. Default: by lead.")
    parser.add_argument("--amplitudes", action="store_true", help="Instead of points, of LUDB.")
    parser.add_argument("--durations", action="store_true", help="Of QRS, of LUDB.")
    args = parser.parse_args()
    records = sorted(path.with_suffix("") for path in args.data.rglob("*.hea"))
    if args.ending:
        records = [path for path in records if path.with_suffix(f".{args.ending}").is_file()]
    if args.amplitudes:
        off = judge_amplitudes(records, args.method)
        print(f"{len(records)} records\n{table_of_amplitudes(off, args.method)}")
        return
    if args.durations:
        print(table_of_durations(judge_durations(records, args.method)))
        return
    marked, errors = judge(records, args.method, args.ending)
    print(f"{len(records)} records\n{table(marked, errors, args.method)}")


if __name__ == "__main__":
    main()
