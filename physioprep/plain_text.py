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
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: What a spreadsheet takes for the start of a formula, the full-width forms included.
_FORMULA_START: Final = "=+\\-@\t\r\n＝＋－＠"
_WOULD_RUN: Final = re.compile(f"'*[{_FORMULA_START}]")
_GUARDED: Final = re.compile(f"'+[{_FORMULA_START}]")
_NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
#: Characters of a text in a picture, at most; longer ones need unbounded memory to draw.
_DRAWN: Final = 300
#: Kinds of addresses that are known by one slash, too: ``Path`` makes ``http:/host`` of one.
SCHEMES: Final = ("https?", "hub", "s3a?", "gs", "gcs", "ftps?", "sftp", "ssh", "file")
_ONE_SLASH: Final = re.compile(rf"\b(?:{'|'.join(SCHEMES)}):/(?!/)", re.IGNORECASE)
#: User and password of an address.
# A password may hold "@"; one that also holds "/", "?" or "#" is told from a port by its letters.
_USER: Final = re.compile(r"(?<=://)(?:[^/\s?#]*@|[^/\s?#@:\[\]]*:(?!\d*(?:[/?#\s]|$))[^\s@]*@)")
#: The same without a scheme, as libraries quote it: user and ":", and the "@" before a server.
_BARE_USER: Final = re.compile(r"(?:^|(?<=[('\"<\[=,]))[^/?#@:('\"<\[=,]+:(?!//)")
_BEFORE_SERVER: Final = re.compile(r"@(?=[\w\[])")
_WORD: Final = re.compile(r"\S+")
#: Parameters of a query, a fragment or a path: what comes before the value, name, value.
_PARAMETER: Final = re.compile(r"([?&#;]([^=?&#;/]+)=)([^&#]*)")
#: Names of those that admit whoever knows their values, and of those that tell nobody anything.
_SECRET: Final = re.compile(
    r"x-(?:amz|goog)-(?:signature|credential|security-token)|awsaccesskeyid|googleaccessid"
    r"|signature|sig|policy|code|auth|authorization|jwt|sas|credentials?|(?:\w+[_-])?secret"
    r"|(?:\w+[_-])?token|(?:\w+[_-]?)?key|(?:\w+[_-])?(?:pass|passwd|password|pwd)|sessionid"
    r"|jsessionid|phpsessid|sid",
    re.IGNORECASE,
)
_HARMLESS: Final = frozenset(
    ("page", "part", "version", "versionid", "download", "format", "raw", "ref", "limit", "offset")
)
_NAME: Final = re.compile(r"[?&#;]([^=?&#;/]+)=[^&#;/]")
_PLAIN_VALUE: Final = re.compile(r"[\w.+-]*[:,)'\"\]]*")


def first_names(names: Iterable[str], most: int = 3) -> str:
    """Return the first of some names, separated by commas, and whether there are more.

    Parameters
    ----------
    names : iterable of str
        Of records, files or channels.
    most : int
        How many are shown.

    Returns
    -------
    str

    Examples
    --------
    >>> first_names("abc"), first_names("abcd")
    ('a, b, c', 'a, b, c, …')
    """
    held = list(names)
    return ", ".join(held[:most]) + (", …" if len(held) > most else "")


def counted(number: int, thing: str) -> str:
    """Return a number of things, in the plural but for one.

    Parameters
    ----------
    number : int
    thing : str
        In the singular.

    Returns
    -------
    str

    Examples
    --------
    >>> counted(1, "byte"), counted(0, "lead")
    ('1 byte', '0 leads')
    """
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def quoted(text: str) -> str:
    r"""Return a text in quotation marks, as it was written: `repr` would double each backslash.

    Parameters
    ----------
    text : str
        A query, a regular expression.

    Returns
    -------
    str

    Examples
    --------
    >>> print(quoted(r"(?P<id>\d+)"), quoted("sex == 'F'"))
    '(?P<id>\d+)' "sex == 'F'"
    """
    if not text.isprintable():
        return repr(text)
    mark = '"' if "'" in text and '"' not in text else "'"
    return f"{mark}{text}{mark}"


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
        An address, or any text that may quote one, also without its scheme.

    Returns
    -------
    str
        ``***`` stands for what was left out: users and passwords, and the values of all
        parameters but a few that tell nothing, since any other name may be that of a key.

    Examples
    --------
    >>> without_secrets("https://me:pass@host/a?X-Amz-Signature=abc&part=1")
    'https://***@host/a?X-Amz-Signature=***&part=1'
    >>> without_secrets("invalid address 'me:pass@host:1'")
    "invalid address '***@host:1'"
    """
    if ":/" not in text and "@" not in text:
        return text
    text = _ONE_SLASH.sub(r"\g<0>/", text)
    if "@" in text:
        text = _USER.sub("***@", text)
    return _WORD.sub(_word_without_secrets, text)


def _word_without_secrets(word: re.Match[str]) -> str:
    text = word[0]
    if "://" in text:
        return _PARAMETER.sub(_parameter_without_secret, text)
    ends = [found.start() for found in _BEFORE_SERVER.finditer(text)]
    user = _BARE_USER.search(text, 0, ends[-1]) if ends else None
    return f"{text[: user.start()]}***{text[ends[-1] :]}" if user else text


def _parameter_without_secret(parameter: re.Match[str]) -> str:
    before, name, value = parameter.groups()
    if name.lower() in _HARMLESS and _PLAIN_VALUE.fullmatch(value):
        return parameter[0]
    return f"{before}***"


def has_secret(url: str) -> bool:
    """Return whether an address holds a password or a token.

    Parameters
    ----------
    url : str
        With its scheme.

    Returns
    -------
    bool

    Examples
    --------
    >>> has_secret("https://host/a;token=abc/"), has_secret("https://host/a?part=1")
    (True, False)
    """
    if _USER.search(url):
        return True
    return any(_SECRET.fullmatch(unquote(name)) for name in _NAME.findall(url))


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


def plain_value(value: object) -> object:
    r"""Return what a page shows for the value of an expression in its template.

    Parameters
    ----------
    value : object
        Markup of our own stays as it is.

    Returns
    -------
    object
        Texts as `shown` gives them; to be escaped for HTML.

    Examples
    --------
    >>> plain_value("\u202egnp.exe"), plain_value(3)
    ('\\u202egnp.exe', 3)
    """
    if not isinstance(value, str) or hasattr(value, "__html__"):
        return value
    return shown(value, keep="\n")


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
