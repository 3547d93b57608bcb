"""Every verb as a user types it: help with an example, summaries, one-line errors, exit codes."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app
from physioprep.hashes import write_hashes
from physioprep.simulation import LEADS, simulate, write_wfdb

VERBS = [
    "corpora",
    "scan",
    "ingest",
    "info",
    "view",
    "browse",
    "audit",
    "shard",
    "stream",
    "export",
    "push",
    "pull",
    "pretrain",
    "reconstruct-leads",
    "finetune",
    "pseudo-label",
    "evaluate",
    "embed",
    "run",
    "verify",
    "simulate",
    "fetch",
]
PARALLEL = ["scan", "ingest", "shard", "audit", "embed", "evaluate"]


def physioprep(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("cli") / "raw", n_patients=4, n_subjects=2, workers=1)


@pytest.fixture(scope="module")
def store(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    code, _, _ = physioprep("scan", raw / "demo-paired", "--corpus", "demo-paired", "-o",
                            folder / "m.parquet")  # fmt: skip
    assert code == 0
    code, _, _ = physioprep("ingest", folder / "m.parquet", "-o", folder / "s.zarr", "--recipe",
                            "paired-200hz")  # fmt: skip
    assert code == 0
    return folder / "s.zarr"


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_an_example(verb: str) -> None:
    code, out, _ = physioprep(verb, "--help")
    assert code == 0
    assert re.search(rf"Example: +physioprep +{verb}", out)


def test_verbs_that_run_in_parallel_take_the_same_options() -> None:
    from typer.main import get_command

    verbs = get_command(app).commands  # type: ignore[attr-defined]
    for name in ("scheduler", "workers"):
        helps = {
            verb: next(option.help for option in verbs[verb].params if option.name == name)
            for verb in PARALLEL
        }
        assert len(set(helps.values())) == 1, helps


def test_a_truncated_file_is_quarantined_counted_and_named(raw: Path, tmp_path: Path) -> None:
    code, _, _ = physioprep("scan", raw / "demo-ecg", "--corpus", "demo-ecg", "-o",
                            tmp_path / "m.parquet")  # fmt: skip
    assert code == 0
    code, out, err = physioprep("ingest", tmp_path / "m.parquet", "-o", tmp_path / "s.zarr",
                                "--json")  # fmt: skip
    assert code == 1
    assert json.loads(out)["quarantined"] == 1
    (line,) = [line for line in err.splitlines() if line.startswith("quarantined:")]
    assert "00008.dat" in line
    assert "shorter" in line
    code, _, err = physioprep("view", tmp_path / "s.zarr", "00008", "-o", tmp_path / "x.png")
    assert code == 2
    assert "quarantine" in err


def test_info_says_what_a_store_holds_and_where_a_record_came_from(store: Path) -> None:
    code, out, _ = physioprep("info", store, "--json")
    assert code == 0
    facts = json.loads(out)
    assert facts["records"] == 4
    assert facts["corpora"] == ["demo-paired (SIMULATED)"]
    assert facts["ecg"]["rate_hz"] == facts["eeg"]["rate_hz"] == 200
    code, out, _ = physioprep("info", store, "--record", "sub-01_task-rest", "--json")
    record = json.loads(out)
    assert record["files"].keys() == {"sub-01_task-rest.edf"}
    assert record["recipe"] == "paired-200hz"
    assert record["eeg"]["length"] == 64 * 200
    code, out, _ = physioprep("info", store.with_name("m.parquet"), "--json")
    assert json.loads(out)["recordings"] == 4


def test_view_draws_and_verify_proves(store: Path, tmp_path: Path) -> None:
    code, out, _ = physioprep("view", store, "sub-01_task-rest", "-o", tmp_path / "a.png")
    assert code == 0
    assert Path(out.strip()).read_bytes().startswith(b"\x89PNG")
    assert physioprep("verify", store)[0] == 0
    damaged = tmp_path / "damaged.zarr"
    shutil.copytree(store, damaged)
    chunk = next(path for path in (damaged / "ecg" / "signal").rglob("c/*/*"))
    content = bytearray(chunk.read_bytes())
    content[100] ^= 1
    chunk.write_bytes(content)
    code, _, err = physioprep("verify", damaged)
    assert code == 1
    assert "ecg/signal" in err


def test_shard_stream_pretrain_finetune_evaluate_embed(store: Path, tmp_path: Path) -> None:
    shards = tmp_path / "w.shards"
    code, out, _ = physioprep(
        "shard", store, "-o", shards, "--window", 8, "--label", "label_condition", "--region",
        "label_condition == 'rest' @ -40:", "--region", "label_condition == 'task' @ 0:40",
        "--json",
    )  # fmt: skip
    assert code == 0
    assert json.loads(out)["n_windows"] == 20
    code, out, _ = physioprep("stream", shards, "--batch-size", 8, "--json")
    assert code == 0
    assert json.loads(out)["windows"] == 20
    assert json.loads(out)["eeg"] == "(8, 8, 1600) float32"
    config = tmp_path / "p.yaml"
    config.write_text("{epochs: 1, encoder: {d_model: 16, depth: 1, heads: 2, ffn: 16}}")
    for name in ("ecg", "eeg"):
        code, out, _ = physioprep("pretrain", shards, "-o", tmp_path / name, "--modality", name,
                                  "--config", config)  # fmt: skip
        assert code == 0
        assert "last loss" in out
    encoders = [f"--encoder={name}={tmp_path / name}" for name in ("ecg", "eeg")]
    code, _, _ = physioprep("finetune", shards, "-o", tmp_path / "model", "--label",
                            "label_condition", *encoders)  # fmt: skip
    assert code == 0
    code, out, _ = physioprep("pseudo-label", shards, "-m", tmp_path / "model", "-o",
                              tmp_path / "l.parquet", "--json")  # fmt: skip
    assert code == 0
    assert json.loads(out)["windows"] == 20
    code, _, _ = physioprep("finetune", shards, "-o", tmp_path / "student", "--label",
                            "label_condition", *encoders, "--pseudo-labels",
                            tmp_path / "l.parquet", "--where", "window < 9")  # fmt: skip
    assert code == 0
    code, _, _ = physioprep("embed", store, "-m", tmp_path / "model", "-o", tmp_path / "e.zarr",
                            "--window", 8, "--picture", tmp_path / "e.png")  # fmt: skip
    assert code == 0
    assert (tmp_path / "e.png").is_file()
    config.write_text(
        "{folds: 2, repeats: 1, bootstrap: 20, pretrain: {ecg: {epochs: 1}, eeg: {epochs: 1}},"
        " finetune: {epochs: 1}}"
    )
    code, out, _ = physioprep("evaluate", shards, "-o", tmp_path / "r", "--config", config,
                              "--json")  # fmt: skip
    assert code == 0
    arms = {(*arm["modalities"], arm["weights"]) for arm in json.loads(out)["arms"]}
    assert len(arms) == 12


def test_corpora_lists_and_describes() -> None:
    code, out, _ = physioprep("corpora", "--json")
    assert code == 0
    assert {"mitdb", "eegmat", "ptb-xl"} <= {row["name"] for row in json.loads(out)}
    code, out, _ = physioprep("corpora", "demo-ecg")
    assert "SIMULATED" in out


def one_line(err: str) -> str:
    lines = [line for line in err.splitlines() if line.strip()]
    assert len(lines) == 1, err
    assert lines[0].startswith("error: ")
    return lines[0]


def test_bad_input_is_one_line_and_exit_code_2(store: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    m = tmp_path / "m.parquet"
    code, _, err = physioprep("scan", tmp_path / "empty", "--corpus", "mitdb", "-o", m)
    assert code == 2
    assert "empty" in one_line(err)
    code, _, err = physioprep("scan", tmp_path, "--corpus", "mitbd", "-o", m)
    assert code == 2
    assert "mitdb" in one_line(err)
    code, _, err = physioprep("ingest", tmp_path / "no.parquet", "-o", tmp_path / "s.zarr")
    assert code == 2
    assert "no.parquet" in one_line(err)
    code, _, err = physioprep("info", tmp_path / "no.zarr")
    assert code == 2
    assert "no.zarr" in one_line(err)
    code, _, err = physioprep("shard", store, "-o", tmp_path / "w", "--window", 10_000)
    assert code == 2
    one_line(err)


def test_a_store_of_another_schema_is_refused(store: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.zarr"
    shutil.copytree(store, other)
    root = json.loads((other / "zarr.json").read_text())
    root["attributes"]["schema_version"] = 99
    (other / "zarr.json").write_text(json.dumps(root))
    write_hashes(other)
    code, _, err = physioprep("info", other)
    assert code == 2
    assert "schema 99" in one_line(err)


@pytest.mark.parametrize(
    "unexpected",
    [ValueError("odd\n[/x] value"), RecursionError("too deep"), MemoryError(), KeyError("x")],
)
def test_what_nobody_expects_is_one_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, unexpected: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise unexpected

    monkeypatch.setattr(pp, "info", fail)
    code, _, err = physioprep("info", "x")
    assert code == 2
    assert "Traceback" not in one_line(err)
    code, _, err = physioprep("-v", "info", "x")
    assert code == 2
    assert "Traceback" in err
    assert "in fail" in err


@pytest.mark.parametrize(
    ("claims", "cause"),
    [
        ({"attributes": {"n_records": 10**11}}, "states 100000000000 records"),
        ({"attributes": {"n_records": "many"}}, "states many records"),
        ({"records/age": 10**11}, "records/age states 100000000000 records, the store"),
        ({"ecg/start": 10**11}, "ecg/start states 100000000000 records, the store"),
        ("[" * 100_000, "zarr.json is not JSON: nested too deep"),
    ],
)
def test_a_store_that_claims_too_much_is_refused(
    store: Path, tmp_path: Path, claims: dict[str, object] | str, cause: str
) -> None:
    other = shutil.copytree(store, tmp_path / "other.zarr")
    root = json.loads((other / "zarr.json").read_text())
    if isinstance(claims, str):
        (other / "zarr.json").write_text(claims)
    else:
        for name, claim in claims.items():
            if isinstance(claim, dict):
                root["attributes"].update(claim)
            else:
                root["consolidated_metadata"]["metadata"][name]["shape"] = [claim]
        (other / "zarr.json").write_text(json.dumps(root))
    write_hashes(other)
    code, _, err = physioprep("info", other)
    assert code == 2
    assert cause in one_line(err)


def test_shards_that_do_not_match_the_model_are_refused(store: Path, tmp_path: Path) -> None:
    shards = tmp_path / "w.shards"
    assert physioprep("shard", store, "-o", shards, "--window", 4, "--modality", "ecg")[0] == 0
    config = tmp_path / "p.yaml"
    config.write_text("{epochs: 1, modality: eeg}")
    code, _, err = physioprep("pretrain", shards, "-o", tmp_path / "e", "--config", config)
    assert code == 2
    assert "eeg" in one_line(err)
    config.write_text("{epochs: 1, modality: ecg, encoder: {patch_size: 300}}")
    code, _, err = physioprep("pretrain", shards, "-o", tmp_path / "e", "--config", config)
    assert code == 2
    assert "300" in one_line(err)


@pytest.mark.realdata
def test_the_line_of_the_issue(shared_data: Path, tmp_path: Path) -> None:
    m, zarr = tmp_path / "m.parquet", tmp_path / "mitdb.zarr"
    assert physioprep("scan", shared_data / "mitdb", "--corpus", "mitdb", "-o", m)[0] == 0
    assert physioprep("ingest", m, "-o", zarr)[0] == 0
    assert physioprep("info", zarr)[0] == 0
    assert physioprep("view", zarr, "208", "-o", tmp_path / "208.png")[0] == 0
    record = pp.open_store(zarr).record("208")
    assert dict(record.sizes) == {"channel": 2, "time": 361112}
    assert record["ecg"].dtype == "float32"
    assert record["ecg"].attrs["units"] == "mV"


def test_a_recording_that_cannot_be_scanned_is_a_row_and_exit_code_1(tmp_path: Path) -> None:
    import numpy as np

    write_wfdb(tmp_path, "good", np.zeros((len(LEADS), 500)), 500, [])
    (tmp_path / "bad.hea").write_text("this is no header\n")
    code, out, err = physioprep("scan", tmp_path, "--corpus", "folder", "-o",
                                tmp_path / "m.parquet", "--json")  # fmt: skip
    assert code == 1
    assert json.loads(out)["recordings"] == 2
    assert json.loads(out)["not readable"] == 1
    assert "bad.hea" in err


def test_a_scan_replaces_a_manifest_only_on_request(tmp_path: Path) -> None:
    import numpy as np

    write_wfdb(tmp_path, "good", np.zeros((len(LEADS), 500)), 500, [])
    command = ("scan", tmp_path, "--corpus", "folder", "-o", tmp_path / "m.parquet")
    assert physioprep(*command)[0] == 0
    before = (tmp_path / "m.parquet").read_bytes()
    code, _, err = physioprep(*command)
    assert code == 2
    assert "m.parquet: exists; overwrite it (--overwrite)" in " ".join(err.split())
    replaced = physioprep(*command, "--overwrite", "--scheduler", "threads", "--workers", "2")
    assert replaced[0] == 0
    assert (tmp_path / "m.parquet").read_bytes() == before
    (tmp_path / "n.csv").write_text("record_id,age\ngood,63\n")  # a table of the corpus
    code, _, err = physioprep(*command[:-1], tmp_path / "n.csv", "--overwrite")
    assert code == 2
    assert (tmp_path / "n.csv").read_text() == "record_id,age\ngood,63\n"


@pytest.mark.parametrize("other", ["--findings", "--quality", "-o"])
def test_an_audit_writes_no_file_twice(store: Path, tmp_path: Path, other: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    fix = ["--drop", "empty-file"] if other == "-o" else []
    for again in ("r.html", "./r.html", "link/r.html"):
        options = ["--report", tmp_path / "r.html", other, f"{tmp_path}/{again}", *fix]
        code, _, err = physioprep("audit", store, *options)
        assert (code, "both would write" in err.replace("\n", " ")) == (2, True), err
    assert [each.name for each in tmp_path.iterdir()] == ["link"]


@pytest.mark.realdata
def test_ctrl_c_leaves_no_half_store_and_the_same_command_goes_on(
    shared_data: Path, tmp_path: Path
) -> None:
    m, zarr = tmp_path / "m.parquet", tmp_path / "eegmat.zarr"
    assert physioprep("scan", shared_data / "eegmat", "--corpus", "eegmat", "-o", m)[0] == 0
    command = [sys.executable, "-m", "physioprep", "ingest", str(m), "-o", str(zarr), "--recipe",
               "paired-200hz", "--scheduler", "sync"]  # fmt: skip
    # A shell's background job, such as a CI run, starts with Ctrl-C ignored: listen again.
    run = subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    deadline = time.monotonic() + 60
    at_work = ".eegmat.zarr.partial/*/traces/*"
    while not list(tmp_path.glob(at_work)) and time.monotonic() < deadline:
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "stopped" in err
    assert not zarr.exists()
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0
    assert len(pp.open_store(zarr)) == 50
    assert physioprep("verify", zarr)[0] == 0


def test_ctrl_c_in_an_import_gives_its_exit_code_too(tmp_path: Path) -> None:
    (tmp_path / "stopper.py").write_text(
        "import physioprep.facts as f\n"
        "from physioprep.cli import app, console\n"
        "console.say('loads what printing needs, so that nothing else is executed after')\n"
        "f.list_corpora = lambda: exec('raise KeyboardInterrupt')\n"
        "app(['corpora'])\n"
    )
    command = [sys.executable, "-m", "stopper"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 130, done.stderr
