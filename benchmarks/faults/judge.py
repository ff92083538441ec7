"""Compares what happened with what the receiver was told; every broken promise is a finding. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.faults.history import Caller, History, Measures, Observed, Window

#: A caller is in a queue this soon after arriving, whatever fails, unless a run asks for less.
IN_QUEUE_S: Final = 2.0
#: An agent's part that was shorter may be graded or not: there is nothing in it yet.
GRADED_FROM_S: Final = 2.0
#: A fault can still hurt a call that comes this long after it: processes start, links are made again.
AFTER_S: Final = 10.0
#: A service that could not see Asterisk is in step with it again this soon.
IN_STEP_S: Final = 6.0
#: What came this shortly before a kill may not be on disk yet; if it was over before the start, it is lost.
UNWRITTEN_S: Final = 1.0
#: More than this is growth; what is allowed are caches, and connections that happen to be open.
GROWTH_MIB: Final = 40.0
GROWTH_FDS: Final = 25
LEFT_FDS: Final = 12

#: Kinds of findings, in the order of the table, with what each means.
KINDS: Final[Mapping[str, str]] = {
    "late": "not in a queue in time",
    "not_started": "in a queue, but not exactly one call.started",
    "not_ended": "no call.ended",
    "ended_twice": "more than one call.ended",
    "disorder": "gaps or disorder in the sequence, or something after call.ended",
    "ungraded": "a connected agent without call.graded",
    "overgraded": "a call.graded too many, or of one who opted out",
    "two_bodies": "an event with two bodies",
    "unsigned": "a wrong signature",
    "undelivered": "an event still waiting in the outbox at the end",
    "left": "channels or taps left in Asterisk, processes left on the machine",
    "growth": "memory or descriptors that grew",
    "died": "the service ended by itself, or was not back in time",
    "untrue": "the run itself can't be trusted",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A promise that was broken."""

    kind: str
    """One of KINDS."""
    subject: str
    """A call's id, or whatever else it is about."""
    what: str
    faults: tuple[str, ...] = ()
    """Faults that the call lived through, each with its place in the call's life."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one fault did to the callers who lived through it (a call may have lived through two)."""

    fault: str
    times: int
    callers: int
    slowest_to_queue_s: float | None
    by_default: int
    """Callers who came during it and went where the dialplan's default says, without a decision."""
    told_after_s: float | None
    """Longest from a call's end to the receiver having its call.ended."""
    repeated: int
    """Deliveries of events that the receiver had already."""
    unseen: int
    """Agents' parts that began and ended while the service could not see Asterisk; no grade is asked for."""
    findings: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A run's outcome."""

    rows: tuple[Row, ...]
    total: Row
    findings: tuple[Finding, ...]

    @property
    def kept(self) -> bool:
        """Whether every promise was kept."""
        return not self.findings


def judge(history: History, in_queue_s: float = IN_QUEUE_S) -> Verdict:
    """Every finding of a run, and a row per fault; calls outside of all faults are in the row `none`.

    Args:
        history: what was seen.
        in_queue_s: a caller who takes longer from arriving to a queue is late.
    """
    stories = _stories(history)
    findings = [
        *(finding for story in stories.values() for finding in story.findings(history.windows, in_queue_s)),
        *_of_calls_unknown(history, stories),
        *_of_deliveries(history),
        *_of_leftovers(history),
        *(growth(history.measures) if history.measures is not None else ()),
    ]
    faults = list(dict.fromkeys(window.fault for window in history.windows))
    rows = [_row(fault, history, stories, findings) for fault in ("none", *faults)]
    total = _summed("all", len(history.windows), list(stories.values()), findings, history.windows)
    return Verdict(tuple(rows), total, tuple(findings))


def touched(caller: Caller, windows: Iterable[Window]) -> list[Window]:
    """The faults that a call lived through."""
    end = caller.ended if caller.ended is not None else float("inf")
    return [w for w in windows if caller.arrived <= w.ended + AFTER_S and end >= w.began]


def unseen(began: float, ended: float | None, windows: Iterable[Window]) -> bool:
    """Whether something lay wholly in a time when the service could not see Asterisk."""
    return ended is not None and any(
        w.blind and w.began - UNWRITTEN_S <= began and ended <= (w.blind_until or w.ended) + IN_STEP_S
        for w in windows
    )


