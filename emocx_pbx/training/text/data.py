"""Labelled texts for training and evaluation, and the vocabulary made of them."""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emocx_pbx import sheet
from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.text_clean import PAD, SIGNALS, UNKNOWN, Vocabulary, words
from emocx_pbx.errors import InputError

FloatArray = npt.NDArray[np.float32]

#: Where the folders come from, for those who have none of them.
ORIGIN = (
    "GoEmotions (github.com/google-research/google-research), banking77 (github.com/PolyAI-LDN/"
    "task-specific-datasets), CLINC150 (github.com/clinc/oos-eval); see docs/models-text.md"
)

#: CLINC150 domains in which people talk to an assistant, not to a service desk.
_NOT_SERVICE = frozenset({"small_talk", "meta", "kitchen_and_dining"})


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """Texts with class probabilities (n, 4) in the order of LABELS."""

    texts: tuple[str, ...]
    targets: FloatArray

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def labels(self) -> npt.NDArray[np.int64]:
        """Index of each text's most probable class."""
        best: npt.NDArray[np.int64] = self.targets.argmax(axis=1).astype(np.int64)
        return best

    def some(self, rows: npt.NDArray[np.int64]) -> LabelledTexts:
        """The texts of these rows, in their order."""
        return LabelledTexts(tuple(self.texts[i] for i in rows), self.targets[rows])

    def joined(self, other: LabelledTexts) -> LabelledTexts:
        """These texts followed by the others."""
        return LabelledTexts(self.texts + other.texts, np.concatenate([self.targets, other.targets]))


def read_texts(path: Path, split: str | None = None) -> LabelledTexts:
    """Texts of a CSV file with the columns text and label; the label `sad` counts as disappointed.

    With `split`, only rows whose column split says so; all rows where the file has no such column.
    Raises InputError, naming file and line, when the file or a row can't be used.
    """
    index = {str(label): i for i, label in enumerate(LABELS)} | {"sad": 2}
    texts, targets = [], []
    for line, row in csv_rows(path):
        if split is not None and row.get("split", split) != split:
            continue
        label = (row["label"] or "").strip().lower()
        if label not in index:
            expected = ", ".join(map(str, LABELS))
            raise InputError(f"{path}, line {line}: label {row['label'] or ''!r}, expected {expected}")
        texts.append(row["text"] or "")
        targets.append(np.eye(len(LABELS), dtype=np.float32)[index[label]])
    if not texts:
        raise InputError(f"{path}: has no rows" + (f" of split {split!r}" if split is not None else ""))
    return LabelledTexts(tuple(texts), np.asarray(targets))


def splits_of(path: Path) -> set[str]:
    """The splits that a CSV of texts names; empty when it has no column split. Raises InputError."""
    return {row["split"] or "" for _, row in csv_rows(path) if "split" in row}


def csv_rows(path: Path) -> Iterator[tuple[int, dict[str, str | None]]]:
    """Rows of a CSV file with at least the columns text and label, each with the line it ends on.

    Raises InputError when the file can't be read or a row has more fields than there are columns.
    """
    try:
        content = path.read_bytes()
    except OSError as e:
        raise InputError(f"{path}: can't be read: {e.strerror}") from None
    names = sheet.columns(content, str(path))
    if not {"text", "label"} <= set(names):
        found = ", ".join(names) or "nothing"
        raise InputError(f"{path}: expected the columns text and label, found {found[:80]}")
    for line, row in sheet.rows(content, str(path)):
        if None in row:
            raise InputError(
                f"{path}, line {line}: more fields than columns; is a text with commas unquoted?"
            )
        yield line, {str(name): value for name, value in row.items()}


def goemotions4(data: Path, split: str) -> LabelledTexts:
    """One official split (train, dev, test) of GoEmotions in the four classes.

    Raises InputError when the data folder lacks it.
    """
    path = data / "text" / "goemotions4" / f"{split}.csv"
    if not path.is_file():
        raise InputError(f"{path}: no such file; it is made of {ORIGIN}")
    return read_texts(path)


def unlabelled(data: Path, known: Iterable[str]) -> list[str]:
    """GoEmotions' training comments that map to no single class: only a teacher can use them."""
    path = data / "text" / "goemotions" / "train.tsv"
    if not path.is_file():
        return []
    seen = set(known)
    with path.open(encoding="utf-8", newline="") as f:
        comments = [row[0] for row in csv.reader(f, delimiter="\t", quoting=csv.QUOTE_NONE) if row]
    return [c for c in comments if c not in seen]


