"""Text to model input: cleaning, signals, word pieces and windows; the same in training and serving.

Cleaning removes what says little (links, names of users, numbers, most punctuation) and keeps what
carries signals as tokens of their own: emoji and emoticons, capitals, repeated letters, `!`, `?`,
trailing dots, quotation marks around a word or two, a sarcasm tag. Contractions are spelled out
("can't", "cant" -> "can not"), so that a negation is always the word "not".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

PAD, UNKNOWN = "<pad>", "<unknown>"

#: Tokens that stand for a signal; they are in every vocabulary.
SIGNALS = (
    "<number>", "<link>", "<user>", "<name>", "<caps>", "<shout>", "<long>", "<quoted>", "<sarcasm>",
    "<dots>", "!", "!!", "?", "??", "?!", "<glad>", "<sad>", "<cross>", "<sneer>", "<heart>", "<emoji>",
)  # fmt: skip

#: Signals that say nothing without words beside them.
_MARKS = frozenset(SIGNALS[: SIGNALS.index("<glad>")])

#: Longer texts are cut here before anything else: work is bounded whatever comes in.
MAX_CHARACTERS = 12_000

_EMOJI: Mapping[str, str] = {
    "<glad>": "😀😁😂😃😄😅😆😇😉😊😋😌😍😎😏😘😙😚😛😜😝🙂🤗🤣🤩🥰🥳👍👏🙌🎉🙏💪👌✨🤝😺😸☺✅",
    "<sad>": "😓😔😕😖😞😟😢😣😥😦😧😨😩😪😫😭😯😰😱😿🙁☹🥺😿💔😮😬🥲",
    "<cross>": "😠😡😤🤬👿👎🖕💢😾🤦🤮🤢💩😒🙎🙍",
    "<sneer>": "🙄😑😐🤔🤷🤨🙃🤡😶👀",
    "<heart>": "❤♥💕💖💗💘💙💚💛💜🖤😻💓💞💝🤍🧡",
}
_SIGNAL_OF = {character: signal for signal, characters in _EMOJI.items() for character in characters}
_EMOTICONS = (
    (re.compile(r"(?<!\w)(?:[:;=8x]'?-?[)\]dp>]+|\(:|\^_+\^|xd+|lol|lmao|haha+)(?!\w)"), " <glad> "),
    (re.compile(r"(?<!\w)(?:[:=;]'?-?[(\[c]+|\):|d:|t_+t)(?!\w)"), " <sad> "),
    (re.compile(r"(?<!\w)(?:>:-?[(\[]|[:=]-?@)(?!\w)"), " <cross> "),
    (re.compile(r"(?<!\w)(?:[:=]-?[/\\|]|-_+-)(?![\w/])"), " <sneer> "),
    (re.compile(r"(?<!\w)<3+(?!\w)"), " <heart> "),
)
_TYPOGRAPHY = str.maketrans(
    {"’": "'", "‘": "'", "`": "'", "´": "'", "“": '"', "”": '"', "„": '"', "…": "..."}
)
_LINK = re.compile(r"(?:https?://|www\.)\S+")
_MARKUP = re.compile(r"\[(?:name|religion)\]", re.IGNORECASE)
_USER = re.compile(r"(?<!\w)@\w+")
_QUOTED = re.compile(r"\"([\w' -]{2,24})\"")
_SARCASM = re.compile(r"(?<!\w)/s(?!\w)")
_NUMBER = re.compile(r"(?<![a-z])[$£€]?\d[\d.,:]*(?:st|nd|rd|th|am|pm|k|x|%|h)?(?![a-z])")
_REPEATED = re.compile(r"([a-z])\1{2,}")
_DOUBLED = re.compile(r"([a-z])\1")
_TOKEN = re.compile(r"<\w+>|\?!|!\?|!{2,}|\?{2,}|[!?]|\.{3,}|[a-z]+(?:'[a-z]+)?|[^\W\d_]+")

_NEGATED = re.compile(r"n't$")
_SPELLED_OUT: Mapping[str, tuple[str, ...]] = {
    "can't": ("can", "not"), "cant": ("can", "not"), "cannot": ("can", "not"), "won't": ("will", "not"),
    "wont": ("will", "not"), "shan't": ("shall", "not"), "ain't": ("is", "not"), "aint": ("is", "not"),
    "dont": ("do", "not"), "doesnt": ("does", "not"), "didnt": ("did", "not"), "isnt": ("is", "not"),
    "wasnt": ("was", "not"), "arent": ("are", "not"), "havent": ("have", "not"), "hasnt": ("has", "not"),
    "couldnt": ("could", "not"), "wouldnt": ("would", "not"), "shouldnt": ("should", "not"),
    "i'm": ("i", "am"), "im": ("i", "am"), "i've": ("i", "have"), "ive": ("i", "have"),
    "u": ("you",), "ur": ("your",), "pls": ("please",), "plz": ("please",), "thx": ("thanks",),
    "ty": ("thanks",), "gonna": ("going", "to"), "wanna": ("want", "to"),
}  # fmt: skip
_ENDINGS: Mapping[str, str] = {"re": "are", "ve": "have", "ll": "will", "d": "would", "m": "am"}


def words(text: str) -> list[str]:
    """Words and signal tokens of a text, in order; plain lower-case letters without accents."""
    text = unicodedata.normalize("NFKC", text[:MAX_CHARACTERS]).translate(_TYPOGRAPHY)
    text = _MARKUP.sub(" <name> ", text)
    shouted = _shouted(text)
    text = _LINK.sub(" <link> ", text)
    text = _USER.sub(" <user> ", text)
    if not shouted:
        text = re.sub(r"(?<![\w<])([A-Z]{3,})(?![\w>])", r"<caps> \1", text)
    text = "".join(f" {_SIGNAL_OF[c]} " if c in _SIGNAL_OF else c for c in text.lower())
    text = "".join(" <emoji> " if unicodedata.category(c) == "So" else c for c in text)
    text = unicodedata.normalize("NFKD", text)
    text = "".join(c for c in text if not unicodedata.combining(c))
    text = _SARCASM.sub(" <sarcasm> ", text)
    for pattern, signal in _EMOTICONS:
        text = pattern.sub(signal, text)
    text = _QUOTED.sub(r" <quoted> \1 ", text)
    text = _NUMBER.sub(" <number> ", text)
    found = ["<shout>"] if shouted else []
    for token in _TOKEN.findall(text):
        found.extend(_token(token))
    return found


def _shouted(text: str) -> bool:
    """Whether nearly all of a text of two words or more is in capitals."""
    letters = [c for c in text if c.isalpha()]
    upper = sum(c.isupper() for c in letters)
    return len(letters) >= 8 and upper >= 0.8 * len(letters) and len(text.split()) >= 2


def _token(token: str) -> Iterable[str]:
    if token[0] == "<":
        return (token,)
    if token[0] in "!?":
        return ("?!" if "!" in token and "?" in token else token[:2],)
    if token[0] == ".":
        return ("<dots>",)
    marks: tuple[str, ...] = ()
    if _REPEATED.search(token):
        # "goood" -> "good"; Vocabulary.encode goes on from "soo" to "so".
        token = _REPEATED.sub(r"\1\1", token)
        marks = ("<long>",)
    if token in _SPELLED_OUT:
        return (*marks, *_SPELLED_OUT[token])
    if _NEGATED.search(token):
        return (*marks, token[:-3], "not")
    stem, _, ending = token.partition("'")
    if ending in _ENDINGS:
        return (*marks, stem, _ENDINGS[ending])
    return (*marks, stem)


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Word pieces in the order of their ids; `##` begins a piece that continues a word."""

    pieces: tuple[str, ...]
    ids: Mapping[str, int]

    @classmethod
    def of(cls, pieces: Sequence[str]) -> Vocabulary:
        """A vocabulary of these pieces; the first two are PAD and UNKNOWN."""
        return cls(tuple(pieces), {piece: i for i, piece in enumerate(pieces)})

    def encode(self, tokens: Iterable[str]) -> tuple[list[int], float]:
        """Ids of the tokens' pieces, and the share of words that the vocabulary can spell (0 to 1).

        A word is cut greedily into the longest known pieces (WordPiece, Schuster & Nakajima 2012).
        """
        unknown = self.ids[UNKNOWN]
        ids: list[int] = []
        known = total = 0
        for token in tokens:
            spelled = self._spell(token)
            if token not in _MARKS:
                total += 1
                known += spelled is not None
            ids.extend(spelled or [unknown])
        return ids, known / total if total else 0.0

    def _spell(self, word: str) -> list[int] | None:
        if word in self.ids:
            return [self.ids[word]]
        single = _DOUBLED.sub(r"\1", word)
        if single in self.ids:
            return [self.ids[single]]
        if len(word) > 40:
            return None
        spelled: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = word[start:end] if start == 0 else "##" + word[start:end]
                if piece in self.ids:
                    spelled.append(self.ids[piece])
                    start = end
                    break
            else:
                return None
        return spelled


def windows(ids: Sequence[int], length: int, most: int) -> npt.NDArray[np.float32]:
    """Cut ids into at most `most` windows of `length` ids, padded by zeros: (windows, length).

    A longer text is sampled evenly, always with its beginning and its end. Ids are float32 because
    that is what every model of this project takes; they are exact below 2**24.
    """
    if len(ids) <= length:
        starts = [0]
    else:
        count = min(most, -(-len(ids) // length))
        starts = [round(i * (len(ids) - length) / (count - 1)) for i in range(count)]
    out = np.zeros((len(starts), length), np.float32)
    for row, start in enumerate(starts):
        part = ids[start : start + length]
        out[row, : len(part)] = part
    # (windows, length)
    return out
