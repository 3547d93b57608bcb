"""Run a verb on a disk that keeps only what was flushed; lose the power; run it again.

Usage: lose_power.py JOB, where JOB is JSON: verb, folder (an empty one), spread: the power is lost
at each `spread`-th event (fsync, or change of a name), and at those around the exchange; 0: never.
Another run is tried once for each state that the losses leave. One of many steps ends where all is
as it was after the same step of the undisturbed run, for the rest is known from there; each
`WHOLE`-th goes on to its end all the same. Prints as JSON what was not in order, and after which
losses another run ended otherwise than an undisturbed one.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from lossy_disk import LossyDisk, empty, fill
from verbs import VERBS, contents, everything, leftovers, prepare, start

WHOLE = 40


class GoesOnAsKnown(Exception):
    """All is as it was at the same place of the undisturbed run."""


def note_step(number, result):
    undisturbed[number] = everything(place)


def compare_step(number, result):
    if not result.skipped and everything(place) == undisturbed[number]:
        raise GoesOnAsKnown


def run_verb(after_step=None):
    if verb.of_steps:
        verb.run(inputs, place / "out", after_step)
    else:
        verb.run(inputs, place / "out")


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
undisturbed = {}
with disk:
    run_verb(note_step)
    disk.check_end()
wanted = contents(place, verb.compared)
old = contents(before, verb.compared) if before else {}
wrong = []
n_tried = n_whole = 0
for state in sorted(saved.iterdir()):
    n_tried += 1
    empty(place)
    fill(place, state)
    if verb.markers.startswith("^out"):  # what is there at the target is whole
        found = {n: c for n, c in contents(place, verb.compared).items() if n.startswith("out")}
        if found not in ({}, old, wanted) or (old and not found):
            wrong.append([state.name, "neither the old nor the new one is there"])
    try:
        run_verb(None if n_tried % WHOLE == 0 else compare_step)
    except GoesOnAsKnown:
        continue
    except Exception as error:
        wrong.append([state.name, f"{type(error).__name__}: {error}"])
        continue
    n_whole += 1
    found = contents(place, verb.compared)
    differ = [n for n in {**found, **wanted} if found.get(n) != wanted.get(n)]
    left = leftovers(place)
    if differ or left:
        wrong.append([state.name, [*sorted(differ), *left]])
answer = {
    "events": disk.n_events, "kinds": sorted(set(disk.kinds)), "named": disk.named,
    "problems": disk.problems, "lost": disk.n_lost, "tried": n_tried, "whole": n_whole,
    "wrong": wrong,
}  # fmt: skip
print(json.dumps(answer))
