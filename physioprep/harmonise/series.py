"""Several series of the same leads in one recording: the longest is harmonised.

An exercise ECG holds strips of ten seconds beside the full disclosure of the same leads; they would
be the leads ``I`` and ``I (2)`` of one recording.
"""

from __future__ import annotations

from collections.abc import Sequence

from physioprep.harmonise.timeline import Timeline, timeline_length


def of_one_series(
    groups: Sequence[Timeline], inputs: Sequence[tuple[int, int, str]]
) -> list[tuple[int, int, str]]:
    """Leave out groups whose leads another, longer group has, too.

    Parameters
    ----------
    groups : sequence of Timeline
        Signal groups of the recording.
    inputs : sequence of (int, int, str)
        Group, channel in it, and canonical name, of one modality.

    Returns
    -------
    list of (int, int, str)
        Those that stay, in order. A group of one channel always stays: two sensors may have one
        name. Of groups of one length the first stays.
    """
    names: dict[int, set[str]] = {}
    for g, _, name in inputs:
        names.setdefault(g, set()).add(name)
    if len(names) < 2 or any(groups[g].n_samples < 0 for g in names):
        return list(inputs)
    rank = {g: (timeline_length(groups[g]) / groups[g].sampling_rate, -g) for g in names}
    less = {
        g
        for g, own in names.items()
        if len(own) > 1 and any(own <= names[h] and rank[h] > rank[g] for h in names)
    }
    return [each for each in inputs if each[0] not in less]


def unique_names(names: Sequence[str]) -> list[str]:
    """Return the names, repeated ones numbered.

    Parameters
    ----------
    names : sequence of str

    Returns
    -------
    list of str

    Examples
    --------
    >>> unique_names(["T8-P8", "Cz", "T8-P8"])
    ['T8-P8', 'Cz', 'T8-P8 (2)']
    """
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result
