"""Real messages to companies, their parts and their targets; and texts in other languages.

The parts are the protocol's: of complaints.csv the domains transport, cars, food and other are test, retail
is dev; of banks.csv the first hex digit of sha1(text) decides (0 to 2 test, 3 dev).
"""

from __future__ import annotations

import csv
import hashlib
import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.errors import InputError
from emocx_pbx.training.text.data import LabelledTexts, csv_rows
from emocx_pbx.training.text.service_language import HINTS

_TEST_DOMAINS: Final = frozenset({"transport", "cars", "food", "other"})
_DEV_DOMAIN: Final = "retail"
_INDEX: Final = {str(label): i for i, label in enumerate(LABELS)}

#: Of a complaint with an emotion, by its severity (1: a problem without reproach, to 4: blame): how much of
#: it is that
#: emotion; the rest is neutral. Problems taught as neutral hide upset customers, as complaints they make
#: false alarms.
_OF_EMOTION: Final = {1: 0.6, 2: 0.8, 3: 0.9, 4: 0.95}
#: The same for a problem that is labelled neutral: this share of the target is disappointed.
_PLAIN_PROBLEM: Final = 0.25
#: For what is no complaint: the share of the target that is its label; the rest is spread over all four.
_LABEL: Final = 0.9
#: Target of a reproach without a label (fear, surprise) or in calm words.
_UNNAMED: Final = (0.5, 0.0, 0.5, 0.0)
_LET_DOWN: Final = (0.0, 0.0, 1.0, 0.0)


#: Real first queries to a service desk: a plain question, one that names a problem, and one in whose words
#: there may be a complaint. As neutral as they are taught, most upset customers lie over all three.
_QUESTION: Final = (0.01, 0.96, 0.02, 0.01)
_PROBLEM: Final = (0.05, 0.74, 0.21, 0.0)
_PERHAPS: Final = (0.12, 0.65, 0.23, 0.0)
_NAMES_A_PROBLEM: Final = re.compile(
    r"\b(?:not|no|n't|cannot|can't|won't|didn't|doesn't|isn't|hasn't|haven't|wasn't|fail\w*|declin\w*"
    r"|reject\w*|wrong\w*|missing|error|problem\w*|issue\w*|trouble|broken|lost|stolen|stuck|block\w*|locked|twice|double"
    r"|extra|fee|charged|pending|revert\w*|cancell?ed|delay\w*|late|disappear\w*|unauthori[sz]ed|compromised)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class CompanyMessage:
    """One message to or about a company."""

    text: str
    label: int | None
    """Index in LABELS; None: fear or surprise."""
    severity: int
    """0: no complaint; 1 to 4."""
    split: str
    """train, dev or test."""


def company_messages(data: Path) -> list[CompanyMessage]:
    """All of text/service/{complaints,banks}.csv; empty where the folder lacks them. Raises InputError."""
    found = []
    for name in ("complaints", "banks"):
        path = data / "text" / "service" / f"{name}.csv"
        if not path.is_file():
            continue
        for line, row in csv_rows(path):
            text = row["text"] or ""
            try:
                severity = int(float(row.get("severity") or 0))
            except ValueError:
                raise InputError(f"{path}, line {line}: severity {row.get('severity')!r}") from None
            split = _part(text, row.get("domain") or "", name)
            found.append(CompanyMessage(text, _INDEX.get(row["label"] or ""), severity, split))
    return found


def _part(text: str, domain: str, name: str) -> str:
    if name == "complaints":
        return "test" if domain in _TEST_DOMAINS else "dev" if domain == _DEV_DOMAIN else "train"
    digit = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()[0]
    return "test" if digit in "012" else "dev" if digit == "3" else "train"


def labelled(messages: Iterable[CompanyMessage], split: str) -> LabelledTexts:
    """The messages of one part that have a label, as they are labelled."""
    chosen = [m for m in messages if m.split == split and m.label is not None]
    targets = np.zeros((len(chosen), len(LABELS)), np.float32)
    for row, message in enumerate(chosen):
        targets[row, message.label] = 1.0
    return LabelledTexts(tuple(m.text for m in chosen), targets)


def lessons(messages: Sequence[CompanyMessage]) -> LabelledTexts:
    """The messages of the training part, with severity-aware targets."""
    chosen = [m for m in messages if m.split == "train" and (m.label is not None or m.severity)]
    return LabelledTexts(tuple(m.text for m in chosen), np.array([target(m) for m in chosen], np.float32))


def openings(queries: Sequence[str], count: int, seed: int) -> LabelledTexts:
    """`count` of the queries, drawn by the seed, as first messages that are no alarm."""
    drawn = random.Random(seed).sample(list(queries), min(count, len(queries)))
    taught = [
        _PERHAPS if HINTS.search(text) else _PROBLEM if _NAMES_A_PROBLEM.search(text) else _QUESTION
        for text in drawn
    ]
    return LabelledTexts(tuple(drawn), np.array(taught, np.float32).reshape(-1, len(LABELS)))


def asked(data: Path) -> LabelledTexts:
    """The queries of banking77's test part as calm messages; without rows where the folder lacks them."""
    path = data / "text" / "banking77" / "test.csv"
    texts: list[str] = []
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as file:
            texts = [" ".join(row["text"].split()) for row in csv.DictReader(file)]
    return LabelledTexts(tuple(texts), np.tile(np.eye(len(LABELS), dtype=np.float32)[1], (len(texts), 1)))


def target(message: CompanyMessage) -> tuple[float, float, float, float]:
    """The target probabilities of a message, in the order of LABELS."""
    calm = message.label == 1
    own = np.array(_UNNAMED) if message.label is None else np.eye(len(LABELS))[message.label]
    if not message.severity:
        return _four(_LABEL * own + (1 - _LABEL) / len(LABELS))
    share = _OF_EMOTION[min(message.severity, 4)]
    if calm:
        own = np.array(_UNNAMED if message.severity > 1 else _LET_DOWN)
        share = share if message.severity > 1 else _PLAIN_PROBLEM
    mixed = share * own
    mixed[1] += 1 - share
    return _four(mixed)


def _four(values: npt.NDArray[np.float64]) -> tuple[float, float, float, float]:
    a, n, d, h = (float(value) for value in values)
    return a, n, d, h


def other_languages(data: Path, split: str) -> dict[str, LabelledTexts]:
    """Texts of languages/brighter.csv by language (ISO 639-1); empty where the folder lacks it."""
    path = data / "text" / "languages" / "brighter.csv"
    if not path.is_file():
        return {}
    rows: dict[str, list[tuple[str, int]]] = {}
    for _, row in csv_rows(path):
        if row.get("split") == split and row["label"] in _INDEX:
            rows.setdefault(row.get("lang") or "", []).append((row["text"] or "", _INDEX[row["label"] or ""]))
    return {
        language: LabelledTexts(
            tuple(t for t, _ in found), np.eye(len(LABELS), dtype=np.float32)[[k for _, k in found]]
        )
        for language, found in sorted(rows.items())
    }
