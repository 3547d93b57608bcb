"""Shards made in a process of its own, that tests may kill at any instant.

Usage: driver.py JOB, where JOB is JSON: stores, target, options of `shard`, and
  kills, seed   kill it this many times, then let it finish
  old           shards that are at the target before, and that the options overwrite
  memory        say the peak of the resident memory as well
  share         part of the machine's memory that windows may take
Without an ``if __name__ == "__main__"`` guard on purpose, as users' scripts often are.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import physioprep as pp
from physioprep.shards import cut, run, spill, write  # noqa: F401 (before the forks)

EVENTS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir")


def attempt(job, target=None):
    try:
        result = pp.shard(job["stores"], target or job["target"], **job["options"])
    except pp.PhysioprepError as error:
        return {"error": str(error)}
    return {"windows": result.n_windows}


def watch(happened):
    """Call `happened` before every change to the file system."""

    def look(event, arguments):
        writes = event == "open" and isinstance(arguments[1], str) and "w" in arguments[1]
        if writes or event in EVENTS:
            happened()

    sys.addaudithook(look)


def killed(job, by_event, place, n_events, seconds):
    """Run in a fork and kill it; return whether it was quicker."""
    child = os.fork()
    if child == 0:
        left = [1 + int(place * n_events)]

        def count():
            left[0] -= 1
            if left[0] <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

        if by_event:
            watch(count)
        attempt(job)
        os._exit(0)
    if not by_event:
        time.sleep(place * seconds)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1] == 0


def count_events(job):
    """Changes to the file system of an undisturbed run, and its seconds."""
    reader, writer = os.pipe()
    began = time.monotonic()
    if os.fork() == 0:
        seen = [0]

        def count():
            seen[0] += 1

        watch(count)
        attempt(job, job["target"] + ".counted")
        os.write(writer, str(seen[0]).encode())
        os._exit(0)
    os.wait()
    return int(os.read(reader, 20)), time.monotonic() - began


def put_old(job):
    """Have at the target what is there before: the old shards, or nothing."""
    shutil.rmtree(job["target"], ignore_errors=True)
    if job.get("old"):
        shutil.copytree(job["old"], job["target"])


def is_old(job):
    places = [Path(job[name]) / "zarr.json" for name in ("old", "target") if job.get(name)]
    return len(places) == 2 and places[0].read_bytes() == places[1].read_bytes()


job = json.loads(sys.argv[1])
spill.SHARE = job.get("share", spill.SHARE)
kills = early = lost = 0
if job.get("kills"):
    rng = random.Random(job["seed"])
    n_events, seconds = count_events(job)
    put_old(job)
    while kills < job["kills"]:
        by_event = rng.random() < job.get("by_event", 0.7)
        finished = killed(job, by_event, rng.random(), n_events, seconds)
        early, kills = early + finished, kills + (not finished)
        if not finished and Path(job["target"]).exists():  # the old, or the new: it must be whole
            shutil.copytree(job["target"], f"{job['target']}.whole{kills}")
        lost += not Path(job["target"]).exists()
        if finished or not is_old(job):  # it had less left to do than that: start again
            put_old(job)
answer = attempt(job) | {"kills": kills, "early": early, "lost": lost}
if job.get("memory"):
    # not ru_maxrss: that of a process made by fork and exec begins at what its parent held
    status = Path("/proc/self/status").read_text()
    answer["peak_bytes"] = int(status.split("VmHWM:")[1].split()[0]) * 1024
print(json.dumps(answer))
