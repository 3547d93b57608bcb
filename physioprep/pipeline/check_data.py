"""Check splits, signals and queries of all steps, as soon as it can be known what data have.

Before the first step corpora and recipes say it; after a scan its manifest does.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from physioprep.errors import PhysioprepError, RecipeError
from physioprep.pipeline.place import Place, Step
from physioprep.suggest import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from physioprep.shards.spec import ShardSpec
    from physioprep.splits import Split

log = logging.getLogger(__name__)
#: Of `EvaluateConfig`: protocols that follow the split of the shards, and the parts they need.
_FROM_SPLIT: Final = ("fixed", "chronological")
_NEEDED: Final = ("train", "test")


@dataclass(frozen=True, eq=False)
class Held:
    """What an output of a step will have.

    Parameters
    ----------
    corpora : frozenset of str
    table : pandas.DataFrame or None
        Of its recordings. None: not scanned yet.
    modalities : frozenset of str or None
        None: any.
    parts : tuple of str or None
        Of the split of shards; () is none. None: not known.
    empty : tuple of str
        Those of them that no recording is in.
    """

    corpora: frozenset[str]
    table: pd.DataFrame | None = None
    modalities: frozenset[str] | None = None
    parts: tuple[str, ...] | None = None
    empty: tuple[str, ...] = ()


def check_data(
    steps: Sequence[Step], place: Place, scanned: Mapping[str, pd.DataFrame] | None = None
) -> None:
    """Refuse a split, a modality or a query that fits nothing which the steps will have.

    Parameters
    ----------
    steps : sequence of Step
        In order; checked by their own options.
    place : Place
        Raw folder, and title for the message.
    scanned : mapping of str to pandas.DataFrame, optional
        Manifests that are there.

    Raises
    ------
    RecipeError
        A step names one.
    """
    held: dict[str, Held] = {}
    said: list[str] = []
    for number, step in enumerate(steps, 1):
        arguments, out = step.arguments, str(step.arguments.get("out"))
        try:
            if step.verb == "scan":
                table = (scanned or {}).get(out)
                held[out] = Held(frozenset([arguments["corpus"]]), table)
            elif step.verb == "ingest" and arguments["manifest"] in held:
                manifest = held[arguments["manifest"]]
                held[out] = _of_store(manifest, arguments["recipe"], arguments.get("where"))
            elif step.verb == "shard":
                of = [held[name] for name in arguments["stores"] if name in held]
                if len(of) == len(arguments["stores"]):
                    held[out] = _of_shards(step, place, of, said)
            elif arguments.get("shards") in held:
                _check_training(step, held[arguments["shards"]])
        except PhysioprepError as error:
            raise RecipeError(f"{place.title}: step {number}, {step.verb}: {error}") from error
    for line in said:  # no later step needs that part
        log.warning("%s", line)


def spec_of(arguments: Mapping[str, Any]) -> ShardSpec:
    """Return what a step `shard` cuts.

    Parameters
    ----------
    arguments : mapping
        Of the step.

    Returns
    -------
    ShardSpec

    Raises
    ------
    PhysioprepError
        A value is not allowed.
    """
    from physioprep.pipeline.data_steps import region_of
    from physioprep.shards.spec import ShardSpec

    options = {
        name: value for name, value in arguments.items() if name not in ("stores", "out", "root")
    }
    options["regions"] = [region_of(region) for region in options.get("regions") or ()] or None
    return ShardSpec.of(**options)


def _of_store(manifest: Held, recipe: str | Mapping[str, Any], where: str | None) -> Held:
    from physioprep.harmonise.recipe import Recipe, load_recipe
    from physioprep.store.build.chosen import chosen_rows

    if where is not None and manifest.table is not None:
        manifest = replace(manifest, table=chosen_rows(manifest.table, where))
    made = load_recipe(recipe) if isinstance(recipe, str) else Recipe.from_dict(recipe)
    modalities = None if made.native else frozenset(made.modalities)
    return Held(manifest.corpora, manifest.table, modalities)


def _of_shards(step: Step, place: Place, stores: Sequence[Held], said: list[str]) -> Held:
    """Check a step `shard`, and return what its shards will have; note what is worth saying."""
    import pandas as pd

    from physioprep.shards import listed_split
    from physioprep.shards.named_split import find_splits

    corpora = frozenset[str]().union(*(store.corpora for store in stores))
    known = [store.modalities for store in stores if store.modalities is not None]
    modalities = frozenset[str]().union(*known) if len(known) == len(stores) else None
    root = place.raw / str(step.arguments.get("root", "."))
    spec = spec_of(step.arguments)
    split = listed_split(spec.split, sorted(corpora), root)
    for option in ("modalities", "max_abs", "min_std"):
        _check_modalities(option, tuple(getattr(spec, option) or ()), modalities)
    tables = [store.table for store in stores if store.table is not None]
    vacant: list[set[str]] = []
    if len(tables) == len(stores):
        _check_queries(spec, tables)
        for corpus, rules in find_splits(sorted(corpora), split).items():
            own = [table[table["corpus"] == corpus] for table in tables]
            vacant.append(set(_empty(rules, pd.concat(own, ignore_index=True), said)))
    parts = _parts(split, corpora, tables if len(tables) == len(stores) else None)
    chosen = frozenset(spec.modalities) if spec.modalities else modalities
    empty = sorted(set.intersection(*vacant)) if vacant else ()
    return Held(corpora, None, chosen, parts, tuple(empty))


def _empty(split: Split, records: pd.DataFrame, said: list[str]) -> list[str]:
    """Apply the rules on records: a wrong one is an error; return and note the empty parts."""
    from physioprep.splits import assign
    from physioprep.splits.match import match_part

    if not split.per_window:
        found = assign(split, records)
        empty = [name for code, name in enumerate(found.names) if not (found.part == code).any()]
        if empty:
            said.append(f"split {split.name}: no recording is in part {', '.join(empty)}")
        return empty
    for part, rules in split.parts.items():
        try:
            match_part(records, rules)
        except PhysioprepError as error:
            raise RecipeError(f"split {split.name!r}: part {part!r}: {error}") from None
    return []


def _parts(
    split: Any, corpora: frozenset[str], tables: Sequence[pd.DataFrame] | None
) -> tuple[str, ...] | None:
    """Return the parts of a split; without one, those of the records' own, once they are known."""
    from physioprep.shards.named_split import find_splits
    from physioprep.shards.split_choice import choice_parts, form_of

    form = form_of(split)
    if form == "none":
        if tables is None:
            return None
        own = [table["split"].dropna() for table in tables if "split" in table]
        return tuple(dict.fromkeys(str(name) for column in own for name in column))
    if form == "fractions":
        return tuple(split)
    if form in ("rules", "name"):
        found = find_splits(sorted(corpora), split).values()
        return tuple(dict.fromkeys(part for each in found for part in each.parts))
    return choice_parts(split)


