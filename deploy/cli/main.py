"""Entry point: commands, and the messages of errors.

Errors and warnings are one line each on standard error. Status 0: done; 1: failed, or the answer is no; 2:
bad input; 130: interrupted.
"""

import sys
import traceback
import warnings
from importlib import metadata
from typing import Annotated

import typer
from typer.exceptions import TyperException

from deploy.cli import demo, doctor, estimate, export, hardware, quantize, report, simulate, train, verify
from deploy.cli.interruption import Interrupted
from deploy.cli.words import in_words_of_commands
from dpap.errors import InputError, StorageError
from dpap.errors.known_names import suggestion

FAILED, BAD_INPUT, INTERRUPTED = 1, 2, 130

app = typer.Typer(
    name="dpap",
    help="Train and prune spiking networks, run them on Lava with equal spikes proven, and price them.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"dpap {metadata.version('dpap')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


app.command("demo")(demo.command)
app.command("train")(train.command)
app.command("quantize")(quantize.command)
app.command("simulate")(simulate.command)
app.command("verify")(verify.command)
app.command("export")(export.command)
app.command("estimate")(estimate.command)
app.command("report")(report.command)
app.add_typer(hardware.app, name="hardware")
app.command("doctor")(doctor.command)


def main(arguments: list[str] | None = None) -> None:
    """Run a command and exit with its status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        status = _run(arguments, debug)
    except KeyboardInterrupt:
        # While an error was on its way here.
        status = _report("interrupted", INTERRUPTED, debug)
    sys.exit(status)


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    """One line without the place in the code, which is of no use at the command line."""
    print(f"dpap: warning: {' '.join(in_words_of_commands(str(message)).split())}", file=file or sys.stderr)


def _run(arguments: list[str], debug: bool) -> int:
    if not debug:
        warnings.showwarning = _show_warning
    try:
        status = app(arguments, standalone_mode=False) or 0
        # Ctrl-C comes back as a status from inside a command, and as an exception from anywhere else.
        return _report("interrupted", INTERRUPTED, debug) if status == INTERRUPTED else status
    except TyperException as error:
        return _report(error.format_message() + _option_meant(error), BAD_INPUT, debug)
    except InputError as error:
        return _report(str(error), BAD_INPUT, debug)
    except StorageError as error:
        return _report(str(error), FAILED, debug)
    except Interrupted as error:
        return _report(str(error), INTERRUPTED, debug)
    except (KeyboardInterrupt, typer.Abort):
        return _report("interrupted", INTERRUPTED, debug)
    except Exception as error:
        return _report(f"{type(error).__name__}: {error}", FAILED, debug)


def _option_meant(error: TyperException) -> str:
    """A suggestion for an option that is not there."""
    name, context = getattr(error, "option_name", None), getattr(error, "ctx", None)
    if name is None or context is None or not hasattr(error, "possibilities"):
        return ""
    options = [option for each in context.command.params for option in each.opts if option[:2] == "--"]
    return suggestion(name.lstrip("-"), [option[2:] for option in options], "--")


def _report(message: str, status: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    # A command without arguments has printed its help and has no message.
    if message:
        print(f"dpap: error: {' '.join(in_words_of_commands(message).split())}", file=sys.stderr)
    return status
