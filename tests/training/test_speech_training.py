"""Reading clips, augmenting, figures, and a small training run end to end."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from emocx_pbx.audio.pcm import FloatArray
from emocx_pbx.emotion.card import checksum, read_card
from emocx_pbx.emotion.registry import default_models_dir
from emocx_pbx.errors import InputError, ModelError
from emocx_pbx.training import base, figures
from emocx_pbx.training.speech import cnn, teacher
from emocx_pbx.training.speech.augment import augment
from emocx_pbx.training.speech.data import Clip, licence_of, on_line, read_clips
from emocx_pbx.training.speech.evaluate import evaluate_speech, summary
from emocx_pbx.training.speech.mel_batches import MelChange, Version, stretches
from emocx_pbx.training.speech.networks import Fit
from emocx_pbx.training.speech.teacher import TaughtClip
from emocx_pbx.training.speech.train import train_speech
from emocx_pbx.weights.catalogue import TUNING
from emocx_pbx.weights.fetch import fetch
from emocx_pbx.weights.sources import History

LABELS = ("angry", "neutral", "sad", "happy")


def voice(label: int, seed: int) -> FloatArray:
    """One second of a voice whose pitch and loudness tell the class."""
    rng = np.random.default_rng(seed)
    t = np.arange(8000) / 8000
    pitch = (260, 110, 90, 220)[label] * rng.uniform(0.95, 1.05)
    sound = sum(np.sin(2 * np.pi * k * pitch * t) / k for k in range(1, 12))
    beat = np.clip(np.sin(2 * np.pi * 4 * t), 0, 1)
    return ((0.12, 0.05, 0.02, 0.08)[label] * sound * beat + 0.001 * rng.normal(size=t.size)).astype(
        np.float32
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows: list[list[object]] = []
    for s, (split, speaker) in enumerate([("train", "a"), ("train", "b"), ("dev", "c"), ("test", "d")]):
        sound = [voice(k, 100 * s + 10 * k + i) for k in range(4) for i in range(4)]
        soundfile.write(tmp_path / f"{speaker}.flac", np.concatenate(sound), 8000)
        rows += [
            [
                "toy",
                speaker,
                split,
                f"{speaker}.flac",
                i * 8000,
                (i + 1) * 8000,
                LABELS[i // 4],
                f"{speaker}{i}",
            ]
            for i in range(16)
        ]
    write(tmp_path / "clips.csv", rows)
    return tmp_path


def write(path: Path, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="") as f:
        out = csv.writer(f)
        out.writerow(["corpus", "speaker", "split", "file", "start", "end", "label", "source"])
        out.writerows(rows)


def test_clips_are_read_by_split_and_sad_is_disappointed(data: Path) -> None:
    found = read_clips(data / "clips.csv", split="test")
    assert len(found.clips) == 16
    assert found.clips[8].label == 2
    assert found.clips[0].samples.shape == (8000,)
    assert found.clips[0].voice == "toy/d"


def test_other_rates_stereo_whole_files_and_other_labels(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x.wav", np.zeros((44100, 2)), 44100)
    write(
        tmp_path / "clips.csv",
        [["o", "s", "test", "x.wav", "", "", "angry", ""], ["o", "s", "test", "x.wav", "", "", "fear", ""]],
    )
    found = read_clips(tmp_path / "clips.csv")
    assert found.skipped == 1
    assert found.clips[0].samples.shape == (8000,)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (["o", "s", "test", "none.wav", 0, 10, "angry", ""], "none.wav"),
        (["o", "s", "test", "", 0, 10, "angry", ""], "bad.csv:2: file is empty"),
        (["o", "s", "test", "a.flac"], "bad.csv:2: label is empty"),
        (["o", "s", "test", "a.flac", 0, 10**9, "angry", ""], "has 128000 samples"),
        (["o", "s", "test", "a.flac", "x", 10, "angry", ""], "not a number of samples"),
        (["o", "s", "test", "a.flac", 10, 10, "angry", ""], "not 10 to 10"),
        (["o", "s", "test", "a.flac", 0, 10, "bored", ""], "no clips labelled"),
    ],
)
def test_bad_rows_are_named(data: Path, row: list[object], reason: str) -> None:
    write(data / "bad.csv", [row])
    with pytest.raises(InputError, match=reason) as e:
        read_clips(data / "bad.csv")
    assert "\n" not in str(e.value)


def test_a_sites_own_clips_carry_no_public_corpus_licence(data: Path) -> None:
    clips = read_clips(data / "clips.csv").clips
    assert "ASED" not in licence_of(clips)
    assert "ASED" in licence_of([*clips, replace(clips[0], corpus="ased")])


def test_a_csv_without_columns_or_split_is_refused(data: Path) -> None:
    (data / "none.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="no column corpus"):
        read_clips(data / "none.csv")
    with pytest.raises(InputError, match="of split 'other'"):
        read_clips(data / "clips.csv", split="other")
    with pytest.raises(InputError, match="can't be read"):
        read_clips(data / "nowhere.csv")


def test_augmenting_repeats_from_its_generator_and_ends_on_the_line() -> None:
    sound = voice(0, 1)
    one = augment(sound, [voice(1, 2)], np.random.default_rng(5))
    two = augment(sound, [voice(1, 2)], np.random.default_rng(5))
    np.testing.assert_array_equal(one, two)
    np.testing.assert_array_equal(on_line(one), one)
    assert not np.array_equal(one, augment(sound, [voice(1, 2)], np.random.default_rng(6)))


def test_figures_by_hand() -> None:
    truth = np.array([0, 0, 1, 1, 2, 3])
    p = np.full((6, 4), 0.1, np.float32)
    for row, (best, top) in enumerate([(0, 0.9), (1, 0.5), (1, 0.8), (1, 0.7), (2, 0.6), (0, 0.4)]):
        p[row, best] = top
    found = figures.figures(truth, p, 0.55)
    assert found["recall"] == {"angry": 0.5, "neutral": 1.0, "disappointed": 1.0, "happy": 0.0}
    assert found["uar"] == 0.625
    assert found["accuracy"] == pytest.approx(4 / 6, abs=1e-4)
    assert found["coverage"] == pytest.approx(4 / 6, abs=1e-4)
    assert found["confusion"] == [[1, 0, 0, 0, 1], [0, 2, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 1]]


def test_a_class_without_clips_does_not_count() -> None:
    truth = np.array([0, 1])
    assert figures.uar(truth, np.array([0, 0])) == 0.5
    assert figures.macro_f1(truth, np.array([0, 1])) == 1.0


def test_calibration_softens_overconfident_logits() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(4, size=2000)
    said = np.where(rng.random(2000) < 0.6, truth, rng.integers(4, size=2000))
    logits = (10 * np.eye(4)[said]).astype(np.float32)
    found = figures.calibrate(truth, logits)
    assert found.temperature > 3
    after = figures.softmax(logits / found.temperature)
    before = figures.softmax(logits)
    assert figures.expected_calibration_error(truth, after) < 0.1
    assert figures.expected_calibration_error(truth, before) > 0.25


def test_the_threshold_is_chosen_by_the_weights_of_clips() -> None:
    """Forty easy clips and ten hard ones, half of those right: the hard ones' weight raises the threshold."""
    truth = np.zeros(50, np.int64)
    logits = np.zeros((50, 4), np.float32)
    logits[:40, 0] = 6
    logits[40:45, 0] = np.linspace(4, 5, 5)
    logits[45:, 1] = np.linspace(2, 3, 5)
    alike = figures.calibrate(truth, logits, temperature=1.0)
    hard = figures.calibrate(truth, logits, temperature=1.0, weights=np.repeat([0.1, 1], [40, 10]))
    confidence = figures.softmax(logits).max(axis=1)
    assert (confidence >= alike.threshold).all()
    assert (confidence >= hard.threshold).sum() == 46


