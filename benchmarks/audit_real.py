"""What the audit finds in each folder of real recordings, as it lies there.

python benchmarks/audit_real.py [DATA]  prints the table of docs/audit.md

DATA is a folder of public corpora (default ../shared/data); see docs/audit.md for which.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from physioprep import scan, write_manifest
from physioprep.auditing import Finding, audit
from physioprep.errors import CorpusError

#: Folders that the product knows as a corpus; any other is scanned as a folder of files.
CORPORA = {"ptbxl": "ptb-xl", "mitdb": "mitdb", "cinc2017": "cinc2017", "eegmat": "eegmat"}
#: Folders that share recordings, audited together for the copies among them.
TOGETHER = ("ptbxl/records500", "cinc2021_ptbxl_twins", "cinc2021", "cpsc2018_cinc2020", "ludb",
            "ptbdb")  # fmt: skip


def counted(findings: Sequence[Finding], severities: Sequence[str]) -> str:
    """Return each check with how many records it names; alone where it names none."""
    counts: dict[str, int] = {}
    for finding in findings:
        if finding.severity in severities:
            counts[finding.check] = counts.get(finding.check, 0) + len(finding.records)
    return ", ".join(f"`{c}` {n or ''}".rstrip() for c, n in sorted(counts.items())) or "none"


def main() -> None:
    warnings.simplefilter("ignore")
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    print("| folder | records | errors and warnings (records named) | notes |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.parquet"
        for one in sorted(child for child in data.iterdir() if child.is_dir()):
            try:
                manifest = scan(one, CORPORA.get(one.name, "folder"))
            except CorpusError:
                print(f"| {one.name} | 0 | no recording in it, says the scan | |", flush=True)
                continue
            write_manifest(manifest, path, overwrite=True)
            found = audit([path]).findings
            bad, notes = counted(found, ("error", "warning")), counted(found, ("info",))
            print(f"| {one.name} | {len(manifest)} | {bad} | {notes} |", flush=True)
        tables = []
        for name in TOGETHER:
            rows = scan(data / name, "folder")
            tables.append(rows.assign(corpus=name.partition("/")[0]))
        everything = pd.concat(tables, ignore_index=True)
        write_manifest(everything, path, overwrite=True)
        copies = [f for f in audit([path]).findings if "duplicate" in f.check]
    print(f"\nAll {len(everything)} of {', '.join(TOGETHER)} together, their copies:\n")
    for finding in copies:
        print(f"- `{finding.check}` {', '.join(finding.records)}")


if __name__ == "__main__":
    main()
