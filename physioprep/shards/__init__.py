"""Fixed windows out of stores: chosen, shuffled once, written in whole chunks.

`shard` makes a folder, `open_shards` reads it.
"""

from physioprep.shards.open import Shards, open_shards
from physioprep.shards.run import ShardResult, shard
from physioprep.shards.spec import PRESETS, AnnotationLabel, ShardSpec

__all__ = [
    "PRESETS",
    "AnnotationLabel",
    "ShardResult",
    "ShardSpec",
    "Shards",
    "open_shards",
    "shard",
]