def service_queries(data: Path) -> list[str]:
    """Training queries of bank customers and of CLINC150's service domains; they are neutral as they are."""
    queries: list[str] = []
    banking = data / "text" / "banking77" / "train.csv"
    if banking.is_file():
        with banking.open(encoding="utf-8", newline="") as f:
            queries += [" ".join(row["text"].split()) for row in csv.DictReader(f)]
    clinc = data / "text" / "clinc150"
    if (clinc / "data_full.json").is_file():
        domains: dict[str, list[str]] = json.loads((clinc / "domains.json").read_text(encoding="utf-8"))
        service = {i for domain, intents in domains.items() if domain not in _NOT_SERVICE for i in intents}
        rows: list[tuple[str, str]] = json.loads((clinc / "data_full.json").read_text(encoding="utf-8"))[
            "train"
        ]
        queries += [text for text, intent in rows if intent in service]
    return queries


def build_vocabulary(texts: Iterable[str], size: int, pieces: Sequence[str] = ()) -> Vocabulary:
    """The `size` most useful pieces: signals, letters, then what the texts use most often.

    With `pieces` (a subword vocabulary in order of frequency, such as MiniLM's) words are cut by it, and
    remaining places go to its most frequent whole words: words that the texts lack but customers use. Without
    it, whole words are taken from the texts.
    """
    letters = "abcdefghijklmnopqrstuvwxyz"
    fixed = [PAD, UNKNOWN, *SIGNALS, *letters, *("##" + letter for letter in letters)]
    usable = [p for p in pieces if p.removeprefix("##").isascii() and p.removeprefix("##").isalpha()]
    cutter = Vocabulary.of([*fixed, *usable]) if usable else None
    counts: Counter[str] = Counter()
    for text in texts:
        found = words(text)
        counts.update(found if cutter is None else (cutter.pieces[i] for i in cutter.encode(found)[0]))
    chosen = dict.fromkeys(fixed)
    for piece, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        plain = piece.removeprefix("##")
        if len(chosen) < size and count >= 3 and plain.isascii() and plain.isalpha():
            chosen.setdefault(piece)
    for piece in usable:
        if len(chosen) < size and not piece.startswith("##") and len(piece) > 2:
            chosen.setdefault(piece)
    return Vocabulary.of(list(chosen))


def roughen(text: str, rng: random.Random) -> str:
    """The text as it might also be typed: with a slip, without capitals or full stops, or shouted."""
    roll = rng.random()
    if roll < 0.10 and len(text) > 8:
        for _ in range(1 + len(text) // 60):
            at = rng.randrange(1, len(text) - 1)
            if text[at].isalpha() and text[at + 1].isalpha():
                swapped = text[at + 1] + text[at]
                text = (
                    text[:at]
                    + rng.choice((swapped, text[at + 1], text[at] * 2 + text[at + 1]))
                    + text[at + 2 :]
                )
    elif roll < 0.16:
        text = text.lower().replace("'", "").rstrip(".!?")
    elif roll < 0.18:
        text = text.upper()
    return text


def vary(texts: LabelledTexts, count: int, seed: int) -> list[str]:
    """`count` new texts cut and joined from labelled ones, for a teacher to label.

    Words are left out, a stretch is kept alone, or two texts of one class are joined (after Tang et
    al., 2019). The classes are drawn equally often, so rare ones gain most.
    """
    rng = random.Random(seed)
    by_class = [
        [t for t, c in zip(texts.texts, texts.labels, strict=True) if c == i] for i in range(len(LABELS))
    ]
    by_class = [members for members in by_class if members]
    made: dict[str, None] = {}
    for _ in range(count * 10):
        if len(made) >= count:
            break
        members = rng.choice(by_class)
        parts = rng.choice(members).split()
        way = rng.random()
        if way < 0.35:
            parts = [part for part in parts if rng.random() > 0.2]
        elif way < 0.65:
            start = rng.randrange(max(1, len(parts) - 3))
            parts = parts[start : start + rng.randint(3, 14)]
        else:
            parts = parts[:20] + rng.choice(members).split()[:20]
        if len(parts) >= 2:
            made.setdefault(" ".join(parts))
    return list(made)
