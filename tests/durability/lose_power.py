"""Run a verb on a disk that keeps only what was flushed; lose the power; run it again.

Usage: lose_power.py JOB, where JOB is JSON: verb, folder (an empty one), spread: the power is lost
at each `spread`-th event (fsync, or change of a name), and at those around the exchange; 0: never.
Prints as JSON what was not in order, and after which losses another run ended otherwise than an
undisturbed one.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from lossy_disk import LossyDisk, empty, fill
from verbs import VERBS, contents, leftovers, prepare, start

job = json.loads(sys.argv[1])
verb, folder = VERBS[job["verb"]], Path(job["folder"])
inputs, place, saved = folder / "inputs", folder / "place", folder / "saved"
os.fsync = lambda handle: None  # the disk of the tests is `LossyDisk`; this one takes its time
place.mkdir()
saved.mkdir()
prepare(inputs, trains=verb.trains)
before = None
if verb.old is not None:
    verb.old(inputs, place / "out")
    before = folder / "before"
    shutil.copytree(place, before)
empty(place)
start(place, before)
disk = LossyDisk(place, verb.markers, saved)
if job["spread"]:
    disk.wanted = lambda number, near: near or number % job["spread"] == 0
with disk:
    verb.run(inputs, place / "out")
    disk.check_end()
wanted = contents(place, verb.compared)
old = contents(before, verb.compared) if before else {}
wrong = []
n_lost = 0
for state in sorted(saved.iterdir()):
    n_lost += 1
    empty(place)
    fill(place, state)
    if verb.markers.startswith("^out"):  # what is there at the target is whole
        found = {n: c for n, c in contents(place, verb.compared).items() if n.startswith("out")}
        if found not in ({}, old, wanted) or (old and not found):
            wrong.append([state.name, "neither the old nor the new one is there"])
    try:
        verb.run(inputs, place / "out")
    except Exception as error:
        wrong.append([state.name, f"{type(error).__name__}: {error}"])
        continue
    found = contents(place, verb.compared)
    differ = [n for n in {**found, **wanted} if found.get(n) != wanted.get(n)]
    left = leftovers(place)
    if differ or left:
        wrong.append([state.name, [*sorted(differ), *left]])
answer = {
    "events": disk.n_events, "kinds": sorted(set(disk.kinds)), "named": disk.named,
    "problems": disk.problems, "lost": n_lost, "wrong": wrong,
}  # fmt: skip
print(json.dumps(answer))
