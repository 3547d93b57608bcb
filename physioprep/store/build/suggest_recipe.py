"""Suggest recipes that take the signals which another one does not ask for."""

from __future__ import annotations

from collections.abc import Collection


def fitting_recipes(modalities: Collection[str]) -> list[str]:
    """Return the shipped recipes all of whose modalities a recording has.

    Parameters
    ----------
    modalities : collection of str
        Of the recording.

    Returns
    -------
    list of str
        Sorted; ``native``, which takes all, where there is no other.

    Examples
    --------
    >>> fitting_recipes(["eeg"]), fitting_recipes(["gsr"])
    (['eeg-200hz'], ['native'])
    """
    from physioprep.harmonise import load_recipe
    from physioprep.harmonise.recipe import list_recipes

    recipes = [load_recipe(name) for name in list_recipes()]
    fitting = [
        recipe.name
        for recipe in recipes
        if not recipe.native and set(recipe.modalities) <= set(modalities)
    ]
    return fitting or ["native"]


def with_suggestion(reason: str, modalities: Collection[str]) -> str:
    """Return why a recipe excludes a recording, and which recipes would take it.

    Parameters
    ----------
    reason : str
        Of `physioprep.store.build.expect.Refused`, with all names of channels.
    modalities : collection of str
        Of the recording.

    Returns
    -------
    str

    Examples
    --------
    >>> with_suggestion("no ecg channel for recipe r among: Cz, Pz", ["eeg"])
    'no ecg channel for recipe r; its signals are eeg: --recipe eeg-200hz takes them'
    """
    names = list(dict.fromkeys(modalities))
    which = " or ".join(fitting_recipes(names))
    return (
        f"{reason.partition(' among: ')[0]}; its signals are {' and '.join(names) or 'none'}: "
        f"--recipe {which} takes them"
    )
