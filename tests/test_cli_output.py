"""What the command line prints where a terminal or a disk cannot take it."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app
from physioprep.manifest import make_manifest

#: Prints what no ASCII terminal has, through the entry of the command line.
SHOW = """
import physioprep.cli, physioprep.console as console
physioprep.cli.app = lambda: (
    console.print_table("a ± b", ("ä",), [["µV"]]), console.print_line("Müller"), print("…"),
    console.say("Ω"),
)
from physioprep.__main__ import main
main()
"""


def test_a_locale_without_a_character_gets_an_escape(tmp_path: Path) -> None:
    (tmp_path / "show.py").write_text(SHOW, encoding="utf-8")
    posix = {**os.environ, "PYTHONUTF8": "0", "LC_ALL": "POSIX", "PYTHONIOENCODING": ""}
    done = subprocess.run(
        [sys.executable, str(tmp_path / "show.py")],
        env=posix,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "\\u03a9\n")
    assert r"a \xb1 b" in done.stdout
    assert done.stdout.endswith("M\\xfcller\n\\u2026\n")


def test_a_full_disk_is_said_of_the_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = make_manifest({"corpus": ["mine"], "record_id": ["1"], "path": ["1.edf"]})
    path = pp.write_manifest(frame, tmp_path / "m.parquet")

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as Zarr and Arrow have it

    monkeypatch.setattr(pp, "ingest", full)
    done = CliRunner().invoke(app, ["ingest", str(path), "-o", "x.zarr"])
    assert done.exit_code == 2
    assert done.stderr.strip() == (
        "error: x.zarr: a file of it cannot be written: No space left on device"
    )
