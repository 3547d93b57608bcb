"""The JSON beside a recording of BIDS: where it says otherwise than the file, it is flagged."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final

from physioprep import limits
from physioprep.corpora.bids_names import SideFiles, dataset_of, parse_name
from physioprep.errors import UnreadableFileError
from physioprep.readers.confinement import is_inside
from physioprep.readers.regular import read_bytes
from physioprep.recording import Header

#: Least difference of lengths: some datasets round them to s, or leave out the last sample.
_SECONDS: Final = 1.0


def json_flags(header: Header, root: Path, path: str) -> list[str]:
    """Compare a recording with the JSON files that describe it.

    Parameters
    ----------
    header : Header
        Of the recording, which counts.
    root : Path
        Folder of the corpus.
    path : str
        Of the recording, relative to it.

    Returns
    -------
    list of str
        ``rate-differs:256 Hz (500 in JSON)``, ``duration-differs:12 s (3600 in JSON)``, and
        ``not-read:…`` of a file that is no JSON.
    """
    said, flags = _said(root, path)
    rates = sorted({group.sampling_rate for group in header.groups})
    rate = _number(said.get("SamplingFrequency"))
    if rate and not any(math.isclose(rate, own, rel_tol=1e-3) for own in rates):
        flags.append(f"rate-differs:{', '.join(f'{own:g}' for own in rates)} Hz ({rate:g} in JSON)")
    length = _number(said.get("RecordingDuration"))
    is_known = all(group.n_samples >= 0 for group in header.groups)
    is_continuous = str(said.get("RecordingType", "continuous")).lower() == "continuous"
    if length and is_known and is_continuous:
        own = header.duration_s
        if abs(own - length) > max(_SECONDS, 0.01 * own):
            flags.append(f"duration-differs:{own:g} s ({length:g} in JSON)")
    return flags


def _said(root: Path, path: str) -> tuple[dict[str, Any], list[str]]:
    """Return what the files say together, the nearest last; and flags of those not read."""
    suffix = parse_name(path).suffix
    folders, folder = [], path
    while folder not in ("", dataset_of(path)):
        folder = folder.rpartition("/")[0]
        folders.append(folder)
    files = [
        file.relative_to(root).as_posix()
        for folder in folders
        for file in (root / folder).glob(f"*{suffix}.json")
    ]
    said: dict[str, Any] = {}
    flags = []
    for file in SideFiles(files).inherited(path, suffix):
        try:
            if not is_inside(str(root / file), str(root)):
                continue
            data = read_bytes(root / file, limits.MAX_YAML_BYTES, "bytes of JSON").tobytes()
            found = json.loads(data.decode("utf-8-sig"))
            said |= dict(found)
        except (UnreadableFileError, ValueError, TypeError, RecursionError):
            flags.append(f"not-read:{file}")
    return said, flags


def _number(value: object) -> float | None:
    """Return a number above 0 that a JSON states, also as text; None for anything else."""
    try:
        found = float(value) if isinstance(value, str | int | float) else 0.0
    except (ValueError, OverflowError):
        return None
    return found if 0 < found < math.inf else None
