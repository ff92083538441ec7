"""First queries as they come in: mark-up, quoted mails, odd characters, trade terms, other languages.

tests/data/cases/texts.csv holds inputs that once gave a wrong answer; each stands for its kind.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from pathlib import Path

import pytest

from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.text import TextReader, load_reader

MODELS = Path(__file__).parents[2] / "models"
CASES = Path(__file__).parents[1] / "data" / "cases" / "texts.csv"


def cases() -> dict[str, dict[str, str]]:
    with CASES.open(newline="", encoding="utf-8") as f:
        return {row["case"]: row for row in csv.DictReader(f)}


@pytest.fixture(scope="module")
def reader() -> TextReader:
    return load_reader(Registry(MODELS), "lstm")


def like(row: dict[str, str]) -> str | None:
    """The text whose answer a case must equal, if it says so."""
    expected = row["expected"]
    if quoted := re.fullmatch(r'as "(.*)"', expected):
        return quoted[1]
    if same := re.fullmatch(r"as the same text without U\+(\w+)", expected):
        return row["text"].replace(chr(int(same[1], 16)), "")
    return cases()[expected.removeprefix("as ")]["text"] if expected.startswith("as ") else None


@pytest.mark.parametrize("name", cases())
def test_each_case_is_read_as_a_person_would(reader: TextReader, name: str) -> None:
    row = cases()[name]
    found = reader.read(row["text"])
    if (other := like(row)) is not None:
        assert found.scores.emotion == reader.read(other).scores.emotion
        return
    expected = row["expected"]
    if expected.startswith("not "):
        assert found.scores.emotion != expected.removeprefix("not ")
    elif "supported" in expected:
        assert found.foreign and found.scores.emotion == "uncertain"
    else:
        assert found.scores.emotion in re.findall(r"angry|neutral|disappointed|happy|uncertain", expected)


#: More of each kind: what is written, and the text whose answer it must equal.
SAME = [
    ("&lt;p&gt;I don&amp;#39;t love this plan&lt;/p&gt;", "I don't love this plan"),
    ("<p>I <b>hate</b> this<br>plan</p><!-- great! -->", "I hate this plan"),
    ("[b]I hate[/b] this [url=https://a.example]plan[/url]", "I hate this plan"),
    ("I **hate** this [plan](https://a.example/great)", "I hate this plan"),
    ("Ｉ　ｈａｔｅ　ｔｈｉｓ", "I hate this"),
    ("I h\u0430t\u0435 this", "I hate this"),
    ("I h\u0336a\u0336t\u0336e\u0336 this", "I hate this"),
    ("\u202bI hate\u200f this\u2066", "I hate this"),
    ("I donâ€™t love this", "I don't love this"),
    ("I don\u02bct love this", "I don't love this"),
    ("th1s is a d1sgr4ce", "this is a disgrace"),
    ("I   hate\u00a0\t this", "I hate this"),
    ("<glad> <heart> I hate this", "glad heart I hate this"),
    ("I hate this\n\nSent from my iPhone", "I hate this"),
    ("I hate this\n\nVon meinem iPhone gesendet", "I hate this"),
    ("I hate this\n\nEnviado desde mi iPhone", "I hate this"),
    ("I hate this\n\nEl lun, 3 nov 2025 a las 10:12, Soporte escribió:\n> great work", "I hate this"),
    ("I hate this\n\nAm 03.11.2025 um 10:12 schrieb Support:\n> great work", "I hate this"),
    ("I hate this\n\nEm seg., 3 de nov. de 2025, Suporte escreveu:\n\n> great work", "I hate this"),
    ("I hate this\n\n-----Original Message-----\ngreat work, thanks", "I hate this"),
    ("I hate this\n\nVon: Joy\nGesendet: Montag\nBetreff: AW: x\n\ngreat work, thanks", "I hate this"),
    ("> great work, thanks\n\nI hate this", "I hate this"),
    ("<div>I hate this</div><blockquote>great work, thanks</blockquote>", "I hate this"),
    ("I hate this\nCONFIDENTIALITY NOTICE: if you love this mail, delete it.", "I hate this"),
    ("Name: Joy Happy\nEmail: joy@love.example\nMessage: I hate this", "I hate this"),
    ("I hate this\n##- Please type your reply above this line -##\ngreat work", "I hate this"),
    ("I hate this 🤷🏽\u200d♀️", "I hate this 🤷"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "said"), SAME)
def test_what_is_not_said_changes_nothing(reader: TextReader, written: str, said: str) -> None:
    assert reader.read(written).scores == reader.read(said).scores


@pytest.mark.parametrize(
    "text",
    [
        "ATTN: ACCOUNTS DEPARTMENT\nPLEASE UPDATE THE BANK DETAILS OF ACCOUNT DE89370400440532013000",
        "Account number 4929 1234 5678 9012, sort code 20-00-00",
        "INV-2024-00123 / PO 8827-A",
        "CHANGE OF ADDRESS",
        "How do I kill the print job?",
        "How can I kill a zombie process?",
        "The fire alarm panel needs its yearly inspection",
        "Where is the panic button on the app?",
        "when does it ship? size 8)",
        "Name: Joe Bitter\nSubject: Opening hours\nMessage: When do you open on Sunday?",
        "Please send the invoice.\n\nBest regards,\nAngela Fury\nHead of Complaints",
    ],
)
def test_what_carries_no_emotion_is_neutral(reader: TextReader, text: str) -> None:
    assert reader.read(text).scores.emotion == "neutral"


@pytest.mark.parametrize(
    "text", ["asdf qwer zxcv", "lkjasdf fgsfds jkjkjk", "zxcvbnm", "qwertz uiop", "4711 0815", "!?!"]
)
def test_no_words_are_no_signal(reader: TextReader, text: str) -> None:
    assert reader.read(text).scores.emotion == "uncertain"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Wo ist mein Paket?", "de"),
        ("ICH WARTE SEIT WOCHEN AUF MEIN GELD", "de"),
        ("quiero un reembolso", "es"),
        ("où est mon colis", "fr"),
        ("Non funziona niente", "it"),
        ("Não recebi o meu pedido e ninguém responde", "pt"),
        ("Gdzie jest moja paczka", "pl"),
        ("где мой заказ", "ru"),
        ("我的包裹在哪里", "zh"),
        ("ありがとう", "ja"),
        ("<p>Wo ist mein Paket?</p>\n\nSent from my iPhone", "de"),
    ],
)
def test_a_language_that_the_model_does_not_know_is_uncertain(
    reader: TextReader, text: str, language: str
) -> None:
    found = reader.read(text)
    assert (found.language, found.foreign, found.scores.emotion) == (language, True, "uncertain")


@pytest.mark.parametrize(
    "text",
    [
        "ok", "hello", "Hallo", "4711", "refund", "Giuseppe Verdi", "José García", "thx u r gr8", "no no no",
        "Hans-Peter Müller, Hauptstraße 12, Berlin", "my invoice from Société Générale", "sim card",
        "hola, my order is late", "order from Deutsche Bahn AG delayed", "internet modem reset",
        "wifi router tp-link ac1200 no internet", "please call Herr Schneider from Stadtwerke München",
    ],
)  # fmt: skip
def test_no_doubt_about_the_language_makes_an_english_text_uncertain(reader: TextReader, text: str) -> None:
    assert not reader.read(text).foreign


def test_every_format_character_is_dropped(reader: TextReader) -> None:
    plain = reader.read("this is a disgrace").scores
    for point in range(0x110000):
        if unicodedata.category(chr(point)) == "Cf":
            assert reader.read(f"this is a dis{chr(point)}grace").scores == plain, hex(point)


@pytest.mark.parametrize(
    "unit",
    [
        "<", "<a ", "<p a=\"", "<!--", "<p/", "</", "[quote", "&amp;", ">\n", "On 1 ", "On 1 wrote: ",
        "From: \n", "-- \n", "Thanks,\n", "x\nThanks,\n",
        "wrote:\n", "```\n", "f***", "a1", "kill the a ", "(:", "\u200b",
        "[a](", "аb ", "Ã©", "never been ", "o ", "a.", "-",
    ],
)  # fmt: skip
def test_a_hostile_text_is_read_in_linear_time(reader: TextReader, unit: str) -> None:
    # The suite's timeout is the judge: the standard library's parser alone takes minutes for some of these.
    assert reader.read((unit * 100_000)[:200_000]).scores is not None
