"""Get one file of a web server, from where an earlier attempt stopped; bounded in bytes and time.

Only the standard library, so that corpora can be downloaded without the extra ``remote``.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPMessage, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

from physioprep.errors import PhysioprepError, UnreadableFileError
from physioprep.file_systems import check_address
from physioprep.limits import VARIABLE
from physioprep.web import MIN_RATE, check_redirection

#: How long to wait for the begin of an answer and for its next bytes, s.
IDLE_S = 60.0
_BLOCK: Final = 1 << 20


def transfer(url: str, part: Path, limit: int, spend: Callable[[int], object]) -> None:
    """Append to a file what is missing of the file behind a URL.

    Parameters
    ----------
    url : str
        ``http://`` or ``https://``.
    part : Path
        Begin of the file, or absent.
    limit : int
        Most bytes of the whole file.
    spend : callable
        Called with the bytes that come, block by block; may raise.

    Raises
    ------
    UnreadableFileError
        Another kind of URL, or redirected to one; or the file is over `limit`.
    TimeoutError
        The answer did not begin within `IDLE_S`, or fell behind `MIN_RATE` after that.
    HTTPError
        The server refuses.
    """
    try:
        kind, _ = urlsplit(url).scheme.lower(), urlsplit(url).port
    except ValueError:
        raise UnreadableFileError(url, "no address") from None
    if kind not in ("http", "https"):
        raise UnreadableFileError(url, "only http:// and https:// are downloaded")
    check_address(url)
    have = part.stat().st_size if part.is_file() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "physioprep"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    with _Watch() as watch:
        try:
            reply = _opener(url, watch).open(request, timeout=IDLE_S)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416 and have:  # nothing is missing; the hash decides
                return
            raise
        except ValueError:  # InvalidURL of http.client is one, too
            raise UnreadableFileError(url, "redirected to what is no address") from None
        with reply:
            _append(reply, part, have, limit, spend, watch)


def _append(
    reply: HTTPResponse,
    part: Path,
    have: int,
    limit: int,
    spend: Callable[[int], object],
    watch: _Watch,
) -> None:
    continued = reply.status == 206
    before = have if continued else 0
    stated = reply.headers.get("Content-Length")
    n_stated = int(stated) if stated is not None and stated.isdecimal() else None
    _check_size(reply.url, before + (n_stated or 0), limit)
    with part.open("ab" if continued else "wb") as file:
        got = 0
        while block := reply.read1(_BLOCK):
            got += len(block)
            watch.got(len(block))
            _check_size(reply.url, before + got, limit)
            spend(len(block))
            file.write(block)
    if n_stated is not None and got < n_stated:
        raise ConnectionError(f"{got} of {stated} bytes came")


def _check_size(url: str, n_bytes: int, limit: int) -> None:
    if n_bytes > limit:
        cause = f"{n_bytes} bytes or more, over the limit of {limit} ({VARIABLE} raises it)"
        raise UnreadableFileError(url, cause)


class _Watch:
    """Ends the connections of a request that is too slow, wherever it waits.

    The time-out of a socket is for one call alone: a server that sends a byte a second, be it of
    a header, never meets it.
    """

    def __init__(self) -> None:
        self._until = time.monotonic() + IDLE_S
        self._sockets: list[socket.socket] = []
        self._ended = threading.Event()
        self._late = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._ended.set()
        self._thread.join()
        for each in self._sockets:
            each.close()
        if self._late and not isinstance(error, PhysioprepError):
            raise TimeoutError("the answer is too slow") from None

    def got(self, n_bytes: int) -> None:
        """Give more time for bytes that came."""
        self._until += n_bytes / MIN_RATE

    def connect(self, *args: Any, **options: Any) -> socket.socket:
        """Open a socket, and keep a second handle of it: TLS takes the first over."""
        made = socket.create_connection(*args, **options)
        self._sockets.append(made.dup())
        if self._late:
            raise TimeoutError
        return made

    def _run(self) -> None:
        while (left := self._until - time.monotonic()) > 0:
            if self._ended.wait(min(left, IDLE_S)):
                return
        self._late = True
        while not self._ended.wait(0.1):  # also of redirections that begin now
            for each in list(self._sockets):
                with suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


def _opener(url: str, watch: _Watch) -> urllib.request.OpenerDirector:
    """Return an opener of http(s) alone, whose connections are watched."""

    def watched(kind: type[HTTPConnection]) -> Callable[..., HTTPConnection]:
        def make(host: str, **options: Any) -> HTTPConnection:
            connection: Any = kind(host, **options)
            connection._create_connection = watch.connect
            made: HTTPConnection = connection
            return made

        return make

    class Http(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> HTTPResponse:
            return self.do_open(watched(HTTPConnection), req)

    class Https(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> HTTPResponse:
            context = ssl.create_default_context()
            make = watched(HTTPSConnection)
            return self.do_open(make, req, context=context)

    class Redirections(urllib.request.HTTPRedirectHandler):
        def http_error_302(
            self,
            req: urllib.request.Request,
            fp: IO[bytes],
            code: int,
            msg: str,
            headers: HTTPMessage,
        ) -> Any:
            fp.close()  # what else it says may be endless
            return super().http_error_302(req, fp, code, msg, headers)

        http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

        def redirect_request(
            self,
            req: urllib.request.Request,
            fp: IO[bytes],
            code: int,
            msg: str,
            headers: HTTPMessage,
            newurl: str,
        ) -> urllib.request.Request | None:
            check_redirection(url, req.full_url, newurl)
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    return urllib.request.build_opener(Http, Https, Redirections)
