r"""Show text that came from a file as plain text: in a terminal, a log, a picture, a spreadsheet.

A file may hold any text in a name, a label or a comment: control sequences that command a
terminal, characters that reverse the reading order, markup, formulas. All that is printed,
logged, drawn or exported goes through this module, in one place for each kind of output.
"""

from __future__ import annotations

import logging
import re
import unicodedata
import warnings
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: What a spreadsheet takes for the start of a formula, the full-width forms included.
_FORMULA_START: Final = "=+\\-@\t\r\n＝＋－＠"
_WOULD_RUN: Final = re.compile(f"'*[{_FORMULA_START}]")
_GUARDED: Final = re.compile(f"'+[{_FORMULA_START}]")
_NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
#: Characters of a text in a picture, at most; longer ones need unbounded memory to draw.
_DRAWN: Final = 300
#: User and password of an address, and the parameters that admit whoever knows them.
# A password may hold "@"; one that also holds "/", "?" or "#" is told from a port by its letters.
_USER: Final = re.compile(r"(?<=://)(?:[^/\s?#]*@|[^/\s?#@:\[\]]*:(?!\d*(?:[/?#\s]|$))[^\s@]*@)")
_TOKEN: Final = re.compile(
    r"([?&](?:x(?:-|%2d)(?:amz|goog)(?:-|%2d)(?:signature|credential|security(?:-|%2d)token)"
    r"|awsaccesskeyid|googleaccessid|signature|sig|policy|(?:access_|auth_|id_)?token|(?:api_?)?key"
    r"|password|secret)=)[^&#\s]+",
    re.IGNORECASE,
)


def shown(text: object, keep: str = "") -> str:
    r"""Return text with everything that is not a visible character as an escape.

    Control characters, terminal escapes, line and paragraph separators, characters that change
    the reading order or have no width, lone surrogates, private and unassigned characters
    become ``\x1b``, ``\u202e``, ``\U000e0001``. Letters, marks, signs and spaces of all scripts
    stay. A backslash stays one, too: the text is to be read, not to be converted back.
    Passwords and tokens of addresses are left out, see `without_secrets`.

    Parameters
    ----------
    text : object
        Its ``str`` is shown.
    keep : str
        Characters to leave as they are, such as a line feed.

    Returns
    -------
    str
        Has no control character but those of `keep`.

    Examples
    --------
    >>> print(shown("Müller\x1b[31m\r"), shown("\u202egnp.exe"))
    Müller\x1b[31m\r \u202egnp.exe
    """
    text = without_secrets(str(text))
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in keep or unicodedata.category(c) == "Zs" else _escape(c)
        for c in text
    )


def without_secrets(text: str) -> str:
    """Return text without the passwords and tokens of the addresses in it.

    Parameters
    ----------
    text : str
        An address, or any text that may quote one.

    Returns
    -------
    str
        ``***`` stands for what was left out.

    Examples
    --------
    >>> without_secrets("https://me:pass@host/a?X-Amz-Signature=abc&part=1")
    'https://***@host/a?X-Amz-Signature=***&part=1'
    """
    if "://" not in text:
        return text
    return _TOKEN.sub(r"\1***", _USER.sub("***@", text))


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


class PlainFormatter(logging.Formatter):
    """Formats log records like its parent, and shows all but line feeds as escapes."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the text of a log record.

        Parameters
        ----------
        record : logging.LogRecord
            Its traceback is shown, too.

        Returns
        -------
        str
            Plain text.
        """
        return shown(super().format(record), keep="\n")


def make_logs_plain() -> None:
    """Show what this process logs and warns of from now on as plain text, through any handler.

    For workers, whose handlers are Dask's or Python's own: the command line has its formatter.
    """
    loggers = [logging.getLogger(), *map(logging.getLogger, list(logging.root.manager.loggerDict))]
    for handler in {*(h for logger in loggers for h in logger.handlers), logging.lastResort}:
        if handler is not None and _make_plain not in handler.filters:
            handler.addFilter(_make_plain)
    if warnings.formatwarning is not _plain_warning:
        warnings.formatwarning = _plain_warning


def _make_plain(record: logging.LogRecord) -> bool:
    """Replace the text of a log record, and of its traceback; a handler's filter."""
    record.msg, record.args = shown(record.getMessage(), keep="\n"), ()
    if record.exc_info and not record.exc_text:
        record.exc_text = logging.Formatter().formatException(record.exc_info)
    if record.exc_text:
        record.exc_text = shown(record.exc_text, keep="\n")
    return True


def _plain_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    return shown(f"{filename}:{lineno}: {category.__name__}: {message}\n", keep="\n")


def plain_figure(figure: Figure) -> Figure:
    """Make all text of a figure plain: no mathtext between ``$``, control characters as escapes.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        Complete: text that is added later stays as it is, and so do the numbers along the axes,
        which matplotlib writes when it draws. Changed in place; very long text is cut.

    Returns
    -------
    matplotlib.figure.Figure
        The same.
    """
    from matplotlib.text import Text

    for artist in figure.findobj(Text):
        if isinstance(artist, Text):
            text = shown(artist.get_text(), keep="\n")
            artist.set_text(text if len(text) <= _DRAWN else f"{text[: _DRAWN - 2]} …")
            artist.set_parse_math(False)
    return figure


def guard_cell(text: str) -> str:
    """Return the text of a CSV cell such that no spreadsheet runs it.

    Parameters
    ----------
    text : str
        Any.

    Returns
    -------
    str
        With ``'`` before it if it starts as a formula does (``= + - @``, tab, line break) and is
        no number. `unguard_cell` gives the text back.

    Examples
    --------
    >>> [guard_cell(text) for text in ("=1+1", "-2+3", "-2.5", "V1")]
    ["'=1+1", "'-2+3", '-2.5', 'V1']
    """
    if _WOULD_RUN.match(text) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text


def unguard_cell(text: str) -> str:
    """Return the text that `guard_cell` took.

    Parameters
    ----------
    text : str
        A cell of a CSV file that this software wrote.

    Returns
    -------
    str
        Without the ``'`` of a guarded cell.

    Examples
    --------
    >>> unguard_cell("'=1+1"), unguard_cell("'quoted'")
    ('=1+1', "'quoted'")
    """
    return text[1:] if _GUARDED.match(text) else text
