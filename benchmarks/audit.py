"""Precision and recall of the audit's detectors, on faults planted into real recordings.

python benchmarks/audit.py [DATA]         prints the table of docs/audit.md
python benchmarks/audit.py [DATA] --fit   prints the covariances of limb_leads.py, beat_durations.py

DATA is a folder of public corpora (default ../shared/data); see docs/audit.md for which.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from audit_faults import (
    Alter,
    Values,
    altered,
    arm_and_left_leg,
    arm_and_leg,
    arms,
    coarsened,
    cut_off,
    dead,
    eight,
    exchange,
    heads,
    holed,
    humming,
    invert,
    load,
    noise,
    stopped,
    twelve_leads,
    with_sentinels,
)
from scipy.signal import butter, resample_poly, sosfiltfilt

from physioprep import read_recording
from physioprep.auditing.checks.amplitude import (
    check_amplitude,
    check_clipping,
    check_offset,
    check_sentinels,
)
from physioprep.auditing.checks.duplicates import find_pairs
from physioprep.auditing.checks.eeg import (
    SWAP_DISTANCE,
    _places,
    check_bad_channels,
    check_eeg_electrodes,
    check_reference,
)
from physioprep.auditing.checks.flat import check_flat, check_gaps, check_missing, check_noise
from physioprep.auditing.checks.leads import check_limb_relations
from physioprep.auditing.checks.sampling_rate import (
    check_heart_rate,
    check_mains,
    check_sampling_rate,
)
from physioprep.auditing.checks.synchrony import check_drift
from physioprep.auditing.findings import Finding
from physioprep.auditing.measure import beat_durations
from physioprep.auditing.measure.beats import find_beats, median_beat, to_analysis_rate
from physioprep.auditing.measure.limb_leads import LIMB, beat_covariance, judge_beat
from physioprep.auditing.measure.measure import measure
from physioprep.auditing.measure.measured import Measured, join
from physioprep.auditing.signals import Signal, _pieces
from physioprep.harmonise.functions import bandpass, resample


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
        return verdict.kind if verdict and verdict.believed else None

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
    clean = [measure(one) for one in signals]

    def count(
        check: Callable[..., list[Finding]], alter: Alter | None, kind: str
    ) -> tuple[int, int]:
        given = [measure(altered(one, alter)) for one in signals] if alter else clean
        found = check(given, lambda key: "/".join(key))
        return len({f.records for f in found if f.check == kind}), len(given)

    plants: list[tuple[str, Callable[..., list[Finding]], Alter, str]] = [
        ("limb channels exchanged (I, II)", check_limb_relations, exchange(0, 1), "lead-swap"),
        ("limb channels exchanged (III, aVF)", check_limb_relations, exchange(2, 5), "lead-swap"),
        ("limb lead inverted (aVL)", check_limb_relations, invert(LIMB.index("aVL")),
         "lead-inverted"),
        ("dead lead", check_flat, dead, "flat-lead"),
        ("all gains ÷ 1000", check_amplitude, lambda x: x / 1000, "amplitude"),
        ("all gains × 10", check_amplitude, lambda x: x * 10, "amplitude"),
        ("baseline of 12 bits left out (5 mV)", check_offset, lambda x: x + 5.12, "offset"),
        ("cut off at 60 % of the peak", check_clipping, cut_off, "clipping"),
        ("sentinel value three times", check_sentinels, with_sentinels, "sentinel"),
        ("a tenth of one lead missing", check_missing, holed, "missing-samples"),
        ("all leads missing for a sixth", check_gaps, stopped, "gap"),
        ("noise for a heart", check_noise, noise, "noisy"),
    ]  # fmt: skip
    for fault, check, alter, kind in plants:
        row(fault, *count(check, alter, kind), *count(check, None, kind))
    mixed = [
        altered(one, lambda x: x * 10) if number % 20 == 0 else one
        for number, one in enumerate(signals)
    ]
    found = check_amplitude([measure(one) for one in mixed], lambda key: key[1])
    names = {f.records[0] for f in found}
    planted = {one.key[1] for one in mixed[::20]}
    row("gain × 10 in every 20th", len(names & planted), len(planted), len(names - planted),
        len(signals))  # fmt: skip
    fast = [one for one in signals if one.rate_hz >= 250]
    for fault, change, one_check, kind, own in (
        ("twenty steps of the converter", coarsened, check_clipping, "coarse-resolution", signals),
        ("50 Hz mains, 360 Hz stated as rate", humming, check_mains, "mains", fast),
    ):
        hits, false = (
            len({f.records for f in one_check(map(measure, given), str) if f.check == kind})
            for given in ([change(one) for one in own], own)
        )
        row(fault, hits, len(own), false, len(own))


def rates(signals: list[Signal]) -> None:
    """Measure recall for wrong sampling rates, two-fold: fitted on the other half."""

    def beats_of(one: Signal) -> tuple[Any, Any]:
        whole = to_analysis_rate(one.values, one.rate_hz)
        beats = find_beats(whole)
        return median_beat(whole, beats), beats

    logs = [beat_durations.durations(*beats_of(one)) for one in signals]
    halves = [
        beat_durations.fit([x for x in logs[1 - half :: 2] if x is not None]) for half in (0, 1)
    ]

    def found(one: Signal, number: int) -> bool:
        scale = beat_durations.rate_fit(
            one.values, one.rate_hz, *beats_of(one), *halves[number % 2]
        )
        measured = replace(measure(one), rate_fit=scale)
        return any(check([measured], str) for check in (check_heart_rate, check_sampling_rate))

    def stored(one: Signal, high_hz: float = 40) -> Signal:
        """Return what a store of ecg-200hz, or of a narrower band, has of it."""
        values = bandpass(resample(np.nan_to_num(one.values), one.rate_hz, 200), 200, 0.5, high_hz)
        return replace(one, values=values, rate_hz=200.0)

    n = len(signals)
    for where, held in (("", lambda one: one), (", in a store of ecg-200hz", stored)):
        clean = sum(found(held(one), number) for number, one in enumerate(signals))
        for text, factor in (("twice", 2.0), ("half", 0.5), ("2.5 times", 2.5), ("5 times", 5.0)):
            wrong = [held(replace(one, rate_hz=one.rate_hz * factor)) for one in signals]
            hits = sum(found(one, number) for number, one in enumerate(wrong))
            row(f"sampling rate stated {text}{where}", hits, n, clean, n)
    narrow = sum(found(stored(one, 15), number) for number, one in enumerate(signals))
    print(f"\nfalse alarms of sampling-rate in a store of 0.5 to 15 Hz: {narrow} of {n}\n")


def eeg(signals: list[Signal], rng: np.random.Generator) -> None:
    """Electrodes of EEG: exchanged, doubled, joined, bad, and against another reference."""

    def two(one: Signal) -> tuple[int, int]:
        at = [place for place, name in enumerate(one.channels) if name in _places()]
        while True:
            a, b = rng.choice(at, 2, replace=False).tolist()
            apart = np.linalg.norm(_places()[one.channels[a]] - _places()[one.channels[b]])
            if apart >= SWAP_DISTANCE:
                return a, b

    def swapped(one: Signal) -> Values:
        a, b = two(one)
        return one.values[[{a: b, b: a}.get(k, k) for k in range(len(one.values))]]

    def doubled(one: Signal, noise_uv: float) -> Values:
        x = one.values.copy()
        a, b = two(one)
        x[a] = x[b] + rng.normal(0, noise_uv, x.shape[1])
        return x

    def loud(one: Signal) -> Values:
        x = one.values.copy()
        x[two(one)[0]] += rng.normal(0, 20 * np.median(x.std(axis=1)), x.shape[1])
        return x

    def averaged(one: Signal) -> Values:
        return one.values - one.values[["-" not in c for c in one.channels]].mean(axis=0)

    def named(one: Signal) -> Signal:
        return replace(one, sources=tuple(f"EEG {name}-REF" for name in one.channels))

    plants: list[tuple[str, Callable[..., list[Finding]], Callable[[Signal], Values], str]] = [
        ("EEG electrodes exchanged", check_eeg_electrodes, swapped, "lead-swap"),
        ("EEG channel twice", check_eeg_electrodes, lambda one: doubled(one, 0),
         "eeg-duplicate-channel"),
        ("EEG electrodes bridged (0.3 µV apart)", check_eeg_electrodes,
         lambda one: doubled(one, 0.3), "eeg-bridge"),
        ("EEG channel of noise", check_bad_channels, loud, "bad-channel"),
        ("EEG with average reference, -REF stated", check_reference, averaged, "eeg-reference"),
    ]  # fmt: skip
    given = [named(one) for one in signals]
    clean = [measure(one) for one in given]
    for fault, check, alter, kind in plants:
        made = [measure(replace(one, values=alter(one).astype(np.float32))) for one in given]
        hits, false = (
            len({f.records for f in check(some, lambda key: key[1]) if f.check == kind})
            for some in (made, clean)
        )
        row(fault, hits, len(made), false, len(clean))


def clocks(data: Path) -> None:
    """Let the pulse wave's clock run 0.2 % faster than that of the ECG."""
    hits, false, n = 0, 0, 0
    for path in sorted(data.glob("cinc2015/*.hea")):
        signals = list(_pieces(read_recording(path), ("icu", path.stem)))
        if not {"ecg"} < {one.modality for one in signals} & {"ecg", "ppg", "abp"}:
            continue
        measured = join(measure(one) for one in signals)
        fast = [
            replace(one, waves=one.waves.copy()) if one.modality != "ecg" else one
            for one in measured
        ]
        for one in fast:
            if one.modality != "ecg":
                one.waves["time_s"] *= 1.002
        n += 1
        hits += bool(check_drift(fast, str))
        false += bool(check_drift(measured, str))
    row("pulse wave clock 0.2 % fast", hits, n, false, n)


