"""The manifest: one row per recording, as Parquet (exact types), CSV or Croissant JSON-LD.

Unknown is null, never 0 or an empty text. The content of a recording is in parallel lists,
with one element per (modality, sampling rate) signal group; see `COLUMNS` and `groups_of`.
"""

from physioprep.manifest.conform import conform
from physioprep.manifest.files import check_manifest_output, read_manifest, write_manifest
from physioprep.manifest.schema import (
    COLUMNS,
    GROUP_COLUMNS,
    SCHEMA_VERSION,
    SignalInfo,
    groups_of,
    label_columns,
    make_manifest,
    natural_key,
    validate,
)

__all__ = [
    "COLUMNS",
    "GROUP_COLUMNS",
    "SCHEMA_VERSION",
    "SignalInfo",
    "check_manifest_output",
    "conform",
    "groups_of",
    "label_columns",
    "make_manifest",
    "natural_key",
    "read_manifest",
    "validate",
    "write_manifest",
]
