"""A Parquet manifest with a flipped bit is an error, and never ends the process."""

import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from physioprep.errors import ManifestError
from physioprep.manifest import make_manifest, write_manifest
from physioprep.manifest.files import check_manifest_output
from physioprep.manifest.footer import stated_values

KEY = b"physioprep.manifest"
#: Flips random bits of a footer. In a process of its own: the fault was that it died.
FLIPS = """
import random, sys
from pathlib import Path
from physioprep.auditing.arrow_columns import read_table
from physioprep.errors import ManifestError
from physioprep.manifest import read_manifest

path = Path(sys.argv[1])
whole = path.read_bytes()
size = int.from_bytes(whole[-8:-4], "little")
draw = random.Random(0)
errors = 0
for _ in range(500):
    damaged = bytearray(whole)
    damaged[draw.randrange(len(whole) - 8 - size, len(whole))] ^= 1 << draw.randrange(8)
    path.write_bytes(damaged)
    for read in (read_manifest, read_table):
        try:
            read(path)
        except ManifestError:
            errors += 1
print(errors)
"""


def manifest(folder: Path) -> Path:
    frame = make_manifest({"corpus": ["mine"], "record_id": ["1"], "path": ["1.edf"]})
    return write_manifest(frame, folder / "m.parquet")


def test_flipped_bits_of_a_footer(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FLIPS, str(manifest(tmp_path))]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-500:]
    assert int(done.stdout) > 300


def test_a_damaged_manifest_is_still_ours_to_replace(tmp_path: Path) -> None:
    path = manifest(tmp_path)
    whole = path.read_bytes()
    key = range(whole.rindex(KEY), whole.rindex(KEY) + len(KEY))
    unreadable = 0
    places = sorted(set(range(4, len(whole))) - set(key))
    for place in random.Random(0).sample(places, 600):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            pq.read_schema(path)
        except (pa.ArrowException, OSError):
            unreadable += 1
            check_manifest_output(path, overwrite=True)
    assert unreadable > 50
    path.write_bytes(b"PAR1 of somebody else PAR1")
    with pytest.raises(ManifestError, match="never replaced"):
        check_manifest_output(path, overwrite=True)


def test_the_values_of_a_footer(tmp_path: Path) -> None:
    many = pa.table({"a": [[[1.0, 2.0], []], None] * 40, "b": [True, None] * 40})
    pq.write_table(many, tmp_path / "many.parquet", row_group_size=2)
    for path in (manifest(tmp_path), tmp_path / "many.parquet"):
        found = pq.read_metadata(path)
        stated = [
            found.row_group(group).column(column).num_values
            for group in range(found.num_row_groups)
            for column in range(found.num_columns)
        ]
        assert stated_values(path) == sum(stated) > 0


@pytest.mark.parametrize(
    "footer", [b"", b"\x49", b"\x19" * 9000, b"\x1d\x00", b"\x26" + b"\xff" * 20]
)
def test_footers_that_are_none(tmp_path: Path, footer: bytes) -> None:
    path = tmp_path / "m.parquet"
    path.write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
    with pytest.raises(ValueError, match="footer is damaged"):
        stated_values(path)
