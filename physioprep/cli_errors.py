"""Every error as one line on standard error, with its exit code."""

from __future__ import annotations

import traceback
from typing import Any, NoReturn

import typer
from typer.core import TyperGroup

from physioprep import console
from physioprep.errors import TRAIN, WITHOUT_TRAIN, PhysioprepError
from physioprep.plain_text import shown

#: UsageError and its own base, of click or of typer itself: that depends on its version.
_WRONG_USE: type[Any] = typer.BadParameter.__bases__[0]
_TYPERS_OWN: tuple[type[Any], ...] = (typer.Exit, typer.Abort, _WRONG_USE.__bases__[0])


class OneLineErrors(TyperGroup):
    """Prints every error as one line (exit code 2); Ctrl-C gives exit code 130.

    What nobody expects gives its traceback under ``-v``.
    """

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the verbs with their first sentence, none of it cut off.

        Parameters
        ----------
        ctx : Context
            Of Typer.
        formatter : HelpFormatter
            Of Typer.
        """
        verbs = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl([(n, verb.get_short_help_str(1000)) for n, verb in verbs if verb])

    def make_context(self, *arguments: Any, **settings: Any) -> Any:
        """Read the options before the verb.

        Parameters
        ----------
        *arguments, **settings
            Of Typer.

        Returns
        -------
        Context
        """
        try:
            return super().make_context(*arguments, **settings)
        except _WRONG_USE as error:
            _fail_in_use(error)

    def invoke(self, ctx: Any) -> Any:
        """Run a verb.

        Parameters
        ----------
        ctx : Context
            Of Typer.

        Returns
        -------
        object
            What the verb returns.

        Raises
        ------
        Exit
            With the exit code of an error.
        """
        try:
            return super().invoke(ctx)
        except PhysioprepError as error:
            _fail(str(error))
        except OSError as error:
            _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        except _WRONG_USE as error:  # it quotes arguments, such as names of files
            _fail_in_use(error)
        except KeyboardInterrupt:
            console.say("stopped; run the same command again to continue", is_error=True)
            # Where Ctrl-C passed through exec (an import of a dataclass, say), CPython ends by
            # SIGINT whatever the exit code is; executing any text takes that note back.
            exec("")
            raise typer.Exit(130) from None
        except _TYPERS_OWN:
            raise
        except ModuleNotFoundError as error:
            _unexpected(error, WITHOUT_TRAIN if error.name in TRAIN else str(error))
        except MemoryError as error:
            _unexpected(error, "does not fit into memory: use a machine or a limit with more")
        except Exception as error:
            if "can't start new thread" in str(error):
                _unexpected(error, "no more threads or memory: raise ulimit -u or -v")
            text = f"{type(error).__name__}: {error}"[:500]
            _unexpected(error, f"{text} (unexpected; -v shows where)")


def _fail_in_use(error: Any) -> NoReturn:
    """Say what is wrong with the use of a verb, and where its help is; without a verb, the help."""
    if type(error).__name__ == "NoArgsIsHelpError":
        raise error
    message = shown(error.format_message()).rstrip(".")
    if isinstance(error, typer.BadParameter) and error.param is None:
        message = error.message
    is_value = isinstance(error, typer.BadParameter) and type(error).__name__ != "MissingParameter"
    help_at = "" if is_value or error.ctx is None else f"; see {error.ctx.command_path} -h"
    _fail(f"{message}{help_at}")


def _unexpected(error: BaseException, message: str) -> NoReturn:
    """Print an error that is none of ours; after its traceback where the log is verbose."""
    if console.is_verbose():
        for line in "".join(traceback.format_exception(error)).splitlines():
            console.say(line)
    _fail(message)


def _fail(message: str) -> NoReturn:
    console.say(f"error: {' '.join(message.split())}", is_error=True)
    raise typer.Exit(2)