def crops(pool: list[Signal], rng: np.random.Generator) -> None:
    """Cut 60 % out of 1 % of all recordings, ten times over."""
    base = [measure(one) for one in pool]
    known = {one.key: one for one in pool}
    hits = false = n = 0
    for _ in range(10):
        made = []
        for place in rng.choice(len(pool), round(0.01 * len(pool)), replace=False):
            one = pool[place]
            length = round(0.6 * one.values.shape[1])
            first = int(rng.integers(0, one.values.shape[1] - length))
            values = one.values[:, first : first + length]
            made.append(replace(one, key=("copy", "/".join(one.key)), values=values))
        everything = known | {one.key: one for one in made}
        found = find_pairs(
            base + [measure(one) for one in made],
            lambda key, _, everything=everything: everything[key],  # type: ignore[misc]
            lambda *_: False,
        )
        right = {p.two[1] for p in found if p.two == ("copy", "/".join(p.one))}
        hits, n = hits + len(right), n + len(made)
        false += sum(1 for p in found if p.two != ("copy", "/".join(p.one)))
    row("1 % of recordings twice, cropped", hits, n, false, 10 * len(pool))


def copies(signals: list[Signal], others: list[Signal], rng: np.random.Generator) -> None:
    """Altered copies among all recordings; every pair that is none counts as a false alarm."""

    def cut(x: Values, rate: float) -> tuple[Values, float]:
        n = x.shape[1]
        length = max(round(6 * rate), n // 2)
        first = int(rng.integers(0, max(1, n - length)))
        return x[:, first : first + length], rate

    def resampled(x: Values, rate: float) -> tuple[Values, float]:
        return resample_poly(x, 18, 25, axis=1), rate * 18 / 25

    def filtered(x: Values, rate: float) -> tuple[Values, float]:
        sos = butter(2, [0.5, min(40, 0.45 * rate)], "bandpass", fs=rate, output="sos")
        return sosfiltfilt(sos, x, axis=1), rate

    def coarse(x: Values, rate: float) -> tuple[Values, float]:
        step = np.maximum(np.ptp(x, axis=1, keepdims=True), 1e-6) / 256
        return np.round(x / step) * step, rate

    ways: dict[str, Callable[[Values, float], tuple[Values, float]]] = {
        "copy scaled": lambda x, rate: (1.7 * x + 0.1, rate),
        "copy inverted": lambda x, rate: (-x, rate),
        "copy of 8 bits": coarse,
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
        made: list[Signal] = []
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


def fit(signals: list[Signal]) -> None:
    measured = [measure(one) for one in signals]
    covariance = beat_covariance([beat for one in measured if (beat := eight(one)) is not None])
    print(np.array2string(covariance, precision=1, separator=", ", suppress_small=True))
    logs = []
    for one in measured:
        if (scale := one.rate_fit) is not None:
            logs.append(np.log([scale.qrs_ms, scale.interval_s, scale.repolarisation_s]))
    for table in beat_durations.fit(logs):
        print(np.array2string(table, precision=4, separator=", "))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    parser.add_argument("data", nargs="?", type=Path, default=default)
    parser.add_argument("--fit", action="store_true", help="print the covariance and stop")
    options = parser.parse_args()
    signals = twelve_leads(options.data)
    if options.fit:
        fit(signals)
        return
    began = time.perf_counter()
    print(f"{len(signals)} 12-lead recordings, 300 of Challenge 2017 beside them for copies\n")
    print("| planted fault | n | recall | false alarms on clean | precision |")
    print("|---|---|---|---|---|")
    tables(signals)
    rates(signals)
    beats(signals)
    eeg(heads(options.data), np.random.default_rng(0))
    clocks(options.data)
    others = list(load(options.data, "cinc2017/*.hea"))
    copies(signals, others[:300], np.random.default_rng(0))
    crops(signals + others, np.random.default_rng(0))
    print(f"\n{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
