"""Precision and recall of the audit's detectors, on faults planted into real recordings.

python benchmarks/audit.py [DATA]         prints the table of docs/audit.md
python benchmarks/audit.py [DATA] --real  prints what the audit finds in each real database
python benchmarks/audit.py [DATA] --fit   prints the covariance in physioprep/audit/leads.py

DATA is a folder of public corpora (default ../shared/data); see docs/audit.md for which.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.signal import butter, resample_poly, sosfiltfilt

from physioprep import read_recording, scan, write_manifest
from physioprep.audit import audit
from physioprep.audit.amplitude import check_amplitude
from physioprep.audit.duplicates import find_pairs
from physioprep.audit.flat import check_flat
from physioprep.audit.inputs import Signal
from physioprep.audit.lead_checks import check_limb_relations
from physioprep.audit.leads import EIGHT, FROM_I_II, LIMB, MARGIN, beat_covariance, judge_beat
from physioprep.audit.measure import Measured, measure
from physioprep.audit.timing import check_heart_rate, check_sampling_rate
from physioprep.harmonise import ECG_LEADS, canonical_channel

#: Real duplicates, and records with real faults of the leads: not among the sound ones.
LEFT_OUT = {
    *("00138_lr", "00144_lr", "00457_lr", "00460_lr", "00463_lr"),
    *("JS20004", "E07501", "E07502"),
}
TWELVE = {
    "PTB-XL 100 Hz": "ptbxl/records100/*/*.hea",
    "LUDB": "ludb/data/*.hea",
    "CPSC 2018": "cpsc2018_cinc2020/*.hea",
    "Challenge 2021": "cinc2021/*.hea",
    "PTB": "ptbdb/*.hea",
}
Alter = Callable[[np.ndarray], np.ndarray]


def load(data: Path, pattern: str) -> Iterator[Signal]:
    for path in sorted(data.glob(pattern)):
        group = read_recording(path).groups[0]
        names = tuple(canonical_channel(name) for name in group.channels)
        values = group.physical().astype(np.float32)[:, : round(60 * group.sampling_rate)]
        step = 1 / np.abs(group.gain)
        rate = group.sampling_rate
        yield Signal(
            (path.parent.name, path.stem), "ecg", names, group.units, rate, values, 0, step
        )


def twelve_leads(data: Path) -> list[Signal]:
    return [
        one
        for pattern in TWELVE.values()
        for one in load(data, pattern)
        if one.key[1] not in LEFT_OUT and set(ECG_LEADS) <= set(one.channels)
    ]


def eight(measured: Measured) -> np.ndarray | None:
    if measured.beat is None:
        return None
    return measured.beat[[measured.channels.index(name) for name in EIGHT]]


def altered(one: Signal, alter: Alter) -> Signal:
    values = one.values.copy()
    rows = [one.channels.index(name) for name in ECG_LEADS]
    values[rows] = alter(values[rows])
    return replace(one, values=values)


def arms(x: np.ndarray) -> np.ndarray:
    return np.concatenate([FROM_I_II @ np.stack([-x[0], x[1] - x[0]]), x[6:]])


def arm_and_leg(x: np.ndarray) -> np.ndarray:
    return np.concatenate([FROM_I_II @ np.stack([x[0] - x[1], -x[1]]), x[6:]])


def arm_and_left_leg(x: np.ndarray) -> np.ndarray:
    return np.concatenate([FROM_I_II @ x[[1, 0]], x[6:]])


def exchange(one: int, two: int) -> Alter:
    def alter(x: np.ndarray) -> np.ndarray:
        x = x.copy()
        x[[one, two]] = x[[two, one]]
        return x

    return alter


def invert(*leads: int) -> Alter:
    sign = np.ones((12, 1), np.float32)
    sign[list(leads)] = -1
    return lambda x: x * sign


def row(fault: str, hits: int, n: int, false: int, clean: int) -> None:
    recall = hits / n
    precision = hits / (hits + false) if hits + false else float("nan")
    print(f"| {fault} | {n} | {recall:.3f} | {false} of {clean} | {precision:.3f} |", flush=True)


def beats(signals: list[Signal]) -> None:
    """Electrodes, two-fold: the covariance is fitted on the other half of the recordings."""
    clean = [measure(one) for one in signals]
    covariances = []
    for half in (0, 1):
        fitted = [eight(one) for one in clean[1 - half :: 2]]
        covariances.append(beat_covariance([beat for beat in fitted if beat is not None]))

    def believed(one: Measured, number: int) -> str | None:
        if one.beat is None:
            return None
        verdict = judge_beat(one.beat, one.channels, covariances[number % 2])
        return verdict.kind if verdict and verdict.margin >= MARGIN[verdict.kind] else None

    alarms = [believed(one, number) for number, one in enumerate(clean)]
    chest = [(a, b) for a in range(6, 12) for b in range(a + 1, 12)]
    plants: list[tuple[str, str, list[Alter]]] = [
        ("electrodes: arms", "limb", [arms]),
        ("electrodes: right arm and left leg", "limb", [arm_and_leg]),
        ("electrodes: left arm and left leg", "limb", [arm_and_left_leg]),
        ("chest, not neighbours", "precordial", [exchange(a, b) for a, b in chest if b > a + 1]),
        ("chest, neighbours", "precordial", [exchange(a, b) for a, b in chest if b == a + 1]),
        ("chest lead inverted", "inverted", [invert(lead) for lead in range(6, 12)]),
    ]
    for fault, kind, alters in plants:
        hits = [
            believed(measure(altered(one, alters[number % len(alters)])), number) == kind
            for number, one in enumerate(signals)
        ]
        row(fault, sum(hits), len(hits), sum(a == kind for a in alarms), len(alarms))


def tables(signals: list[Signal]) -> None:
    """Faults that one recording's own numbers show."""

    def count(check: Callable[..., list[object]], alter: Alter | None, kinds: set[str]) -> int:
        given = signals if alter is None else [altered(one, alter) for one in signals]
        found = check([measure(one) for one in given], lambda key: "/".join(key))
        return len({f.records for f in found if f.check in kinds})  # type: ignore[attr-defined]

    def dead(x: np.ndarray) -> np.ndarray:
        x = x.copy()
        x[8] = 0
        return x

    n = len(signals)
    swap, turned = {"lead-swap"}, {"lead-inverted"}
    for fault, check, alter, kinds in (
        ("limb channels exchanged (I, II)", check_limb_relations, exchange(0, 1), swap),
        ("limb channels exchanged (III, aVF)", check_limb_relations, exchange(2, 5), swap),
        ("limb lead inverted (aVL)", check_limb_relations, invert(LIMB.index("aVL")), turned),
        ("dead lead", check_flat, dead, {"flat-lead"}),
        ("all gains ÷ 1000", check_amplitude, lambda x: x / 1000, {"amplitude"}),
        ("all gains × 10", check_amplitude, lambda x: x * 10, {"amplitude"}),
    ):
        row(fault, count(check, alter, kinds), n, count(check, None, kinds), n)
    mixed = [
        altered(one, lambda x: x * 10) if number % 20 == 0 else one
        for number, one in enumerate(signals)
    ]
    found = check_amplitude([measure(one) for one in mixed], lambda key: key[1])
    names = {f.records[0] for f in found}
    planted = {one.key[1] for one in mixed[::20]}
    row("gain × 10 in every 20th", len(names & planted), len(planted), len(names - planted), n)
    for text, factor in (("twice", 2.0), ("half", 0.5)):
        wrong = [replace(one, rate_hz=one.rate_hz * factor) for one in signals]
        hits, clean = (
            {f.records for check in (check_heart_rate, check_sampling_rate) for f in check(m, str)}
            for m in ([measure(one) for one in wrong], [measure(one) for one in signals])
        )
        row(f"sampling rate said {text}", len(hits), n, len(clean), n)


