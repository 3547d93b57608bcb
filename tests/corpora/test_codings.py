"""Classes of real annotations, counted by hand or by the publisher."""

from collections import Counter
from pathlib import Path

import pytest

from physioprep.corpora.codings import AAMI, aami_class, aasm_stage
from physioprep.readers import read_recording
from physioprep.readers.wfdb_annotations import read_annotations


@pytest.mark.realdata
def test_beats_of_mitdb_208(shared_data: Path):
    codes = read_recording(shared_data / "mitdb" / "208").annotations["code"]
    counts = Counter(aami_class(code) for code in codes)
    # the database's table of beats: 1586 normal, 2 supraventricular, 992 PVC, 373 fusion,
    # 2 unclassified
    assert {name: counts[name] for name in "NSVFQ"} == {
        "N": 1586, "S": 2, "V": 992, "F": 373, "Q": 2,
    }  # fmt: skip


def test_every_beat_symbol_has_a_class_and_nothing_else_does():
    import wfdb.io.annotation as annotation

    beats = {
        label.symbol
        for label in annotation.ann_labels
        if annotation.is_qrs[label.label_store] and label.symbol != " "
    }
    # "!" is a flutter wave: EC57 excludes such stretches, it classes no beats in them
    assert set(AAMI) == beats - {"!"}


@pytest.mark.realdata
def test_stages_of_slpdb(shared_data: Path):
    folder = shared_data / "slpdb_annotations_only"
    for record in ("slp01a", "slp60"):
        texts = read_annotations(folder / f"{record}.st", 250.0)["text"]
        stages = [aasm_stage(text) for text in texts]
        for text, stage in zip(texts, stages, strict=True):
            first = text.strip("\x00").split()[0]
            assert stage == {"W": "W", "1": "N1", "2": "N2", "3": "N3", "4": "N3", "R": "REM"}.get(
                first
            ), text
        assert {"W", "N1", "N2"} <= set(stages)


@pytest.mark.realdata
def test_stages_of_sleep_edfx(shared_data: Path):
    path = shared_data / "sleep_edfx_excerpt" / "SC4001EC-Hypnogram.edf"
    texts = read_recording(path).annotations["text"]
    stages = {text: aasm_stage(text) for text in texts}
    assert stages["Sleep stage 3"] == stages["Sleep stage 4"] == "N3"
    assert stages["Sleep stage ?"] is None
