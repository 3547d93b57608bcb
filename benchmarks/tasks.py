"""Run every shipped task as far as its shards, and write docs/figures/tasks.json.

From the real recordings of ``../shared/data`` where they are, else from the small simulated files
of the tests, which have the corpus's structure and say nothing about its counts.
Then: ``python -m physioprep.pipeline.tasks_page docs/tasks.md``.
"""

from __future__ import annotations

import json
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from physioprep.pipeline.run import run
from physioprep.pipeline.task import ALL, TOTAL
from physioprep.pipeline.task_list import list_tasks

ROOT = Path(__file__).parents[1]
#: Folder of the real recordings of a task, and what it holds.
REAL = {
    "mental-arithmetic": ("eegmat", "25 of 36 subjects of eegmat"),
    "physionet-mi": ("eegmmidb_more", "runs 4 and 6 of 5 of 109 subjects of eegmmidb"),
    "mitdb-inter-patient": ("mitdb", "4 of 48 records of mitdb"),
    "ludb": ("ludb", "12 of 200 ECGs of ludb"),
    "cinc2017": ("cinc2017", "1,060 of 8,528 recordings of cinc2017"),
    "cinc2021": ("cinc2021", "13 of 88,253 recordings of cinc2021"),
    **dict.fromkeys(
        [f"ptbxl-{name}" for name in ("all", "diag", "sub", "super", "form", "rhythm")],
        ("ptbxl", "60 of 21,799 ECGs of ptb-xl at 100 Hz"),
    ),
}


def try_task(name: str, data: Path, work: Path) -> dict[str, Any]:
    """Run one task to its shards; return what the page says of it."""
    folder, on = REAL.get(name, ("", ""))
    raw = data / folder
    if not folder or not raw.is_dir():
        raw, on = work / "raw", "SIMULATED files"
        raw.mkdir()
        import_module(f"tests.tasks.raw_{name.replace('-', '_')}").make(raw)
    run(f"tasks/{name}", raw, work / "out", until="shard")
    content = json.loads((work / "out/task.json").read_text())
    total = next(r["ours"] for r in content["windows"] if (r["part"], r["class"]) == (ALL, TOTAL))
    split = content["split"]
    lines = split["lines"] if split["name"] else []
    return {"windows": total, "verdict": split["verdict"], "lines": lines, "on": on}


def main() -> None:
    sys.path.insert(0, str(ROOT))
    target, data = ROOT / "docs/figures/tasks.json", ROOT.parent / "shared/data"
    found = json.loads(target.read_text()) if target.is_file() else {}
    for name in sys.argv[1:] or list_tasks():
        with tempfile.TemporaryDirectory() as work:
            found[name] = try_task(name, data, Path(work))
        print(name, found[name])
    known = {name: found[name] for name in list_tasks() if name in found}
    target.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
