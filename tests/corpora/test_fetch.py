"""Downloads against a server on this machine that cuts, lies and fails as servers do."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from physioprep.corpora.fetch import WEIGHTS, fetch
from physioprep.corpora.scan import scan
from physioprep.errors import CorpusError
from physioprep.facts import list_corpora, load_facts
from physioprep.outputs import claim


class Server:
    """Files by path, and what goes wrong with each: a list of faults, one a request."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.faults: dict[str, list[str]] = {}
        self.asked: list[tuple[str, str | None]] = []
        self.ranges = True
        self.url = ""

    def publish(self, files: dict[str, bytes]) -> None:
        lines = [f"{hashlib.sha256(data).hexdigest()} {name}\n" for name, data in files.items()]
        self.files = {**files, "SHA256SUMS.txt": "".join(lines).encode()}

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.lstrip("/").replace("%20", " ")
        wanted = request.headers.get("Range")
        self.asked.append((name, wanted))
        faults = self.faults.get(name, [])
        fault = faults.pop(0) if faults else ""
        if name not in self.files or fault.isdigit():
            request.send_error(int(fault or 404))
            return
        data, status = self.files[name], 200
        if fault == "wrong":
            data = b"x" * len(data)
        if wanted and self.ranges:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            if start >= len(data):
                request.send_error(416)
                return
            data, status = data[start:], 206
        request.send_response(status)
        request.send_header("Content-Length", str(len(data)))
        request.end_headers()
        request.wfile.write(data[: len(data) // 2] if fault == "cut" else data)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, *_: object) -> None:
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{running.server_port}/"
    thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield state
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture
def corpus(tmp_path: Path, wfdb: Callable[..., Path]) -> dict[str, bytes]:
    """An nstdb of two records, as its publisher's folder holds them."""
    source = tmp_path / "source"
    for name in ("118e24", "119e00"):
        wfdb(source / name, ("MLII", "V1"), n_samples=5000)
    files = {path.name: path.read_bytes() for path in sorted(source.iterdir())}
    return {**files, "doc/read me.txt": b"about"}


def part_of(out: Path, name: str) -> Path:
    """Where a killed download of a file left its bytes."""
    folder = claim(out / ".fetch.partial")
    return folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.part"


def get(server: Server, out: Path, **more):
    return fetch("nstdb", out, url=server.url, wait_s=0.0, **more)


def test_every_file_arrives_and_scans(server: Server, corpus: dict[str, bytes], tmp_path: Path):
    server.publish(corpus)
    seen: list[tuple[int, int]] = []
    out = tmp_path / "out"
    result = get(server, out, progress=lambda done, total: seen.append((done, total)))
    assert (result.downloaded, result.present, result.version) == (5, 0, "1.0.0")
    for name, data in corpus.items():
        assert (out / name).read_bytes() == data
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    assert seen[-1] == (5, 5)
    frame = scan(out, "nstdb")
    assert frame["record_id"].tolist() == ["118e24", "119e00"]
    assert frame["error"].isna().all()


def test_what_is_there_and_right_is_kept(server: Server, corpus: dict[str, bytes], tmp_path: Path):
    server.publish(corpus)
    get(server, tmp_path / "out")
    (tmp_path / "out" / "118e24.dat").write_bytes(b"damaged")
    server.asked.clear()
    result = get(server, tmp_path / "out")
    assert (result.downloaded, result.present) == (1, 4)
    assert {name for name, _ in server.asked} == {"SHA256SUMS.txt", "118e24.dat"}
    assert (tmp_path / "out" / "118e24.dat").read_bytes() == corpus["118e24.dat"]


def test_a_cut_connection_is_continued_not_repeated(
    server: Server, corpus: dict[str, bytes], tmp_path: Path
):
    server.publish(corpus)
    server.faults["118e24.dat"] = ["cut", "cut"]
    get(server, tmp_path / "out")
    assert (tmp_path / "out" / "118e24.dat").read_bytes() == corpus["118e24.dat"]
    ranges = [wanted for name, wanted in server.asked if name == "118e24.dat"]
    assert ranges == [None, "bytes=10000-", "bytes=15000-"]


def test_a_later_run_continues_where_one_was_killed(
    server: Server, corpus: dict[str, bytes], tmp_path: Path
):
    server.publish(corpus)
    out = tmp_path / "out"
    out.mkdir()
    part_of(out, "118e24.dat").write_bytes(corpus["118e24.dat"][:777])
    get(server, out)
    assert (out / "118e24.dat").read_bytes() == corpus["118e24.dat"]
    assert ("118e24.dat", "bytes=777-") in server.asked


def test_a_part_that_was_complete_is_recognised(
    server: Server, corpus: dict[str, bytes], tmp_path: Path
):
    server.publish(corpus)
    out = tmp_path / "out"
    out.mkdir()
    part_of(out, "118e24.dat").write_bytes(corpus["118e24.dat"])
    get(server, out)
    assert (out / "118e24.dat").read_bytes() == corpus["118e24.dat"]


def test_a_part_of_something_else_is_begun_afresh(
    server: Server, corpus: dict[str, bytes], tmp_path: Path
):
    server.publish(corpus)
    out = tmp_path / "out"
    out.mkdir()
    part_of(out, "118e24.dat").write_bytes(b"another file's bytes")
    get(server, out)
    assert (out / "118e24.dat").read_bytes() == corpus["118e24.dat"]


def test_a_server_without_ranges_is_fine(server: Server, corpus: dict[str, bytes], tmp_path: Path):
    server.publish(corpus)
    server.ranges = False
    server.faults["118e24.dat"] = ["cut"]
    get(server, tmp_path / "out")
    assert (tmp_path / "out" / "118e24.dat").read_bytes() == corpus["118e24.dat"]


def test_a_busy_server_is_asked_again(server: Server, corpus: dict[str, bytes], tmp_path: Path):
    server.publish(corpus)
    server.faults["118e24.hea"] = ["503", "500"]
    assert get(server, tmp_path / "out").downloaded == 5


def test_a_file_that_stays_wrong_is_an_error_and_never_gets_its_name(
    server: Server, corpus: dict[str, bytes], tmp_path: Path
):
    server.publish(corpus)
    server.faults["118e24.dat"] = ["wrong"] * 9
    with pytest.raises(
        CorpusError, match=r"118e24\.dat: its SHA-256 differs from the published one"
    ):
        get(server, tmp_path / "out", retries=2)
    assert not (tmp_path / "out" / "118e24.dat").exists()
    assert [name for name, _ in server.asked].count("118e24.dat") == 3


def test_a_file_the_server_lacks_is_asked_for_once(
    server: Server, corpus: dict[str, bytes], tmp_path: Path
):
    server.publish(corpus)
    del server.files["118e24.dat"]
    with pytest.raises(CorpusError, match=r"118e24\.dat: HTTP 404: Not Found"):
        get(server, tmp_path / "out")
    assert [name for name, _ in server.asked].count("118e24.dat") == 1


def test_a_server_that_is_not_there_is_one_clear_line(server: Server, tmp_path: Path):
    with pytest.raises(CorpusError, match=r"SHA256SUMS\.txt: .*refused"):
        fetch("nstdb", tmp_path / "out", url="http://127.0.0.1:9/", retries=1, wait_s=0.0)


def test_a_list_that_would_leave_the_folder_is_refused(server: Server, tmp_path: Path):
    server.publish({"../outside.txt": b"x"})
    with pytest.raises(CorpusError, match="not a line of a checksum list"):
        get(server, tmp_path / "out")
    assert not (tmp_path / "outside.txt").exists()


def test_another_list_than_the_publishers_is_refused(server: Server, tmp_path: Path):
    server.publish({"100.dat": b"x"})
    with pytest.raises(
        CorpusError, match=r"SHA256SUMS\.txt: its SHA-256 differs from the published one"
    ):
        fetch("mitdb", tmp_path / "out", url=server.url, retries=0)


def test_a_part_of_a_corpus(server: Server, corpus: dict[str, bytes], tmp_path: Path):
    server.publish(corpus)
    assert get(server, tmp_path / "out", include="118*").downloaded == 2
    with pytest.raises(CorpusError, match="no file that matches 'z"):
        get(server, tmp_path / "out", include="z*")


@pytest.mark.parametrize("name", list_corpora())
def test_corpora_that_are_not_open_say_what_to_do(name: str, tmp_path: Path):
    facts = load_facts(name)
    if facts.access == "open" and facts.versions[-1].url is not None:
        assert facts.versions[-1].url.startswith("https://physionet.org/files/")
        return
    with pytest.raises(CorpusError) as refused:
        fetch(name, tmp_path / "out")
    said = str(refused.value)
    assert (facts.obtain or facts.url) in said
    assert "\n" not in said
    assert not (tmp_path / "out").exists()


def test_published_weights_come_with_their_hash(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    content = b"weights"
    server.publish({"pretrained_weights.pth": content})
    url, out = server.url + "pretrained_weights.pth", tmp_path / "out"
    with pytest.raises(CorpusError, match="its SHA-256 differs from the published one"):
        fetch("cbramod-weights", out, url=url, retries=1, wait_s=0.0)  # the published hash
    assert list(out.iterdir()) == []
    home, digest = WEIGHTS["cbramod-weights"]
    assert digest.startswith("0792cb80")
    assert digest.endswith("8157178")
    monkeypatch.setitem(WEIGHTS, "cbramod-weights", (home, hashlib.sha256(content).hexdigest()))
    assert fetch("cbramod-weights", out, url=url).downloaded == 1
    assert (out / "pretrained_weights.pth").read_bytes() == content
    assert fetch("cbramod-weights", out, url=url).present == 1


def test_a_foreign_file_is_never_replaced(
    server: Server, corpus: dict[str, bytes], tmp_path: Path
) -> None:
    server.publish(corpus)
    for name in ("118e24.dat", "SHA256SUMS.txt"):
        home = tmp_path / f"home of {name}"
        home.mkdir()
        (home / name).write_bytes(b"mine")
        (home / f"{name}.part").write_bytes(b"mine too")
        with pytest.raises(CorpusError, match=f"{name}: exists, but is not the published file"):
            get(server, home)
        assert (home / name).read_bytes() == b"mine"
        assert (home / f"{name}.part").read_bytes() == b"mine too"


def test_nothing_is_written_through_a_link(
    server: Server, corpus: dict[str, bytes], tmp_path: Path
) -> None:
    server.publish(corpus)
    out = tmp_path / "out"
    get(server, out)
    (tmp_path / "mine").write_bytes(b"mine")
    (out / "118e24.dat").unlink()
    (out / "118e24.dat").symlink_to(tmp_path / "mine")
    with pytest.raises(CorpusError, match="not the published file"):
        get(server, out)
    assert (tmp_path / "mine").read_bytes() == b"mine"
    assert (out / "118e24.dat").is_symlink()
    foreign = tmp_path / "other" / ".fetch.partial"
    foreign.mkdir(parents=True)
    (foreign / "thesis.tex").write_text("years")
    with pytest.raises(CorpusError, match="not a working folder of physioprep"):
        get(server, tmp_path / "other")
    assert (foreign / "thesis.tex").read_text() == "years"
