"""Output in a terminal: progress bars, tables, lines, logs.

All text is plain: no markup of Rich, and control characters as escapes (`physioprep.plain_text`).
"""

from __future__ import annotations

import json
import logging
import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeGuard

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from physioprep.plain_text import PlainFormatter, shown

#: Results go to standard output; progress, logs and errors to standard error.
# Private: whatever prints takes the functions below, which print plain text.
_out = Console(highlight=False)
_err = Console(stderr=True, highlight=False)

#: Called with (done, total) from the main thread.
ProgressCallback = Callable[[int, int], None]
#: What the command line asks for: more lines, or none but errors.
_asked: dict[str, bool] = {"verbose": False, "quiet": False}
#: Columns of a terminal that no table fills.
_ANY_WIDTH = 100_000


def set_up_logging(verbose: bool, quiet: bool = False) -> None:
    """Send the log of physioprep and physiomodels to standard error.

    Parameters
    ----------
    verbose : bool
        Log what each step does; otherwise warnings and errors only.
    quiet : bool
        No progress bars, notes and warnings: errors only.
    """
    _asked.update(verbose=verbose, quiet=quiet)
    handler = RichHandler(console=_err, show_path=False, log_time_format="%H:%M:%S")
    handler.setFormatter(PlainFormatter())
    logger = logging.getLogger("physioprep")
    logger.handlers[:] = [handler]
    least = logging.ERROR if quiet else logging.WARNING
    logger.setLevel(logging.INFO if verbose else least)
    logging.getLogger("physiomodels").handlers[:] = [handler]
    logging.getLogger("physiomodels").setLevel(logger.level)
    warnings.showwarning = _show_warning  # those of libraries quote files, too


def hear(*, verbose: bool = False, quiet: bool = False) -> None:
    """Take `-v` or `-q` of a verb, beside those that stand before the verb.

    Parameters
    ----------
    verbose, quiet : bool
        What is asked for, too.
    """
    set_up_logging(verbose or _asked["verbose"], quiet or _asked["quiet"])


def is_verbose() -> bool:
    """Return whether the log says what each step does.

    Returns
    -------
    bool
    """
    return _asked["verbose"]


@contextmanager
def progress_bar(title: str) -> Iterator[ProgressCallback]:
    """Show a progress bar on standard error while the block runs.

    Parameters
    ----------
    title : str
        Name of the work, a verb: ``"scan"``.

    Yields
    ------
    callable
        Takes (done, total); the bar appears with its first call.

    Examples
    --------
    >>> with progress_bar("scan") as advance:
    ...     advance(1, 2)
    """
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    settings: dict[str, Any] = {"transient": not _err.is_terminal, "disable": _asked["quiet"]}
    with Progress(*columns, console=_err, **settings) as bar:
        task = bar.add_task(title, total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield advance


def say(text: object, *, is_error: bool = False) -> None:
    """Print a line of plain text on standard error.

    Parameters
    ----------
    text : object
        Its ``str`` is printed; a line feed as an escape, too.
    is_error : bool
        It is why the verb ends: said under ``-q``, too.
    """
    if _asked["quiet"] and not is_error:
        return
    _err.print(_plain(text), soft_wrap=True)


def print_line(text: object) -> None:
    r"""Print a line of plain text on standard output.

    Parameters
    ----------
    text : object
        Its ``str`` is printed; a line feed as an escape, too.

    Examples
    --------
    >>> print_line("[red]\x1b[31mlead[/nope]")
    [red]\x1b[31mlead[/nope]
    """
    _out.print(_plain(text), soft_wrap=True)


def say_dashboard(link: str) -> None:
    """Print the address of a cluster's dashboard on standard error.

    Parameters
    ----------
    link : str
        URL of the dashboard.
    """
    from importlib.util import find_spec

    missing = "" if find_spec("bokeh") else " (its plots need bokeh: pip install bokeh)"
    say(f"Dask dashboard: {link}{missing}")


def print_table(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    caption: str | None = None,
) -> None:
    """Print `rows` as a table on standard output; columns of numbers are aligned right.

    A table too wide for the terminal is turned, its rows as columns, where it is narrower so. Where
    either would break words, each row is printed as a block of lines.

    Parameters
    ----------
    title : str
        Printed above the table.
    columns : sequence of str
        Headings.
    rows : sequence of sequences
        One cell per column; None is printed as an empty cell.
    caption : str, optional
        Printed below the table.
    """
    table = _table(title, columns, rows, caption)
    if rows and _width(table) > _out.width:  # Rich would cut off the figures: 0.…
        turned = [list(cells) for cells in zip(columns, *rows, strict=True)]
        other = _table(title, [in_words(cell) for cell in turned[0]], turned[1:], caption)
        table = min(table, other, key=_width)
        if table.__rich_measure__(_out, _out.options).minimum > _out.width:
            _print_blocks(title, columns, rows, caption)
            return
    _out.print(table)


def _print_blocks(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], caption: str | None
) -> None:
    """Print each row as lines of a heading and a cell, broken between words only."""
    print_line(title)
    width = max(len(shown(column)) for column in columns)
    for row in rows:
        for place, (column, cell) in enumerate(zip(columns, row, strict=True)):
            first = f"{'- ' if place == 0 else '  '}{shown(column):<{width}}  "
            lines = textwrap.wrap(
                shown(in_words(cell)), max(_out.width - len(first), 20),
                break_long_words=False, break_on_hyphens=False,
            )  # fmt: skip
            for number, line in enumerate(lines or [""]):
                print_line((first if number == 0 else " " * len(first)) + line)
    if caption is not None:
        print_line(caption)


