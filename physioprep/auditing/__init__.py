"""What is wrong with a corpus: checks of manifests, stores and shards, in one report.

Each check is a function on plain tables and measured numbers, in a module of its own; `audit`
opens the inputs, reads every signal once, and runs them. docs/audit.md lists them.
"""

from __future__ import annotations

from physioprep.auditing.findings import AuditReport, Comparison, Finding
from physioprep.auditing.report.write import (
    refuse_existing,
    refuse_input,
    write_html,
    write_json,
    write_kept,
    write_quality,
)
from physioprep.auditing.run import audit

__all__ = [
    "AuditReport", "Comparison", "Finding", "audit", "refuse_existing", "refuse_input",
    "write_html", "write_json", "write_kept", "write_quality",
]  # fmt: skip
