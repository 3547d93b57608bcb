"""What is not read of clinical formats ends in one line that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from physioprep.cli import app
from physioprep.errors import UnreadableFileError
from physioprep.readers import read_recording
from tests.readers import mef_made, test_nicolet
from tests.readers.test_mef import write as write_mef
from tests.readers.test_nicolet import CHANNELS, DAY, change, channel, described, made


def kardia(folder: Path) -> Path:
    (folder / "kardia.csv").write_text("Lead I\n0.01\n0.02\n")
    return folder / "kardia.csv"


def zarr(folder: Path) -> Path:
    (folder / "a.nwb.zarr").mkdir()
    (folder / "a.nwb.zarr" / ".zgroup").write_text('{"zarr_format": 2}')
    return folder / "a.nwb.zarr"


def zeros(folder: Path) -> Path:
    (folder / "z.csv").write_bytes(bytes(5000))
    return folder / "z.csv"


def noise(folder: Path) -> Path:
    (folder / "n.txt").write_bytes(bytes(range(1, 256)) * 20)
    return folder / "n.txt"


def bomb(folder: Path) -> Path:
    declared = '<!DOCTYPE a [<!ENTITY b "bbbb"><!ENTITY c "&b;&b;">]>'
    (folder / "b.xml").write_text(f'<?xml version="1.0"?>{declared}<a>&c;</a>')
    return folder / "b.xml"


def blanks(folder: Path) -> Path:
    (folder / "a.xml").write_text('\n <?xml version="1.0"?><RestingECG><a/></RestingECG>')
    return folder / "a.xml"


def encrypted(folder: Path) -> Path:
    return write_mef(folder, mef_made.session(sections=(1, 2)))


def changing(folder: Path) -> Path:
    first = described(channel("old", 10.0))
    other = described(channel("new", 10.0))
    changes = change(CHANNELS, DAY - 3, 0, len(first))
    changes += change(CHANNELS, DAY + 1 / 86400, len(first), len(other))
    content = made(**{CHANNELS: [first + other], "InfoChangeStream": [changes]})
    return test_nicolet.write(folder, content)


@pytest.mark.parametrize(
    ("make", "why", "remedy"),
    [
        (kardia, "no description kardia.yaml", "say sampling_rate, channels and units there"),
        (zeros, "is binary, no text", "another format than .csv"),
        (noise, "is binary, no text", "another format than .txt"),
        (bomb, "an XML of no known format", "declares a document type, which may hold entities"),
        (blanks, "not XML", "something stands before its <?xml"),
        (zarr, "a Zarr folder is no recording", "export it to HDF5"),
        (encrypted, "encrypted MEF: it needs a password", "Decrypt it with pymef"),
        (changing, "channels change between segments", "export each segment to EDF"),
    ],
)
def test_a_refusal_is_one_line_that_says_what_to_do(
    tmp_path: Path, make: Callable[[Path], Path], why: str, remedy: str
) -> None:
    path = make(tmp_path)
    with pytest.raises(UnreadableFileError) as error:
        read_recording(path)
    assert why in str(error.value)
    assert remedy in str(error.value)
    done = CliRunner().invoke(app, ["view", str(path), "-o", str(tmp_path / "a.png")])
    assert done.exit_code == 2
    said = " ".join(done.stderr.split())
    assert said.count("error:") == 1
    assert remedy in said
