"""Giving to the hub: whole or not openable, only what differs, nothing that may not be given."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app
from physioprep.errors import PhysioprepError, StoreError, UnreadableFileError
from physioprep.hashes import sha256_of
from tests.hub.stand_in import TOKEN, Hub

Files = Callable[[Path], dict[str, bytes]]
BESIDE = {"README.md", "croissant.json", "records.parquet", ".gitattributes"}


def test_a_store_arrives_with_its_card_and_again_sends_nothing(
    hub: Hub, store: Path, files_of: Files
) -> None:
    done = pp.push(store, "hub://me/s")
    tree = hub.tree("dataset", "me/s")
    assert {name: tree[name] for name in tree.keys() - BESIDE} == files_of(store)
    assert tree.keys() >= BESIDE
    assert done.url == f"hub://me/s@{hub.repos['dataset', 'me/s'].branches['main']}"
    assert set(done.sent) == tree.keys() - {".gitattributes"}
    before = len(hub.asked)
    again = pp.push(store, "hub://me/s")
    assert (again.sent, again.deleted, again.url) == ({}, (), done.url)
    assert all(method == "GET" for method, _ in hub.asked[before:])


def test_only_what_differs_is_sent_and_other_content_is_refused(
    hub: Hub, store: Path, other_store: Path, files_of: Files
) -> None:
    pp.push(store, "hub://me/s")
    before, large = hub.tree("dataset", "me/s"), dict(hub.sent)
    with pytest.raises(PhysioprepError, match=r"hub://me/s: holds something else .*overwrite"):
        pp.push(other_store, "hub://me/s")
    assert hub.tree("dataset", "me/s") == before
    done = pp.push(other_store, "hub://me/s", overwrite=True)
    tree, mine = hub.tree("dataset", "me/s"), files_of(other_store)
    assert {name: tree[name] for name in tree.keys() - BESIDE} == mine
    differing = {name for name in mine if mine[name] != before.get(name)}
    assert set(done.sent) - BESIDE == differing
    assert 3 < len(differing) < len(mine) / 2
    assert all(hub.sent[oid] == n for oid, n in large.items())  # none was sent a second time


@pytest.mark.parametrize(
    "at", [2, *(pytest.param(at, marks=pytest.mark.long) for at in (1, 4, "last"))]
)
def test_a_push_that_is_killed_never_looks_whole_and_is_continued(
    hub: Hub, store: Path, tmp_path: Path, settings: dict[str, str], at: int | str, files_of: Files
) -> None:
    per_commit = 30
    n = -(-sum(not p.is_dir() for p in store.rglob("*")) // per_commit) + 2  # begun, parts, whole
    commits, running = 0, []

    def kill(method: str, path: str) -> int | None:
        nonlocal commits
        if running and "/commit/" in path:
            commits += 1
            if commits == (n if at == "last" else at):
                os.kill(running[0].pid, signal.SIGKILL)
                return 500
        return None

    hub.before = kill
    script = str(Path(__file__).with_name("push_in_parts.py"))
    arguments = [sys.executable, script, str(store), "hub://me/s", str(per_commit)]
    process = subprocess.Popen(arguments, env=os.environ | settings)
    running.append(process)
    assert process.wait(120) == -signal.SIGKILL
    with pytest.raises(PhysioprepError):
        pp.open_store("hub://me/s")
    with pytest.raises(PhysioprepError):
        pp.pull("hub://me/s", tmp_path / "p.zarr")
    hub.before = lambda method, path: None
    done = pp.push(store, "hub://me/s")
    tree = hub.tree("dataset", "me/s")
    assert {name: tree[name] for name in tree.keys() - BESIDE} == files_of(store)
    signals = (store / "ecg" / "signal" / "c").rglob("[0-9]")
    assert {hub.sent[sha256_of(path)] for path in signals if path.is_file()} == {1}
    if at in (4, "last"):
        assert len(done.sent) < len(tree) - per_commit
    pp.pull("hub://me/s", tmp_path / "p.zarr")
    assert files_of(tmp_path / "p.zarr") == files_of(store)


def test_replacing_in_several_commits_hides_the_root_until_the_end(
    hub: Hub, store: Path, other_store: Path, monkeypatch: pytest.MonkeyPatch, files_of: Files
) -> None:
    pp.push(store, "hub://me/s")
    monkeypatch.setattr(import_module("physioprep.hub.push"), "PER_COMMIT", 4)
    seen = []

    def look(method: str, path: str) -> None:
        if "/commit/" in path:
            seen.append("zarr.json" in hub.tree("dataset", "me/s"))

    hub.before = look  # type: ignore[assignment]
    pp.push(other_store, "hub://me/s", overwrite=True)
    assert seen[0]
    assert len(seen) > 3
    assert not any(seen[1:])
    tree = hub.tree("dataset", "me/s")
    assert {name: tree[name] for name in tree.keys() - BESIDE} == files_of(other_store)


def test_an_unfinished_push_of_something_else_is_not_continued(
    hub: Hub, store: Path, other_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("physioprep.hub.push"), "PER_COMMIT", 30)
    n_commits = 0

    def refuse(method: str, path: str) -> int | None:
        nonlocal n_commits
        n_commits += "/commit/" in path
        return 403 if n_commits > 2 else None

    hub.before = refuse
    with pytest.raises(UnreadableFileError, match="hub://me/s: the hub refuses"):
        pp.push(store, "hub://me/s")
    hub.before = lambda method, path: None
    with pytest.raises(PhysioprepError, match="an unfinished push of something else"):
        pp.push(other_store, "hub://me/s")
    with pytest.raises(PhysioprepError, match="its push is not finished"):
        pp.pull("hub://me/s", "nowhere")


def test_somebody_elses_commit_in_between_is_noticed(hub: Hub, store: Path) -> None:
    pp.push(store, "hub://me/s")
    repo = hub.repos["dataset", "me/s"]
    tree = dict(repo.commits[repo.branches["main"]])
    del tree["ecg/zarr.json"]
    repo.add("main", tree)

    def meanwhile(method: str, path: str) -> None:
        if "/commit/" in path:
            repo.add("main", tree | {"x": tree["zarr.json"]})

    hub.before = meanwhile  # type: ignore[assignment]
    with pytest.raises(UnreadableFileError, match="somebody else changed the repository"):
        pp.push(store, "hub://me/s")


def test_a_refused_commit_is_not_taken_for_somebody_elses(hub: Hub, store: Path) -> None:
    hub.before = lambda method, path: 422 if "/commit/" in path else None
    with pytest.raises(UnreadableFileError, match="HTTP 422"):
        pp.push(store, "hub://me/ecg-412")  # 412: a commit in between, but not in a name


def test_what_was_lost_on_the_hub_is_sent_again(hub: Hub, store: Path, files_of: Files) -> None:
    pp.push(store, "hub://me/s")
    repo = hub.repos["dataset", "me/s"]
    tree = dict(repo.commits[repo.branches["main"]])
    del tree["ecg/zarr.json"]
    repo.add("main", tree)
    assert set(pp.push(store, "hub://me/s").sent) == {"ecg/zarr.json"}
    assert hub.tree("dataset", "me/s")["ecg/zarr.json"] == files_of(store)["ecg/zarr.json"]


def test_a_damaged_store_is_not_pushed(hub: Hub, store: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "s.zarr"
    shutil.copytree(store, copy)
    shard = copy / "ecg" / "signal" / "c" / "0" / "0"
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    with pytest.raises(PhysioprepError, match=r"not pushed, it is damaged: ecg/signal/c/0/0"):
        pp.push(copy, "hub://me/s")
    assert not hub.asked


@pytest.mark.parametrize(
    ("corpus", "said"),
    [
        ("tuab", "free of charge after registration, not to be passed on"),
        ("deap", "academic research only"),
        ("dreamer", "research only, on request"),
        ("heedb", "BDSP Credentialed"),
        ("bciciv-2a", "CC-BY-ND"),
    ],
)
def test_a_corpus_that_may_not_be_passed_on_is_refused(
    hub: Hub, of_corpus: Callable[[str], Path], corpus: str, said: str
) -> None:
    path = of_corpus(corpus)
    for checked in (None, "I want to"):
        with pytest.raises(PhysioprepError, match=rf"may not be passed on: {corpus} .*{said}"):
            pp.push(path, "hub://me/s", licence_checked=checked)
    assert not hub.asked


@pytest.mark.parametrize("corpus", ["folder", "shu-mi", "mine"])
def test_an_unknown_licence_needs_a_word(
    hub: Hub, of_corpus: Callable[[str], Path], corpus: str
) -> None:
    path = of_corpus(corpus)
    with pytest.raises(PhysioprepError, match=rf"not known .*{corpus}.*licence_checked"):
        pp.push(path, "hub://me/s")
    with pytest.raises(PhysioprepError, match="say who allows it"):
        pp.push(path, "hub://me/s", licence_checked=" ")
    assert not hub.asked
    done = pp.push(path, "hub://me/s", licence_checked="CC0-1.0, by the <ethics> board")
    if corpus != "shu-mi":  # whose facts state a licence, though not whether that is sure
        assert done.sources == {corpus: "as you found: CC0-1.0, by the <ethics> board"}
    card = hub.tree("dataset", "me/s")["README.md"].decode()
    assert "says of the licence: CC0-1.0, by the &lt;ethics&gt; board" in card
    assert "license: other" in card
    assert "your own" not in card


def test_the_command_says_what_it_would_do_and_never_the_token(hub: Hub, store: Path) -> None:
    run = CliRunner()
    said = run.invoke(app, ["push", str(store), "hub://me/s", "--dry-run", "--private", "--json"])
    assert said.exit_code == 0, said.output
    facts = json.loads(said.stdout)
    assert facts["would push to"] == "hub://me/s"
    assert facts["files to send"] == len(facts["sent"]) == facts["files"]
    assert facts["bytes to send"] == sum(facts["sent"].values())
    assert not hub.repos
    done = run.invoke(app, ["push", str(store), "hub://me/s", "--private"])
    assert done.exit_code == 0, done.output
    assert hub.repos["dataset", "me/s"].private
    for text in (said.output, done.output, str(hub.tree("dataset", "me/s"))):
        assert TOKEN not in text


def test_without_a_token_the_error_says_how_to_log_in(
    hub: Hub, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pp.push(store, "hub://me/s", private=True)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(UnreadableFileError, match=r"hub://me/s: no such repository.*hf auth login"):
        pp.open_store("hub://me/s")
    with pytest.raises(UnreadableFileError, match=r"hub://me/new.*(hf auth login|token)"):
        pp.push(store, "hub://me/new")


def test_without_the_library_the_error_says_how_to_install(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for do in (
        lambda: pp.push(store, "hub://me/s"),
        lambda: pp.pull("hub://me/s", "x.zarr"),
        lambda: pp.open_store("hub://me/s"),
    ):
        with pytest.raises(PhysioprepError) as raised:
            do()
        told = "hub:// needs huggingface_hub: pip install 'physioprep[hub]'"
        assert str(raised.value) == told


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("hub://s", "no hub://owner/name"),
        ("s3://bucket/s", "no hub://owner/name"),
        ("hub://me/s@" + "0" * 40, "names a commit"),
        ("hub://me/s/folder", "names a folder"),
        ("hub://models/me/s", "for a model, but"),
    ],
)
def test_an_address_that_cannot_be_pushed_to(store: Path, url: str, said: str) -> None:
    with pytest.raises(PhysioprepError, match=said):
        pp.push(store, url)


def test_a_branch_is_made_and_main_stays(hub: Hub, store: Path, other_store: Path) -> None:
    pp.push(store, "hub://me/s")
    pp.push(other_store, "hub://me/s@v2", overwrite=True)
    first, second = pp.open_store("hub://me/s"), pp.open_store("hub://me/s@v2")
    assert first.attrs["plan_sha256"] != second.attrs["plan_sha256"]
    with pytest.raises(UnreadableFileError, match="no such revision"):
        pp.open_store("hub://me/s@v3")
    with pytest.raises(StoreError, match="cannot write to http"):
        pp.ingest(pp.scan(store.parent / "raw", "folder"), "hub://me/s")
