"""Taps: one AMI Originate per call, kept alive across worker deaths for as long as the call is to be tapped.

The tap channel is `AudioSocket/HOST:PORT/UUID/c(slin)` running ChanSpy on the customer's channel.
The call itself is never touched. A tap that can't be started or ends too early is tried again on the worker
with the fewest taps that this PBX is not known to miss, at growing intervals; what is lost meanwhile is
missing evidence. If there is no worker
or no link, it is tried for as long as the call is to be tapped, and at once when either is back.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, Protocol
from uuid import UUID, uuid4

import structlog

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.analysis.messages import AnnounceTap, EndSession, TapEnded, TapStarted
from emocx_pbx.analysis.unreached import Unreached
from emocx_pbx.call_ids import pbx_of
from emocx_pbx.dispatch.asked import Lines
from emocx_pbx.errors import PeerUnavailable, ProtocolError, RefusedError
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.pbx.ami.ami import Ami

log = structlog.get_logger()

#: Seconds for Asterisk to connect and send audio after Originate; normally 0.15.
START_DEADLINE_S = 5.0
#: Refusals by Asterisk in a row after which a tap is given up, until it is wanted again.
MAX_TRIES = 6
#: Seconds between two tries.
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0
#: Seconds to wait, after EOF, for the call's Hangup event: it normally follows within 30 ms, at worst 2 s.
HANGUP_GRACE_S = 2.5

Mode = Literal["stereo", "customer", "agent"]

#: ChanSpy options by mode: target by Uniqueid, quiet, no beep, stop and exit with the spied channel.
SPY_OPTIONS: Mapping[Mode, str] = {"stereo": "uDqsSE", "customer": "uoqsSE", "agent": "uoqsSE"}


class TapWorker(Protocol):
    """An analysis worker that taps can be sent to."""

    @property
    def address(self) -> str:
        """Where Asterisk reaches it: HOST:PORT."""

    @property
    def alive(self) -> bool:
        """Whether it takes messages."""

    @property
    def responsive(self) -> bool:
        """Whether it has sent a message recently."""

    async def announce(self, message: AnnounceTap) -> None:
        """Have it expect a tap; raises PeerUnavailable if it is gone, or takes no more."""

    def send(self, message: EndSession) -> None:
        """Queue a message for the worker; raises PeerUnavailable if it is gone."""


class Workers(Protocol):
    """The part of the worker pool that taps need."""

    @property
    def unreached(self) -> Unreached:
        """Workers that PBXes did not reach."""

    def pick(self, pbx: str = "") -> TapWorker:
        """The worker with the fewest sessions, of those that this PBX reaches; raises PeerUnavailable if
        there is none.
        """


@dataclass(slots=True)
class _Tap:
    """One attempt, known by its UUID."""

    call_id: str
    worker: TapWorker
    started: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    refused: asyncio.Event = field(default_factory=asyncio.Event)
    """Asterisk could not connect to the worker."""


@dataclass(slots=True)
class _Wanted:
    """A channel that should be tapped until told otherwise."""

    call_id: str
    target: str
    mode: Mode
    alerts: tuple[AlertRule, ...] = ()
    task: asyncio.Task[None] | None = None
    zero_at: float | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    again: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a worker or the link, for lack of which a try failed, may be back."""
    uuid: str = ""
    unheard: bool = False
    """Its customer opted out."""


class _Failed(Enum):
    """Why an attempt led to no tap."""

    WANTING = "a worker or the link is missing"
    REFUSED = "Asterisk would not, or no audio came"


def originate_fields(uuid: str, address: str, target: str, mode: Mode) -> dict[str, str]:
    """The Originate action of a tap to a worker at `address` (minimal permissions: write=originate)."""
    return {
        "Channel": f"AudioSocket/{address}/{uuid}/c(slin)",
        "Application": "ChanSpy",
        "Data": f"{target},{SPY_OPTIONS[mode]}",
        "ChannelId": f"emocx-tap-{uuid}",
        "CallerID": '"emocx tap" <emocx>',
        "Timeout": "5000",
        "Async": "true",
    }