def _check_queries(spec: ShardSpec, tables: Sequence[pd.DataFrame]) -> None:
    """Refuse a query that names a column which neither records nor annotations have."""
    from physioprep.query import query_mask
    from physioprep.recording import ANNOTATION_COLUMNS

    columns = {str(name) for table in tables for name in table.columns if name != "root"}
    for query in [spec.where, *(query for query, _, _ in spec.regions or ())]:
        if query is not None:
            _check_columns(f"query {query!r} on the records", _named(query), columns)
            if len(tables) == 1:  # of several, one may lack a column
                query_mask(tables[0], query, "records")
    for query in spec.annotation_queries:
        noted = columns | set(ANNOTATION_COLUMNS)
        _check_columns(f"query {query!r} on the annotations", _named(query), noted)
    _check_columns("stratify", set(spec.stratify), columns)


def _named(query: str) -> set[str]:
    from physioprep.query import query_columns

    return query_columns(query, "records")


def _check_columns(where: str, named: set[str], columns: set[str]) -> None:
    for name in sorted(named - columns):
        hint = did_you_mean(name, sorted(columns)) or f" (columns: {', '.join(sorted(columns))})"
        raise RecipeError(f"{where}: no column {name!r}{hint}")


def _check_modalities(option: str, named: Sequence[str], there: frozenset[str] | None) -> None:
    for name in named:
        if there is not None and name not in there:
            hint = did_you_mean(name, sorted(there)) or f"; there are {', '.join(sorted(there))}"
            raise RecipeError(f"{option}: no modality {name!r}{hint}")


def _check_training(step: Step, shards: Held) -> None:
    """Check the signals and the protocol of a step that reads shards."""
    for option, names in _modalities(step):
        _check_modalities(option, names, shards.modalities)
    if step.verb != "evaluate" or shards.parts is None:
        return
    from physiomodels.config import EvaluateConfig, load_config

    own = load_config(EvaluateConfig, step.arguments["config"]).protocol
    for protocol in step.arguments.get("protocols") or [own]:
        lack = [part for part in _NEEDED if part not in shards.parts]
        if protocol in _FROM_SPLIT and lack:
            held = f"the split {', '.join(shards.parts)}" if shards.parts else "no split"
            raise RecipeError(
                f"protocol {protocol!r} needs the parts train and test; "
                f"{step.arguments['shards']} has {held}"
            )
        vacant = [part for part in _NEEDED if part in shards.empty]
        if protocol in _FROM_SPLIT and vacant:
            raise RecipeError(
                f"protocol {protocol!r} needs the parts train and test, and no recording at hand "
                f"is in part {', '.join(vacant)}; `--until shard` still gives the windows"
            )


def _modalities(step: Step) -> Iterator[tuple[str, Sequence[str]]]:
    arguments = step.arguments
    if step.verb == "evaluate":
        from physiomodels.config import EvaluateConfig, load_config

        yield "modalities", load_config(EvaluateConfig, arguments["config"]).modalities
    elif step.verb == "finetune":
        yield "encoders", list(arguments["encoders"])
    elif step.verb in ("pretrain", "reconstruct") and "modality" in arguments:
        yield "modality", [arguments["modality"]]
