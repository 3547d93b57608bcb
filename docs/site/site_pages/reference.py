"""The generated pages of the reference, by their path in the documentation."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from physiomodels import config as configs
from physiomodels.augment import AugmentConfig
from physiomodels.leads.config import LeadsConfig
from physiomodels.model.alignment import AlignConfig
from physiomodels.model.masking import DualMask
from physioprep.auditing.advice import ADVICE
from physioprep.corpora.docs_page import corpora_page
from physioprep.facts import Facts
from physioprep.facts_parts import ChannelRole, Fault, Label, Version
from physioprep.harmonise.modality_recipe import ModalityRecipe
from physioprep.harmonise.recipe import Recipe
from physioprep.pipeline.recipe import Pipeline
from physioprep.pipeline.steps import STEPS
from physioprep.pipeline.task import Need, Task
from physioprep.readers.formats import list_formats
from physioprep.splits.rule import Split
from site_pages.api import api_pages
from site_pages.cells import cell, code, table
from site_pages.keys import Key, key_table, keys_of_class, keys_of_step
from site_pages.verbs import verbs_page

ROOT: Final = Path(__file__).resolve().parents[3]
CONFIGS: Final[tuple[type, ...]] = (
    configs.PretrainConfig, configs.EncoderConfig, DualMask, AlignConfig,
    configs.CheckConfig, configs.FinetuneConfig, AugmentConfig, configs.EvaluateConfig,
    configs.CalibrationConfig, configs.Published, LeadsConfig,
)  # fmt: skip
_NONE: Final = "`None` in a text is `null` in YAML. Units are those of the numbers in the file."


def pages() -> dict[str, str]:
    """Make all pages.

    Returns
    -------
    dict
        Markdown by path in the documentation.
    """
    return {
        "reference/verbs.md": verbs_page(),
        "reference/recipes.md": recipes_page(),
        "reference/pipelines.md": pipelines_page(),
        "reference/tasks.md": tasks_page(),
        "reference/configs.md": configs_page(),
        "reference/facts.md": facts_page(),
        "reference/checks.md": checks_page(),
        "reference/formats.md": formats_page(),
        "corpora.md": corpora_page(),
        **api_pages(),
    }


def recipes_page() -> str:
    """Return the page of recipes: their keys, and those that are shipped.

    Returns
    -------
    str
        Markdown.
    """
    lines = [
        "# Keys of recipes",
        "",
        "A recipe says how signals are harmonised: `physioprep ingest … --recipe",
        "NAME`, or a YAML file",
        "of your own. With `base: NAME` of a shipped recipe, keys that are absent keep its values.",
        _NONE,
        *_classes((Recipe, ModalityRecipe)),
        "## Shipped recipes",
        "",
        *_files(sorted((ROOT / "physioprep" / "harmonise" / "recipes").glob("*.yaml"))),
    ]
    return "\n".join(lines) + "\n"


def pipelines_page() -> str:
    """Return the page of pipelines: their keys, and those of each step.

    Returns
    -------
    str
        Markdown.
    """
    lines = [
        "# Keys of pipelines",
        "",
        "A pipeline is a whole job, from raw files to a report: `physioprep run FILE",
        "--raw DIR --out DIR`.",
        "Each item of `steps` is one of the steps below with its arguments. Paths are",
        "relative to the",
        "output folder, `root` to the raw folder.",
        *_classes((Pipeline,)),
    ]
    for name, step in STEPS.items():
        lines += [f"## Step {name}", "", cell((inspect.getdoc(step) or "").split("\n\n")[0])]
        lines += key_table(keys_of_step(step), _anchors(CONFIGS, "configs.md"))
    lines += ["## Shipped pipelines", "", *_files(sorted((ROOT / "pipelines").glob("*.yaml")))]
    return "\n".join(lines) + "\n"


def tasks_page() -> str:
    """Return the page of the keys of published tasks.

    Returns
    -------
    str
        Markdown.
    """
    lines = [
        "# Keys of tasks",
        "",
        "The key `task` of a pipeline says which published task its steps rebuild. The",
        "tasks themselves",
        "are on the page [Published tasks](../tasks.md).",
        *_classes((Task, Need), without=("name",)),
    ]
    return "\n".join(lines) + "\n"


def configs_page() -> str:
    """Return the page of the configurations of training and evaluation.

    Returns
    -------
    str
        Markdown.
    """
    shipped = sorted((ROOT / "models" / "physiomodels" / "configs").glob("*.yaml"))
    lines = [
        "# Keys of configurations",
        "",
        "`pretrain` takes the keys of PretrainConfig, `finetune` those of",
        "FinetuneConfig, `evaluate` those",
        "of EvaluateConfig and `reconstruct-leads` those of LeadsConfig: `--config",
        "FILE.yaml`. What is left",
        "out keeps its default.",
        _NONE,
        *_classes(CONFIGS),
        "## Shipped configurations of evaluate",
        "",
        *_files(shipped),
    ]
    return "\n".join(lines) + "\n"


def facts_page() -> str:
    """Return the page of the keys of `manifests/*.yaml`.

    Returns
    -------
    str
        Markdown.
    """
    lines = [
        "# Keys of a corpus's facts",
        "",
        "What is known of a corpus stands in `manifests/NAME.yaml`: these are its",
        "keys. The corpora",
        "themselves are on the page [Corpora](../corpora.md).",
        *_classes((Facts, Version, Label, Fault, Split, ChannelRole)),
    ]
    return "\n".join(lines) + "\n"


def checks_page() -> str:
    """Return the page of the audit's checks.

    Returns
    -------
    str
        Markdown.
    """
    severities = _severities()
    lines = [
        "# Checks of the audit",
        "",
        "What `physioprep audit` looks for. How well each check finds planted faults,",
        "and how often it",
        "is wrong, is on the page [The audit](../audit.md).",
    ]
    for name, (meaning, action) in sorted(ADVICE.items()):
        # a section each, so that a search for its name finds it
        lines += ["", f"## {name}", "", f"{cell(meaning)} **Severity:** {cell(severities[name])}."]
        lines += ["", f"**What to do:** {cell(action)}"]
    return "\n".join(lines) + "\n"


def formats_page() -> str:
    """Return the page of the file formats.

    Returns
    -------
    str
        Markdown.
    """
    rows = (
        (
            cell(each.title),
            cell(each.files),
            code(each.reader),
            code(each.library) or "our own",
            code(f"pip install 'physioprep[{each.extra}]'") if each.extra else "",
        )
        for each in list_formats()
    )
    lines = [
        "# File formats",
        "",
        "Files that are read as they are. `physioprep formats` prints this list, and",
        "what is missing on",
        "this machine. How each is read, and what is refused, is on the page",
        "[Readers](../readers.md).",
        *table(("format", "files", "reader", "library", "to install"), rows),
    ]
    return "\n".join(lines) + "\n"


def _classes(kinds: Iterable[type], without: Iterable[str] = ()) -> Iterator[str]:
    """Return a section with a table of keys for each dataclass."""
    kinds = tuple(kinds)
    for kind in kinds:
        yield from ("", f"## {kind.__name__}", "")
        yield cell((inspect.getdoc(kind) or "").split("\n\n")[0])
        keys: list[Key] = [one for one in keys_of_class(kind) if one.name not in without]
        yield from key_table(keys, _anchors(kinds, ""))


def _anchors(kinds: Iterable[type], page: str) -> dict[str, str]:
    return {kind.__name__: f"{page}#{kind.__name__.lower()}" for kind in kinds}


def _files(paths: Iterable[Path]) -> Iterator[str]:
    for path in paths:
        yield from (f"### {path.stem}", "", "```yaml", path.read_text("utf-8").rstrip(), "```", "")


def _severities() -> dict[str, str]:
    """Return the severity of each check, which only docs/audit.md says in words."""
    page = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
    rows: Any = re.findall(r"^\| `([a-z-]+)` \| ([^|]+) \|", page, re.MULTILINE)
    return dict(rows)
