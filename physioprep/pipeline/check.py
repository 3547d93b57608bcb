"""Check all steps of a recipe before the first one runs: names, options, and what they read.

A run may take hours; what can be known to fail at its last step is said before its first.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from physioprep.errors import PhysioprepError, RecipeError
from physioprep.local_path import local_path
from physioprep.pipeline.check_data import check_data, spec_of
from physioprep.pipeline.check_labels import check_labels
from physioprep.pipeline.place import Place, Step
from physioprep.run_notes import names_made
from physioprep.suggest import did_you_mean

Arguments = Mapping[str, Any]


def check_arguments(step: Callable[..., Any], arguments: Arguments) -> None:
    """Check the names of a step's arguments.

    Parameters
    ----------
    step : callable
        One of `physioprep.pipeline.steps.STEPS`.
    arguments : mapping
        As the recipe has them.

    Raises
    ------
    RecipeError
        One is unknown, or one that is needed is missing.
    """
    parameters = inspect.signature(step).parameters
    named = [name for name, p in parameters.items() if p.kind is p.KEYWORD_ONLY]
    if not any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        check_names(arguments, named)
    for name in named:
        if parameters[name].default is inspect.Parameter.empty and name not in arguments:
            raise RecipeError(f"{name} is missing")


def check_types(step: Callable[..., Any], arguments: Arguments, where: str) -> None:
    """Check the types of a step's arguments: paths are text, several are a list of text.

    Those of a configuration are checked where it is made.

    Parameters
    ----------
    step : callable
        One of `physioprep.pipeline.steps.STEPS`.
    arguments : mapping
        As the recipe has them.
    where : str
        For the message.

    Raises
    ------
    RecipeError
        One is of another type, or has a NUL character, which no path may have.
    """
    for name, hint in get_type_hints(step).items():
        if name not in arguments or name in ("place", "return"):
            continue
        if not _is_of(arguments[name], hint):
            raise RecipeError(f"{where}: {name}: {arguments[name]!r}: must be {_words(hint)}")


def _is_of(value: Any, hint: Any) -> bool:
    """Return whether a value of a recipe is of a type; of the few that steps name."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin in (Union, UnionType):
        return any(_is_of(value, one) for one in inner)
    if origin is Sequence:
        return isinstance(value, list | tuple) and all(_is_of(each, inner[0]) for each in value)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(
            _is_of(key, inner[0]) and _is_of(each, inner[1]) for key, each in value.items()
        )
    if hint is str:
        return isinstance(value, str) and "\0" not in value
    return isinstance(value, hint)


def _words(hint: Any) -> str:
    """Return the name of a type, for the message."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(_words(one) for one in inner if one is not NoneType)
    if origin is Sequence:
        return "a list of texts"
    if origin is Mapping:
        return "a mapping" if inner[1] is Any else "a mapping of texts"
    return {str: "text", int: "a number"}.get(hint, str(hint))


def check_names(given: Iterator[str] | Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuse names that are not known.

    Parameters
    ----------
    given : mapping or iterator of str
        As the recipe has them.
    known : sequence of str
        All that may be there.

    Raises
    ------
    RecipeError
        One is unknown; the message has the nearest known one.
    """
    for name in map(str, given):
        if name not in known:
            hint = did_you_mean(name, known) or f" (known: {', '.join(known)})"
            raise RecipeError(f"unknown key `{name}`{hint}")


def check_steps(steps: Sequence[Step], place: Place) -> None:
    """Check what can be known of all steps before the first one runs.

    Parameters
    ----------
    steps : sequence of Step
        In order.
    place : Place
        Raw folder and output folder.

    Raises
    ------
    RecipeError
        A step names a corpus, recipe, configuration or option that does not exist, reads what
        no step before it makes and what is not there, or makes what another step makes.
    """
    if not steps:
        raise RecipeError(f"{place.title}: `steps` is empty: a pipeline has at least one step")
    made: list[str] = []
    for number, step in enumerate(steps, 1):
        where = f"{place.title}: step {number}, {step.verb}"
        try:
            for option, name in _inputs(step.verb, step.arguments):
                _check_input(option, name, made, place.out)
            check = _CHECKS.get(step.verb)
            if check is not None:
                check(step.arguments, place)
            for name in names_made(step.verb, str(step.arguments.get("out"))):
                if step.verb != "view" and name in made:
                    raise RecipeError(f"out: {name} is made by a step before it")
                made.append(name)
        except PhysioprepError as error:
            raise RecipeError(f"{where}: {error}") from error
    check_labels(steps, place)
    check_data(steps, place)


