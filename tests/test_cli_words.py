"""Wrong values and wrong use, as a user types them: one line in the words of the command line."""

import inspect
import math
import re
from pathlib import Path
from typing import get_type_hints

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app
from physioprep.cli_words import in_options, options_of
from physioprep.shards.spec import ShardSpec
from physioprep.simulation import simulate

VERBS = get_command(app).commands  # type: ignore[attr-defined]


def run(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stderr


def refused(*arguments: object) -> str:
    code, err = run(*arguments)
    lines = [line for line in err.splitlines() if line.strip()]
    assert code == 2, err
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    return lines[0]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the arguments of the verbs stand for; small, and real."""
    folder = tmp_path_factory.mktemp("made")
    raw = simulate(folder / "raw", n_patients=4, n_subjects=2, workers=1) / "demo-paired"
    manifest = pp.write_manifest(pp.scan(raw, "demo-paired"), folder / "m.parquet")
    pp.ingest(manifest, folder / "s.zarr", "paired-200hz", scheduler="sync")
    pp.shard(folder / "s.zarr", folder / "w", window_s=8)
    return {
        "raw": str(raw), "manifest": str(manifest), "store": str(folder / "s.zarr"),
        "shards": str(folder / "w"), "recipe": "demo",
    }  # fmt: skip


#: Arguments with which each verb that has numbers would run.
ENOUGH = {
    "scan": ["{raw}", "--corpus", "demo-paired", "-o", "{out}/m.csv"],
    "ingest": ["{manifest}", "-o", "{out}/s.zarr", "--recipe", "paired-200hz"],
    "info": ["{store}", "--record", "sub-01_task-rest"],
    "browse": ["{store}", "--no-open"],
    "view": ["{store}", "sub-01_task-rest", "-o", "{out}/x.png"],
    "audit": ["{store}"],
    "shard": ["{store}", "-o", "{out}/w", "--window", "8"],
    "derive": ["{store}", "-o", "{out}/t"],
    "stream": ["{shards}"],
    "export": ["{shards}", "-o", "{out}/x", "--as", "lmdb"],
    "pretrain": ["{shards}", "-o", "{out}/e"],
    "reconstruct-leads": ["{shards}", "-o", "{out}/l"],
    "pseudo-label": ["{shards}", "-m", "{out}/none", "-o", "{out}/l.parquet"],
    "evaluate": ["{shards}", "-o", "{out}/r", "--config", "eegmat"],
    "predict": ["{out}/none", "{raw}"],
    "embed": ["{store}", "-m", "{out}/none", "-o", "{out}/e.zarr"],
    "run": ["{recipe}", "--raw", "{raw}", "--out", "{out}/run"],
    "simulate": ["{out}/raw"],
    "fetch": ["eegmat", "-o", "{out}/f"],
}


def numeric() -> list[tuple[str, str]]:
    """Every numeric option of every verb: found, not listed, so that a new one is tried, too."""
    out = []
    for verb, command in VERBS.items():
        hints = get_type_hints(inspect.unwrap(command.callback))
        for option in command.params:
            kinds = re.findall(r"\w+", str(hints[str(option.name)]))
            if {"int", "float"} & set(kinds):
                out.append((verb, max(option.opts, key=len)))
    return out


def test_all_verbs_with_numbers_are_tried() -> None:
    assert {verb for verb, *_ in numeric()} == set(ENOUGH)
    assert len(numeric()) > 30


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e400", "-1", "-1000000000", "x", ""])
@pytest.mark.parametrize(("verb", "option"), numeric())
def test_a_number_that_means_nothing_is_one_line(
    made: dict[str, str], tmp_path: Path, verb: str, option: str, value: str
) -> None:
    given = [part.format(out=tmp_path, **made) for part in ENOUGH[verb]]
    line = refused(verb, *given, f"{option}={value}")
    assert option in line or option[2:].split("-")[0] in line
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("value", [0, 10**9, 10**30])
@pytest.mark.parametrize("verb", ["scan", "ingest", "shard", "audit", "embed", "evaluate", "run"])
def test_absurd_numbers_of_workers_are_refused(
    made: dict[str, str], tmp_path: Path, verb: str, value: int
) -> None:
    given = [part.format(out=tmp_path, **made) for part in ENOUGH[verb]]
    assert "--workers" in refused(verb, *given, "--workers", value)


@pytest.mark.parametrize(
    ("verb", "more", "cause"),
    [
        ("ingest", ["--max-failure-rate", "2"], "--max-failure-rate"),
        ("stream", ["--batch-size", "0"], "--batch-size"),
        ("stream", ["--epochs", "0"], "--epochs"),
        ("stream", ["--seed", str(2**70)], "--seed"),
        ("shard", ["--window", "0"], "--window 0: it must be longer than 0 s"),
        ("shard", ["--stride", "0"], "--stride 0: it must be longer than 0 s"),
        ("shard", ["--where", "age > 900"], "--where age > 900 keeps none of the "),
        ("shard", ["--region", "@ 10:0"], "a region from 10 to 0 s ends before it begins"),
        ("shard", ["--region", "age > 900 @ 0:9"], "--region age > 900 selects none of the "),
        ("shard", ["--window", "3600"], "--window 3600: the longest record has "),
        ("shard", ["--align", "beat", "--stride", "3"], "--stride 3 is for windows one after"),
        ("shard", ["--annotator", "v9"], "--annotator v9 chooses annotations; --align start"),
        ("scan", ["--pattern", r"(?P<id>\d+"], r"a pattern is for corpus folder"),
        ("shard", ["--window", "1e-9"], "window of 1e-09 s"),
        ("shard", ["--window", "1e300"], "window"),
        ("shard", ["--min-valid", "1.5"], "--min-valid"),
        ("shard", ["--max-abs", "eeg=nan"], "'eeg=nan' is not NAME=NUMBER"),
        ("shard", ["--split", "a=inf"], "'a=inf' is not NAME=NUMBER"),
        ("shard", ["--region", "@ nan:3"], "--region '@ nan:3'"),
        ("shard", ["--windows", "5"], "--windows needs --weight"),
        (
            "shard",
            ["--before", "1"],
            "--before is for windows at an onset or beat, not for --align",
        ),
        ("view", ["--start", "-5"], "--start -5 is not a time after the record's start"),
        ("view", ["--start", "1e300"], "nothing at 1e+300 s"),
        ("view", ["--duration", "0"], "--duration 0: draw"),
        ("view", ["--duration", "1e9"], "--duration 1e+09: draw"),
        ("info", ["--at", "1e300"], "samples 0 to"),
        ("info", ["--sample", str(10**30)], "samples 0 to"),
        ("evaluate", ["--label-share", "0"], "--label-share"),
        ("scan", ["--scheduler", "tpc://host:8786"], "no protocol 'tpc'; did you mean 'tcp'?"),
        ("ingest", ["--scheduler", "tcp://"], "an address is tcp://HOST:PORT"),
        ("ingest", ["--scheduler", "tcp://localhost:99999999"], "no Dask scheduler"),
        ("shard", ["--scheduler", "clutser"], "did you mean 'cluster'?"),
    ],
)
def test_wrong_values_are_named_as_they_were_typed(
    made: dict[str, str], tmp_path: Path, verb: str, more: list[str], cause: str
) -> None:
    given = [part.format(out=tmp_path, **made) for part in ENOUGH[verb]]
    assert cause in refused(verb, *given, *more)


def test_large_numbers_that_mean_something_run(made: dict[str, str], tmp_path: Path) -> None:
    assert "memory" in refused("stream", made["shards"], "--batch-size", 10**12)
    done = run("shard", made["store"], "-o", tmp_path / "w", "--window", 8, "--windows-per-chunk",
               10**15, "--max-per-record", 10**15)  # fmt: skip
    assert done[0] == 0, done


def test_a_picture_that_cannot_be_written_is_named_as_it_was_typed(
    made: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "no").write_text("a file, where a folder is needed")
    line = refused("view", made["store"], "sub-01_task-rest", "-o", tmp_path / "no" / "x.png")
    assert f"{tmp_path}/no: File exists" in line


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("x: exists; overwrite=True replaces it", "x: exists; --overwrite replaces it"),
        ("replace it (in Python overwrite=True)", "replace it"),
        ("choose with --annotator (annotators=[...])", "choose with --annotator"),
        ("align='beat': no beats", "--align beat: no beats"),
        ("n_windows needs weights", "--windows needs --weight"),
        ("it needs split or at least seed", "it needs split or at least seed"),
        ("window_s=nan: no finite number", "--window nan: no finite number"),
        ("the windows and a seed of 3", "the windows and a seed of 3"),
        ("/x/trim_s/window_s.dat: trim_s", "/x/trim_s/window_s.dat: --trim"),
        ("column 'trim_s' is no number", "column 'trim_s' is no number"),
        ("on_error is 'a' or 'b'", "on_error is 'a' or 'b'"),
    ],
)
def test_parameters_become_options(message: str, said: str) -> None:
    assert in_options(message, options_of(VERBS["shard"].params)) == said


def test_python_is_told_of_its_own_parameters() -> None:
    with pytest.raises(pp.ShardError, match="trim_s=inf"):
        ShardSpec(trim_s=math.inf)
    with pytest.raises(pp.PhysioprepError, match="workers=0"):
        pp.scan("/nowhere", "folder", workers=0)


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["scan", "x", "--worker", "2"], "--worker (Possible options: --workers); see "),
        (["scna"], "No such command 'scna'"),
        (["--verbos", "scan"], "--verbos"),
        (["scan"], "Missing argument 'root'; see "),
        (["scan", "x", "y", "--corpus", "folder", "-o", "m.csv"], "extra argument(s) (y); see "),
        (["info", "x", "--channel", "I"], "--root, --sample, --at and --channel need --record"),
        (["finetune", "x", "-o", "y", "--label", "l", "--encoder", "enc"], "'enc' is not MODALITY"),
        (["shard", "x", "-o", "y", "--window"], "'--window' requires an argument"),
    ],
)
def test_wrong_use_is_one_line(arguments: list[str], cause: str) -> None:
    line = refused(*arguments)
    assert cause in line
    assert "Usage" not in line


def test_no_verb_at_all_shows_the_help() -> None:
    done = CliRunner().invoke(app, [])
    assert "Usage: " in done.output
    assert "scan" in done.output


def test_a_pattern_is_shown_as_it_was_typed(tmp_path: Path) -> None:
    pattern = r"(?P<subject_id>\d+"
    line = refused("scan", tmp_path, "--corpus", "folder", "-o", "m.csv", "--pattern", pattern)
    assert pattern in line


def test_a_preset_for_other_signals_is_named(made: dict[str, str], tmp_path: Path) -> None:
    store = tmp_path / "ecg.zarr"
    raw = simulate(tmp_path / "raw", n_patients=4, n_subjects=2, workers=1) / "demo-ecg"
    pp.ingest(pp.scan(raw, "demo-ecg"), store, "ecg-200hz", scheduler="sync")
    line = refused("shard", store, "-o", tmp_path / "w", "--preset", "cbramod")
    assert "--preset cbramod is for eeg; the stores hold ecg" in line


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["scan", "{raw}", "--corpus", "demo-piared", "-o", "{manifest}"], "mean 'demo-paired'"),
        (["scan", "{raw}x", "--corpus", "demo-paired", "-o", "{manifest}"], "no such folder"),
        (["scan", "{raw}", "--corpus", "demo-paired", "-o", "{manifest}", "--scheduler", "clutser"],
         "did you mean 'cluster'?"),
        (["ingest", "{manifest}", "-o", "{store}", "--recipe", "eeg-200h"], "did you mean"),
        (["ingest", "{manifest}x", "-o", "{store}"], "x"),
        (["shard", "{store}x", "-o", "{shards}"], "no "),
        (["shard", "{store}", "-o", "{shards}", "--label", "conditoin"], "did you mean"),
        (["shard", "{store}", "-o", "{shards}", "--modality", "egg"], "no store holds modality"),
        (["shard", "{store}", "-o", "{shards}", "--where", "aeg > 3"], "aeg"),
    ],
)  # fmt: skip
def test_a_typo_is_said_before_what_is_there(
    made: dict[str, str], arguments: list[str], cause: str
) -> None:
    line = refused(*(part.format(**made) for part in arguments))
    assert cause in line
    assert "exists" not in line


def test_unknown_labels_are_counted(made: dict[str, str], tmp_path: Path) -> None:
    store = pp.open_store(made["store"])
    known = store.records["label_condition"].unique()[0]
    pp.shard(made["store"], tmp_path / "w", window_s=8, labels={"condition": [known]})
    counts = pp.info(tmp_path / "w")["label_condition"]
    assert counts["unknown"] == pp.info(tmp_path / "w")["windows"] - counts[known] > 0
    assert "unknown" not in pp.info(made["shards"])["label_condition"]
