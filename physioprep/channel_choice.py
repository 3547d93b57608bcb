"""Channels chosen by name: of shards when they are cut, of a stream when it is opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from physioprep.errors import ShardError
from physioprep.suggest import did_you_mean

#: Stands for the modality where none is named.
ANY: Final = ""
#: Names of channels, for the modality that has them; or by modality.
Channels = str | Sequence[str] | Mapping[str, Sequence[str] | str]


def channels_of(given: Channels | None) -> dict[str, tuple[str, ...]]:
    """Return the channels that are asked for, by modality.

    Parameters
    ----------
    given : str, sequence of str, mapping or None
        Names, as ``["II", "V1"]`` or ``"II,V1"``; or by modality, as
        ``{"ecg": ["II", "V1"]}`` or ``["ecg=II,V1", "eeg=Cz"]``.

    Returns
    -------
    dict of str to tuple of str
        Under `ANY` those without a modality, in the order of the names.

    Raises
    ------
    ShardError
        A name is none, or given twice.

    Examples
    --------
    >>> channels_of(["ecg=II,V1", "eeg=Cz"]), channels_of("II, V1")
    ({'ecg': ('II', 'V1'), 'eeg': ('Cz',)}, {'': ('II', 'V1')})
    """
    if given is None:
        return {}
    pairs: list[tuple[object, object]] = []
    if isinstance(given, Mapping):
        pairs += given.items()
    else:
        for text in [given] if isinstance(given, str) else given:
            name, equals, names_of = str(text).rpartition("=")
            pairs.append((name.strip() if equals else ANY, names_of))
    found: dict[str, tuple[str, ...]] = {}
    for modality, names in pairs:
        held = names.split(",") if isinstance(names, str) else names
        if not isinstance(held, list | tuple) or not all(isinstance(each, str) for each in held):
            raise ShardError(f"channels: {names!r} is no list of names")
        own = (*found.get(str(modality), ()), *(each.strip() for each in held))
        if not own or not all(own) or len(set(own)) < len(own):
            raise ShardError(f"channels: {', '.join(own) or 'none'}: each name once, and no other")
        found[str(modality)] = own
    return found


def narrow(
    asked: Mapping[str, Sequence[str]], held: Mapping[str, Sequence[str]], where: str
) -> dict[str, tuple[str, ...]]:
    """Return the channels of every modality, with those that are asked for in their order.

    Parameters
    ----------
    asked : mapping of str to sequence of str
        From `channels_of`; a modality that it does not name keeps all of its channels.
    held : mapping of str to sequence of str
        The channels of each modality that is there.
    where : str
        What holds them, for messages.

    Returns
    -------
    dict of str to tuple of str

    Raises
    ------
    ShardError
        There is no such modality or channel; the message lists what is there.

    Examples
    --------
    >>> narrow({"": ("II", "I")}, {"ecg": ("I", "II", "V1"), "eeg": ("Cz",)}, "shards")
    {'ecg': ('II', 'I'), 'eeg': ('Cz',)}
    """
    out = {name: tuple(channels) for name, channels in held.items()}
    for modality, names in asked.items():
        name = modality if modality != ANY else modality_with(names, held, where)
        if name not in held:
            raise ShardError(f"{where}: no modality {name!r}, only {', '.join(held)}")
        check_names(names, {name: held[name]}, where)
        out[name] = tuple(names)
    return out


def modality_with(names: Sequence[str], held: Mapping[str, Sequence[str]], where: str) -> str:
    """Return the one modality that has some channels.

    Parameters
    ----------
    names : sequence of str
        Of the channels.
    held : mapping of str to sequence of str
        The channels of each modality.
    where : str
        What holds them, for messages.

    Returns
    -------
    str

    Raises
    ------
    ShardError
        None has all of them, or several have.
    """
    fitting = [name for name, channels in held.items() if set(names) <= set(channels)]
    if len(fitting) > 1:
        raise ShardError(
            f"{where}: {', '.join(names)} in {' and '.join(fitting)}: say which, "
            f"as {fitting[0]}={','.join(names)}"
        )
    if not fitting:
        check_names(names, held, where)
        raise ShardError(f"{where}: {', '.join(names)} are not of one modality")
    return fitting[0]


def check_names(names: Sequence[str], held: Mapping[str, Sequence[str]], where: str) -> None:
    """Refuse a channel that no modality has.

    Parameters
    ----------
    names : sequence of str
        Of the channels.
    held : mapping of str to sequence of str
        The channels of each modality.
    where : str
        What holds them, for messages.

    Raises
    ------
    ShardError
        The message lists what is there.
    """
    known = [channel for channels in held.values() for channel in channels]
    unknown = [name for name in names if name not in known]
    if unknown:
        there = "; ".join(f"{name}: {', '.join(channels)}" for name, channels in held.items())
        hint = did_you_mean(unknown[0], known)
        raise ShardError(f"{where}: no channel {', '.join(unknown)}{hint}; it has {there}")
