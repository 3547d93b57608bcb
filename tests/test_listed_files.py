"""Lists of checksums that somebody sends: nothing but files of the folder is opened, no line lost.

Whatever could hang runs in a process of its own, with a limit of time.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import physioprep as pp
from physioprep.errors import ShardError, StoreError
from physioprep.hashes import HASHES, format_hashes, parse_hashes, write_hashes
from physioprep.run_notes import write_note
from physioprep.shards.checksums import TABLE, format_sums, parse_sums
from physioprep.simulation import simulate
from physioprep.verifying import verify

#: Seconds that a command may take: it does not wait for a pipe.
LIMIT_S = 60


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store and shards."""
    folder = tmp_path_factory.mktemp("made")
    raw = simulate(folder / "raw", n_patients=4, n_subjects=2, workers=1)
    manifest = pp.scan(raw / "demo-ecg", "demo-ecg")
    pp.ingest(manifest, folder / "s.zarr", scheduler="sync")
    pp.shard(folder / "s.zarr", folder / "s.shards", window_s=10, scheduler="sync")
    return folder


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made / "s.zarr", tmp_path / "s.zarr")


@pytest.fixture
def shards(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made / "s.shards", tmp_path / "s.shards")


def problems_of(path: Path) -> list[str]:
    """Return the problems that `verify` finds, in a process that may not hang."""
    code = "import sys, physioprep as pp; print(*pp.verify(sys.argv[1]).problems, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", code, path], capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def as_pipe(file: Path) -> str:
    file.unlink()
    os.mkfifo(file)
    return "a pipe, not a file"


def as_device(file: Path) -> str:
    file.unlink()
    file.symlink_to("/dev/zero")
    return "a device, not a file"


@pytest.mark.parametrize("replace", [as_pipe, as_device])
def test_no_pipe_or_device_of_a_store_is_opened(
    store: Path, replace: Callable[[Path], str]
) -> None:
    names = ("ecg/signal/c/0/0", "quarantine.parquet", "zarr.json")
    expected = [f"{name}: {replace(store / name)}" for name in names]
    assert problems_of(store) == expected


@pytest.mark.parametrize("replace", [as_pipe, as_device])
def test_no_pipe_or_device_of_shards_is_opened(
    shards: Path, replace: Callable[[Path], str]
) -> None:
    names = ("ecg/signal/c.0.0.0", "manifest.parquet", "zarr.json")
    expected = [f"{name}: {replace(shards / name)}" for name in names]
    assert problems_of(shards) == expected


OPENED = """
import sys, physioprep as pp
from physioprep.stream import ShardStream, WindowStream
path = sys.argv[1]
shards = path.endswith(".shards")
verbs = {
    "open": pp.open_shards if shards else pp.open_store,
    "verify": pp.verify,
    "stream": (
        (lambda path: ShardStream(path, batch_size=1))
        if shards
        else (lambda path: WindowStream(path, batch_size=1, window_s=5))
    ),
}
if not shards:
    verbs["shard"] = lambda path: pp.shard(path, path + ".out", window_s=5, scheduler="sync")
for name, verb in verbs.items():
    try:
        verb(path)
    except pp.PhysioprepError as error:
        print(name, error)
"""


