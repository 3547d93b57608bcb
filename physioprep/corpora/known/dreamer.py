"""DREAMER: EEG and ECG of 23 people watching 18 film clips, in one MATLAB file."""

from __future__ import annotations

from pathlib import Path

from physioprep.corpora.entry import Entry, age, number, sex, walk, with_labels
from physioprep.recording import Header

N_SUBJECTS, N_CLIPS = 23, 18
#: What each clip is meant to elicit, in order.
EMOTIONS = (
    *("calmness", "surprise", "amusement", "fear", "excitement", "disgust"),
    *("happiness", "anger", "sadness", "disgust", "calmness", "amusement"),
    *("happiness", "anger", "fear", "excitement", "sadness", "surprise"),
)


def find(root: Path) -> list[Entry]:
    """List ``DREAMER.mat#sNN/vNN/stimuli`` and ``.../baseline``: subject, clip, and which."""
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
    """Take ratings, age and sex from the structure."""
    said = {key.lower(): str(value) for key, value in header.metadata.items()}
    labels = {name: number(said.get(name)) for name in ("valence", "arousal", "dominance")}
    return with_labels(entry, labels, age=age(said.get("age")), sex=sex(said.get("gender")))
