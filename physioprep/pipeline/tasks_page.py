"""The page of all tasks, docs/tasks.md, made of their recipes and of what runs of them gave.

``python -m physioprep.pipeline.tasks_page docs/tasks.md`` writes it; a test compares.
``benchmarks/tasks.py`` makes ``docs/figures/tasks.json``, which holds what runs gave.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from physioprep.pipeline.task import ALL, TOTAL, Task
from physioprep.pipeline.task_list import list_tasks, load_task

_HEAD = """\
# Published tasks

Made from `pipelines/tasks/*.yaml` by `python -m physioprep.pipeline.tasks_page docs/tasks.md`. Do
not edit.

`physioprep tasks --raw DIR` lists them and says which raw files are missing on this disk: in the
folder of DIR named as the corpus where it has files of each kind, else in all of DIR; `run` looks
in the same. One command rebuilds a task from its raw files, trains and scores:

    physioprep run tasks/mental-arithmetic --raw PATH/TO/eegmat --out build/mental-arithmetic

With `--until shard` it stops at the windows; `--weights eeg=FOLDER` scores a pretrained encoder
beside random weights and features. A copy of the corpus from which no recording is in the part to
train or to test on cannot be scored: the run ends after its scan, with exit code 2, and
`--until shard` gives the windows, those of the empty part as 0.

It ends with `task.json`: windows per part and class beside the published ones, what explains a
difference (absent files, records in quarantine, windows left out), whether the split leaks, and
the scores. Windows and scores are those of the raw files and options of this run; what the folder
holds of an earlier one is named under `outdated`. A count that was not published, or that we could
not look up, is left blank. *Ours* is what the files at hand gave, which are rarely all
(`cd benchmarks && python tasks.py`); SIMULATED means that small generated
files of the corpus's structure stood in for it, so that the number says nothing about the corpus.

Where the structure of a whole corpus is public in enough detail, its recordings were laid out on
paper and planned by the task's own step (`tests/tasks/test_published_counts.py`). That gives the
published counts, of all parts and classes that are known, for faced (10,332), seed-vig (20,355),
bcic2020-3 (6,000) and seed-v (117,744); for mental-arithmetic 1,705, the published 1,707 without
two that hold padding; and for bciciv-2a 5,184, which are the published 5,088 and the two runs that
the script had skipped. SHU-MI's structure allows
12,500 trials and PhysioNet-MI's (15 a run) 9,810; which of them are published, 11,988 and 9,837,
only the files say, as with the lengths of ISRUC, CHB-MIT, Mumtaz2016, TUEV and TUAB.
"""


def tasks_page(tried: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page as Markdown.

    Parameters
    ----------
    tried : mapping of str to mapping
        By task: ``windows``, ``verdict``, ``lines`` and ``on`` of its last run.

    Returns
    -------
    str

    Examples
    --------
    >>> tasks_page({}).splitlines()[0]
    '# Published tasks'
    """
    tasks = {name: load_task(name) for name in list_tasks()}
    lines = [_HEAD]
    lines += ["| task | corpus | windows, published | ours | split | leaks | tested on |"]
    lines += ["|---|---|---:|---:|---|---|---|"]
    for name, (_, task) in tasks.items():
        found = tried.get(name, {})
        cells = (
            f"[{name}](#{name})",
            f"[{task.corpus}](corpora.md#{task.corpus})",
            _count(task.published),
            _count(found.get("windows")),
            task.split or "none of its own",
            str(found.get("verdict", "")),
            str(found.get("on", "not tried")),
        )
        lines.append("| " + " | ".join(cells) + " |")
    for name, (title, task) in tasks.items():
        lines += ["", *_section(name, title, task, tried.get(name, {}))]
    return "\n".join(lines) + "\n"


def _section(name: str, title: str, task: Task, found: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {name}"
    yield ""
    yield f"**{title}.** {task.citation}"
    yield ""
    source = f"<{task.source}>" if task.source else ""
    facts = task.facts
    split = "" if task.split is None else facts.split(task.split).what
    for what, said in (
        ("definition", source),
        ("licence", facts.licence),
        ("access", facts.access),
        ("raw files", "; ".join(f"`{need.names}` ({need.what})" for need in task.needs)),
        ("label", f"`{task.label}`" + (f": {', '.join(task.classes)}" if task.classes else "")),
        ("split", f"{task.split}: {split}" if split else ""),
        ("leaks", "; ".join(found.get("lines", ()))),
        ("metrics", ", ".join(task.metrics)),
        (f"published {task.counted}", _published(task)),
    ):
        if said:
            yield f"- {what}: {said}"
    for note in task.notes:
        yield f"- {note}"


def _published(task: Task) -> str:
    parts = []
    for part, counts in (task.windows or {}).items():
        known = {name: count for name, count in counts.items() if count is not None}
        said = ", ".join(
            f"{_count(count)}" if name == TOTAL else f"{name} {_count(count)}"
            for name, count in known.items()
        )
        if said:
            parts.append(said if part == ALL else f"{part}: {said}")
    return "; ".join(parts) + (f" ({task.windows_from})" if parts and task.windows_from else "")


def _count(number: object) -> str:
    return f"{number:,}" if isinstance(number, int) else ""


if __name__ == "__main__":
    page = Path(sys.argv[1])
    figures = page.parent / "figures" / "tasks.json"
    page.write_text(tasks_page(json.loads(figures.read_text(encoding="utf-8"))), encoding="utf-8")
