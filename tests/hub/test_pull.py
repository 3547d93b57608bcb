"""Reading and copying from the hub: only what is needed, every file checked, one error."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import physioprep as pp
from physioprep.cli import app
from physioprep.errors import PhysioprepError, UnreadableFileError
from physioprep.hub_files import asking
from tests.hub.stand_in import Hub

Files = Callable[[Path], dict[str, bytes]]


def test_a_store_is_read_by_url_and_only_the_chunks_needed(hub: Hub, store: Path) -> None:
    pp.push(store, "hub://me/s")
    local, there = pp.open_store(store), pp.open_store("hub://me/s")
    hub.ranges.clear()
    got = there.record("r0", start_s=600, stop_s=610)
    np.testing.assert_array_equal(got["ecg"], local.record("r0", start_s=600, stop_s=610)["ecg"])
    asked = [span for path, span in hub.ranges if path.startswith("ecg/signal/c")]
    ends = [tuple(map(int, span.removeprefix("bytes=").split("-"))) for span in asked]
    whole = sum(
        p.stat().st_size for p in (store / "ecg" / "signal" / "c").rglob("*") if p.is_file()
    )
    assert 2 <= len(ends) <= 6  # an index and chunks of 10 s
    assert sum(last - first + 1 for first, last in ends) < whole / 20
    assert pp.verify("hub://me/s").problems == ()
    assert pp.info("hub://me/s")["records"] == 3


def test_the_verb_stream_reads_shards_by_url(hub: Hub, shards: Path) -> None:
    pp.push(shards, "hub://me/w")
    done = CliRunner().invoke(app, ["stream", "hub://me/w", "--batch-size", "2", "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["windows"] == len(pp.open_shards(shards).windows)


def test_a_server_that_cannot_be_reached_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "https://hub.hospital.example")

    def fail() -> None:
        refused = ConnectionRefusedError(111, "Connection refused")
        raise ConnectionError(str(refused)) from refused  # as httpx wraps it

    with pytest.raises(UnreadableFileError) as raised:
        asking("hub://me/w", fail)
    assert str(raised.value) == (
        "hub://me/w: https://hub.hospital.example cannot be reached: [Errno 111] Connection refused"
    )


def test_an_answer_cut_short_and_a_full_table_of_files_are_not_the_server_s_absence() -> None:
    for failure in (EOFError("3 bytes came instead of 5"), OSError(24, "Too many open files")):

        def fail(failure: Exception = failure) -> None:
            raise failure

        with pytest.raises(UnreadableFileError) as raised:
            asking("hub://me/w", fail)
        assert str(failure) in str(raised.value)
        assert "reached" not in str(raised.value)


def test_what_was_opened_stays_when_the_branch_moves(
    hub: Hub, store: Path, other_store: Path
) -> None:
    pp.push(store, "hub://me/s")
    there = pp.open_store("hub://me/s")
    pp.push(other_store, "hub://me/s", overwrite=True)
    np.testing.assert_array_equal(
        there.record("r1")["ecg"], pp.open_store(store).record("r1")["ecg"]
    )
    now = pp.open_store("hub://me/s").record("r1")["ecg"]
    assert not np.array_equal(there.record("r1")["ecg"], now)


def test_shards_are_pushed_streamed_by_url_and_pulled(
    hub: Hub, shards: Path, tmp_path: Path, files_of: Files
) -> None:
    pp.push(shards, "hub://me/w")
    card = hub.tree("dataset", "me/w")["README.md"].decode()
    assert "data_files: manifest.parquet" in card
    mine, there = (
        [batch["ecg"] for batch in pp.ShardStream(place, batch_size=32, seed=1)]
        for place in (shards, "hub://me/w")
    )
    assert len(mine) == len(there) > 1
    assert all((a == b).all() for a, b in zip(mine, there, strict=True))
    assert pp.verify("hub://me/w").problems == ()
    done = pp.pull("hub://me/w", tmp_path / "w.shards")
    assert (done.kind, done.downloaded) == ("shards", done.n_files)
    assert files_of(tmp_path / "w.shards") == files_of(shards)


def test_a_model_is_pushed_loaded_by_name_and_pulled(
    hub: Hub, encoder: Path, tmp_path: Path, files_of: Files
) -> None:
    from physiomodels import CrissCrossEncoder

    assert pp.push(encoder, "hub://me/e").url.startswith("hub://models/me/e@")
    assert pp.push(encoder.parent, "hub://me/e").sent == {}
    tree = hub.tree("model", "me/e")
    assert b"ECG encoder trained on demo-ecg" in tree["README.md"]
    mine, there = (CrissCrossEncoder.from_pretrained(place) for place in (encoder, "me/e"))
    states = (mine.state_dict(), there.state_dict())
    assert all((states[0][name] == states[1][name]).all() for name in states[0])
    pp.pull("hub://me/e", tmp_path / "e")
    assert files_of(tmp_path / "e") == files_of(encoder)
    assert pp.verify(tmp_path / "e").problems == ()


def test_a_name_of_two_things_must_be_said(
    hub: Hub, encoder: Path, store: Path, tmp_path: Path
) -> None:
    pp.push(encoder, "hub://me/x")
    pp.push(store, "hub://me/x")
    with pytest.raises(PhysioprepError, match="hub://datasets/me/x or hub://models/me/x"):
        pp.pull("hub://me/x", tmp_path / "x")
    assert pp.pull("hub://models/me/x", tmp_path / "e").kind == "model"
    assert pp.pull("hub://datasets/me/x", tmp_path / "s.zarr").kind == "store"


def test_a_file_of_another_content_is_refused_and_the_rest_is_not_fetched_again(
    hub: Hub, store: Path, tmp_path: Path, files_of: Files
) -> None:
    pp.push(store, "hub://me/s")
    repo = hub.repos["dataset", "me/s"]
    name = "ecg/signal/c/0/0"
    oid = repo.commits[repo.branches["main"]][name].removeprefix("lfs:")
    right = hub.large[oid]
    hub.large[oid] = right[:100] + bytes([right[100] ^ 1]) + right[101:]
    target = tmp_path / "p.zarr"
    with pytest.raises(UnreadableFileError, match=rf"hub://me/s@.*: {name}: its SHA-256 is not"):
        pp.pull("hub://me/s", target)
    assert not target.exists()
    hub.large[oid] = right
    done = pp.pull("hub://me/s", target)
    assert done.downloaded < done.n_files / 2
    assert files_of(target) == files_of(store)
    with pytest.raises(PhysioprepError, match="exists; overwrite it"):
        pp.pull("hub://me/s", target)
    assert [path.name for path in tmp_path.iterdir() if ".partial" in path.name] == []


def test_a_name_that_leads_out_is_refused(hub: Hub, store: Path, tmp_path: Path) -> None:
    pp.push(store, "hub://me/s")
    repo = hub.repos["dataset", "me/s"]
    tree = repo.commits[repo.branches["main"]]
    sums = hub.content(tree["SHA256SUMS"]).decode().rpartition("# ")[0]
    hub.blobs["evil"] = f"{sums}{'0' * 64}  ../evil\n".encode()
    tree["SHA256SUMS"] = "evil"
    with pytest.raises(UnreadableFileError, match="leads out of its folder"):
        pp.pull("hub://me/s", tmp_path / "p.zarr")
    assert not (tmp_path / "evil").exists()


def test_what_is_not_there_or_not_ours_is_one_error(hub: Hub, store: Path, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="hub://me/none: no such repository"):
        pp.pull("hub://me/none", tmp_path / "p")
    pp.push(store, "hub://me/s")
    repo = hub.repos["dataset", "me/s"]
    tree = dict(repo.commits[repo.branches["main"]])
    del tree["zarr.json"]
    repo.add("main", tree)
    with pytest.raises(PhysioprepError, match="no store and no shards of physioprep"):
        pp.pull("hub://me/s", tmp_path / "p")


def test_the_card_has_the_sources_the_audit_and_stays_as_changed_by_hand(
    hub: Hub, store: Path, tmp_path: Path
) -> None:
    report = pp.audit(store)
    (tmp_path / "audit.json").write_text(json.dumps(report.to_dict()))
    pp.push(store, "hub://me/s", audit=tmp_path)
    card = hub.tree("dataset", "me/s")["README.md"].decode()
    for text in (
        "license: cc0-1.0", "n<1K", f"Verdict: **{report.verdict}** (store of demo-ecg, 3 records)",
        'pp.open_store("hub://me/s")', pp.open_store(store).attrs["plan_sha256"], "NeuroKit2",
    ):  # fmt: skip
        assert text in card
    croissant = json.loads(hub.tree("dataset", "me/s")["croissant.json"])
    assert croissant["license"] == ["CC0-1.0"]
    fields = {each["name"] for each in croissant["recordSet"][0]["field"]}
    assert fields >= {"record_id", "subject_id", "duration_s"}
    repo = hub.repos["dataset", "me/s"]
    hub.blobs["mine"] = b"# My own words\n"
    repo.add("main", repo.commits[repo.branches["main"]] | {"README.md": "mine"})
    done = pp.push(store, "hub://me/s")
    assert done.sent == {}
    assert "changed by hand" in done.notes[0]
    assert hub.tree("dataset", "me/s")["README.md"] == b"# My own words\n"
    (tmp_path / "audit.json").write_text(
        json.dumps({"verdict": "clean", "findings": [], "inputs": [{"corpora": ["ptb-xl"]}]})
    )
    with pytest.raises(PhysioprepError, match="an audit of something else"):
        pp.push(store, "hub://me/s", audit=tmp_path)
