"""Messages of several sites over Flower: one program that adds up, and one at each site, for as long as the run lasts.

Flower's own way would ship the coordinator's program to every site and run it there, beside the rows, in a new process for each
message. A site trusts nobody that far: here it is a node of Flower's fleet that answers messages and runs nothing it is sent.
So this uses modules of Flower that it does not promise to keep, and the extra ``federated`` pins its version.

The coordinator asks, as Flower wants it: each of its messages to a site is the answer to the site's last one.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from synth.adding import answers
from synth.errors import InputError, SiteError
from synth.privacy.sites import gone
from synth.progress import Progress

NEEDED = 'several sites need Flower 1.42; install it with: pip install "synth-dp[federated]"'
FLEET, OWN = "/v1/fleet/", "/v1/runtime/"  # of Flower's services: for sites, and for this process; nobody submits programs
PATIENCE = 7200.0  # seconds without a word
RETRY = 60.0  # seconds that a lost connection may take to come back
PAUSE = 0.05  # seconds between two looks


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """Files for TLS, in PEM.

    Attributes:
        certificate: Of the coordinator (there), or of who signed it (at a site).
        key: Of the coordinator.
    """

    certificate: Path
    key: Path | None = None


def coordinate(
    place: tuple[str, int], sites: int, progress: Progress, encryption: Encryption | None = None, patience: float = PATIENCE
) -> tuple[bytes, bool]:
    """Add up what sites send until they are done.

    Args:
        place: Host and port to listen at.
        sites: How many have to come.
        progress: Told about phases and rounds.
        encryption: Certificate and key; plain text without.
        patience: Seconds to wait for the sites to come, and for each of their answers.

    Returns:
        The file of their release, and whether all of them learnt the same.

    Raises:
        InputError: Flower is missing, or the place is taken.
        SiteError: Sites do not come, differ, or are gone.
    """
    seed = secrets.randbits(63)
    with _hub(place, encryption) as hub:
        progress.phase(f"waiting for {sites} sites")
        nodes = hub.present(sites, patience)
        told, kind, first = [b""] * sites, "", b""
        progress.phase("adding up")
        while kind not in ("gone", "done"):
            replies = hub.ask(dict(zip(nodes, told, strict=True)), patience)
            told, kind, first = answers([replies[node] for node in nodes], seed)
            progress.advance(1)
        hub.tell(dict(zip(nodes, told, strict=True)))
    if kind == "gone":
        raise SiteError(told[0][1:].decode())
    return first.partition(b"\n")[2], told[0][1:] == b"same"


@contextmanager
def site(place: tuple[str, int], encryption: Encryption | None = None, patience: float = PATIENCE) -> Iterator[Any]:
    """Be one of the sites; yields the ``Exchange`` that carries its messages. Whoever leaves by an error tells the others.

    Args:
        place: Host and port of the coordinator.
        encryption: Certificate of who signed that of the coordinator; plain text without.
        patience: Seconds to wait for the coordinator, and for each of its answers.

    Raises:
        InputError: Flower is missing, or nobody answers there.
        SiteError: The coordinator is gone.
    """
    _quiet()
    try:
        from flwr.supernode.fleet_http_connection import http_request_response
    except ImportError:
        raise InputError(NEEDED) from None
    _reach(place, min(patience, RETRY))
    roots = None if encryption is None else str(encryption.certificate)
    connection = http_request_response(_address(place), encryption is None, roots, max_wait_time=RETRY)
    try:
        parts = connection.__enter__()
    except (Exception, SystemExit):  # noqa: BLE001 - Flower ends the process where it does not like the other end
        raise InputError(
            f"no coordinator of this version answers at {_address(place)}; are host, port and TLS right?"
        ) from None
    try:  # not as a context: it would swallow what ends the run
        node = _Node(parts, patience)
        try:
            yield node.exchange
        except BaseException:
            with suppress(Exception):
                node.leave()
            raise
    finally:
        connection.__exit__(None, None, None)


class _Node:
    """This site's end of the line."""

    def __init__(self, parts: Sequence[Any], patience: float) -> None:
        _, self._receive, self._send, _, _, self._pull, self._push, self._confirm = parts
        self._patience = patience
        self._open: Any = None  # the message that waits for a reply

    def exchange(self, message: bytes) -> bytes:
        """Reply to what the coordinator said last, and wait for what it says then."""
        try:
            if self._open is None:
                self._next()
            self._reply(message)
            return self._next()
        except SiteError:
            raise
        except Exception:  # noqa: BLE001 - of many kinds
            raise SiteError("the coordinator is gone, and the run with it. What was charged stays charged") from None

    def leave(self) -> None:
        """Tell that this site does not go on."""
        if self._open is not None:
            self._reply(gone())

    def _next(self) -> bytes:
        from flwr.app import Message
        from flwr.supercore.inflatable.inflatable_utils import pull_and_inflate_object_from_tree

        waited = time.monotonic()
        while (got := self._receive()) is None:
            if time.monotonic() - waited > self._patience:
                raise SiteError("the coordinator did not say a word for too long; see whether all sites have come")
            time.sleep(PAUSE)
        head, tree = got
        run = head.metadata.run_id
        self._open = pull_and_inflate_object_from_tree(
            tree, partial(self._pull, run), partial(self._confirm, run), return_type=Message
        )
        self._open.metadata.__dict__["_message_id"] = tree.object_id
        return _content(self._open)

    def _reply(self, content: bytes) -> None:
        from flwr.supercore.inflatable.inflatable_object import get_all_nested_objects, get_object_tree, no_object_id_recompute
        from flwr.supercore.inflatable.inflatable_utils import push_objects

        asked, self._open = self._open, None
        reply = _message(content, reply_to=asked)
        reply.metadata.__dict__["_message_id"] = reply.object_id
        with no_object_id_recompute():
            wanted, session = self._send(reply, get_object_tree(reply), 0.0)
            push = partial(self._push, asked.metadata.run_id, session)
            push_objects(get_all_nested_objects(reply), push, object_ids_to_push=wanted)


