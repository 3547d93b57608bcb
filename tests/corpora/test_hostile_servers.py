"""Downloads from a server that drips, floods, leads elsewhere and lies about names."""

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from physioprep.corpora import transfer
from physioprep.corpora.fetch import download, fetch
from physioprep.errors import CorpusError

Answer = Callable[[BaseHTTPRequestHandler], None]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Answer], str]]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(transfer, "IDLE_S", 0.7)
    running: list[ThreadingHTTPServer] = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                try:
                    answer(self)
                except OSError:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        running.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/x.dat"

    yield start
    for server in running:
        server.shutdown()
        server.socket.close()


def never(request: BaseHTTPRequestHandler) -> None:
    time.sleep(20)


def drips_headers(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\n")
    for _ in range(200):
        request.wfile.write(b"X: y\r\n")
        time.sleep(0.1)


def drips_bytes(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n")
    for _ in range(200):
        request.wfile.write(b"x")
        time.sleep(0.1)


def drips_chunks(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(200):
        request.wfile.write(b"1\r\nx\r\n")
        time.sleep(0.1)


@pytest.mark.parametrize("answer", [never, drips_headers, drips_bytes, drips_chunks])
def test_a_slow_server_is_given_up(
    serve: Callable[[Answer], str], answer: Answer, tmp_path: Path
) -> None:
    begun = time.monotonic()
    with pytest.raises(CorpusError, match=r"x\.dat: the server does not answer in time"):
        download(serve(answer), tmp_path / "x.dat", "0" * 64, retries=1, wait_s=0.0)
    assert time.monotonic() - begun < 8
    assert not (tmp_path / "x.dat").exists()


def test_an_honest_slow_server_is_not(serve: Callable[[Answer], str], tmp_path: Path) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(10):
            request.wfile.write(bytes(1000))
            time.sleep(0.2)

    download(serve(answer), tmp_path / "x.dat", retries=0)
    assert (tmp_path / "x.dat").stat().st_size == 10_000


def floods(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        request.wfile.write(bytes(1 << 16))


def states_too_much(request: BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\nx")
    time.sleep(5)


@pytest.mark.parametrize("answer", [floods, states_too_much])
def test_a_file_without_end_is_refused(
    serve: Callable[[Answer], str], answer: Answer, tmp_path: Path
) -> None:
    with pytest.raises(CorpusError, match=r"x\.dat: \d+ bytes or more, over the limit of 1000000 "):
        download(serve(answer), tmp_path / "x.dat", limit=1_000_000, retries=3)


def test_a_list_without_end_is_refused(serve: Callable[[Answer], str], tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="over the limit of"):
        fetch("nstdb", tmp_path / "out", url=serve(states_too_much), retries=0)


def test_a_call_takes_no_more_than_it_may(serve: Callable[[Answer], str], tmp_path: Path) -> None:
    files = {name: name.encode() * 50_000 for name in ("a", "b", "c")}
    sums = "".join(f"{hashlib.sha256(data).hexdigest()} {n}\n" for n, data in files.items())

    def answer(request: BaseHTTPRequestHandler) -> None:
        data = {**files, "SHA256SUMS.txt": sums.encode()}[request.path.rpartition("/")[2]]
        request.send_response(200)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data)

    url = serve(answer).removesuffix("x.dat")
    with pytest.raises(CorpusError, match="nstdb: more than the 120000 bytes of --max-bytes"):
        fetch("nstdb", tmp_path, url=url, max_bytes=120_000)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 130_000
    assert fetch("nstdb", tmp_path, url=url, max_bytes=130_000).downloaded < 3  # it went on


@pytest.mark.parametrize(
    "where", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x", "gopher://x/", "//[", "file:x"]
)
def test_a_redirection_leads_to_the_web_alone(
    serve: Callable[[Answer], str], where: str, tmp_path: Path
) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(f"HTTP/1.1 302 Found\r\nLocation: {where}\r\n\r\n".encode())

    with pytest.raises(
        CorpusError, match=r"^http://127.*x\.dat: .*(refused|allowed|address)"
    ) as no:
        download(serve(answer), tmp_path / "x.dat", retries=2, wait_s=0.0)
    assert "\n" not in str(no.value)
    assert not (tmp_path / "x.dat").exists()


def test_redirections_in_a_circle_and_with_endless_bodies_end(
    serve: Callable[[Answer], str], tmp_path: Path
) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 302 Found\r\nLocation: /x.dat\r\n\r\n")
        while True:
            request.wfile.write(bytes(1 << 16))

    with pytest.raises(CorpusError, match=r"x\.dat: .*(loop|in time)"):
        download(serve(answer), tmp_path / "x.dat", retries=0)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "../x",
            "/etc/x",
            "a/../../x",
            "a//x",
            "C:\\x",
            "C:/x",
            "..\\x",
            "a\x1b]0;x\x07",
            "a\x00",
        ),
        *(".fetch.partial/.physioprep", "a/", "y" * 300, "a/" * 120 + "x", "x\u2028y"),
    ],
)
def test_a_list_with_a_hostile_name_is_refused(
    serve: Callable[[Answer], str], name: str, tmp_path: Path
) -> None:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        if request.path.endswith("SHA256SUMS.txt"):
            request.wfile.write(f"{'0' * 64} ok\n{'0' * 64} {name}\n".encode())

    url = serve(answer).removesuffix("x.dat")
    with pytest.raises(CorpusError, match="not a line of a checksum list") as raised:
        fetch("nstdb", tmp_path / "out", url=url, retries=0)
    assert str(raised.value).isprintable()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {".fetch.partial"}


def test_an_address_with_a_password_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="password or token") as raised:
        fetch("nstdb", tmp_path, url="https://me:hunter2@host/x", retries=0)
    assert "hunter2" not in str(raised.value)