def print_result(table: Mapping[str, Any]) -> None:
    """Print the result of an evaluation: what it says first, its table, and further ones.

    Parameters
    ----------
    table : mapping
        ``title``, ``columns``, ``rows``, and where they are there ``caption``, ``headline``
        (lines) and ``more`` (tables).
    """
    for line in table.get("headline", ()):
        print_line(line)
    for one in (table, *table.get("more", ())):
        print_table(one["title"], one["columns"], one["rows"], caption=one.get("caption"))


def _width(table: Table) -> int:
    """Return how wide a table is without any line broken."""
    return table.__rich_measure__(_out, _out.options.update(max_width=_ANY_WIDTH)).maximum


def _table(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], caption: str | None
) -> Table:
    table = Table(
        title=_plain(title, "table.title"),
        caption=None if caption is None else _plain(caption, "table.caption"),
        title_justify="left",
        caption_justify="left",
    )
    for place, column in enumerate(columns):
        numeric = rows and all(isinstance(row[place], int | float | None) for row in rows)
        table.add_column(_plain(column), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(_plain("" if cell is None else cell) for cell in row))
    return table


def print_facts(facts: Mapping[str, object]) -> None:
    """Print names and values on standard output, aligned.

    Parameters
    ----------
    facts : mapping
        Values by name. A list of mappings is printed below its name, one line per mapping.

    Examples
    --------
    >>> print_facts({"records": 48, "leads": ["MLII", "V1"]})
    records  48
    leads    MLII, V1
    """
    width = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        rows = [in_words(row) for row in value] if _is_table(value) else None
        print_line(f"{name:<{width}}  {in_words(value) if rows is None else ''}".rstrip())
        for row in rows or ():
            print_line(f"  - {row}")


def show(summary: Mapping[str, object], as_json: bool) -> None:
    """Print the summary of a verb on standard output.

    Parameters
    ----------
    summary : mapping
        Facts by name, in the order to print them. As text, empty mappings are left out.
    as_json : bool
        As JSON; what JSON has no type for (a path) becomes text.
    """
    if as_json:
        typer.echo(json.dumps(summary, indent=1, default=str))
    else:
        print_facts({name: value for name, value in summary.items() if value != {}})


def _plain(text: object, style: str = "") -> Text:
    return Text(shown(text), style=style)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: object = None,
) -> None:
    say(f"warning: {message}")


def _is_table(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, list | tuple) and any(isinstance(row, Mapping) for row in value)


def in_words(value: object) -> str:
    """Return a value as plain text: no brackets, empty values left out.

    Parameters
    ----------
    value : object
        A fact of a summary.

    Returns
    -------
    str

    Examples
    --------
    >>> in_words({"flagged": {"note": 1}, "there": False, "unknown": None})
    'flagged: note: 1; there: no'
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        held = {name: in_words(each) for name, each in value.items()}
        return "; ".join(f"{name}: {text}" for name, text in held.items() if text)
    if isinstance(value, list | tuple):
        return ", ".join(in_words(each) for each in value)
    return "" if value is None else str(value)
