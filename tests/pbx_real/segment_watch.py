"""A call tracker fed by the real gateway, and a few hands for the tests of segments."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from string import Template

from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.rules import Rules
from emocx_pbx.domain import Segment
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.lab import sip
from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.pbx.ami.gateway import AmiGateway
from emocx_pbx.pbx.tracking.changes import CallChange, CallEnded
from emocx_pbx.pbx.tracking.tracker import CallTracker
from emocx_pbx.settings.settings import AsteriskSettings

#: How far a segment's ends may be from the bridge events, by Asterisk's own clock.
NEAR_S = 0.1


@dataclass
class Watch:
    """What the gateway told, and what the tracker made of it."""

    tracker: CallTracker = field(default_factory=CallTracker)
    events: list[tuple[float, dict[str, str]]] = field(default_factory=list)
    changes: list[CallChange] = field(default_factory=list)
    calls: dict[str, CallState] = field(default_factory=dict)
    """Every call there was."""
    disagreements: list[str] = field(default_factory=list)
    """Where the tracker went by something else than what the call's state says."""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    @contextlib.asynccontextmanager
    async def running(self, pbx: PrivateAsterisk) -> AsyncIterator[Watch]:
        settings = AsteriskSettings(port=pbx.ami_port, secret=pbx.secret)
        up = asyncio.Event()
        gateway = AmiGateway(settings, self._take, lambda state: up.set() if state.up else None)
        task = asyncio.ensure_future(gateway.run())
        try:
            async with asyncio.timeout(5):
                await up.wait()
            # As the service does, to know the agents' names.
            for member in (await gateway.action("QueueStatus")).events:
                self.tracker.feed(member, 0.0)
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert not self.disagreements, self.disagreements

    def _compare(self, event: dict[str, str]) -> None:
        """What the tracker holds of a call to read the next event equals what the call is."""
        for call_id, tracked in self.tracker.calls.items():
            call = self.calls.get(call_id)
            if call is None or not call.visits:
                continue
            held = (tracked.queue, tracked.waiting, set(tracked.open))
            if held != (call.queue, call.waiting, set(call.legs)):
                self.disagreements.append(f"{event}: {held}, and {call.visits} {call.legs}")

    def _take(self, event: dict[str, str]) -> None:
        now = time.time()
        self.events.append((now, event))
        for change in self.tracker.feed(event, now):
            self.changes.append(change)
            call = self.calls.setdefault(change.call_id, CallState(change.call_id, Rules(load_rubric())))
            call.take(change, now)
        self._compare(event)
        self._news.set()

    async def until(self, condition: Callable[[], object], seconds: float = 5.0) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"not told in {seconds:g} s; {self.story()}") from None

    def of(self, kind: type, call_id: str) -> list[CallChange]:
        """Changes of one kind of one call."""
        return [c for c in self.changes if isinstance(c, kind) and c.call_id == call_id]

    def parts(self, call_id: str) -> list[Segment]:
        """The call's segments in order, closed where they are over."""
        call = self.calls.get(call_id)
        return [call.segments[index] for index in sorted(call.segments)] if call else []

    async def talking(self, call_id: str, count: int) -> Segment:
        """The call's `count`-th segment once it is open, the only open one."""
        await self.until(lambda: len(self.parts(call_id)) >= count)
        return self.parts(call_id)[count - 1]

    async def over(self, call_id: str) -> list[Segment]:
        """The call's segments once it has ended; all closed, each end near a bridge event."""
        await self.until(lambda: self.of(CallEnded, call_id))
        parts = self.parts(call_id)
        assert all(part.ended_at is not None for part in parts)
        assert len(self.of(CallEnded, call_id)) == 1
        return parts

    def bridged_at(self, name: str, **fields: str) -> list[float]:
        """When Asterisk says that it sent each such event, by its own clock."""
        return [
            float(event["Timestamp"])
            for _, event in self.events
            if event.get("Event") == name and all(event.get(k, "").startswith(v) for k, v in fields.items())
        ]

    def near(self, at: float | None, name: str, **fields: str) -> float:
        """How far a moment is from the nearest such event, s; asserted to be near."""
        assert at is not None
        observed = self.bridged_at(name, **fields)
        assert observed, f"no {name} {fields}; {self.story()}"
        distance = min(abs(at - other) for other in observed)
        assert distance < NEAR_S, (distance, name, fields)
        return distance

    def story(self) -> str:
        """Events of note, for a failing test's message."""
        lines = []
        for _, event in self.events:
            kind = event.get("Event", "")
            if kind.startswith(
                ("Var", "Newexten", "RTCP", "Dial", "New", "Device", "Contact", "Queue", "Full")
            ):
                continue
            names = {
                k: v
                for k, v in event.items()
                if k
                in {
                    "Channel",
                    "Uniqueid",
                    "BridgeUniqueid",
                    "SwapUniqueid",
                    "BridgeTechnology",
                    "DestChannel",
                    "DestUniqueid",
                    "MemberName",
                    "Interface",
                    "Success",
                }
                or (k.startswith(("Local", "Source")) and k.endswith(("Channel", "Uniqueid", "UniqueId")))
                or k.startswith(("From", "To"))
            }
            lines.append(f"{event.get('Timestamp')} {kind} {names}")
        return "\n".join(lines) + "\n" + "\n".join(map(str, self.changes))


class Telephone(sip.SippAgents):
    """An agent's telephone of its own that does something after `after_s`: a scenario beside agent.xml."""

    def __init__(self, recording: Path, doing: str, **values: object) -> None:
        port = sip.free_port(sip.socket.SOCK_DGRAM)
        super().__init__(port, recording, answer_s=0.05)
        folder = Path(sip.__file__).parent / "sipp"
        step = Template((folder / doing).read_text()).substitute(values)
        self._scenario = Template((folder / "agent.xml").read_text()).substitute(
            recording=recording.resolve(), answer_ms=50, hold_ms=86_400_000, refer=step
        )

    def address(self, endpoint: str) -> str:
        """What to dial to ring this telephone as that endpoint's."""
        return f"PJSIP/{endpoint}/sip:{endpoint}@127.0.0.1:{self.port}"
