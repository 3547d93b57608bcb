"""The report in a real headless Chromium, driven by the DevTools protocol over a pipe."""

from __future__ import annotations

import base64
import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest

from physioprep.atomic import write_text
from physioprep.auditing import AuditReport, Comparison, Finding
from physioprep.auditing.report.page import render

EVIL = "<script>alert(1)</script>"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")


class Browser:
    """One page of a Chromium: commands out, answers and events in."""

    def __init__(self, profile: Path) -> None:
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        flags = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
            "--no-first-run", "--disable-background-networking", "--disable-extensions",
            "--remote-debugging-pipe", f"--user-data-dir={profile}", "about:blank",
        ]  # fmt: skip
        command = f"exec {shlex.join([str(CHROMIUM), *flags])} 3<&{to_browser} 4>&{from_browser}"
        self.process = subprocess.Popen(
            ["bash", "-c", command], pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)
        self._number, self._left, self._session = 0, b"", None
        self.events: list[dict[str, Any]] = []
        targets = self.send("Target.getTargets")["targetInfos"]
        page = next(one["targetId"] for one in targets if one["type"] == "page")
        attached = self.send("Target.attachToTarget", targetId=page, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Runtime"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            piece = os.read(self._in, 1 << 20)
            assert piece, "chromium went away"
            self._left += piece
        text, _, self._left = self._left.partition(b"\0")
        answer: dict[str, Any] = json.loads(text)
        if "method" in answer:
            self.events.append(answer)
            if answer["method"] == "Page.javascriptDialogOpening":
                raise AssertionError(f"the page opened a dialog: {answer['params']['message']}")
        return answer

    def open(self, page: Path) -> None:
        self.events.clear()
        self.send("Page.navigate", url=page.as_uri())
        while not any(one["method"] == "Page.loadEventFired" for one in self.events):
            self._receive()

    def run(self, script: str) -> Any:
        answer = self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def requests(self) -> list[str]:
        """Every address asked for since `open`, but the page itself and its own data."""
        return [
            one["params"]["request"]["url"]
            for one in self.events
            if one["method"] == "Network.requestWillBeSent"
        ]

    def errors(self) -> list[str]:
        return [
            str(one["params"])
            for one in self.events
            if one["method"] in ("Runtime.exceptionThrown", "Log.entryAdded")
        ]

    def look(self, *, dark: bool = False, width: int = 1200) -> None:
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.send("Emulation.setEmulatedMedia", features=scheme)
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1,
            mobile=width < 600,
        )  # fmt: skip

    def screenshot(self) -> np.ndarray:
        png = base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])
        return np.asarray(matplotlib.image.imread(BytesIO(png), format="png"))

    def close(self) -> None:
        with suppress(OSError, AssertionError):
            self._session = None
            self.send("Browser.close")
        os.close(self._out)
        os.close(self._in)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    one = Browser(tmp_path_factory.mktemp("chromium"))
    yield one
    one.close()


def png() -> bytes:
    out = BytesIO()
    matplotlib.image.imsave(out, np.full((40, 160, 3), 200, np.uint8))
    return out.getvalue()


def report_of(n: int) -> AuditReport:
    rng = np.random.default_rng(0)
    table: dict[str, list[Any]] = {
        "record": [EVIL, *(f"r{i}" for i in range(1, n))],
        "subject": [f"p{i % 50}" for i in range(n)],
        "age": rng.integers(18, 90, n).astype(float).tolist(),
        "rates_hz": [[500.0 if i % 3 else 250.0] for i in range(n)],
        "heart_rate": rng.normal(72, 9, n).round(1).tolist(),
        "split": ["train" if i % 5 else "test" for i in range(n)],
    }
    flat = Finding("flat-lead", "error", (EVIL, "r1"), f"dead: {EVIL}", {"leads": [EVIL]})
    swap = Finding("lead-swap", "warning", ("r2",), "electrodes look interchanged", {})
    compared = (Comparison("subjects", ("test", "train"), "subject_id", n, 0),)
    inputs = ({"path": EVIL, "kind": "manifest", "corpora": [EVIL], "records": n,
               "signals_read": n},)  # fmt: skip
    return AuditReport(inputs, (flat, swap), compared, table)


