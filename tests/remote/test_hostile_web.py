"""Scans and reads from a server that drips, floods, leads elsewhere and lies about names."""

import contextlib
import gzip
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import physioprep as pp
from physioprep import file_systems, listings, remote, retry, web
from physioprep.corpora import scan_remote
from physioprep.errors import CorpusError, PhysioprepError, UnreadableFileError

pytest.importorskip("aiohttp", reason="needs physioprep[remote]")

Answer = Callable[[BaseHTTPRequestHandler], None]
HEADER = b"ok 1 100 4\nok.dat 16 200/mV 16 0 1 10 0 II\n"
SIGNAL = bytes([1, 0, 2, 0, 3, 0, 4, 0])


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answer], str]]:
    monkeypatch.setattr(file_systems, "READ_TIMEOUT_S", 0.7)
    monkeypatch.setattr(retry, "ATTEMPTS", 2)
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.01)
    file_systems._file_system.cache_clear()
    running: list[ThreadingHTTPServer] = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                with contextlib.suppress(OSError):
                    answer(self)
                self.close_connection = True

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        running.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/corpus"

    yield start
    for server in running:
        server.shutdown()
        server.socket.close()
    file_systems._file_system.cache_clear()


def give(request: BaseHTTPRequestHandler, data: bytes, **headers: str) -> None:
    request.send_response(200)
    for name, value in {"Content-Length": str(len(data)), **headers}.items():
        request.send_header(name.replace("_", "-"), value)
    request.end_headers()
    if request.command == "GET":
        request.wfile.write(data)


