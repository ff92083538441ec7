"""A light model's network beside a larger model's: it has a say in calls, and none in what clips show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emocx_pbx.analysis.worker.models import syllables
from emocx_pbx.emotion.card import read_card
from emocx_pbx.emotion.companion import FILE, Companion, companion_of
from emocx_pbx.emotion.registry import ModelFolder, Registry
from emocx_pbx.emotion.speech import SpeechClassifier, load_speech
from emocx_pbx.errors import ModelError
from emocx_pbx.training.speech.companion import kept, with_companion

SHARE, SHARPNESS = 0.4, 1.25


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """`cnn` with `mlp` as its companion: neither needs an extra."""
    shipped = Registry()
    cnn, mlp = (shipped.find("speech", name) for name in ("cnn", "mlp"))
    return with_companion(cnn, mlp, tmp_path_factory.mktemp("models"), SHARE, SHARPNESS)


@pytest.mark.parametrize("seconds", [3.0, 4.0, 9.0])
def test_the_companion_counts_for_its_share_in_calls_and_nowhere_else(
    made: ModelFolder, seconds: float
) -> None:
    both, own, theirs = SpeechClassifier(made), load_speech(Registry(), "cnn"), load_speech(Registry(), "mlp")
    sound = syllables(seconds)
    assert both.probabilities(sound).tolist() == own.probabilities(sound).tolist()
    scores = both.session(0.35).read(sound)
    assert scores is not None and scores.plain is not None
    parts = np.array_split(sound, int(np.ceil(seconds / 4)))
    joint = Companion("mlp/3", SHARE, SHARPNESS)
    wanted = [joint.joined(own.probabilities(part), theirs.probabilities(part)) for part in parts]
    np.testing.assert_allclose(scores.plain, np.mean(wanted, axis=0), atol=1e-5)


def test_a_mean_of_two_sure_answers_is_as_sure() -> None:
    sure = np.array([0.8, 0.1, 0.05, 0.05], np.float32)
    joined = Companion("mlp/3", 0.5, 1.0).joined(sure, sure)
    np.testing.assert_allclose(joined, sure, atol=1e-6)
    assert Companion("mlp/3", 0.5, 1.25).joined(sure, sure)[0] > 0.8


def test_on_strange_recordings_the_larger_model_answers_alone() -> None:
    own, theirs = np.array([[0.7, 0.1, 0.1, 0.1]], np.float32), np.array([[0.1, 0.7, 0.1, 0.1]], np.float32)
    joint = Companion("mlp/3", 0.4, 1.25)
    np.testing.assert_allclose(joint.joined(own, theirs, 0.0), own, atol=1e-6)
    halfway = joint.joined(own, theirs, 0.5)[0]
    known = joint.joined(own, theirs, 1.0)[0]
    assert own[0, 0] > halfway[0] > known[0] > known[1] > halfway[1] > own[0, 1]
    np.testing.assert_allclose(joint.joined(own, theirs, np.array([[0.5]]))[0], halfway, atol=1e-6)


def test_the_new_version_is_whole_and_keeps_what_was_measured_of_clips(made: ModelFolder) -> None:
    found = Registry(made.path.parents[2]).find("speech", "cnn")
    before = Registry().find("speech", "cnn").card
    assert found.card.title == "cnn/1" and FILE in found.card.sha256
    assert found.card.figures["test"] == before.figures["test"]
    assert "companion of mlp/3" in (found.path / "card.md").read_text(encoding="utf-8")


def test_a_model_tuned_from_it_keeps_it(made: ModelFolder, tmp_path: Path) -> None:
    tuned = replace(made.card, version="2", recipe={"front": "log_mel"}, sha256={"model.tflite": "0"})
    card = kept(made, tuned, tmp_path)
    assert companion_of(card) is not None
    assert card.recipe["companion"] == made.card.recipe["companion"]
    assert (tmp_path / FILE).read_bytes() == (made.path / FILE).read_bytes()
    plain = read_card(Registry().find("speech", "mlp").path)
    assert kept(Registry().find("speech", "mlp"), plain, tmp_path) is plain


@pytest.mark.parametrize(
    "change", [{"share": 1.5}, {"sharpness": 0.0}, {"temperature": "warm"}, {"recipe": None}, {"share": None}]
)
def test_a_recipe_that_says_nothing_usable_is_refused(made: ModelFolder, change: Mapping[str, Any]) -> None:
    recipe = {**made.card.recipe, "companion": {**made.card.recipe["companion"], **change}}
    with pytest.raises(ModelError, match="the recipe's companion"):
        companion_of(replace(made.card, recipe=recipe))


def test_a_file_without_a_checksum_is_not_loaded(made: ModelFolder) -> None:
    with pytest.raises(ModelError, match="without a checksum"):
        companion_of(replace(made.card, sha256={"model.tflite": "0"}))