class _Hub:
    """The coordinator's end of the lines."""

    def __init__(self, grid: Any) -> None:
        self._grid = grid

    def present(self, sites: int, patience: float) -> list[int]:
        """Nodes of so many sites, once they are there."""
        waited = time.monotonic()
        while len(found := sorted(self._grid.get_node_ids())) < sites:
            if time.monotonic() - waited > patience:
                raise SiteError(
                    f"{len(found)} of {sites} sites came; start synth site at the others, or take fewer with --sites"
                )
            time.sleep(PAUSE)
        return found[:sites]

    def ask(self, contents: Mapping[int, bytes], patience: float) -> dict[int, bytes]:
        """What each node replies; ``gone()`` where it does not."""
        open_, replies, waited = self.tell(contents, wait=False), {}, time.monotonic()
        while open_ and time.monotonic() - waited < patience:
            for reply in self._grid.pull_messages(list(open_)):
                node = open_.pop(reply.metadata.reply_to_message_id)
                replies[node] = _content(reply) if reply.has_content() else gone()
            if any(reply == gone() for reply in replies.values()):
                break
            time.sleep(PAUSE if open_ else 0.0)
        return {node: replies.get(node, gone()) for node in contents}

    def tell(self, contents: Mapping[int, bytes], *, wait: bool = True) -> dict[str, int]:
        """Send, without reply; and wait until the nodes have left."""
        messages = [_message(content, to=node) for node, content in contents.items()]
        sent = dict(zip(self._grid.push_messages(messages), contents, strict=True))
        waited = time.monotonic()
        while wait and set(contents) & set(self._grid.get_node_ids()) and time.monotonic() - waited < RETRY:
            time.sleep(PAUSE)
        return sent