def test_a_temperature_evens_out_parts_that_are_too_sure_and_not_sure_enough() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(4, size=4000)
    logits = 2 * np.eye(4, dtype=np.float32)[truth] + rng.gumbel(size=(4000, 4)).astype(np.float32)
    alone = figures.even_temperature([(truth, logits)])
    softer, sharper = (truth, logits * np.float32(0.8)), (truth, logits * np.float32(1.25))
    assert figures.even_temperature([softer]) < alone < figures.even_temperature([sharper])
    assert figures.even_temperature([softer, sharper]) == pytest.approx(alone, rel=0.15)


def test_summary_has_every_key(data: Path) -> None:
    clips = list(read_clips(data / "clips.csv", split="test").clips)
    p = np.full((16, 4), 0.25, np.float32)
    found = summary(clips, p, np.ones(16), 0.3)
    keys = {"uar", "accuracy", "macro_f1", "recall", "confusion", "ece", "coverage", "ms_per_clip"}
    assert found["labels"] == ["angry", "neutral", "disappointed", "happy"]
    assert keys <= set(found["pooled"])
    assert keys <= set(found["corpora"]["toy"])


@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
def test_a_model_is_trained_evaluated_and_tuned_further(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teacher, "HEADS", 1)
    monkeypatch.setattr(teacher, "FOLDS", 2)
    out = tmp_path / "models"
    fit = Fit(epochs=15, hidden=(32,), drop=0.1, noise=0.0, batch=8)
    first = train_speech("mlp", data, out, seed=3, fit=fit, variants=1, cache=tmp_path / "cache")
    assert {p.name for p in first.iterdir()} >= {
        "model.keras",
        "model.tflite",
        "card.json",
        "card.md",
        "confusion.png",
    }
    found = evaluate_speech(data / "clips.csv", model="mlp", models_dir=out)
    assert found["model"] == "mlp/1"
    assert found["pooled"]["uar"] > 0.7
    second = train_speech("mlp", data, out, seed=3, base=first, fit=fit, variants=1, cache=tmp_path / "cache")
    assert second.name == "2"
    again = evaluate_speech(data / "clips.csv", model="mlp", models_dir=out)
    assert again["model"] == "mlp/2"


