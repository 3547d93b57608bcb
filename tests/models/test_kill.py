"""Training and evaluating, killed: the next run goes on, and the old or the new is there, whole.

A kill is an exception that no code of ours catches, raised before a change of the disk. From then
on every change fails, as after the death of a process, so that no clean-up runs either.
"""

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from physiomodels.config import (
    EncoderConfig,
    EvaluateConfig,
    FinetuneConfig,
    PretrainConfig,
    as_dict,
)
from physiomodels.embeddings.of_shards import embed
from physiomodels.evaluation.evaluate import evaluate
from physiomodels.evaluation.targets import evaluate_targets
from physiomodels.model.masking import DualMask
from physiomodels.training.classifier import Classifier
from physiomodels.training.finetune import finetune
from physiomodels.training.pretrain import pretrain
from physioprep.errors import ModelError
from physioprep.outputs import RESULTS_MARK, RESULTS_SCHEMA
from tests.models.contents import content

TINY = EncoderConfig(patch_size=50, d_model=16, depth=1, heads=4, ffn=32, dropout=0.1)
PRETRAIN = PretrainConfig(encoder=TINY, mask=DualMask(temporal_ratio=0.3), epochs=2, batch_size=32)
CONFIG = EvaluateConfig(
    modalities=("ecg",),
    folds=2,
    repeats=1,
    pretrain={"ecg": PRETRAIN},
    finetune=FinetuneConfig(mode="probe", epochs=2, batch_size=32),
    bootstrap=5,
)
CHANGES = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "physioprep.exchange"}


class Killed(BaseException):
    """Nothing of ours catches it."""


