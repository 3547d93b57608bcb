"""Each verb, given what is no input: exit code 2, one line that names it, and no wait."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import physioprep as pp
from physiomodels.config import EncoderConfig, FinetuneConfig, PretrainConfig
from physiomodels.training.finetune import finetune
from physiomodels.training.pretrain import pretrain
from physioprep.cli import app
from physioprep.simulation import simulate

VERBS = get_command(app).commands  # type: ignore[attr-defined]

#: By verb: each input, what it is, and the arguments, with ``{bad}`` in its place.
INPUTS: dict[str, list[tuple[str, str]]] = {
    "corpora": [("name", "{bad}")],
    "formats": [],
    "scan": [("raw", "{bad} --corpus demo-paired -o {out}/m.csv")],
    "ingest": [
        ("manifest", "{bad} -o {out}/s.zarr"),
        ("recipe", "{manifest} -o {out}/s.zarr --recipe {bad}"),
    ],
    "info": [("store", "{bad}"), ("shards", "{bad}"), ("manifest", "{bad}")],
    "view": [
        ("store", "{bad} sub-01_task-rest -o {out}/x.png"),
        ("manifest", "{bad} -o {out}/x.png"),
    ],
    "browse": [
        ("store", "{bad} --no-open"),
        ("shards", "{bad} --no-open"),
        ("manifest", "{bad} --no-open"),
        ("findings", "{store} --no-open --findings {bad}"),
    ],
    "verify": [("store", "{bad}"), ("shards", "{bad}"), ("model", "{bad}")],
    "audit": [
        ("manifest", "{bad}"),
        ("store", "{bad}"),
        ("shards", "{bad}"),
        ("store", "{store} --against {bad}"),
    ],
    "shard": [
        ("store", "{bad} -o {out}/w --window 8"),
        ("labels", "{store} -o {out}/w --window 8 --annotation-labels {bad}"),
    ],
    "derive": [("store", "{bad} -o {out}/t")],
    "stream": [("shards", "{bad}")],
    "export": [("shards", "{bad} -o {out}/x --as webdataset")],
    "push": [(kind, "{bad} hub://me/x --dry-run") for kind in ("store", "shards", "model")],
    "pull": [],
    "init": [],
    "pretrain": [
        ("shards", "{bad} -o {out}/e"),
        ("config", "{shards} -o {out}/e --config {bad}"),
    ],
    "reconstruct-leads": [
        ("shards", "{bad} -o {out}/l"),
        ("config", "{shards} -o {out}/l --config {bad}"),
    ],
    "finetune": [
        ("shards", "{bad} -o {out}/c --label label_condition --encoder ecg={model}"),
        ("model", "{shards} -o {out}/c --label label_condition --encoder ecg={bad}"),
        ("config", "{shards} -o {out}/c --label label_condition --encoder ecg={model} "
         "--config {bad}"),
    ],
    "predict": [("classifier", "{bad} {raw}")],
    "pseudo-label": [
        ("shards", "{bad} -m {model} -o {out}/l.parquet"),
        ("model", "{shards} -m {bad} -o {out}/l.parquet"),
    ],
    "evaluate": [
        ("shards", "{bad} -o {out}/r --config demo"),
        ("config", "{shards} -o {out}/r --config {bad}"),
        ("shards", "{shards} -o {out}/r --config demo --pretrain-shards {bad}"),
        ("model", "{shards} -o {out}/r --config demo --weights ecg={bad}"),
    ],
    "embed": [
        ("store", "{bad} -m {model} -o {out}/e.zarr"),
        ("shards", "{bad} -m {model} -o {out}/e.zarr"),
        ("model", "{shards} -m {bad} -o {out}/e.zarr"),
    ],
    "run": [
        ("pipeline", "{bad} --raw {raw} --out {out}/run"),
        ("raw", "demo --raw {bad} --out {out}/run"),
    ],
    "tasks": [("name", "{bad}"), ("raw", "--raw {bad}")],
    "simulate": [("output", "{bad}")],
    "fetch": [("name", "{bad} -o {out}/f")],
}  # fmt: skip

#: By verb: options with a value that does not exist.
VALUES: dict[str, list[str]] = {
    "scan": ["{raw} --corpus nosuch -o {out}/m.csv", "{raw} --corpus demo-paired -o {out}/m.xls"],
    "ingest": [
        "{manifest} -o {out}/s.zarr --recipe nosuch",
        "{manifest} -o {out}/s.zarr --on-error nosuch",
        "{manifest} -o {out}/s.zarr --scheduler nosuch",
    ],
    "info": ["{store} --record nosuch"],
    "view": [
        "{store} nosuch -o {out}/x.png",
        "{store} sub-01_task-rest -o {out}/x.png --modality nosuch",
        "{store} sub-01_task-rest -o {out}/x.nosuch",
    ],
    "browse": [
        "{store} --no-open --decisions {store}",
        "{store} --no-open --raw {out}/nosuch",
        "{store} --no-open --port nosuch",
    ],
    "audit": ["{store} --fail-on nosuch", "{store} --expect nosuch", "{store} --expect a==b"],
    "shard": [
        "{store} -o {out}/w --align nosuch",
        "{store} -o {out}/w --modality nosuch",
        "{store} -o {out}/w --channels nosuch",
        "{store} -o {out}/w --label label_nosuch",
        "{store} -o {out}/w --codec nosuch",
        "{store} -o {out}/w --pairs nosuch",
    ],
    "derive": [
        "{store} -o {out}/t --method nosuch",
        "{store} -o {out}/t --where nosuch>1",
        "{store} -o {out}/t --scheduler nosuch",
    ],
    "stream": [
        "{shards} --where nosuch>1",
        "{shards} --where ((",
        "{shards} --channels nosuch",
        "{shards} --input-leads nosuch",
        "{shards} --target-leads I:x",
    ],
    "init": ["nosuch -o {out}/x.yaml", "recipe -o {out}/nosuch/x.txt"],
    "export": [
        "{shards} -o {out}/x --as nosuch",
        "{shards} -o {out}/x --as parquet --where ((",
        "{shards} -o {out}/x --as webdataset --modality nosuch",
        "{shards} -o {out}/x --as lmdb --patch 0.3",
        "{shards} -o {out}/x --as lmdb --label label_nosuch",
    ],
    "push": ["{store} nosuch", "{store} hub://me/x --audit {out}/nosuch"],
    "pull": ["nosuch -o {out}/p", "hub://nosuch -o {out}/p"],
    "pretrain": ["{shards} -o {out}/e --modality nosuch", "{shards} -o {out}/e --device nosuch"],
    "reconstruct-leads": ["{shards} -o {out}/l --from nosuch", "{shards} -o {out}/l --from I:1"],
    "finetune": [
        "{shards} -o {out}/c --label label_nosuch --encoder ecg={model}",
        "{shards} -o {out}/c --label label_condition --encoder nosuch",
        "{shards} -o {out}/c --label label_condition --encoder nosuch={model}",
    ],
    "predict": [
        "{model} {raw}",  # an encoder
        "{classifier} {out}/nosuch",
        "{classifier} {raw} --per nosuch",
        "{classifier} {raw} --device nosuch",
        "{classifier} {raw} -o {out}/answers.xls",
    ],
    "pseudo-label": ["{shards} -m {model} -o {out}/l.parquet"],  # an encoder
    "evaluate": [
        "{shards} -o {out}/r --config nosuch",
        "{shards} -o {out}/r --config demo --protocol nosuch",
        "{shards} -o {out}/r --config demo --label label_nosuch",
    ],
    "embed": [
        "{store} -m {model} -o {out}/e.zarr --per nosuch",
        "{shards} -m {model} -o {out}/e.zarr --device nosuch",
        "{shards} -m {model} -o {out}/e.zarr --picture {out}/p.png --projection nosuch",
    ],
    "run": ["nosuch --raw {raw} --out {out}/run", "demo --raw {raw} --out {out}/run --device x"],
    "tasks": ["nosuch", "--raw {out}/nosuch"],
    "simulate": ["{out}/raw --seed nosuch"],
    "fetch": ["nosuch -o {out}/f", "eegmat -o {out}/f --version nosuch"],
}

#: What can be wrong with an input, as a function of a valid one and of the place to make it.
Hurt = Callable[[Path, Path], object]
HURTS: dict[str, Hurt] = {
    "missing": lambda valid, place: None,
    "text": lambda valid, place: place.write_text("hello\n"),
    "binary": lambda valid, place: place.write_bytes(bytes(range(256)) * 8),
    "empty": lambda valid, place: place.write_bytes(b""),
    "folder": lambda valid, place: place.mkdir(),
    "pipe": lambda valid, place: os.mkfifo(place),
    "truncated": lambda valid, place: cut(valid, place),
}
#: What is an input after all: an empty folder gives an empty manifest, simulated data need a name;
#: what is truncated is what `verify` finds (exit code 1).
FINE = {
    ("scan", "folder"), ("simulate", "missing"), ("simulate", "folder"), ("tasks", "folder"),
    *((verb, "truncated") for verb in ("scan", "corpora", "fetch", "simulate", "tasks", "verify")),
}  # fmt: skip


def cut(valid: Path, place: Path) -> None:
    """Copy an input, and cut it, or what a folder is known by, to its half."""
    if valid.is_dir():
        shutil.copytree(valid, place)
        names = ("zarr.json", "best/config.json", "config.json")
        place = next(place / name for name in names if (place / name).is_file())
        content = place.read_bytes()
    else:
        content = valid.read_bytes()
    place.write_bytes(content[: len(content) // 2])


def test_every_verb_has_cases() -> None:
    assert set(INPUTS) == set(VERBS)
    valued = {
        verb for verb, command in VERBS.items()
        if any(not getattr(option, "is_flag", True) for option in command.params)
    }  # fmt: skip
    assert set(VALUES) == valued


@pytest.fixture(scope="module")
def valid(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Inputs as the verbs want them, by kind."""
    folder = tmp_path_factory.mktemp("valid")
    raw = simulate(folder / "raw", n_patients=4, n_subjects=2, workers=1) / "demo-paired"
    manifest = pp.write_manifest(pp.scan(raw, "demo-paired"), folder / "m.parquet")
    pp.ingest(manifest, folder / "s.zarr", "paired-200hz", scheduler="sync")
    pp.shard(folder / "s.zarr", folder / "w", window_s=8)
    tiny = EncoderConfig(patch_size=200, d_model=16, depth=1, heads=2, ffn=16)
    pretrain(folder / "w", folder / "model", PretrainConfig(encoder=tiny, epochs=1))
    tune = FinetuneConfig(epochs=1, batch_size=32)
    finetune(
        folder / "w", folder / "classifier", tune, label="label_condition",
        encoders={"ecg": folder / "model"},
    )  # fmt: skip
    found = CliRunner().invoke(
        app, ["audit", str(folder / "s.zarr"), "--findings", str(folder / "f.json")]
    )
    assert found.exit_code in (0, 1), found.stderr
    root = Path(__file__).parents[1]
    recipes = root / "physioprep" / "harmonise" / "recipes"
    (folder / "config.yaml").write_text("{encoder: {depth: 1}, epochs: 1, batch_size: 32}")
    (folder / "labels.yaml").write_text("{label_x: {rules: [[a, b], [c, d]]}}")
    return {
        "raw": raw, "manifest": manifest, "store": folder / "s.zarr", "shards": folder / "w",
        "model": folder / "model", "classifier": folder / "classifier",
        "findings": folder / "f.json", "config": folder / "config.yaml",
        "labels": folder / "labels.yaml", "name": folder / "m.parquet", "output": raw,
        "pipeline": folder / "p.yaml",
        **{
            kind: shutil.copy(next(iter(sorted(source.glob("*.yaml")))), folder / f"{kind[0]}.yaml")
            for kind, source in (("recipe", recipes), ("pipeline", root / "pipelines"))
        },
    }  # fmt: skip


