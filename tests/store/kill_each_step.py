"""Kill an ingest that replaces or extends a store before each of its last changes on the disk.

Usage: kill_each_step.py JOB, where JOB is JSON: manifest, target, recipe, start (the old store),
append, spread. Kills are before each of the changes around the exchange of the folders, and
before every `spread`-th of the others. Prints what was found after each kill: "old", "new" or
what is wrong, and whether the next run gave the very bytes of an undisturbed one.

A change is what Python audits (open for writing, rename, remove, mkdir ...) and the exchange of
two folders (`physioprep.exchange`); a kill before each of two neighbours covers all between them.
"""

import hashlib
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import physioprep as pp
from physioprep.manifest import read_manifest
from physioprep.store.build import commit, execute, task  # noqa: F401 (before the forks)
from physioprep.store.verify import verify

CHANGES = ("os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "physioprep.exchange")
job = json.loads(sys.argv[1])
target, start = Path(job["target"]), Path(job["start"])
partial = target.with_name(f".{target.name}.partial")
saved = target.with_name("saved.partial")
manifest = read_manifest(job["manifest"])  # here: each fork would start a process that reads it


def ingest():
    pp.ingest(
        manifest, target, job["recipe"], scheduler="sync",
        overwrite=not job["append"], append=job["append"],
    )  # fmt: skip


def in_fork(die_at=None, until_commit=False, count=None):
    """Ingest in a fork, killed before its `die_at`-th change in the commit; whether it ended."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    seen = [0, False, 0]  # changes in the commit; whether it has begun; when it exchanges

    def watch(event, arguments):
        if event == "open":
            flags = arguments[2]
            if not (isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)):
                return
        elif event not in CHANGES:
            return
        path = str(arguments[0])
        # the journal is complete: the first change of the store that is no shard
        seen[1] = seen[1] or ("/store/" in path and "/signal/c/" not in path and event == "open")
        if seen[1]:
            seen[0] += 1
            seen[2] = seen[0] if event == "physioprep.exchange" else seen[2]
            if until_commit or seen[0] == die_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    ingest()
    if count is not None:
        count.write_text(json.dumps([seen[0], seen[2]]))
    os._exit(0)


def files(path):
    return {
        x.relative_to(path).as_posix(): hashlib.sha256(x.read_bytes()).hexdigest()
        for x in sorted(path.rglob("*")) if x.is_file()
    }  # fmt: skip


def state():
    if not target.is_dir():
        return "nothing at the target"
    problems = verify(target).problems
    if problems:
        return f"damaged: {problems[0]}"
    found = files(target)
    return "old" if found == old else "new" if found == new else "neither old nor new"


old = files(start)
shutil.copytree(start, target)
assert in_fork()
new = files(target)
assert new != old
assert not partial.exists()
shutil.rmtree(target)
shutil.copytree(start, target)
assert not in_fork(until_commit=True)
shutil.copytree(partial, saved)  # hard links are copied, which changes nothing
answers = []
counted = target.with_name("counted")
assert in_fork(count=counted)
n_steps, exchange = json.loads(counted.read_text())
assert exchange
around = range(exchange - 3, exchange + 6)
for step in sorted({*range(1, n_steps + 1, job["spread"]), *around, n_steps}):
    for path in (target, partial):
        shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(start, target)
    shutil.copytree(saved, partial)
    assert not in_fork(die_at=step)
    found = state()
    in_fork()
    answers.append([step, found, files(target) == new and not partial.exists()])
print(json.dumps(answers))
