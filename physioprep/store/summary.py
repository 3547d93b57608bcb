"""What a notebook shows of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from physioprep.errors import PhysioprepError
from physioprep.notebook import facts_html, sparkline

if TYPE_CHECKING:
    from physioprep.store.records import StoredRecords

#: Seconds of the first record that the picture shows.
_SHOWN_S = 10.0
_MAX_CHANNELS = 12


def store_html(store: StoredRecords) -> str:
    """Return a store's facts as HTML, with a small picture of its first record.

    Parameters
    ----------
    store : Store

    Returns
    -------
    str
        HTML; without the picture where the first record cannot be read.
    """
    facts: dict[str, Any] = {
        "records": len(store),
        "corpora": ", ".join(sorted(set(store.records["corpus"]))),
        "recipe": store.attrs["recipe"]["name"],
    }
    for modality in store.modalities:
        names = store.channels(modality)
        more = f" and {len(names) - _MAX_CHANNELS} more" if len(names) > _MAX_CHANNELS else ""
        lasts_h = store.table(modality, "length").sum() / store.rate_hz(modality) / 3600
        facts[modality] = (
            f"{store.rate_hz(modality):g} Hz, {lasts_h:.2f} h, {len(names)} channels: "
            f"{', '.join(names[:_MAX_CHANNELS])}{more}"
        )
    return facts_html(f"Store {store.path}", facts, _picture(store))


def _picture(store: StoredRecords) -> str:
    if not len(store):
        return ""
    try:
        first = store.records.iloc[0]
        name = f"{first['corpus']}/{first['record_id']}"
        record = store.record(name, stop_s=_SHOWN_S)
        modality = next(iter(record.data_vars))
        return sparkline(record[modality].to_numpy()[0], f"{name}, {_SHOWN_S:g} s")
    except PhysioprepError:
        return ""
