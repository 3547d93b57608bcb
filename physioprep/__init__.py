"""From raw ECG and EEG corpora to training batches, exactly.

The names of ``__all__`` are the public surface (docs/python.md). They load on first use, so that
``import physioprep`` takes little time and never imports torch.

Examples
--------
>>> import physioprep as pp
>>> pp.Recipe.__module__
'physioprep.harmonise.recipe'
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from physioprep.auditing.findings import AuditReport as AuditReport
    from physioprep.auditing.findings import Finding as Finding
    from physioprep.auditing.run import audit as audit
    from physioprep.corpora.fetch import FetchResult as FetchResult
    from physioprep.corpora.fetch import fetch as fetch
    from physioprep.corpora.scan import scan as scan
    from physioprep.deriving.paper.spec import PictureSpec as PictureSpec
    from physioprep.deriving.run import DeriveResult as DeriveResult
    from physioprep.deriving.run import derive as derive
    from physioprep.describe import info as info
    from physioprep.errors import ChecksumError as ChecksumError
    from physioprep.errors import CorpusError as CorpusError
    from physioprep.errors import ManifestError as ManifestError
    from physioprep.errors import ModelError as ModelError
    from physioprep.errors import PhysioprepError as PhysioprepError
    from physioprep.errors import QueryError as QueryError
    from physioprep.errors import RecipeError as RecipeError
    from physioprep.errors import ShardError as ShardError
    from physioprep.errors import StoreError as StoreError
    from physioprep.errors import UnreadableFileError as UnreadableFileError
    from physioprep.harmonise.recipe import Recipe as Recipe
    from physioprep.hub.pull import PullResult as PullResult
    from physioprep.hub.pull import pull as pull
    from physioprep.hub.push import PushResult as PushResult
    from physioprep.hub.push import push as push
    from physioprep.manifest import read_manifest as read_manifest
    from physioprep.manifest import write_manifest as write_manifest
    from physioprep.pipeline.run import StepResult as StepResult
    from physioprep.pipeline.run import run as run
    from physioprep.readers import read_header as read_header
    from physioprep.readers import read_recording as read_recording
    from physioprep.recording import Header as Header
    from physioprep.recording import Recording as Recording
    from physioprep.recording import SignalGroup as SignalGroup
    from physioprep.shard_exports.run import ExportResult as ExportResult
    from physioprep.shard_exports.run import export as export
    from physioprep.shards.annotation_label import AnnotationLabel as AnnotationLabel
    from physioprep.shards.open import open_shards as open_shards
    from physioprep.shards.opened import Shards as Shards
    from physioprep.shards.result import ShardResult as ShardResult
    from physioprep.shards.run import shard as shard
    from physioprep.shards.spec import ShardSpec as ShardSpec
    from physioprep.simulation import simulate as simulate
    from physioprep.store.build.arrays import from_arrays as from_arrays
    from physioprep.store.build.result import IngestResult as IngestResult
    from physioprep.store.build.run import ingest as ingest
    from physioprep.store.open import open_store as open_store
    from physioprep.store.read import Store as Store
    from physioprep.store.verify import VerifyResult as VerifyResult
    from physioprep.stream.dataset import ShardDataset as ShardDataset
    from physioprep.stream.stream import ShardStream as ShardStream
    from physioprep.stream.window_stream import WindowStream as WindowStream
    from physioprep.verifying import verify as verify
    from physioprep.versions import __version__ as __version__
    from physioprep.viewing.view import view as view
else:
    _HOME = {
        "AnnotationLabel": "physioprep.shards.annotation_label",
        "AuditReport": "physioprep.auditing.findings",
        "ChecksumError": "physioprep.errors",
        "CorpusError": "physioprep.errors",
        "DeriveResult": "physioprep.deriving.run",
        "ExportResult": "physioprep.shard_exports.run",
        "FetchResult": "physioprep.corpora.fetch",
        "Finding": "physioprep.auditing.findings",
        "Header": "physioprep.recording",
        "IngestResult": "physioprep.store.build.result",
        "ManifestError": "physioprep.errors",
        "ModelError": "physioprep.errors",
        "PhysioprepError": "physioprep.errors",
        "PullResult": "physioprep.hub.pull",
        "PushResult": "physioprep.hub.push",
        "QueryError": "physioprep.errors",
        "Recipe": "physioprep.harmonise.recipe",
        "RecipeError": "physioprep.errors",
        "Recording": "physioprep.recording",
        "ShardDataset": "physioprep.stream.dataset",
        "ShardError": "physioprep.errors",
        "ShardResult": "physioprep.shards.result",
        "ShardSpec": "physioprep.shards.spec",
        "ShardStream": "physioprep.stream.stream",
        "Shards": "physioprep.shards.opened",
        "SignalGroup": "physioprep.recording",
        "StepResult": "physioprep.pipeline.run",
        "Store": "physioprep.store.read",
        "StoreError": "physioprep.errors",
        "UnreadableFileError": "physioprep.errors",
        "VerifyResult": "physioprep.store.verify",
        "WindowStream": "physioprep.stream.window_stream",
        "__version__": "physioprep.versions",
        "audit": "physioprep.auditing.run",
        "derive": "physioprep.deriving.run",
        "PictureSpec": "physioprep.deriving.paper.spec",
        "export": "physioprep.shard_exports.run",
        "fetch": "physioprep.corpora.fetch",
        "from_arrays": "physioprep.store.build.arrays",
        "info": "physioprep.describe",
        "ingest": "physioprep.store.build.run",
        "open_shards": "physioprep.shards.open",
        "open_store": "physioprep.store.open",
        "pull": "physioprep.hub.pull",
        "push": "physioprep.hub.push",
        "read_header": "physioprep.readers",
        "read_manifest": "physioprep.manifest",
        "read_recording": "physioprep.readers",
        "run": "physioprep.pipeline.run",
        "scan": "physioprep.corpora.scan",
        "shard": "physioprep.shards.run",
        "simulate": "physioprep.simulation",
        "verify": "physioprep.verifying",
        "view": "physioprep.viewing.view",
        "write_manifest": "physioprep.manifest",
    }

    def __getattr__(name: str) -> object:
        """Load a public name from its module."""
        if name not in _HOME:
            raise AttributeError(f"module 'physioprep' has no attribute {name!r}")
        from importlib import import_module

        from physioprep.errors import TRAIN, WITHOUT_TRAIN

        try:
            module = import_module(_HOME[name])
        except ModuleNotFoundError as error:
            if error.name in TRAIN:
                raise ModuleNotFoundError(f"{name}: {WITHOUT_TRAIN}", name=error.name) from None
            raise
        value = globals()[name] = getattr(module, name)
        return value


__all__ = [
    "AnnotationLabel",
    "AuditReport",
    "ChecksumError",
    "CorpusError",
    "DeriveResult",
    "ExportResult",
    "FetchResult",
    "Finding",
    "Header",
    "IngestResult",
    "ManifestError",
    "ModelError",
    "PhysioprepError",
    "PictureSpec",
    "PullResult",
    "PushResult",
    "QueryError",
    "Recipe",
    "RecipeError",
    "Recording",
    "ShardDataset",
    "ShardError",
    "ShardResult",
    "ShardSpec",
    "ShardStream",
    "Shards",
    "SignalGroup",
    "StepResult",
    "Store",
    "StoreError",
    "UnreadableFileError",
    "VerifyResult",
    "WindowStream",
    "__version__",
    "audit",
    "derive",
    "export",
    "fetch",
    "from_arrays",
    "info",
    "ingest",
    "open_shards",
    "open_store",
    "pull",
    "push",
    "read_header",
    "read_manifest",
    "read_recording",
    "run",
    "scan",
    "shard",
    "simulate",
    "verify",
    "view",
    "write_manifest",
]


def __dir__() -> list[str]:
    """List the public names, too."""
    return sorted({*globals(), *__all__})
