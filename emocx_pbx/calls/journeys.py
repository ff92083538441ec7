"""Every call's journey, from its first event to its terminal webhook, in one ordered stream.

AMI changes, workers' messages, decisions and timers are happenings on one bounded queue; a single
task applies them to the store. So a call's rows and events are written in the order in which
things happened, and a crash between two happenings loses neither of them: what was written stays,
and `recover` finishes the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import structlog

from emocx_pbx.analysis.messages import ReadingMade, SpeechHeard, TapEnded, TapStarted
from emocx_pbx.calls.alerting import Alerted, Alerting
from emocx_pbx.calls.course import Course, graded_part, open_legs, stored_course
from emocx_pbx.calls.happenings import (
    FinishDue,
    Graded,
    GradeDue,
    Happening,
    OptedOut,
    TakenOver,
    TapsLost,
    Told,
)
from emocx_pbx.calls.taps import TapKeeper
from emocx_pbx.dispatch.queries import DecidedQuery
from emocx_pbx.domain import Reading, Scores, Span
from emocx_pbx.errors import EmocxError
from emocx_pbx.events import build
from emocx_pbx.grading.rubric import Rubric
from emocx_pbx.pbx.tracking.tracker import (
    AgentConnected,
    CallChange,
    CallEnded,
    CallStarted,
    CallTracker,
    CustomerMoved,
    HoldChanged,
    QueueJoined,
    SegmentClosed,
    SegmentOpened,
    TrackedCall,
)
from emocx_pbx.store.database import Store

log = structlog.get_logger()

#: Happenings not yet applied; when full the newest is dropped, counted, and the calls reconciled.
MAX_WAITING = 20_000
#: After a segment's end its last readings are still on their way from the worker.
SETTLE_S = 3.0


class Journeys:
    """Applies happenings, one at a time, to the store; run by the service."""

    def __init__(
        self,
        store: Store,
        tracker: CallTracker,
        taps: TapKeeper,
        begin_tap: Callable[[AgentConnected, float | None], None],
        rubric: Rubric,
        alerting: Alerting,
        tell_readings: Callable[[], bool],
        keep_text: bool,
        now: Callable[[], float],
        count: Callable[..., None],
    ) -> None:
        self._store, self._tracker, self._taps, self._begin_tap = store, tracker, taps, begin_tap
        self._rubric, self._alerting, self._now = rubric, alerting, now
        self._tell_readings, self._keep_text = tell_readings, keep_text
        self._count = count
        self._queue: asyncio.Queue[Happening] = asyncio.Queue(MAX_WAITING)
        self._courses: dict[str, Course] = {}
        self.watch: Callable[[Told], None] = lambda told: None
        """Told at once of all that happens, not behind the store; must not block."""

    # In: all synchronous, called on the event loop.

    def put(self, happening: Happening) -> None:
        """Take a happening; dropped and counted when MAX_WAITING wait already."""
        self.watch(happening)
        try:
            self._queue.put_nowait(happening)
        except asyncio.QueueFull:
            self._count("happenings_dropped")

    def on_ami(self, event: Mapping[str, str]) -> None:
        """Take an AMI event."""
        for change in self._tracker.feed(event, self._now()):
            self.take(change)

    def take(self, change: CallChange) -> None:
        """Take a change of a call; taps begin at once, not behind the store."""
        match change:
            case AgentConnected():
                course = self._courses.get(change.call_id)
                self._begin_tap(change, course.zero_at if course else None)
            case CustomerMoved():
                # What was tapped is about to vanish; who opted out may only be told by the new channel.
                self._taps.unwant(change.call_id)
                self._tap_again(change.call_id)
            case CallEnded():
                self._taps.unwant(change.call_id)
        self.put(change)

    def _tap_again(self, call_id: str) -> None:
        """Begin to tap a call with agents in it, as when they were connected."""
        call, course = self._tracker.calls[call_id], self._courses.get(call_id)
        for leg, part in call.open.items():
            connected = AgentConnected(
                call_id, self._now(), part.agent, part.interface, part.queue or "", 0.0, leg
            )
            self._begin_tap(connected, course.zero_at if course else None)

    # The one consumer.

    async def run(self) -> None:
        """Apply happenings until cancelled."""
        while True:
            await self._apply_safely(await self._queue.get())

    async def drain(self) -> None:
        """Apply what waits already (at an orderly stop)."""
        while not self._queue.empty():
            await self._apply_safely(self._queue.get_nowait())

    async def _apply_safely(self, happening: Happening) -> None:
        # One of the three outermost loops: one bad happening must not end all calls' journeys.
        try:
            await self._apply(happening)
        except EmocxError as error:
            self._count("happenings_failed")
            log.error("happening failed", key="journey.failed", what=type(happening).__name__, why=str(error))
        except Exception:
            self._count("happenings_failed")
            log.exception("happening failed", key="journey.failed", what=type(happening).__name__)

    async def _apply(self, happening: Happening) -> None:
        handler: Callable[[Any], Awaitable[None]] | None = getattr(
            self, f"_on_{type(happening).__name__.lower()}", None
        )
        if handler is not None:
            await handler(happening)

    def _course(self, call_id: str) -> Course:
        return self._courses.setdefault(call_id, Course(call_id))

    async def _on_decidedquery(self, query: DecidedQuery) -> None:
        decision, caller = query.decision, query.caller
        routed = build.query_routed(decision, caller.call_id, caller.customer_key)
        text = query.text if self._keep_text else None
        if caller.call_id is None:
            await self._store.record_decision(decision, None, caller.customer_key, text, [routed])
            return
        course = self._course(caller.call_id)
        course.decision, course.opted_out = decision, caller.opted_out
        await self._store.start_call(
            caller.call_id, decision.at, caller.customer_key, None, decision.queue, None
        )
        await self._store.record_decision(decision, caller.call_id, caller.customer_key, text, [routed])
        course.customer, course.started_at = caller.customer_key, decision.at

    async def _on_callstarted(self, change: CallStarted) -> None:
        course = self._course(change.call_id)
        course.queue, course.started_at = change.queue, min(change.at, course.started_at or change.at)
        decision_id = course.decision.decision_id if course.decision else None
        started = build.call_started(
            change.call_id, change.at, change.queue, change.caller, course.customer, decision_id
        )
        await self._store.start_call(
            change.call_id,
            change.at,
            course.customer,
            change.caller,
            change.queue,
            decision_id,
            [started],
            queued_at=change.at,
        )
        log.info("call started", key="call.started", call_id=change.call_id, queue=change.queue)

    async def _on_optedout(self, message: OptedOut) -> None:
        self._course(message.call_id).opted_out = True

    async def _on_queuejoined(self, change: QueueJoined) -> None:
        log.info("caller waits", key="queue.joined", call_id=change.call_id, queue=change.queue)

    async def _on_agentconnected(self, change: AgentConnected) -> None:
        log.info("agent connected", key="agent.connected", call_id=change.call_id, agent=change.agent)

    async def _on_segmentopened(self, change: SegmentOpened) -> None:
        segment = change.segment
        course = self._course(segment.call_id)
        course.segments[segment.index] = segment
        self._alerting.segment_opened(course, segment)
        await self._store.open_segment(segment)

    async def _on_segmentclosed(self, change: SegmentClosed) -> None:
        segment = change.segment
        course = self._course(segment.call_id)
        course.segments[segment.index] = segment
        course.ungraded.add(segment.index)
        await self._store.close_segment(
            segment.call_id, segment.index, segment.ended_at or self._now(), segment.end_reason or ""
        )
        due = GradeDue(segment.call_id, segment.index)
        asyncio.get_running_loop().call_later(SETTLE_S, self.put, due)

    async def _on_holdchanged(self, change: HoldChanged) -> None:
        holds = self._course(change.call_id).holds
        if change.on_hold:
            holds.append((change.at, None))
        elif holds and holds[-1][1] is None:
            holds[-1] = (holds[-1][0], change.at)
        await self._store.set_hold(change.call_id, change.at, change.on_hold)

    async def _on_tapstarted(self, message: TapStarted) -> None:
        course = self._course(message.call_id)
        course.taps.add(message.uuid)
        if course.zero_at is None:
            course.zero_at = message.at
            await self._store.set_tapped(message.call_id, message.at)
        log.info("tap started", key="tap.started", call_id=message.call_id)

    async def _on_readingmade(self, message: ReadingMade) -> None:
        course = self._courses.get(message.call_id)
        if course is None:
            self._count("readings_late")
            return
        scores = Scores(message.probabilities, message.threshold)
        reading = Reading(message.t0, message.t1, message.speech_s, scores, message.model)
        course.readings.append(reading)
        # First of all: alerts are about what can still be helped.
        alerted = self._alerting.read(course, reading)
        open_ones = [segment for segment in course.segments.values() if segment.ended_at is None]
        told = build.call_reading(message.call_id, reading, self._now(), open_ones[-1] if open_ones else None)
        await self._store.add_readings(
            message.call_id, [reading], self._now(), [told] if self._tell_readings() else []
        )
        self._count("readings", scores.emotion)
        await self._save_alerts(alerted)

    async def _save_alerts(self, alerted: Sequence[Alerted]) -> None:
        if alerted:
            await self._store.save_alerts(
                [alert.row() for alert in alerted], [alert.event() for alert in alerted]
            )

    async def _on_speechheard(self, message: SpeechHeard) -> None:
        if course := self._courses.get(message.call_id):
            side = "agent" if message.side == "agent" else "customer"
            span = Span(side, message.t0, message.t1)  # type: ignore[arg-type]
            course.spans.append(span)
            await self._store.add_spans(message.call_id, [span])

    async def _on_tapended(self, message: TapEnded) -> None:
        log.info(
            "tap ended",
            key="tap.ended",
            call_id=message.call_id,
            reason=message.reason,
            audio_s=round(message.audio_s, 2),
            max_gap_s=round(message.max_gap_s, 3),
            missing_s=round(message.missing_s, 2),
        )
        if course := self._courses.get(message.call_id):
            await self._tap_over(course, message.uuid)

    async def _on_tapslost(self, lost: TapsLost) -> None:
        for course in list(self._courses.values()):
            for uuid in course.taps & lost.uuids:
                await self._tap_over(course, uuid)

    async def _tap_over(self, course: Course, uuid: str) -> None:
        course.taps.discard(uuid)
        if course.ended and not course.taps:
            await self._finish(course)

    async def _on_callended(self, change: CallEnded) -> None:
        course = self._course(change.call_id)
        course.ended = change
        if course.taps:
            # Its TapEnded follows within milliseconds; this is for when it does not.
            loop = asyncio.get_running_loop()
            course.finishing = loop.call_later(SETTLE_S, self.put, FinishDue(change.call_id))
        else:
            await self._finish(course)

    async def _on_gradedue(self, due: GradeDue) -> None:
        if (course := self._courses.get(due.call_id)) and due.index in course.ungraded:
            await self._grade(course, due.index)

    async def _on_finishdue(self, due: FinishDue) -> None:
        if course := self._courses.get(due.call_id):
            await self._finish(course)

    # Grades and ends.

    async def _finish(self, course: Course) -> None:
        """Grade what is not graded yet, write the one terminal event, forget the call."""
        if course.ended is None:
            return
        for index in sorted(course.ungraded):
            await self._grade(course, index)
        del self._courses[course.call_id]
        if course.finishing:
            course.finishing.cancel()
        end = course.ended
        await self._save_alerts(self._alerting.end(course, end.at))
        ended = build.call_ended(
            course.call_id,
            course.started_at or end.at,
            end.at,
            end.reason,
            course.queue,
            [course.segments[index] for index in sorted(course.segments)],
            course.grades,
            course.customer,
            course.decision.decision_id if course.decision else None,
        )
        await self._store.end_call(course.call_id, end.at, end.reason, [ended])
        log.info("call ended", key="call.ended", call_id=course.call_id, reason=end.reason)

    async def _grade(self, course: Course, index: int) -> None:
        course.ungraded.discard(index)
        if course.opted_out:
            return
        segment = course.segments[index]
        graded = graded_part(course, segment, self._rubric)
        course.grades[index] = graded
        decision_id = course.decision.decision_id if course.decision else None
        event = build.call_graded(segment, graded, self._now(), course.customer, decision_id)
        await self._store.save_grade(course.call_id, index, graded, [event])
        self.watch(Graded(course.call_id, index, segment.agent, graded))
        self._count("grades", graded.letter or "none")
        log.info(
            "agent's part graded",
            key="call.graded",
            call_id=course.call_id,
            agent=segment.agent,
            score=graded.score,
            letter=graded.letter,
            evidence_s=round(graded.evidence_s, 1),
        )

    # After a crash.

    async def recover(self, channels: Sequence[Mapping[str, str]]) -> None:
        """Take over the calls that the store says are open; `channels` is the answer to Status.

        A call whose customer's channel still lives goes on (and is tapped again); any other is
        graded on the readings it has and gets its terminal event.
        """
        for known in await self._store.open_calls():
            call_id = known.call.call_id
            detail = None if call_id in self._courses else await self._store.call(call_id)
            if detail is None:
                continue
            course = self._courses[call_id] = stored_course(detail)
            call = TrackedCall(
                call_id,
                channel=next((c["Channel"] for c in channels if c.get("Uniqueid") == call_id), ""),
                started_at=known.call.started_at,
                queue=known.call.queue,
                caller=known.call.caller or "",
                segments=known.next_segment,
            )
            self._tracker.adopt(call, open_legs(call, course, channels))
            await self._save_alerts(self._alerting.recover(course))
            self.watch(TakenOver(course))
            log.warning("call taken over", key="call.recovered", call_id=call_id, alive=bool(call.channel))
        for change in self._tracker.reconcile(channels, self._now()):
            self.take(change)
        for known_call in self._tracker.calls:
            self._tap_again(known_call)
