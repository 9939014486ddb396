"""The ``synth`` command: its subcommands, and one place where errors become a sentence and an exit code."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
import warnings
from typing import Annotated

import typer

from synth.cli import (
    attacking,
    auditing,
    benching,
    budgeting,
    evaluating,
    facts,
    fitting,
    inferring,
    planning,
    randomizing,
    siting,
    sweeping,
    tabling,
    tuning,
)
from synth.errors import SynthError
from synth.version import __version__

# typer carries its own copy of click from 0.29 on; this is the base of usage errors in either
UsageError: type[Exception] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

EXIT_INPUT, EXIT_INTERRUPTED, EXIT_INTERNAL = 2, 4, 1

app = typer.Typer(
    name="synth",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="""Turn a sensitive table into a synthetic one that may be released, under one differential privacy guarantee.

    A first run: [bold]synth demo[/bold]

    Your own table:

      synth schema draft patients.csv -o schema.toml     propose public facts; read and confirm them

      synth fit patients.csv --schema schema.toml --epsilon 1 -o model.synth

      synth sample model.synth -n 10000 -o synthetic.csv

      synth inspect model.synth     what was promised and spent

      synth audit model.synth     attack that promise

    Exit codes: 0 done, 2 bad input, 3 refused (budget or policy), 4 interrupted.""",
)
fitting.register(app)
evaluating.register(app)
inferring.register(app)
sweeping.register(app)
attacking.register(app)
auditing.register(app)
budgeting.register(app)
facts.register(app)
planning.register(app)
randomizing.register(app)
benching.register(app)
tabling.register(app)
tuning.register(app)
siting.register(app)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"synth {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Entry point. Never shows a traceback, since its lines may hold private values; ``SYNTH_DEBUG=1`` does."""
    signal.signal(signal.SIGTERM, fitting.stop)
    # two OpenMP threads on a machine that others use wait for each other: ten times slower was seen, 1.5 times faster at best
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    try:
        code = run(sys.argv[1:])
    except KeyboardInterrupt:  # once more, while an error was told
        code = EXIT_INTERRUPTED
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # all is written: whoever ends what is left of this process may
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run the command line and return its exit code."""
    as_json = "--json" in arguments
    debug = os.environ.get("SYNTH_DEBUG") == "1"
    if not debug:
        warnings.simplefilter("ignore")
    try:
        command = typer.main.get_command(app)  # not its main(): typer gives Ctrl-C and closed pipes exit codes of its own
        with command.make_context("synth", list(arguments)) as context:
            command.invoke(context)
        return 0
    except typer.Exit as error:
        return error.exit_code
    except SynthError as error:
        return _fail(str(error), error.exit_code, as_json=as_json)
    except UsageError as error:
        text = error.format_message()  # type: ignore[attr-defined]
        if type(error).__name__ == "NoArgsIsHelpError":
            typer.echo(text)
            return EXIT_INPUT
        return _fail(f"{text} See synth --help.", EXIT_INPUT, as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        text = "interrupted; no output was written, and what was charged stays in the ledger; a fit goes on with --resume"
        return _fail(text, EXIT_INTERRUPTED, as_json=as_json)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        text = f"the system refused to read or write a file ({error.strerror or type(error).__name__})"
        return _fail(f"{text}; check the disk's free space, the names and your rights", EXIT_INPUT, as_json=as_json)
    except MemoryError:
        return _fail("not enough memory for this table; use fewer columns or a larger machine", EXIT_INPUT, as_json=as_json)
    except Exception as error:  # noqa: BLE001 - the text of an unforeseen error may hold private values
        if debug:
            traceback.print_exc()
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{os.path.basename(where.filename)}:{where.lineno}"
        text = f"internal error ({type(error).__name__} at {place}); please report it with these words"
        return _fail(text, EXIT_INTERNAL, as_json=as_json)


def _fail(text: str, code: int, *, as_json: bool) -> int:
    sentence = " ".join(text.split())
    sys.stderr.write((json.dumps({"error": sentence, "exit_code": code}) if as_json else f"error: {sentence}") + "\n")
    return code
