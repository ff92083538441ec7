"""Service-desk messages by situation: complaints and plain questions about the same things.

Joins the phrases of service_situations.toml the way people type, tweet and speak. Labels are guesses
with probabilities, for training only (see service_language.py).
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources

#: Guesses in the order of LABELS (angry, neutral, disappointed, happy) by the moods of the file.
GUESSES: Mapping[str, tuple[float, float, float, float]] = {
    "angry": (0.92, 0.02, 0.06, 0.0),
    "cross": (0.70, 0.06, 0.24, 0.0),
    "sad": (0.10, 0.05, 0.85, 0.0),
    "neutral": (0.01, 0.96, 0.02, 0.01),
    "glad": (0.0, 0.03, 0.01, 0.96),
}
#: How often each mood is written, and which moods may stand beside it in one message.
_SHARES = {"angry": 0.17, "cross": 0.25, "sad": 0.19, "neutral": 0.33, "glad": 0.06}
_BESIDE = {
    "angry": ("angry", "cross", "cross"),
    "cross": ("cross", "cross", "neutral"),
    "sad": ("sad", "sad", "neutral"),
    "neutral": ("neutral",),
    "glad": ("glad",),
}
_FILLERS = ("um ", "yeah ", "yeah hi ", "hi ", "hello ", "so ", "well ", "ok so ", "hi there ", "yes ",
            "look ", "right ", "hey ", "and ", "listen ", "good morning ")  # fmt: skip
_TAILS = {"angry": ("#fail", "smh", "wtf", "!!", "!!!", "??"), "cross": ("#fail", "smh", "...", "??", "!"),
          "sad": ("...", ":(", "#disappointed", "smh"), "neutral": ("#help", "?", "thx", "pls", "tia"),
          "glad": ("!", "!!", ":)", "#thanks")}  # fmt: skip
_ASKING = re.compile(
    r"^(?:how|what|when|where|which|who|why|is|are|do|does|can|could|may|to whom|has|have you)\b"
)


class Situations:
    """Writes messages; repeatable by its random source."""

    def __init__(self, phrases: Mapping[str, Sequence[str]], rng: random.Random) -> None:
        source = resources.files("emocx_pbx.training.text").joinpath("service_situations.toml")
        found: dict[str, dict[str, list[str]]] = tomllib.loads(source.read_text(encoding="utf-8"))
        self._slots: dict[str, Sequence[str]] = {**phrases, **found.pop("slots")}
        self._situations, self._rng = found, rng

    def write(self) -> tuple[str, tuple[float, float, float, float]]:
        """One message and its guessed probabilities."""
        rng = self._rng
        (mood,) = rng.choices(list(_SHARES), list(_SHARES.values()))
        having = [name for name, moods in self._situations.items() if mood in moods]
        here = self._situations[rng.choice(having)]
        parts = [self._some(here[mood])]
        while rng.random() < 0.45 and len(parts) < 4:
            beside = rng.choice(_BESIDE[mood])
            at = here if beside in here and rng.random() < 0.7 else self._any_with(beside)
            # A question that leads up to a complaint stands before it; what decides is the complaint.
            place = 0 if beside == "neutral" and mood != "neutral" else rng.randint(0, len(parts))
            parts.insert(place, self._some(at[beside]))
        return self._typed(list(dict.fromkeys(parts)), mood), GUESSES[mood]

    def _any_with(self, mood: str) -> Mapping[str, Sequence[str]]:
        return self._rng.choice([moods for moods in self._situations.values() if mood in moods])

    def _some(self, phrases: Sequence[str]) -> str:
        phrase = self._rng.choice(phrases)
        return re.sub(r"\{(\w+)\}", lambda found: self._some(self._slots[found[1]]), phrase)

    def _typed(self, parts: Sequence[str], mood: str) -> str:
        """The parts as a tweet, a chat line, a letter or a spoken sentence."""
        rng = self._rng
        way = rng.choices(("tweet", "chat", "letter", "spoken"), (0.3, 0.32, 0.25, 0.13))[0]
        stop = {"tweet": ". ", "chat": " ", "letter": ". ", "spoken": " "}[way]
        if way == "spoken" or rng.random() < 0.15:
            stop = rng.choice((" and ", ", ", " ", " so "))
        ended = [p + "?" if _ASKING.match(p) and way != "spoken" and rng.random() < 0.8 else p for p in parts]
        text = ended[0]
        for part in ended[1:]:
            link = " " if text[-1] in "?!" else stop
            text += link + (part[0].upper() + part[1:] if link == ". " and way == "letter" else part)
        if way == "tweet":
            handle = self._some(self._slots["handle"])
            text = rng.choice(
                (f"@{handle} {text}", f"@{handle} {text}", f"{text} @{handle}", f".@{handle} {text}")
            )
            if rng.random() < 0.25:
                text += f" {rng.choice(_TAILS[mood])}"
        elif way == "spoken":
            text = rng.choice(_FILLERS) + text.replace("#", "")
        elif way == "letter":
            text = text[0].upper() + text[1:] + ("" if text[-1] in "?!" else ".")
            if rng.random() < 0.2:
                text = f"{self._some(self._slots['greeting']).capitalize()}, {text[0].lower()}{text[1:]}"
            if rng.random() < 0.15:
                text += f" {self._some(self._slots['closing_polite']).capitalize()}."
        elif rng.random() < 0.12:
            text += " " + rng.choice(_TAILS[mood])
        if rng.random() < 0.05:
            text = re.sub(r"\b(?:a|an|the|is|are|am) ", "", text)
        if rng.random() < (0.08 if mood in ("angry", "cross") else 0.03):
            text = text.upper()
        return text
