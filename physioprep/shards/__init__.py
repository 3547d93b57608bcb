"""Windows of fixed length out of stores: chosen, shuffled once, written in whole chunks.

`shard` makes a folder, `open_shards` reads it.
"""

from physioprep.shards.annotation_label import AnnotationLabel
from physioprep.shards.fields import ShardFields
from physioprep.shards.named_split import listed_split
from physioprep.shards.open import open_shards
from physioprep.shards.opened import Shards
from physioprep.shards.presets import PRESETS
from physioprep.shards.result import ShardResult
from physioprep.shards.run import shard
from physioprep.shards.spec import ShardSpec
from physioprep.shards.target import Target

__all__ = [
    "PRESETS",
    "AnnotationLabel",
    "ShardFields",
    "ShardResult",
    "ShardSpec",
    "Shards",
    "Target",
    "listed_split",
    "open_shards",
    "shard",
]
