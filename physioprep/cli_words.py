"""Say errors in the words of the command line, and refuse numbers that no option means.

Functions name their parameters; whoever typed a command knows its options. The options of the
verb that runs say how one becomes the other, so that no message is written twice.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import typer
from typer.core import TyperCommand

from physioprep import console
from physioprep.atomic import OF_THE_DISK
from physioprep.errors import PhysioprepError
from physioprep.local_path import local_path

_Function = TypeVar("_Function", bound=Callable[..., Any])
#: Parameters whose option is spelt otherwise, beyond units and plurals.
_ALIASES: Final = {
    "n_windows": "windows",
    "modalities": "modality",
    "per_record": "max_per_record",
    "label_shares": "label_share",
    "window_s": "window",
    "stride_s": "stride",
    "before_s": "before",
    "trim_s": "trim",
    "start_s": "start",
    "duration_s": "duration",
    "at_s": "at",
    "all_records": "records",
}
#: A hyphen that no line is broken at.
_HYPHEN: Final = "\u2011"
#: Options that stand before or behind any verb.
_HEARD: Final = {
    "verbose": (("-v", "--verbose"), "Log what is done."),
    "quiet": (("-q", "--quiet"), "Errors only: no bars, notes or warnings."),
}
#: A hint for Python, in brackets: "(annotators=[...])", "(in Python overwrite=True)".
_FOR_PYTHON: Final = re.compile(
    r"(?:; in Python [a-z_]+=[^\s()]+)|(?: \((?:in Python )?[a-z_]+=[^()]*\))"
)
#: A name as functions have them, alone or with a value: not within a path, an address or quotes.
_NAME: Final = re.compile(
    r"(?<![\w./\\'\"`:-])([a-z]+(?:_[a-z]+)*)(?:(=)(?:'([^']*)'|\"([^\"]*)\"|([\w.+-]+))?)?(?![\w./\\-]*[\w/\\])"
)


class Verb(TyperCommand):
    """A verb: numbers that are none (nan, inf), and addresses for paths, are refused first.

    ``-v`` and ``-q`` may follow the verb as well as stand before it.
    """

    def get_help(self, ctx: Any) -> str:
        """Return the help; a line may not end within --an-option.

        Parameters
        ----------
        ctx : Context
            Of Typer.

        Returns
        -------
        str
        """
        formatter = ctx.make_formatter()
        lists, texts = formatter.write_dl, formatter.write_text

        def write_dl(rows: Iterable[tuple[str, str]], *more: Any, **settings: Any) -> None:
            lists([(name, text.replace("-", _HYPHEN)) for name, text in rows], *more, **settings)

        def write_text(text: str) -> None:
            texts(text.replace("-", _HYPHEN))

        formatter.write_dl, formatter.write_text = write_dl, write_text
        self.format_help(ctx, formatter)
        return str(formatter.getvalue()).rstrip("\n").replace(_HYPHEN, "-")

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Hear ``-v`` and ``-q`` wherever they stand, and read all other arguments.

        Parameters
        ----------
        ctx : Context
            Of Typer.
        args : list of str
            Of the command line, behind the verb.

        Returns
        -------
        list of str
            What nobody read.
        """
        rest, heard = without_heard(args, taking_values(self.params))
        if heard:
            console.hear(**dict.fromkeys(heard, True))
        return list(super().parse_args(ctx, rest))

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the options, those of a panel of their own after the others.

        Parameters
        ----------
        ctx : Context
            Of Typer.
        formatter : HelpFormatter
            Of Typer.
        """
        shown = self.params
        panels = dict.fromkeys(getattr(each, "rich_help_panel", None) for each in shown)
        try:
            self.params = [p for p in shown if getattr(p, "rich_help_panel", None) is None]
            super().format_options(ctx, formatter)
        finally:
            self.params = shown
        for panel in filter(None, panels):
            own = [p for p in shown if getattr(p, "rich_help_panel", None) == panel]
            with formatter.section(panel):
                formatter.write_dl([record for p in own if (record := p.get_help_record(ctx))])
        with formatter.section("Before or behind the verb"):
            formatter.write_dl([(", ".join(names), text) for names, text in _HEARD.values()])

    def invoke(self, ctx: Any) -> Any:
        """Run the verb.

        Parameters
        ----------
        ctx : Context
            Of Typer, with the values of the options.

        Returns
        -------
        object
            What the verb returns.

        Raises
        ------
        PhysioprepError
            An option is no finite number, or an address where a path is needed; a parameter in
            a message is named as an option; the disk takes no more.
        OSError
            As the verb raised it.
        """
        options = options_of(self.params)
        for option in self.params:
            name = str(option.name)
            values = ctx.params.get(name)
            for value in values if isinstance(values, list | tuple) else [values]:
                if isinstance(value, Path):
                    local_path(value)
                if isinstance(value, float) and not math.isfinite(value):
                    raise PhysioprepError(f"{options.get(name, name)} {value}: no finite number")
        try:
            return super().invoke(ctx)
        except PhysioprepError as error:
            said = in_options(str(error), options)
            if said == str(error):
                raise
            raise PhysioprepError(said) from error
        except OSError as error:
            out = ctx.params.get("out")
            # libraries that write (Zarr, Arrow) do not say which file the disk did not take
            if error.filename is None and error.errno in OF_THE_DISK and out is not None:
                cause = os.strerror(error.errno)
                raise PhysioprepError(f"{out}: a file of it cannot be written: {cause}") from error
            raise


def taking_values(params: Iterable[Any]) -> frozenset[str]:
    """Return the names of the options that the next word is the value of.

    Parameters
    ----------
    params : iterable of Parameter
        Typer's.

    Returns
    -------
    frozenset of str
        ``--out``, ``-o`` …
    """
    return frozenset(
        name for each in params if not getattr(each, "is_flag", False) for name in each.opts
    )


def without_heard(args: Sequence[str], taking: Collection[str]) -> tuple[list[str], list[str]]:
    """Take ``-v`` and ``-q`` out of arguments.

    Parameters
    ----------
    args : sequence of str
        Of the command line, behind the verb.
    taking : collection of str
        Options whose next word is their value, whatever it looks like.

    Returns
    -------
    rest, heard : list of str
        The other arguments; "verbose" and "quiet" where asked for.

    Examples
    --------
    >>> without_heard(["a.zarr", "-v", "--where", "-q", "--", "-v"], {"--where"})
    (['a.zarr', '--where', '-q', '--', '-v'], ['verbose'])
    """
    rest: list[str] = []
    heard: list[str] = []
    for place, word in enumerate(args):
        if word == "--":
            return [*rest, *args[place:]], heard
        asked = [name for name, (names, _) in _HEARD.items() if word in names]
        if asked and not (place and args[place - 1] in taking):
            heard += asked
        else:
            rest.append(word)
    return rest, heard


class Verbs(typer.Typer):
    """A Typer whose commands are of the class `Verb`."""

    def command(self, name: str | None = None, **settings: Any) -> Callable[[_Function], _Function]:
        """Return the decorator of a verb.

        Parameters
        ----------
        name : str, optional
            Of the verb; by default that of its function.
        **settings
            As for `typer.Typer.command`.

        Returns
        -------
        callable
        """
        return super().command(name, **{"cls": Verb, **settings})


def options_of(params: Iterable[Any]) -> dict[str, str]:
    """Return the options of a verb by the names that functions have for them.

    Parameters
    ----------
    params : iterable of Parameter
        Typer's; arguments are passed over.

    Returns
    -------
    dict of str to str
        ``{"overwrite": "--overwrite", "window": "--window", "window_s": "--window"}``.
    """
    own = {
        str(each.name): max((o for o in each.opts), key=len)
        for each in params
        if any(o.startswith("--") for o in each.opts)
    }
    plural = {f"{name}s": option for name, option in own.items() if f"{name}s" not in own}
    aliases = {name: own[option] for name, option in _ALIASES.items() if option in own}
    return plural | aliases | own


def in_options(message: str, options: Mapping[str, str]) -> str:
    """Return a message in the words of the command line.

    Parameters
    ----------
    message : str
        Of an error of ours.
    options : mapping of str to str
        From `options_of`.

    Returns
    -------
    str

    Examples
    --------
    >>> options = {"overwrite": "--overwrite", "trim_s": "--trim", "align": "--align"}
    >>> in_options("s.zarr: exists; replace it with overwrite=True", options)
    's.zarr: exists; replace it with --overwrite'
    >>> in_options("trim_s must not be negative; align='beat' finds none", options)
    '--trim must not be negative; --align beat finds none'
    >>> in_options("choose with --annotator (annotators=[...])", options)
    'choose with --annotator'
    >>> in_options("/data/trim_s/a.dat: align the windows", options)
    '/data/trim_s/a.dat: align the windows'
    """

    def option(found: re.Match[str]) -> str:
        name, sign = found[1], found[2]
        # a word alone is a parameter only where no English word looks like it
        before = found.string[: found.start()]
        is_needed = before.endswith(" needs ") and options.get(name) == f"--{name[:-1]}"
        if name not in options or not (sign or "_" in name or is_needed):
            return found[0]
        value = next((part for part in found.groups()[2:] if part is not None), "")
        said = options[name]
        return said if value in ("", "True") else f"{said} {value}"

    return _NAME.sub(option, _FOR_PYTHON.sub("", message))
