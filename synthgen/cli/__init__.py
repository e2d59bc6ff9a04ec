"""The command line: a thin skin over the Python API. `main` is the only place that catches errors.

One file a command. Nothing here imports torch, numpy, pandas or pydantic before a command needs it.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Annotated

import typer

from synthgen.cli import (
    augment,
    cite,
    config,
    demo,
    distill,
    doctor,
    evaluate,
    extend,
    forecast,
    generate,
    impute,
    inspect,
    judge,
    label,
    listing,
    plugins,
    score,
    train,
    tune,
    verify,
)
from synthgen.cli.console import as_json
from synthgen.cli.examples import epilog
from synthgen.cli.failures import INTERRUPTED, Failure, explain
from synthgen.cli.label_option import LabelCommand, SyntheticCommand
from synthgen.cli.plugin_commands import ExtensibleGroup
from synthgen.errors import UsageError

__all__ = ["app", "main"]

app = typer.Typer(
    name="synthgen",
    cls=ExtensibleGroup,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="rich",
)

_TRY = "Start here"
_WORK = "From data to proof"
_LOOK = "Look around"

for _name, _command, _panel in (
    ("demo", demo.demo, _TRY),
    ("doctor", doctor.doctor, _TRY),
    ("train", train.train, _WORK),
    ("distill", distill.distill, _WORK),
    ("generate", generate.generate, _WORK),
    ("label", label.label, _WORK),
    ("evaluate", evaluate.evaluate, _WORK),
    ("judge", judge.judge, _WORK),
    ("score", score.score, _WORK),
    ("augment", augment.augment, _WORK),
    ("impute", impute.impute, _WORK),
    ("forecast", forecast.forecast, _WORK),
    ("extend", extend.extend, _WORK),
    ("tune", tune.tune, _WORK),
    ("inspect", inspect.inspect, _LOOK),
    ("verify", verify.verify, _LOOK),
    ("list", listing.list_names, _LOOK),
    ("cite", cite.cite, _LOOK),
):
    _class = {"generate": LabelCommand, "evaluate": SyntheticCommand}.get(_name)
    app.command(_name, cls=_class, rich_help_panel=_panel, epilog=epilog(_name))(_command)
app.add_typer(config.app, name="config", rich_help_panel=_LOOK)
app.add_typer(plugins.app, name="plugins", rich_help_panel=_LOOK)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version.")] = False,
) -> None:
    """Labelled synthetic data sets from conditional diffusion models, with proof.

    Train on your images, time series or segmentation masks, generate,
    and see whether the result helps, is faithful, or leaks.
    Start with `synthgen demo`: offline, a few minutes, ends with a report.
    """
    if version:
        from synthgen import __version__

        sys.stdout.write(f"synthgen {__version__}\n")
    elif context.invoked_subcommand is None:
        sys.stdout.write(context.get_help() + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; every error becomes a sentence and a code here.

    Args:
        arguments: without the program's name; those of the process when absent.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with _sigterm_as_interrupt():
            code = typer.main.get_command(app).main(args=given, prog_name="synthgen", standalone_mode=False)
    except SystemExit as error:  # a closed pipe
        return error.code if isinstance(error.code, int) else 1
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:
        return _report(error, given)
    if code == INTERRUPTED:
        resumes = given[:1] in (["train"], ["generate"], ["demo"])
        sys.stderr.write("Interrupted" + ("; the same command again goes on where it stopped.\n" if resumes else ".\n"))
    return code if isinstance(code, int) else 0


def _report(error: Exception, arguments: Sequence[str]) -> int:
    if "--debug" in arguments:
        traceback.print_exception(error)
    failure = _usage_failure(error) or explain(error)
    if "--json" in arguments:
        sys.stdout.write(as_json(failure.document()) + "\n")
    sys.stderr.write(failure.text() + "\n")
    return failure.exit_code


def _usage_failure(error: Exception) -> Failure | None:
    """Typer's own complaints about the command line, as one of ours."""
    from typer.exceptions import TyperException

    if not isinstance(error, TyperException):
        return None
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "synthgen"
    close = getattr(error, "possibilities", None)
    hint = f"Did you mean {' or '.join(sorted(close))}?" if close else f"Try: {path} --help"
    message = error.message if close else error.format_message()
    return Failure(UsageError.__name__, message[:1].lower() + message[1:].rstrip("."), hint, UsageError.exit_code)


@contextlib.contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Let a polite kill unwind like Ctrl-C, so that temporary files go and training checkpoints."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