def check_records(steps: Sequence[Step], manifest: str, place: Place) -> None:
    """Check the records that later steps draw, and the labels, as soon as a manifest is there.

    Parameters
    ----------
    steps : sequence of Step
        In order.
    manifest : str
        Output of a scan.
    place : Place
        Raw folder and output folder.

    Raises
    ------
    RecipeError
        A record or a label is not in the manifest.
    """
    from physioprep.manifest import label_columns, read_manifest

    table = read_manifest(place.out / manifest)
    check_labels(steps, place, {manifest: label_columns(table)})
    check_data(steps, place, {manifest: table})
    stores = {
        step.arguments["out"]
        for step in steps
        if step.verb == "ingest" and step.arguments["manifest"] == manifest
    }
    wanted = [
        (number, step.arguments["records"])
        for number, step in enumerate(steps, 1)
        if step.verb == "view" and step.arguments["store"] in stores
    ]
    if not wanted:
        return
    ids = table["record_id"].astype(str)
    known = [*ids, *(table["corpus"].astype(str) + "/" + ids)]
    for number, records in wanted:
        for record in [] if isinstance(records, int) else records:
            if record not in known:
                hint = did_you_mean(record, known)
                raise RecipeError(
                    f"{place.title}: step {number}, view: no record {record!r} in the raw data"
                    f"{hint} (`records: 2` draws any two)"
                )


def _inputs(verb: str, arguments: Arguments) -> Iterator[tuple[str, str]]:
    """Yield what a step reads of the output folder: the option, and the name there."""
    for option in (
        "manifest",
        "paths",
        "stores",
        "store",
        "shards",
        "pretrain_shards",
        "calibration_shards",
        "features",
        "encoder",
    ):
        given = arguments.get(option)
        names = [given] if isinstance(given, str) else given or ()
        if isinstance(names, Mapping):  # of pretrain, its sizes
            continue
        yield from ((option, str(name)) for name in names)
    for option in ("encoders", "weights"):
        given = arguments.get(option)
        if isinstance(given, Mapping):
            yield from ((f"{option}.{key}", str(name)) for key, name in given.items())


def _check_input(option: str, name: str, made: Sequence[str], out: Path) -> None:
    local_path(name, RecipeError)
    if any(name == each or name.startswith(f"{each}/") for each in made):
        return
    if (out / name).resolve().exists():  # ".." of a folder that is not made yet
        return
    raise RecipeError(
        f"{option}: no step before makes {name}{did_you_mean(name, made)}, and there is no "
        f"{out / name}"
    )


def _check_scan(arguments: Arguments, place: Place) -> None:
    from physioprep.corpora.people import people_of
    from physioprep.corpora.vendor_labels import VENDOR, read_rules
    from physioprep.facts import load_facts
    from physioprep.pipeline.data_steps import high_rule

    load_facts(arguments["corpus"])
    folder = place.raw / local_path(arguments.get("root", "."), RecipeError)
    if not folder.is_dir():
        raise RecipeError(f"root: {folder}: no such folder of raw data")
    table = arguments.get("join")
    if table is not None and not (place.raw / local_path(table, RecipeError)).exists():
        raise RecipeError(f"join: {place.raw / table}: no such table in the raw data")
    labels = arguments.get("labels")
    if labels is not None:
        is_file = labels != VENDOR
        read_rules(place.raw / local_path(labels, RecipeError) if is_file else labels)
    people_of(arguments.get("pseudonym_key"), shift_dates=False)
    for name, rule in (arguments.get("high") or {}).items():
        high_rule(name, rule)


