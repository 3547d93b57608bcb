"""Check the labels that steps name, as soon as it can be known what a corpus has.

Before the first step the facts of the corpora say it; after a scan its manifest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from physioprep.errors import PhysioprepError, RecipeError
from physioprep.pipeline.place import Place, Step
from physioprep.suggest import did_you_mean

Labels = frozenset[str] | None
#: Corpora whose recordings and tables may have any label.
_ANY: Final = ("folder", "bids")


def check_labels(
    steps: Sequence[Step], place: Place, scanned: Mapping[str, Collection[str]] | None = None
) -> None:
    """Refuse a label that nothing will have.

    Parameters
    ----------
    steps : sequence of Step
        In order.
    place : Place
        For its title.
    scanned : mapping of str to collection of str, optional
        Labels of manifests that are there, with their ``label_``. Others have those of the facts
        of their corpus.

    Raises
    ------
    RecipeError
        A step names one.
    """
    held: dict[str, Labels] = {name: frozenset(labels) for name, labels in (scanned or {}).items()}
    for number, step in enumerate(steps, 1):
        arguments, out = step.arguments, str(step.arguments.get("out"))
        if step.verb == "scan":
            held.setdefault(out, _of_corpus(arguments))
        elif step.verb == "ingest":
            held[out] = held.get(arguments["manifest"])
        source = _source(step, held)
        if step.verb == "shard":
            held[out] = _of_shards(arguments, source)
        if source is None:
            continue
        for option, name in _named(step):
            if not _has(source, name):
                there = ", ".join(sorted(source)) or "none"
                hint = did_you_mean(name, source) or f"; there are {there}"
                raise RecipeError(
                    f"{place.title}: step {number}, {step.verb}: {option}: no label {name}{hint}"
                )


def _source(step: Step, held: Mapping[str, Labels]) -> Labels:
    """Return the labels of what a step reads; None where they are not known."""
    if step.verb == "shard":
        parts = [held.get(store) for store in step.arguments["stores"]]
        known = [part for part in parts if part is not None]
        return frozenset().union(*known) if len(known) == len(parts) else None
    if step.verb in ("finetune", "evaluate"):
        return held.get(step.arguments["shards"])
    return None


def _of_corpus(arguments: Mapping[str, Any]) -> Labels:
    """Return the labels that the facts of a corpus state, and those that a scan adds."""
    from physioprep.facts import load_facts

    corpus = arguments["corpus"]
    if corpus in _ANY or arguments.get("join") or arguments.get("labels"):
        return None
    names = [label.name for label in load_facts(corpus).labels]
    high = [f"{name}_high" for name in arguments.get("high") or {}]
    return frozenset(f"label_{name}" for name in (*names, *high))


def _of_shards(arguments: Mapping[str, Any], source: Labels) -> Labels:
    made = {f"label_{name}" for name in arguments.get("annotation_labels") or ()}
    asked = arguments.get("labels")
    if asked is not None:
        return frozenset(made.union(map(_full, [asked] if isinstance(asked, str) else asked)))
    texts = set(map(_full, arguments.get("texts") or ()))
    return None if source is None else (source - texts) | made


def _named(step: Step) -> Iterator[tuple[str, str]]:
    """Yield the labels that a step names, and in which option."""
    arguments = step.arguments
    if step.verb == "shard":
        for option in ("labels", "texts"):
            given = arguments.get(option) or ()
            for name in [given] if isinstance(given, str) else given:
                if _full(str(name)) not in ("label_age", "label_sex"):
                    yield option, _full(str(name))
    elif step.verb == "finetune":
        yield "label", _full(arguments["label"])
    elif step.verb == "evaluate":
        from physiomodels.config import EvaluateConfig, load_config

        given = arguments.get("labels")
        if given:
            yield from (("labels", _full(str(name))) for name in given)
            return
        try:
            yield "label", _full(load_config(EvaluateConfig, arguments["config"]).label)
        except PhysioprepError:  # said by its own check
            return


def _full(name: str) -> str:
    return name if name.startswith("label_") else f"label_{name}"


def _has(labels: frozenset[str], name: str) -> bool:
    """Return whether a label is there, or another version of one (``label_rhythm_v1``)."""
    return name in labels or any(name.startswith(f"{known}_") for known in labels)
