"""Only who has the link is answered, no request reaches a file, and none ends the server."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from physioprep.browsing.answers import ANSWERS
from physioprep.browsing.page_files import page_files
from physioprep.browsing.server import _Handler
from physioprep.cli import app
from tests.browsing.conftest import Client
from tests.browsing.test_signals import PAIRED, key_of, lead_of

HOSTILE = [
    "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "<script>alert(1)</script>", "'\";--", "a\nb",
    "\0", "x" * 10_000, "x" * 10_001, "-1", "1e9", "٣", "0x1", " 0", "nan", "\ud7ff￿", "%", "%00",
    "/", "__class__", "{}", "[[[[", "9" * 400,
]  # fmt: skip
VALUES = (
    "source", "key", "modality", "start_s", "stop_s", "points", "channels", "montage", "steps",
    "raw", "annotator", "limit", "jump", "symbol", "time_s", "q", "sort", "descending", "offset",
    "channel",
)  # fmt: skip


def enough(client: Client) -> dict[str, Any]:
    """Values with which each request is answered."""
    return {
        "source": 0, "key": key_of(client, PAIRED), "modality": "ecg", "start_s": 0, "stop_s": 2,
        "channel": lead_of(client, key_of(client, PAIRED)),
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(set(ANSWERS) - {"delineation"}))
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_values_do_nothing(client: Client, name: str, text: str) -> None:
    plain = enough(client)
    for value in VALUES:
        status, content = client.get(name, **{**plain, value: text})
        assert status in (200, 400, 404), (value, status)
        if status != 200:
            error = json.loads(content)
            assert list(error) == ["error"]
            assert "\n" not in error["error"]
            assert len(error["error"]) < 400
        assert b"root:" not in content
    for value in ("key", "modality") if name == "signal" else ():
        assert client.get(name, **{**plain, value: text})[0] in (400, 404)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(sorted(set(ANSWERS) - {"delineation"})),
    st.dictionaries(
        st.sampled_from(VALUES),
        st.one_of(
            st.text(max_size=30), st.integers().map(str), st.floats().map(str),
            st.sampled_from(["0", "1", "ecg", "eeg", "Cz", "average", '[{"name": "notch"}]']),
        ),
        max_size=8,
    ),
)  # fmt: skip
def test_no_query_ends_the_server(client: Client, name: str, values: dict[str, str]) -> None:
    query = urlencode(
        {name: text.encode("utf-8", "surrogatepass") for name, text in values.items()}
    )
    status, content, _ = client.ask(f"/{client.server.token}/api/{name}?{query}")
    assert status in (200, 400, 404)
    if status != 200:
        assert list(json.loads(content)) == ["error"]
    assert client.get("sources")[0] == 200


def test_without_the_token_nothing_is_told(client: Client) -> None:
    token = client.server.token
    assert len(token) >= 32
    told = set()
    odd = f"/%C3%BC{token}/api/sources"
    for path in ("/", "/api/sources", f"/{token}", f"/{token[:-1]}/", f"/{token}x/", "//", "/x/",
                 f"/x/../{token}/", odd):  # fmt: skip
        status, content, answer = client.ask(path)
        assert status == 404
        told.add(content)
        assert answer.getheader("Location") is None
    assert told == {b'{"error": "no such address"}'}


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{port}", ""]
)
def test_another_host_is_refused(client: Client, host: str) -> None:
    path = f"/{client.server.token}/api/sources"
    named = host.format(port=client.server.server_port)
    assert client.ask(path, Host=named)[0] == 403
    good = f"localhost:{client.server.server_port}"
    assert client.ask(path, Host=good)[0] == 200


def test_another_page_is_refused(client: Client) -> None:
    path = f"/{client.server.token}/api/flags"
    body = b'{"source": 0, "key": "0", "keep": false}'
    kind = {"Content_Type": "application/json"}
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        assert client.ask(path, method="POST", body=body, Origin=origin, **kind)[0] == 403
    own = f"http://127.0.0.1:{client.server.server_port}"
    status, content, _ = client.ask(path, method="POST", body=body, Origin=own, **kind)
    assert (status, b"--decisions" in content) == (403, True)  # read-only without a file
    # what a form of another page can send without asking first
    form = {"Content_Type": "text/plain"}
    assert client.ask(path, method="POST", body=body, **form)[0] == 415


def test_answers_say_what_may_be_done_with_them(client: Client) -> None:
    for path in ("", "api/sources", "static/none.js"):
        _, _, answer = client.ask(f"/{client.server.token}/{path}")
        policy = str(answer.getheader("Content-Security-Policy"))
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy
        assert answer.getheader("X-Content-Type-Options") == "nosniff"
        assert str(answer.getheader("Cache-Control")).startswith("private")
        assert answer.getheader("Access-Control-Allow-Origin") is None


@pytest.mark.parametrize(
    "name", ["../answers.py", "..%2fanswers.py", "/etc/passwd", ".", "", "index.html/", "a\\b"]
)
def test_only_files_of_the_page_are_served(client: Client, name: str) -> None:
    assert client.ask(f"/{client.server.token}/static/{name}")[0] in (404, 200 if not name else 404)
    for own, (kind, content) in page_files().items():
        status, found, answer = client.ask(f"/{client.server.token}/static/{own}")
        assert (status, found, answer.getheader("Content-Type")) == (200, content, kind)


def test_it_listens_on_this_machine_only(client: Client) -> None:
    assert client.server.server_address[0] == "127.0.0.1"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", client.server.server_port), timeout=1)


def test_broken_connections_and_odd_requests_do_no_harm(client: Client) -> None:
    for sent in (b"", b"GET", b"\0" * 100, b"GET / HTTP/9\r\n\r\n", b"BREW / HTTP/1.1\r\n\r\n",
                 b"GET http://[x/ HTTP/1.1\r\n\r\n", b"GET /" + b"a" * 70_000):  # fmt: skip
        with socket.create_connection(("127.0.0.1", client.server.server_port)) as held:
            held.sendall(sent)
    assert client.get("sources")[0] == 200


def test_an_answer_that_nobody_took_in_time_ends_without_another_in_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Handler, "timeout", 1.0)
    monkeypatch.setitem(cast("dict[str, Any]", ANSWERS), "sources", lambda *_: bytes(64 << 20))
    port = client.server.server_port
    with socket.create_connection(("127.0.0.1", port), timeout=20) as held:
        path = f"/{client.server.token}/api/sources"
        held.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        time.sleep(1.5)  # past its time, and before that of another try
        got = b"".join(iter(lambda: held.recv(1 << 20), b""))
    assert got.startswith(b"HTTP/1.1 200")
    assert len(got) < 64 << 20
    assert got.count(b"HTTP/1.1") == 1


def test_a_length_of_many_digits_is_refused(client: Client) -> None:
    path = f"/{client.server.token}/api/flags"
    sent = {"Content_Type": "application/json", "Content_Length": "9" * 5000}
    assert client.ask(path, method="POST", body=None, **sent)[0] == 413


def run(*words: object) -> Any:
    return CliRunner().invoke(app, ["browse", "--no-open", *map(str, words)])


def test_what_is_wrong_is_one_line(store: Path, tmp_path: Path, client: Client) -> None:
    (tmp_path / "flags.tsv").write_text("a\tb\n")
    (tmp_path / "f.json").write_text("{}")
    cases: list[tuple[tuple[object, ...], str]] = [
        ((tmp_path / "none",), "none: no store, shards or manifest here"),
        ((tmp_path,), "no store here"),
        ((tmp_path / "f.json",), "not a Croissant description"),
        ((store, "--decisions", tmp_path / "flags.tsv"), "flags.tsv: no table of decisions"),
        ((store, "--decisions", tmp_path / "no" / "f.tsv"), "its folder does not exist"),
        ((store, "--findings", tmp_path / "f.json"), "f.json: not what"),
        ((store, "--raw", tmp_path / "none"), "none: no such folder"),
        ((store, "--port", client.server.server_port), "Address already in use"),
    ]
    for words, cause in cases:
        done = run(*words)
        assert done.exit_code == 2, words
        assert cause in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_it_ends_cleanly_at_ctrl_c(store: Path) -> None:
    words = [sys.executable, "-m", "physioprep", "browse", str(store), "--no-open", "--json"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        # a shell starts what runs in the background with Ctrl-C ignored, tests as well
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as run:  # fmt: skip
        assert run.stdout is not None
        said = json.loads(run.stdout.readline())
        link = said.pop("link")
        assert said == {"browse": [str(store)], "decisions": "none"}
        assert link.startswith("http://127.0.0.1:")
        run.send_signal(signal.SIGINT)
        try:
            out, err = run.communicate(timeout=60)
        finally:
            run.kill()
    # one document, which a script can take at once
    assert (run.returncode, out, err) == (0, "", "")
