"""``synth coordinate`` and ``synth site``: several sites, one model."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from synth.cli.console import Reporter, out, print_json, say
from synth.cli.fitting import Delimiter, Force, Json, Quiet, Quote, interruptible, told_earlier
from synth.config import parse_assignments
from synth.errors import InputError

PORT = 9092
NO_RESUME = (
    "a run of several sites does not go on, since answers that were on their way when it ended are kept nowhere: what it "
    "charged stays charged; start all sites again without --resume, and every ledger adds the new run up"
)
Resume = Annotated[bool, typer.Option("--resume", hidden=True, help="Refused: see docs/techniques.md.")]
TAKES = "a site takes marginal (the default), hybrid or independent"
Certificate = Annotated[
    str | None, typer.Option("--certificate", help="PEM file for TLS: of the coordinator, or of who signed it (at a site).")
]
Patience = Annotated[float, typer.Option("--patience", help="Seconds to wait for another's word.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(name="coordinate")(coordinate)
    app.command(name="site")(site)


def coordinate(
    sites: Annotated[int, typer.Option("--sites", help="How many sites fit together.")],
    output: Annotated[str, typer.Option("--output", "-o", help="Where their model goes.")] = "model.synth",
    host: Annotated[str, typer.Option("--host", help="To listen at; 0.0.0.0 for every network of this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="To listen at.")] = PORT,
    certificate: Certificate = None,
    key: Annotated[str | None, typer.Option("--key", help="PEM file of the certificate's key.")] = None,
    patience: Patience = 7200,
    resume: Resume = False,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Add up the noisy sums of several sites that fit together, each of which runs synth site. No row comes here.

    Example: synth coordinate --sites 3 --output model.synth
    """
    from synth import flower
    from synth.release import atomic_path, check_writable, load

    if resume:
        raise InputError(NO_RESUME)
    if sites < 2:
        raise InputError(f"--sites takes at least 2, not {sites}; rows of one site are fitted with synth fit")
    target = Path(output)
    check_writable(target, force=force)
    encryption = _encryption(certificate, key, whole=True)
    with interruptible(), Reporter(quiet=quiet, as_json=as_json) as progress:
        release, same = flower.coordinate(_place(f"{host}:{port}"), sites, progress, encryption, _seconds(patience))
        with atomic_path(target, force=force) as temporary:
            temporary.write_bytes(release)
            found = load(temporary)  # it comes from a site: what is no model is not kept
    _differ(same, quiet=quiet or as_json)
    facts = {"model": str(target), "sites": sites, "epsilon": found.receipt.epsilon, "delta": found.receipt.delta, "same": same}
    if as_json:
        print_json(facts)
    else:
        out.print(f"{target}: {found.model} of {sites} sites, epsilon {facts['epsilon']:g}, delta {facts['delta']:g}")


def site(
    data: Annotated[str, typer.Argument(help="This site's rows: a file, a folder, 'lake/*.parquet'.")],
    schema: Annotated[str, typer.Option("--schema", "-s", help="Public facts, all of them; the same file at all sites.")],
    epsilon: Annotated[float, typer.Option("--epsilon", "-e", help="The whole budget of this site's rows.")],
    coordinator: Annotated[str, typer.Option("--coordinator", help="HOST:PORT of synth coordinate.")],
    output: Annotated[str, typer.Option("--output", "-o", help="Where the model goes.")] = "model.synth",
    delta: Annotated[float | None, typer.Option("--delta", help="As for synth fit.")] = None,
    model: Annotated[str, typer.Option("--model", "-m", help=TAKES)] = "marginal",
    assignments: Annotated[list[str] | None, typer.Option("--set", help="Option of the model, key=value.")] = None,
    public: Annotated[
        str | None, typer.Option("--public", help="Rows that are no secret, the same file at all sites; as for synth fit.")
    ] = None,
    ledger: Annotated[
        str | None, typer.Option("--ledger", help="Records every charge of this site's rows (default OUTPUT.ledger.jsonl).")
    ] = None,
    certificate: Certificate = None,
    patience: Patience = 7200,
    delimiter: Delimiter = None,
    encoding: Annotated[str | None, typer.Option("--encoding", help="Of a text file (default utf-8).")] = None,
    quote: Quote = None,
    resume: Resume = False,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Fit one model together with other sites, none of which shows its rows or an exact sum to anybody.

    Every site adds the noise of its ledger to its own sums before they leave it.

    Example: synth site ward1.csv --schema shared.toml --epsilon 1 --coordinator 127.0.0.1:9092 -o ward1.synth
    """
    from synth import flower
    from synth.api import read_schema
    from synth.reading.source import ReadOptions
    from synth.release import check_writable
    from synth.sites import fit_site

    if resume:
        raise InputError(NO_RESUME)
    started, target = time.monotonic(), Path(output)
    check_writable(target, force=force)
    declared, place = read_schema(schema), _place(coordinator)
    reading = ReadOptions(delimiter=delimiter, encoding=encoding or "utf-8", quote=quote)
    book = Path(ledger) if ledger else target.with_name(target.name + ".ledger.jsonl")
    encryption = _encryption(certificate, None, whole=False)
    told_earlier(book, quiet=quiet or as_json)
    connect = partial(flower.site, place, encryption, _seconds(patience))
    with interruptible(), Reporter(quiet=quiet, as_json=as_json, epsilon=epsilon) as progress:
        release, same = fit_site(
            data, connect, schema=declared, epsilon=epsilon, delta=delta, model=model,
            options=parse_assignments(assignments or []), public=public, ledger=book, reading=reading, progress=progress,
        )  # fmt: skip
        release.save(target, force=force)
    _differ(same, quiet=quiet or as_json)
    receipt, seconds = release.receipt, round(time.monotonic() - started, 1)
    if as_json:
        print_json(
            {
                "model": str(target),
                "ledger": str(book),
                "epsilon": receipt.epsilon,
                "delta": receipt.delta,
                "same": same,
                "seconds": seconds,
            }
        )
    else:
        out.print(f"{target}: {release.model}, epsilon {receipt.epsilon:g}, delta {receipt.delta:g}, {seconds} s")


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise InputError(f"--coordinator and --port say where, such as 127.0.0.1:{PORT}, not {text!r}")
    return host, int(port)


def _seconds(patience: float) -> float:
    if not patience > 0:
        raise InputError(f"--patience takes seconds above 0, not {patience:g}")
    return patience


def _encryption(certificate: str | None, key: str | None, *, whole: bool) -> Any:
    from synth.flower import Encryption

    if whole and (certificate is None) != (key is None):
        raise InputError("--certificate and --key go together")
    if certificate is None:
        return None
    for name in (certificate, key):
        if name is not None and not Path(name).is_file():
            raise InputError(f"there is no file {name!r}")
    return Encryption(certificate=Path(certificate), key=None if key is None else Path(key))


def _differ(same: bool, *, quiet: bool) -> None:
    if not same:
        say(
            "note: the sites' models differ in their last digits (other processors?); each holds the same guarantee, so use "
            "one of them",
            quiet=quiet,
        )