@dataclass(frozen=True, slots=True)
class _Story:
    """A caller with the events of the call: delivered ones in order of arrival, then waiting ones."""

    caller: Caller
    observed: tuple[Observed, ...]
    waiting: tuple[Observed, ...]
    deliveries: int

    def findings(self, windows: Sequence[Window], in_queue_s: float) -> list[Finding]:
        found = [*self._arrival(in_queue_s), *self._start(windows), *self._end(windows), *self._sequence()]
        found += self._grades(windows)
        found += [("undelivered", f"{event.type} {event.sequence}") for event in self.waiting]
        lived = tuple(
            f"{w.fault} {w.began - self.caller.arrived:+.1f} to {w.ended - self.caller.arrived:+.1f} s"
            for w in touched(self.caller, windows)
        )
        return [Finding(kind, self.caller.call_id, what, lived) for kind, what in found]

    def _arrival(self, in_queue_s: float) -> list[tuple[str, str]]:
        caller = self.caller
        if caller.joined is not None:
            wait = caller.joined - caller.arrived
            return [("late", f"in a queue after {wait:.2f} s")] if wait > in_queue_s else []
        gone = caller.ended is not None and caller.ended - caller.arrived <= in_queue_s
        return [] if gone else [("late", "never in a queue")]

    def _start(self, windows: Sequence[Window]) -> list[tuple[str, str]]:
        joined = self.caller.joined
        starts = {e.event_id for e in (*self.observed, *self.waiting) if e.type == "call.started"}
        if joined is None or len(starts) == 1 or (not starts and unseen(joined, self.caller.ended, windows)):
            return []
        return [("not_started", f"{len(starts)} times call.started")]

    def _end(self, windows: Sequence[Window]) -> list[tuple[str, str]]:
        ends = {e.event_id for e in (*self.observed, *self.waiting) if e.type == "call.ended"}
        if len(ends) > 1:
            return [("ended_twice", f"{len(ends)} times call.ended")]
        observed = bool(self.observed or self.waiting)
        if not observed and unseen(self.caller.arrived, self.caller.ended, windows):
            return []
        if not ends and (observed or self.caller.joined is not None):
            types = " ".join(event.type for event in (*self.observed, *self.waiting)) or "nothing"
            return [("not_ended", f"no call.ended after {types}")]
        return []

    def _sequence(self) -> list[tuple[str, str]]:
        numbers = [event.sequence for event in self.observed]
        found = []
        if numbers != list(range(1, len(numbers) + 1)):
            found.append(("disorder", f"sequence {' '.join(map(str, numbers))}"))
        types = [event.type for event in (*self.observed, *self.waiting)]
        if "call.ended" in types[:-1] and types.count("call.ended") == 1:
            found.append(("disorder", f"{types[-1]} after call.ended"))
        if (decided := types.count("query.routed")) > 1:
            found.append(("disorder", f"{decided} times query.routed"))
        return found

    def _grades(self, windows: Sequence[Window]) -> list[tuple[str, str]]:
        graded = Counter(e.agent or "?" for e in (*self.observed, *self.waiting) if e.type == "call.graded")
        if self.caller.opted_out:
            return [("overgraded", f"{agent}, though the caller opted out") for agent in graded]
        must, may = Counter[str](), Counter[str]()
        for talk in self.caller.talks:
            until = talk.ended if talk.ended is not None else self.caller.ended
            long = until is not None and until - talk.began >= GRADED_FROM_S
            (must if long and not unseen(talk.began, until, windows) else may)[talk.agent] += 1
        found = []
        for agent in sorted(must | may | graded):
            missing, extra = must[agent] - graded[agent], graded[agent] - must[agent] - may[agent]
            found += [("ungraded", f"{agent} was connected")] * max(0, missing)
            found += [("overgraded", f"{agent}, {graded[agent]} times")] * max(0, extra)
        return found


def _stories(history: History) -> dict[str, _Story]:
    observed: dict[str, list[Observed]] = defaultdict(list)
    deliveries: Counter[str] = Counter()
    seen = set()
    for delivery in history.deliveries:
        if not (delivery.accepted and delivery.call_id):
            continue
        deliveries[delivery.call_id] += 1
        if delivery.event_id not in seen:
            seen.add(delivery.event_id)
            observed[delivery.call_id].append(delivery)
    waiting: dict[str, list[Observed]] = defaultdict(list)
    for event in history.waiting:
        # A receiver that was too slow has it, though it will be sent again.
        if event.call_id and event.event_id not in seen:
            waiting[event.call_id].append(event)
    return {
        caller.call_id: _Story(
            caller,
            tuple(observed[caller.call_id]),
            tuple(sorted(waiting[caller.call_id], key=lambda event: event.sequence)),
            deliveries[caller.call_id],
        )
        for caller in history.callers
    }


