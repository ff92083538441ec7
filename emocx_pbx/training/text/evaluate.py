"""Figures of a text model on labelled texts."""

from __future__ import annotations

import hashlib
import itertools
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS, UPSET_THRESHOLD
from emocx_pbx.emotion.card import checksum
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.text import TextClassifier, TextReader, load_reader
from emocx_pbx.emotion.text_clean import words
from emocx_pbx.errors import InputError
from emocx_pbx.training.compare import compare
from emocx_pbx.training.figures import macro_f1
from emocx_pbx.training.text.data import LabelledTexts, csv_rows, goemotions4, read_texts, splits_of
from emocx_pbx.training.text.messages import asked, company_messages, labelled, other_languages
from emocx_pbx.training.text.upset import upset_figures

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Measuring:
    """Which models to measure, and how to measure them."""

    model: str = "lstm"
    """`name` or `name/version`."""
    models_dir: Path | None = None
    """None: the models that come with the package."""
    split: str | None = None
    """None: the usual one of the data."""
    against: str | None = None
    """An older model to compare with."""
    progress: Progress | None = None
    threshold: float = UPSET_THRESHOLD
    """From which P(upset) a message counts as upset."""

    def readers(self) -> list[TextReader]:
        """The model, and the one to compare with; raises ModelError."""
        registry = Registry(self.models_dir)
        return [load_reader(registry, spec) for spec in (self.model, self.against) if spec is not None]


def evaluate_text(csv: Path, measuring: Measuring = Measuring()) -> dict[str, Any]:
    """Evaluate a text model on a CSV file with the columns text and label.

    Without a split it takes the split test if the file has such rows; "all" takes every row. Of a file
    without splits on which one of the models was fine-tuned only the messages held out then are taken.
    Returns what `measure` returns, with the model's name, the split, `ms_per_text` and `upset` (see
    upset_figures), by `languages` where the file has a column lang; beside an older model also `against` (its
    figures) and `comparison` (see compare). Raises InputError for a file that can't be used, ModelError for
    such a model.
    """
    classifiers, split, threshold = measuring.readers(), measuring.split, measuring.threshold
    named = splits_of(csv)
    if split is None:
        split = "test" if "test" in named else "all"
    texts = read_texts(csv, None if split == "all" else split)
    if not named and any(c.card.data.get("site_sha256") == checksum(csv) for c in classifiers):
        split, texts = "held out", parts_of(texts)[2]
    total = len(classifiers) * len(texts)
    progresses = [_after(i * len(texts), total, measuring.progress) for i in range(len(classifiers))]
    said = [served_probabilities(c, texts, tell) for c, tell in zip(classifiers, progresses, strict=True)]
    results = [evaluate_classifier(c, texts, s) for c, s in zip(classifiers, said, strict=True)]
    other = said[1][0] if len(said) > 1 else None
    upset = {"upset": upset_figures(texts.labels, said[0][0], other, threshold=threshold)}
    languages = by_language(csv, texts, split, said[0][0], other, threshold)
    if languages:
        upset["languages"] = languages
    if other is None:
        return {**results[0], **upset, "split": split}
    comparison = compare(texts.labels, other, said[0][0])
    return {**results[0], **upset, "split": split, "against": results[1], "comparison": comparison}


def by_language(
    csv: Path, texts: LabelledTexts, split: str, given: FloatArray, other: FloatArray | None, threshold: float
) -> dict[str, Any]:
    """Upset figures of each language that the file's column lang names; empty without that column."""
    rows = [row for _, row in csv_rows(csv) if split in ("all", row.get("split", split))]
    if len(rows) != len(texts) or not rows or "lang" not in rows[0]:
        return {}
    named = np.array([row["lang"] or "" for row in rows])
    found = {}
    for language in sorted(set(named.tolist()) - {""}):
        here = named == language
        beside = None if other is None else other[here]
        found[language] = upset_figures(texts.labels[here], given[here], beside, threshold=threshold)
    return found