def cases() -> list[Any]:
    return [
        pytest.param(verb, kind, given, hurt, id=f"{verb}-{number}-{kind}-{hurt}")
        for verb, inputs in INPUTS.items()
        for number, (kind, given) in enumerate(inputs)
        for hurt in HURTS
        if (verb, hurt) not in FINE
        if (verb, kind, hurt) != ("run", "raw", "truncated")
    ]


@pytest.mark.parametrize(("verb", "kind", "given", "hurt"), cases())
def test_what_is_no_input_is_one_line(
    valid: dict[str, Path], tmp_path: Path, verb: str, kind: str, given: str, hurt: str
) -> None:
    suffix = valid[kind].suffix
    bad, out = tmp_path / f"bad{suffix}", tmp_path / "out"
    HURTS[hurt](valid[kind], bad)
    line = refused(verb, given.format(**(valid | {"bad": bad, "out": out})))
    assert "bad" in line, line
    assert not [path for path in out.rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.mark.parametrize(
    ("verb", "given"), [(v, one) for v, each in VALUES.items() for one in each]
)
def test_a_value_that_does_not_exist_is_one_line(
    valid: dict[str, Path], tmp_path: Path, verb: str, given: str
) -> None:
    out = tmp_path / "out"
    refused(verb, given.format(**(valid | {"out": out})))


def refused(verb: str, given: str) -> str:
    """Run a verb, and return the one line that it says."""
    with time_limit(60):
        done = CliRunner().invoke(app, [verb, *given.split()])
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert (done.exit_code, len(lines)) == (2, 1), (done.exit_code, done.stderr, done.stdout)
    assert lines[0].startswith("error: ")
    assert "(unexpected;" not in lines[0]
    return lines[0]


@contextmanager
def time_limit(seconds: int) -> Iterator[None]:
    def late(*_: object) -> None:
        pytest.fail(f"not done in {seconds} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
