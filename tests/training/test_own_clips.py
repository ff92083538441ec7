"""Aligning a recording with a call, cutting it, and writing clips."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.domain import Span
from emocx_pbx.errors import InputError
from emocx_pbx.training.speech import own_clips
from emocx_pbx.training.speech.data import read_clips

CALL = [
    Span("customer", 1.0, 3.2),
    Span("agent", 3.5, 6.0),
    Span("customer", 7.1, 7.9),
    Span("customer", 9.0, 14.0),
]


@given(st.floats(-0.9, 30.0))
def test_the_offset_of_a_recording_is_found(offset: float) -> None:
    recorded = [Span(s.side, s.t0 + offset, s.t1 + offset) for s in CALL]
    found, likeness = own_clips.offset_of(recorded, CALL)
    assert found == pytest.approx(offset, abs=2 * own_clips.STEP_S)
    assert likeness > 0.9


def test_a_recording_that_began_late_is_found() -> None:
    recorded = [Span(s.side, s.t0 - 5.0, s.t1 - 5.0) for s in CALL if s.t0 > 5.0]
    found, likeness = own_clips.offset_of(recorded, CALL)
    assert found == pytest.approx(-5.0, abs=0.1)
    assert likeness > own_clips.LEAST_LIKENESS


def test_another_calls_recording_is_unlike() -> None:
    other = [Span("customer", 20.0 * i, 20.0 * i + 0.4) for i in range(8)]
    assert own_clips.offset_of(other, CALL)[1] < own_clips.LEAST_LIKENESS
    assert own_clips.offset_of([], CALL) == (0.0, 0.0)


def test_only_the_customer_alone_is_cut() -> None:
    spans = [Span("customer", 0.0, 4.0), Span("agent", 1.0, 2.0), Span("customer", 6.0, 7.0)]
    assert own_clips.spoken(0.5, 6.5, spans, alone=True) == [(0.5, 1.0), (2.0, 4.0), (6.0, 6.5)]
    assert own_clips.spoken(0.5, 6.5, spans, alone=False) == [(0.5, 4.0), (6.0, 6.5)]


def test_cutting_stays_inside_the_recording() -> None:
    samples = np.arange(8000, dtype=np.int16)
    assert own_clips.cut(samples, [(-1.0, -0.5), (0.5, 9.0)], 0.0).size == 4000
    assert own_clips.cut(samples, [(0.0, 0.25)], 0.5)[0] == pytest.approx(4000 / 32768)


def test_a_customer_always_gets_the_same_name_and_it_reveals_nobody(tmp_path: Path) -> None:
    name = own_clips.Speakers(tmp_path).name("+49301234567")
    assert own_clips.Speakers(tmp_path).name("+49301234567") == name
    assert own_clips.Speakers(tmp_path / "other").name("+49301234567") != name
    assert "1234567" not in name
    assert stat.S_IMODE((tmp_path / ".speaker-key").stat().st_mode) == 0o600


def test_splits_are_about_three_one_one_and_by_customer() -> None:
    splits = [own_clips.split_of(f"caller {i}") for i in range(1000)]
    assert 0.55 < splits.count("train") / 1000 < 0.65
    assert 0.15 < splits.count("test") / 1000 < 0.25


def clip(speaker: str, label: str = "angry") -> own_clips.CutClip:
    return own_clips.CutClip(speaker, label, "call 1 2.0-4.0 s", np.full(16000, 0.25, np.float32))


def test_what_is_written_is_what_training_reads(tmp_path: Path) -> None:
    own_clips.write_clips(tmp_path, "corrections", [clip("a"), clip("a", "neutral"), clip("b")])
    own_clips.write_clips(tmp_path, "labelled", [clip("c")])
    found = read_clips(tmp_path / "clips.csv").clips
    assert [(c.corpus, c.speaker, c.label) for c in found] == [
        ("corrections", "a", 0), ("corrections", "a", 1), ("corrections", "b", 0), ("labelled", "c", 0),
    ]  # fmt: skip
    assert all(c.samples.size == 16000 and c.samples.min() > 0.2 for c in found)
    # Again, with fewer: nothing old is left.
    own_clips.write_clips(tmp_path, "corrections", [clip("b")])
    assert len(read_clips(tmp_path / "clips.csv").clips) == 2
    assert {p.name for p in (tmp_path / "audio").iterdir()} == {"corrections-b.flac", "labelled-c.flac"}


def test_a_strangers_table_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="another folder"):
        own_clips.write_clips(tmp_path, "labelled", [clip("c")])


@pytest.mark.parametrize(("customer", "level"), [("left", 8192), ("right", 16384), ("mixed", 12288)])
def test_the_customers_channel(tmp_path: Path, customer: own_clips.Side, level: int) -> None:
    both = np.stack([np.full(8000, 8192), np.full(8000, 16384)], axis=1).astype(np.int16)
    soundfile.write(tmp_path / "x.wav", both, 8000)
    samples, agent = own_clips.read_sides(tmp_path / "x.wav", customer)
    assert abs(int(samples[4000]) - level) <= 1
    assert (agent is None) == (customer == "mixed")
