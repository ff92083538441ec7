"""Recordings that mislead are said to, and good ones are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from analysis.analysis_helpers import Samples
from analysis.stub_worker import Loud

from emocx_pbx.analysis.recorded import RecordedAnalysis, analyse_recording
from emocx_pbx.analysis.recorded_warnings import greets, is_both
from emocx_pbx.domain import Span
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.settings.settings import AnalysisSettings

Call = tuple[Samples, Samples]
DATA = Path(__file__).parents[1] / "data" / "audio"


def analyse(customer: Path, agent: Path | None = None, stereo: bool = False) -> RecordedAnalysis:
    return analyse_recording(
        customer, agent, stereo=stereo, settings=AnalysisSettings(), classifier=Loud(), rubric=load_rubric()
    )


def kinds(found: RecordedAnalysis) -> set[str]:
    return {warning.kind for warning in found.warnings}


def written(path: Path, *sides: Samples, rate: int = 8000) -> Path:
    soundfile.write(path, np.stack(sides, axis=1) if len(sides) > 1 else sides[0], rate)
    return path


def test_a_good_call_has_none(tmp_path: Path, call: Call) -> None:
    assert analyse(DATA / "call_customer.flac", DATA / "call_agent.flac").warnings == ()
    assert analyse(written(tmp_path / "both.wav", *call), stereo=True).warnings == ()
    assert analyse(DATA / "call_customer.flac").warnings == ()
    assert analyse(DATA / "call_agent.flac").warnings == ()


def test_each_fault_is_named_once(tmp_path: Path, call: Call) -> None:
    customer, agent = call
    silence = np.zeros_like(customer)
    both = (customer // 2 + agent // 2).astype(np.int16)
    clipped = np.clip(customer.astype(np.int32) * 8, -32768, 32767).astype(np.int16)
    interleaved = np.stack(call, axis=1).ravel()
    for name, stereo, sides, kind in (
        ("same", True, (customer, customer), "identical_sides"),
        ("same at another level", True, (customer, customer // 3), "identical_sides"),
        ("silent agent", True, (customer, silence), "side_silent"),
        ("silent customer", True, (silence, agent), "side_silent"),
        ("both in one", False, (both,), "both_in_one"),
        ("clipped", True, (clipped, agent), "clipped"),
        ("one channel of two", False, (interleaved,), "half_speed"),
        ("two channels", False, (customer, agent), "mixed_channels"),
    ):
        found = analyse(written(tmp_path / f"{name}.wav", *sides), stereo=stereo)
        assert kinds(found) - {"both_in_one"} | {kind} == {kind}, name
        assert kind in kinds(found), name
        assert all(warning.text.count("\n") == 0 for warning in found.warnings)


def test_half_speed_of_one_side(tmp_path: Path, call: Call) -> None:
    slow = np.asarray(soxr.resample(call[1], 8000, 16000), np.int16)
    assert "half_speed" in kinds(analyse(written(tmp_path / "slow.wav", slow)))


def test_telephone_sound_in_a_wide_file(tmp_path: Path, call: Call) -> None:
    wide = np.asarray(soxr.resample(call[0], 8000, 48000), np.int16)
    assert kinds(analyse(written(tmp_path / "wide.wav", wide, rate=48000))) == {"narrow"}


def test_headerless_sides_are_analysed_apart(tmp_path: Path, call: Call) -> None:
    path = tmp_path / "call.raw"
    path.write_bytes(np.stack(call, axis=1).astype("<i2").tobytes())
    found, wanted = analyse(path), analyse(DATA / "call_customer.flac", DATA / "call_agent.flac")
    assert kinds(found) == {"found_interleaved"}
    assert (found.readings, found.spans, found.grade) == (wanted.readings, wanted.spans, wanted.grade)
    assert analyse(path, stereo=True).warnings == ()
    assert analyse(path, stereo=True).grade == wanted.grade


def spans(side: str, *times: tuple[float, float]) -> list[Span]:
    return [Span(side, t0, t1) for t0, t1 in times]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("customer", "agent", "swapped"),
    [
        (((0.5, 3.0), (3.5, 7.0), (12.0, 14.0)), ((7.5, 11.0),), True),  # "Welcome to ..., my name is ..."
        (((0.5, 1.2), (5.0, 9.0)), ((1.8, 4.5),), False),  # "Hello?"
        (((6.0, 11.0),), ((0.5, 5.0),), False),  # the agent greets
        (((9.0, 14.0),), ((20.0, 22.0),), False),  # ringing, music: no greeting
        (((0.0, 20.0),), ((21.0, 22.0),), False),  # a voice message
        (((0.0, 5.0),), (), False),
        ((), ((0.0, 5.0),), False),
    ],
)
def test_the_side_that_opens_the_call_greets(
    customer: tuple[tuple[float, float], ...], agent: tuple[tuple[float, float], ...], swapped: bool
) -> None:
    assert greets([*spans("customer", *customer), *spans("agent", *agent)], "customer") is swapped


def test_a_side_has_pauses_and_a_mix_has_none() -> None:
    assert is_both(spans("customer", (0.0, 9.0), (10.0, 20.0), (22.0, 40.0)))
    assert not is_both(spans("customer", (0.0, 9.0), (15.0, 20.0), (26.0, 40.0)))
    assert not is_both(spans("customer", (0.0, 9.0), (10.0, 15.0)))
    assert not is_both([])
