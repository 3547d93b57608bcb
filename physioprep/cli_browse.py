"""The verb that shows recordings on a local page: one thin function, no logic."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from physioprep import console
from physioprep.cli_options import Json
from physioprep.cli_words import Verbs

app = Verbs()


@app.command(epilog="Example: physioprep browse mitdb.zarr --decisions flags.tsv")
def browse(
    paths: Annotated[
        list[str], typer.Argument(help="Stores (URLs too), shards or manifests, one or more.")
    ],
    findings: Annotated[
        Path | None,
        typer.Option(help="What `audit --findings` wrote, or its folder: shown beside records."),
    ] = None,
    raw: Annotated[
        Path | None,
        typer.Option(help="Folder of the raw files now, to compare with what a store holds."),
    ] = None,
    decisions: Annotated[
        Path | None,
        typer.Option(
            help="Table (.tsv) to save keep, drop and notes to; shard --records takes it."
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: a free one.")] = 0,
    opens: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in your browser.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Page through recordings on a page of this machine: signals, annotations, findings."""
    from physioprep.browsing.browser import open_browser
    from physioprep.browsing.serving import serve

    browser = open_browser(paths, findings=findings, raw=raw, decisions=decisions)

    def ready(link: str) -> None:
        if as_json:
            typer.echo(json.dumps({"link": link, **browser.facts()}))
        else:
            console.print_line(link)
            console.say("only this machine can open it; Ctrl-C ends it")

    done = serve(browser, port, ready, opens=opens)
    if not as_json:  # one document: the link, as soon as the page can be opened
        console.show(done, as_json)
