"""What the columns of the derived tables are: name, unit, and definition."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from physioprep.deriving.delineation import POINTS


@dataclass(frozen=True)
class Quantity:
    """A column of a derived table.

    Parameters
    ----------
    name : str
        Of the column.
    unit : str
        "" for text, "1" for a number without unit.
    definition : str
        In one sentence.
    """

    name: str
    unit: str
    definition: str


def _columns(*rows: tuple[str, str, str]) -> tuple[Quantity, ...]:
    return tuple(Quantity(*row) for row in rows)


KEYS: Final = _columns(
    ("corpus", "", "Corpus of the record."),
    ("record_id", "", "Id of the record within its corpus."),
)
#: Of windows of shards.
WINDOW: Final = _columns(
    ("window", "1", "Number of the window in the shards."),
    ("start_s", "s", "Start of the window, from the start of the record."),
)
LEAD: Final = _columns(("lead", "", "Name of the lead."))

_WORDS: Final = {"p": "P wave", "qrs": "QRS complex", "q": "Q wave", "s": "S wave", "t": "T wave"}

#: Amplitudes of a beat in a lead.
AMPLITUDES: Final = _columns(
    ("baseline_mv", "mV", "Isoelectric level: median of the 20 ms before the common onset of QRS "
     "(lower quartile of the onsets of all leads, 20 to 120 ms before R; unknown: 50 ms)."),
    ("p_mv", "mV", "Sample at the peak of P, less the baseline."),
    ("q_mv", "mV", "Lowest sample of QRS before its first R wave, less the baseline; 0: none."),
    ("r_mv", "mV", "Highest sample of QRS, from its common onset to 10 ms after its common end "
     "(upper quartile of the ends of all leads), less the baseline; 0: none."),
    ("s_mv", "mV", "Lowest sample of QRS after its first R wave, or of all QRS without one (QS) or "
     "with one a quarter as high at most behind it, "
     "less the baseline; 0: none."),
    ("t_mv", "mV", "Sample at the peak of T, less the baseline."),
    ("st_j60_mv", "mV", "ST level: sample 60 ms after the common end of QRS, less the baseline."),
    ("st_j80_mv", "mV", "ST level: sample 80 ms after the common end of QRS, less the baseline."),
)  # fmt: skip

BEATS: Final = (
    *KEYS, *LEAD,
    *_columns(
        ("beat", "1", "Number of the beat in the record, from 0; the same in all leads."),
        ("r_s", "s", "Time of the R peak, from the start of the record; the same in all leads."),
        ("r_sample", "1", "Sample of the R peak in the store, from the record's first sample."),
        *(
            (f"{name}_s", "s", f"{name.rpartition('_')[2].capitalize()} of the "
             f"{_WORDS[name.partition('_')[0]]}, from the start of the record.")
            for name in POINTS
        ),
    ),
    *AMPLITUDES,
    *_columns(
        ("quality", "1", "Correlation with the median beat of the lead, -1 to 1."),
        ("reason", "", "Why the beat has no points, or no end of QRS and ST; else null."),
    ),
)  # fmt: skip

_INTERVALS: Final = _columns(
    ("p_ms", "ms", "Duration of P: onset to offset."),
    ("pr_ms", "ms", "Onset of P to onset of QRS."),
    ("qrs_ms", "ms", "Duration of QRS: onset to offset."),
    ("qt_ms", "ms", "Onset of QRS to offset of T."),
)

LEADS: Final = (
    *KEYS, *LEAD,
    *_columns(
        ("n_beats", "1", "Number of beats."),
        ("n_delineated", "1", "Number of beats with an onset or an offset of QRS."),
    ),
    *(Quantity(q.name, q.unit, f"Median over beats. {q.definition}") for q in _INTERVALS),
    *(
        Quantity(q.name, q.unit, f"Median over beats. {q.definition}")
        for q in AMPLITUDES if q.name != "baseline_mv"
    ),
    *_columns(
        ("r_s_ratio", "1", "Median R amplitude by the absolute median S amplitude."),
        ("quality", "1", "Median over beats of the correlation with the lead's median beat."),
        ("reason", "", "Why the lead's values are null: its beats are not alike, or (QRS duration "
         "and ST) the signal is steep behind the end of QRS in most of them; else null."),
    ),
)  # fmt: skip

#: Heart rate variability, as `neurokit2.hrv_time`, `hrv_frequency` and `hrv_nonlinear` have it.
HRV: Final = _columns(
    ("hrv_mean_nn_ms", "ms", "Mean of the RR intervals."),
    ("hrv_sdnn_ms", "ms", "Standard deviation of the RR intervals (SDNN)."),
    ("hrv_rmssd_ms", "ms", "Root mean square of successive differences of RR (RMSSD)."),
    ("hrv_pnn50_pct", "%", "Share of successive differences of RR over 50 ms (pNN50)."),
    (
        "hrv_lf_ms2",
        "ms2",
        "Power of RR from 0.04 to 0.15 Hz (Welch); of stretches from 2 min without missing "
        "samples, their mean by length; of more than an hour the mean over hours.",
    ),
    (
        "hrv_hf_ms2",
        "ms2",
        "Power of RR from 0.15 to 0.4 Hz (Welch); of stretches from 1 min without missing "
        "samples, their mean by length; of more than an hour the mean over hours.",
    ),
    ("hrv_lf_hf", "1", "LF power by HF power; where there is an LF power."),
    ("hrv_sd1_ms", "ms", "Poincaré plot: standard deviation across the line of identity."),
    ("hrv_sd2_ms", "ms", "Poincaré plot: standard deviation along the line of identity."),
    (
        "hrv_sampen",
        "1",
        "Sample entropy of RR (m = 2, r = 0.2 SD); of the longest stretch without missing "
        "samples, of 100 intervals or more.",
    ),
)

RECORDS: Final = (
    *KEYS,
    *_columns(
        ("n_leads", "1", "Number of leads."),
        ("n_beats", "1", "Number of R peaks."),
        ("n_rr_left_out", "1", "Number of RR intervals across missing samples: in no value."),
        ("heart_rate_bpm", "1/min", "60 by the median RR interval in s."),
        ("rr_ms", "ms", "Median RR interval."),
        ("rr_shortest_ms", "ms", "Shortest RR interval."),
        ("rr_longest_ms", "ms", "Longest RR interval."),
    ),
    *(Quantity(q.name, q.unit, f"Median over leads of their medians. {q.definition}")
      for q in _INTERVALS if q.name != "qrs_ms"),
    *_columns(
        ("qrs_ms", "ms", "Duration of QRS over the leads whose beats are alike: onset (quantile "
         "0.1 of theirs, the second of twelve) to offset (0.9); median over beats."),
        ("qtc_bazett_ms", "ms", "QT by the square root of RR in s (Bazett 1920)."),
        ("qtc_fridericia_ms", "ms", "QT by the cube root of RR in s (Fridericia 1920)."),
        ("qtc_framingham_ms", "ms", "QT + 154 (1 - RR in s) (Sagie et al. 1992)."),
        ("p_axis_deg", "deg", "Axis of P: atan2(2 aVF, sqrt(3) I) of the P amplitudes."),
        ("qrs_axis_deg", "deg", "Axis of QRS: the same of Q + R + S amplitudes, signed."),
        ("t_axis_deg", "deg", "Axis of T: the same of the T amplitudes."),
        ("sokolow_lyon_mv", "mV", "Depth of S in V1 and the larger R of V5 and V6."),
        ("cornell_mv", "mV", "R in aVL and depth of S in V3."),
    ),
    *HRV,
    *_columns(("reason", "", "Why values are null; null where none is missing for a fault.")),
)  # fmt: skip

MEDIAN_BEATS: Final = (
    *KEYS, *LEAD,
    *_columns(
        ("rate_hz", "Hz", "Sampling rate of the samples."),
        ("r_sample", "1", "Sample of the R peak."),
        ("n_beats", "1", "Number of beats whose median it is."),
        ("median_mv", "mV", "Median of the beats, aligned at R, each less its baseline."),
    ),
)  # fmt: skip
