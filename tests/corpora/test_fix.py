"""Known faults with a known cure, on the recordings that have them."""

from pathlib import Path

import numpy as np
import pytest

from physioprep.corpora.fix import fix_recording
from physioprep.corpora.known.cinc2020 import WORDS
from physioprep.corpora.scan import scan
from physioprep.errors import CorpusError
from physioprep.facts import list_corpora, load_facts
from physioprep.harmonise.channels import canonical_channel
from physioprep.readers import read_recording


@pytest.mark.realdata
def test_georgia_gain(shared_data: Path):
    folder = shared_data / "cinc2021" / "malformed_header"
    row = scan(folder, "cinc2021", hashes=False).iloc[0]
    assert row["record_id"] == "E00009"
    raw = read_recording(folder / row["path"])
    fixed = fix_recording(raw, "cinc2021", row["faults"])
    assert set(raw.groups[0].gain) == {4880.0}
    assert set(fixed.groups[0].gain) == {1000.0}
    np.testing.assert_array_equal(fixed.groups[0].digital, raw.groups[0].digital)
    # an ECG of plausible size: an R wave of a fifth of a millivolt becomes one of about 1 mV
    assert np.ptp(raw.groups[0].physical(), axis=1).max() < 1.0
    assert 1.0 < np.ptp(fixed.groups[0].physical(), axis=1).max() < 5.0


@pytest.mark.realdata
def test_nothing_to_fix_gives_the_recording_itself(shared_data: Path):
    recording = read_recording(shared_data / "mitdb" / "114")
    assert fix_recording(recording, "mitdb", ["leads-in-other-order"]) is recording
    with pytest.raises(CorpusError, match="no known fault 'x'"):
        fix_recording(recording, "mitdb", ["x"])


@pytest.mark.parametrize("corpus", list_corpora())
def test_names_that_facts_promise_to_put_right_are(corpus: str):
    for fault in load_facts(corpus).faults:
        for stated, right in fault.fix.get("names", {}).items():
            assert canonical_channel(stated) == right, (corpus, fault.id)


def test_words_are_codes_that_the_facts_explain():
    (dx,) = [label for label in load_facts("cinc2020").labels if label.name == "dx"]
    assert dx.coding == "SNOMED CT"
    assert set(WORDS.values()) <= set(dx.values)