def _of_calls_unknown(history: History, stories: Mapping[str, _Story]) -> list[Finding]:
    """Calls that the receiver was told of and that there never were."""
    known = {d.call_id for d in history.deliveries if d.call_id} - stories.keys()
    return [Finding("disorder", call_id, "events of a call that nobody made") for call_id in sorted(known)]


def _of_deliveries(history: History) -> list[Finding]:
    bodies: dict[str, set[bytes]] = defaultdict(set)
    about: dict[str, Observed] = {}
    for delivery in history.deliveries:
        if delivery.signed:
            bodies[delivery.event_id].add(delivery.body)
            about.setdefault(delivery.event_id, delivery)
    found = [
        Finding("two_bodies", about[event_id].call_id or event_id, f"{about[event_id].type} {event_id}")
        for event_id, different in bodies.items()
        if len(different) > 1
    ]
    wrong = [d for d in history.deliveries if not d.signed]
    return [*found, *(Finding("unsigned", d.call_id or d.event_id, f"{d.type} {d.event_id}") for d in wrong)]


def _of_leftovers(history: History) -> list[Finding]:
    found = [Finding("left", name, "channel in Asterisk after all calls") for name in history.channels_left]
    found += [Finding("left", name, "process of an earlier start") for name in history.processes_left]
    found += [Finding("died", w.fault, w.problem) for w in history.windows if w.problem]
    return [*found, *(Finding("untrue", "run", problem) for problem in history.problems)]


def growth(measures: Measures) -> list[Finding]:
    """What grew: memory while faults came and went, descriptors then and at the end."""
    found = []
    if measures.late is not None:
        for who in ("controller", "workers", "web"):
            before, after = getattr(measures.warm, f"{who}_mib"), getattr(measures.late, f"{who}_mib")
            if after - before > GROWTH_MIB:
                found.append(
                    Finding("growth", who, f"memory from {before:.0f} to {after:.0f} MiB under load")
                )
            before, after = getattr(measures.warm, f"{who}_fds"), getattr(measures.late, f"{who}_fds")
            if after - before > GROWTH_FDS:
                found.append(Finding("growth", who, f"descriptors from {before} to {after} under load"))
    for who in ("controller", "workers", "web"):
        before, after = getattr(measures.idle, f"{who}_fds"), getattr(measures.end, f"{who}_fds")
        if after - before > LEFT_FDS:
            found.append(Finding("growth", who, f"descriptors from {before} to {after} without calls"))
    return found


def _row(fault: str, history: History, stories: Mapping[str, _Story], findings: Sequence[Finding]) -> Row:
    if fault == "none":
        chosen = [s for s in stories.values() if not touched(s.caller, history.windows)]
        windows: list[Window] = []
    else:
        windows = [window for window in history.windows if window.fault == fault]
        chosen = [story for story in stories.values() if touched(story.caller, windows)]
    ids = {story.caller.call_id for story in chosen}
    own = [f for f in findings if f.subject in ids or (f.kind == "died" and f.subject == fault)]
    return _summed(fault, len(windows), chosen, own, windows)


def _summed(
    name: str, times: int, stories: Sequence[_Story], findings: Sequence[Finding], windows: Sequence[Window]
) -> Row:
    waits = [s.caller.joined - s.caller.arrived for s in stories if s.caller.joined is not None]
    observed = [
        event.at - story.caller.ended
        for story in stories
        if story.caller.ended is not None
        for event in story.observed
        if event.type == "call.ended"
    ]
    counts = Counter(finding.kind for finding in findings)
    return Row(
        name,
        times,
        len(stories),
        round(max(waits), 2) if waits else None,
        sum(_by_default(story, windows) for story in stories),
        round(max(0.0, *observed), 1) if observed else None,
        sum(story.deliveries - len(story.observed) for story in stories),
        sum(unseen(t.began, t.ended, windows) for story in stories for t in story.caller.talks),
        {kind: counts[kind] for kind in KINDS},
    )


def _by_default(story: _Story, windows: Sequence[Window]) -> bool:
    caller = story.caller
    if caller.joined is None or caller.opted_out:
        return False
    during = any(w.began <= caller.joined and caller.arrived <= w.ended + AFTER_S for w in windows)
    decided = any(
        event.type == "query.routed" and event.status != "timeout"
        for event in (*story.observed, *story.waiting)
    )
    return (during or not windows) and not decided
