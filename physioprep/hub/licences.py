"""Which corpora may be passed on, by their licence; judged by their facts, never guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from physioprep.errors import CorpusError, PhysioprepError
from physioprep.facts import load_facts

#: Licences that allow passing on what was made of the data, and what the hub calls them.
FREE: Final = {
    "CC0-1.0": "cc0-1.0",
    "CC-BY-4.0": "cc-by-4.0",
    "ODC-BY-1.0": "odc-by",
    "ODbL-1.0": "odbl",
}
#: How corpora are obtained whose agreement is with one person or institution.
_BY_AGREEMENT: Final = frozenset(("credentialed", "request"))
#: What the facts of folders of anybody's recordings say in place of licence and citation.
_NOBODYS: Final = "your own"
#: What licences say that forbid it: ND, no derivatives.
_FORBIDDING: Final = ("not to be passed on", "-ND-")


@dataclass(frozen=True)
class Corpus:
    """A corpus that something was made of, and whether it may be passed on.

    Parameters
    ----------
    name : str
    version : str or None
    licence : str or None
        None where nobody states one.
    citation, doi, url : str or None
    obstacle : str
        Why it may not be passed on, or why that is not known; "" where it may.
    is_forbidden : bool
        Whether nobody can remove the obstacle but the owner of the data.
    """

    name: str
    version: str | None
    licence: str | None
    citation: str | None
    doi: str | None
    url: str | None
    obstacle: str
    is_forbidden: bool


def judge(stated: Mapping[str, Any]) -> Corpus:
    """Judge a corpus as a store states it, and as its facts do.

    Parameters
    ----------
    stated : mapping
        ``name``, ``version``, ``licence``, ``citation``, ``doi``, of a store's attributes.

    Returns
    -------
    Corpus

    Examples
    --------
    >>> judge({"name": "mitdb"}).obstacle
    ''
    >>> judge({"name": "deap"}).obstacle
    'licence: academic research only (EULA); access: request'
    >>> judge({"name": "mine"}).obstacle, judge({"name": "mine"}).is_forbidden
    ('no licence is known', False)
    """
    name = str(stated.get("name"))
    try:
        facts = load_facts(name)
    except CorpusError:
        licence = stated.get("licence")
        access, citation, doi, url = "", stated.get("citation"), stated.get("doi"), None
    else:
        licence, access = facts.licence, facts.access
        citation, doi, url = facts.citation, facts.doi, facts.url
    licence, citation = (None if each == _NOBODYS else each for each in (licence, citation))
    forbidden = access in _BY_AGREEMENT or any(each in str(licence) for each in _FORBIDDING)
    if not licence:
        obstacle = "no licence is known"
    elif not forbidden and licence in FREE and access in ("", "open", "made here"):
        obstacle = ""
    else:
        obstacle = f"licence: {licence}" + (f"; access: {access}" if access != "open" else "")
    version = stated.get("version")
    return Corpus(name, version, licence, citation, doi, url, obstacle, forbidden)


def check_licences(corpora: Iterable[Corpus], checked: str | None, *, is_model: bool) -> None:
    """Refuse what may not be passed on.

    Parameters
    ----------
    corpora : iterable of Corpus
        What it was made of.
    checked : str or None
        Why it may be passed on all the same, in the user's words.
    is_model : bool
        Whether it is a model: what its training data's licence says of weights is for the user
        to judge, so that `checked` counts for each corpus.

    Raises
    ------
    PhysioprepError
        It names each such corpus with its licence.
    """
    some = list(corpora)
    if checked is not None and not checked.strip():
        raise PhysioprepError("licence_checked='': say who allows it, and where")
    if not some and checked is None:
        raise PhysioprepError(
            "not pushed: nothing says which corpora it was made of; if you may pass it on, say why "
            "with licence_checked='...'"
        )
    never = [each for each in some if each.is_forbidden and not is_model]
    if never:
        names = "; ".join(f"{each.name} ({each.obstacle})" for each in never)
        raise PhysioprepError(f"not pushed: the data may not be passed on: {names}")
    unclear = [each for each in some if each.obstacle]
    if unclear and checked is None:
        names = "; ".join(f"{each.name} ({each.obstacle})" for each in unclear)
        raise PhysioprepError(
            f"not pushed: it is not known that this may be passed on: {names}; if you looked "
            "it up, say what you found with licence_checked='...'"
        )