@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
def test_a_shipped_model_is_tuned_from_its_fetched_file(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "default_weights_dir", lambda: tmp_path / "weights")
    monkeypatch.setattr(teacher, "HEADS", 1)
    monkeypatch.setattr(teacher, "FOLDS", 2)
    shipped = default_models_dir() / "speech/mlp/3"
    fit = Fit(epochs=1, batch=8)
    with pytest.raises(ModelError, match="models fetch tuning"):
        train_speech("mlp", data, tmp_path / "models", seed=3, base=shipped, fit=fit, variants=1)
    list(fetch([TUNING], tmp_path / "weights", [History()], print))
    tuned = train_speech("mlp", data, tmp_path / "models", seed=3, base=shipped, fit=fit, variants=1)
    card = read_card(tuned)
    assert card.tuning == {"model.keras": checksum(tuned / "model.keras")}
    assert set(card.sha256) == {"model.tflite"}


@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
def test_convolutions_learn_from_the_teacher_and_are_tuned_further(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teacher, "HEADS", 1)
    monkeypatch.setattr(cnn, "SHAPE", cnn.Shape(stem=(4, 4, 4), units=16, dilations=(1,)))
    out = tmp_path / "models"
    fit = Fit(epochs=20, rate=5e-3, hidden=(32,), drop=0.1, noise=0.0, batch=8)
    first = train_speech("cnn", data, out, seed=3, fit=fit, variants=1)
    found = evaluate_speech(data / "clips.csv", model="cnn", models_dir=out)
    assert found["model"] == "cnn/1"
    assert found["pooled"]["uar"] > 0.5
    assert train_speech("cnn", data, out, seed=3, base=first, fit=fit).name == "2"


def heard_of(frames: npt.NDArray[np.floating]) -> TaughtClip:
    """Six clips of 4 s, heard over one clear line, with these frames (600, k)."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(1, 4 * 600, 64)).astype(np.float16)
    ends = np.arange(1, 7) * 100
    statistics = rng.normal(size=(6, 9)).astype(np.float16)
    return TaughtClip(rows, 4 * ends, frames.astype(np.float16), ends, statistics)


def clips_of(speakers: Iterable[str], labels: Iterable[int]) -> list[Clip]:
    """Clips without sound."""
    return [
        Clip("toy", s, "train", k, "", np.zeros(1, np.float32)) for s, k in zip(speakers, labels, strict=True)
    ]


def test_the_direction_found_separates_emotions_and_not_speakers() -> None:
    rng = np.random.default_rng(0)
    speakers, labels = np.repeat(np.arange(20), 20), np.tile([0, 1], 200)
    x = rng.normal(size=(1, 400, 6)).astype(np.float32)
    x[0, :, 2] += 5 * speakers
    x[0, :, 4] += 3 * labels
    turn = teacher.telling(x, clips_of([str(s) for s in speakers], labels), width=1)
    observed = (x[0] @ turn)[:, 0]
    assert abs(np.corrcoef(observed, x[0, :, 4])[0, 1]) > 0.95
    assert abs(np.corrcoef(observed, speakers)[0, 1]) < 0.2


def test_heads_speak_only_of_voices_they_never_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teacher, "HEADS", 1)
    labels = np.tile([0, 1, 2, 3], 50)
    clips = clips_of([str(i) for i in range(200)], labels)
    heard = heard_of(np.zeros((600, 8)))
    # Nothing tells the labels: heads that knew the clips would seem to be right.
    statistics = np.random.default_rng(1).normal(size=(200, 60)).astype(np.float16)
    heard = replace(heard, statistics=statistics)
    fit = Fit(epochs=30, hidden=(64,), drop=0.0, drop_in=0.0, noise=0.0, mixup=0.0)
    said = teacher.heads([heard], clips, np.ones(200, np.float32), 0, lambda *_: None, fit)
    assert said.shape == (1, 200, 4)
    assert np.mean(said[0].argmax(axis=1) == labels) < 0.5


def test_a_changed_stretch_keeps_its_frames_beside_it() -> None:
    # Frame k of a clip says k, and so do its rows: after any change of pace and place both must agree.
    place = np.tile(np.arange(100), 6)
    mel = np.repeat(place, 4)[:, None] * np.ones((1, 64))
    version = Version(mel.astype(np.float16), place[:, None].astype(np.float16), np.arange(1, 7) * 100)
    still = MelChange(warp=0.0, colour=0.0, bands=0, rows=0)
    x, frames = stretches(version, np.arange(6), 256, still, np.random.default_rng(0))
    assert x.shape == (6, 256, 64)
    near = np.abs(x.reshape(6, 64, 4, 64).mean(axis=(2, 3)) - frames[:, :, 0])
    assert np.median(near) < 0.5


def test_unknown_models_and_empty_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no speech model"):
        train_speech("gpt", tmp_path, tmp_path)
    with pytest.raises(InputError, match=r"no clips\.csv"):
        train_speech("mlp", tmp_path, tmp_path)