def evaluate_protocol(data: Path, measuring: Measuring = Measuring()) -> dict[str, Any]:
    """The protocol's figures on a folder of public sets: messages to companies, GoEmotions, other languages.

    `split` is test (None) or dev. Returns for each set what `measure` returns and `upset` (see
    upset_figures), with the difference to the older model in pairs. Raises InputError when the folder has
    none of them.
    """
    split = measuring.split or "test"
    if split not in ("test", "dev"):
        raise InputError(f"split: expected test or dev, got {split!r}")
    sets: dict[str, LabelledTexts] = {}
    company = labelled(company_messages(data), split)
    if len(company):
        sets["messages to companies"] = company
    if (data / "text" / "goemotions4" / f"{split}.csv").is_file():
        sets["goemotions4"] = goemotions4(data, split)
    if split == "test" and len(first := asked(data)):
        sets["openings (banking77)"] = first
    sets |= {f"language {code}": texts for code, texts in other_languages(data, split).items()}
    if not sets:
        raise InputError(f"{data}: has none of text/service, text/goemotions4 and text/languages")
    readers = measuring.readers()
    total = len(readers) * sum(map(len, sets.values()))
    done, answer = 0, dict[str, Any]()
    for name, texts in sets.items():
        said = []
        for reader in readers:
            said.append(served_probabilities(reader, texts, _after(done, total, measuring.progress)))
            done += len(texts)
        other = said[1][0] if len(said) > 1 else None
        answer[name] = {
            **evaluate_classifier(readers[0], texts, said[0]),
            "upset": upset_figures(texts.labels, said[0][0], other, threshold=measuring.threshold),
        }
    head = {"model": readers[0].name, "against": readers[1].name if len(readers) > 1 else None}
    return {**head, "split": split, "answers_in": list(readers[0].languages), "sets": answer}


def parts_of(texts: LabelledTexts) -> tuple[LabelledTexts, LabelledTexts, LabelledTexts]:
    """Texts to learn from, to choose by and to hold out (three, one and one in five).

    By a hash of the words, so that equal messages fall on the same side, today and tomorrow.
    """
    fifths = np.array([hashlib.sha256(" ".join(words(t)).encode()).digest()[0] % 5 for t in texts.texts])
    rows = [np.flatnonzero(mask) for mask in (fifths > 1, fifths == 1, fifths == 0)]
    learned, dev, test = (
        LabelledTexts(tuple(texts.texts[i] for i in some), texts.targets[some]) for some in rows
    )
    return learned, dev, test


def _after(before: int, total: int, progress: Progress | None) -> Progress:
    return lambda done, of: progress(before + done, total) if progress else None


def evaluate_classifier(
    classifier: TextClassifier | TextReader,
    texts: LabelledTexts,
    said: tuple[FloatArray, float] | None = None,
) -> dict[str, Any]:
    """Measure the classifier on the texts; `said` is what served_probabilities returned for them."""
    probabilities, ms = said or served_probabilities(classifier, texts)
    figures = measure(probabilities, texts.labels, classifier.card.threshold)
    return {"model": classifier.name, **figures, "ms_per_text": round(ms, 3)}


def served_probabilities(
    classifier: TextClassifier | TextReader, texts: LabelledTexts, progress: Progress | None = None
) -> tuple[FloatArray, float]:
    """Probabilities (n, 4) by the very code of serving, and the median milliseconds of a text."""
    rows, spent = [], []
    for done, text in enumerate(texts.texts, 1):
        started = time.perf_counter()
        rows.append(classifier.classify(text).probabilities)
        spent.append(1000 * (time.perf_counter() - started))
        if progress is not None:
            progress(done, len(texts))
    return np.array(rows, np.float32), float(np.median(spent))


