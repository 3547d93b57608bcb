"""An ingest in a process of its own, that tests may kill, starve or poison.

Usage: driver.py JOB, where JOB is JSON: manifest, target, recipe, scheduler, workers, and
  kills, seed   kill the ingest this many times, then let it finish
  start         a store to put at the target first (to overwrite it or to append to it)
  file_limit    bytes that no file may exceed: every larger write fails
Without an ``if __name__ == "__main__"`` guard on purpose: an ingest with worker processes must
work from such a script.
"""

import json
import os
import random
import resource
import shutil
import signal
import sys
import time

import physioprep as pp
from physioprep.manifest import read_manifest
from physioprep.store import commit, execute, table  # noqa: F401 (before the forks, not in each)


def attempt(job):
    """One ingest; what it raises is a line."""
    if "file_limit" in job:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job["file_limit"], job["file_limit"]))
    try:
        result = pp.ingest(
            read_manifest(job["manifest"]),
            job["target"],
            job.get("recipe", "ecg-200hz"),
            scheduler=job.get("scheduler"),
            workers=job.get("workers"),
            overwrite=job.get("overwrite", False),
            append=job.get("append", False),
        )
    except pp.PhysioprepError as error:
        return {"error": str(error)}
    return {"records": result.n_records, "quarantined": list(result.quarantined)}


def die_at_event(number):
    """SIGKILL this process before its `number`-th change to the file system."""
    left = [number]

    def watch(event, arguments):
        writes = event == "open" and isinstance(arguments[1], str) and "w" in arguments[1]
        if writes or event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"):
            left[0] -= 1
            if left[0] <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)


def killed(job, rng, seconds, n_events):
    """Run an ingest in a fork and kill it; return whether it was quicker."""
    child = os.fork()
    if child == 0:
        if rng[0] == "event":
            die_at_event(1 + int(rng[1] * n_events))
        attempt(job)
        os._exit(0)
    if rng[0] == "time":
        time.sleep(rng[1] * seconds)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1] == 0


def count_events(job, target):
    """File system changes of an undisturbed ingest, and its seconds."""
    began = time.monotonic()
    reader, writer = os.pipe()
    if os.fork() == 0:
        seen = [0]

        def watch(event, arguments):
            writes = event == "open" and isinstance(arguments[1], str) and "w" in arguments[1]
            seen[0] += writes or event.startswith(("os.re", "os.mk", "os.rm", "os.trunc"))

        sys.addaudithook(watch)
        attempt(job | {"target": target})
        os.write(writer, str(seen[0]).encode())
        os._exit(0)
    os.wait()
    return int(os.read(reader, 20)), time.monotonic() - began


job = json.loads(sys.argv[1])
kills = 0
finished_early = 0
if job.get("kills"):
    rng = random.Random(job["seed"])
    if "start" in job:  # the store that is there before
        shutil.copytree(job["start"], job["target"] + ".counted")
        shutil.copytree(job["start"], job["target"])
    n_events, seconds = count_events(job, job["target"] + ".counted")
    while kills < job["kills"]:
        how = (rng.choice(["event", "event", "time"]), rng.random())
        if killed(job, how, seconds, n_events):
            finished_early += 1  # it had less left to do than that: start again from nothing
            shutil.rmtree(job["target"])
            if "start" in job:
                shutil.copytree(job["start"], job["target"])
        else:
            kills += 1
answer = attempt(job) | {"kills": kills, "finished_early": finished_early}
print(json.dumps(answer))
