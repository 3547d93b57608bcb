"""Shards described for machines: ``croissant.json``, Croissant 1.0 JSON-LD beside the data."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from physioprep.atomic import write_text
from physioprep.manifest.croissant import CROISSANT_CONTEXT


def write_croissant(folder: Path, attrs: dict[str, Any], counts: dict[str, str]) -> None:
    """Describe a shards folder.

    Parameters
    ----------
    folder : Path
        With ``manifest.parquet`` in it.
    attrs : dict
        Attributes of its root group.
    counts : dict of str to str
        What each modality holds, in words.

    Notes
    -----
    The windows' table is described field by field; the samples, which Croissant has no
    type for, as sets of Zarr chunk files. https://docs.mlcommons.org/croissant
    """
    table = folder / "manifest.parquet"
    description = _description(attrs, counts)
    description["distribution"] = [
        {
            "@type": "cr:FileObject",
            "@id": "windows-table",
            "name": table.name,
            "contentUrl": table.name,
            "encodingFormat": "application/x-parquet",
            "sha256": hashlib.sha256(table.read_bytes()).hexdigest(),
        },
        *(
            {
                "@type": "cr:FileSet",
                "@id": f"{modality}-chunks",
                "name": f"{modality}-chunks",
                "description": f"Zarr v3 array {modality}/signal: {what}",
                "encodingFormat": "application/octet-stream",
                "includes": f"{modality}/signal/c.*",
            }
            for modality, what in counts.items()
        ),
    ]
    description["recordSet"] = [
        {
            "@type": "cr:RecordSet",
            "@id": "windows",
            "name": "windows",
            "description": "One row a window, in the order of the arrays.",
            "field": fields_of(table, "windows"),
        }
    ]
    text = json.dumps(description, indent=1, ensure_ascii=False)
    write_text(folder / "croissant.json", text + "\n")


def _description(attrs: dict[str, Any], counts: dict[str, str]) -> dict[str, Any]:
    corpora = [corpus for store in attrs["stores"] for corpus in store.get("corpora") or ()]
    names = ", ".join(dict.fromkeys(str(corpus["name"]) for corpus in corpora))
    simulated = any(corpus.get("simulated") for corpus in corpora)
    said = {
        "@context": CROISSANT_CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"physioprep shards of {names}",
        "description": f"{attrs['n_windows']} windows of {attrs['spec']['window_s']:g} s: "
        + "; ".join(f"{modality} {what}" for modality, what in counts.items())
        + (". Simulated data." if simulated else "."),
        "license": sorted({str(c["licence"]) for c in corpora if c.get("licence")}),
        "citeAs": " ".join(dict.fromkeys(str(c["citation"]) for c in corpora if c.get("citation"))),
    }
    return {key: value for key, value in said.items() if value}


def fields_of(table: Path, name: str) -> list[dict[str, Any]]:
    """Describe the columns of a table.

    Parameters
    ----------
    table : Path
        Parquet.
    name : str
        Of its rows: ``"windows"``; the file is called ``"windows-table"``.

    Returns
    -------
    list of dict
        Fields of Croissant.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    def kind(type_: pa.DataType) -> str:
        while pa.types.is_list(type_):
            type_ = type_.value_type
        if pa.types.is_integer(type_):
            return "sc:Integer"
        return "sc:Float" if pa.types.is_floating(type_) else "sc:Text"

    def several(type_: pa.DataType) -> dict[str, bool]:
        return {"repeated": True} if pa.types.is_list(type_) else {}

    return [
        {
            "@type": "cr:Field",
            "@id": f"{name}/{field.name}",
            "name": field.name,
            "dataType": kind(field.type),
            **several(field.type),
            "source": {
                "fileObject": {"@id": f"{name}-table"},
                "extract": {"column": field.name},
            },
        }
        for field in pq.read_schema(table)
    ]
