"""An ingest in a process of its own, that tests may kill, starve or poison.

Usage: driver.py JOB, where JOB is JSON: manifest, target, recipe, scheduler, workers, and
  kills, seed   kill the ingest this many times, then let it finish
  start         a store to put at the target first (to overwrite it or to append to it)
  file_limit    bytes that no file may exceed: every larger write fails
Without an ``if __name__ == "__main__"`` guard on purpose: an ingest with worker processes must
work from such a script.
"""

import json
import mmap
import os
import random
import resource
import shutil
import signal
import sys
import time

import physioprep as pp
from physioprep.manifest import read_manifest


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


PHASES = ("planning", "writing", "journaling", "committing")


class Watch:
    """Follows an ingest in this process by what it changes on the disk.

    `phase[0]` is the number of the phase it is in (shared with the parent process); `seen`
    counts the changes in each.
    """

    def __init__(self, phase):
        self.phase, self.seen, self.die_at = phase, [0] * len(PHASES), None

    def __call__(self, event, arguments):
        if event == "open":
            # (path, mode, flags); a path may be a file descriptor
            writes = isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        else:
            writes = event in CHANGES
        if not writes or not isinstance(arguments[0], str):
            return
        path = arguments[0].rpartition(".partial")[2]  # /HASH/store/… and the like
        if self.phase[0] < 3:
            if event == "open" and "/store/" in path and "/signal/c/" not in path:
                self.phase[0] = 3
            elif "/traces/" in path or (event != "os.mkdir" and "/signal/c/" in path):
                self.phase[0] = 1
            elif event != "os.mkdir" and "/journal/" in path:
                self.phase[0] = 2
        self.seen[self.phase[0]] += 1
        if self.die_at and self.seen[self.die_at[0]] >= self.die_at[1]:
            os.kill(os.getpid(), signal.SIGKILL)


CHANGES = ("os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")


def killed(job, how, seconds, n_events):
    """Run an ingest in a fork and kill it; return the phase it was in, None if it was quicker.

    `how` is a phase (or None, for a moment in time) and a number below 1.
    """
    phase = mmap.mmap(-1, 1)
    child = os.fork()
    if child == 0:
        watch = Watch(phase)
        if how[0] is not None:
            watch.die_at = how[0], 1 + int(how[1] * n_events[how[0]])
        sys.addaudithook(watch)
        attempt(job)
        os._exit(0)
    if how[0] is None:
        time.sleep(how[1] * seconds)
        os.kill(child, signal.SIGKILL)
    return None if os.waitpid(child, 0)[1] == 0 else phase[0]


def count_events(job, target):
    """File system changes in each phase of an undisturbed ingest, and its seconds."""
    began = time.monotonic()
    reader, writer = os.pipe()
    if os.fork() == 0:
        watch = Watch(mmap.mmap(-1, 1))
        sys.addaudithook(watch)
        attempt(job | {"target": target})
        os.write(writer, json.dumps(watch.seen).encode())
        os._exit(0)
    os.wait()
    return json.loads(os.read(reader, 200)), time.monotonic() - began


job = json.loads(sys.argv[1])
kills = 0
finished_early = 0
phases = dict.fromkeys(PHASES, 0)
if job.get("kills"):
    rng = random.Random(job["seed"])
    if "start" in job:  # the store that is there before
        shutil.copytree(job["start"], job["target"] + ".counted")
        shutil.copytree(job["start"], job["target"])
    n_events, seconds = count_events(job, job["target"] + ".counted")
    while kills < job["kills"]:
        turn = kills % (len(PHASES) + 2)  # two of six at a moment in time
        how = (turn if turn < len(PHASES) else None, rng.random())
        died_in = killed(job, how, seconds, n_events)
        if died_in is None:
            finished_early += 1  # it had less left to do than that: start again from nothing
            shutil.rmtree(job["target"])
            if "start" in job:
                shutil.copytree(job["start"], job["target"])
        else:
            kills += 1
            phases[PHASES[died_in]] += 1
answer = attempt(job) | {"kills": kills, "finished_early": finished_early, "phases": phases}
print(json.dumps(answer))
