"""Moto's S3 server with faults, and what is in a bucket or a folder."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from physioprep import remote


class FaultyS3:
    """Moto's S3 server behind faults: what `fault` returns for a request happens to it."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.seen: list[str] = []
        self.fault: Callable[[int, str], str | None] = lambda number, request: None
        self.guard = threading.Lock()

    def reset(self) -> None:
        with self.guard:
            self.seen, self.fault = [], lambda number, request: None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        with self.guard:
            self.seen.append(request)
            fault = self.fault(len(self.seen), request)
        if fault in ("500", "503", "403"):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response(f"{fault} Injected", [("Content-Type", "text/plain")])
            return [b""]
        if fault == "hang":
            time.sleep(3)
        if fault in ("drop", "hang"):
            environ["werkzeug.socket"].shutdown(2)
            raise ConnectionAbortedError("injected")
        answer = self.app(environ, start_response)
        if fault == "lose":  # done, but nobody hears of it
            environ["werkzeug.socket"].shutdown(2)
            raise ConnectionAbortedError("injected")
        return answer


def files_of(store: Path) -> dict[str, bytes]:
    return {
        p.relative_to(store).as_posix(): p.read_bytes() for p in store.rglob("*") if p.is_file()
    }


def objects_of(url: str) -> dict[str, bytes]:
    names = list(remote.listing(url))
    found = remote.in_parallel(lambda name: remote.fetch(remote.join(url, name)), names)
    return dict(zip(names, found, strict=True))


def upload(folder: Path, url: str) -> None:
    files = files_of(folder)
    remote.in_parallel(lambda name: remote.put(remote.join(url, name), files[name]), list(files))
