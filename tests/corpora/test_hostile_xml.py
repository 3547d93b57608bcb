"""XML beside recordings: entities, brackets and damage cost its labels, not the scan."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from physioprep.corpora import read_annotations
from physioprep.corpora.known.bcic2020_3 import ANSWERS
from physioprep.corpora.scan import scan
from physioprep.errors import CorpusError
from tests.tasks.raw_bcic2020_3 import make


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"<session", "cut off: its XML ends in line 1, unclosed"),
        (b"<a>" * 60, "is nested too deep"),
        (b'<!DOCTYPE a [<!ENTITY b "5">]><session feltArsl="&b;"/>', "declares a document type"),
        (b"<session" + b" " * 5_000_000 + b"/>", "more than 4194304 bytes"),
    ],
)
def test_a_sheet_of_ratings_that_cannot_be_read_is_a_flag(
    tmp_path: Path, edf: Callable[..., Path], content: bytes, cause: str
) -> None:
    for session in ("2", "4"):
        folder = tmp_path / "Sessions" / session
        edf(folder / f"Part_1_S_Trial{session}_emotion.bdf", ["Fp1"], rates_hz=256, bdf=True)
        (folder / "session.xml").write_text('<session feltArsl="5"/>')
    (folder / "session.xml").write_bytes(content)
    frame = scan(tmp_path, "mahnob-hci").set_index("record_id")
    assert frame["error"].isna().all()
    assert frame["label_arousal"].tolist()[:1] == [5]
    assert np.isnan(frame.loc["4", "label_arousal"])
    (flag,) = (flag for flag in frame.loc["4", "flags"] if "session.xml" in flag)
    assert flag.startswith(f"note:Sessions/4/session.xml: no ratings read ({cause}")
    assert "not-rated" not in frame.loc["4", "faults"]


def test_entities_in_a_sheet_of_answers_are_not_expanded(tmp_path: Path) -> None:
    make(tmp_path)
    path, sheet = (tmp_path / "Test set" / name for name in ("Data_Sample02.mat", ANSWERS))
    assert len(read_annotations("bcic2020-3", path)["text"]) == 7
    with zipfile.ZipFile(sheet) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(sheet, "w") as archive:
        for name, content in held.items():
            archive.writestr(name, b"<!DOCTYPE a [<!ENTITY b '5'>]>" + content)
    with pytest.raises(CorpusError, match="declares a document type"):
        read_annotations("bcic2020-3", path)