def corpus_with(links: list[str]) -> Answer:
    """A corpus of one record; its index page has more links."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        files = {"ok.hea": HEADER, "ok.dat": SIGNAL}
        name = request.path.removeprefix("/corpus/")
        if name == "":
            page = "".join(f'<A class=x HREF="{link}">x</a>\n' for link in [*files, *links])
            give(request, page.encode(), Content_Type="text/html")
        elif name in files:
            give(request, files[name])
        else:
            give(request, b"anything")

    return answer


def never(request: BaseHTTPRequestHandler) -> None:
    time.sleep(5)


def drips_headers(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for _ in range(100):
        request.wfile.write(b"X: y\r\n")
        time.sleep(0.1)


def drips_bytes(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n")
    for _ in range(100):
        request.wfile.write(b"x")
        time.sleep(0.1)


@pytest.mark.parametrize("answer", [never, drips_headers, drips_bytes])
def test_a_slow_server_is_given_up(
    serve: Callable[[Answer], str], answer: Answer, tmp_path: Path
) -> None:
    url = serve(answer)
    attempts = {
        "fetch": lambda: remote.fetch(f"{url}/x"),
        "range": lambda: remote.fetch(f"{url}/x", 100, 200),
        "download": lambda: remote.download(f"{url}/x", tmp_path / "x"),
        "scan": lambda: pp.scan(url, "folder"),
    }
    if answer is not drips_bytes:  # no byte of it is asked for
        attempts["sizes"] = lambda: remote.sizes(url, ["x"])
    for attempt in attempts.values():
        begun = time.monotonic()
        with pytest.raises(UnreadableFileError, match="the server does not answer in time"):
            attempt()
        assert time.monotonic() - begun < 6
    assert not list(tmp_path.iterdir())


HOSTILE = [
    "..%2F..%2Fx.hea",
    "%2Fetc%2Fx.hea",
    "./C:%5Cx.hea",
    "a%1B]0;owned%07.hea",
    "a%00.hea",
    "a%0Ab.hea",
    "y" * 300 + ".hea",
    "a%2F%2Fb.hea",
    "..%2Ffolder/",
]


def test_hostile_names_are_skipped_with_a_line_each(
    serve: Callable[[Answer], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    elsewhere = [
        "../",
        "/",
        "//other/x.hea",
        "https://other/x.hea",
        "file:///etc/x.hea",
        "http://[",
    ]
    url = serve(corpus_with([*HOSTILE, *elsewhere, "OK.hea", "OK.dat", "?C=N", "#top"]))
    with caplog.at_level(logging.ERROR):
        manifest = pp.scan(url, "folder")
    assert manifest.set_index("record_id")["error"].isna()["ok"]
    assert set(manifest["record_id"]) == {"ok", "OK"}
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == len(HOSTILE)
    assert all(line.startswith(f"skipped {url}/") for line in lines)
    caplog.clear()
    assert remote.listing(serve(corpus_with([f"a%00{i}" for i in range(100)]))).keys() == {
        "ok.hea",
        "ok.dat",
    }
    assert len(caplog.records) == listings.SHOWN + 1
    assert caplog.records[-1].getMessage().endswith("skipped 80 names more")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_objects_with_hostile_keys_are_skipped(
    bucket: str, corpus: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("r0.hea", "r0.dat"):
        remote.put(f"{bucket}/{name}", (corpus / name).read_bytes())
    client = file_systems.file_system(bucket)[0]
    place = bucket.removeprefix("s3://bucket/")
    hostile = ["a//b.hea", "C:\\x.hea", "a\x1b]0;x.hea", "r0.hea/under.hea", "z" * 300 + ".hea"]
    for name in hostile:
        client.call_s3("put_object", Bucket="bucket", Key=f"{place}/{name}", Body=b"x")
    with caplog.at_level(logging.ERROR):
        manifest = pp.scan(bucket, "folder")
    assert manifest["record_id"].tolist() == ["r0"]
    assert len(caplog.records) == len(hostile)


def test_what_s3_may_also_answer_is_judged_by_the_same_rule() -> None:
    for name in ("../x", "a/../x", "/x", "\\x", "C:/x", "a/./x", "a\\b", "a//x", "d/" * 101 + "x"):
        assert listings.bad_name(name), name
    for name in ("a/b.hea", "a b/ü.hea", "..a", "C:x", "OK", "ok", "a/"):
        assert not listings.bad_name(name), name


def test_folders_without_end_are_bounded(
    serve: Callable[[Answer], str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = serve(lambda request: give(request, b"<a href='deeper/'>x</a>"))
    with caplog.at_level(logging.ERROR):
        assert remote.listing(url) == {}
    assert ["over 100 folders deep" in record.getMessage() for record in caplog.records] == [True]
    monkeypatch.setattr(listings, "MAX_INDEX_PAGES", 30)
    wide = serve(lambda request: give(request, b"<a href=a/>x</a> <a href=b/>x</a>"))
    with pytest.raises(UnreadableFileError, match=r"index pages, over the limit of 30 \(PHYSIO"):
        remote.listing(wide)
    monkeypatch.setattr(listings, "MAX_LISTED", 5)
    many = "".join(f"<a href=x{i}>x</a>" for i in range(9)).encode()
    with pytest.raises(UnreadableFileError, match="9 files, over the limit of 5"):
        remote.listing(serve(lambda request: give(request, many)))


def test_a_listing_of_objects_is_bounded(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "abc":
        remote.put(f"{bucket}/{name}", b"")
    monkeypatch.setattr(listings, "MAX_LISTED", 2)
    with pytest.raises(UnreadableFileError, match="3 objects, over the limit of 2"):
        remote.listing(bucket)


def floods(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n")
    while True:
        request.wfile.write(bytes(1 << 16))


def test_answers_without_end_are_refused(
    serve: Callable[[Answer], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = serve(floods)
    for module, name in (
        (web, "MAX_INDEX_BYTES"),
        (remote, "MAX_OBJECT_BYTES"),
        (remote, "MAX_JSON_BYTES"),
        (remote, "MAX_DOWNLOAD_BYTES"),
    ):
        monkeypatch.setattr(module, name, 1_000_000)
    for attempt in (
        lambda: remote.listing(url),
        lambda: remote.fetch(f"{url}/x"),
        lambda: remote.fetch(f"{url}/x", 5),
        lambda: remote.fetch(f"{url}/zarr.json"),
        lambda: remote.download(f"{url}/x", tmp_path / "x"),
        lambda: pp.open_store(url),
    ):
        with pytest.raises(PhysioprepError, match="over the limit of 1000000"):
            attempt()
    assert remote.fetch(f"{url}/x", 10, 30) == bytes(20)  # it knows no ranges
    assert not list(tmp_path.iterdir())


def test_a_large_document_of_a_bucket_is_refused(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote.put(f"{bucket}/x.zarr/zarr.json", b" " * 2000)
    monkeypatch.setattr(remote, "MAX_JSON_BYTES", 1000)
    with pytest.raises(PhysioprepError, match="1001 bytes, over the limit of 1000"):
        pp.open_store(f"{bucket}/x.zarr")


def test_a_scan_copies_no_more_than_its_limit(
    serve: Callable[[Answer], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_remote, "LIMIT", 1_000_000)

    def answer(request: BaseHTTPRequestHandler) -> None:
        if request.path.endswith("/"):
            give(request, b"<a href=a.hea>x</a><a href=b.mat>x</a>")
        elif request.path.endswith("a.hea"):
            give(request, b"a 0 100 0\n")
        else:
            floods(request)

    with pytest.raises(CorpusError, match="a scan would copy over 0 GiB"):
        pp.scan(serve(answer), "folder")


@pytest.mark.parametrize(
    "where", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "s3://b/x"]
)
def test_a_redirection_leads_to_the_web_alone(
    serve: Callable[[Answer], str], where: str, tmp_path: Path
) -> None:
    url = serve(
        lambda request: request.wfile.write(
            f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {where}\r\n\r\n".encode()
        )
    )
    for attempt in (
        lambda: remote.fetch(f"{url}/x"),
        lambda: remote.download(f"{url}/x", tmp_path / "x"),
        lambda: remote.listing(url),
        lambda: remote.sizes(url, ["x"]),
    ):
        with pytest.raises(UnreadableFileError, match=r"redirected to \w+://: refused"):
            attempt()
    assert not list(tmp_path.iterdir())


def test_redirections_are_followed_but_not_in_circles(serve: Callable[[Answer], str]) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        if request.path.endswith("there"):
            give(request, b"found")
            return
        there = "there" if request.path.endswith("x") else "?a"
        request.wfile.write(
            f"HTTP/1.1 307 X\r\nContent-Length: 0\r\nLocation: {there}\r\n\r\n".encode()
        )

    url = serve(answer)
    assert remote.fetch(f"{url}/x") == b"found"
    with pytest.raises(UnreadableFileError, match="over 10 redirections"):
        remote.fetch(f"{url}/circle")
    with pytest.raises(UnreadableFileError, match="redirected to http://: refused"):
        web.check_redirection("https://a/x", "https://a/x", "http://a/x")


def test_a_compressed_answer_is_not_expanded(serve: Callable[[Answer], str]) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    url = serve(lambda request: give(request, bomb, Content_Encoding="gzip"))
    assert remote.fetch(f"{url}/x") == bomb


def test_a_hostile_index_page_is_parsed_in_linear_time(serve: Callable[[Answer], str]) -> None:
    for text in ("<a " * 200_000, "<a href" + " " * 500_000, '<a href="' * 100_000):
        url = serve(lambda request, text=text: give(request, text.encode()))  # type: ignore[misc]
        begun = time.monotonic()
        assert remote.listing(url) == {}
        assert time.monotonic() - begun < 5


def floods_without_end(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(1 << 10):  # 64 MiB
        request.wfile.write(bytes(1 << 16))


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (never, "ok.dat: the server does not answer in time"),
        (drips_bytes, "ok.dat: the server does not answer in time"),
        (floods_without_end, "ok.dat: .* bytes.*, over the limit of 1048"),
        (lambda request: give(request, SIGNAL[::-1]), "ok.dat: changed since the scan: sha256 was"),
        (lambda request: request.send_error(404), "ok.dat: no such file"),
    ],
    ids=["never", "drips", "floods", "changed", "gone"],
)
def test_an_ingest_from_a_server_that_changed_since_the_scan_is_bounded(
    serve: Callable[[Answer], str], tmp_path: Path, answer: Answer, cause: str
) -> None:
    good = corpus_with([])
    scanned = threading.Event()

    def either(request: BaseHTTPRequestHandler) -> None:
        is_turned = scanned.is_set() and request.path.endswith(".dat")
        (answer if is_turned else good)(request)

    manifest = pp.scan(serve(either), "folder")
    assert manifest["error"].isna().all()
    scanned.set()
    begun = time.monotonic()
    with pytest.raises(PhysioprepError) as caught:  # no other record is left
        pp.ingest(manifest, tmp_path / "a.zarr", "native", scheduler="sync")
    assert time.monotonic() - begun < 20
    assert re.search(cause, str(caught.value)), caught.value
    assert not (tmp_path / "a.zarr").exists()
