from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.emotion.text_clean import (
    MAX_CHARACTERS,
    PAD,
    SIGNALS,
    UNKNOWN,
    Vocabulary,
    said,
    windows,
    words,
)

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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("thanks :) <3 >:( -_- ^_^", ["thanks", "<glad>", "<heart>", "<cross>", "<sneer>", "<glad>"]),
        ("floor 8) Drive D: (ref: 8) (x) XP option:c", ["floor", "<number>", "drive", "d", "ref", "<number>",
                                                        "x", "xp", "option", "c"]),
        ("f*** this sh*t @#$%&!", ["fuck", "this", "shit", "<cross>"]),
        ("order AB-1234-X9 of DE89370400440532013000", ["order", "<number>", "of", "<number>"]),
        ("see acme.example/x?y=1 or acme.com", ["see", "<link>", "or", "<link>"]),
        ("❤️\u200d🔥 👩\u200d💻 🤷🏽\u200d♀️", ["<heart>", "<emoji>", "<sneer>"]),
        ("not bad at all, I can't complain", ["pretty", "good", "i", "am", "satisfied"]),
        ("we can't complain about people", ["we", "can", "not", "complain", "about", "people"]),
        ("kill the print job", ["restart", "the", "job"]),
        ("I will kill you", ["i", "will", "kill", "you"]),
        ("<shout> typed", ["shout", "typed"]),
    ],
)  # fmt: skip
def test_tells_signals_from_their_look_alikes(text: str, expected: list[str]) -> None:
    assert words(text) == expected


@given(st.text(max_size=200))
def test_what_is_said_has_no_unseen_characters_and_is_said_again(text: str) -> None:
    once = said(text)
    assert not any(unicodedata.category(c) in {"Cf", "Co", "Cs"} for c in once)
    assert len(once) <= MAX_CHARACTERS


def test_a_text_of_nothing_but_quotation_or_signature_stays_whole() -> None:
    for text in ("> I hate this\n> truly", "Sent from my iPhone", "<blockquote>I hate this</blockquote>"):
        assert len(words(text)) >= 3


def test_lists_and_sentences_after_thanks_are_no_signature() -> None:
    assert words("- no answer\n- no refund") == ["no", "answer", "no", "refund"]
    assert words("Hi,\nThanks,\nbut it is still broken and nobody cares!")[-3:] == ["nobody", "cares", "!"]
    assert words("Hi,\nmy order.\nThanks\nstill broken")[-2:] == ["still", "broken"]
