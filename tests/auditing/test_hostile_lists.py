"""Tables of labels and publishers' lists that are none cost a finding, not the audit."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from physioprep import limits
from physioprep.auditing import audit
from physioprep.manifest import make_manifest, write_manifest


def large(path: Path) -> None:
    with path.open("w") as file:
        file.write("A00001,N\n" * 40)


LISTS = {"REFERENCE-v3.csv": "cinc2017", "SHA256SUMS.txt": "mine", "RECORDS": "mine"}
HURTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "latin-1": (lambda path: path.write_bytes(b"A\xe9\n"), "UTF-8|not a table"),
    "large": (large, "over the limit of 100"),
}


#: The names that a list of checksums holds may be of any encoding.
PAIRS = [(name, hurt) for name in LISTS for hurt in HURTS if (name[:3], hurt) != ("SHA", "latin-1")]


@pytest.mark.parametrize(("name", "hurt"), PAIRS)
def test_a_list_that_is_none_is_a_finding(
    tmp_path: Path, name: str, hurt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("MAX_TABLE_BYTES", "MAX_TEXT_BYTES"):
        monkeypatch.setattr(limits, limit, 100)
    make, cause = HURTS[hurt]
    make(tmp_path / name)
    (found,) = findings(tmp_path, LISTS[name])
    assert found.startswith(f"{name}: ")
    assert any(part in found for part in cause.split("|")), found


def findings(root: Path, corpus: str) -> list[str]:
    (root / "a.dat").write_bytes(b"x")
    table = make_manifest(
        {"corpus": [corpus], "record_id": ["a"], "path": ["a.dat"], "root": [str(root)],
         "files": [["a.dat"]], "error": ["a.dat: no recording"]}
    )  # fmt: skip
    found = audit([write_manifest(table, root.parent / "m.parquet", overwrite=True)]).findings
    return [one.detail for one in found if one.check == "unreadable-file" and not one.records]


@pytest.mark.parametrize("name", ["REFERENCE-v3.csv", "SHA256SUMS.txt", "RECORDS"])
def test_a_pipe_in_place_of_a_list_is_not_waited_for(tmp_path: Path, name: str) -> None:
    (tmp_path / "raw").mkdir()
    os.mkfifo(tmp_path / "raw" / name)
    found = findings(tmp_path / "raw", LISTS[name])
    if name.startswith("SHA256SUMS"):  # others are no files, and looked at no further
        assert found == [f"{name}: a pipe, not a file"]


def test_names_that_no_file_can_have_are_missing(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "RECORDS").write_text("a" * 5000 + "\nb\0c\n")
    assert findings(tmp_path / "raw", "mine") == []


def test_a_table_of_labels_in_a_deep_folder_does_not_end_the_audit(
    tmp_path: Path, dig: Callable[..., Path]
) -> None:
    root = dig(tmp_path / "raw")
    assert findings(root, "cinc2017") == []
