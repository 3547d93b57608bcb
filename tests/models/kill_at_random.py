"""Results or embeddings that replace older ones, killed at random moments with all their workers.

Usage: kill_at_random.py JOB, where JOB is JSON: verb ("evaluate" or "embed"), shards, folder
(empty, to work in), scheduler, kills, seed. Prints for each kill what was at the target then
("old", "new", or "neither"), and what the next run made of it.

A moment is a change on the disk (half of them among the last, where the commit is), or a time.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import torch
from contents import content

import physioprep.new_folder  # noqa: F401 (here and below: before the forks, not in each)
from physiomodels.config import EncoderConfig, EvaluateConfig, FinetuneConfig, PretrainConfig
from physiomodels.embeddings.of_shards import embed
from physiomodels.evaluation import fold, results, work  # noqa: F401
from physiomodels.evaluation.evaluate import evaluate
from physiomodels.model.masking import DualMask
from physiomodels.training.pretrain import pretrain

BY_EVENT, LATE = 0.7, 0.5
CHANGES = ("os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "physioprep.exchange")
TINY = EncoderConfig(patch_size=50, d_model=16, depth=1, heads=4, ffn=32, dropout=0.1)
PRETRAIN = PretrainConfig(encoder=TINY, mask=DualMask(temporal_ratio=0.3), epochs=2, batch_size=32)


def make(job, target, *, old=False):
    """Make the results; the older ones are others."""
    options = {"overwrite": True, "scheduler": job["scheduler"]}
    options |= {} if job["scheduler"] == "sync" else {"workers": 2}
    if job["verb"] == "embed":
        encoder = Path(job["folder"]) / "encoder"
        embed(job["shards"], encoder, target, where="window < 60" if old else None, **options)
        return
    config = EvaluateConfig(
        modalities=("ecg",), weights=("pretrained",), baseline=False, folds=2, repeats=1,
        pretrain={"ecg": PRETRAIN}, bootstrap=5,
        finetune=FinetuneConfig(mode="probe", epochs=1 if old else 2, batch_size=32),
    )  # fmt: skip
    evaluate(job["shards"], target, config, **options)


def watch(folder, happened):
    """Call `happened` before every change below a folder."""

    def look(event, arguments):
        if event == "open":
            if not isinstance(arguments[2], int) or not arguments[2] & (os.O_WRONLY | os.O_RDWR):
                return
        elif event not in CHANGES:
            return
        path = str(arguments[0])
        in_tree = event in ("os.remove", "os.rmdir") and arguments[1] != -1  # by shutil.rmtree
        if in_tree or path.startswith(str(folder)):
            happened()

    sys.addaudithook(look)


def in_fork(action):
    """Run in a process of its own, which leads a process group."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()
        torch.set_num_threads(1)
        action()
        code = 0
    finally:
        os._exit(code)


def ended(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def whole(job, target, **options):
    """Make the results undisturbed; return how many changes it took, and seconds."""
    counted = target.with_name("counted")

    def action():
        seen = [0]

        def count():
            seen[0] += 1

        watch(target.parent, count)
        make(job, target, **options)
        number = seen[0]
        counted.write_text(str(number))

    began = time.monotonic()
    assert ended(in_fork(action)) == 0
    number = int(counted.read_text())
    counted.unlink()
    return number, time.monotonic() - began


def killed(job, target, at, seconds):
    """Run, and kill the group before its change `at`, or after `seconds`; whether it had to."""

    def action():
        left = [at]

        def count():
            left[0] -= 1
            if left[0] <= 0:
                os.killpg(0, signal.SIGKILL)

        if at is not None:
            watch(target.parent, count)
        make(job, target)

    child = in_fork(action)
    if at is None:
        time.sleep(0.02 + seconds)  # it leads its group by then
        os.killpg(child, signal.SIGKILL)
    code = ended(child)
    assert code in (0, -signal.SIGKILL), code
    return code != 0


def main(job):
    folder, rng = Path(job["folder"]), random.Random(job["seed"])
    target = folder / "work" / "out"
    target.parent.mkdir()
    if job["verb"] == "embed":
        assert ended(in_fork(lambda: pretrain(job["shards"], folder / "encoder", PRETRAIN))) == 0
    whole(job, folder / "old", old=True)
    whole(job, folder / "new")
    old, new = content(folder / "old"), content(folder / "new")
    assert old
    assert old != new
    shutil.copytree(folder / "old", target)
    number, seconds = whole(job, target)
    assert content(target) == new
    states, after = [], []
    while len(states) < job["kills"]:
        shutil.rmtree(target)
        shutil.copytree(folder / "old", target)
        by_event, place = rng.random() < BY_EVENT, rng.random()
        late = rng.random() < LATE  # where old and new are exchanged
        at = 1 + int((0.75 + 0.25 * place if late else place) * number) if by_event else None
        if killed(job, target, at, place * seconds):
            state = content(target)
            states.append("old" if state == old else "new" if state == new else "neither")
            whole(job, target)
            again = content(target) == new and [*target.parent.iterdir()] == [target]
            after.append("new" if again else "other")
    print(json.dumps({"states": states, "after": after, "changes": number, "seconds": seconds}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