def write_page(n: int, path: Path) -> Path:
    """Write the page of `n` records, with a picture beside every finding."""
    return write_text(path, render(report_of(n), lambda _: png()))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(700, tmp_path_factory.mktemp("report") / "a.html")


@pytest.fixture
def opened(browser: Browser, page: Path) -> Browser:
    browser.look()
    browser.open(page)
    return browser


CELLS = "[...document.querySelectorAll('#records tbody tr')].map(r => r.children[{}].textContent)"


def test_it_renders_verdict_findings_pictures_and_plots(opened: Browser) -> None:
    assert opened.run("document.querySelector('h1').innerText") == "Verdict: error"
    assert opened.run("document.querySelectorAll('section.card').length") == 2
    pictures = opened.run("[...document.images].map(i => [i.complete, i.naturalWidth])")
    assert pictures == [[True, 160], [True, 160]]
    bars = opened.run(
        "[...document.querySelectorAll('.plots svg')].map(s => Math.max("
        "...[...s.querySelectorAll('rect')].map(r => r.getBoundingClientRect().height)))"
    )
    assert len(bars) == 4  # rates, ages, split, heart rates
    assert min(bars) > 50, "the highest bar of each plot is as high as the plot"
    assert opened.errors() == []


def test_a_click_on_a_header_sorts_up_and_then_down(opened: Browser) -> None:
    place = opened.run("data.names.indexOf('age')")
    for way in (1, -1):
        opened.run(f"document.querySelectorAll('#records th button')[{place}].click()")
        ages = [way * float(text) for text in opened.run(CELLS.format(place))]
        assert len(ages) == 500
        assert ages == sorted(ages)
    up = opened.run(f"document.querySelectorAll('#records th')[{place}].ariaSort")
    assert up == "descending"


def test_search_filters_by_any_column(opened: Browser) -> None:
    def find(text: str) -> list[str]:
        opened.run(f"search.value = {text!r}; search.dispatchEvent(new Event('input'))")
        return list(opened.run(CELLS.format(0)))

    assert find("r61") == ["r61", *(f"r{n}" for n in range(610, 620))]
    assert find("FLAT-lead") == [EVIL, "r1"]
    assert find("no such thing") == []
    assert len(find("")) == 500


def test_it_makes_no_request_but_for_itself(opened: Browser, page: Path) -> None:
    opened.run("search.value = 'r1'; search.dispatchEvent(new Event('input'))")
    asked = [url for url in opened.requests() if not url.startswith("data:")]
    assert asked == [page.as_uri()]


def test_a_page_that_asks_the_network_is_noticed(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "bad.html").write_text("<img src='http://127.0.0.1:9/x.png'>")
    browser.open(tmp_path / "bad.html")
    assert "http://127.0.0.1:9/x.png" in browser.requests()


def test_a_record_named_as_a_script_is_only_text(opened: Browser) -> None:
    assert opened.run("document.scripts.length") == 2
    assert opened.run("document.documentElement.innerHTML.includes('<script>alert')") is False
    assert opened.run("data.columns[0][0]") == EVIL  # no dialog: `_receive` would have raised
    assert EVIL in opened.run("document.querySelector('section.card').innerText")


def test_light_and_dark_and_a_phone(browser: Browser, page: Path) -> None:
    for dark in (False, True):
        for width in (390, 1200):
            browser.look(dark=dark, width=width)
            browser.open(page)
            shot = browser.screenshot()
            corner = shot[2, 2, :3].mean()
            assert corner < 0.2 if dark else corner > 0.9
            assert browser.run("document.documentElement.scrollWidth") <= width, "no side scroll"


def test_a_hundred_thousand_records_open(browser: Browser, tmp_path: Path) -> None:
    page = write_page(100_000, tmp_path / "large.html")
    assert page.stat().st_size < 10e6
    browser.look()
    browser.open(page)
    assert "500 of 100000" in browser.run("count.textContent")
    # the time a reader waits; benchmarks/audit.py --report measures it on a quiet machine
    assert browser.run("performance.getEntriesByType('navigation')[0].loadEventEnd") < 15_000
