"""Whether a text of a file may be handed on: the one place that decides it.

A text is left out if it holds what the file's own fields say of people (a name, an id, the birth
date), however it is written, or if it announces such things (signatures, addresses, numbers).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Final

#: Letters that Unicode does not take apart, and how people write them without them.
_PLAIN: Final = str.maketrans(
    {
        "ø": "oe",
        "œ": "oe",
        "æ": "ae",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "ı": "i",
        "\u0640": "",
    }
)
#: The spellings with and without a second vowel are one: Müller, Mueller, Muller.
_SPELLED_OUT: Final = re.compile(r"([aou])e|aa")
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_ALNUM: Final = re.compile(r"[^\W_]+")
#: A word of which every letter stands alone.
_SPACED: Final = re.compile(r"(?<![^\W_])[^\W\d_](?:[\W_]+[^\W\d_](?![^\W_]))+")
_CJK: Final = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\U00020000-\U0003ffff]")
#: Of shorter parts only whole words count: "Li" is in many words.
_LONG: Final = 4
#: In fields of names, but no names.
_NO_NAMES: Final = frozenset(
    {
        *("dr", "prof", "mr", "mrs", "ms", "md", "phd", "jr", "sr", "ii", "iii", "iv"),
        *("herr", "frau", "none", "unknown", "anonymous", "anonymized"),
    }
)
#: Words of statements that are no genitives of Thi, Hi, A, I and Wa.
_NO_GENITIVES: Final = frozenset({"this", "his", "as", "is", "was"})
_NO_IDS: Final = frozenset(
    {"none", "unknown", "anonymous", "anonymized", "removed", "deidentified"}
)
_MONTHS: Final = (
    *("jan|jaen|ene|gen", "feb|fev", "mar|maer|mrz", "apr|avr|abr", "may|mai|mag", "jun|juin|giu"),
    *("jul|juil|lug", "aug|aou|ago", "sep|set", "oct|okt|ott", "nov", "dec|dez|dic"),
)
_ROMAN: Final = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")
_SIGNING: Final = (
    # English
    r"\b(?:(?:un)?confirmed|referred|reviewed|over-?\s?read|interpreted|edited|verified|ordered"
    r"|signed|requested|acquired|performed|technician|physician|read|seen|approved|authori[sz]ed"
    r"|validated|reported|analy[sz]ed|dictated|checked)\b.{0,20}(?:\bby\b|:)"
    r"|\b(?:signature|electronically signed)\b",
    # German
    r"\b(?:befundet|bestatigt|bestaetigt|validiert|freigegeben|unterschrieben|unterzeichnet"
    r"|gepruft|geprueft|gesehen|vidiert|visiert|beurteilt|erstellt|ausgewertet|angefordert"
    r"|durchgefuhrt|durchgefuehrt|uberwiesen|ueberwiesen|gelesen|diktiert|abgezeichnet"
    r"|gezeichnet)\b.{0,20}(?:\bvon\b|\bdurch\b|:)|\bgez\."
    r"|\b(?:unterschrift|freigabe|befunder|(?:ober|chef|assistenz)?arzt|arztin|aerztin)\b",
    # French
    r"\b(?:confirme|valide|signe|relu|lu|vu|interprete|verifie|revu|prescrit|realise|demande|edite"
    r"|adresse)e?s?\b.{0,20}(?:\bpar\b|:)",
    # Spanish and Portuguese
    r"\b(?:confirmad|firmad|revisad|leid|interpretad|validad|informad|verificad|realizad|vist"
    r"|solicitad|editad)[oa]s?\b.{0,20}(?:\bpor\b|:)",
    # Italian
    r"\b(?:confermat|firmat|refertat|revisionat|rivist|lett|vist|interpretat|validat|verificat|eseguit"
    r"|richiest)[oae]\b.{0,20}(?:\b(?:da|dal|dalla)\b|:)",
    # titles, and what stands before a name
    r"\b(?:technician|tech|physician|untersucher|medecin|medico|medica|nurse|rapporteur|cc"
    r"|operator|patient(?:in|e)?|paziente|paciente|pat|name|nombre|nome|nom)\b\s*[.:]|\b(?:dr|dra|drs|prof|dott|dottssa|dottoressa"
    r"|docteur|doctor|herrn?|frau|mme|monsieur|madame|senora?|signora?)\b|\bmrs?\.|\bmd\b|\bm\.d\b",
    # an id or a birth date follows
    r"\b(?:mrn|dob|ssn|born|geboren|geburtsdatum|date of birth|birth ?date|nacid[oa]|nat[oa] il"
    r"|nee? le|date de naissance|fecha de nacimiento|data di nascita)\b|\bd\.o\.b|\bgeb\.",
)
_REACHED: Final = (
    r"[\w.+-]+@[^\W\d_][\w.-]+",
    r"\b(?:tel|telefon\w*|telephon\w*|phone|fax|mobile?|handy|cell|cellulare|pager)\b"
    r"[\W_]*\d",
    r"(?<!\w)(?:\+|00)\d[\d ()/.-]{6,}\d",
    r"(?<![\w.])\(?0\d{1,4}\)?[ /-]+\d{3,}[ -]?\d{2,}",
    r"(?<![\w.])0\d(?:[ .-]\d\d){4}(?!\d)",
    r"(?<![\w.])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?!\d)",
)
_ANNOUNCED: Final = re.compile("|".join((*_SIGNING, *_REACHED)))


@dataclass(frozen=True)
class Known:
    """What the fields of a file say of people, as it is looked for in texts.

    Parameters
    ----------
    words : frozenset of str
        Short parts of names, and words of places: only whole words count.
    pieces : frozenset of str
        Names, ids and days, as letters and digits alone: they count anywhere.
    spellings : frozenset of str
        Names without second vowels, which count anywhere in texts without them.
    days : tuple of str
        Regular expressions of birth dates.
    """

    words: frozenset[str] = frozenset()
    pieces: frozenset[str] = frozenset()
    spellings: frozenset[str] = frozenset()
    days: tuple[str, ...] = ()


NOBODY: Final = Known()


def known_of(
    names: Iterable[str] = (),
    *,
    ids: Iterable[str] = (),
    born: Iterable[date | None] = (),
    places: Iterable[str] = (),
) -> Known:
    """Gather what a file says of people.

    Parameters
    ----------
    names : iterable of str
        Of fields that name people.
    ids : iterable of str
        Ids of the person, and birth dates as the file writes them.
    born : iterable of date or None
        Birth dates.
    places : iterable of str
        Names of institutions and stations, of which only whole words count.

    Returns
    -------
    Known

    Examples
    --------
    >>> known = known_of(["van Dyke^J."], ids=["4711"], born=[date(1950, 3, 1)])
    >>> [names_nobody(text, known) for text in ("Sinus rhythm", "D y k e's ECG", "b. 1 Mar 1950")]
    [True, False, False]
    """
    parts = [part for name in names for part in _parts(name)]
    numbers = {_squashed(_plain(each)) for each in ids} - _NO_IDS
    numbers |= {each.lstrip("0") for each in numbers}
    numbers = {each for each in numbers if each.strip("0")}
    days = [day for day in born if day is not None]
    long = {part for part in parts if len(part) >= (2 if _CJK.search(part) else _LONG)}
    short = {part for part in parts if 2 <= len(part) < _LONG}
    short |= {spelled for part in short if len(spelled := _spelling(part)) > 1}
    spellings = {_spelling(part) for part in long}
    place_words = {
        word for text in places for word in _LETTERS.findall(_plain(text)) if len(word) > 2
    }
    return Known(
        words=frozenset({*short, *({f"{part}s" for part in short} - _NO_GENITIVES), *place_words}),
        pieces=frozenset(
            long
            | {each for each in numbers if len(each) >= _LONG}
            | {f"{day:{form}}" for day in days for form in ("%Y%m%d", "%d%m%Y", "%m%d%Y", "%Y%d%m")}
        ),
        spellings=frozenset(each for each in spellings if len(each) >= _LONG),
        days=tuple(_day_pattern(day) for day in days),
    )


def names_nobody(text: str, known: Known) -> bool:
    """Return whether a text can be handed on.

    Parameters
    ----------
    text : str
    known : Known
        What the file says of people.

    Returns
    -------
    bool

    Examples
    --------
    >>> names_nobody("Confirmed by X", NOBODY), names_nobody("see Smith", known_of(["SMITH"]))
    (False, False)
    """
    plain = _plain(text)
    if _ANNOUNCED.search(plain) or any(re.search(day, plain) for day in known.days):
        return False
    words = set(_LETTERS.findall(plain)) | set(_ALNUM.findall(plain))
    words |= {_squashed(run) for run in _SPACED.findall(plain)}
    if known.words & (words | {_spelling(word) for word in words}):
        return False
    squashed = _squashed(plain)
    if any(piece in squashed for piece in known.pieces):
        return False
    spelled = _spelling(squashed)
    return not any(name in spelled for name in known.spellings)


def _plain(text: str) -> str:
    """Return a text without case, accents, and characters that are not seen."""
    seen = (
        each
        for each in unicodedata.normalize("NFKC", text)
        if unicodedata.category(each) not in ("Cf", "Co", "Cn")
    )
    folded = "".join(seen).casefold().translate(_PLAIN)
    apart = unicodedata.normalize("NFKD", folded)
    return unicodedata.normalize(
        "NFC", "".join(each for each in apart if not unicodedata.combining(each))
    )


def _squashed(plain: str) -> str:
    return "".join(_ALNUM.findall(plain))


def _spelling(squashed: str) -> str:
    return _SPELLED_OUT.sub(lambda found: found[1] or "a", squashed)


def _parts(name: str) -> Iterator[str]:
    """Yield the parts of a name, and what they are when written as one word."""
    for writing in _plain(name).split("="):  # of DICOM: letters, characters, sounds
        words = [_squashed(word) for word in re.split(r"[\s^,;|/]+", writing)]
        words = [word for word in words if _LETTERS.search(word) and word not in _NO_NAMES]
        yield from words
        yield from (part for part in _LETTERS.findall(writing) if part not in _NO_NAMES)
        for first, second in pairwise(words):
            if len(first) < _LONG and len(second) < _LONG and len(first + second) > 1:
                yield from (first + second, second + first)


def _day_pattern(day: date) -> str:
    """Return a regular expression of a day, in any order, with a month's number or its name."""
    d, m, y = f"0?{day.day}", f"0?{day.month}", f"(?:{day.year}|{day.year % 100:02d})"
    apart = r"[\W_年月日년월일]+"
    numbers = "|".join(apart.join(order) for order in ((d, m, y), (m, d, y), (y, m, d), (y, d, m)))
    month = rf"(?:(?:{_MONTHS[day.month - 1]})[a-z]*|{_ROMAN[day.month - 1]}(?![a-z]))"
    between = r"[\W_]*(?:(?:st|nd|rd|th|er|the|of|de|di|den|del)[\W_]*){0,2}"
    named = "|".join(between.join(order) for order in ((d, month, y), (month, d, y), (y, month, d)))
    dd, mm, yy = f"{day:%d}", f"{day:%m}", f"{day:%y}"
    close = "|".join((dd + mm + yy, mm + dd + yy, yy + mm + dd))
    return rf"(?<!\d)(?:{numbers}|{close}|{named})(?!\d)"