@contextmanager
def _hub(place: tuple[str, int], encryption: Encryption | None) -> Iterator[_Hub]:
    """Flower's link for a fleet, in this process, and a run on it."""
    _quiet()
    try:
        import uvicorn
        from flwr.superlink.grid.http_grid import HttpGrid
        from flwr.superlink.main import create_app
    except ImportError:
        raise InputError(NEEDED) from None
    _check_free(place)
    link = create_app()
    tls: dict[str, Any] = {}
    if encryption is not None:
        tls = {"ssl_certfile": str(encryption.certificate), "ssl_keyfile": str(encryption.key)}
    inner = socket.create_server(("127.0.0.1", 0))  # for this process alone, which needs no certificate
    try:
        config = uvicorn.Config(_only(link, FLEET), host=place[0], port=place[1], log_config=None, access_log=False, **tls)
        config.load()
    except (OSError, ValueError):
        raise InputError("certificate or key cannot be used; give both as PEM files that belong together") from None
    own = uvicorn.Config(_only(link, OWN), log_config=None, access_log=False, lifespan="off")
    stops = [_started(uvicorn.Server(config), place, None), _started(uvicorn.Server(own), inner.getsockname(), [inner])]
    run, token = _begun(link.state.linkstate_factory.state())
    grid = HttpGrid(_address(inner.getsockname()), True, token=token)
    grid.set_run(run)
    beat = _heartbeat(grid)
    try:
        yield _Hub(grid)
    finally:
        beat.stop()
        grid.close()
        for stop in stops:
            stop()


def _started(server: Any, place: tuple[str, int], sockets: list[socket.socket] | None) -> Callable[[], None]:
    """Serve in a thread; what is returned ends it."""
    thread = threading.Thread(target=server.run, args=(sockets,), daemon=True)
    thread.start()
    while thread.is_alive() and not server.started:
        time.sleep(PAUSE)
    if not server.started:
        raise InputError(f"cannot listen at {_address(place)}; name another --port")

    def stop() -> None:
        server.should_exit = True
        thread.join(10)

    return stop


def _begun(state: Any) -> tuple[Any, str]:
    """A run without a program, which this process claims and serves."""
    from flwr.supercore.constant import NOOP_FEDERATION_ID, TaskType
    from flwr.supercore.task_identity import TaskIdentity

    number = state.create_run(None, None, None, {}, NOOP_FEDERATION_ID, None, None, TaskType.SERVER_APP)
    (run,) = state.get_run_info(run_ids=[number])
    token = state.claim_task(run.primary_task_id)
    state.activate_task(run.primary_task_id)
    TaskIdentity.run_id, TaskIdentity.task_id, TaskIdentity.node_id = number, run.primary_task_id, 1
    (run,) = state.get_run_info(run_ids=[number])
    return run, str(token)


def _heartbeat(grid: Any) -> Any:
    from flwr.supercore.heartbeat import HeartbeatSender, make_task_heartbeat_fn_http

    beat = HeartbeatSender(make_task_heartbeat_fn_http(grid._runtime_client))
    beat.start()
    return beat


Scope = MutableMapping[str, Any]
Channel = Callable[..., Awaitable[Any]]


def _only(link: Any, path: str) -> Callable[[Scope, Channel, Channel], Awaitable[None]]:
    """One of Flower's services, without those by which somebody might submit a program."""

    async def served(scope: Scope, receive: Channel, send: Channel) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(path):
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await link(scope, receive, send)

    return served


def _message(content: bytes, *, to: int | None = None, reply_to: Any = None) -> Any:
    from flwr.app import ConfigRecord, Message, RecordDict

    record = RecordDict({"synth": ConfigRecord({"message": content})})
    return Message(record, reply_to=reply_to) if to is None else Message(record, to, "query")


def _content(message: Any) -> bytes:
    return bytes(message.content["synth"]["message"])


def _quiet() -> None:
    """Flower tells its makers about runs, and the screen about messages; neither here."""
    os.environ["FLWR_TELEMETRY_ENABLED"] = "0"
    with suppress(ImportError):
        import flwr.supercore.logger  # noqa: F401 - sets a level of its own
    logging.getLogger("flwr").setLevel(logging.CRITICAL + 1)


def _address(place: tuple[str, int]) -> str:
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reach(place: tuple[str, int], patience: float) -> None:
    """Wait until somebody listens."""
    waited = time.monotonic()
    while True:
        try:
            with socket.create_connection(place, timeout=5):
                return
        except OSError:
            if time.monotonic() - waited > patience:
                raise InputError(f"nobody listens at {_address(place)}; is synth coordinate running there?") from None
            time.sleep(1)


def _check_free(place: tuple[str, int]) -> None:
    try:
        with socket.create_server(place, family=socket.AF_INET6 if ":" in place[0] else socket.AF_INET):
            return
    except OSError:
        raise InputError(f"cannot listen at {_address(place)}; is the port in use, or the host another machine?") from None