def _check_ingest(arguments: Arguments, place: Place) -> None:
    from physioprep.corpora.reading import ON_CHECKSUM
    from physioprep.harmonise.recipe import Recipe, load_recipe
    from physioprep.query import query_columns

    recipe = arguments["recipe"]
    load_recipe(recipe) if isinstance(recipe, str) else Recipe.from_dict(recipe)
    chosen = arguments.get("on_checksum")
    if chosen is not None and chosen not in ON_CHECKSUM:
        hint = did_you_mean(chosen, ON_CHECKSUM)
        raise RecipeError(f"on_checksum: {chosen!r}: {' or '.join(ON_CHECKSUM)}{hint}")
    if arguments.get("where") is not None:
        query_columns(arguments["where"], "manifest")


def _check_shard(arguments: Arguments, place: Place) -> None:
    from physioprep.query import query_columns
    from physioprep.shards import ShardFields

    local_path(arguments.get("root", "."), RecipeError)
    own = [name for name in arguments if name not in ("stores", "out", "root")]
    check_names(iter(own), [*sorted(ShardFields.__annotations__), "root"])
    spec = spec_of(arguments)
    regions = [query for query, _, _ in spec.regions or ()]
    for what, queries in (
        ("records", [spec.where, *regions]),
        ("annotations", list(spec.annotation_queries)),
    ):
        for query in queries:
            if query is not None:
                query_columns(query, what)


def _check_derive(arguments: Arguments, place: Place) -> None:
    from physioprep.deriving.delineation import method_named
    from physioprep.deriving.own_method import is_own
    from physioprep.deriving.tables import KINDS

    for kind in arguments.get("kinds") or ():
        if kind not in KINDS:
            raise RecipeError(f"kinds: no kind {kind!r}{did_you_mean(kind, KINDS)}")
    method = arguments.get("method", "prominence")
    if is_own(method):
        raise RecipeError(
            f"method: {method!r}: a recipe names no code to import; use the verb derive"
        )
    method_named(method)


def _check_audit(arguments: Arguments, place: Place) -> None:
    out = str(arguments["out"])
    if out.lower().endswith(".html"):
        name = f"{out[: -len('.html')]}.json"
        raise RecipeError(
            f"out: {out}: the findings are JSON; write {name}, and {out} is beside it"
        )


def _check_view(arguments: Arguments, place: Place) -> None:
    records = arguments["records"]
    if isinstance(records, int) and not isinstance(records, bool) and records > 0:
        return
    if isinstance(records, list) and records and all(isinstance(each, str) for each in records):
        return
    raise RecipeError(f"records: {records!r}: a number of records, or a list of record ids")


def _config(kind: str, without: Sequence[str]) -> Callable[[Arguments, Place], None]:
    def check(arguments: Arguments, place: Place) -> None:
        from physiomodels import config

        fields = {name: value for name, value in arguments.items() if name not in without}
        config.load_config(getattr(config, kind), fields)

    return check


def _check_evaluate(arguments: Arguments, place: Place) -> None:
    from physiomodels.config import EvaluateConfig, load_config
    from physiomodels.evaluation.protocol import PROTOCOLS
    from physiomodels.metrics.choice import METRICS

    config = load_config(EvaluateConfig, arguments["config"])
    known = sorted({name for names in METRICS.values() for name in names})
    for name in config.metrics:  # which of them fit, the kind of label decides
        if name not in known:
            raise RecipeError(f"metrics: no metric {name!r}{did_you_mean(name, known)}")
    for name in arguments.get("protocols") or ():
        if name not in PROTOCOLS:
            raise RecipeError(f"protocols: no protocol {name!r}{did_you_mean(name, PROTOCOLS)}")


def _check_reconstruct(arguments: Arguments, place: Place) -> None:
    from dataclasses import fields

    from physiomodels.config import load_config
    from physiomodels.model.masking import DualMask

    check_names(arguments["mask"], [field.name for field in fields(DualMask)])
    load_config(DualMask, arguments["mask"])


_CHECKS: Mapping[str, Callable[[Arguments, Place], None]] = {
    "scan": _check_scan,
    "ingest": _check_ingest,
    "shard": _check_shard,
    "audit": _check_audit,
    "derive": _check_derive,
    "view": _check_view,
    "pretrain": _config("PretrainConfig", ("shards", "out", "where")),
    "finetune": _config("FinetuneConfig", ("shards", "out", "label", "encoders", "where")),
    "evaluate": _check_evaluate,
    "reconstruct": _check_reconstruct,
}
