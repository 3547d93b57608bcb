"""What a reader hands on of the person in a file: age, sex and a pseudonym, nothing else.

Clinical files have names, birth dates and ids. They never leave the reader. The pseudonym is the
HMAC-SHA256 of the id in the file: the same person has the same pseudonym under one key, and nobody
without the key can compute it from an id. Without a key, one that only this process knows is used.
"""

from __future__ import annotations

import hmac
import secrets
from datetime import date, datetime
from typing import Any, Final

#: Characters of a pseudonym: 64 bits, no two among millions of people alike.
_DIGITS: Final = 16
_OLDEST_YEARS: Final = 130
#: Years that stand for all above them, which are few enough to name a person (HIPAA).
_OLDEST_TOLD: Final = 89
_SEXES: Final = {
    **dict.fromkeys(("m", "male", "1", "man", "männlich"), "M"),
    **dict.fromkeys(("f", "female", "2", "woman", "w", "weiblich"), "F"),
}
#: Texts that stand in the field of an id where there is none.
_NO_ID: Final = frozenset(
    {"", "0", "00000000", "x", "unknown", "none", "n/a", "na", "anonymous", "anonymized", "-"}
)
_key: bytes = secrets.token_bytes(32)


def use_key(key: bytes) -> None:
    """Compute pseudonyms with this key from now on, in this process and those that parse for it.

    Parameters
    ----------
    key : bytes
        A secret, not empty.
    """
    global _key
    _key = key


def key_in_use() -> bytes:
    """Return the key of the pseudonyms.

    Returns
    -------
    bytes
    """
    return _key


def pseudonym(identity: str) -> str | None:
    """Return the pseudonym of the id of a person.

    Parameters
    ----------
    identity : str
        As the file writes it; spaces around it and case do not count.

    Returns
    -------
    str or None
        16 hexadecimal digits; None if the text is no id.

    Examples
    --------
    >>> use_key(b"secret")
    >>> pseudonym(" 4711 ") == pseudonym("4711"), pseudonym("") is None
    (True, True)
    """
    plain = " ".join(identity.split()).casefold()
    if plain in _NO_ID:
        return None
    return hmac.new(_key, plain.encode(), "sha256").hexdigest()[:_DIGITS]


def person(
    *,
    identity: str = "",
    names: str = "",
    sex: str = "",
    age_years: float | None = None,
    birth_date: date | None = None,
    recorded: date | datetime | None = None,
) -> dict[str, Any]:
    """Return what a recording may say of its person, as metadata.

    Parameters
    ----------
    identity : str
        The id of the person in the file; where there is none, name and birth date serve.
    names : str
        All names of the person in the file.
    sex : str
        As the file writes it, decoded where it is a code of the format.
    age_years : float, optional
        As the file states it.
    birth_date : date, optional
        Used for the age where the file states none.
    recorded : date or datetime, optional
        Day of the recording.

    Returns
    -------
    dict
        Of ``"pseudonym"``, ``"age"`` (years; 90 stands for all above 89) and ``"sex"`` (``"F"`` or
        ``"M"``) those that are known, and always ``"identifying"``: what the file has that names
        the person (``"id"``, ``"name"``, ``"birth date"``).

    Examples
    --------
    >>> person(sex="Female", birth_date=date(1950, 3, 1), recorded=date(2020, 2, 1))
    {'age': 69.0, 'sex': 'F', 'identifying': ['birth date']}
    """
    said: dict[str, Any] = {}
    known = identity if pseudonym(identity) is not None else ""
    born = birth_date.isoformat() if birth_date is not None else ""
    fallback = f"{names}|{born}" if pseudonym(names) is not None else ""
    number = pseudonym(known or fallback)
    if number is not None:
        said["pseudonym"] = number
    age = age_years if age_years is not None else _age(birth_date, recorded)
    if age is not None and 0 <= age <= _OLDEST_YEARS:
        said["age"] = float(age) if age <= _OLDEST_TOLD else _OLDEST_TOLD + 1.0
    if sex.strip().lower() in _SEXES:
        said["sex"] = _SEXES[sex.strip().lower()]
    found = {"id": known, "name": fallback, "birth date": born}
    said["identifying"] = [kind for kind, text in found.items() if text]
    return said


def _age(birth_date: date | None, recorded: date | datetime | None) -> float | None:
    """Return whole years between two days."""
    if birth_date is None or recorded is None:
        return None
    not_yet = (recorded.month, recorded.day) < (birth_date.month, birth_date.day)
    return float(recorded.year - birth_date.year - not_yet)


def days_of_shift(subject: str, key: bytes) -> int:
    """Return by how many days the dates of a person are shifted: the same for all recordings.

    Parameters
    ----------
    subject : str
        The person; ``""`` for all that is of nobody.
    key : bytes
        Secret of the shifts.

    Returns
    -------
    int
        From -3650 to -1: shifted dates lie in the past, and intervals of a person stay as they are.
    """
    digest = hmac.new(key, f"dates|{subject}".encode(), "sha256").digest()
    return -1 - int.from_bytes(digest[:8], "big") % 3650
