"""The verbs of Hugging Face's hub: thin functions, no logic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

import physioprep as pp
from physioprep import console
from physioprep.cli_options import Json, Overwrite
from physioprep.cli_words import Verbs

app = Verbs()


@app.command(epilog="Example: physioprep push mitdb.zarr hub://heart/mitdb-200hz --dry-run")
def push(
    path: Annotated[Path, typer.Argument(help="A store, shards or a model.")],
    url: Annotated[str, typer.Argument(help="Where to: hub://OWNER/NAME, or …@BRANCH.")],
    private: Annotated[
        bool, typer.Option("--private", help="Only you see a repository that is made now.")
    ] = False,
    audit: Annotated[
        Path | None,
        typer.Option(help="Findings of `audit --json`, or their folder: on the card."),
    ] = None,
    licence_checked: Annotated[
        str | None,
        typer.Option(help="Who allows to pass it on, where the facts do not say: on the card."),
    ] = None,
    overwrite: Overwrite = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be sent; change nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Verify a store, shards or a model, and give it to Hugging Face's hub with a card."""
    with console.progress_bar("push") as advance:
        result = pp.push(
            path, url, private=private, audit=audit, licence_checked=licence_checked,
            overwrite=overwrite, dry_run=dry_run, progress=advance,
        )  # fmt: skip
    facts: dict[str, object] = {
        "would push to" if dry_run else "pushed to": result.url, "kind": result.kind,
        "files": result.n_files, "bytes": result.bytes,
        "files to send" if dry_run else "files sent": len(result.sent),
        "bytes to send" if dry_run else "bytes sent": sum(result.sent.values()),
        "files to delete" if dry_run else "files deleted": len(result.deleted),
    }  # fmt: skip
    if as_json:
        facts |= {"sent": result.sent, "deleted": list(result.deleted)}
        facts |= {"sources": result.sources, "notes": list(result.notes)}
    else:
        facts |= {f"licence of {name}": licence for name, licence in result.sources.items()}
    console.show(facts, as_json)
    for name, size in result.sent.items() if dry_run and not as_json else ():
        console.print_line(f"{size:>15,}  {name}")
    for note in result.notes if not as_json else ():
        console.say(note)


@app.command(epilog="Example: physioprep pull hub://heart/mitdb-200hz -o mitdb.zarr")
def pull(
    url: Annotated[str, typer.Argument(help="Where from: hub://OWNER/NAME, or …@REVISION.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to make.")],
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Copy a store, shards or a model from Hugging Face's hub, and check every file."""
    with console.progress_bar("pull") as advance:
        result = pp.pull(url, out, overwrite=overwrite, progress=advance)
    facts = {
        result.kind: str(result.path), "from": result.url, "files": result.n_files,
        "bytes": result.bytes, "files downloaded": result.downloaded,
    }  # fmt: skip
    console.show(facts, as_json)