@pytest.mark.parametrize("replace", [as_pipe, as_device])
@pytest.mark.parametrize("kind", ["store", "shards"])
def test_a_list_that_is_no_file_is_one_error(
    store: Path, shards: Path, kind: str, replace: Callable[[Path], str]
) -> None:
    path, table, n_verbs = (store, HASHES, 4) if kind == "store" else (shards, TABLE, 3)
    cause = replace(path / table)
    done = subprocess.run(
        [sys.executable, "-c", OPENED, path], capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == n_verbs, done
    assert all(f"{table}: {cause}" in line for line in lines), lines


@pytest.mark.parametrize("words", [("info", "s.zarr"), ("view", "s.zarr", "a", "-o", "a.png")])
def test_commands_do_not_wait_for_a_list(store: Path, words: tuple[str, ...]) -> None:
    cause = as_pipe(store / HASHES)
    done = subprocess.run(
        [sys.executable, "-m", "physioprep", *words],
        capture_output=True, text=True, timeout=LIMIT_S, cwd=store.parent,
    )  # fmt: skip
    assert done.returncode == 2
    assert cause in " ".join(done.stderr.split())


def test_a_pipe_in_a_store_without_a_list_is_an_error(store: Path) -> None:
    (store / HASHES).unlink()
    name = "ecg/signal/c/0/0"
    as_pipe(store / name)
    code = "import sys, physioprep as pp; pp.open_store(sys.argv[1]).read(0, 'ecg')"
    done = subprocess.run(
        [sys.executable, "-c", code, store], capture_output=True, text=True, timeout=LIMIT_S
    )
    assert f"{name}: a pipe, not a file" in done.stderr


def names_outside(folder: Path) -> dict[str, str]:
    """Return names of one file beside a folder, with its true hash."""
    secret = folder.parent / "secret.txt"
    secret.write_text("secret")
    digest = hashlib.sha256(b"secret").hexdigest()
    return dict.fromkeys(("../secret.txt", f"ecg/../../{secret.name}", str(secret)), digest)


def test_no_file_outside_a_store_is_opened(store: Path) -> None:
    outside = names_outside(store)
    stated = parse_hashes((store / HASHES).read_text())
    (store / HASHES).write_text(format_hashes(stated | outside | {"../../dev/zero": "0" * 64}))
    result = pp.verify(store)
    assert sorted(result.problems) == sorted(
        f"{name}: outside the folder of the list" for name in (*outside, "../../dev/zero")
    )
    assert result.bytes == pp.verify(store).bytes
    with pytest.raises(StoreError, match="is outside the folder of the list"):
        pp.shard(store, store.parent / "t", window_s=5)


def test_no_file_outside_shards_is_opened(shards: Path) -> None:
    (shards.parent / "secret.txt").write_text("123456789")
    stated = parse_sums((shards / TABLE).read_bytes(), "")
    (shards / TABLE).write_text(format_sums(stated | {"../secret.txt": (9, 0xE3069283)}))
    assert pp.verify(shards).problems == ("../secret.txt: outside the folder of the list",)


def test_notes_of_a_pipeline_open_no_file_outside(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / ".steps").mkdir(parents=True)
    outside = names_outside(out)
    note = out / ".steps" / "01-scan.json"
    write_note(note, {"made": [], "summary": {}, "files": outside})
    write_note(note.with_name("made.json"), {"pipeline": "t", "made": []})
    assert len(verify(out).problems) == len(outside)
    note.unlink()
    note.symlink_to("/dev/zero")
    assert verify(out).problems == (".steps/01-scan.json: a device, not a file",)


def test_a_list_is_bounded(store: Path, shards: Path) -> None:
    for path, table, error in ((store, HASHES, StoreError), (shards, TABLE, ShardError)):
        os.truncate(path / table, 1 << 40)  # sparse
        with pytest.raises(error, match="more than"):
            pp.verify(path)
    with pytest.raises(StoreError, match="more than"):
        pp.open_store(store)
    with pytest.raises(ShardError, match="more than"):
        pp.open_shards(shards)


LOST = ("ecg/scale/c/0/0", "ecg/signal/c/0/0", "records/record_id/c/0", "quarantine.parquet")


@pytest.mark.parametrize("name", LOST)
def test_a_line_that_is_lost_with_its_file_is_noticed(store: Path, name: str) -> None:
    """Zarr would read fill values: the list is compared with the hash in its own last line."""
    (store / name).unlink()
    lines = (store / HASHES).read_text().splitlines(keepends=True)
    (store / HASHES).write_text("".join(line for line in lines if not line.endswith(f" {name}\n")))
    for verb in (pp.verify, pp.open_store):
        with pytest.raises(StoreError, match="SHA256SUMS: damaged: it does not match its own"):
            verb(store)


def test_a_list_without_a_last_hash_is_read(tmp_path: Path) -> None:
    """Of ``sha256sum``, and of stores made before lists had one."""
    (tmp_path / "a").write_text("a")
    write_hashes(tmp_path)
    lines = (tmp_path / HASHES).read_text()
    assert parse_hashes(lines.partition("# ")[0]) == parse_hashes(lines)
    assert list(parse_hashes(f"{'0' * 64}  # {'0' * 64}\n")) == [f"# {'0' * 64}"]  # a name
