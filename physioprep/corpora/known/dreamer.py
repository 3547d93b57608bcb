"""DREAMER: EEG and ECG of 23 people watching 18 film clips, in one MATLAB file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from physioprep.corpora.entry import Entry, walk, with_labels
from physioprep.corpora.tables import age, number, sex
from physioprep.readers.mat_file import items_of, value_of
from physioprep.readers.parts import numbered, pick, unscaled
from physioprep.readers.structures import Container, Structure
from physioprep.recording import Header, Recording

N_SUBJECTS, N_CLIPS = 23, 18
#: The emotion that each clip is meant to elicit, in order.
EMOTIONS = (
    *("calmness", "surprise", "amusement", "fear", "excitement", "disgust"),
    *("happiness", "anger", "sadness", "disgust", "calmness", "amusement"),
    *("happiness", "anger", "fear", "excitement", "sadness", "surprise"),
)


def find(root: Path) -> list[Entry]:
    """List ``DREAMER.mat#sNN/vNN/stimuli`` and ``.../baseline`` of each subject and clip.

    Parameters
    ----------
    root : Path
        Folder of the corpus.

    Returns
    -------
    list of Entry
        Two per subject and clip, with the labels ``emotion`` (what the clip is meant to
        elicit) and ``condition`` (``"baseline"`` or ``"stimulus"``).
    """
    entries = []
    for path in walk(root):
        if path.rpartition("/")[2] != "DREAMER.mat":
            continue
        for subject in range(1, N_SUBJECTS + 1):
            for clip in range(1, N_CLIPS + 1):
                for kind, condition in (("baseline", "baseline"), ("stimuli", "stimulus")):
                    part = f"s{subject:02}/v{clip:02}/{kind}"
                    labels = {"emotion": EMOTIONS[clip - 1], "condition": condition}
                    entries.append(
                        Entry(
                            part,
                            f"{path}#{part}",
                            subject_id=f"s{subject:02}",
                            session=f"v{clip:02}",
                            labels=labels,
                        )
                    )
    return entries


def describe(entry: Entry, header: Header) -> Entry:
    """Add ratings, age and sex, which the file holds.

    Parameters
    ----------
    entry : Entry
    header : Header

    Returns
    -------
    Entry
        With the labels valence, arousal and dominance, 1 to 5.
    """
    stated = {key.lower(): str(value) for key, value in header.metadata.items()}
    labels = {name: number(stated.get(name)) for name in ("valence", "arousal", "dominance")}
    return with_labels(entry, labels, age=age(stated.get("age")), sex=sex(stated.get("gender")))


def _matches(content: Mapping[str, Any]) -> bool:
    return isinstance(content.get("DREAMER"), dict)


def _read(container: Container) -> Recording:
    """Return one clip or its baseline; the file states no units."""
    dreamer, path = container.content["DREAMER"], container.path
    person, clip, kind = numbered(container.part, r"s(\d+)/v(\d+)/(stimuli|baseline)", path)
    subject = pick(items_of(dreamer["Data"]), person, "subject", path)
    electrodes = [str(name) for name in items_of(dreamer["EEG_Electrodes"])]
    eeg = np.asarray(pick(items_of(subject["EEG"][kind]), clip, "clip", path))
    ecg = np.asarray(pick(items_of(subject["ECG"][kind]), clip, "clip", path))
    rates = (value_of(dreamer["EEG_SamplingRate"]), value_of(dreamer["ECG_SamplingRate"]))
    groups = (
        unscaled(electrodes, [""] * len(electrodes), rates[0], eeg.T, path),
        unscaled(["ECG 1", "ECG 2"], [""] * 2, rates[1], ecg.T, path),
    )
    scores = {
        name.lower(): value_of(np.asarray(subject[f"Score{name}"]).ravel()[int(clip) - 1])
        for name in ("Valence", "Arousal", "Dominance")
    }
    who = {"age": value_of(subject.get("Age")), "gender": value_of(subject.get("Gender"))}
    metadata = {"layout": "dreamer"} | scores | who
    return Recording(path, container.format, groups, (container.file,), None, metadata)


#: Structure of ``DREAMER.mat``; parts ``#s01/v01/stimuli``, ``#s01/v01/baseline``.
STRUCTURE = Structure(_matches, _read)
