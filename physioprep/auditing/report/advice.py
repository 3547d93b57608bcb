"""What each check means and what to do about what it finds; docs/audit.md is made of it."""

from __future__ import annotations

from typing import Final

#: Check to (what it means, what to do).
ADVICE: Final[dict[str, tuple[str, str]]] = {
    "amplitude": (
        "The signal is larger or smaller than a heart or head makes, or than its corpus.",
        "Compare the gain and the unit in the header with the corpus' page; drop what stays odd.",
    ),
    "annotation-time": (
        "Annotations lie outside their recording, or overlap another of their kind.",
        "Check which clock and which recording they were made for.",
    ),
    "bad-channel": (
        "An EEG channel is far larger or smaller than the others, or like none of them.",
        "Leave the channel out, or interpolate it.",
    ),
    "checksum": (
        "A file is not the one that the publisher's list of checksums names.",
        "Fetch it again.",
    ),
    "clipping": (
        "Samples stay at the channel's largest or smallest value.",
        "Leave such windows out, or the channel where it is frequent.",
    ),
    "coarse-resolution": (
        "A channel uses few steps of its converter.",
        "Harmless for rhythm, not for the shape of small waves.",
    ),
    "corpus-overlap": (
        "Recordings of one corpus are also in the corpus it was cut out of.",
        "Leave them out of one of the two before pretraining on one and testing on the other.",
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
    "eeg-bridge": (
        "Two electrodes are joined by gel: their difference is next to nothing.",
        "Treat the two as one electrode; leave out derivations between them.",
    ),
    "eeg-duplicate-channel": (
        "Two EEG channels hold one signal.",
        "Drop one; one of the names is wrong.",
    ),
    "eeg-reference": (
        "Channel names state another reference than the samples have, or several.",
        "Find out the reference; bring all to one.",
    ),
    "empty-file": (
        "A file of a recording holds nothing.",
        "Fetch it again.",
    ),
    "empty-record": (
        "A recording without samples.",
        "Drop it.",
    ),
    "extra-file": (
        "Files are there that the publisher's list does not name.",
        "Find out where they come from.",
    ),
    "flat-lead": (
        "A channel holds one value, throughout or in long stretches.",
        "Treat it as absent; do not train on it as a signal.",
    ),
    "gap": (
        "All channels stop for a while.",
        "Ask for a least valid share when cutting windows.",
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
    "label-missing": (
        "Recordings have no label where most have one.",
        "Leave them out of supervised training.",
    ),
    "label-orphan": (
        "A table of labels names recordings that are not there.",
        "Fetch what is missing, or say that this is a part.",
    ),
    "label-version": (
        "Labels differ between two inputs or two versions of the label file.",
        "Say which version is used; results differ.",
    ),
    "lead-inconsistent": (
        "The limb leads break III = II - I and its like, and no exchange of two mends it.",
        "Use I and II only, or leave the recording out where leads matter.",
    ),
    "lead-inverted": (
        "A lead is upside down.",
        "Turn it over, or leave the recording out.",
    ),
    "lead-swap": (
        "Channels or electrodes are interchanged.",
        "Look at the picture; rename or leave out.",
    ),
    "mains": (
        "A line of the spectrum would be the mains if another sampling rate were right.",
        "Compare the sampling rate of the header with the corpus' page.",
    ),
    "missing-file": (
        "Files or records that the publisher lists are not there.",
        "Fetch what is missing, or say that this is a part.",
    ),
    "missing-samples": (
        "Samples are missing: NaN, or the format's mark for invalid.",
        "Ask for a least valid share when cutting windows.",
    ),
    "modality-drift": (
        "The pulse wave moves against the ECG: two clocks.",
        "Do not pair the modalities beat by beat.",
    ),
    "near-duplicate": (
        "Two recordings are one, resampled, filtered, scaled, inverted or cut.",
        "Keep one.",
    ),
    "noisy": (
        "Two detectors of beats disagree: noise, no ECG.",
        "Leave it out, or filter by the quality score.",
    ),
    "offset": (
        "An ECG lead lies far off zero: a wrong baseline, or the electrodes' own voltage.",
        "Compare the baseline in the header with the corpus' page, or take the mean off.",
    ),
    "overlap": (
        "Two recordings of one person are said to run at the same time.",
        "Do not trust the start times; check whether one is part of the other.",
    ),
    "privacy": (
        "A header gives away a name or a birth date.",
        "Do not pass the files on; blank the header field.",
    ),
    "privacy-date": (
        "Headers or file names tell the date of recording.",
        "Check that the publisher has shifted the dates.",
    ),
    "recipe-mismatch": (
        "A store's samples are not what its recipe makes of its sources.",
        "Ingest again from the sources.",
    ),
    "sampling-rate": (
        "Half or twice the sampling rate would make the heart's durations much likelier.",
        "Compare the sampling rate of the header with the corpus' page.",
    ),
    "sentinel": (
        "A mark for 'no value' stands among the samples as a voltage.",
        "Mark it as missing before filtering or scaling.",
    ),
    "start-time": (
        "A recording starts in the future or before digital recording.",
        "Do not use start times; they are placeholders or shifted.",
    ),
    "statistics-leak": (
        "Mean and deviation for normalising were taken over the test set too.",
        "Take them over the training split alone.",
    ),
    "subject-leak": (
        "A person stands on both sides of a split or in both sets.",
        "Split by person; results measured so are too good.",
    ),
    "subject-unknown": (
        "Recordings of a split have no subject.",
        "Find out who they are before claiming that persons are split.",
    ),
    "uncalibrated": (
        "The header states no gain for a channel: its millivolts are a guess.",
        "Find out the gain, or scale each recording by its own spread.",
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
