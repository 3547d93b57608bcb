"""The verbs on tiny corpora, for the scripts beside: what each makes, and what has to be equal."""

import hashlib
import json
import re
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd

import physioprep as pp
from physioprep.manifest import read_manifest
from physioprep.pipeline.run import StepResult
from physioprep.shards.checksums import unseal

Run = Callable[..., object]
#: Fields of JSON files and columns of tables that measure time.
TEMPORARY = re.compile(r"\.\w+\.[0-9a-f]{12}\.tmp\.csv")
SECONDS = ("wall_s", "windows_per_s")


@dataclass(frozen=True)
class Verb:
    """`run(inputs, out)` makes `out`; `old` made what it replaces; `markers`: what says "done"."""

    run: Run
    old: Run | None = None
    markers: str = r"^out$"
    compared: str = "**/*"
    trains: bool = False
    of_steps: bool = False


def write_raw(folder: Path) -> None:
    """Five records of two leads."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(5):
        n_samples = 3000 + 100 * number
        digital = rng.normal(0, 8, (2, n_samples)).cumsum(axis=1).astype("<i2")
        lines = [f"r{number} 2 100 {n_samples}"]
        for lead, row in zip(("I", "II"), digital, strict=True):
            checksum = (int(row.astype(int).sum()) + 32768) % 65536 - 32768
            lines.append(f"r{number}.dat 16 200/mV 16 0 {row[0]} {checksum} 0 {lead}")
        (folder / f"r{number}.hea").write_text("\n".join(lines) + "\n")
        (folder / f"r{number}.dat").write_bytes(digital.T.tobytes())


def prepare(inputs: Path, trains: bool) -> None:
    """Make the inputs of all verbs."""
    write_raw(inputs / "raw")
    manifest = pp.scan(inputs / "raw", "folder")
    pp.write_manifest(manifest, inputs / "m.parquet")
    pp.write_manifest(manifest.iloc[:3], inputs / "few.parquet")
    for name in ("m.parquet", "few.parquet"):  # here: each fork would start a process that reads it
        _rows(inputs / name)
    pp.ingest(manifest, inputs / "s.zarr", "ecg-200hz", scheduler="sync")
    pp.shard(inputs / "s.zarr", inputs / "s.shards", scheduler="sync", **WINDOWS)
    (inputs / "recipe.yaml").write_text(RECIPE)
    if trains:
        import training

        training.prepare(inputs)


WINDOWS = {"window_s": 2.0, "windows_per_chunk": 16}
RECIPE = """
title: tiny
steps:
  - scan: {corpus: folder, out: m.parquet}
  - ingest: {manifest: m.parquet, recipe: ecg-200hz, out: s.zarr}
  - audit: {paths: [m.parquet, s.zarr], out: audit.json}
  - view: {store: s.zarr, records: [r0], out: pictures}
  - shard: {stores: [s.zarr], window_s: 2, out: s.shards}
  - report: {out: report.html}
