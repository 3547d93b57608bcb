"""What the readers of clinical XML share: the root's name, the tree, numbers and samples as text.

Errors name elements of the format, never what a file writes in them: that may be a name.
"""

from __future__ import annotations

import codecs
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from physioprep import limits
from physioprep.errors import UnreadableFileError
from physioprep.readers.regular import opened
from physioprep.xml_pieces import PIECE, Texts, check_marks, parse_xml

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_PROLOG: Final = re.compile(
    rb"\s+|<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^<>\[]*(?:\[[^\]]*\]\s*)?>", re.DOTALL
)
_ROOT: Final = re.compile(rb"<([A-Za-z_][\w.:-]*)(?=[\s/>])")
#: Bytes before the root that are looked at, where a first piece ends in a comment.
_LONGEST_PROLOG: Final = 1 << 16
_ENCODING: Final = re.compile(rb"""\A<\?xml[^>]*?encoding\s*=\s*["']([\w.-]+)["']""")
#: Encodings that the parser does not know: more than one byte a character.
_WIDE: Final = frozenset(
    {"gb2312", "gbk", "gb18030", "big5", "cp950", "shift_jis", "cp932", "euc_jp", "euc_kr", "cp949"}
)
_NUMBER: Final = re.compile(
    r"[-+]?(?:\d{1,40}(?:\.\d{0,40})?|\.\d{1,40})(?:[eE][-+]?\d{1,3})?", re.ASCII
)
#: What may not be among samples that are written as numbers, or in base64.
NO_NUMBERS: Final = re.compile(r"[^0-9+\-.,eE\s]")
NO_BASE64: Final = re.compile(r"[^A-Za-z0-9+/=\s.,-]")
#: Of the shortest text of samples, that of another lead has at most so many times the bytes.
_MOST_TIMES: Final = 100
_NO_INTEGERS: Final = re.compile(r"[^\d\s+-]|[\d+-][+-]|[+-](?!\d)", re.ASCII)


def root_name(path: Path, head: bytes) -> str:
    """Return the name of the root of an XML file, without its prefix.

    Parameters
    ----------
    path : Path
        Read on where the head ends before the root.
    head : bytes
        The first bytes of the file, in UTF-8, UTF-16 or an 8-bit encoding.

    Returns
    -------
    str
        Empty if it is no XML.

    Examples
    --------
    >>> root_name(Path("a.xml"), b"<?xml version='1.0'?><!-- an ECG --><hl7:AnnotatedECG>")
    'AnnotatedECG'
    """
    plain = _plain(head)
    if not plain.startswith(b"<"):
        return ""
    name = _after_prolog(plain)
    if name is None and len(head) >= 4096:
        try:
            with opened(path) as file:
                name = _after_prolog(_plain(os.pread(file, _LONGEST_PROLOG, 0)))
        except (OSError, UnreadableFileError):
            return ""
    return name or ""


def _plain(head: bytes) -> bytes:
    """Return what begins like UTF-16 or has a mark as if it were ASCII without one."""
    return head.removeprefix(b"\xef\xbb\xbf").lstrip(b"\xff\xfe").replace(b"\0", b"").lstrip()


def _after_prolog(plain: bytes) -> str | None:
    at = 0
    while found := _PROLOG.match(plain, at):
        at = found.end()
    root = _ROOT.match(plain, at)
    return root[1].decode("ascii", "replace").rpartition(":")[2] if root else None


def load(
    path: Path, texts: Texts, *, external_dtd: bool = False, limit: int = limits.MAX_TEXT_BYTES
) -> Element:  # fmt: skip
    """Return the root of an XML file; the names in its tree have no prefixes.

    Parameters
    ----------
    path : Path
    texts : Texts
        Which texts it may have.
    external_dtd : bool
        As for `physioprep.documents.load_xml`.
    limit : int
        Most bytes that it may have.

    Returns
    -------
    Element

    Raises
    ------
    UnreadableFileError
        It cannot be read, is no XML, or declares entities.
    """

    def refuse(cause: str) -> UnreadableFileError:
        return UnreadableFileError(path, cause)

    with opened(path) as file:
        limits.check(path, os.fstat(file).st_size, limit, "bytes")
        check_marks(iter(lambda: os.read(file, PIECE), b""), refuse, texts)
        os.lseek(file, 0, os.SEEK_SET)
        pieces = iter(lambda: os.read(file, PIECE), b"")
        narrow = _narrow_encoding(pieces, path)
        root = parse_xml(narrow, refuse, external_dtd=external_dtd, texts=texts)
    for element in root.iter():
        if ":" in element.tag:
            element.tag = element.tag.rpartition(":")[2]
        for name in [name for name in element.attrib if ":" in name]:
            element.attrib.setdefault(name.rpartition(":")[2], element.attrib[name])
    return root


