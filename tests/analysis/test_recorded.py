"""Recorded calls give what live calls of the same samples give, whatever the files are like."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from emocx_pbx.analysis.pipeline import CallAnalyser
from emocx_pbx.analysis.recorded import RecordedCall, analyse_recording
from emocx_pbx.audio.pcm import FloatArray, Int16Array
from emocx_pbx.domain import Reading, Scores
from emocx_pbx.errors import InputError
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.settings import AnalysisSettings

SPEECH = Path(__file__).parents[1] / "data" / "audio"


class Loudness:
    """A speech model's stand-in: the louder, the angrier."""

    name = "stub/1"

    def classify(self, samples: FloatArray) -> Scores | None:
        return Scores.of([0.1 + float(np.abs(samples).mean()), 0.5, 0.1, 0.1])

    def session(self) -> Loudness:
        return self

    def read(self, samples: FloatArray) -> Scores | None:
        return self.classify(samples)


@pytest.fixture(scope="module")
def sides() -> tuple[Int16Array, Int16Array]:
    customer, rate = soundfile.read(SPEECH / "call_customer.flac", dtype="int16")
    agent, _ = soundfile.read(SPEECH / "call_agent.flac", dtype="int16")
    assert rate == 8000
    n = min(len(customer), len(agent))
    return customer[:n], agent[:n]


def analyse(customer: Path, agent: Path | None = None, stereo: bool = False) -> RecordedCall:
    return analyse_recording(
        customer, agent, Loudness(), AnalysisSettings(), load_rubric(None), stereo=stereo
    )


def write(path: Path, samples: Int16Array, rate: int = 8000) -> Path:
    soundfile.write(path, samples, rate, subtype="PCM_16")
    return path


def test_the_same_as_live(tmp_path: Path, sides: tuple[Int16Array, Int16Array]) -> None:
    customer, agent = sides
    live = CallAnalyser(Loudness(), AnalysisSettings())
    items = [
        i
        for at in range(0, len(customer), 160)
        for i in live.feed(customer[at : at + 160], agent[at : at + 160])
    ]
    items += live.finish()
    expected = sorted((i for i in items if isinstance(i, Reading)), key=lambda r: r.t1)
    assert expected
    two = analyse(write(tmp_path / "c.wav", customer), write(tmp_path / "a.wav", agent))
    one = analyse(write(tmp_path / "s.wav", np.stack(sides, axis=1)), stereo=True)
    for call in (two, one):
        assert list(call.readings) == expected
        assert {s.side for s in call.spans} == {"customer", "agent"}
    assert two.grade == one.grade
    assert abs(two.duration_s - len(customer) / 8000) < 1e-9


def test_sides_of_different_length_and_rate(tmp_path: Path, sides: tuple[Int16Array, Int16Array]) -> None:
    customer, agent = sides
    short = write(tmp_path / "a.wav", np.repeat(agent[: len(agent) // 3], 2), 16000)
    call = analyse(write(tmp_path / "c.wav", customer), short)
    assert abs(call.duration_s - len(customer) / 8000) < 0.01
    assert max(s.t1 for s in call.spans if s.side == "agent") <= len(agent) / 3 / 8000 + 0.5
    assert abs(analyse(short, tmp_path / "c.wav").duration_s - call.duration_s) < 0.01


def test_without_an_agent(tmp_path: Path, sides: tuple[Int16Array, Int16Array]) -> None:
    call = analyse(write(tmp_path / "c.wav", sides[0]))
    assert {s.side for s in call.spans} == {"customer"}


def test_silence_is_no_evidence(tmp_path: Path) -> None:
    call = analyse(write(tmp_path / "c.wav", np.zeros(8000 * 20, np.int16)))
    assert call.readings == () and call.grade.score is None


def test_wrong_channels_are_explained(tmp_path: Path, sides: tuple[Int16Array, Int16Array]) -> None:
    both = write(tmp_path / "s.wav", np.stack(sides, axis=1))
    mono = write(tmp_path / "c.wav", sides[0])
    with pytest.raises(InputError, match="has 2 channels; give one file a side, or --stereo"):
        analyse(both)
    with pytest.raises(InputError, match="has 1 channel"):
        analyse(mono, stereo=True)
    with pytest.raises(InputError, match="not wanted with --stereo"):
        analyse(both, mono, stereo=True)


def test_a_file_cut_off_is_told_of(tmp_path: Path, sides: tuple[Int16Array, Int16Array]) -> None:
    whole = write(tmp_path / "c.wav", sides[0]).read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: len(whole) // 2])
    call = analyse(tmp_path / "cut.wav")
    assert "shorter than its header says" in call.notes[0]
    assert abs(call.duration_s - len(sides[0]) / 16000) < 0.1


def test_progress_reaches_the_end(tmp_path: Path, sides: tuple[Int16Array, Int16Array]) -> None:
    told: list[float] = []
    analyse_recording(
        write(tmp_path / "c.wav", sides[0]), None, Loudness(), AnalysisSettings(), load_rubric(None),
        progress=told.append,
    )  # fmt: skip
    assert told == sorted(told) and abs(told[-1] - 1) < 1e-6
