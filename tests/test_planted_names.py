"""A name in every text of a file of each clinical format is in nothing that physioprep writes."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.text import Text
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app
from physioprep.errors import UnreadableFileError
from physioprep.readers import detect_format, read_header, read_recording
from physioprep.readers.recognise import BY_CONTENT
from physioprep.viewing.raw_file import draw_file
from tests.readers.planted import NAME, planted, write_planted


def run(*words: str | Path) -> str:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code in (0, 1), result.output  # 1: the audit has findings
    return result.output


def check(said: str | bytes, where: object) -> None:
    """Look for the name in UTF-8 and UTF-16, in any case."""
    content = said.encode() if isinstance(said, str) else said
    low = content.lower()
    for encoding in ("utf-8", "utf-16-le"):
        assert NAME.lower().encode(encoding) not in low, where


def tables_of(out: Path) -> str:
    """Return as text what the tables of all outputs say, which are compressed on disk."""
    store = pp.open_store(out / "s.zarr")
    parts = [store.records.to_csv(), store.quarantine.to_csv(), repr(store.attrs)]
    parts += [store.annotations(str(each)).to_csv() for each in store.records["record_id"]]
    parts += [repr(store.channels(modality)) for modality in store.modalities]
    parts += [pd.read_parquet(path).to_csv() for path in out.rglob("*.parquet")]
    return "".join(parts)


#: A format without texts but names of markers has no place for a name.
FORMATS = sorted(BY_CONTENT.keys() - {"egi_raw"})


@pytest.mark.parametrize("format", FORMATS)
def test_a_planted_name_is_in_no_output(
    format: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    raw, out = tmp_path / "raw", tmp_path / "out"
    out.mkdir()
    path = write_planted(format, raw)
    assert any(NAME.lower().encode() in each.replace(b"\0", b"").lower()
               for each in planted(format).values())  # fmt: skip
    assert detect_format(path) == format
    store, picture = out / "s.zarr", out / "p.svg"
    said = run("scan", raw, "--corpus", "folder", "-o", out / "m.csv")
    said += run("scan", raw, "--corpus", "folder", "-o", out / "m.parquet")
    said += run("ingest", out / "m.parquet", "-o", store, "--recipe", "native", "--root", raw)
    said += run("audit", store, "--report", out / "a.html", "--findings", out / "a.json")
    said += run("audit", out / "m.parquet", "--findings", out / "raw.json")
    said += run("view", path, "-o", picture)
    said += run("view", path, "-o", out / "p.png")
    texts = [each.get_text() for each in draw_file(path).findobj(Text)]  # type: ignore[attr-defined]
    assert any(path.name in text for text in texts)
    rows = pp.read_manifest(out / "m.parquet")
    assert len(rows) == 1
    assert len(pp.open_store(store).records) == 1, pp.open_store(store).quarantine.to_csv()
    assert json.loads((out / "a.json").read_text())

    for file in out.rglob("*"):
        if file.is_file():
            check(file.read_bytes(), file)
            check(str(file.relative_to(out)), "a name of a file")
    check(tables_of(out), "the tables")
    check(said, "what the commands print")
    check(caplog.text, "the log")
    check(" ".join(texts), "the picture")
    check(repr((read_recording(path), read_header(path))), "the recording")


@pytest.mark.parametrize("format", FORMATS)
def test_a_planted_name_is_in_no_error(format: str, tmp_path: Path) -> None:
    path = write_planted(format, tmp_path)
    damaged = tmp_path / next(iter(planted(format)))
    content = damaged.read_bytes()
    for cut in range(1, 30):
        damaged.write_bytes(content[: len(content) * cut // 30])
        for verify in (True, False):
            try:
                found = read_recording(path, format=format, verify=verify)
            except UnreadableFileError as error:
                check(str(error).removeprefix(str(path)), cut)
                check(repr(error.__cause__), cut)
            else:
                check(repr((found, dict(found.metadata))) + found.annotations.to_csv(), cut)
