"""Tuning starts from a shipped model's Keras file, fetched from a fresh clone's history, offline."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emocx_pbx.emotion.card import read_card
from emocx_pbx.emotion.registry import default_models_dir
from emocx_pbx.emotion.speech import front_end
from emocx_pbx.errors import ModelError
from emocx_pbx.training import base as base_module
from emocx_pbx.training.base import KERAS, keras_file
from emocx_pbx.weights.catalogue import TUNING
from emocx_pbx.weights.fetch import fetch
from emocx_pbx.weights.sources import History

CALL = Path(__file__).parents[1] / "data/audio/call_customer.flac"
SHIPPED = [Path(file.name).parent.relative_to(TUNING.name) for file in TUNING.files]


@pytest.fixture(scope="module")
def fetched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `models fetch tuning --offline` brings in a clone."""
    folder = tmp_path_factory.mktemp("weights")
    said: list[str] = []
    found = list(fetch([TUNING], folder, [History()], said.append))
    assert [one.state for one in found] == ["fetched"] * len(SHIPPED), said
    return folder


def test_each_shipped_model_has_its_file_in_the_catalogue() -> None:
    known = {file.sha256 for file in TUNING.files}
    for folder in SHIPPED:
        card = read_card(default_models_dir() / folder)
        assert card.tuning[KERAS] in known and KERAS not in card.sha256


def test_without_the_file_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base_module, "default_weights_dir", lambda: tmp_path)
    with pytest.raises(ModelError, match=r"model\.keras is not here: emocx-pbx models fetch tuning"):
        keras_file(default_models_dir() / "speech/voice/7")


def test_a_sites_copy_of_the_models_finds_it_too(
    tmp_path: Path, fetched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_module, "default_weights_dir", lambda: fetched)
    shutil.copytree(default_models_dir() / "speech/mlp/3", tmp_path / "speech/mlp/3")
    base = tmp_path / "speech/mlp/3"
    assert keras_file(base) == fetched / "tuning/speech/mlp/3/model.keras"
    (base / KERAS).write_bytes(b"damaged")
    with pytest.raises(ModelError, match="damaged"):
        keras_file(base)


@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("folder", SHIPPED, ids=str)
def test_the_base_gives_the_answers_of_the_served_model(
    folder: Path, fetched: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Keras file and the file that serves answer alike, though cnn and mlp are served in 8 bits."""
    import keras

    from emocx_pbx.emotion.engines import LiteRtEngine

    monkeypatch.setattr(base_module, "default_weights_dir", lambda: fetched)
    served = LiteRtEngine(default_models_dir() / folder / "model.tflite")
    model = keras.models.load_model(keras_file(default_models_dir() / folder), compile=False)
    for x in heard(folder, served.shape):
        ours, theirs = (softmax(y[0]) for y in (np.asarray(model(x, training=False)), served(x)))
        np.testing.assert_allclose(ours, theirs, atol=0.02)


def heard(folder: Path, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Inputs of a network: measurements of recorded speech, or ids of words."""
    if folder.parts[0] == "text":
        yield np.random.default_rng(1).integers(1, 2000, shape).astype(np.float32)
        return
    front = front_end(read_card(default_models_dir() / folder).recipe)
    samples, _ = soundfile.read(CALL, dtype="float32")
    for at in range(3):
        yield front(samples[at * 32_000 : (at + 1) * 32_000])[None].astype(np.float32)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max())
    shares: np.ndarray = e / e.sum()
    return shares
