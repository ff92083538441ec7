"""Many calls taken together give what each gives by itself, in whatever pieces they come."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import example, given, settings
from hypothesis import strategies as st

from emocx_pbx.analysis.call_bank import CallBank
from emocx_pbx.analysis.windows import CallSegmenter, Item, Phrase, Window
from emocx_pbx.audio.pcm import from_float, mulaw_roundtrip, to_float
from emocx_pbx.domain import Span
from emocx_pbx.settings.settings import AnalysisSettings

Samples = npt.NDArray[np.int16]
DATA = Path(__file__).parents[1] / "data" / "audio"
SETTINGS = AnalysisSettings(words="all")


def load(name: str) -> Samples:
    return np.asarray(soundfile.read(DATA / name, dtype="int16")[0])


@lru_cache(maxsize=1)
def calls() -> list[npt.NDArray[np.int16]]:
    """Pairs (n, 2) of all kinds: a real call, its sides changed about, echoes, keys, noise, a short one."""
    customer, agent = load("call_customer.flac"), load("call_agent.flac")
    rng = np.random.default_rng(5)
    late = np.concatenate([np.zeros(900, np.int16), agent])[: len(agent)]
    returned = mulaw_roundtrip(from_float(to_float(customer) + 0.3 * to_float(late)))
    keys = np.resize(load("keys.flac"), len(agent))
    noise = rng.normal(0, 300, len(agent)).astype(np.int16)
    real, _ = soundfile.read(DATA / "echo_12db.opus", dtype="int16", always_2d=True)
    pairs = [(customer, agent), (agent, customer), (returned, agent), (late // 4, agent), (keys, agent)]
    pairs += [
        (customer, customer),
        (noise, agent),
        (customer[5000:], agent[:-5000]),
        (agent[:777], agent[:777]),
    ]
    announced = np.concatenate([customer[12 * 8000 : 16 * 8000], np.zeros(8000, np.int16)])
    pairs.insert(0, (np.resize(announced, len(agent)), agent))
    # The agent, the customer, both in turn.
    kinds = [np.stack(pair, axis=1)[9 * 8000 : 25 * 8000] for pair in pairs[:-1]]
    return [*kinds, np.stack(pairs[-1], axis=1), real[: 8 * 8000]]


def key(item: Item) -> tuple[object, ...]:
    if isinstance(item, Window):
        return item.t0, item.t1, item.speech_s, item.samples.tobytes()
    if isinstance(item, Phrase):
        return "phrase", item.t0, item.t1, item.samples.tobytes()
    return item.side, item.t0, item.t1


def alone(pairs: Samples, chosen: AnalysisSettings, offset_s: float) -> list[tuple[object, ...]]:
    segmenter = CallSegmenter(chosen, offset_s)
    found = segmenter.feed(np.ascontiguousarray(pairs[:, 0]), np.ascontiguousarray(pairs[:, 1]))
    return [key(item) for item in found + segmenter.finish()]


@lru_cache(maxsize=1)
def wanted() -> list[list[tuple[object, ...]]]:
    return [alone(pairs, SETTINGS, float(n)) for n, pairs in enumerate(calls())]


def test_the_calls_are_of_all_kinds() -> None:
    assert sum(len(found) > 3 for found in wanted()) >= 5
    assert any(isinstance(first, float) for found in wanted() for first, *_ in found)


def test_phrases_change_nothing_else() -> None:
    for n, pairs in enumerate(calls()):
        without = alone(pairs, AnalysisSettings(), float(n))
        assert [found for found in wanted()[n] if found[0] != "phrase"] == without


def test_long_phrases_are_cut() -> None:
    """Twenty seconds without a pause."""
    voiced = [
        s.reshape(-1, 160)
        for s in (load("call_customer.flac")[: 40 * 8000], load("call_agent.flac")[: 60 * 8000])
    ]
    loud = np.concatenate([frames[np.abs(frames).mean(axis=1) > 200] for frames in voiced])[:1000].reshape(-1)
    pairs = np.stack([loud, np.zeros_like(loud)], axis=1)
    found = alone(pairs, SETTINGS, 3.0)
    phrases = [(each[1], each[2]) for each in found if each[0] == "phrase"]
    lengths = [round(t1 - t0, 2) for t0, t1 in phrases]  # type: ignore[operator]
    assert 10.0 in lengths
    assert max(lengths) <= 10.0
    bank = CallBank(SETTINGS, 1)
    row = bank.open(3.0)
    bank.put(row, pairs.astype("<i2").tobytes())
    assert [key(item) for _, item in bank.run()] + [key(item) for item in bank.finish(row)] == found


# Half a sample or ten seconds: whatever the messages are, and however late they are looked at.
SIZES = st.one_of(st.integers(3001, 3400), st.integers(600, 9000), st.integers(300, 320_000))


@settings(max_examples=5, deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=20))
@example([640])
@example([3203, 1, 2, 3, 640])
def test_together_is_as_alone_in_any_cutting(sizes: list[int]) -> None:
    bank = CallBank(SETTINGS, len(calls()) + 1)
    bank.open()  # one that brings nothing
    rows = {bank.open(float(n)): n for n in range(len(calls()))}
    found: dict[int, list[Item]] = {n: [] for n in rows.values()}
    bytes_of = [pairs.astype("<i2").tobytes() for pairs in calls()]
    at, turn = dict.fromkeys(rows, 0), 0
    while rows.keys() & at.keys():
        for row in list(at):
            # Not whole samples either: a message may be cut anywhere.
            size = sizes[(turn + row) % len(sizes)]
            bank.put(row, bytes_of[rows[row]][at[row] : at[row] + size])
            at[row] += size
            turn += 1
        for row, item in bank.run():
            found[rows[row]].append(item)
        over = [r for r in at if at[r] >= len(bytes_of[rows[r]])]
        for row, item in bank.finish_all(over):
            found[rows[row]].append(item)
        for row in over:
            del at[row]
    assert [[key(item) for item in found[n]] for n in range(len(calls()))] == wanted()
    assert len(bank) == 1


@pytest.mark.parametrize(("interval_s", "window_s"), [(0.5, 2.0), (4.0, 4.0), (10.0, 2.0), (3.0, 8.0)])
def test_other_intervals_and_windows(interval_s: float, window_s: float) -> None:
    chosen = AnalysisSettings(reading_interval_s=interval_s, window_s=window_s, words="all")
    bank = CallBank(chosen, 4)
    for pairs in calls()[:3]:
        row = bank.open(7.0)
        bank.put(row, pairs.astype("<i2").tobytes())
        found = [item for _, item in bank.run()] + bank.finish(row)
        assert [key(item) for item in found] == alone(pairs, chosen, 7.0)


def test_a_row_begins_anew() -> None:
    bank = CallBank(SETTINGS, 1)
    for pairs, n in zip(calls()[::-1], [*range(len(calls()))][::-1], strict=True):
        row = bank.open(float(n))
        bank.put(row, pairs.astype("<i2").tobytes())
        assert [key(item) for item in bank.finish(row)] == wanted()[n]


def test_what_ends_takes_nothing_from_others() -> None:
    bank = CallBank(SETTINGS, 2)
    pairs = calls()[0].astype("<i2").tobytes()
    first, second = bank.open(), bank.open()
    bank.put(first, pairs)
    bank.put(second, pairs)
    ended = bank.finish(first)
    assert [key(i) for i in ended] == [key(i) for _, i in bank.run()] + [key(i) for i in bank.finish(second)]


def test_what_ends_together_still_has_all_that_came() -> None:
    bank = CallBank(SETTINGS, len(calls()))
    rows = [bank.open(float(n)) for n in range(len(calls()))]
    for row, pairs in zip(rows, calls(), strict=True):
        bank.put(row, pairs.astype("<i2").tobytes())
    ended = bank.finish_all(rows[::-1])
    assert [[key(item) for of, item in ended if of == row] for row in rows] == wanted()
    assert len(bank) == 0


def test_no_more_calls_than_rows() -> None:
    bank = CallBank(SETTINGS, 1)
    bank.open()
    assert bank.full
    with pytest.raises(IndexError):
        bank.open()


def test_sparing_lets_pass_what_comes_again_and_changes_nothing_else() -> None:
    announced, real = calls()[0], calls()[1]
    for n, pairs in enumerate((announced, real)):
        bank = CallBank(SETTINGS, 1)
        bank.sparing = True
        row = bank.open(float(n))
        bank.put(row, pairs.astype("<i2").tobytes())
        found, usual = [key(item) for item in bank.finish(row)], wanted()[n]
        assert [item for item in found if item in usual] == usual
        assert (len(found) > len(usual)) == (pairs is announced)


def test_by_level_alone_voice_activity_is_still_told_and_as_usual_afterwards() -> None:
    pairs = calls()[1].astype("<i2").tobytes()
    bank = CallBank(SETTINGS, 1)
    bank.coarse = True
    row = bank.open(1.0)
    bank.put(row, pairs)
    coarse = [item for item in bank.finish(row) if isinstance(item, Span)]
    assert {span.side for span in coarse} == {"customer", "agent"}
    bank.coarse = False
    row = bank.open(1.0)
    bank.put(row, pairs)
    assert [key(item) for item in bank.finish(row)] == wanted()[1]


def test_a_call_that_nobody_reads_gives_its_utterances_alone_and_changes_no_other() -> None:
    bank = CallBank(SETTINGS, 2)
    unread, read = bank.open(0.0, read=False), bank.open(0.0)
    found: dict[int, list[Item]] = {unread: [], read: []}
    pairs = calls()[1]
    for at in range(0, len(pairs), 800):
        for row in (unread, read):
            bank.put(row, pairs[at : at + 800].astype("<i2").tobytes())
        for row, item in bank.run():
            found[row].append(item)
    for row in (unread, read):
        found[row] += bank.finish(row)
    assert [key(item) for item in found[read]] == alone(pairs, SETTINGS, 0.0)
    spans = [item for item in found[read] if isinstance(item, Span)]
    assert found[unread] == spans and len(spans) > 3
    assert len(found[read]) > len(spans)


def test_a_call_takes_the_memory_of_what_a_window_has_not_of_all_that_was_heard() -> None:
    """All 12 s that a window may reach back to were 210 kB a call, of 2,400 calls half a gigabyte."""
    bank = CallBank(AnalysisSettings(), 100)
    kept = sum(part.nbytes for part in vars(bank).values() if isinstance(part, np.ndarray))
    assert kept < 100 * 100_000
