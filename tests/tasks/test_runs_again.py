"""A task that is run again in a folder with outputs: of other raw files, or not to its end."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from physioprep.cli import app
from physioprep.errors import PhysioprepError
from physioprep.pipeline import steps
from physioprep.pipeline.place import Place
from physioprep.pipeline.run import run
from tests.tasks.test_tasks import raw_of

TASK = "tasks/mental-arithmetic"


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    folder = tmp_path / "raw"
    folder.mkdir()
    raw_of("mental-arithmetic").make(folder)
    return folder


@pytest.fixture
def other(raw: Path) -> Path:
    folder = Path(shutil.copytree(raw, raw.with_name("other")))
    for path in folder.glob("Subject00_*.edf"):
        path.unlink()
    return folder


@pytest.fixture(autouse=True)
def evaluate(monkeypatch: pytest.MonkeyPatch) -> None:
    """Score at once; data without subject 00 make an error."""

    def score(place: Place, *, shards: str, out: str, config: Any, weights: Any = None) -> Any:
        if place.raw.name == "other":
            raise PhysioprepError("no memory")
        arm = {"modalities": ["eeg"], "weights": "random", "metrics": {"auroc": {"mean": 0.75}}}
        content = {"label": "label_condition", "protocol": "fixed", "arms": [arm]}
        (place.out / out).mkdir(exist_ok=True)
        (place.out / out / "results.json").write_text(json.dumps(content))
        return {"results": out}

    monkeypatch.setitem(steps.STEPS, "evaluate", score)


def total(content: dict[str, Any]) -> int:
    (row,) = (r for r in content["windows"] if (r["part"], r["class"]) == ("all", "total"))
    return int(row["ours"])


def read(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "task.json").read_text())
    return content


@pytest.mark.parametrize("until", ["scan", "shard", None])
def test_scores_of_other_data_stand_beside_no_windows(
    raw: Path, other: Path, tmp_path: Path, until: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    run(TASK, raw, out)
    first = read(out)
    assert [row["metrics"] for row in first["scores"]] == [{"auroc": 0.75}]
    caplog.clear()
    if until is None:
        with pytest.raises(PhysioprepError, match="no memory"):
            run(TASK, other, out)
    else:
        run(TASK, other, out, until=until)
    found = read(out)
    assert found["scores"] == []
    left = f"{out / 'results'}: scores of an earlier run, not of this one: left out of task.json"
    assert left in found["outdated"]
    assert left in caplog.text
    if until == "scan":  # the shards are of the first data, too
        assert "windows" not in found
        assert any("windows of an earlier run" in line for line in found["outdated"])
    else:
        assert total(found) == total(first) - 31 // 5 - 12 // 5


@pytest.mark.parametrize("until", ["scan", "shard"])
def test_scores_of_the_same_data_stay_whatever_the_last_step(
    raw: Path, tmp_path: Path, until: str
) -> None:
    out = tmp_path / "out"
    run(TASK, raw, out)
    first = read(out)
    run(TASK, raw, out, until=until)
    assert read(out) == first | {"until": until, "outdated": []}


def test_a_run_that_is_killed_leaves_no_figures_of_other_data(
    raw: Path, other: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(place: Place, **_: object) -> dict[str, object]:
        raise KeyboardInterrupt

    out = tmp_path / "out"
    run(TASK, raw, out)
    monkeypatch.setitem(steps.STEPS, "shard", killed)
    with pytest.raises(KeyboardInterrupt):
        run(TASK, other, out)
    assert not (out / "task.json").exists()


def test_what_is_made_again_is_said_in_one_line_with_the_reason(
    raw: Path, other: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    run(TASK, raw, out, until="shard")
    assert "made again" not in caplog.text
    run(TASK, other, out, until="shard")
    lines = [one.getMessage() for one in caplog.records if "made again" in one.getMessage()]
    assert lines == [
        f"{out}: made again, since the raw folder is {other} (before: {raw}): "
        "eegmat.parquet, eegmat.zarr, task.shards"
    ]
    caplog.clear()
    run(TASK, other, out, until="shard")
    run(TASK, other, out, until="ingest", overwrite=True)
    assert "made again" not in caplog.text
    (other / "Subject01_1.edf").touch()
    run(TASK, other, out, until="scan")
    assert f"made again, since files in {other} were changed: eegmat.parquet" in caplog.text


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_recording_in_quarantine_gives_exit_code_1_each_time(
    raw: Path, tmp_path: Path, options: list[str]
) -> None:
    arguments = ["run", TASK, "--raw", str(raw), "--out", str(tmp_path / "out"), *options]
    whole = CliRunner().invoke(app, arguments)
    assert whole.exit_code == 0, whole.output
    for name in ("Subject00_1.edf", "Subject27_2.edf"):
        (raw / name).write_bytes(b"")
    for _ in range(2):  # the second skips all steps
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 1, done.output
        assert "2 recordings are in quarantine" in done.stderr
    assert read(tmp_path / "out")["scores"]  # after all the work


def test_a_part_without_recordings_ends_a_run_before_its_work(raw: Path, tmp_path: Path) -> None:
    for path in raw.glob("Subject3*.edf"):  # all of the test part
        path.unlink()
    out = tmp_path / "out"
    arguments = ["run", TASK, "--raw", str(raw), "--out", str(out)]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2, done.output
    said = " ".join(done.stderr.split())
    assert "no recording at hand is in part test; `--until shard` still gives the windows" in said
    assert "split cbramod: no recording" not in said  # once is enough
    assert not (out / "eegmat.zarr").exists()
    assert "is in part test" in read(out)["stopped"]

    done = CliRunner().invoke(app, [*arguments, "--until", "shard"])
    assert done.exit_code == 0, done.output
    found = read(out)
    held = {row["class"]: row["ours"] for row in found["windows"] if row["part"] == "test"}
    assert held == {"total": 0, "rest": 0, "arithmetic": 0}
    line = "no window with a label_condition is in part test of the split cbramod"
    assert line in found["explained_by"]
    assert total(found) > 0
