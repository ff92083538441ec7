"""A candidate from labels, trained and compared by the very process that the service starts."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from databases import ON_POSTGRESQL
from training.test_text_training import tiny_models

from emocx_pbx.deeds.learning import Request, TrainingOutcome
from emocx_pbx.deeds.reviews import Wanted, draw_round
from emocx_pbx.domain import Decision
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.settings.settings import AnalysisSettings, PrivacySettings, Settings, StoreSettings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store
from emocx_pbx.training.compare import beyond_chance, compare

pytestmark = [
    pytest.mark.train,
    pytest.mark.timeout(600),  # TensorFlow is imported twice
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]

ANN = Actor("ann", "")
NOW = 1_790_000_000.0
EVEN = {"angry": 0.25, "neutral": 0.25, "disappointed": 0.25, "happy": 0.25}


def probabilities(right: np.ndarray, truth: np.ndarray) -> np.ndarray:
    found = np.full((len(truth), 4), 0.1, np.float32)
    found[np.arange(len(truth)), np.where(right, truth, (truth + 1) % 4)] = 0.7
    return found


def test_better_beyond_chance_is_a_gain_over_callers() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 4, 200)
    callers = [f"c{n % 20}" for n in range(200)]
    old, new = (probabilities(rng.random(200) < share, truth) for share in (0.5, 0.8))
    better, why = beyond_chance(compare(truth, old, new, callers), 20)
    assert better and "at least +0." in why
    same, why = beyond_chance(compare(truth, old, old, callers), 20)
    assert not same and "not better beyond chance" in why
    few, why = beyond_chance(compare(truth, old, new, ["a", "b"] * 100), 2)
    assert not few and "of 2 callers" in why
    # All of the gain is one caller's: drawn by callers it may be chance.
    one = old.copy()
    theirs = np.array([c == "c0" for c in callers])
    one[theirs] = probabilities(np.ones(200, bool), truth)[theirs]
    assert not beyond_chance(compare(truth, old, one, callers), 20)[0]


async def with_labels(settings: Settings, number: int, words: dict[str, str]) -> None:
    """Queries of up to 120 customers, in the site's own words for each label, and labelled so."""
    store, labels = await Store.open(settings.store_place(), now=lambda: NOW), list(words)
    for n in range(number):
        decision = Decision(f"d{n}", NOW - 60, "ok", "care", "uncertain", 0.25, EVEN, upset=0.5)
        await store.decisions.record(decision, None, f"crm-{n % 120}", f"{words[labels[n % 4]]} {n}")
    await draw_round(store, settings, Wanted("text", number, 0, 0.0), NOW, ANN, random.Random(1))
    for item_id in await store.reviews.open("text", "ann", None, number):
        item = await store.reviews.item(item_id)
        assert item is not None and item.text is not None
        label = next(k for k, said in words.items() if item.text.startswith(said))
        await store.reviews.label(item_id, "ann", label, ANN)
    await store.close()


#: The process, with a plan that fits a tiny model.
SMALL = """
import sys
from functools import partial
import emocx_pbx.training.text.train as train
train.TextPlan = partial(train.TextPlan, epochs=12, batch=32, rate=0.1, service=200)
from emocx_pbx.training import from_labels
from_labels.NICE = 0
sys.exit(from_labels.main())
"""


def asked(request: Request) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", SMALL], input=msgspec.json.encode(request), capture_output=True,
        timeout=540, check=False,
    )  # fmt: skip


def settings_of(folder: Path) -> Settings:
    return Settings(
        directory=str(folder),
        privacy=PrivacySettings(store_query_text=True),
        analysis=AnalysisSettings(models_dir=str(folder / "models"), text_model="tiny"),
    )


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with a tiny one that knows nothing of the site."""
    return tiny_models(tmp_path_factory)


def known_words(models: Path) -> dict[str, str]:
    """For each label four words of the model's vocabulary, which say nothing by themselves."""
    pieces = (models / "text" / "tiny" / "1" / "vocabulary.txt").read_text().splitlines()
    words = [piece for piece in pieces if piece.isalpha() and len(piece) > 4]
    return {label: " ".join(words[n * 4 : n * 4 + 4]) for n, label in enumerate(EVEN)}


@ON_POSTGRESQL
def test_labels_are_read_where_the_records_are(place: str, tmp_path: Path) -> None:
    settings = msgspec.structs.replace(settings_of(tmp_path), store=StoreSettings(url=place))
    asyncio.run(with_labels(settings, 12, {label: f"said {label}" for label in EVEN}))
    done = asked(Request(settings, "text", str(tmp_path)))
    assert done.returncode == 2
    assert b"12 labels that people agree on; at least 40 are needed" in done.stderr


def test_a_candidate_is_trained_compared_and_kept_only_if_it_is_better(base: Path, tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    (tmp_path / "models").symlink_to(base)
    asyncio.run(with_labels(settings, 240, known_words(base)))
    done = asked(Request(settings, "text", str(tmp_path)))
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    outcome = msgspec.json.decode(done.stdout, type=TrainingOutcome)
    assert (outcome.model, outcome.base) == ("tiny/2", "tiny/1")
    assert outcome.learned + outcome.held_out == 240 and outcome.callers >= 10
    assert outcome.comparison["drawn"] == "callers"
    assert outcome.better is (outcome.comparison["low"] > 0), outcome.why
    registry = Registry(base)
    # It waits: whoever asked promotes it.
    assert registry.versions("text", "tiny") == (["1", "2"] if outcome.better else ["1"])
    assert registry.current("text", "tiny") == "1"
    assert "held out" in done.stderr.decode()


def test_too_few_labels_are_one_line(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    asyncio.run(with_labels(settings, 12, dict.fromkeys(EVEN, "where is it")))
    done = asked(Request(settings, "text", str(tmp_path)))
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().splitlines()[-1] == "12 labels that people agree on; at least 40 are needed"