def _narrow_encoding(pieces: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """Yield XML in UTF-8 where it states an encoding that the parser does not know."""
    first = next(pieces, b"")
    stated = _ENCODING.match(first)
    try:
        known = codecs.lookup(stated[1].decode()).name if stated else ""
    except LookupError:
        known = ""
    if stated is None or known not in _WIDE:
        yield first
        yield from pieces
        return
    decoder = codecs.getincrementaldecoder(known)()
    try:
        # what stands before is ASCII
        head = decoder.decode(first).encode()
        yield head[: stated.start(1)] + b"UTF-8" + head[stated.end(1) :]
        for piece in pieces:
            yield decoder.decode(piece).encode()
        yield decoder.decode(b"", final=True).encode()
    except UnicodeDecodeError:
        raise UnreadableFileError(path, f"not in {known}, which it states") from None


def text_of(element: Element | None, where: str = "") -> str:
    """Return the text of an element below another, without spaces around it.

    Parameters
    ----------
    element : Element or None
    where : str
        Names from the element down, with ``/``; empty for the element itself.

    Returns
    -------
    str
        Empty if there is none.
    """
    found = element.find(where) if element is not None and where else element
    return " ".join((found.text or "").split()) if found is not None else ""


def number_of(text: str) -> float | int | None:
    """Return the number that a text is.

    Parameters
    ----------
    text : str

    Returns
    -------
    float or int or None
        None if it is anything else; int where it has digits only.

    Examples
    --------
    >>> number_of("48"), number_of("-2.5"), number_of("n/a"), number_of("nan")
    (48, -2.5, None, None)
    """
    text = text.strip()
    if not _NUMBER.fullmatch(text):
        return None
    return int(text) if text.lstrip("+-").isdigit() and len(text) < 16 else float(text)


def needed(path: Path, element: Element | None, where: str, default: float | None = None) -> float:
    """Return a number that a file must state.

    Parameters
    ----------
    path : Path
        Named in the error.
    element : Element or None
    where : str
        As in `text_of`.
    default : float, optional
        Where the element is missing or empty.

    Returns
    -------
    float

    Raises
    ------
    UnreadableFileError
        It is missing without a default, or no finite number.
    """
    text = text_of(element, where)
    if not text and default is not None:
        return default
    number = number_of(text)
    if number is None or not np.isfinite(number):
        raise UnreadableFileError(path, f"{where} {'is missing' if not text else 'is no number'}")
    return float(number)


def count_of(path: Path, element: Element | None, where: str) -> int | None:
    """Return a count that a file may state.

    Parameters
    ----------
    path : Path
        Named in the error.
    element : Element or None
    where : str
        As in `text_of`.

    Returns
    -------
    int or None
        None where it states none.

    Raises
    ------
    UnreadableFileError
        It is no count.
    """
    text = text_of(element, where)
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 15:
        raise UnreadableFileError(path, f"{where} is no count")
    return int(text)


def samples_of(path: Path, text: str, what: str) -> NDArray[Any]:
    r"""Return samples that are written as numbers, with commas or spaces between them.

    Parameters
    ----------
    path : Path
        Named in the error.
    text : str
    what : str
        Name of the element, for the error.

    Returns
    -------
    ndarray of int64 or float64
        Floats only where a number has a point or an exponent.

    Raises
    ------
    UnreadableFileError
        Something else stands between them, a number is missing, or is over 32 bits.

    Examples
    --------
    >>> samples_of(Path("a.xml"), "1,-2,\n\t3,", "Data")
    array([ 1, -2,  3])
    """
    parts = text.strip()
    if "," in parts:
        parts = parts.removesuffix(",")
        if re.search(r"\A,|,\s*,", parts):
            raise UnreadableFileError(path, f"{what}: a sample is empty")
        parts = parts.replace(",", " ")
    if not parts.strip():
        return np.empty(0, np.int64)
    if not _NO_INTEGERS.search(parts):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            values = np.fromstring(parts, np.int64, sep=" ")  # ten times as fast as a list
    else:
        words = parts.split()
        if not all(_NUMBER.fullmatch(word) for word in words):
            raise UnreadableFileError(path, f"{what}: a sample is no number")
        values = np.array(words, np.float64)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise UnreadableFileError(path, f"{what}: a sample is over 32 bits")
    if max(values.max(), -float(values.min())) >= 2**31:
        raise UnreadableFileError(path, f"{what}: a sample is over 32 bits")
    return values


def check_lengths(path: Path, texts: Sequence[str]) -> None:
    """Refuse leads whose texts differ too much for equally many samples, before any is parsed.

    Parameters
    ----------
    path : Path
        Named in the error.
    texts : sequence of str
        Samples of the leads on one time axis; empty ones do not count.

    Raises
    ------
    UnreadableFileError
        One is `_MOST_TIMES` as long as another.

    Examples
    --------
    >>> check_lengths(Path("a.xml"), ["1 2 3", "-100.5 200.5 300.5", ""])
    """
    lengths = [len(text) for text in texts if text and not text.isspace()]
    least, most = min(lengths, default=0), max(lengths, default=0)
    if most > _MOST_TIMES * least:
        cause = f"leads on one time axis differ in length: {least} and {most} bytes of samples"
        raise UnreadableFileError(path, cause)


def narrow(values: NDArray[Any]) -> NDArray[Any]:
    """Return samples in the narrowest type that they fit: int16, int32; floats stay.

    Parameters
    ----------
    values : ndarray
        Within 32 bits.

    Returns
    -------
    ndarray
        A copy.

    Examples
    --------
    >>> narrow(np.array([[1, 2]])).dtype, narrow(np.array([[40000]])).dtype
    (dtype('int16'), dtype('int32'))
    """
    if values.dtype.kind == "f":
        return np.array(values, np.float64, order="C")
    info = np.iinfo(np.int16)
    fits = not values.size or (values.min() >= info.min and values.max() <= info.max)
    return np.array(values, np.int16 if fits else np.int32, order="C")
