"""Passwords and tokens of addresses are neither stored nor shown; few kinds are opened."""

import pickle
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

import physiomodels
import physioprep as pp
from physioprep.cli import app
from physioprep.corpora.fetch import download
from physioprep.errors import (
    CorpusError,
    ManifestError,
    PhysioprepError,
    StoreError,
    UnreadableFileError,
)
from physioprep.file_systems import check_address
from physioprep.manifest import make_manifest
from physioprep.pipeline.place import Step
from physioprep.pipeline.recipe import Pipeline
from physioprep.plain_text import shown, without_secrets

SECRETS = [
    "https://me:hunter2@host/corpus",
    "https://hunter2@host/corpus",
    "s3://me:hunter2@bucket/corpus",
    "https://host/corpus?token=hunter2",
    "https://host/corpus?part=1&X-Amz-Signature=hunter2&x=2",
    "https://host/corpus?X-Amz-Credential=hunter2#part",
    "https://host/corpus?sig=hunter2",
    "gs://bucket/corpus?access_token=hunter2",
    "https://me:hun@hunter2@host/corpus",
    "https://me:pa/hunter2@host/corpus",
    "https://me:pa#hunter2@host/corpus",
    "https://bucket.s3.amazonaws.com/x?AWSAccessKeyId=AKIA&Expires=1&Signature=hunter2",
    "https://storage.googleapis.com/b/x?X-Goog-Signature=hunter2&X-Goog-Date=1",
    "https://a.blob.core.windows.net/c/x?sv=2024&sp=r&sig=hunter2",
    "https://cdn.host/x?Policy=hunter2&Key-Pair-Id=K",
    "https://host/corpus?X%2DAmz%2DSignature=hunter2",
    "http://host/d;token=hunter2/",
    "http://host/d;key=hunter2",
    "https://host/d;v=1;Token=hunter2/x",
    "https://host/corpus?pwd=hunter2",
    "https://host/corpus?passwd=hunter2&page=1",
    "https://host/corpus?code=hunter2",
    "https://host/corpus?page=1;token=hunter2",
    "https://host/corpus#access_token=hunter2",
    "https://host/corpus?client_secret=hunter2",
]


@pytest.mark.parametrize("url", SECRETS)
def test_a_secret_is_shown_nowhere(url: str) -> None:
    for text in (without_secrets(f"a {url} b"), shown(url), str(StoreError(url))):
        assert "hunter2" not in text
        assert "***" in text
    error = UnreadableFileError(url, f"no answer from {url}")
    for each in (error, pickle.loads(pickle.dumps(error)), PhysioprepError(f"{url}: gone")):
        assert "hunter2" not in f"{each} {each.__dict__}"


@pytest.mark.parametrize(
    "text",
    [
        "s3://bucket/a@b/x",
        "https://host/a?part=1&version=1.0.0",
        "https://host/a?page=2: no answer",
        "(m.parquet: 100 rows at 12:30, me@example.org)",
        "https://host:8080/a@b/x",
        "https://[::1]:8080/a@b",
        "s3://bucket/a:b@c",
        "me@example.org",
        "/data/a:b@c",
        "a?token=b",
    ],
)
def test_other_text_stays(text: str) -> None:
    assert without_secrets(text) == text
    if "://" in text:
        check_address(text)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("invalid address 'me:hunter2@127.0.0.1:1'", "invalid address '***@127.0.0.1:1'"),
        ("(me:hun/ter@hunter2@[::1]:80)", "(***@[::1]:80)"),
        ("me:hunter2@host", "***@host"),
        ("proxy=me:hunter2@host", "proxy=***@host"),
        ("https://host/a?part=1&odd=hunter2", "https://host/a?part=1&odd=***"),
        ("https://host/a?page=hun,ter2'", "https://host/a?page=***"),
        ("https://host/a;s=hunter2#t=3", "https://host/a;s=***#t=***"),
    ],
)
def test_what_may_be_a_secret_is_not_shown_either(text: str, plain: str) -> None:
    assert without_secrets(text) == plain


@pytest.mark.parametrize("url", SECRETS)
def test_an_address_that_went_through_path_shows_none_either(url: str) -> None:
    for text in (str(Path(url)), f"no {Path('/work') / url}: gone"):
        assert "hunter2" not in without_secrets(text)
        assert "***" in without_secrets(text)


def test_a_long_text_is_shown_in_time() -> None:
    for part in ("http:/", "(a:", "a:b@", "?a=", "a@", "a:", ";a"):
        begun = time.monotonic()
        without_secrets(f"x@ {part * 100_000} s3://b")
        assert time.monotonic() - begun < 2, part


def test_a_parameter_that_is_no_secret_may_be_opened() -> None:
    check_address("https://host/a?part=1&keys=2#t=1")


@pytest.mark.parametrize("url", [*SECRETS, "file:///etc/passwd", "ftp://host/x", "zip://a.zip"])
def test_such_addresses_are_refused_and_not_written(url: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"password or token|only http"):
        check_address(url)
    with pytest.raises(PhysioprepError, match=r"password or token|only http") as raised:
        pp.scan(url, "folder")
    assert "hunter2" not in str(raised.value)
    with pytest.raises(PhysioprepError, match=r"password or token|only http"):
        pp.open_store(url)
    assert not list(tmp_path.iterdir())


