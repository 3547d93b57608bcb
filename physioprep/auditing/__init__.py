"""Find what is wrong with a corpus: checks of manifests, stores and shards, in one report.

Each check is a function of plain tables and measured numbers; docs/audit.md lists them. `audit`
opens the inputs, reads every signal once, runs the checks and returns an `AuditReport`: data
only. `write_json`, `write_html`, `write_quality` and `write_kept` write it to files.
"""

from __future__ import annotations

from physioprep.auditing.act import check_ids
from physioprep.auditing.findings import AuditReport, Comparison, Finding
from physioprep.auditing.report.quality_table import QUALITY
from physioprep.auditing.report.write import (
    describe_kept,
    refuse_existing,
    refuse_foreign,
    refuse_input,
    refuse_same,
    write_html,
    write_json,
    write_kept,
    write_quality,
)
from physioprep.auditing.run import audit

__all__ = [
    "QUALITY", "AuditReport", "Comparison", "Finding", "audit", "check_ids",
    "describe_kept", "refuse_existing", "refuse_foreign", "refuse_input", "refuse_same",
    "write_html", "write_json", "write_kept", "write_quality",
]  # fmt: skip
