"""Croissant and a table of the records, for a store in a repository of the hub."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

from physioprep.hub.contents import Contents
from physioprep.hub_address import CROISSANT, RECORDS_TABLE
from physioprep.manifest.croissant import CROISSANT_CONTEXT
from physioprep.shards.croissant import fields_of
from physioprep.store import Store, open_store

_CHUNKS: Final = "c/**"


def write_beside(contents: Contents, folder: Path) -> dict[str, Path]:
    """Write what a repository has beside a store: its records as a table, and its Croissant.

    Parameters
    ----------
    contents : Contents
        Shards have both among their own files; a model has neither.
    folder : Path
        Where to write.

    Returns
    -------
    dict of str to Path
        Name in the repository to the file written.
    """
    if contents.kind != "store":
        return {}
    store = open_store(contents.path)
    table = folder / RECORDS_TABLE
    store.records.to_parquet(table, index=False)
    description = describe_store(contents, store, table)
    croissant = folder / CROISSANT
    croissant.write_text(json.dumps(description, indent=1, ensure_ascii=False) + "\n")
    return {RECORDS_TABLE: table, CROISSANT: croissant}


def describe_store(contents: Contents, store: Store, table: Path) -> dict[str, Any]:
    """Describe a store in Croissant 1.0 (https://docs.mlcommons.org/croissant).

    Parameters
    ----------
    contents : Contents
    store : Store
        The same.
    table : Path
        Its records as Parquet.

    Returns
    -------
    dict
        JSON-LD. The records are described field by field; the samples, which Croissant has no
        type for, as sets of Zarr chunk files.
    """
    names = ", ".join(dict.fromkeys(each.name for each in contents.corpora))
    said = {
        "@context": CROISSANT_CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"physioprep store of {names}",
        "description": f"{len(store)} records of {names}: {modality_words(store)}.",
        "license": sorted({each.licence for each in contents.corpora if each.licence}),
        "citeAs": " ".join(dict.fromkeys(e.citation for e in contents.corpora if e.citation)),
        "url": sorted({each.url for each in contents.corpora if each.url}),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "records-table",
                "name": table.name,
                "contentUrl": table.name,
                "encodingFormat": "application/x-parquet",
                "sha256": hashlib.sha256(table.read_bytes()).hexdigest(),
            },
            *(
                {
                    "@type": "cr:FileSet",
                    "@id": f"{name}-chunks",
                    "name": f"{name}-chunks",
                    "description": f"Zarr v3 array {name}/signal (channel, sample)",
                    "encodingFormat": "application/octet-stream",
                    "includes": f"{name}/signal/{_CHUNKS}",
                }
                for name in store.modalities
            ),
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "records",
                "name": "records",
                "description": "One row a record, in the order of the arrays.",
                "field": fields_of(table, "records"),
            }
        ],
    }
    return {key: value for key, value in said.items() if value}


def modality_words(store: Store) -> str:
    """Return what a store holds of each modality, in words.

    Parameters
    ----------
    store : Store

    Returns
    -------
    str
        ``"ecg (I, II; 200 Hz)"``.
    """
    parts = []
    for name in store.modalities:
        channels = store.channels(name)
        shown = ", ".join(channels[:12]) + (", …" if len(channels) > 12 else "")
        parts.append(f"{name} ({shown}; {store.rate_hz(name):g} Hz)")
    return "; ".join(parts)
