"""What is observed of a call: its taps, readings of the customer, and who spoke when. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emocx_pbx.analysis.messages import (
    CallerPlaced,
    ReadingMade,
    TapEnded,
    TapStarted,
    UtteranceEnded,
    WordsSaid,
)
from emocx_pbx.calls import alerts
from emocx_pbx.calls.effects import (
    Count,
    Effect,
    EndTaps,
    LearnLines,
    Note,
    Show,
    WriteOptOut,
    WriteReadings,
    WriteSpans,
    WriteTapped,
    WriteWords,
)
from emocx_pbx.calls.happenings import Changed, Observed, TapLost
from emocx_pbx.domain import Reading, Scores, Span
from emocx_pbx.emotion.levels import caller_counts
from emocx_pbx.emotion.lines import LineCaller
from emocx_pbx.emotion.places import mean_place
from emocx_pbx.emotion.zero import caller_sums
from emocx_pbx.events import build
from emocx_pbx.events.event import NewEvent
from emocx_pbx.pbx.tracking.changes import AgentConnected

if TYPE_CHECKING:
    from emocx_pbx.calls.call_state import CallState

Effects = list[Effect]

#: Seconds of speech below which lines learn nothing from a call.
LEAST_SPEECH_S: Final = 4.0
#: Least share (0 to 1) of the readings by one model: a call that several models read by turns teaches lines
#: nothing, as it is no fair sample of either.
LEAST_SHARE: Final = 0.8


def take(call: CallState, message: Observed, now: float) -> Effects:
    """What a worker tells of a tap, or what its loss says."""
    match message:
        case ReadingMade():
            return read(call, message, now)
        case UtteranceEnded():
            return uttered(call, message)
        case WordsSaid():
            return said(call, message)
        case TapStarted():
            return tap_started(call, message)
        case CallerPlaced():
            if message.uuid in call.taps and not call.opted_out:
                call.places.append(message.place)
            return []
        case TapEnded() | TapLost():
            return tap_over(call, message, now)


def connected(call: CallState, change: AgentConnected) -> Effects:
    """An agent is being connected."""
    who = {"call_id": call.call_id, "agent": change.agent}
    return [Show(change), Note("agent.connected", "agent connected", who)]


def leave_alone(call: CallState) -> Effects:
    """The customer must not be tapped."""
    known, call.opted_out = call.opted_out, True
    writes = [] if known else [WriteOptOut(call.call_id)]
    return [EndTaps(call.call_id, unheard=True), *writes, Show(Changed(call.call_id))]


def tap_started(call: CallState, message: TapStarted) -> Effects:
    """Audio is arriving."""
    if call.opted_out:
        return [EndTaps(call.call_id, unheard=True)]
    if message.uuid in call.known_taps:
        return []
    call.known_taps.add(message.uuid)
    call.taps.add(message.uuid)
    effects: Effects = []
    if call.zero_at is None:
        call.zero_at = message.at
        effects.append(WriteTapped(call.call_id, message.at))
    note = Note("tap.started", "tap started", {"call_id": call.call_id})
    return [*effects, Show(Changed(call.call_id)), note]


def read(call: CallState, message: ReadingMade, now: float) -> Effects:
    """Signals in a stretch of the customer's speech."""
    if call.opted_out or message.uuid not in call.known_taps:
        return [Count("readings_late")]
    scores = Scores(message.probabilities, message.threshold, message.plain)
    reading = Reading(
        message.t0,
        message.t1,
        message.speech_s,
        scores,
        message.model,
        message.zero,
        message.voice,
        message.words,
    )
    if message.revises:
        return _revised(call, reading, message, now)
    if any((r.t0, r.t1) == (reading.t0, reading.t1) for r in call.readings[-3:]):
        return []
    call.readings.append(reading)
    open_ones = call.open_segments
    segment = open_ones[-1] if open_ones else None
    event = build.call_reading(call.call_id, reading, now, segment)
    events = (event,) if call.rules.tells("call.reading") else ()
    return [
        Show(message),
        *(alerts.read(call, reading, now) if call.ended is None else []),
        WriteReadings(call.call_id, (reading,), now, events),
        Count("readings", scores.emotion),
    ]


def _revised(call: CallState, reading: Reading, message: ReadingMade, now: float) -> Effects:
    """Words were added to a reading: it replaces the one by voice alone, in the store too."""
    times = (reading.t0, reading.t1)
    places = [i for i, known in enumerate(call.readings) if (known.t0, known.t1) == times]
    if not places:
        return [Count("readings_late")]
    call.readings[places[0]] = reading
    events: tuple[NewEvent, ...] = ()
    if call.rules.tells("reading.revised"):
        call.revised[times] = revision = call.revised.get(times, 0) + 1
        at = (call.zero_at or 0.0) + reading.t1
        said_to = [s for _, s in sorted(call.segments.items()) if s.started_at <= at]
        segment = said_to[-1] if said_to else None
        events = (build.reading_revised(call.call_id, reading, now, segment, revision),)
    return [
        Show(message),
        *(alerts.revise(call, reading, now) if call.ended is None else []),
        WriteReadings(call.call_id, (reading,), now, events),
        Count("readings_revised"),
    ]


def said(call: CallState, message: WordsSaid) -> Effects:
    """What the customer said, if it is kept."""
    unwanted = call.opted_out or call.forgotten or not call.rules.keep_words()
    if unwanted or message.uuid not in call.known_taps:
        return []
    return [WriteWords(call.call_id, message.t0, message.t1, message.text)]


def uttered(call: CallState, message: UtteranceEnded) -> Effects:
    """One side spoke."""
    if call.opted_out or message.uuid not in call.known_taps:
        return []
    span = Span("agent" if message.side == "agent" else "customer", message.t0, message.t1)
    call.spans.append(span)
    return [WriteSpans(call.call_id, (span,))]


def tap_over(call: CallState, message: TapEnded | TapLost, now: float) -> Effects:
    """Nothing more comes from a tap; the last tap of a call that is over finishes the call."""
    effects: Effects = []
    if isinstance(message, TapEnded) and message.uuid in call.taps:
        said_of_it = {
            "call_id": call.call_id,
            "reason": message.reason,
            "audio_s": round(message.audio_s, 2),
            "max_gap_s": round(message.max_gap_s, 3),
            "missing_s": round(message.missing_s, 2),
        }
        effects.append(Note("tap.ended", "tap ended", said_of_it))
    call.taps.discard(message.uuid)
    call.known_taps.add(message.uuid)  # a late TapStarted opens nothing
    if call.ended and not call.taps and not call.unread:
        effects += call.finish(now)
    return effects


def learnt(call: CallState, at: float) -> Effects:
    """What the lines learn from a call that is over: the uncorrected answers of the model that read it."""
    answered = [r for r in call.readings if r.scores.plain is not None]
    lines = tuple(call.rules.lines(call.trunk))
    if call.opted_out or not answered or not lines:
        return []
    speech = {
        name: sum(r.speech_s for r in answered if r.model == name) for name in {r.model for r in answered}
    }
    model = max(speech, key=speech.__getitem__)
    own = [r for r in answered if r.model == model]
    speech_s, all_s = speech[model], sum(speech.values())
    if speech_s < LEAST_SPEECH_S or speech_s < LEAST_SHARE * all_s:
        return []
    answers = [r.scores.plain for r in own if r.scores.plain is not None]
    place = mean_place([p for p in call.places if p.model == model])
    caller = LineCaller(caller_sums(answers), caller_counts(answers), place)
    return [LearnLines(call.call_id, model, lines, caller, at)]
