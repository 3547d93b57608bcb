"""Measure the server of `physioprep browse`: a day of 3 leads at 250 Hz, and 100,000 records.

Run: ``python benchmarks/browse.py [STORE RECORD]``. The day repeats that record (its first leads);
without one it is generated. Printed are wall-clock time and processor time of each request, both
of client and server, in one process.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

import physioprep as pp
from physioprep.browsing.browser import open_browser
from physioprep.browsing.server import BrowseServer
from physioprep.harmonise.functions import resample
from physioprep.manifest import make_manifest

RATE_HZ, DAY_S, N_RECORDS, N_PANS = 250, 86_400, 100_000, 150


def make_day(out: Path, store: str | None, record: str | None) -> None:
    """Make a store of one record of a day."""
    n = DAY_S * RATE_HZ
    if store is None or record is None:
        leads = np.random.default_rng(0).normal(0, 0.1, (3, 3600 * RATE_HZ)).cumsum(axis=1) % 1
    else:
        opened = pp.open_store(store)
        values = np.nan_to_num(opened.record(record)["ecg"].to_numpy())
        leads = resample(np.vstack([values, values])[:3], opened.rate_hz("ecg"), RATE_HZ)
    day = np.tile(np.round(leads * 1000).astype(np.int16), (1, -(-n // leads.shape[1])))[:, :n]
    pp.from_arrays(
        day[None], channels=["I", "II", "V1"], rate_hz=float(RATE_HZ), units="uV", out=out
    )


def make_list(out: Path) -> None:
    """Make a manifest of many records."""
    rng, n = np.random.default_rng(0), N_RECORDS
    frame = make_manifest(
        {
            "corpus": ["mine"] * n, "record_id": [f"r{i:06d}" for i in range(n)],
            "subject_id": [f"p{i // 4}" for i in range(n)],
            "path": [f"a/{i // 1000}/r{i:06d}.hea" for i in range(n)],
            "age": rng.integers(18, 90, n).astype(float).tolist(),
            "label_rhythm": rng.choice(["SR", "AF", "AFL", "PVC"], n).tolist(),
        }
    )  # fmt: skip
    pp.write_manifest(frame, out)


def main() -> None:
    """Print the figures."""
    store, record = (*sys.argv[1:3], None, None)[:2]
    with tempfile.TemporaryDirectory() as name:
        make_day(Path(name) / "day.zarr", store, record)
        make_list(Path(name) / "list.parquet")
        browser = open_browser([Path(name) / "day.zarr", Path(name) / "list.parquet"])
        with BrowseServer(browser) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            measure(server)
            server.shutdown()


def measure(server: BrowseServer) -> None:
    """Ask as the page does."""
    connection = HTTPConnection("127.0.0.1", server.server_port)

    def get(name: str, **values: object) -> tuple[float, float]:
        wall, processor = time.perf_counter(), time.process_time()
        connection.request("GET", f"/{server.token}/api/{name}?{urlencode(values)}")
        answer = connection.getresponse()
        content = answer.read()
        assert answer.status == 200, content
        return 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - processor)

    ecg = {"key": 0, "modality": "ecg", "points": 1400}
    for said, name, values in (
        ("open: record", "record", {"key": 0}),
        ("open: first 10 s", "signal", {**ecg, "start_s": 0, "stop_s": 10}),
        ("whole day, first time", "signal", {**ecg, "start_s": 0, "stop_s": DAY_S}),
        ("whole day, again", "signal", {**ecg, "start_s": 0, "stop_s": DAY_S}),
        ("search 'af'", "records", {"source": 1, "q": "af"}),
        ("search 'mine af 7', by record", "records",
         {"source": 1, "q": "mine af 7", "sort": "record_id"}),
        ("search 'af', by age, first time", "records", {"source": 1, "q": "af", "sort": "age"}),
    ):  # fmt: skip
        wall, processor = get(name, **values)
        print(f"{said}: {wall:.0f} ms, processor {processor:.0f} ms")
    for said, steps in (("as stored", ""), ("band-pass", '[{"name": "bandpass"}]')):
        starts = [30_000 + i / 3 for i in range(N_PANS)]
        times = [get("signal", **ecg, start_s=s, stop_s=s + 10, steps=steps) for s in starts]
        walls = sorted(wall for wall, _ in times)
        print(
            f"pan 10 s of 3 leads, {said}: median {statistics.median(walls):.1f} ms, "
            f"95th percentile {walls[int(0.95 * N_PANS)]:.1f} ms, "
            f"processor {statistics.mean(p for _, p in times):.1f} ms"
        )


if __name__ == "__main__":
    main()
