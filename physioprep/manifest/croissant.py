"""Describe the table of a manifest for machines, in Croissant 1.0 JSON-LD."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from physioprep.errors import CorpusError
from physioprep.facts import Facts, load_facts
from physioprep.manifest.cells import label_kind
from physioprep.manifest.schema import COLUMNS

if TYPE_CHECKING:
    import pandas as pd


def describe(frame: pd.DataFrame, table: Path) -> dict[str, Any]:
    """Describe a manifest's CSV in Croissant 1.0 (https://docs.mlcommons.org/croissant).

    Parameters
    ----------
    frame : pandas.DataFrame
        The manifest.
    table : Path
        The CSV, already written: its hash is part of the description.

    Returns
    -------
    dict
        JSON-LD.
    """
    types = {"number": "sc:Float", "integer": "sc:Integer", "time": "sc:DateTime"}
    fields = []
    for name in map(str, frame.columns):
        kind = COLUMNS[name][0] if name in COLUMNS else label_kind(name, frame[name])
        about = COLUMNS[name][1] if name in COLUMNS else "label of the recording"
        fields.append(
            {
                "@type": "cr:Field",
                "@id": f"recordings/{name}",
                "name": name,
                "description": about + (" (JSON)" if kind.startswith("list") else ""),
                "dataType": types.get(kind, "sc:Text"),
                "source": {"fileObject": {"@id": "table"}, "extract": {"column": name}},
            }
        )
    notes = frame.attrs.get("notes")
    names = sorted(set(frame["corpus"]))
    corpora = ", ".join(names)
    return {
        "@context": CROISSANT_CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": f"physioprep manifest of {corpora}",
        "description": f"{len(frame)} recordings of {corpora}: what each file holds.",
        **({"comment": notes} if notes else {}),
        **_provenance([facts for facts in map(_known, names) if facts is not None]),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "table",
                "name": table.name,
                "contentUrl": table.name,
                "encodingFormat": "text/csv",
                "sha256": hashlib.sha256(table.read_bytes()).hexdigest(),
            }
        ],
        "recordSet": [
            {"@type": "cr:RecordSet", "@id": "recordings", "name": "recordings", "field": fields}
        ],
    }


def _known(corpus: str) -> Facts | None:
    try:
        return load_facts(corpus)
    except CorpusError:
        return None  # not a corpus that physioprep knows


def _provenance(corpora: list[Facts]) -> dict[str, Any]:
    said: dict[str, Any] = {
        "license": [facts.licence for facts in corpora],
        "citeAs": " ".join(facts.citation for facts in corpora),
        "url": [facts.url for facts in corpora if facts.url],
    }
    return {key: value for key, value in said.items() if value}


# The context that the specification prescribes, word for word.
CROISSANT_CONTEXT: Final[dict[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
