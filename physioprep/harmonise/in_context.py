"""What a channel is where more than its name is known: format of its file, modality, recipe."""

from __future__ import annotations

import re
from collections.abc import Callable

from physioprep.harmonise.channels import (
    UnknownChannelError,
    canonical_channel,
    is_known,
    modality_of,
)
from physioprep.harmonise.recipe import Recipe
from physioprep.harmonise.units import is_beside, is_other_quantity
from physioprep.harmonise.unknown import unknown_text

#: (source name, unit), as in the file -> modality.
ModalityOf = Callable[[str, str], str]
#: Files of these formats name leads by code, and so what no name alone says: the leads of Frank and
#: of EASI, by the names that readers give them.
CODED_FORMATS = frozenset({"dicom", "hl7_aecg", "ishne", "scp"})
CODED_LEADS: dict[str, str] = {
    "X": "Vx",
    "Y": "Vy",
    "Z": "Vz",
    "ES": "E-S",
    "AS": "A-S",
    "AI": "A-I",
}
# The electrodes of EGI's nets have numbers, whose places differ from net to net.
_EGI_FORMATS = frozenset({"mff", "egi_raw"})
_EGI_ELECTRODE = re.compile(r"E\d{1,3}|VREF|Vertex Reference")


def canonical_in(source_name: str, modality: str) -> str:
    """Return the standard name of a channel whose modality is known.

    Parameters
    ----------
    source_name : str
        As in the file.
    modality : str
        One of `MODALITIES`.

    Returns
    -------
    str

    Raises
    ------
    UnknownChannelError
        If the name is in no table.

    Examples
    --------
    >>> canonical_in("X", "ecg"), canonical_in("T3", "eeg")
    ('Vx', 'T7')
    """
    lead = CODED_LEADS.get(source_name) if modality == "ecg" else None
    return lead or canonical_channel(source_name)


def native_name(source_name: str, modality: str) -> str:
    """Return the name of a channel that is kept whatever it is called.

    Parameters
    ----------
    source_name : str
        As in the file.
    modality : str
        One of `MODALITIES`.

    Returns
    -------
    str
        The standard name; the file's own where it is in no table.

    Examples
    --------
    >>> native_name("T3", "eeg"), native_name("E12", "eeg")
    ('T7', 'E12')
    """
    known = is_known(source_name) or (modality == "ecg" and source_name in CODED_LEADS)
    return canonical_in(source_name, modality) if known else source_name


def modality_in(format: str) -> ModalityOf:
    """Return the function that gives the modality of a channel in a file of a format.

    Parameters
    ----------
    format : str
        Name of its reader.

    Returns
    -------
    callable
        (source name, unit) -> modality: `modality_of`, but that of `CODED_FORMATS` gives ``"ecg"``
        for `CODED_LEADS`, and that of EGI's formats ``"eeg"`` for numbers of electrodes.

    Examples
    --------
    >>> modality_in("ishne")("X", "uV"), modality_in("biopac")("X", "uV")
    ('ecg', 'other')
    >>> modality_in("mff")("E7", "uV"), modality_in("ishne")("X", "mg")
    ('eeg', 'other')
    """
    return own_modality(format) or modality_of


def own_modality(format: str) -> ModalityOf | None:
    """Return the same, or None for a format that says no more than names do.

    Parameters
    ----------
    format : str
        Name of its reader.

    Returns
    -------
    callable or None
    """
    if format in CODED_FORMATS:
        return _coded_modality
    return _egi_modality if format in _EGI_FORMATS else None


def _coded_modality(source_name: str, unit: str = "") -> str:
    if source_name in CODED_LEADS and not is_other_quantity(unit):
        return "ecg"
    return modality_of(source_name, unit)


def _egi_modality(source_name: str, unit: str = "") -> str:
    if _EGI_ELECTRODE.fullmatch(source_name) and not is_other_quantity(unit):
        return "eeg"
    return modality_of(source_name, unit)


def recipe_modality(name: str, unit: str, recipe: Recipe, modality_of: ModalityOf) -> str:
    """Return the modality of a channel under a recipe.

    Parameters
    ----------
    name, unit : str
        As in the file.
    recipe : Recipe
        Its `aliases` and `unknown_channels` are used.
    modality_of : callable
        (source name, unit) -> modality.

    Returns
    -------
    str
        One of `channels.MODALITIES`; "" where the recipe skips the channel.

    Raises
    ------
    UnknownChannelError
        If neither the recipe's aliases nor the tables know the name, and it may not be skipped.
    """
    if name in recipe.aliases:
        # The user's name decides, unless `modality_of` knows the source's name.
        given = modality_of(name, unit)
        return given if given != "other" else modality_of(recipe.aliases[name], unit)
    if is_known(name):
        return modality_of(name, unit)
    given = modality_of(name, unit)
    if given == "ecg" and name in CODED_LEADS:
        return given
    if recipe.unknown_channels == "skip":
        return ""
    if is_beside(unit, recipe.modalities):
        return "other"
    if given != "other" and given not in recipe.modalities:
        return given  # of a known kind, which is not asked for
    raise UnknownChannelError(unknown_text([name]))