def copies(signals: list[Signal], others: list[Signal], rng: np.random.Generator) -> None:
    """Altered copies among all recordings; every pair that is none counts as a false alarm."""

    def cut(x: np.ndarray, rate: float) -> tuple[np.ndarray, float]:
        n = x.shape[1]
        length = max(round(6 * rate), n // 2)
        first = int(rng.integers(0, max(1, n - length)))
        return x[:, first : first + length], rate

    def resampled(x: np.ndarray, rate: float) -> tuple[np.ndarray, float]:
        return resample_poly(x, 18, 25, axis=1), rate * 18 / 25

    def filtered(x: np.ndarray, rate: float) -> tuple[np.ndarray, float]:
        sos = butter(2, [0.5, min(40, 0.45 * rate)], "bandpass", fs=rate, output="sos")
        return sosfiltfilt(sos, x, axis=1), rate

    ways = {
        "copy scaled": lambda x, rate: (1.7 * x + 0.1, rate),
        "copy inverted": lambda x, rate: (-x, rate),
        "copy cut to half": cut,
        "copy resampled": resampled,
        "copy filtered": filtered,
        "copy cut, resampled, filtered": lambda x, rate: filtered(*resampled(*cut(x, rate))),
    }
    pool = signals + others
    known = {one.key: one for one in pool}
    base = [measure(one) for one in pool]
    chosen = rng.choice(len(pool), 100, replace=False)
    for fault, way in ways.items():
        made = []
        for place in chosen:
            one = pool[place]
            values, rate = way(np.nan_to_num(one.values), one.rate_hz)
            key = ("copy", "/".join(one.key))
            made.append(replace(one, key=key, values=values.astype(np.float32), rate_hz=rate))
        everything = known | {one.key: one for one in made}
        found = find_pairs(
            base + [measure(one) for one in made],
            lambda key, _, everything=everything: everything[key],
            lambda *_: False,
        )
        right = {p.two[1] for p in found if p.two == ("copy", "/".join(p.one))}
        false = sum(1 for p in found if p.two != ("copy", "/".join(p.one)))
        row(fault, len(right), len(made), false, len(pool) + len(made))


def real(data: Path) -> None:
    """Audit each database as it lies there: manifest and files."""
    warnings.simplefilter("ignore")
    databases = {
        "ptbxl": "ptb-xl", "mitdb": "mitdb", "cinc2017": "cinc2017", "eegmat": "eegmat",
        "ludb/data": "folder", "cinc2021": "folder", "cinc2021_ptbxl_twins": "folder",
        "cpsc2018_cinc2020": "folder", "cpsc2018_matlab_struct": "folder", "cpsc2021": "folder",
        "ptbdb": "folder", "nstdb": "folder", "ecgiddb": "folder", "cinc2015": "folder",
        "eegmmidb": "folder", "sleep_edfx_excerpt": "folder", "drivedb": "folder",
    }  # fmt: skip
    print("| database | records | findings (records named) |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, corpus in databases.items():
            if not (data / name).is_dir():
                continue
            manifest = scan(data / name, corpus)
            write_manifest(manifest, Path(folder) / "m.parquet")
            counts: dict[str, int] = {}
            for finding in audit([Path(folder) / "m.parquet"]).findings:
                if finding.severity != "info":
                    counts[finding.check] = counts.get(finding.check, 0) + len(finding.records)
            text = ", ".join(f"`{check}` {n}" for check, n in sorted(counts.items())) or "none"
            print(f"| {name} | {len(manifest)} | {text} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("data", nargs="?", type=Path, default=default)
    parser.add_argument("--fit", action="store_true", help="print the covariance and stop")
    parser.add_argument("--real", action="store_true", help="audit the databases as they are")
    options = parser.parse_args()
    if options.real:
        real(options.data)
        return
    signals = twelve_leads(options.data)
    if options.fit:
        fitted = [eight(measure(one)) for one in signals]
        covariance = beat_covariance([beat for beat in fitted if beat is not None])
        print(np.array2string(covariance, precision=1, separator=", ", suppress_small=True))
        return
    began = time.perf_counter()
    print(f"{len(signals)} 12-lead recordings, 300 of Challenge 2017 beside them for copies\n")
    print("| planted fault | n | recall | false alarms on clean | precision |")
    print("|---|---|---|---|---|")
    tables(signals)
    beats(signals)
    others = list(load(options.data, "cinc2017/A0[0-2]*.hea"))[:300]
    copies(signals, others, np.random.default_rng(0))
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
