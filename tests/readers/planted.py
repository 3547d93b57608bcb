"""Small files of every clinical format with a name in every text, for tests of privacy and damage.

A test module ``tests/readers/test_FORMAT*.py`` has ``planted()``, which returns the files of a
recording by their relative paths, the one to open first (of a folder, the one that is cut). `NAME`
stands in every text of them but labels of leads, channels and streams, measurements, statements
and markers.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from physioprep.corpora.entry import FOLDER_ENDINGS

#: Stands in every text.
NAME = "PLANTEDNAME"


def planted(format: str) -> dict[str, bytes]:
    """Return the files of a recording of a format; the first is the one to open."""
    for module in sorted(Path(__file__).parent.glob(f"test_{format}*.py")):
        found = import_module(f"tests.readers.{module.stem}")
        if hasattr(found, "planted"):
            files: dict[str, bytes] = found.planted()
            return files
    raise AssertionError(f"no test_{format}*.py has planted(): {__doc__}")


def write_planted(format: str, folder: Path) -> Path:
    """Write the files of `planted` to a folder; return the one to open."""
    files = planted(format)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    first = Path(next(iter(files)))
    return folder / (first.parent if first.parent.suffix in FOLDER_ENDINGS else first)
