from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emocx_pbx.errors import SettingsError
from emocx_pbx.routing import sentences
from emocx_pbx.routing.topics import TopicClassifier

TOPICS = {
    "billing": [
        "I have a question about my bill",
        "why was I charged twice",
        "the invoice shows the wrong amount",
        "how can I pay",
    ],
    "outage": [
        "my internet is down",
        "there is no connection since this morning",
        "the router shows a red light",
        "I have no signal",
    ],
    "delivery": [
        "where is my parcel",
        "my order has not arrived",
        "the package was delivered to the wrong house",
        "when will it be shipped",
    ],
}


@pytest.fixture(scope="module", params=["meaning", "words"])
def topics(request: pytest.FixtureRequest) -> TopicClassifier:
    return TopicClassifier.fit(TOPICS, by_meaning=request.param == "meaning")


@pytest.fixture(scope="module")
def by_meaning() -> TopicClassifier:
    assert sentences.load_encoder() is not None, "the packages of the extra `topics` are not installed"
    return TopicClassifier.fit(TOPICS)


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("you charged me twice on the invoice", "billing"),
        ("My internet connection is down!", "outage"),
        ("MY PARCEL HAS NOT ARRIVED", "delivery"),
    ],
)
def test_finds_a_topic(topics: TopicClassifier, text: str, topic: str) -> None:
    found, confidence = topics.classify(text)
    assert found == topic
    assert 0 < confidence <= 1


def test_finds_it_in_what_is_said_alone(topics: TopicClassifier) -> None:
    mail = "<p>you charged me twice on the invoice</p>\n\nOn Mon, 3 Nov, Support wrote:\n> where is my parcel"
    assert topics.classify(mail) == topics.classify("you charged me twice on the invoice")


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("I don't understand these fees on my statement", "billing"),
        ("the wifi does not work", "outage"),
        ("the courier never came", "delivery"),
    ],
)
def test_finds_other_words_of_the_same_meaning(by_meaning: TopicClassifier, text: str, topic: str) -> None:
    assert by_meaning.classify(text)[0] == topic


@pytest.mark.parametrize(
    "text",
    ["how old is the universe", "what is a good recipe for carrot cake", "tell me a joke about penguins"],
)
def test_says_none_when_unlike_all(by_meaning: TopicClassifier, text: str) -> None:
    assert by_meaning.classify(text)[0] is None


@pytest.mark.parametrize("text", ["", "   ", "12345 !!", "???"])
def test_an_empty_text_has_no_topic(topics: TopicClassifier, text: str) -> None:
    assert topics.classify(text) == (None, 0.0)


def test_bounds_the_work_on_a_long_text(topics: TopicClassifier) -> None:
    assert topics.classify("my internet is down " * 500)[0] == "outage"


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=200))
def test_any_text_has_an_answer(text: str) -> None:
    topic, confidence = WORDS.classify(text)
    assert topic is None or topic in TOPICS
    assert 0 <= confidence <= 1


WORDS = TopicClassifier.fit(TOPICS, by_meaning=False)


def test_two_topics_are_enough() -> None:
    pair = TopicClassifier.fit({name: TOPICS[name] for name in ("billing", "outage")})
    assert pair.classify("what is this charge on my bill")[0] == "billing"
    assert pair.classify("the internet went down")[0] == "outage"


def test_wrong_topics_are_refused() -> None:
    with pytest.raises(SettingsError, match="at least two"):
        TopicClassifier.fit({"billing": ["my bill"]})
    with pytest.raises(SettingsError, match=r"topics\.outage"):
        TopicClassifier.fit({"billing": ["my bill"], "outage": [" "]})


def test_goes_by_words_without_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentences, "checked_folder_of", lambda wanted: None)
    assert sentences.load_encoder() is None
    assert TopicClassifier.fit(TOPICS).classify("you charged me twice on the invoice")[0] == "billing"
