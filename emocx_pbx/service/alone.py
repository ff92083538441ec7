"""A worker that decides on its own: what the door on the same host asks while NATS is unreachable.

It runs the same code as a controller, with this host's policy and models and nothing more: it knows neither
queues nor rankings. Its decisions go into the stream together with its readings, and are stored when NATS is
back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import msgspec
import structlog

from emocx_pbx.analysis.any_worker import AnyWorker
from emocx_pbx.analysis.cluster.messages import DecidedAlone
from emocx_pbx.analysis.cluster.nats_link import NatsLink
from emocx_pbx.analysis.messages import ClassifyText, TextResult
from emocx_pbx.call_ids import pbx_of
from emocx_pbx.dispatch.announced import Announced
from emocx_pbx.dispatch.dialplan import Dialplan, PbxAsking, Tracker
from emocx_pbx.dispatch.door_messages import AnsweredToDoor, AskedAtDoor, NotDecided
from emocx_pbx.dispatch.grounds import Grounds
from emocx_pbx.dispatch.policy_in_force import Policies
from emocx_pbx.dispatch.queries import DecidedQuery, Queries
from emocx_pbx.domain import LineZero
from emocx_pbx.errors import EmocxError, PeerUnavailable, SettingsError
from emocx_pbx.pbx.agi.forwarded import ForwardedRequest
from emocx_pbx.routing.decision import QueueState
from emocx_pbx.routing.policy import Policy
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.settings.settings import Settings
from emocx_pbx.wire.link import Link

log = structlog.get_logger()

#: Requests that the door may have open at a time; further connections are closed, and the dialplan's defaults
#: stand.
MOST: Final = 256
#: Seconds that the door has to send its request; normally it does so at once.
ASKING_S: Final = 1.0

_ASKED: Final = msgspec.msgpack.Decoder(AskedAtDoor)


def socket_of(folder: Path, worker: str) -> Path:
    """The socket at which the worker of this name listens for the door on the same host."""
    return folder / f"worker-{worker}.sock"


@dataclass(frozen=True, slots=True)
class _NothingKnown:
    """Of queues and rankings; the policy is."""

    policies: Policies

    @property
    def policy(self) -> Policy:
        """In force now."""
        return self.policies.policy

    @property
    def queues(self) -> Mapping[str, QueueState]:
        """Unknown."""
        return {}

    @property
    def widening(self) -> Collection[int]:
        """None: nobody has checked whether Asterisk ends such waits."""
        return ()

    def ranked(self) -> Collection[str]:
        """Unknown."""
        return ()

    def zeros(self, call_id: str) -> tuple[LineZero, ...]:
        """Unknown."""
        return ()


class _OwnModels:
    """The worker's own models, for texts; speech needs a controller, which gets the result."""

    def __init__(self, link: NatsLink) -> None:
        self._link = link

    async def classify_text(self, text: str, deadline_s: float) -> TextResult:
        """As WorkerPool.classify_text."""
        if self._link.ready is None:
            raise PeerUnavailable("models are loading")
        answer = await self._link.ask(ClassifyText("alone", text), deadline_s)
        assert isinstance(answer, TextResult)
        return answer

    def pick(self, pbx: str = "", *, waits: bool = False) -> AnyWorker:
        """Nobody."""
        raise PeerUnavailable("spoken questions need a controller")


class Alone:
    """Answers the door on this host."""

    def __init__(
        self,
        settings: Settings,
        policies: Policies,
        link: NatsLink,
        life: str,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Prepare.

        Args:
            settings: [routing], [agi] and the names of PBXes, as the controllers have them.
            policies: with the policy as they have it; reread at SIGHUP, as theirs.
            link: leads to the worker's models, and keeps the decisions.
            life: names the worker's process.
            now: Unix seconds.
        """
        self._link, self._life = link, life
        self._names = [pbx.name for pbx in settings.each_pbx()]
        self._policies = policies
        known = _NothingKnown(policies)
        grounds = Grounds(SettingsInForce(settings), known, known, now)
        queries = Queries(_OwnModels(link), grounds, known, self._keep, lambda name: None)
        self._dialplan = Dialplan(queries, self._asking, now=now)
        self._open = 0

    def _asking(self, name: str) -> PbxAsking | None:
        if not name and len(self._names) == 1:
            name = self._names[0]
        # Calls are followed by the acting controller, so neither of these is ever asked.
        return PbxAsking(name, cast(Announced, None), cast(Tracker, None), acts=lambda: False)

    def _keep(self, query: DecidedQuery) -> None:
        caller = query.caller
        if caller.call_id is None:
            return
        self._link.send(
            DecidedAlone(
                uuid=query.decision.decision_id,
                call_id=caller.call_id,
                decision=query.decision,
                customer_key=caller.customer_key,
                opted_out=caller.opted_out,
                text=query.text or "",
            )
        )
        log.info(
            "decided alone", key="worker.decided", pbx=pbx_of(caller.call_id), queue=query.decision.queue
        )

    async def answer(self, asked: AskedAtDoor) -> AnsweredToDoor:
        """The channel variables to set.

        Raises:
            EmocxError: there is nothing to set; the dialplan's default stands.
        """
        request = ForwardedRequest(asked.env, asked.variables, asked.question)
        return AnsweredToDoor(dict(await self._dialplan.answer(request)), self._life)

    @contextlib.asynccontextmanager
    async def listening(self, path: Path) -> AsyncIterator[None]:
        """Answer at this socket, which only this user may open; meanwhile SIGHUP rereads the policy.

        Raises:
            SettingsError: the socket can't be created.
        """
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._policies.reload)
        tasks: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if len(tasks) >= MOST:
                writer.close()
                return
            task = asyncio.get_running_loop().create_task(self._one(Link(reader, writer, _ASKED)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        try:
            _remove(path)  # left behind by a process that was killed
            before = os.umask(0o177)
            try:
                server = await asyncio.start_unix_server(accept, path)
            finally:
                os.umask(before)
        except OSError as error:
            raise SettingsError(f"cluster.local: {path} can't be made: {error.strerror or error}") from error
        try:
            yield
        finally:
            asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(OSError):
                _remove(path)

    async def _one(self, link: Link[AskedAtDoor]) -> None:
        """The outermost loop of a request: whatever goes wrong, the dialplan's default stands."""
        try:
            async with asyncio.timeout(ASKING_S):
                asked = await link.receive()
            if asked is not None:
                link.send(await self.answer(asked))
        except (EmocxError, TimeoutError) as error:
            log.warning("door not answered", key="worker.unanswered", why=str(error) or "it asked nothing")
            with contextlib.suppress(EmocxError):
                link.send(NotDecided(" ".join(str(error).split())[:200]))
        except Exception:
            log.exception("door's request failed", key="worker.door_failed")
        finally:
            await link.close()


def _remove(path: Path) -> None:
    """Quick: such folders are in memory."""
    path.unlink(missing_ok=True)