"""


def scan(inputs: Path, out: Path) -> None:
    pp.write_manifest(pp.scan(inputs / "raw", "folder"), out.with_suffix(".csv"), overwrite=True)


@cache
def _rows(manifest: Path) -> pd.DataFrame:
    return read_manifest(manifest)


def _ingest(manifest: str, append: bool = False) -> Run:
    def run(inputs: Path, out: Path) -> None:
        pp.ingest(
            _rows(inputs / manifest), out, "ecg-200hz", scheduler="sync",
            overwrite=not append and out.exists(), append=append,
        )  # fmt: skip

    return run


def _shard(window_s: float) -> Run:
    def run(inputs: Path, out: Path) -> None:
        pp.shard(
            inputs / "s.zarr", out, scheduler="sync", overwrite=True,
            **{**WINDOWS, "window_s": window_s},
        )  # fmt: skip

    return run


def pipeline(
    inputs: Path, out: Path, after_step: Callable[[int, StepResult], None] | None = None
) -> None:
    from physioprep.pipeline.run import run

    def on_step(number: int, total: int, step: object, result: StepResult | None) -> None:
        if after_step is not None and result is not None:
            after_step(number, result)

    run(inputs / "recipe.yaml", inputs / "raw", out, on_step=on_step)


def simulate(inputs: Path, out: Path) -> None:
    from physioprep.simulation import simulate

    simulate(out, n_patients=4, n_subjects=2, workers=1, overwrite=True)


def fetch(inputs: Path, out: Path) -> None:
    """Against a server of this machine, over the files of `raw`."""
    from physioprep.corpora.fetch import fetch

    files = {path.name: path.read_bytes() for path in (inputs / "raw").iterdir()}
    sums = [f"{hashlib.sha256(data).hexdigest()} {name}\n" for name, data in files.items()]
    files["SHA256SUMS.txt"] = "".join(sums).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = files[self.path.lstrip("/")]
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        fetch("nstdb", out, url=url, workers=1)
        server.shutdown()


def _training(verb: str) -> Run:
    def run(inputs: Path, out: Path) -> None:
        import training

        getattr(training, verb)(inputs, out)

    return run


JOURNAL = r"^out$|\.entry$|journal/\d+\.json$|spill/\d+$|finished\.json$"
VERBS = {
    "scan": Verb(scan, scan, markers=r"^out\.csv$"),
    "ingest": Verb(_ingest("m.parquet"), markers=JOURNAL),
    "ingest-replacing": Verb(_ingest("m.parquet"), _ingest("few.parquet"), markers=JOURNAL),
    "ingest-extending": Verb(
        _ingest("m.parquet", append=True), _ingest("few.parquet"), markers=JOURNAL
    ),
    "shard": Verb(_shard(2.0), markers=JOURNAL),
    "shard-replacing": Verb(_shard(2.0), _shard(1.0), markers=JOURNAL),
    "simulate": Verb(simulate),
    "pretrain": Verb(
        _training("pretrain"),
        markers=r"(last|best)/card\.json$|^out/card\.json$",
        compared="**/*.safetensors",
        trains=True,
    ),
    "finetune": Verb(_training("finetune"), trains=True),
    "embed": Verb(_training("embed"), _training("embed"), trains=True),
    "evaluate": Verb(
        _training("evaluate"),
        markers=r"^out$|folds/\d+/\d+-\d+\.parquet$|complete$|results\.json$",
        compared="**/*.parquet",
        trains=True,
    ),
    "fetch": Verb(fetch, markers=r"SHA256SUMS\.txt$"),
    "pipeline": Verb(
        pipeline, markers=r"\.steps/\d+-\w+\.json$", compared="out/**/*", of_steps=True
    ),
}


def contents(folder: Path, compared: str) -> dict[str, bytes]:
    """All files by name, without what measures time."""
    found = {}
    for path in sorted(folder.glob(compared)):
        skipped = path.name.endswith(".lock") or TEMPORARY.fullmatch(path.name)
        if path.is_file() and not skipped and ".steps" not in path.parts:
            found[path.relative_to(folder).as_posix()] = _without_seconds(path)
    return found


def everything(place: Path) -> dict[str, bytes]:
    """All in a folder by name, with the notes of a run and what is hidden."""
    found = {}
    for path in sorted(place.rglob("*")):
        if not path.name.endswith(".lock"):
            content = _without_seconds(path) if path.is_file() else b""
            note = unseal(content) if path.parent.name == ".steps" else None
            if note and note.get("summary"):
                timeless = {k: v for k, v in note["summary"].items() if k != "seconds"}
                content = json.dumps(note | {"summary": timeless}).encode()
            found[path.relative_to(place).as_posix()] = content
    return found


def _without_seconds(path: Path) -> bytes:
    content = path.read_bytes()
    with suppress(ValueError):
        text = json.loads(content) if path.suffix == ".json" else None
        if isinstance(text, dict) and not text.keys().isdisjoint(SECONDS):
            return json.dumps({k: v for k, v in text.items() if k not in SECONDS}).encode()
    return content


def leftovers(place: Path) -> list[str]:
    """What a second run should have removed: all but temporary files beside an output."""
    names = [path.name for path in place.iterdir()]
    return [name for name in names if name.startswith(".") and not TEMPORARY.fullmatch(name)]


def start(place: Path, old: Path | None) -> None:
    """Have in the empty folder `place` what is there before the verb."""
    if old is not None:
        shutil.copytree(old, place, dirs_exist_ok=True)
