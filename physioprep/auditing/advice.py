"""What each check means and what to do about its findings; docs/audit.md repeats it."""

from __future__ import annotations

from typing import Final

#: Check to (what it means, what to do).
ADVICE: Final[dict[str, tuple[str, str]]] = {
    "amplitude": (
        "The amplitude is implausible for an ECG or EEG, or far from the median of its corpus.",
        "Compare gain and unit in the header with the corpus' page; drop what remains unexplained.",
    ),
    "annotation-time": (
        "Annotations lie outside their recording, or overlap another of the same group.",
        "Check which clock and which recording they were made for.",
    ),
    "bad-channel": (
        "An EEG channel is far larger or smaller than the others, or correlated with none.",
        "Leave the channel out, or interpolate it.",
    ),
    "checksum": (
        "A file differs from the publisher's list of checksums, or samples from their header's.",
        "Fetch it again.",
    ),
    "clipping": (
        "Samples stay at the channel's largest or smallest value.",
        "Leave such windows out; leave the channel out where it is frequent.",
    ),
    "coarse-resolution": (
        "A channel uses few steps of its converter.",
        "Harmless for rhythm, but not for the shape of small waves.",
    ),
    "corpus-overlap": (
        "Recordings of a corpus are also in the corpus it is a part of.",
        "Leave them out of one of the two before pretraining on one and testing on the other.",
    ),
    "damaged-shards": (
        "Files of shards are missing, or not what they were when they were written.",
        "Make the shards again; check the disk.",
    ),
    "damaged-store": (
        "Files of a store are missing, or not what they were when they were written.",
        "Make the store again, or bring the files back from a copy; check the disk.",
    ),
    "duplicate-file": (
        "Two recordings share a file of samples, byte for byte.",
        "Keep one.",
    ),
    "duplicate-leak": (
        "A recording is on both sides of a split, or in both sets.",
        "Remove it from one side; results measured with it are too good.",
    ),
    "duplicate-signal": (
        "Two recordings are affine copies: equal up to gain and offset, perhaps cropped.",
        "Keep one; if they name two persons, one of the names is wrong.",
    ),
    "duplicate-subject": (
        "A recording is listed under two persons.",
        "Treat the two as one person when splitting.",
    ),
    "duration-mismatch": (
        "Modalities of one recording differ in length (of several signals of a modality, such as a "
        "strip beside the whole, the longest counts).",
        "Check the sampling rates; a drift between modalities breaks pairing.",
    ),
    "eeg-bridge": (
        "Two electrodes are bridged by gel: their difference is nearly zero.",
        "Treat the two as one electrode; leave out derivations between them.",
    ),
    "eeg-duplicate-channel": (
        "Two EEG channels are identical.",
        "Drop one; one of the names is wrong.",
    ),
    "eeg-reference": (
        "Channel names state another reference than the samples have, or several.",
        "Find out the reference; convert all to one.",
    ),
    "empty-file": (
        "A file of a recording is empty.",
        "Fetch it again.",
    ),
    "empty-record": (
        "A recording without samples.",
        "Drop it.",
    ),
    "extra-file": (
        "There are files that the publisher's list does not name.",
        "Find out where they come from.",
    ),
    "flat-lead": (
        "A channel is constant, throughout or in long stretches.",
        "Treat it as absent; do not train on it as a signal.",
    ),
    "gap": (
        "All channels are missing for a second or more (not before a signal that its file says "
        "begins later).",
        "Require a minimum valid share when cutting windows.",
    ),
    "heart-rate": (
        "The heart rate is implausibly low or high.",
        "Check the sampling rate of the header.",
    ),
    "incomplete": (
        "The copy differs in size from the published version.",
        "Fetch what is missing, or state which version this is.",
    ),
    "known-fault": (
        "A known fault of the corpus; its facts state what is done about it.",
        "Nothing, if it is fixed or flagged; drop the records if the facts advise it.",
    ),
    "label-counts": (
        "The labels are not those of the published version.",
        "Check which version of the label file was read.",
    ),
    "label-missing": (
        "Recordings have no label, where most have one.",
        "Leave them out of supervised training.",
    ),
    "label-orphan": (
        "A table of labels names recordings that are absent.",
        "Fetch what is missing, or state that this is a part of the corpus.",
    ),
    "label-version": (
        "Labels differ between two inputs or two versions of the label file.",
        "State which version is used; results differ.",
    ),
    "lead-inconsistent": (
        "The limb leads deviate from III = II - I and the like; no single exchange explains it.",
        "Use I and II only, or leave the recording out where leads matter.",
    ),
    "lead-inverted": (
        "A lead is inverted.",
        "Invert it back, or leave the recording out.",
    ),
    "lead-swap": (
        "Channels or electrodes are exchanged.",
        "Look at the picture; rename the channels, or leave the recording out.",
    ),
    "mains": (
        "A spectral line would be the mains frequency if another sampling rate were right.",
        "Compare the sampling rate of the header with the corpus' page.",
    ),
    "missing-file": (
        "Files or records that the publisher lists are absent.",
        "Fetch what is missing, or state that this is a part of the corpus.",
    ),
    "missing-samples": (
        "Samples are missing: NaN, or the format's sentinel value.",
        "Require a minimum valid share when cutting windows.",
    ),
    "modality-drift": (
        "The lag between pulse wave and ECG drifts: two clocks.",
        "Do not pair the modalities beat by beat.",
    ),
    "near-duplicate": (
        "Two recordings are the same, resampled, filtered, scaled, inverted or cropped.",
        "Keep one.",
    ),
    "noisy": (
        "Two beat detectors disagree: noise rather than ECG.",
        "Leave it out, or filter by the quality score.",
    ),
    "not-ingested": (
        "Recordings are not in the store: its recipe asks for none of their channels, or failed.",
        "Nothing, if they are not wanted; else take another recipe.",
    ),
    "offset": (
        "An ECG lead is far from zero: a wrong baseline, or an electrode offset voltage.",
        "Compare the baseline in the header with the corpus' page, or remove the mean.",
    ),
    "overlap": (
        "Two recordings of one person overlap in time.",
        "Do not trust the start times; check whether one is part of the other.",
    ),
    "privacy": (
        "A header contains a name or a birth date.",
        "Do not pass the files on; blank the header field.",
    ),
    "privacy-date": (
        "Headers or file names contain the date of recording.",
        "Check that the publisher has shifted the dates.",
    ),
    "recipe-mismatch": (
        "A store's samples differ from its sources processed by its recipe.",
        "Ingest again from the sources.",
    ),
    "sampling-rate": (
        "Heart rate and beat durations would be much likelier at another sampling rate.",
        "Compare the sampling rate of the header with the corpus' page.",
    ),
    "sentinel": (
        "A sentinel value (a code for 'no value') is stored among the samples as a voltage.",
        "Mark it as missing before filtering or scaling.",
    ),
    "start-time": (
        "A recording starts in the future or before digital recording.",
        "Do not use start times; they are placeholders or shifted.",
    ),
    "statistics-leak": (
        "Mean and deviation for normalisation were computed with the test set included.",
        "Compute them over the training split alone.",
    ),
    "subject-leak": (
        "A person is on both sides of a split, or in both sets.",
        "Split by person; results measured with this split are too good.",
    ),
    "subject-unknown": (
        "Recordings of a split have no subject.",
        "Find out the persons before claiming a split by person.",
    ),
    "uncalibrated": (
        "The header states no gain for a channel: its millivolts are a guess.",
        "Find out the gain, or scale each recording by its own amplitude range.",
    ),
    "units": (
        "The unit of an ECG or EEG is not a voltage, or a modality has several units.",
        "Check the header; harmonise to one unit.",
    ),
    "unreadable-file": (
        "A file cannot be read exactly: truncated, damaged, or different from its header.",
        "Fetch it again and compare its checksum.",
    ),
    "window-leak": (
        "Windows of one recording are in two splits.",
        "Split by person before cutting windows.",
    ),
}
