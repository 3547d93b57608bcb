"""What a folder of results holds, to be compared."""

import hashlib
import io
import json
from pathlib import Path

import pandas as pd

#: What differs between two runs: seconds, rates, and whether somebody edits the checkout.
PASSING = ("wall_s", "windows_per_s", "git")


def content(path: Path) -> dict[str, str]:
    """Hash all files of a folder, what differs between two runs aside."""
    found = {}
    for file in sorted(path.rglob("*")):
        data = file.read_bytes() if file.is_file() else b""
        if file.suffix == ".json" and isinstance(json.loads(data), dict):
            held = {k: v for k, v in json.loads(data).items() if k not in PASSING}
            data = json.dumps(held).encode()
        elif file.suffix == ".csv":
            table = pd.read_csv(io.BytesIO(data))
            data = table.drop(columns=list(PASSING), errors="ignore").to_csv().encode()
        listing = file.name == "SHA256SUMS"  # it has the hashes of what differs
        if file.suffix != ".pt" and not listing:
            found[file.relative_to(path).as_posix()] = hashlib.sha256(data).hexdigest()
    return found
