"""Kill a whole run of a verb before its system calls, one run after the other, and run it again.

Usage: kill_calls.py JOB, where JOB is JSON: verb, folder (an empty one), spread: a run is killed
before each `spread`-th call that opens, writes, closes, flushes or names a file. The kill is
SIGKILL, of a fork. The run after a kill is tried once for each state of the folder. Prints as JSON
the number of these calls, of kills, of states, and where the run after a kill was refused, or made
other bytes than an undisturbed one, or left anything else.
"""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

from lossy_disk import CHANGES, empty, state_of
from verbs import VERBS, contents, leftovers, prepare, start

CALLS = {*CHANGES, "open", "write", "close", "flush", "fsync", "pwrite", "ftruncate", "tofile"}
MODULES = ("posix", "_io", "io", "numpy")


def is_counted(function):
    where = type(getattr(function, "__self__", None)).__module__
    here = where in MODULES or getattr(function, "__module__", None) in MODULES
    return here and getattr(function, "__name__", None) in CALLS


def in_fork(at=None):
    """Run the verb in a fork, killed before its call `at`; return its calls, None if killed."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        seen = 0

        def count(frame, event, function):
            nonlocal seen
            if event == "c_call" and is_counted(function):
                seen += 1
                if seen == at:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(count)
        verb.run(inputs, place / "out")
        sys.setprofile(None)
        os.write(writer, str(seen).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        said = file.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code == -signal.SIGKILL if at else code == 0, code
    return int(said) if said else None


job = json.loads(sys.argv[1])
verb, folder = VERBS[job["verb"]], Path(job["folder"])
inputs, place = folder / "inputs", folder / "place"
os.fsync = lambda handle: None  # a kill loses nothing that was written
place.mkdir()
prepare(inputs, trains=verb.trains)
before = None
if verb.old is not None:
    verb.old(inputs, place / "out")
    before = folder / "before"
    shutil.copytree(place, before)
n_calls = in_fork()
wanted = contents(place, verb.compared)
kills, wrong = 0, []
states = set()
for step in range(1, n_calls + 1, job["spread"]):
    empty(place)
    start(place, before)
    in_fork(step)
    kills += 1
    state = state_of(place)
    if state in states:
        continue
    states.add(state)
    try:
        verb.run(inputs, place / "out")
    except Exception as error:
        wrong.append([step, f"{type(error).__name__}: {error}"])
        continue
    found = contents(place, verb.compared)
    differ = [name for name in {**found, **wanted} if found.get(name) != wanted.get(name)]
    left = leftovers(place)
    if differ or left:
        wrong.append([step, [*sorted(differ), *left]])
print(json.dumps({"calls": n_calls, "kills": kills, "states": len(states), "wrong": wrong}))
