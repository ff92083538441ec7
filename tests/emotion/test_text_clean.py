from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.emotion.text_clean import MAX_CHARACTERS, PAD, SIGNALS, UNKNOWN, Vocabulary, windows, words

VOCABULARY = Vocabulary.of(
    [PAD, UNKNOWN, *SIGNALS, "a", "not", "good", "so", "hap", "##py", "happy", "bill", "##s", "##a"]
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I can't pay.", ["i", "can", "not", "pay"]),
        ("it didnt work, won’t either", ["it", "did", "not", "work", "will", "not", "either"]),
        ("I AM waiting", ["i", "am", "waiting"]),
        ("this is NOT ok", ["this", "is", "<caps>", "not", "ok"]),
        ("WHY IS IT BLOCKED", ["<shout>", "why", "is", "it", "blocked"]),
        ("so baaaad!!!", ["so", "<long>", "baad", "!!"]),
        ("really?!", ["really", "?!"]),
        ("well...", ["well", "<dots>"]),
        ("fine 😡🙃", ["fine", "<cross>", "<sneer>"]),
        ("ok :( and <3 :)", ["ok", "<sad>", "and", "<heart>", "<glad>"]),
        ('your "help" /s', ["your", "<quoted>", "help", "<sarcasm>"]),
        ("$4.99 on 12:30 the 3rd", ["<number>", "on", "<number>", "the", "<number>"]),
        ("@acme see https://acme.example/x?y=1", ["<user>", "see", "<link>"]),
        ("café Ünïcode", ["cafe", "unicode"]),
        ("[NAME] left", ["<name>", "left"]),
        ("", []),
        (" \n\t ", []),
    ],
)
def test_keeps_signals_and_cleans_the_rest(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text(max_size=400))
def test_takes_any_text(text: str) -> None:
    for token in words(text):
        assert token and not any(c.isspace() for c in token)


def test_work_is_bounded() -> None:
    assert len(words("no " * MAX_CHARACTERS)) <= MAX_CHARACTERS // 3


def test_spells_words_by_their_longest_pieces() -> None:
    ids, known = VOCABULARY.encode(["happy", "haps", "zzz", "soo"])
    assert [VOCABULARY.pieces[i] for i in ids] == ["happy", "hap", "##s", UNKNOWN, "so"]
    assert known == 0.75


def test_nothing_is_known_of_nothing() -> None:
    assert VOCABULARY.encode([]) == ([], 0.0)


@given(st.integers(0, 700), st.integers(2, 6))
def test_windows_cover_beginning_and_end(count: int, most: int) -> None:
    ids = list(range(1, count + 1))
    cut = windows(ids, 48, most)
    assert cut.dtype == np.float32
    assert 1 <= len(cut) <= most and cut.shape[1] == 48
    assert sorted(set(cut.ravel()) - {0.0})[:1] == [1.0][: min(1, count)]
    assert cut.max(initial=0) == count
    if count <= most * 48:
        assert len(set(cut.ravel()) - {0.0}) == count
