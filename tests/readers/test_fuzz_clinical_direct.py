"""Damaged files of clinical formats, read by the modules themselves: the one error, or a recording.

The process that guards a parser turns any fault of it into the allowed error; here none is.
"""

from __future__ import annotations

import random
import time
import warnings
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from physioprep.errors import UnreadableFileError
from physioprep.readers.recognise import BY_CONTENT
from tests.readers.planted import NAME, planted, write_planted

#: Of these, own tests damage the files.
FORMATS = sorted(BY_CONTENT.keys() - {"egi_raw"})
WORDS = (
    *(b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\0\0\0\x01", b"\xff\x7f"),
    *(b"9", b"-", b"<", b"&", b">", b"\n", b",", b"e9", b"nan", b"\xff\xfe\0\0"),
)
EXAMPLES = 120


def damaged(content: bytes, rng: random.Random) -> bytes:
    """Cut a file, repeat or leave out a part, or write bytes and numbers somewhere."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data) or 1)
        kind = rng.randrange(6)
        if kind == 0:
            data[at : at + 1] = bytes([rng.randrange(256)])
        elif kind == 1:
            word = rng.choice(WORDS)
            data[at : at + len(word)] = word
        elif kind == 2:
            del data[at : at + rng.randint(1, 40)]
        elif kind == 3:
            data[at:at] = data[max(0, at - rng.randint(1, 200)) : at]
        elif kind == 4 and rng.random() < 0.3:
            del data[at:]
        else:
            data[at:at] = rng.choice(WORDS)
    return bytes(data)


def check(module: ModuleType, path: Path, *, verify: bool) -> None:
    begun = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = module.read(path, verify=verify)
    except UnreadableFileError as error:
        assert "\n" not in error.cause  # noqa: PT017
        assert NAME not in error.cause  # noqa: PT017
        assert Path(error.path).name  # noqa: PT017
        return
    finally:
        assert time.process_time() - begun < 2
    n = len(found.annotations)
    assert all(len(column) == n for column in found.annotation_columns.values())
    for group in found.groups:
        assert group.digital is not None
        assert group.digital.shape == (len(group.channels), group.n_samples)
        assert np.isfinite(group.sampling_rate)
        assert group.digital.nbytes < 1 << 24


@pytest.mark.parametrize("format", FORMATS)
def test_damage_is_one_error_or_a_recording(format: str, tmp_path: Path) -> None:
    module, path = import_module(BY_CONTENT[format]), write_planted(format, tmp_path)
    module.read(path, verify=True)
    names = sorted(name for name, content in planted(format).items() if content)
    rng = random.Random(format)
    for _ in range(EXAMPLES):
        name = rng.choice(names)
        content = planted_once(format)[name]
        (tmp_path / name).write_bytes(damaged(content, rng))
        for verify in (True, False):
            check(module, path, verify=verify)
        (tmp_path / name).write_bytes(content)


_held: dict[str, dict[str, bytes]] = {}


def planted_once(format: str) -> dict[str, bytes]:
    if format not in _held:
        _held[format] = planted(format)
    return _held[format]
