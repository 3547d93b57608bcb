"""The page of the command line: every verb with its options, from typer's own data."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any

import typer

from physioprep.cli import app
from site_pages.cells import cell, code, table


def commands() -> dict[str, Any]:
    """Return the verbs.

    Returns
    -------
    dict
        By name, in the order of ``physioprep --help``.
    """
    return dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def verbs_page() -> str:
    """Return the page.

    Returns
    -------
    str
        Markdown, a section for each verb.
    """
    lines = [
        "# Command line",
        "",
        "Every verb with its arguments and options, made from the code. `physioprep",
        "VERB --help` prints the same.",
        "Exit codes: 0 done; 1 done, but something needs attention; 2 could not run;",
        "130 stopped with Ctrl-C.",
    ]
    lines += table(
        ("verb", "what it does"),
        ((f"[`{name}`](#{name})", cell(_first(verb))) for name, verb in commands().items()),
    )
    whole = typer.main.get_command(app)
    lines += ["Before the verb (-v and -q behind it, too):", *_options(whole.params)]
    for name, verb in commands().items():
        lines += ["", f"## {name}", "", *_section(name, verb)]
    return "\n".join(lines) + "\n"


def _section(name: str, verb: Any) -> Iterator[str]:
    given = " ".join(one.name.upper() for one in verb.params if _is_argument(one))
    yield from ("```text", f"physioprep {name} {given + ' ' if given else ''}[OPTIONS]", "```", "")
    yield inspect.cleandoc(verb.help).replace("<", "&lt;")
    yield from _options(verb.params)
    if verb.epilog:
        yield from ("Example:", "", "```bash", verb.epilog.removeprefix("Example: "), "```")


def _options(parameters: list[Any]) -> Iterator[str]:
    rows = [
        (
            _names(one),
            _kind(one),
            _default(one),
            cell(getattr(one, "help", None) or ""),
        )
        for one in parameters
        if not getattr(one, "hidden", False)
    ]
    yield from table(("option", "takes", "default", "meaning"), rows)


def _is_argument(one: Any) -> bool:
    return not one.opts[0].startswith("-")


def _names(one: Any) -> str:
    names = [one.name.upper()] if _is_argument(one) else [*one.opts, *one.secondary_opts]
    return ", ".join(map(code, names))


def _kind(one: Any) -> str:
    """Return what follows an option: nothing after a flag."""
    if getattr(one, "is_flag", False):
        return ""
    hint = str(getattr(one.type_descriptor, "annotation", ""))
    word = "text"
    for part, said in (("Path", "path"), ("int", "whole number"), ("float", "number")):
        if part in hint.replace("Point", ""):
            word = said
            break
    least, most = getattr(one, "min", None), getattr(one, "max", None)
    if least is not None and most is not None:
        word += f", {least} to {most}"
    elif least is not None:
        word += f", at least {least}"
    elif most is not None:
        word += f", at most {most}"
    return word + (", repeatable" if "list[" in hint else "")


def _default(one: Any) -> str:
    if one.required:
        return "needed"
    if one.default in (None, False, (), []):
        return ""
    if one.default is True:
        return "on"
    return code(
        str(one.default) if isinstance(one.default, str) else json.dumps(one.default, default=str)
    )


def _first(verb: Any) -> str:
    return inspect.cleandoc(verb.help).split("\n\n")[0]