class TapKeeper:
    """Keeps each wanted channel tapped; owned and awaited by the service's task group."""

    def __init__(
        self,
        ami: Ami,
        workers: Workers,
        lines: Lines,
        group: Tasks,
        count: Callable[[str], None],
        now: Callable[[], float] = time.time,
        new_uuid: Callable[[], UUID] = uuid4,
    ) -> None:
        """Prepare.

        Args:
            ami: starts taps.
            workers: receive the taps' audio.
            lines: the known lean of the site's lines.
            group: owns the tasks.
            count: adds one to a counter: taps_failed, taps_repeated, taps_given_up.
            now: Unix seconds.
            new_uuid: makes the UUID of a tap.
        """
        self._ami, self._workers, self._lines, self._group = ami, workers, lines, group
        self._now, self._new_uuid, self._count = now, new_uuid, count
        self._wanted: dict[str, dict[Mode, _Wanted]] = {}
        """By call."""
        self._taps: dict[str, _Tap] = {}
        """By UUID."""

    def want(
        self,
        call_id: str,
        target: str,
        mode: Mode,
        zero_at: float | None = None,
        alerts: tuple[AlertRule, ...] = (),
    ) -> None:
        """Tap `target` (a Uniqueid) from now on, instead of any other; no effect if that is wanted
        already.
        """
        if before := self._wanted.get(call_id, {}).get(mode):
            if before.target == target:
                return
            self.unwant_mode(call_id, mode)
        wanted = _Wanted(call_id, target, mode, alerts, zero_at=zero_at)
        self._wanted.setdefault(call_id, {})[mode] = wanted
        wanted.task = self._group.create_task(self._keep(wanted), name=f"tap {call_id}")

    def wake(self) -> None:
        """A worker is ready, or the link is up: tap the calls that are waiting for it now."""
        for wanted in self._all():
            wanted.again.set()

    def unwant(self, call_id: str, unheard: bool = False) -> None:
        """The call is over: end its taps. `unheard`: its customer opted out, nothing of it may be
        transcribed.
        """
        for mode in list(self._wanted.get(call_id, ())):
            self.unwant_mode(call_id, mode, unheard)

    def unwant_mode(self, call_id: str, mode: Mode, unheard: bool = False) -> None:
        """End one of the call's taps."""
        if wanted := self._drop(call_id, mode):
            wanted.unheard = unheard
            wanted.over.set()

    def _drop(self, call_id: str, mode: Mode) -> _Wanted | None:
        of_call = self._wanted.get(call_id, {})
        wanted = of_call.pop(mode, None)
        if not of_call:
            self._wanted.pop(call_id, None)
        return wanted

    def _all(self) -> list[_Wanted]:
        return [wanted for of_call in self._wanted.values() for wanted in of_call.values()]

    def on_started(self, message: TapStarted) -> None:
        """A worker got the tap's first audio."""
        if tap := self._taps.get(message.uuid):
            tap.started.set()
            self._workers.unreached.reached(pbx_of(message.call_id), tap.worker.address)
            for wanted in self._wanted.get(message.call_id, {}).values():
                if wanted.zero_at is None:
                    wanted.zero_at = message.at

    def on_ended(self, message: TapEnded) -> None:
        """A worker's tap is over."""
        if tap := self._taps.pop(message.uuid, None):
            tap.ended.set()

    def on_ami(self, event: Mapping[str, str]) -> None:
        """Asterisk may report that it could not connect to a tap's worker."""
        if event.get("Event") == "OriginateResponse" and event.get("Response") == "Failure":
            technology, _, rest = event.get("Channel", "").partition("/")
            uuid = rest.split("/")[1] if technology == "AudioSocket" and "/" in rest else ""
            if tap := self._taps.get(uuid):
                tap.refused.set()

    def on_worker_lost(self, uuids: list[str]) -> None:
        """A worker died: its taps are gone, and their calls are tapped again."""
        for uuid in uuids:
            if tap := self._taps.pop(uuid, None):
                tap.ended.set()

    def stop(self) -> None:
        """Forget all taps; the workers end them in order when they stop."""
        for wanted in self._all():
            if wanted.task:
                wanted.task.cancel()
        self._wanted.clear()

    def end_all(self) -> None:
        """End all taps at once, as they no longer concern us; the workers run on."""
        self.stop()
        for uuid, tap in self._taps.items():
            self._end(uuid, tap)
        self._taps.clear()

    async def _keep(self, wanted: _Wanted) -> None:
        refused, pause_s = 0, FIRST_PAUSE_S
        while not wanted.over.is_set():
            wanted.again.clear()
            tap = await self._start(wanted)
            if isinstance(tap, _Failed):
                refused += tap is _Failed.REFUSED
                if refused >= MAX_TRIES:
                    self._give_up(wanted, refused)
                    return
                await _first(wanted.over, wanted.again, within_s=pause_s)
                pause_s = FIRST_PAUSE_S if wanted.again.is_set() else min(2 * pause_s, LONGEST_PAUSE_S)
                continue
            refused, pause_s = 0, FIRST_PAUSE_S
            await _first(wanted.over, tap.ended)
            if not tap.ended.is_set():
                self._end(wanted.uuid, tap, wanted.unheard)
                return
            # Usually the call is over and its Hangup event is about to arrive.
            await _first(wanted.over, within_s=HANGUP_GRACE_S if tap.worker.alive else 0.05)
            if not wanted.over.is_set():
                self._count("taps_repeated")
                log.warning("tap ended early, tapping again", key="tap.again", call_id=wanted.call_id)

    def _give_up(self, wanted: _Wanted, tries: int) -> None:
        """If it is wanted again (at the next resync, for another agent), it gets new tries."""
        if self._wanted.get(wanted.call_id, {}).get(wanted.mode) is wanted:
            self._drop(wanted.call_id, wanted.mode)
        self._count("taps_given_up")
        log.error("tap given up", key="tap.given_up", call_id=wanted.call_id, tries=tries)

    def _worker_for(self, call_id: str) -> TapWorker:
        """The worker that already has the call's other side, else the one with the fewest sessions."""
        taps = (self._taps.get(wanted.uuid) for wanted in self._wanted.get(call_id, {}).values())
        tap = next((tap for tap in taps if tap is not None and tap.worker.alive), None)
        return tap.worker if tap else self._workers.pick(pbx_of(call_id))

    async def _start(self, wanted: _Wanted) -> _Tap | _Failed:
        uuid = str(self._new_uuid())
        failed = _Failed.REFUSED
        try:
            worker = self._worker_for(wanted.call_id)
            offset = 0.0 if wanted.zero_at is None else max(0.0, self._now() - wanted.zero_at)
            tap = self._taps[uuid] = _Tap(wanted.call_id, worker)
            wanted.uuid = uuid
            zeros = self._lines.zeros(wanted.call_id)
            self._workers.unreached.trying(pbx_of(wanted.call_id), worker.address)
            await worker.announce(
                AnnounceTap(
                    uuid, wanted.call_id, wanted.mode, round(offset, 2), zeros=zeros, alerts=wanted.alerts
                )
            )
            fields = originate_fields(uuid, worker.address, wanted.target, wanted.mode)
            await self._ami.action("Originate", fields)
            await _first(tap.started, tap.ended, tap.refused, wanted.over, within_s=START_DEADLINE_S)
            if tap.started.is_set() or wanted.over.is_set():
                return tap
            why = "ended before its first audio" if tap.ended.is_set() else "no audio reached the worker"
            if not (worker.alive and worker.responsive):
                failed = _Failed.WANTING  # a frozen one accepts the connection, and does nothing more
            elif not tap.ended.is_set():
                self._workers.unreached.failed(pbx_of(wanted.call_id), worker.address)
        except PeerUnavailable as error:
            why, failed = str(error), _Failed.WANTING
        except (ProtocolError, RefusedError) as error:
            why = str(error)
        if (lost := self._taps.pop(uuid, None)) is not None:
            self._end(uuid, lost)
        self._count("taps_failed")
        log.warning("tap not started", key="tap.failed", call_id=wanted.call_id, why=why)
        return failed

    def _end(self, uuid: str, tap: _Tap, unheard: bool = False) -> None:
        try:
            tap.worker.send(EndSession(uuid, unheard))
        except PeerUnavailable:
            log.debug("worker already gone", key="tap.worker_gone", call_id=tap.call_id)


async def _first(*events: asyncio.Event, within_s: float | None = None) -> bool:
    """Wait until any of the events is set, or the time is up; returns whether one was set."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED, timeout=within_s)
    finally:
        for task in tasks:
            task.cancel()
    return bool(done)
