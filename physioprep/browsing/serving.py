"""Serve until Ctrl-C, and say what was done."""

from __future__ import annotations

import signal
import threading
import webbrowser
from collections.abc import Callable
from typing import Any

from physioprep.browsing.browser import Browser
from physioprep.browsing.server import BrowseServer


def serve(
    browser: Browser, port: int, ready: Callable[[str], None], *, opens: bool = True
) -> dict[str, Any]:
    """Serve a browser until Ctrl-C (or SIGTERM).

    Parameters
    ----------
    browser : Browser
    port : int
        0: a free one.
    ready : callable
        Called with the link of the page when it can be opened.
    opens : bool
        Open it in the user's browser.

    Returns
    -------
    dict
        Facts for the summary.

    Raises
    ------
    PhysioprepError
        The port is taken.
    """
    with BrowseServer(browser, port) as server:
        before = signal.signal(signal.SIGTERM, _interrupt)
        try:
            ready(server.url)
            if opens:
                threading.Thread(target=webbrowser.open, args=(server.url,), daemon=True).start()
            server.serve_forever()
        except KeyboardInterrupt:
            pass
        finally:
            signal.signal(signal.SIGTERM, before)
        return {
            **browser.facts(),
            "requests": server.n_requests,
            "decided": len(browser.flags),
        }


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