class Fuse:
    """Counts changes of the disk below a folder, and kills before one of them."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.count = self.exchange = 0
        self.begin: Callable[[str, str], bool] = lambda event, path: True
        self.at: int | None = None
        sys.addaudithook(self.watch)

    def watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.folder is None:
            return
        if event == "open":
            flags = arguments[2]
            if not isinstance(flags, int) or not flags & 3:  # for reading
                return
        elif event not in CHANGES:
            return
        path = str(arguments[0])
        in_tree = event in ("os.remove", "os.rmdir") and arguments[1] != -1  # by shutil.rmtree
        if not (in_tree or path.startswith(self.folder)) or path.endswith(".lock"):
            return
        if self.count or self.begin(event, path):
            self.count += 1
            if event == "physioprep.exchange":
                self.exchange = self.count
            if self.at is not None and self.count >= self.at:
                raise Killed

    @contextmanager
    def lit(self, folder: Path, at: int | None = None) -> Iterator[None]:
        self.folder, self.at, self.count, self.exchange = str(folder), at, 0, 0
        try:
            yield
        except Killed:
            assert at is not None
        finally:
            self.folder = None


@pytest.fixture(scope="module")
def fuse() -> Fuse:
    return Fuse()


def steps_of(fuse: Fuse, spread: int) -> list[int]:
    """Choose the changes to kill before: some, and all around the exchange."""
    last, exchange = fuse.count, fuse.exchange
    assert exchange
    around = range(max(1, exchange - 2), min(last, exchange + 4) + 1)
    return sorted({*range(1, last + 1, spread), *around, last})


SPREAD = pytest.mark.parametrize("spread", [200, pytest.param(1, marks=pytest.mark.long)])


def test_an_evaluation_killed_after_each_task_goes_on(shards: Path, tmp_path: Path) -> None:
    whole = evaluate(shards, tmp_path / "whole", CONFIG)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "predictions.parquet").write_text("old")
    (tmp_path / "out" / RESULTS_MARK).write_text(json.dumps({"schema": RESULTS_SCHEMA}))
    counts = []

    def die(done: int, total: int) -> None:
        counts.append((done, total))
        raise Killed

    for _ in range(5):  # 2 encoders, features, 2 folds
        with pytest.raises(Killed):
            evaluate(shards, tmp_path / "out", CONFIG, overwrite=True, progress=die)
        assert content(tmp_path / "out").keys() == {"predictions.parquet", RESULTS_MARK}
    assert counts == [(n, 5) for n in range(1, 6)]
    found = evaluate(shards, tmp_path / "out", CONFIG, overwrite=True, progress=die)
    assert content(tmp_path / "out") == content(tmp_path / "whole")
    assert found.predictions.equals(whole.predictions)
    assert {path.name for path in tmp_path.iterdir()} == {"out", "whole"}


def test_a_killed_pretraining_inside_an_evaluation_goes_on_from_its_checkpoint(
    shards: Path, tmp_path: Path, fuse: Fuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    from physiomodels.training.run_state import PretrainingRun

    whole = evaluate(shards, tmp_path / "whole", CONFIG)
    fuse.begin = lambda event, path: event == "os.rename" and "checkpoint" in path
    with fuse.lit(tmp_path, at=3):  # after the first checkpoint, before the second
        evaluate(shards, tmp_path / "out", CONFIG)
    resumed = []
    restore = PretrainingRun.restore

    def note(run: PretrainingRun, path: Path, card: dict[str, Any]) -> None:
        restore(run, path, card)
        resumed.append(run.epoch)

    monkeypatch.setattr(PretrainingRun, "restore", note)
    found = evaluate(shards, tmp_path / "out", CONFIG)
    assert resumed == [1]
    assert found.predictions.equals(whole.predictions)
    assert content(tmp_path / "out") == content(tmp_path / "whole")


@SPREAD
def test_killed_before_each_step_of_its_commit_an_evaluation_leaves_old_or_new(
    shards: Path, tmp_path: Path, fuse: Fuse, spread: int
) -> None:
    target, partial = tmp_path / "out", tmp_path / ".out.partial"

    def run(epochs: int = 2) -> None:
        config = replace(CONFIG, baseline=False, finetune=replace(CONFIG.finetune, epochs=epochs))
        evaluate_targets(
            shards, target, config, labels=["label_condition"], overwrite=True,
            protocols=["subject-grouped", "within-subject"],
        )  # fmt: skip

    fuse.begin = lambda event, path: path.endswith("/out/condition")  # all folds are done
    run(epochs=1)
    old = content(target)
    shutil.copytree(target, tmp_path / "old")
    with fuse.lit(tmp_path, at=1):
        run()
    shutil.copytree(partial, tmp_path / "saved")
    with fuse.lit(tmp_path):
        run()
    new = content(target)
    assert new.keys() == old.keys()
    assert new != old
    found = []
    for step in steps_of(fuse, spread):
        for path in (target, partial):
            shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(tmp_path / "old", target)
        shutil.copytree(tmp_path / "saved", partial)
        with fuse.lit(tmp_path, at=step):
            run()
        state = content(target)
        found.append("old" if state == old else "new" if state == new else "neither")
        run()
        assert content(target) == new, step
        assert not partial.exists(), step
    assert found == sorted(found, reverse=True)  # first old, then new
    assert set(found) == {"old", "new"}


@SPREAD
def test_embeddings_and_classifiers_are_replaced_whole(
    shards: Path, tmp_path: Path, fuse: Fuse, spread: int
) -> None:
    pretrain(shards, tmp_path / "encoder", replace(PRETRAIN, epochs=1))
    out = tmp_path / "out"
    out.mkdir()

    def tune(epochs: int) -> None:
        config = FinetuneConfig(mode="lora", epochs=epochs)
        finetune(
            shards,
            out,
            config,
            label="label_condition",
            encoders={"ecg": TINY},
            device="cpu",
            overwrite=True,
        )

    def write(windows: int) -> None:
        embed(
            shards, tmp_path / "encoder", out, where=f"window < {windows}", overwrite=True,
            scheduler="sync",
        )  # fmt: skip

    fuse.begin = lambda event, path: True
    for run in (tune, write):
        shutil.rmtree(out)
        run(1 if run is tune else 60)
        old = content(out)
        shutil.copytree(out, tmp_path / "old")
        with fuse.lit(tmp_path):
            run(2 if run is tune else 64)
        new = content(out)
        assert new != old
        found = []
        for step in steps_of(fuse, min(spread, 8) if run is tune else spread):
            shutil.rmtree(out)
            shutil.copytree(tmp_path / "old", out)
            with fuse.lit(tmp_path, at=step):
                run(2 if run is tune else 64)
            state = content(out)
            found.append("old" if state == old else "new" if state == new else "neither")
        assert set(found) == {"old", "new"}, found
        shutil.rmtree(tmp_path / "old")


def test_what_is_not_the_models_stays_beside_it(shards: Path, tmp_path: Path) -> None:
    def tune(*, overwrite: bool) -> None:
        finetune(
            shards, tmp_path / "out", FinetuneConfig(mode="probe", epochs=1),
            label="label_condition", encoders={"ecg": TINY}, overwrite=overwrite,
        )  # fmt: skip

    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    for overwrite in (False, True):  # somebody's folder
        with pytest.raises(ModelError, match="not a classifier of physioprep"):
            tune(overwrite=overwrite)
    (tmp_path / "out" / "notes.txt").unlink()
    tune(overwrite=False)
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match="exists; overwrite it"):
        tune(overwrite=False)
    tune(overwrite=True)
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"
    assert Classifier.from_pretrained(tmp_path / "out").label == "label_condition"


def test_a_pretraining_started_anew_leaves_the_older_one_until_its_first_checkpoint(
    shards: Path, tmp_path: Path, fuse: Fuse
) -> None:
    out = tmp_path / "out"
    pretrain(shards, out, replace(PRETRAIN, epochs=1))
    old = content(out)
    shutil.copytree(out, tmp_path / "old")
    anew = replace(PRETRAIN, epochs=1, seed=1)
    fuse.begin = lambda event, path: True
    with fuse.lit(tmp_path):
        pretrain(shards, out, anew, resume=False)
    new = content(out)
    assert new != old
    found = []
    exchange = fuse.exchange  # the last one is of the whole folder
    for step in range(1, exchange + 3, 3):
        shutil.rmtree(out)
        shutil.copytree(tmp_path / "old", out)
        with fuse.lit(tmp_path, at=step):
            pretrain(shards, out, anew, resume=False)
        state = content(out)
        found.append("old" if state == old else "new" if state == new else "neither")
    assert "neither" not in found
    assert found[0] == "old"
    pretrain(shards, out, anew, resume=False)
    assert content(out) == new


def test_a_first_folder_of_weights_that_was_not_finished_leaves_nothing(
    shards: Path, tmp_path: Path, fuse: Fuse
) -> None:
    config, seen = replace(PRETRAIN, epochs=1), 0
    pretrain(shards, tmp_path / "whole", config)
    whole = content(tmp_path / "whole")
    fuse.begin = lambda event, path: ".partial" in path  # of last, then of best
    with fuse.lit(tmp_path):
        pretrain(shards, tmp_path / "out", config)
    last = fuse.count  # beside the two folders, the checkpoint, its card and its list
    for step in (2, last // 3, 2 * last // 3, last - 4, last - 1):
        for resume in (True, False):
            out = tmp_path / f"out-{step}-{resume}"
            with fuse.lit(tmp_path, at=step):
                pretrain(shards, out, config)
            seen += any(out.glob(".*.partial"))
            pretrain(shards, out, config, resume=resume)
            assert content(out) == whole
            assert not [path.name for path in out.iterdir() if path.name[0] == "."]
    assert seen >= 4, seen


def test_a_pipeline_killed_inside_an_evaluation_goes_on_inside_it(
    shards: Path, tmp_path: Path, fuse: Fuse, monkeypatch: pytest.MonkeyPatch
) -> None:
    import physiomodels.evaluation.fold
    from physioprep.pipeline.place import Step
    from physioprep.pipeline.recipe import Pipeline
    from physioprep.pipeline.run import run

    (tmp_path / "raw").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "shards").symlink_to(shards)
    step = {"shards": "shards", "out": "results", "config": as_dict(CONFIG)}
    recipe = Pipeline("a test", False, (Step("evaluate", step),))
    whole = evaluate(shards, tmp_path / "whole", CONFIG)
    fuse.begin = lambda event, path: event == "os.rename" and "/folds/0/" in path
    with fuse.lit(tmp_path, at=3):  # inside the first fold
        run(recipe, tmp_path / "raw", tmp_path / "out")
    assert not (tmp_path / "out" / "results").exists()
    monkeypatch.setattr(physiomodels.evaluation.fold, "pretrain", None)  # not to be called
    run(recipe, tmp_path / "raw", tmp_path / "out")
    assert content(tmp_path / "out" / "results") == content(tmp_path / "whole")
    assert pd.read_parquet(tmp_path / "out/results/predictions.parquet").equals(whole.predictions)
