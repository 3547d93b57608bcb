"""What each check means and what to do about what it finds; docs/audit.md is made of it."""

from __future__ import annotations

from typing import Final

#: Check to (what it means, what to do).
ADVICE: Final[dict[str, tuple[str, str]]] = {
    "amplitude": (
        "The signal is larger or smaller than a heart or head makes, or than its corpus.",
        "Compare the gain and the unit in the header with the corpus' page; drop what stays odd.",
    ),
    "clipping": (
        "Samples stay at the channel's largest or smallest value.",
        "Leave such windows out, or the channel where it is frequent.",
    ),
    "coarse-resolution": (
        "A channel uses few steps of its converter.",
        "Harmless for rhythm, not for the shape of small waves.",
    ),
    "duplicate-file": (
        "Two recordings share a file of samples, byte for byte.",
        "Keep one.",
    ),
    "duplicate-leak": (
        "One recording stands on both sides of a split or in both sets.",
        "Remove it from one side; results measured with it are too good.",
    ),
    "duplicate-signal": (
        "Two recordings hold the same samples, but for gain, offset or the stretch cut out.",
        "Keep one; if they name two persons, one of the names is wrong.",
    ),
    "duplicate-subject": (
        "One recording stands under two persons.",
        "Treat the two as one person when splitting.",
    ),
    "duration-mismatch": (
        "Signals of one recording differ in length.",
        "Check the sampling rates; a drift between modalities breaks pairing.",
    ),
    "empty-record": ("A recording without samples.", "Drop it."),
    "flat-lead": (
        "A channel holds one value, throughout or in long stretches.",
        "Treat it as absent; do not train on it as a signal.",
    ),
    "heart-rate": (
        "No heart beats so slowly or so fast for long.",
        "Check the sampling rate of the header.",
    ),
    "incomplete": (
        "The copy differs in size from the published version.",
        "Fetch what is missing, or say which version this is.",
    ),
    "known-fault": (
        "The corpus is known for this; its facts say what is done.",
        "Nothing, where it is fixed or flagged; drop where the facts say so.",
    ),
    "label-counts": (
        "The labels are not those of the published version.",
        "Check which version of the label file was read.",
    ),
    "lead-inconsistent": (
        "The limb leads break III = II - I and its like, and no exchange of two mends it.",
        "Use I and II only, or leave the recording out where leads matter.",
    ),
    "lead-inverted": ("A lead is upside down.", "Turn it over, or leave the recording out."),
    "lead-swap": (
        "Channels or electrodes are interchanged.",
        "Look at the picture; rename or leave out.",
    ),
    "missing-samples": (
        "Samples are missing: NaN, or the format's mark for invalid.",
        "Ask for a least valid share when cutting windows.",
    ),
    "near-duplicate": (
        "Two recordings are one, resampled, filtered, scaled, inverted or cut.",
        "Keep one.",
    ),
    "sampling-rate": (
        "QRS complexes and beat intervals are both too short, or both too long.",
        "Compare the sampling rate of the header with the corpus' page.",
    ),
    "subject-leak": (
        "A person stands on both sides of a split or in both sets.",
        "Split by person; results measured so are too good.",
    ),
    "subject-unknown": (
        "Recordings of a split have no subject.",
        "Find out who they are before claiming that persons are split.",
    ),
    "units": (
        "A voltage without a unit of voltage, or several units in one modality.",
        "Check the header; harmonise to one unit.",
    ),
    "unreadable-file": (
        "A file cannot be read exactly: truncated, damaged, or not what its header says.",
        "Fetch it again and compare its checksum.",
    ),
    "window-leak": (
        "Windows of one recording stand in two splits.",
        "Split by person before cutting windows.",
    ),
}
