"""Service-desk messages with weak labels: what Reddit comments lack.

Customers complain in polite words, ask without any emotion, and rarely begin with joy. Messages are put
together from hand-written phrases (service_phrases.toml) and from the queries of public intent collections,
which are neutral as they are and become complaints when something is added. The labels are guesses with
probabilities, for training only; no figure is ever measured on them.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from emocx_pbx.training.text.service_situations import Situations

Phrases = Mapping[str, Sequence[str]]
Weak = tuple[float, float, float, float]

# Guesses in the order of LABELS: angry, neutral, disappointed, happy.
_ANGRY: Weak = (0.90, 0.02, 0.08, 0.0)
_CROSS: Weak = (0.68, 0.06, 0.26, 0.0)
_SAD: Weak = (0.10, 0.04, 0.86, 0.0)
_REPORT: Weak = (0.06, 0.76, 0.18, 0.0)
_NEUTRAL: Weak = (0.01, 0.97, 0.01, 0.01)
_HAPPY: Weak = (0.0, 0.03, 0.01, 0.96)
_UNSURE: Weak = (0.30, 0.45, 0.25, 0.0)

#: Real queries in whose words there may be a complaint ("I am still waiting"): not to be taught as neutral.
HINTS = re.compile(
    r"\b(?:still|again|twice|for (?:days|weeks)|keeps?|so long|hasn'?t|haven'?t|never|nobody|no one"
    r"|ridiculous|unaccept\w+|upset|angry|frustrat\w+|annoy\w+|disappoint\w+|terrible|horrible|worst|awful"
    r"|fed up|unhappy|not happy|desperate|wtf|what the hell)\b|!!|\?\?|\?!|!$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class WrittenMessage:
    """A text and the guessed probabilities of the classes, in the order of LABELS."""

    text: str
    label: Weak


def load_phrases() -> Phrases:
    """The hand-written phrases by slot."""
    source = resources.files("emocx_pbx.training.text").joinpath("service_phrases.toml")
    return tomllib.loads(source.read_text(encoding="utf-8"))


def generate(count: int, seed: int, queries: Sequence[str] = ()) -> list[WrittenMessage]:
    """`count` different messages; `queries` are real neutral queries to build on. Repeatable by seed."""
    writer = _Writer(load_phrases(), random.Random(seed), queries)
    kinds: list[tuple[float, Callable[[], WrittenMessage]]] = [
        (0.13, writer.blaming), (0.13, writer.angry), (0.05, writer.sarcastic), (0.05, writer.asking_angrily),
        (0.16, writer.let_down), (0.05, writer.hoped), (0.09, writer.report), (0.12, writer.request),
        (0.03, writer.calm), (0.10, writer.glad), (0.02, writer.contrast), (0.12, writer.query),
        (1.50, writer.situation),
    ]  # fmt: skip
    weights = [weight for weight, _ in kinds]
    made: dict[str, WrittenMessage] = {}
    for _ in range(count * 20):
        if len(made) >= count:
            break
        (kind,) = writer.rng.choices([k for _, k in kinds], weights)
        message = kind()
        made.setdefault(message.text, message)
    return list(made.values())


class _Writer:
    """Puts one message together; each public method is one way customers write."""

    def __init__(self, phrases: Phrases, rng: random.Random, queries: Sequence[str]) -> None:
        self.phrases = phrases
        self.rng = rng
        self.queries = queries
        self._situations = Situations(phrases, rng)

    def blaming(self) -> WrittenMessage:
        """A problem and what the company failed to do, in calm words: angry all the same."""
        parts = [self._some("failure")]
        if self._chance(0.75):
            parts.insert(0, self._trouble())
        elif self._chance(0.4):
            parts.append(self._some("failure"))
        if self._chance(0.12):
            parts.append(self._some("closing_polite"))
        return self._message(parts, _CROSS, "upset_emoji", joined=0.4)

    def angry(self) -> WrittenMessage:
        """Anger in words, with or without its cause."""
        parts = [self._some("angry_tail")]
        if self._chance(0.75):
            cause = self._some("failure") if self._chance(0.5) else self._trouble()
            parts.insert(self.rng.randint(0, 1), cause)
        if self._chance(0.25):
            parts.append(self._some("angry_tail"))
        return self._message(parts, _ANGRY, "upset_emoji", shout=0.12)

    def sarcastic(self) -> WrittenMessage:
        """Praise for a failure."""
        cause = self._some("failure") if self._chance(0.5) else self._some("problem")
        parts = [self._some("sneer"), cause] if self._chance(0.8) else [cause, self._some("sneer")]
        return self._message(parts, _ANGRY, "upset_emoji")

    def asking_angrily(self) -> WrittenMessage:
        """A rhetorical question."""
        parts = [self._some("question_angry") + self.rng.choice(("?", "??", "?!", ""))]
        if self._chance(0.4):
            parts.insert(0, self._trouble())
        return self._message(parts, _ANGRY, "upset_emoji", shout=0.08)

    def let_down(self) -> WrittenMessage:
        """A problem and what it meant to the customer."""
        parts = [self._some("sad_tail")]
        if self._chance(0.8):
            parts.insert(0 if self._chance(0.75) else 1, self._trouble())
        if self._chance(0.2):
            parts.append(self._some("sad_tail"))
        return self._message(parts, _SAD, "sad_emoji")

    def hoped(self) -> WrittenMessage:
        """A hope that came to nothing."""
        parts = [self._some("hoped")]
        if self._chance(0.35):
            parts.append(self._some("sad_tail"))
        return self._message(parts, _SAD, "sad_emoji")

    def report(self) -> WrittenMessage:
        """A problem told without blame, mostly with a question or a request."""
        parts = [self._some("problem")]
        if self._chance(0.35):
            parts.insert(0, self._some("greeting"))
        if self._chance(0.55):
            parts.append(self._some(self.rng.choice(("closing_polite", "ask", "information"))))
        return self._message(parts, _REPORT, None)

    def request(self) -> WrittenMessage:
        """A question, a request or a piece of information."""
        parts = [self._some(self.rng.choice(("ask", "information")))]
        if self._chance(0.3):
            parts.insert(0, self._some("greeting"))
        if self._chance(0.25):
            parts.append(self._some("closing_polite"))
        return self._message(parts, _NEUTRAL, None, shout=0.02)

    def calm(self) -> WrittenMessage:
        """The words of complaint, denied."""
        return self._message([self._some("calm")], _NEUTRAL, None)

    def glad(self) -> WrittenMessage:
        """Thanks and praise."""
        parts = [self._some("praise")]
        if self._chance(0.5):
            parts.append(self._some("praise"))
        return self._message(parts, _HAPPY, "glad_emoji", shout=0.03)

    def contrast(self) -> WrittenMessage:
        """A problem that has been solved (happy), or kind words that end in a problem (let down)."""
        if self._chance(0.5):
            ending = self._some("praise")
            return self._message([f"{self._some('problem')} but {ending}"], _HAPPY, "glad_emoji")
        beginning = self.rng.choice(("I usually love you", "normally you are great", "I like your product"))
        return self._message([f"{beginning} but {self._trouble()}"], _SAD, "sad_emoji")

    def query(self) -> WrittenMessage:
        """A real query as it is."""
        if not self.queries:
            return self.request()
        text = self.rng.choice(self.queries)
        return WrittenMessage(text, _UNSURE if HINTS.search(text) else _NEUTRAL)

    def situation(self) -> WrittenMessage:
        """Complaints, questions and thanks around one thing, typed, tweeted or spoken."""
        return WrittenMessage(*self._situations.write())

    def _trouble(self) -> str:
        """The cause of a complaint: a written problem, or a real query."""
        if self.queries and self._chance(0.2):
            return self.rng.choice(self.queries).rstrip(" .")
        return self._some("problem")

    def _chance(self, share: float) -> bool:
        return self.rng.random() < share

    def _some(self, slot: str) -> str:
        phrase = self.rng.choice(self.phrases[slot])
        return re.sub(r"\{(\w+)\}", lambda found: self._some(found[1]), phrase)

    def _message(
        self, parts: list[str], label: Weak, emoji: str | None, *, shout: float = 0.03, joined: float = 0.15
    ) -> WrittenMessage:
        """Join the parts the way people type: with or without stops, capitals, emoji and care."""
        text = parts[0]
        for part in parts[1:]:
            link = self.rng.choice((" and ", ", ", " and now ")) if self._chance(joined) else ""
            link = link or self.rng.choice((". ", ". ", ", ", "! " if emoji else ". ", " - ", " "))
            link = " " if text[-1] in "?!" else link
            text += link + (part[0].upper() + part[1:] if link in (". ", "! ") else part)
        if emoji and self._chance(0.18):
            text += " " + self.rng.choice(self.phrases[emoji])
        elif self._chance(0.5) and text[-1] not in "?!":
            text += "!" if emoji and self._chance(0.25) else "."
        if self._chance(0.05):
            text = f"@{self.rng.choice(('support', 'AcmeAir', 'MyBank', 'telcohelp'))} {text}"
        if self._chance(shout):
            text = text.upper()
        elif self._chance(0.6):
            text = text[0].upper() + text[1:]
        return WrittenMessage(text, label)
