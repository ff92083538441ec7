"""Recorded calls: as live, streaming, and honest about bad files."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from analysis.analysis_helpers import Samples
from analysis.stub_worker import Loud

from emocx_pbx.analysis.pipeline import CallAnalyser
from emocx_pbx.analysis.recorded import RecordedAnalysis, analyse_recording
from emocx_pbx.audio.pcm import mulaw_roundtrip
from emocx_pbx.domain import Reading
from emocx_pbx.errors import InputError
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.settings.settings import AnalysisSettings

Call = tuple[Samples, Samples]
DATA = Path(__file__).parents[1] / "data" / "audio"
CUSTOMER, AGENT = DATA / "call_customer.flac", DATA / "call_agent.flac"
SETTINGS = AnalysisSettings()


def analyse(customer: Path, agent: Path | None = None, stereo: bool = False) -> RecordedAnalysis:
    return analyse_recording(
        customer, agent, stereo=stereo, settings=SETTINGS, classifier=Loud(), rubric=load_rubric()
    )


def test_the_same_readings_as_live(call: Call) -> None:
    live = CallAnalyser(Loud(), SETTINGS)
    wanted: list[Reading] = []
    line = [mulaw_roundtrip(side) for side in call]  # what a G.711 call delivers
    for at in range(0, len(line[0]), 160):
        items = live.feed(line[0][at : at + 160], line[1][at : at + 160])
        wanted += [item for item in items if isinstance(item, Reading)]
    wanted += [item for item in live.finish() if isinstance(item, Reading)]
    found = analyse(CUSTOMER, AGENT)
    assert list(found.readings) == wanted
    assert found.duration_s == 26.0
    assert found.warnings == ()


def test_a_grade_comes_with_it() -> None:
    graded = analyse(CUSTOMER, AGENT).grade
    assert graded.score is not None and 0 <= graded.score <= 100
    assert graded.facts["duration_s"] == 26.0
    assert 0.2 < graded.facts["agent_talk_share"] < 0.8


def test_again_is_the_same() -> None:
    assert analyse(CUSTOMER, AGENT) == analyse(CUSTOMER, AGENT)


def test_stereo_equals_two_files(tmp_path: Path, call: Call) -> None:
    path = tmp_path / "both.wav"
    soundfile.write(path, np.stack(call, axis=1), 8000)
    both, two = analyse(path, stereo=True), analyse(CUSTOMER, AGENT)
    assert (both.readings, both.spans, both.grade) == (two.readings, two.spans, two.grade)


def test_48_khz_24_bit_stereo_finds_the_same_windows(tmp_path: Path, call: Call) -> None:
    wide = np.stack(call, axis=1).astype(np.float64).repeat(6, axis=0) / 32768
    path = tmp_path / "wide.wav"
    soundfile.write(path, wide, 48000, subtype="PCM_24")
    found, wanted = analyse(path, stereo=True).readings, analyse(CUSTOMER, AGENT).readings
    assert len(found) == len(wanted)
    for mine, reference in zip(found, wanted, strict=True):
        assert (mine.t0, mine.t1) == pytest.approx((reference.t0, reference.t1), abs=0.1)


def test_a_short_agent_file_is_silent_after_its_end(tmp_path: Path, call: Call) -> None:
    path = tmp_path / "agent.wav"
    soundfile.write(path, call[1][: 8 * 8000 + 77], 8000)
    found = analyse(CUSTOMER, path)
    assert found.duration_s == 26.0
    assert all(span.t1 <= 8.2 for span in found.spans if span.side == "agent")


def test_without_a_model_there_is_no_number() -> None:
    found = analyse_recording(CUSTOMER, AGENT, settings=SETTINGS, classifier=None, rubric=load_rubric())
    assert found.readings == ()
    assert found.grade.score is None
    assert found.spans


def test_notes_and_refusals(tmp_path: Path, call: Call) -> None:
    cut = tmp_path / "cut.wav"
    soundfile.write(cut, np.stack(call, axis=1), 8000)
    cut.write_bytes(cut.read_bytes()[:300_000])
    found = analyse(cut)
    assert found.duration_s == pytest.approx(9.4, abs=0.1)
    assert [warning.kind for warning in found.warnings] == [
        "truncated",
        "mixed_channels",
    ]
    with pytest.raises(InputError, match="expected 2 for stereo"):
        analyse(CUSTOMER, stereo=True)
    with pytest.raises(InputError, match="give one recording only"):
        analyse(cut, AGENT, stereo=True)
    with pytest.raises(InputError, match="No such file"):
        analyse(CUSTOMER, tmp_path / "none.wav")


def test_memory_does_not_grow_with_the_call(tmp_path: Path, call: Call) -> None:
    path = tmp_path / "long.flac"
    with soundfile.SoundFile(path, "w", 8000, 2, format="FLAC") as out:
        for _ in range(20):  # 9 minutes
            out.write(np.stack(call, axis=1))
    observed: list[tuple[float, float]] = []
    tracemalloc.start()
    try:
        found = analyse_recording(
            path,
            stereo=True,
            settings=SETTINGS,
            classifier=Loud(),
            rubric=load_rubric(),
            progress=lambda done, total: observed.append((done, total)),
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.duration_s == 520.0
    assert observed[-1] == (520.0, 520.0)
    assert peak < 12_000_000
