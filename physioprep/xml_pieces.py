"""XML in pieces, so that what is too large, too deep or cut is known before all of it is read.

Entities can only be declared in a document type; no file that is read here needs one. One token (a
tag with its attributes, a comment) stays in memory until it ends, and is looked at again with each
piece: so it has a limit. Tags and references are counted before any is parsed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from physioprep import limits

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

PIECE: Final = 1 << 16
#: Elements in each other.
_DEEPEST: Final = 50
_LONGEST_TOKEN: Final = 1 << 20
#: Blanks in a row among samples; the parser hands on at most 8192 characters at once.
_MOST_BLANK: Final = 4096
#: A reference to an entity that is declared somewhere.
_ENTITY: Final = re.compile(rb"&(?!#|(?:amp|lt|gt|quot|apos);)[^\s;<&]{1,200};")
_LONGEST_ENTITY: Final = 204
#: A document type that declares nothing itself, as .NET writes it.
_EMPTY: Final = re.compile(rb"<!DOCTYPE[^<>\[]*\[\s*\]\s*>")


def pieces_of(text: bytes) -> Iterator[bytes]:
    """Cut bytes into pieces for `parse_xml`.

    Parameters
    ----------
    text : bytes

    Yields
    ------
    bytes
    """
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE]


@dataclass(frozen=True)
class Texts:
    """Which texts an XML may have.

    Parameters
    ----------
    samples : dict of str to Pattern
        Of each element of samples, by its name without prefix: what may not be in its text.
    most : int
        Bytes of all other texts and of attributes together.
    at_rest : bool
        Whether samples are of seconds: then one element has a sixth of the bytes.
    """

    samples: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    most: int = limits.MAX_XML_OTHER_BYTES
    at_rest: bool = False

    @property
    def longest(self) -> int:
        """Return the most bytes of one text.

        Returns
        -------
        int
        """
        most = limits.MAX_XML_SAMPLE_BYTES // (6 if self.at_rest else 1)
        return most if self.samples else limits.MAX_XML_ELEMENT_BYTES


def check_marks(
    pieces: Iterable[bytes], refuse: Callable[[str], Exception], texts: Texts | None = None
) -> None:
    """Count tags and references, which costs little, before any is parsed.

    Parameters
    ----------
    pieces : iterable of bytes
    refuse : callable
        Returns the error to raise, given its cause.
    texts : Texts, optional
        By default a text may have any length.

    Raises
    ------
    Exception
        What `refuse` returns: there are more than `limits.MAX_XML_MARKS`, or a text is too long.

    Examples
    --------
    >>> check_marks([b"<a>&lt;</a>"] * 1_000_000, ValueError)
    Traceback (most recent call last):
        ...
    ValueError: over the limit of 500000 tags and references (PHYSIOPREP_READ_LIMITS raises it)
    """
    n_marks, n_text = 0, 0
    longest = texts.longest if texts is not None else None
    for piece in pieces:
        n_marks += piece.count(b"<") + piece.count(b"&")
        last = piece.rfind(b"<")
        n_text = n_text + len(piece) if last < 0 else len(piece) - last
        if longest is not None and n_text > longest + 4 * PIECE:  # a tag has a limit of its own
            raise refuse(f"has {n_text} bytes and more without a tag, over the limit of {longest}")
        if n_marks > limits.MAX_XML_MARKS:
            what = f"over the limit of {limits.MAX_XML_MARKS} tags and references"
            raise refuse(f"{what} ({limits.VARIABLE} raises it)")


def parse_xml(
    pieces: Iterable[bytes], refuse: Callable[[str], Exception], *, external_dtd: bool = False,
    texts: Texts | None = None,
) -> Element:  # fmt: skip
    """Return the root of an XML that comes in pieces, which `check_marks` has seen.

    Parameters
    ----------
    pieces : iterable of bytes
        In the encoding that the first one states.
    refuse, external_dtd
        As for `physioprep.documents.load_xml`.
    texts : Texts, optional
        By default any text is taken.

    Returns
    -------
    Element

    Raises
    ------
    Exception
        What `refuse` returns. No text of the XML is in its cause.
    ValueError
        Raised while the pieces come.
    """
    from xml.parsers import expat

    parsing = _Parsing(refuse, external_dtd, texts)
    try:
        for piece in pieces:
            parsing.feed(piece)
        return parsing.end()
    except expat.ExpatError as error:
        if error.code == expat.errors.codes[expat.errors.XML_ERROR_MISPLACED_XML_PI]:
            raise refuse("not XML: something stands before its <?xml …?>, as blanks do") from None
        raise refuse(f"not XML: {error}") from None
    except LookupError:
        raise refuse("not XML: states an encoding that is not known") from None
    except ValueError as error:  # of several bytes a character, such as utf-7; or the caller's own
        if str(error) != "multi-byte encodings are not supported":
            raise
        raise refuse(f"not XML: {error}") from None


class _Parsing:
    """A parser, and what has been counted so far."""

    def __init__(
        self, refuse: Callable[[str], Exception], external_dtd: bool, texts: Texts | None
    ) -> None:
        from xml.etree.ElementTree import TreeBuilder
        from xml.parsers import expat

        self.refuse, self.external_dtd = refuse, external_dtd
        self.builder, self.parser = TreeBuilder(), expat.ParserCreate()
        self.texts = texts
        self.unfit: re.Pattern[str] | None = None
        self.samples_at = self.n_text = self.n_other = 0  # depth of the element of samples
        self.depth = self.n_bytes = 0
        self.prolog: list[bytes] | None = []  # until the root begins
        self.declares = self.has_type = False
        self.rest = b""  # where an entity may have begun
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self.builder.data if texts is None else self._data
        self.parser.StartDoctypeDeclHandler = self._named
        self.parser.EntityDeclHandler = self.parser.ElementDeclHandler = self._stop
        self.parser.AttlistDeclHandler = self.parser.NotationDeclHandler = self._stop

    def feed(self, piece: bytes) -> None:
        """Parse one more piece."""
        if self.prolog is not None:
            self.prolog.append(piece)
        self.parser.Parse(piece, False)
        self.n_bytes += len(piece)
        if self.n_bytes - self.parser.CurrentByteIndex > _LONGEST_TOKEN:
            raise self.refuse(f"has a tag or comment of over {_LONGEST_TOKEN} bytes")
        if self.has_type:
            # without the other file, the parser leaves out entities in silence
            plain = self.rest + piece.replace(b"\0", b"")
            if _ENTITY.search(plain):
                raise self.refuse("uses an entity of its document type: not read")
            self.rest = plain[-_LONGEST_ENTITY:]

    def end(self) -> Element:
        """Return the root when all is parsed."""
        from xml.parsers import expat

        line = self.parser.CurrentLineNumber
        try:
            self.parser.Parse(b"", True)
        except expat.ExpatError as error:
            if not self.n_bytes:
                raise self.refuse("is empty") from None
            if self.depth or expat.errors.codes[str(error).partition(":")[0]] in _cut(expat):
                raise self.refuse(f"cut off: its XML ends in line {line}, unclosed") from None
            raise
        return self.builder.close()

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if self.prolog is not None:
            if self.declares and not _EMPTY.search(b"".join(self.prolog).replace(b"\0", b"")):
                self._stop()
            self.prolog = None
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.refuse("is nested too deep")
        self.n_text = 0
        if self.texts is not None:
            self.n_other += sum(map(len, attributes.values()))
            name = tag.rpartition(":")[2]
            if not self.samples_at and name in self.texts.samples:
                self.samples_at, self.unfit = self.depth, self.texts.samples[name]
        self.builder.start(tag, attributes)

    def _data(self, text: str) -> None:
        """Take text, unless there is too much of it, or it is no sample where samples stand."""
        assert self.texts is not None
        self.n_text += len(text)
        if self.samples_at:
            if self.depth == self.samples_at and self.unfit and self.unfit.search(text):
                raise self.refuse("an element of samples holds what is no sample")
            if len(text) >= _MOST_BLANK and text.isspace():
                raise self.refuse(f"an element of samples has {len(text)} blanks in a row")
            most = self.texts.longest
        else:
            most = limits.MAX_XML_ELEMENT_BYTES
            self.n_other += len(text)
        if self.n_text > most or self.n_other > self.texts.most:
            what = "an element of" if self.n_text > most else "texts of together"
            n_bytes = self.n_text if self.n_text > most else self.n_other
            limit = most if self.n_text > most else self.texts.most
            cause = f"{what} {n_bytes} bytes and more, over the limit of {limit}"
            raise self.refuse(f"{cause} ({limits.VARIABLE} raises it)")
        self.builder.data(text)

    def _end(self, tag: str) -> None:
        if self.depth == self.samples_at:
            self.samples_at = 0
        self.n_text = 0
        self.depth -= 1
        self.builder.end(tag)

    def _stop(self, *_: object) -> None:
        raise self.refuse("declares a document type, which may hold entities: not read")

    def _named(self, _: str, system: str | None, public: str | None, declares: int) -> None:
        if not self.external_dtd or (system is None and public is None):
            self._stop()
        self.declares, self.has_type = bool(declares), True


def _cut(expat: Any) -> set[int]:
    """Return the codes of errors that the end of a text is in the middle of something."""
    names = expat.errors
    kinds = (names.XML_ERROR_UNCLOSED_TOKEN, names.XML_ERROR_PARTIAL_CHAR)
    return {names.codes[kind] for kind in (*kinds, names.XML_ERROR_UNCLOSED_CDATA_SECTION)}
