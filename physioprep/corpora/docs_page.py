"""The page of all corpora, docs/corpora.md, made of their facts.

``python -m physioprep.corpora.docs_page docs/corpora.md`` writes it; a test compares.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from physioprep.facts import Facts, Fault, Label, Split, Version, list_corpora, load_facts

_HEAD = """\
# Corpora

Made from `manifests/*.yaml` by `python -m physioprep.corpora.docs_page docs/corpora.md`. Do not
edit.

`physioprep scan DIR --corpus NAME` reads each of these. `physioprep fetch NAME -o DIR` downloads
those whose access is *open* and that are on PhysioNet; for the others it states what to apply for.
Counts that were not checked are left blank. A known fault is **fixed** where a recipe
harmonises (never in a `native` store), **flagged**, or marked to be **dropped**; what was done to a
recording is in its manifest row (`faults`, `flags`: `fix:gain-4880`, `drop:flat-record`). Where
only the samples show a fault, the table names the check of `physioprep audit` that finds it.

A store keeps what is marked to be dropped, so that the audit can prove the fault; training sets
leave it out with one option:

    physioprep shard ptbxl.zarr -o ptbxl.shards \\
        --where "not flags.str.join(' ').str.contains('drop:')"
"""
_SIMULATED = "SIMULATED, no patient's data"


def corpora_page() -> str:
    """Return the page as Markdown.

    Returns
    -------
    str
        One section per corpus.

    Examples
    --------
    >>> corpora_page().splitlines()[0]
    '# Corpora'
    """
    corpora = [load_facts(name) for name in list_corpora()]
    lines = [_HEAD, *_overview(corpora)]
    for facts in corpora:
        lines += ["", *_section(facts)]
    return "\n".join(lines) + "\n"


def _overview(corpora: list[Facts]) -> Iterator[str]:
    yield "| corpus | signals | format | rate (Hz) | recordings | subjects | licence | access |"
    yield "|---|---|---|---|---:|---:|---|---|"
    for facts in corpora:
        newest = facts.versions[-1] if facts.versions else Version("")
        cells = (
            f"[{facts.name}](#{facts.name})" + (f" ({_SIMULATED})" if facts.simulated else ""),
            ", ".join(facts.modalities),
            facts.format,
            ", ".join(f"{rate:g}" for rate in facts.sampling_rates),
            _count(newest.records),
            _count(newest.subjects),
            facts.licence,
            facts.access,
        )
        yield "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _section(facts: Facts) -> Iterator[str]:
    yield f"## {facts.name}"
    yield ""
    yield f"**{facts.title}.** {facts.summary}"
    yield ""
    source = f"<{facts.url}>" if facts.url else ""
    doi = f"[{facts.doi}](https://doi.org/{facts.doi})" if facts.doi else ""
    obtain = f"{facts.access}. {facts.obtain}" if facts.obtain else facts.access
    for name, said in (
        ("source", ", ".join(filter(None, (source, doi)))),
        ("licence", facts.licence),
        ("access", obtain),
        ("cite", facts.citation),
        ("files", facts.layout),
        ("format", facts.format),
        ("leads", facts.leads),
        ("subjects", facts.subjects),
        ("folds", facts.folds),
        ("annotations", facts.annotations),
        ("reference annotators", ", ".join(facts.annotators)),
    ):
        if said:
            yield f"- {name}: {said}"
    for version in facts.versions:
        yield f"- version {version.version}: {_version(version)}"
    if facts.labels:
        yield from ("", "| label | meaning | coding | values |", "|---|---|---|---|")
        yield from map(_label, facts.labels)
    if facts.splits:
        yield from ("", "| `--split` | what | parts | citation |", "|---|---|---|---|")
        yield from map(_split, facts.splits)
    if facts.faults:
        yield from ("", "| known fault | what | how it shows | records | done |")
        yield "|---|---|---|---|---|"
        yield from map(_fault, facts.faults)


def _version(version: Version) -> str:
    parts = [
        f"{_count(version.records)} recordings" if version.records is not None else "",
        f"{_count(version.subjects)} subjects" if version.subjects is not None else "",
        f"{version.hours:g} h" if version.hours is not None else "",
        f"{version.bytes / 1e9:.1f} GB" if version.bytes is not None else "",
        "checksums known" if version.sha256sums else "",
    ]
    for label, counts in version.labels.items():
        said = ", ".join(f"{value} {_count(count)}" for value, count in counts.items())
        parts.append(f"{label}: {said}")
    return "; ".join(filter(None, parts)) or "counts not checked"


def _label(label: Label) -> str:
    held = dict(label.values) | {name: " ".join(codes) for name, codes in label.codes.items()}
    values = "; ".join(f"`{code}` {said}" for code, said in held.items())
    what = f"{label.what} ({label.unit})" if label.unit else label.what
    coding = "text, no class" if label.text else ""
    cells = (f"`label_{label.name}`", what, label.coding or coding, values)
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _fault(fault: Fault) -> str:
    shown = fault.records[:12]
    more = len(fault.records) - len(shown)
    records = ", ".join(f"`{name}`" for name in shown) + (f" and {more} more" if more else "")
    what = fault.what + (f" ({fault.citation})" if fault.citation else "")
    cells = (f"`{fault.id}`", what, fault.detected, records, fault.action)
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _split(split: Split) -> str:
    parts = "; ".join(f"{part}: {_rules(rules)}" for part, rules in split.parts.items())
    cells = (f"`{split.name}`", split.what, parts, split.citation)
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _rules(rules: Mapping[str, Any]) -> str:
    """Return the rules of a part of a split in words."""
    said = []
    for name, value in rules.items():
        if isinstance(value, tuple):
            said.append(f"{name} {_listed(value)}")
        elif name in ("column", "exactly"):
            said += [f"`{column}` {_listed(values)}" for column, values in value.items()]
        elif name == "order":
            first, stop = ("" if end is None else f"{end:g}" for end in value["take"])
            within = "".join(f", within `{column}`" for column in value.get("within", ()))
            said.append(f"sorted `{value['of']}` [{first}:{stop}]{within}")
        elif name == "csv":
            said.append(f"`{value['column']}` of {value['file']} {_listed(value['values'])}")
        else:
            said.append("the rest" if name == "rest" else f"{name} `{value}`")
    return ", ".join(said)


def _listed(values: Iterable[Any]) -> str:
    return " ".join(map(str, values)).replace("*", "\\*")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _count(number: int | None) -> str:
    return "" if number is None else f"{number:,}"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(corpora_page(), encoding="utf-8")
