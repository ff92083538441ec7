"""A site's own data, from people's corrections to a promoted model, by the command line."""

from __future__ import annotations

import asyncio
import csv
import json
import os
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from emocx_pbx.cli import main
from emocx_pbx.domain import Decision
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.audit import Entry
from emocx_pbx.store.database import Store
from emocx_pbx.store.rows import CorrectionRow
from emocx_pbx.training.speech.data import read_clips
from emocx_pbx.training.speech.own_clips import windows_and_spans
from emocx_pbx.training.text.data import read_texts

AUDIO = Path(__file__).parents[1] / "data" / "audio"
STARTED = 1_795_000_000.0
NOTED = Entry(Actor("ann", ""), "reading.corrected", "c1@0.00")
#: Words that spreadsheets and CSV readers trip over.
QUERY = '=cmd|"nobody", ever\ncalls me back; Łódź 😀'
Samples = npt.NDArray[np.int16]


def call() -> tuple[Samples, Samples]:
    """A real call's customer and agent."""
    sides = [soundfile.read(AUDIO / f"call_{side}.flac", dtype="int16")[0] for side in ("customer", "agent")]
    return sides[0], sides[1]


def run(capsys: pytest.CaptureFixture[str], *args: object, code: int = 0) -> dict[str, object]:
    status = main([*map(str, args), "--json"])
    out, err = capsys.readouterr()
    assert status == code, err
    found: dict[str, object] = json.loads(out) if out else {"error": err}
    return found


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site with one recorded call, two corrected readings and a corrected query."""
    for name in [name for name in os.environ if name.startswith("EMOCX_")]:
        monkeypatch.delenv(name)
    (tmp_path / "emocx.toml").write_text('[store]\npath = "calls.db"\n')
    customer, agent = call()
    windows, spans = windows_and_spans(customer, agent)
    # The recording was begun 2.5 s before the tap, and has both voices in one channel.
    mixed = (customer // 2 + agent // 2).astype(np.int16)
    soundfile.write(
        tmp_path / "20261118-rec-c1.wav", np.concatenate([np.zeros(20_000, np.int16), mixed]), 8000
    )

    async def fill() -> None:
        store = await Store.open(tmp_path / "calls.db")
        await store.calls.start("c1", STARTED, "crm-1", "+49301234567", "support", None)
        await store.readings.add_spans("c1", spans)
        for emotion, at in (("happy", 1.0), ("angry", 2.0)):
            await store.readings.correct(
                CorrectionRow("c1", windows[0].t0, windows[0].t1, emotion, "ann", "", STARTED + at), NOTED
            )
        await store.readings.correct(
            CorrectionRow("c1", windows[1].t0, windows[1].t1, "neutral", "ann", "", STARTED), NOTED
        )
        decision = Decision("dec_1", STARTED, "ok", "support", "neutral", 0.6, None)
        await store.decisions.record(decision, "c1", "crm-1", QUERY, ())
        await store.close()

    asyncio.run(fill())
    return tmp_path


def test_corrections_become_clips_and_messages(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = ("--config", site / "emocx.toml")
    run(capsys, "correct", "dec_1", "angry", "--by", "ann", *config)
    template = str(site / "%Y%m*-{call_id}.wav")
    found = run(capsys, "export", "corrections", "--out", site / "own", "--recordings", template, *config)
    assert found["left_out"] == []
    clips = read_clips(site / "own" / "clips.csv").clips
    # The last word on a reading counts.
    assert [clip.label for clip in clips] == [0, 1]
    assert len({clip.speaker for clip in clips}) == 1
    text = (site / "own" / "clips.csv").read_text()
    assert "4930" not in text and "crm-1" not in text
    # What was cut is the customer's voice, from the right place.
    customer, agent = call()
    window = windows_and_spans(customer, agent)[0][0]
    cut, wanted = clips[0].samples, window.samples
    likeness = np.abs(np.fft.irfft(np.fft.rfft(cut, 65_536) * np.conj(np.fft.rfft(wanted, 65_536)))).max()
    assert likeness / np.sqrt((cut**2).sum() * (wanted**2).sum()) > 0.6
    # What comes out is what goes in again, and no spreadsheet runs it.
    assert read_texts(site / "own" / "messages.csv").texts == (QUERY,)
    with (site / "own" / "messages.csv").open(encoding="utf-8-sig", newline="") as f:
        rows = list(csv.DictReader(f))
    assert [(row["text"], row["label"]) for row in rows] == [("'" + QUERY, "angry")]
    assert rows[0]["split"] == clips[0].split


def test_calls_without_a_fitting_recording_are_named(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = ("--config", site / "emocx.toml")
    template = str(site / "%Y-none-{call_id}.wav")
    found = run(capsys, "export", "corrections", "--out", site / "own", "--recordings", template, *config)
    assert "no recording matches" in str(found["left_out"])
    soundfile.write(site / "other-c1.wav", 0.1 * np.random.default_rng(0).normal(size=80_000), 8000)
    template = str(site / "other-{call_id}.wav")
    found = run(capsys, "export", "corrections", "--out", site / "own", "--recordings", template, *config)
    assert "does not sound like this call" in str(found["left_out"])


def test_labelled_recordings_become_clips(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    customer, agent = call()
    soundfile.write(site / "both.wav", np.stack([customer, agent], axis=1), 8000)
    labels = site / "labels.csv"
    labels.write_text("file,label,customer,start,end\nboth.wav,sad,crm-1,0,12\nboth.wav,angry,crm-1,12,\n")
    config = ("--config", site / "emocx.toml")
    run(capsys, "export", "clips", "--labels", labels, "--out", site / "own", "--customer", "left", *config)
    clips = read_clips(site / "own" / "clips.csv").clips
    assert {clip.label for clip in clips} == {0, 2}
    assert all(1.0 <= clip.samples.size / 8000 <= 4.0 for clip in clips)
    # As spreadsheets write it, and with a name that looks like a formula.
    soundfile.write(site / "=both, Łódź.wav", np.stack([customer, agent], axis=1), 8000)
    for content in (
        "file;label;customer\n'=both, Łódź.wav;angry;-\n",
        "file\tlabel\n=both, Łódź.wav\tangry\n",
    ):
        for encoding in ("utf-8-sig", "utf-16"):
            labels.write_bytes(content.encode(encoding))
            found = run(capsys, "export", "clips", "--labels", labels, "--out", site / "other", *config)
            assert sum(of.get("angry", 0) for of in found["clips"].values()) > 0  # type: ignore[attr-defined]
    for bad, reason in (
        ("x.wav,angry,,,", "x.wav"),
        ("both.wav,bored,,,", "bored"),
        ("both.wav,sad,,x,", "start 'x'"),
    ):
        labels.write_text(f"file,label,customer,start,end\n{bad}\n")
        out = run(capsys, "export", "clips", "--labels", labels, "--out", site / "own", *config, code=2)
        assert reason in str(out["error"]) and str(out["error"]).count("\n") == 1


def voice(label: int, seed: int) -> npt.NDArray[np.float64]:
    """Nine seconds of a voice whose pitch tells the class."""
    rng = np.random.default_rng(seed)
    t = np.arange(72_000) / 8000
    pitch = (260, 110, 90, 220)[label] * rng.uniform(0.97, 1.03)
    sound = sum(np.sin(2 * np.pi * k * pitch * t) / k for k in range(1, 12))
    beat = np.clip(np.sin(2 * np.pi * 4 * t), 0, 1)
    return np.asarray((0.12, 0.05, 0.03, 0.08)[label] * sound * beat + 0.001 * rng.normal(size=t.size))


@pytest.mark.train
@pytest.mark.timeout(400)
@pytest.mark.filterwarnings("ignore")
def test_from_labelled_recordings_to_a_promoted_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Export, train, fine-tune, compare on the held-out customers, promote, roll back."""
    from emocx_pbx.training.speech import teacher
    from emocx_pbx.training.speech import train as speech
    from emocx_pbx.training.speech.networks import Fit

    small = Fit(epochs=12, hidden=(32,), drop=0.1, noise=0.0, batch=8)
    monkeypatch.setattr(speech, "train_speech", partial(speech.train_speech, fit=small, variants=0))
    monkeypatch.setattr(teacher, "FOLDS", 2)
    monkeypatch.setattr(teacher, "HEADS", 1)
    (tmp_path / "emocx.toml").write_text(f'[analysis]\nmodels_dir = "{tmp_path / "models"}"\n')
    config = ("--config", tmp_path / "emocx.toml")
    rows = ["file,label,customer"]
    names = ("angry", "neutral", "disappointed", "happy")
    for customer in range(10):
        for label, name in enumerate(names):
            file = f"{customer}-{name}.wav"
            soundfile.write(tmp_path / file, voice(label, 10 * customer + label), 8000)
            rows += [f"{file},{name},customer {customer}"]
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    own = tmp_path / "own"
    own.mkdir()
    (own / ".speaker-key").write_text("04")  # the same splits in every run of this test
    found = run(capsys, "export", "clips", "--labels", tmp_path / "labels.csv", "--out", own, *config)
    assert set(found["clips"]) == {"train", "dev", "test"}  # type: ignore[call-overload]
    train = ("train", "speech", "--model", "mlp", "--data", own, "--out", tmp_path / "models", *config)
    run(capsys, *train)
    run(capsys, *train, "--base", "mlp/1")
    models = Registry(tmp_path / "models")
    assert models.versions("speech", "mlp") == ["1", "2"]
    # Trained, but not in use.
    assert models.current("speech", "mlp") == "1"
    code = main(
        [str(a) for a in ("models", "promote", "mlp/2", "--clips", own / "clips.csv", "--json", *config)]
    )
    found = json.loads(capsys.readouterr().out)
    assert found["promoted"] == (code == 0) == (models.current("speech", "mlp") == "2")
    comparison = found["comparison"]
    assert comparison["drawn"] in ("callers", "items")
    run(capsys, "models", "promote", "mlp/2", "--anyway", "test", *config, code=2 if found["promoted"] else 0)
    run(capsys, "models", "rollback", "mlp", *config)
    assert models.current("speech", "mlp") == "1"
