"""Serve the page and its data on 127.0.0.1, to whoever has the link and to nobody else."""

from __future__ import annotations

import hmac
import json
import logging
import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import urlsplit

from physioprep.browsing.answers import ANSWERS, set_flag
from physioprep.browsing.browser import Browser
from physioprep.browsing.page_files import page_files
from physioprep.browsing.query_values import parse_query
from physioprep.browsing.refusal import RefusedError
from physioprep.documents import load_json
from physioprep.errors import PhysioprepError

_log = logging.getLogger(__name__)

_HOST: Final = "127.0.0.1"
_POLICY: Final = (
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'"
)
#: Bytes of the body of a request.
_MOST_BYTES: Final = 64 << 10
#: An idle connection is closed after this, s.
_IDLE_S: Final = 60


class BrowseServer(ThreadingHTTPServer):
    """The server of one browser.

    Parameters
    ----------
    browser : Browser
    port : int
        0: a free one.

    Raises
    ------
    PhysioprepError
        The port is taken.
    """

    daemon_threads = True
    allow_reuse_address = False
    request_queue_size = 64

    def __init__(self, browser: Browser, port: int = 0) -> None:
        self.browser = browser
        self.token = secrets.token_urlsafe(24)
        self.n_requests = 0
        try:
            super().__init__((_HOST, port), _Handler)
        except OSError as error:
            raise PhysioprepError(f"port {port} of {_HOST}: {error.strerror}") from None

    @property
    def url(self) -> str:
        """Return the address of the page, with its token.

        Returns
        -------
        str
        """
        return f"http://{_HOST}:{self.server_port}/{self.token}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a connection that the page dropped.

        Parameters
        ----------
        request, client_address : object
            Of `socketserver`.
        """
        _log.info("a connection ended early", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    server: BrowseServer
    protocol_version = "HTTP/1.1"
    server_version = "physioprep"
    sys_version = ""
    timeout = _IDLE_S
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()
        self.close_connection = True  # what is left of a refused body is no request

    def _answer(self) -> None:
        status, kind, lasts = 200, "application/json", False
        try:
            kind, content, lasts = self._found()
        except RefusedError as refused:
            status, content = refused.status, _error(str(refused))
        except ConnectionError:
            raise
        except (PhysioprepError, OSError) as error:
            status, content = 400, _error(str(error))
        except Exception:  # the server stays up, whatever a file held
            _log.exception("a request failed")
            status, content = 500, _error("an unexpected error: -v shows where")
        # not within the `try`: of an answer that was begun, an error ends the connection
        self._send(status, kind, content, lasts)

    def _found(self) -> tuple[str, bytes, bool]:
        """Return type and content of what is asked for, and whether it stays the same."""
        path, query = self._allowed()
        self.server.n_requests += 1
        if path in ("", "index.html") or path.startswith("static/"):
            name = path.removeprefix("static/") or "index.html"
            if name not in page_files():
                raise RefusedError("no such file of the page", 404)
            return (*page_files()[name], True)
        name = path.removeprefix("api/")
        if not path.startswith("api/") or name not in ANSWERS:
            raise RefusedError("no such address", 404)
        if self.command == "POST":
            made: Any = self._post(name)
        else:
            made = ANSWERS[name](self.server.browser, parse_query(query))
        if isinstance(made, bytes):
            return "application/octet-stream", made, False
        return "application/json", json.dumps(made, allow_nan=False).encode(), False

    def _post(self, name: str) -> Any:
        if name != "flags":
            raise RefusedError("nothing can be sent here", 405)
        if self.headers.get("Content-Type", "").partition(";")[0].strip() != "application/json":
            raise RefusedError("send application/json", 415)
        length = self.headers.get("Content-Length", "")
        is_number = length.isascii() and length.isdigit() and len(length) <= len(str(_MOST_BYTES))
        if not (is_number and int(length) <= _MOST_BYTES):
            raise RefusedError(f"send at most {_MOST_BYTES} bytes, and say how many", 413)
        body = load_json(self.rfile.read(int(length)), RefusedError)
        if not isinstance(body, dict):
            raise RefusedError("send a JSON object")
        return set_flag(self.server.browser, body)

    def _allowed(self) -> tuple[str, str]:
        """Return path below the token, and query; refuse who has no token or another host."""
        port = self.server.server_port
        if self.headers.get("Host", "") not in (f"{_HOST}:{port}", f"localhost:{port}"):
            raise RefusedError("not the host of this server", 403)
        own = (f"http://{_HOST}:{port}", f"http://localhost:{port}")
        if self.headers.get("Origin", own[0]) not in own:
            raise RefusedError("asked by another page", 403)
        try:
            parts = urlsplit(self.path)
        except ValueError:
            raise RefusedError("no such address", 404) from None
        _, _, rest = parts.path.partition("/")
        token, slash, below = rest.partition("/")
        if not slash or not hmac.compare_digest(token.encode(), self.server.token.encode()):
            raise RefusedError("no such address", 404)
        return below, parts.query

    def _send(self, status: int, kind: str, content: bytes, lasts: bool) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Cache-Control", "private, max-age=0" if lasts else "private, no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Log requests under ``-v``, without the token."""
        _log.info("%s", (format % arguments).replace(self.server.token, "…"))


def _error(cause: str) -> bytes:
    return json.dumps({"error": " ".join(cause.split())}).encode()