def measure(probabilities: FloatArray, labels: IntArray, threshold: float) -> dict[str, Any]:
    """Figures of class probabilities (n, 4) against true labels (n,).

    `uar` (mean of the per-class recalls) and `macro_f1` take the best of the four classes whatever
    the confidence, over the classes that occur; `confusion` has rows true, columns predicted in the
    order of `labels`, "uncertain" last; `coverage` is the share at or over the threshold; `ece` is
    the expected calibration error over 15 bins (Guo et al., 2017); `upset_recall` counts a message
    as found when angry and disappointed together outweigh the rest.
    """
    names = [str(label) for label in LABELS]
    best = probabilities.argmax(axis=1)
    sure = probabilities.max(axis=1) >= threshold
    answers = np.where(sure, best, len(names))
    confusion = np.zeros((len(names), len(names) + 1), np.int64)
    np.add.at(confusion, (labels, answers), 1)
    recall, precision, f1 = {}, {}, {}
    for i, name in enumerate(names):
        true, found = labels == i, best == i
        if not true.any():
            continue
        hits = int((true & found).sum())
        recall[name] = hits / int(true.sum())
        precision[name] = hits / max(1, int(found.sum()))
        f1[name] = 2 * hits / int(true.sum() + found.sum())
    upset = (labels == 0) | (labels == 2)
    said_upset = probabilities[:, 0] + probabilities[:, 2] > 0.5
    figures = {
        "n": len(labels),
        "labels": names,
        "uar": float(np.mean(list(recall.values()))),
        "accuracy": float((best == labels).mean()),
        "macro_f1": float(np.mean(list(f1.values()))),
        "recall": recall,
        "precision": precision,
        "f1": f1,
        "confusion": confusion.tolist(),
        "ece": calibration_error(probabilities, labels),
        "coverage": float(sure.mean()),
        "accuracy_when_sure": float((best == labels)[sure].mean()) if sure.any() else None,
        "upset_recall": float(said_upset[upset].mean()) if upset.any() else None,
        "upset_false_alarms": float(said_upset[~upset].mean()) if (~upset).any() else None,
        "threshold": threshold,
    }
    return {name: _rounded(value) for name, value in figures.items()}


def calibration_error(probabilities: FloatArray, labels: IntArray, bins: int = 15) -> float:
    """Expected calibration error: mean distance of confidence and accuracy, weighted by bin size."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    at = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    total = 0.0
    for b in range(bins):
        inside = at == b
        if inside.any():
            total += inside.mean() * abs(float(right[inside].mean()) - float(confidence[inside].mean()))
    return float(total)


def softmax(logits: FloatArray, temperature: float = 1.0) -> FloatArray:
    """Probabilities (n, k) of logits (n, k)."""
    odds = np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)
    return np.asarray(odds / odds.sum(axis=1, keepdims=True), np.float32)


def log_loss(probabilities: FloatArray, labels: IntArray) -> float:
    """Mean negative log-probability of the true class."""
    given = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.maximum(given, 1e-9)).mean())


def best_temperature(logits: FloatArray, labels: IntArray) -> float:
    """Temperature in 0.4 to 3 with the least log loss (Guo et al., 2017)."""
    grid = np.round(np.arange(0.4, 3.01, 0.02), 2)
    return float(min(grid, key=lambda t: log_loss(softmax(logits, t), labels)))


def best_bias(logits: FloatArray, labels: IntArray, most: float = 0.5) -> FloatArray:
    """What to add to the logits (k,), within +-`most`, for the best macro-F1; found by coordinate ascent.

    Training weighs the classes against their frequency; this finds the balance that dev likes best.
    """
    bias = np.zeros(logits.shape[1], np.float32)
    for _ in range(2):
        for k in range(len(bias)):
            steps = np.round(np.arange(-most, most + 0.01, 0.05), 2)

            def score(step: float, at: int = k) -> tuple[float, float]:
                tried = bias.copy()
                tried[at] = step
                return macro_f1(labels, (logits + tried).argmax(axis=1)), -abs(step)

            bias[k] = max(steps, key=score)
    return bias


def bias_within(
    dev: tuple[FloatArray, IntArray], beside: tuple[FloatArray, IntArray], floor: float, most: float = 0.5
) -> FloatArray:
    """The bias (k,) with the best macro-F1 on `beside` among those that keep dev's at `floor` or over.

    If none does, the one that is best for dev alone. Neutral stays at 0, as only differences count.
    """
    steps = np.round(np.arange(-most, most + 0.01, 0.1), 2)
    chosen, best = best_bias(*dev, most), -1.0
    for angry, disappointed, happy in itertools.product(steps, steps, steps):
        tried = np.array([angry, 0.0, disappointed, happy], np.float32)
        if macro_f1(dev[1], (dev[0] + tried).argmax(axis=1)) < floor:
            continue
        found = macro_f1(beside[1], (beside[0] + tried).argmax(axis=1)) - 0.001 * float(np.abs(tried).sum())
        if found > best:
            chosen, best = tried, found
    return chosen


def best_threshold(probabilities: FloatArray, coverage: float = 0.9) -> float:
    """Confidence that keeps at least `coverage` of the texts, a multiple of 0.01, never under 0.4."""
    edge = float(np.quantile(probabilities.max(axis=1), 1 - coverage))
    return max(0.4, math.floor(100 * edge) / 100)


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    return value
