"""What a worker keeps while the stream is away: in order, batched, bounded, readings before utterances."""

from __future__ import annotations

from collections import Counter

from emocx_pbx.analysis.cluster.backlog import GROUP_S, Backlog
from emocx_pbx.analysis.cluster.messages import FromTap
from emocx_pbx.analysis.messages import ReadingMade, TapEnded, TapStarted, UtteranceEnded

ONE, OTHER = (f"00000000-0000-4000-8000-00000000000{n}" for n in (1, 2))


def started(uuid: str = ONE) -> TapStarted:
    return TapStarted(uuid, "1.1", 100.0)


def reading(at: float, uuid: str = ONE) -> ReadingMade:
    return ReadingMade(uuid, "1.1", at, at + 3.0, 2.5, (0.7, 0.1, 0.1, 0.1), 0.4, "loud/1")


def span(at: float, uuid: str = ONE) -> UtteranceEnded:
    return UtteranceEnded(uuid, "1.1", "agent", at, at + 1.0)


def ended(uuid: str = ONE) -> TapEnded:
    return TapEnded(uuid, "1.1", 130.0, "eof", 30.0, 0.02, 0.0)


class Bench:
    def __init__(self, most: int = 1000) -> None:
        self.now = 0.0
        self.counts: Counter[str] = Counter()
        self.backlog = Backlog(lambda: self.now, lambda name: self.counts.update([name]), most)

    def put(self, *messages: FromTap) -> None:
        for message in messages:
            self.backlog.put(message)

    def sent(self) -> list[tuple[str, int, list[FromTap]]]:
        found = []
        while (first := self.backlog.first) is not None:
            found.append((first.uuid, first.number, list(first.messages)))
            self.backlog.sent()
        return found


def test_a_reading_goes_at_once_with_the_utterances_before_it() -> None:
    bench = Bench()
    bench.put(started(), span(1), span(2), reading(1))
    assert bench.sent() == [(ONE, 1, [started()]), (ONE, 2, [span(1), span(2), reading(1)])]


def test_utterances_alone_wait_a_little() -> None:
    bench = Bench()
    bench.put(started(), span(1))
    bench.sent()
    bench.backlog.close_due()
    assert (bench.sent(), bench.backlog.due_in()) == ([], GROUP_S)
    bench.now += GROUP_S
    bench.backlog.close_due()
    assert bench.sent() == [(ONE, 2, [span(1)])]
    assert bench.backlog.due_in() is None


def test_the_end_of_a_tap_takes_what_waited_along() -> None:
    bench = Bench()
    bench.put(started(), span(1), ended())
    assert [messages for _, _, messages in bench.sent()] == [[started()], [span(1), ended()]]


def test_every_batch_says_how_its_tap_began() -> None:
    bench = Bench()
    bench.put(started(), reading(1), reading(4), ended())
    while (first := bench.backlog.first) is not None:
        assert first.started == started()
        bench.backlog.sent()


def test_taps_are_apart_and_count_each_for_itself() -> None:
    bench = Bench()
    bench.put(started(), started(OTHER), span(1), reading(1, OTHER), reading(1))
    assert [(uuid, number) for uuid, number, _ in bench.sent()] == [
        (ONE, 1),
        (OTHER, 1),
        (OTHER, 2),
        (ONE, 2),
    ]


def test_for_want_of_room_utterances_go_first_then_readings_never_beginnings_and_ends() -> None:
    bench = Bench(most=40)
    bench.put(started())
    for at in range(100):
        bench.put(span(at), reading(at))
    assert bench.counts["stream_spans_dropped"] > 0
    assert len(bench.backlog) <= 40
    bench.put(ended())
    left = [message for _, _, messages in bench.sent() for message in messages]
    assert (left[0], left[-1]) == (started(), ended())
    readings = [m.t0 for m in left if isinstance(m, ReadingMade)]
    assert readings == sorted(readings) and readings[-1] == 99.0
    assert bench.backlog.dropped == sum(bench.counts.values()) == 202 - len(left)


def test_readings_are_kept_while_there_are_utterances_to_drop() -> None:
    bench = Bench(most=40)
    bench.put(started())
    for at in range(30):
        bench.put(span(at), reading(at))
    assert bench.counts["stream_readings_dropped"] == 0
    assert bench.counts["stream_spans_dropped"] > 0
