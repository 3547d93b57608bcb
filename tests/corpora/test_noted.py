"""What readers note of a recording reaches the manifest, the store and the summaries."""

from __future__ import annotations

from physioprep.corpora.noted import noted_lines, reader_notes
from physioprep.recording import reader_flags


def test_notes_are_counted_and_not_endless() -> None:
    flags = [["note:is odd", f"note:x{n}", "saturated:Cz"] for n in range(30)]
    lines = noted_lines(reader_notes([f"r{n}" for n in range(30)], flags))
    assert lines[0] == "is odd: 30 recordings: r0, r1, r2, …"
    assert len(lines) == 21
    assert lines[-1] == "and 11 other notes, see flags"


def test_what_is_flagged_is_not_noted_again() -> None:
    metadata = {
        "not_read": ["a.atr"],
        "notes": ["a.atr: cut off", *[f"n{k}" * 99 for k in range(7)]],
    }
    flags = reader_flags(metadata)
    assert flags[0] == "not-read:a.atr"
    assert flags[-1] == "note:and 2 more"
    assert len(flags) == 7
    assert max(map(len, flags)) < 170