def test_a_download_opens_no_local_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    for url in (f"file://{tmp_path}/secret", "ftp://host/x", "data:,x"):
        with pytest.raises(CorpusError, match="only http"):
            download(url, tmp_path / "out", retries=0)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("root", [*SECRETS, "file:///etc", "ftp://host/x"])
def test_a_manifest_of_somebody_else_brings_no_secret(root: str, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    frame = make_manifest({"corpus": ["mine"], "record_id": ["1"], "path": ["1.edf"]})
    path = pp.write_manifest(frame, tmp_path / "m.parquet")
    table = pq.read_table(path)
    at = table.column_names.index("root")
    pq.write_table(table.set_column(at, table.field(at), [[root]]), path)
    frame["root"] = root
    for attempt in (
        lambda: pp.read_manifest(path),
        lambda: pp.write_manifest(frame, tmp_path / "again.parquet"),
        lambda: pp.ingest(frame, tmp_path / "x.zarr", "native"),
        lambda: make_manifest(
            {c: frame[c].tolist() for c in ("corpus", "record_id", "path", "root")}
        ),
    ):
        with pytest.raises(ManifestError, match=r"root: .*(password or token|only http)") as raised:
            attempt()
        assert "hunter2" not in str(raised.value)
    assert [each.name for each in tmp_path.iterdir()] == ["m.parquet"]


#: Every argument of every verb that takes a path or an address.
ARGUMENTS = [
    "verify @", "info @", "audit @", "shard -o q @", "embed -m enc -o q @", "stream @",
    "ingest --recipe native -o q @", "scan --corpus folder -o q.parquet @",
    "pretrain -o q @", "evaluate -o q --config demo @", "run --raw raw --out q @",
    "run demo --out q --raw @", "run demo --raw raw --out @", "view 1 -o q.png @", "simulate @",
    "view m.zarr 1 -o @", "fetch eegmat -o @", "fetch cbramod-weights -o @",
    "finetune s.shards -o q --label label_a --encoder ecg=@", "audit s.zarr --report @",
    "audit s.zarr --findings @", "audit s.zarr --quality @", "audit s.zarr --drop x -o @",
    "audit s.zarr --against @", "pretrain s.shards -o @", "pretrain s.shards -o q --config @",
    "finetune s.shards --label label_a --encoder ecg=e -o @",
    "finetune @ -o q --label label_a --encoder ecg=e",
    "evaluate s.shards --config demo -o @", "evaluate s.shards -o q --config @",
    "evaluate s.shards -o q --config demo --weights ecg=@", "embed s.shards -o q -m @",
    "embed s.shards -m enc -o @", "embed s.shards -m enc -o q --picture @",
    "scan raw --corpus folder -o @", "ingest m.parquet --recipe native -o q --root @",
    "ingest m.parquet -o q --recipe @", "ingest m.parquet --recipe native -o @",
    "shard s.zarr -o @", "tasks --raw @", "scan raw --corpus folder -o q.parquet --on id --join @",
]  # fmt: skip


@pytest.mark.parametrize(
    "url",
    ["http://u:hunter2@127.0.0.1:1/x", "http://127.0.0.1:1/x?token=hunter2", "s3://u:hunter2@b/x"],
)
@pytest.mark.parametrize("line", ARGUMENTS)
def test_no_argument_shows_or_stores_a_secret(
    line: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").mkdir()
    frame = make_manifest({"corpus": ["mine"], "record_id": ["1"], "path": ["1.edf"]})
    pp.write_manifest(frame, tmp_path / "m.parquet")
    done = CliRunner().invoke(app, [part.replace("@", url) for part in line.split()])
    assert done.exit_code == 2
    (said,) = done.stderr.strip().splitlines()
    assert "hunter2" not in done.output + done.stderr
    assert "unexpected" not in said
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["m.parquet", "raw"]


def test_an_address_for_a_path_is_refused_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = "http://u:hunter2@127.0.0.1:1/x.parquet"
    scan = {"corpus": "demo-ecg", "out": "x.parquet"}
    given = (url, Path(url))
    attempts = [
        *(lambda each=each: pp.simulate(each) for each in given),
        *(lambda each=each: pp.fetch("cbramod-weights", each) for each in given),
        *(lambda each=each: pp.read_manifest(each) for each in given),
        *(lambda each=each: pp.run("demo", tmp_path, each) for each in given),
        *(lambda each=each: physiomodels.pretrain("s.shards", each) for each in given),
        *(
            lambda more=more: pp.run(
                Pipeline("t", False, (Step("scan", {**scan, **more}),)), tmp_path, tmp_path / "o"
            )
            for more in ({"out": url}, {"root": url}, {"join": url, "on": "id"})
        ),
        lambda: pp.run(
            Pipeline("t", False, (Step("audit", {"paths": [url], "out": "a.json"}),)),
            tmp_path, tmp_path / "o",
        ),
    ]  # fmt: skip
    for attempt in attempts:
        with pytest.raises(PhysioprepError, match="http://\\*\\*\\*@127") as raised:
            attempt()
        assert "hunter2" not in str(raised.value)
    assert not list(tmp_path.iterdir())
