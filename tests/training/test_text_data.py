from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from emocx_pbx.emotion.text_clean import PAD, SIGNALS, UNKNOWN, words
from emocx_pbx.errors import InputError
from emocx_pbx.training.text.data import (
    LabelledTexts,
    build_vocabulary,
    goemotions4,
    read_texts,
    roughen,
    vary,
)
from emocx_pbx.training.text.service_language import generate, load_phrases


def write(path: Path, content: str) -> Path:
    path.write_text(content, encoding="utf-8")
    return path


def test_reads_labelled_texts(tmp_path: Path) -> None:
    texts = read_texts(write(tmp_path / "a.csv", 'text,label,more\n"no, thanks",neutral,1\nugh,sad,2\n'))
    assert texts.texts == ("no, thanks", "ugh")
    assert texts.labels.tolist() == [1, 2]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("text,mood\nhi,neutral\n", "columns text and label"),
        ("text,label\nhi,cheerful\n", "line 2: label 'cheerful'"),
        ("text,label\n", "no rows"),
        ("", "columns text and label"),
    ],
)
def test_refuses_a_wrong_file(tmp_path: Path, content: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        read_texts(write(tmp_path / "a.csv", content))


def test_refuses_a_missing_or_binary_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can't be read"):
        read_texts(tmp_path / "none.csv")
    (tmp_path / "b.csv").write_bytes(b"text,label\n\xff\xfe\x00,neutral\n")
    with pytest.raises(InputError, match=r"b\.csv"):
        read_texts(tmp_path / "b.csv")
    with pytest.raises(InputError, match="GoEmotions"):
        goemotions4(tmp_path, "train")


def test_vocabulary_holds_signals_letters_and_frequent_words() -> None:
    vocabulary = build_vocabulary(["my bill my bill my bill", "once"], 200)
    assert vocabulary.pieces[:2] == (PAD, UNKNOWN)
    assert {*SIGNALS, "my", "bill", "a", "##z"} <= set(vocabulary.pieces)
    assert "once" not in vocabulary.pieces
    ids, known = vocabulary.encode(["once"])
    assert [vocabulary.pieces[i] for i in ids] == ["o", "##n", "##c", "##e"]
    assert known == 0.0  # spelled, but no word: it falls into single letters


def test_vocabulary_takes_pieces_and_fills_up() -> None:
    vocabulary = build_vocabulary(["playing"] * 3, 78 + 3, ["the", "play", "##ing", "refund"])
    assert {"play", "##ing"} <= set(vocabulary.pieces)
    assert len(vocabulary.pieces) <= 81


def test_generated_messages_are_repeatable_and_different() -> None:
    messages = generate(500, 7, ["how do I find my card"])
    assert messages == generate(500, 7, ["how do I find my card"])
    assert messages[:100] == generate(100, 7, ["how do I find my card"])
    assert messages != generate(500, 8, ["how do I find my card"])
    assert len({message.text for message in messages}) == 500
    for message in messages:
        assert abs(sum(message.label) - 1) < 1e-9
        assert "{" not in message.text
    assert {max(range(4), key=m.label.__getitem__) for m in messages} == {0, 1, 2, 3}


def test_phrases_fill_only_known_slots() -> None:
    phrases = load_phrases()
    assert all(phrases.values())
    assert len(generate(2000, 1)) == 2000


def test_roughened_text_stays_a_text() -> None:
    rng = random.Random(1)
    kinds = {roughen("I can't log in to my account.", rng) for _ in range(300)}
    assert "I can't log in to my account." in kinds
    assert "I CAN'T LOG IN TO MY ACCOUNT." in kinds
    assert len(kinds) > 10
    assert all(words(kind) for kind in kinds)
    assert roughen("", rng) == ""


def test_varied_texts_are_new_and_repeatable() -> None:
    texts = LabelledTexts(
        ("one two three four five", "six seven eight nine ten"), np.eye(4, dtype=np.float32)[[0, 3]]
    )
    made = vary(texts, 20, 3)
    assert made == vary(texts, 20, 3)
    assert len(set(made)) == len(made) == 20
    assert not any("one" in text and "ten" in text for text in made)
