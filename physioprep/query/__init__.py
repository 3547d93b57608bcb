"""Queries on tables, as a user or a recipe states them: read and evaluated without running code.

`parse` turns the text into a tree of the few supported kinds, `evaluate` computes it by columns,
`methods` is the closed list of what may be called. docs/shards.md describes the language.
"""

from physioprep.query.evaluate import query_columns as query_columns
from physioprep.query.evaluate import query_mask as query_mask
