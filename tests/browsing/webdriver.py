"""A headless Chromium, driven through ChromeDriver by the few requests that tests need."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ARGUMENTS = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--force-device-scale-factor=1", "--hide-scrollbars",
]  # fmt: skip


def absent() -> str:
    """Return why no Chromium can be driven here; empty if it can."""
    lacking = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"not installed: {', '.join(lacking)}" if lacking else ""


class Chromium:
    """A window of Chromium."""

    def __init__(self, server: str, session: str) -> None:
        self._session = f"{server}/session/{session}"

    def call(self, command: str, method: str = "POST", **body: Any) -> Any:
        return request(f"{self._session}/{command}", method, body)

    def open(self, address: str) -> None:
        self.call("url", url=address)

    def run(self, script: str, *arguments: Any) -> Any:
        """Return what the body of a function of JavaScript returns; a promise is awaited."""
        return self.call("execute/sync", script=script, args=list(arguments))

    def wait(self, script: str, *arguments: Any, timeout_s: float = 30) -> Any:
        """Return what an expression is as soon as it is true."""
        end = time.monotonic() + timeout_s
        while not (found := self.run(f"return {script}", *arguments)):
            if time.monotonic() > end:
                raise AssertionError(f"not true after {timeout_s} s: {script}; {self.state()}")
            time.sleep(0.03)
        return found

    def state(self) -> str:
        """Return what the page says of itself, for the message of a failure."""
        says = "[...document.querySelectorAll('#status, .note')].map(e => e.textContent).join('; ')"
        return f"page says {self.run(f'return {says}')!r}; console: {self.log()}"

    def keys(self, *keys: str) -> None:
        """Press and release keys, one after the other (W3C code points)."""
        actions = [
            {"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")
        ]  # fmt: skip
        self.call("actions", actions=[{"type": "key", "id": "keys", "actions": actions}])

    def click(self, selector: str) -> None:
        found = self.call("element", using="css selector", value=selector)
        self.call(f"element/{next(iter(found.values()))}/click")

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("screenshot", "GET")))

    def resize(self, width: int, height: int) -> None:
        self.call("window/rect", width=width, height=height)

    def log(self) -> list[str]:
        """Return what the console has said since the last call: errors and refused content too."""
        return [entry["message"] for entry in self.call("se/log", type="browser")]

    def devtools(self, command: str, **parameters: Any) -> Any:
        return self.call("goog/cdp/execute", cmd=command, params=parameters)


def request(url: str, method: str, body: dict[str, Any]) -> Any:
    data = json.dumps(body).encode() if method == "POST" else None
    headers = {"Content-Type": "application/json"}
    asked = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=120) as answer:
            return json.load(answer)["value"]
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{url}: {error.read().decode()[:600]}") from None


@contextmanager
def started(profile: Path, width: int = 1400, height: int = 900) -> Iterator[Chromium]:
    """Start a window, and end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    driver = subprocess.Popen(
        ["chromedriver", f"--port={port}", "--allowed-ips=127.0.0.1"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    server = f"http://127.0.0.1:{port}"
    arguments = [*ARGUMENTS, f"--user-data-dir={profile}", f"--window-size={width},{height}"]
    wanted = {
        "browserName": "chrome",
        "goog:chromeOptions": {"args": arguments},
        "goog:loggingPrefs": {"browser": "ALL"},
    }
    try:
        await_driver(server)
        made = request(
            f"{server}/session", "POST", {"capabilities": {"alwaysMatch": wanted}}
        )["sessionId"]  # fmt: skip
        try:
            yield Chromium(server, made)
        finally:
            request(f"{server}/session/{made}", "DELETE", {})
    finally:
        driver.terminate()
        driver.wait(10)


def await_driver(server: str) -> None:
    for _ in range(300):
        try:
            if request(f"{server}/status", "GET", {})["ready"]:
                return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("ChromeDriver does not answer")
