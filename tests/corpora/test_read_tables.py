"""A table that the corpus's module reads is not called "not taken"."""

from pathlib import Path

from physioprep.corpora.scan import scan
from tests.tasks import raw_mental_arithmetic


def test_a_table_that_is_read_is_taken(tmp_path: Path) -> None:
    raw_mental_arithmetic.make(tmp_path)
    (tmp_path / "README").write_text("words")
    (tmp_path / "more").mkdir()
    (tmp_path / "more/subject-info.csv").write_text("a,b\n")  # nobody reads this one
    frame = scan(tmp_path, "eegmat", hashes=False)
    assert frame["age"].eq(20).all()
    assert [note for note in frame.attrs["notes"] if note.startswith("not taken: ")] == [
        "not taken: README: a text, table or picture",
        "not taken: more/subject-info.csv: a text, table or picture",
    ]
