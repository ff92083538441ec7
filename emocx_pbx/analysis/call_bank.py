"""Cuts many calls' audio into utterances and windows together: `CallSegmenter` as arrays, with the same
results.

Most of the cost of a single frame is function calls, not arithmetic. So frames of many calls go through each
step together: levels, voice activity, tones, echo, hysteresis. Rare steps are done one by one: doubts of the
echo gate, a window, an end. Pure; deterministic in each call's samples, however they are split and whatever
other calls there are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from emocx_pbx.analysis.windows import (
    LEAST_BETWEEN,
    LEAST_PHRASE,
    MEMORY_S,
    NEVER,
    PHRASE_FRAMES,
    Item,
    early_frames,
    frame_time,
    speech_window,
    spoken_phrase,
)
from emocx_pbx.audio.echo_gate import BLOCK, KEPT, QUIET_FRAMES, RECENT, Doubt, EchoGate
from emocx_pbx.audio.frame_turns import frame_turns
from emocx_pbx.audio.pcm import Int16Array
from emocx_pbx.audio.recent import Recent, write
from emocx_pbx.audio.repeats import COMPARED, Played
from emocx_pbx.audio.segmenter import SegmenterStep
from emocx_pbx.audio.segmenters import Segmenters
from emocx_pbx.audio.tone_watches import ToneWatches
from emocx_pbx.audio.tones import lines_where
from emocx_pbx.audio.vad import FRAME, FRAME_S, levels_db
from emocx_pbx.audio.voices import Flags, Rows, Voices
from emocx_pbx.domain import Side, Span
from emocx_pbx.settings.settings import AnalysisSettings

#: Frames of a call processed at once (320 ms); more wait for the next turn of the same run.
AT_ONCE: Final = 16

_MEMORY: Final = round(MEMORY_S / FRAME_S)
_PAIR: Final = 4
#: Bytes of one frame of both sides.
_FRAME_BYTES: Final = _PAIR * FRAME

Found = list[tuple[int, Item]]


class CallBank:
    """Rows of calls: opened, fed, run together, finished."""

    def __init__(self, settings: AnalysisSettings, rows: int) -> None:
        """Room for `rows` calls."""
        self.sparing = False
        """Whether nothing is compared with what the call had before: what a machine repeats makes windows."""
        self.coarse = False
        """Whether voice activity is detected by level alone: echoes and tones pass as speech."""
        self._free = list(range(rows - 1, -1, -1))
        self._rows = rows
        self._voices = Voices(rows, settings.vad_aggressiveness)
        self._tones = ToneWatches(rows)
        self._segmenters = Segmenters(2 * rows)
        """The customer's sides, then the agents'."""
        self._frames = np.zeros(rows, np.int64)
        self._levels = np.zeros((rows, QUIET_FRAMES))
        """Levels of the customer's latest frames (dBFS): a ring buffer."""
        self._since_agent = np.zeros(rows, np.int64)
        self._doubting = np.zeros(rows, np.bool_)
        """Whether frames of the customer wait for the echo gate."""
        self._longest = max(1, round(settings.window_s / FRAME_S))
        self._interval = max(1, round(settings.reading_interval_s / FRAME_S))
        self._wants_phrases = settings.words != "off"
        self._ring = max(self._longest, PHRASE_FRAMES) if self._wants_phrases else self._longest
        self._spoken = np.zeros((rows, self._ring), np.int64)
        """Numbers of the customer's latest frames of speech: a ring buffer."""
        self._said = np.zeros((rows, self._ring, FRAME), np.int16)
        """And those frames. Memory is only allocated on writing: a row that is not read takes none."""
        self._spoken_count = np.zeros(rows, np.int64)
        self._compared = np.zeros(rows, np.int64)
        """Of these, how many were compared with what the call had before."""
        self._together = min(COMPARED, self._longest)
        self._fresh = np.zeros(rows, np.int64)
        self._run = np.zeros(rows, np.int64)
        self._early_at = np.full(rows, NEVER)
        """As CallSegmenter's, while an utterance goes on."""
        self._phrase = np.zeros(rows, np.int64)
        """Frames of the current utterance that are in no phrase yet; 0 where none are wanted."""
        self._read = np.zeros(rows, np.bool_)
        """Whose windows and phrases are wanted."""
        self._calls: dict[int, _Call] = {}
        rules = self._segmenters.rules
        self._kept = max(KEPT, rules.start + rules.stop + rules.pad + BLOCK) + AT_ONCE
        """The latest frames of a side: those that may still turn out to be speech, or an echo."""
        self._latest = np.zeros((rows, self._kept, FRAME), np.int16)
        """Of the customer: a ring."""

    def __len__(self) -> int:
        """Calls open."""
        return len(self._calls)

    @property
    def full(self) -> bool:
        """Whether all rows are taken."""
        return not self._free

    def open(self, offset_s: float = 0.0, read: bool = True) -> int:
        """A row for a new call, whose first sample has this call time (s).

        Without `read` there are utterances alone, no windows and phrases.

        Raises:
            IndexError: all rows are taken.
        """
        row = self._free.pop()
        self._calls[row] = _Call(offset_s)
        self._read[row], self._latest[row] = read, 0
        self._voices.open(row)
        self._tones.open(row)
        for side in (row, self._rows + row):
            self._segmenters.open(side)
        self._since_agent[row], self._doubting[row], self._early_at[row] = RECENT + 1, False, NEVER
        for numbers in (
            self._frames, self._spoken_count, self._compared, self._fresh, self._run, self._phrase,
        ):  # fmt: skip
            numbers[row] = 0
        return row

    def read_early(self, row: int, t1: float, speech_s: float) -> None:
        """As CallSegmenter.read_early; no effect while there is no time for more windows."""
        call = self._calls[row]
        if not self.sparing and frame_time(call.offset_s, call.read_to + 1) == t1:
            call.early_at = call.read_spoken + early_frames(speech_s)
            self._early_at[row] = max(call.early_at, call.read_spoken + LEAST_BETWEEN)

    def put(self, row: int, pairs: bytes) -> None:
        """Keep a call's next samples for `run`: 16 bits little-endian, customer and agent interleaved."""
        self._calls[row].waiting.append(pairs)

    def run(self) -> Found:
        """Process what was put; returns what that settled, in order for each row."""
        return self._run_rows(list(self._calls))

    def _run_rows(self, rows: Iterable[int]) -> Found:
        out: Found = []
        turns = self._turns(rows)
        while turns:
            turns.sort(key=lambda turn: -len(turn[1]))
            now = [(row, data[: AT_ONCE * _FRAME_BYTES]) for row, data in turns]
            turns = [
                (row, data[AT_ONCE * _FRAME_BYTES :])
                for row, data in turns
                if len(data) > AT_ONCE * _FRAME_BYTES
            ]
            counts = [len(data) // _FRAME_BYTES for _, data in now]
            samples = np.frombuffer(b"".join(data for _, data in now), "<i2").reshape(-1, FRAME, 2)
            self._take([row for row, _ in now], counts, samples, out)
        return out

    def finish(self, row: int) -> list[Item]:
        """A call is over: returns what that settles, `run` included. The row is free again."""
        return [item for _, item in self.finish_all([row])]

    def finish_all(self, rows: Sequence[int]) -> Found:
        """As `finish`, for several calls, in order for each row: their remaining audio is processed
        together.
        """
        out = self._run_rows(rows)
        for row in rows:
            self._finish(row, out)
        return out

    def _finish(self, row: int, out: Found) -> None:
        call = self._calls[row]
        self._end_side("agent", row, [self._segmenters.finish(self._rows + row)], out)
        doubts, call.doubts = call.doubts, []
        self._end_side("customer", row, self._segmenters.push_one(row, self._judged(row, doubts)), out)
        self._end_side("customer", row, [self._segmenters.finish(row)], out)
        del self._calls[row]
        self._voices.close(row)
        self._free.append(row)

    def _turns(self, rows: Iterable[int]) -> list[tuple[int, bytes]]:
        """Whole frames put so far, by row."""
        turns = []
        for row in rows:
            call = self._calls[row]
            if not call.waiting:
                continue
            data = b"".join(call.waiting) if len(call.waiting) > 1 else call.waiting[0]
            whole = len(data) - len(data) % _FRAME_BYTES
            call.waiting = [data[whole:]] if whole < len(data) else []
            if whole:
                turns.append((row, data[:whole]))
        return turns

    def _take(self, rows: list[int], counts: list[int], samples: Int16Array, out: Found) -> None:
        """Up to AT_ONCE frames of each row, most first; samples (k, FRAME, 2), one row's after another's."""
        sides = np.ascontiguousarray(samples.transpose(0, 2, 1), np.int16)  # (k, 2, FRAME)
        levels = np.array(levels_db(sides.reshape(-1, FRAME))).reshape(-1, 2)
        voiced = (
            np.ones((len(sides), 2), np.bool_) if self.coarse else self._voices.voiced(rows, counts, sides)
        )
        starts = np.cumsum([0, *counts[:-1]])
        for row, start, count in zip(rows, starts.tolist(), counts, strict=True):
            taken, first = sides[start : start + count], int(self._frames[row])
            write(self._latest[row], first, taken[:, 0])
            self._calls[row].agent.write(first, taken[:, 1])
        steps = list(frame_turns(np.array(rows, np.intp), starts, counts))
        speech, steady = np.zeros_like(voiced), np.zeros(len(sides), np.bool_)
        for now, at in steps:
            speech[at] = self._voices.are_speech(now, levels[at], voiced[at])
            steady[at] = self._tones.steady(now, levels[at, 0]) & (not self.coarse)
        share, hz = lines_where(speech[:, 0] & steady, sides[:, 0])
        for now, at in steps:
            customer, agent = speech[at, 0], speech[at, 1]
            tone = self._tones.are_tones(now, levels[at, 0], customer, steady[at], share[at], hz[at])
            self._levels[now, self._frames[now] % QUIET_FRAMES] = levels[at, 0]
            self._settle(now, customer & ~tone, agent, out)

    def _settle(self, rows: Rows, customer: Flags, agent: Flags, out: Found) -> None:
        """The next frame of these rows: utterances' ends, doubts, windows."""
        self._frames[rows] += 1
        steps = self._segmenters.push(self._rows + rows, agent)
        for i in np.flatnonzero(steps.ended).tolist():
            out.append((int(rows[i]), self._span("agent", int(rows[i]), steps.first[i], steps.stop[i])))
        since = np.where(agent, 0, self._since_agent[rows] + 1)
        self._since_agent[rows] = since
        in_doubt = customer & (since <= RECENT) & (not self.coarse)
        waits = in_doubt | self._doubting[rows]
        if waits.any():
            for i in np.flatnonzero(waits).tolist():
                self._doubt(int(rows[i]), Doubt(bool(customer[i]), bool(in_doubt[i])), out)
            rows, customer = rows[~waits], customer[~waits]
        self._hear(rows, customer, out)

    def _hear(self, rows: Rows, flags: Flags, out: Found) -> None:
        """Flags of the customer's next frames, free of doubt."""
        steps = self._segmenters.push(rows, flags)
        count = steps.stop - steps.start
        one = np.flatnonzero((count == 1) & ~steps.ended)
        one = one[self._read[rows[one]]]
        speaking, place = rows[one], self._spoken_count[rows[one]] % self._ring
        self._spoken[speaking, place] = steps.start[one]
        self._said[speaking, place] = self._latest[speaking, steps.start[one] % self._kept]
        self._spoken_count[speaking] += 1
        self._fresh[speaking] += 1
        self._run[speaking] += 1
        many = self._spoken_count[speaking] - self._compared[speaking] >= self._together
        for row in speaking[many].tolist():
            self._compare(row)
        due = self._run[speaking] >= self._interval
        early = self._spoken_count[speaking] >= self._early_at[speaking]
        for i in np.flatnonzero(due | early).tolist():
            self._window(int(speaking[i]), out, early=not due[i])
        if self._wants_phrases:
            self._phrase[speaking] += 1
            for row in speaking[self._phrase[speaking] >= PHRASE_FRAMES].tolist():
                self._end_phrase(row, out)
        for i in np.flatnonzero((count > 1) | steps.ended).tolist():
            row = int(rows[i])
            self._settled(row, range(int(steps.start[i]), int(steps.stop[i])), out)
            if steps.ended[i]:
                self._ended(row, out)
                out.append((row, self._span("customer", row, steps.first[i], steps.stop[i])))

    def _doubt(self, row: int, doubt: Doubt, out: Found) -> None:
        """A frame that waits for the echo gate, as all do behind it."""
        call = self._calls[row]
        call.doubts.append(doubt)
        self._doubting[row] = len(call.doubts) < BLOCK
        if not self._doubting[row]:
            doubts, call.doubts = call.doubts, []
            flags = self._judged(row, doubts)
            self._end_side("customer", row, self._segmenters.push_one(row, flags), out)

    def _judged(self, row: int, doubts: Sequence[Doubt]) -> list[bool]:
        flags = self._without_echoes(row, doubts)
        first, echoes = int(self._segmenters.frame[row]), self._calls[row].echoes
        for number, (doubt, speech) in enumerate(zip(doubts, flags, strict=True), first):
            if doubt.speech and not speech:
                echoes.append(number)
        return flags

    def _without_echoes(self, row: int, doubts: Sequence[Doubt]) -> list[bool]:
        call = self._calls[row]
        if not call.echo.worth_a_look(doubts):
            return [doubt.speech for doubt in doubts]
        count = int(self._frames[row])
        latest = np.arange(count - KEPT, count)
        levels = self._levels[row, : min(count, QUIET_FRAMES)]
        customer = self._latest[row, latest % self._kept].reshape(-1)
        return call.echo.judge(doubts, customer, call.agent.take(latest), levels, count)

    def _end_side(self, side: Side, row: int, steps: Iterable[SegmenterStep], out: Found) -> None:
        """Steps of one side of one row."""
        for step in steps:
            if side == "customer":
                self._settled(row, step.speech, out)
            if step.ended is not None:
                if side == "customer":
                    self._ended(row, out)
                out.append((row, self._span(side, row, step.ended.first, step.ended.last + 1)))

    def _settled(self, row: int, speech: range, out: Found) -> None:
        if not self._read[row]:
            return
        for number in speech:
            place = self._spoken_count[row] % self._ring
            self._spoken[row, place] = number
            self._said[row, place] = self._latest[row, number % self._kept]
            self._spoken_count[row] += 1
            self._fresh[row] += 1
            self._run[row] += 1
            if self._spoken_count[row] - self._compared[row] >= self._together:
                self._compare(row)
            due = bool(self._run[row] >= self._interval)
            if due or self._spoken_count[row] >= self._early_at[row]:
                self._window(row, out, early=not due)
            if self._wants_phrases:
                self._phrase[row] += 1
                if self._phrase[row] >= PHRASE_FRAMES:
                    self._end_phrase(row, out)

    def _compare(self, row: int) -> None:
        """As CallSegmenter._compare."""
        count = int(self._spoken_count[row])
        if self.sparing or self.coarse:
            self._compared[row] = count
            return
        places = np.arange(int(self._compared[row]), count) % self._ring
        if len(places):
            self._compared[row] = count
            samples = self._said[row, places].reshape(-1)
            self._calls[row].played.hear(self._spoken[row, places].tolist(), samples)

    def _ended(self, row: int, out: Found) -> None:
        if not self._read[row]:
            return
        self._compare(row)
        due = bool(2 * self._fresh[row] >= self._interval)
        if due or self._spoken_count[row] >= self._calls[row].early_at:
            self._window(row, out, early=not due)
        self._run[row] = 0
        self._end_phrase(row, out)

    def _end_phrase(self, row: int, out: Found) -> None:
        """As CallSegmenter._end_phrase."""
        count, length = int(self._spoken_count[row]), int(self._phrase[row])
        self._phrase[row] = 0
        places = np.arange(count - length, count) % self._ring
        numbers, call = self._spoken[row, places].tolist(), self._calls[row]
        if length >= LEAST_PHRASE and not call.played.most(numbers):
            samples = self._said[row, places].reshape(-1)
            out.append((row, spoken_phrase(call.offset_s, numbers, samples, call.echoes)))

    def _window(self, row: int, out: Found, early: bool = False) -> None:
        """As CallSegmenter._window."""
        count = int(self._spoken_count[row])
        places = np.arange(max(0, count - self._longest), count) % self._ring
        numbers = self._spoken[row, places]
        recent = numbers >= numbers[-1] - _MEMORY
        numbers, places = numbers[recent], places[recent]
        if 2 * len(numbers) < min(self._interval, self._longest):
            return
        call = self._calls[row]
        call.early_at = self._early_at[row] = NEVER
        if not early:
            self._fresh[row] = self._run[row] = 0
        self._compare(row)
        if call.played.most(numbers.tolist()):
            return
        call.read_to, call.read_spoken = int(numbers[-1]), count
        samples = self._said[row, places].reshape(-1)
        out.append((row, speech_window(call.offset_s, int(numbers[0]), int(numbers[-1]), samples, early)))

    def _span(self, side: Side, row: int, first: int, stop: int) -> Span:
        offset_s = self._calls[row].offset_s
        return Span(side, frame_time(offset_s, int(first)), frame_time(offset_s, int(stop)))


class _Call:
    """What is kept for one row besides the arrays."""

    def __init__(self, offset_s: float) -> None:
        self.offset_s = offset_s
        self.waiting: list[bytes] = []
        self.read_to, self.read_spoken, self.early_at = -1, 0, NEVER
        """The last window's last frame, and the frames of speech up to it; as CallSegmenter's."""
        self.agent = Recent(KEPT + AT_ONCE)
        self.echo = EchoGate()
        self.doubts: list[Doubt] = []
        self.echoes: deque[int] = deque(maxlen=PHRASE_FRAMES)
        """Frames of the customer's channel in which the agent is audible."""
        self.played = Played()
