"""The bytes of stores and shards of a small corpus stay what they were.

A change of these hashes changes what users have on their disks: it needs a new schema version,
or a reason in docs/decisions.md. Versions of software, which a store names, are left out. The
hashes were made at commit 1f11b3b, before the packages were rearranged, by `hashes` below.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

import physioprep as pp

GOLDEN = {
    "native.zarr": "32eabc05b67451fcaca5116f3ac4786bdced785ff3ba9812c6602aeb406b5ffe",
    "ecg-200hz.zarr": "e54e4a087b2dc2bfd77888b9ca43416746d8156a2ca90375b4da56a649e1b708",
    "windows.shards": "df3f044eeceedcdb901b945fde03646cd50730da9125e39c88e8eb4f16911386",
}


def write_corpus(folder: Path) -> Path:
    """Three WFDB records: integers by arithmetic alone, so that no library decides them."""
    folder.mkdir()
    for number, (rate_hz, n) in enumerate(((500, 15_000), (360, 9_000), (500, 4_321))):
        at = np.arange(n, dtype=np.int64)
        beat = np.maximum(0, 60 - np.abs(at % rate_hz - 100)) * 12  # a triangle per second
        wander = np.abs(at % (7 * rate_hz) - 3 * rate_hz) // 8
        digital = np.stack([beat + wander, 2 * beat - wander + at * at * 31 % 17]).astype("<i2")
        digital += np.int16(number)
        lines = [f"r{number} 2 {rate_hz} {n}"]
        for lead, row in zip(("I", "II"), digital, strict=True):
            checksum = (int(row.astype(np.int64).sum()) + 0x8000) % 0x10000 - 0x8000
            lines.append(f"r{number}.dat 16 200/mV 16 0 {row[0]} {checksum} 0 {lead}")
        (folder / f"r{number}.hea").write_text("\n".join(lines) + "\n")
        (folder / f"r{number}.dat").write_bytes(digital.T.tobytes())
    return folder


def without_software(path: Path) -> bytes:
    """Return a file's bytes; of a root zarr.json without the versions that made it."""
    data = path.read_bytes()
    if path.name == "zarr.json":
        content = json.loads(data)
        if "software" in content["attributes"]:
            del content["attributes"]["software"]
            return json.dumps(content).encode()
    return data


def hash_of(folder: Path) -> str:
    """Return one hash of all files of a folder and their names."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        # these hold the hash of zarr.json
        if path.is_file() and path.name not in ("SHA256SUMS", "CRC32CSUMS"):
            digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(without_software(path)).digest())
    return digest.hexdigest()


def hashes(folder: Path) -> dict[str, str]:
    """Make the stores and shards, and return their hashes."""
    manifest = pp.scan(write_corpus(folder / "raw"), "folder")
    made = []
    for recipe in ("native", "ecg-200hz"):
        made.append(folder / f"{recipe}.zarr")
        pp.ingest(manifest, made[-1], recipe)
    made.append(folder / "windows.shards")
    pp.shard(folder / "ecg-200hz.zarr", made[-1], window_s=2.5, seed=7, min_valid=0.5)
    return {path.name: hash_of(path) for path in made}


def test_stores_and_shards_are_what_they_were(tmp_path: Path) -> None:
    assert hashes(tmp_path) == GOLDEN
