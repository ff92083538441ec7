"""Text to model input: cleaning, signals, word pieces and windows; the same in training and serving.

Cleaning removes what says little (links, names of users, numbers, most punctuation) and keeps what
carries signals as tokens of their own: emoji and emoticons, capitals, repeated letters, `!`, `?`,
trailing dots, quotation marks around a word or two, a sarcasm tag. Contractions are spelled out
("can't", "cant" -> "can not"), so that a negation is always the word "not". Before that, what the writer does
not say now goes: encodings (undecoded.py), mark-up (markup.py), odd characters (letters.py), older messages
and signatures (mail.py).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.emotion.idioms import plainly
from emocx_pbx.emotion.letters import folded
from emocx_pbx.emotion.mail import newest
from emocx_pbx.emotion.markup import plain_text
from emocx_pbx.emotion.undecoded import decoded

PAD, UNKNOWN = "<pad>", "<unknown>"

#: Tokens that stand for a signal; they are in every vocabulary.
SIGNALS = (
    "<number>", "<link>", "<user>", "<name>", "<caps>", "<shout>", "<long>", "<quoted>", "<sarcasm>",
    "<dots>", "!", "!!", "?", "??", "?!", "<glad>", "<sad>", "<cross>", "<sneer>", "<heart>", "<emoji>",
)  # fmt: skip

#: Signals that say nothing without words beside them.
_MARKS = frozenset((*SIGNALS[: SIGNALS.index("<glad>")], "<emoji>"))

#: Longer texts are cut here before anything else: work is bounded whatever comes in.
MAX_RAW = 48_000
#: Of what is said, without mark-up and older messages, this many characters are read.
MAX_CHARACTERS = 12_000

_EMOJI: Mapping[str, str] = {
    "<glad>": "😀😁😂😃😄😅😆😇😉😊😋😌😍😎😏😘😙😚😛😜😝🙂🤗🤣🤩🥰🥳👍👏🙌🎉🙏💪👌✨🤝😺😸☺✅",
    "<sad>": "😓😔😕😖😞😟😢😣😥😦😧😨😩😪😫😭😯😰😱😿🙁☹🥺😿💔😮😬🥲",
    "<cross>": "😠😡😤🤬👿👎🖕💢😾🤦🤮🤢💩😒🙎🙍",
    "<sneer>": "🙄😑😐🤔🤷🤨🙃🤡😶👀",
    "<heart>": "❤♥💕💖💗💘💙💚💛💜🖤😻💓💞💝🤍🧡",
}
_SIGNAL_OF = {character: signal for signal, characters in _EMOJI.items() for character in characters}
#: A face stands alone: not after a letter, a digit or an open bracket ("floor 8)", "Drive D:", "(ref: 8)").
_ALONE = r"(?<![\w(\[{/<\\-])"
_END = r"(?![\w/])"
_EMOTICONS = tuple(
    (re.compile(_ALONE + face + _END), f" {signal} ")
    for face, signal in (
        (r"(?:>:-?[(\[]|[:=]-?@)", "<cross>"),
        (r"(?:[:;=]'?-?[)\]dp>]+|\^_{0,3}\^|xd+|lol|lmao|haha+)", "<glad>"),
        (r"(?:[:=;]'?-?[(\[c]+|t_{1,3}t)", "<sad>"),
        (r"(?:[:=]-?[/\\|]|-_{1,3}-)", "<sneer>"),
        (r"<3+", "<heart>"),
        # Written from right to left, they are also how a bracket ends or begins: only between spaces.
        (r"(?<!\S)\(-?:(?!\S)", "<glad>"),
        (r"(?<!\S)\)-?:(?!\S)", "<sad>"),
    )
)
#: A curse in signs alone, or with its middle hidden.
_CURSE = re.compile(r"(?<!\S)(?=\S{0,8}[#@$%&])(?=\S{0,8}[!*&%])[#@$%&*!]{4,}(?![\w])")
_HIDDEN: Final = tuple(
    (re.compile(rf"(?<!\w){pattern}(?!\w)"), word)
    for pattern, word in (
        (r"f(?:[*#@$%!-]{1,3}|u[*#@$%!-]{1,2}|[*#@$%!-]c)k?(?P<end>ing|in|ed|er|s)?", r"fuck\g<end>"),
        (r"s(?:h?[*#@$%!-]{1,2}t|h[*#@$%!1-]{1,2}|[*#@$%!-]{3})(?P<end>ty|s)?", r"shit\g<end>"),
        (r"b(?:[*#@$%!1-]tch|i[*#@$%!-]{1,2}ch|[*#@$%!-]{3,4}h?)(?P<end>es)?", r"bitch\g<end>"),
        (r"a(?:[*#@$]{2}|[*#@$]s|s[*#@$])(?P<end>hole|holes)?", r"ass\g<end>"),
        (r"cr[*#@$%!-]p(?P<end>py)?", r"crap\g<end>"),
        (r"d[*#@$%!-](?:mn|[*#@$%!-]{1,2}n?)(?P<end>ed)?", r"damn\g<end>"),
        (r"h[*#@$%!-]ll(?P<end>)", r"hell\g<end>"),
        (r"bull(?:s[*#@$%!-]{1,3}t?|[*#@$%!-]{3,4})(?P<end>)", r"bullshit\g<end>"),
    )
)
_LINK = re.compile(
    r"(?:https?://|www\.)\S+|(?<![\w@.])(?:[\w-]{1,60}\.){1,5}[a-z]{2,10}/\S*"
    r"|(?<![\w@.])[\w-]{1,60}\.(?:com|org|net|de|co\.uk)(?!\w)"
)
_MAIL = re.compile(r"(?<![\w.+-])(?:mailto:)?[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}")
#: Of a file: "C:\\Users\\x", "\\\\server\\x", "/var/log/x".
_PATH = re.compile(r"(?<![\w\\])(?:[A-Za-z]:\\|\\\\)\S+|(?<![^\s\"'(])~?(?:/[\w.-]{1,64}){2,20}/?(?![\w/])")
_MARKUP = re.compile(r"\[(?:name|religion)\]", re.IGNORECASE)
#: Who somebody is says nothing: "Mr Bitter", "my name is Joy Fury".
_PERSON = re.compile(
    r"(?<!\w)(?:(?:Mrs?|Ms|Mx|Dr|Prof|Herr|Frau|Sra?|Mme)\.?|(?:[Mm]y (?:sur)?name is))"
    r"((?:\s[A-Z][\w'-]{1,30}){1,3})"
)
#: "no." before a number is one, and no "no".
_NUMBER_SIGN = re.compile(
    r"(?<![a-z])(?:nos?\.|(?<=account )no|(?<=acct )no|(?<=order )no|(?<=invoice )no|(?<=customer )no"
    r"|(?<=policy )no|(?<=ticket )no|(?<=case )no|(?<=serial )no|(?<=part )no|(?<=ref )no"
    r"|nr)[\s.:#]{0,4}(?=<number>)"
)
#: A signal's token typed by a person is no signal; data sets mask links and names so, which may stay.
_TYPED_TOKEN = re.compile(r"<(?!(?:link|user|name|number)>)(/?\w+)/?>", re.IGNORECASE)
_BASE64 = re.compile(
    r"(?<!\S)(?=\S*[A-Z])(?=\S*[a-z])(?=\S*[\d+/=])[A-Za-z\d+/]{40,}={0,2}(?!\S)"
    r"|data:[\w/+.-]{1,60};base64,\S+"
)
_USER = re.compile(r"(?<!\w)@\w+")
_QUOTED = re.compile(r"\"([\w' -]{2,24})\"")
#: Masks of data sets, and what only emphasises.
_MASK = re.compile(r"<\w{1,12}>")
_STARS = re.compile(r"[*~]{1,3}(?=\w)|(?<=\w)[*~]{1,3}(?!\w)")
_SARCASM = re.compile(r"(?<!\w)/s(?!\w)")
_NUMBER = re.compile(r"(?<![a-z])[$£€]?\d[\d.,:]*(?:st|nd|rd|th|am|pm|k|x|%|h)?(?![a-z])")
#: Numbers of accounts, orders, parts: words of letters and three digits or more.
_CODE = re.compile(
    r"(?<![\w<])(?=[a-z\d/#_.-]{0,60}[a-z])(?=(?:[a-z/#_.-]{0,12}\d){3})[a-z\d][a-z\d/#_.-]{2,60}(?<=[a-z\d])(?![\w>])"
)
#: Digits within a word that stand for letters ("d1sgr4ce", "us3less"); 4, 5, 7 only beside others ("gta5on").
_LEET = re.compile(
    r"(?<!\S)(?=[a-z013457$]{4,30}(?![\w-]))(?:[a-z]{1,12}[013$][a-z]{1,12}"
    r"|[a-z]{1,12}(?:[013457$][a-z]{1,12}){2,4})(?![\w-])"
)
_LEET_LETTERS: Final = str.maketrans("013457$", "oieasts")
_REPEATED = re.compile(r"([a-z])\1{2,}")
_DOUBLED = re.compile(r"([a-z])\1")
_TOKEN = re.compile(r"<\w+>|\?!|!\?|!{2,}|\?{2,}|[!?]|\.{3,}|[a-z]+(?:'[a-z]+)?|[^\W\d_]+")

#: Rows of keys, both ways (QWERTY, QWERTZ, AZERTY).
_ROWS = ("qwertyuiop", "qwertzuiop", "azertyuiop", "asdfghjkl", "qsdfghjklm", "zxcvbnm", "yxcvbnm", "wxcvbn")
_KEYS: Final = (*_ROWS, *(row[::-1] for row in _ROWS))

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


def said(text: str) -> str:
    """What the writer says, as written: no mark-up, quoted messages, signatures or unseen characters."""
    text = folded(plain_text(decoded(text[:MAX_RAW])))
    return newest(text)[:MAX_CHARACTERS]


def written(text: str) -> str:
    """What the writer says without what means nothing: links, mails, paths, names, marks, disguises.

    Case, accents and punctuation stay, for a reader that knows many languages.
    """
    text = _TYPED_TOKEN.sub(r" \1 ", said(text))
    for nothing in (_MARKUP, _BASE64, _MAIL, _LINK, _PATH, _PERSON, _USER, _MASK, _STARS):
        text = nothing.sub(" ", text)
    text = unicodedata.normalize("NFKC", text)
    text = "".join(c for c in text if unicodedata.category(c)[0] != "M")
    for pattern, word in _HIDDEN:
        text = pattern.sub(word, text)
    text = _LEET.sub(lambda found: found[0].translate(_LEET_LETTERS), text)
    text = " ".join(text.split())
    return text.lower() if _shouted(text) else text


def words(text: str) -> list[str]:
    """Words and signal tokens of a text, in order; plain lower-case letters without accents."""
    text = _TYPED_TOKEN.sub(r" \1 ", said(text))
    text = _MARKUP.sub(" <name> ", text)
    text = _BASE64.sub(" ", text)
    text = _MAIL.sub(" <link> ", text)
    text = _LINK.sub(" <link> ", text)
    text = _PATH.sub(" <link> ", text)
    text = _PERSON.sub(" <name> ", text)
    text = _USER.sub(" <user> ", text)
    shouted = _shouted(text)
    if not shouted:
        text = re.sub(r"(?<![\w<])([A-Z]{3,})(?![\w>])", r"<caps> \1", text)
    text = "".join(f" {_SIGNAL_OF[c]} " if c in _SIGNAL_OF else c for c in text.lower())
    text = "".join(" <emoji> " if unicodedata.category(c) == "So" else c for c in text)
    text = unicodedata.normalize("NFKD", text)
    text = "".join(c for c in text if unicodedata.category(c)[0] != "M")
    text = _SARCASM.sub(" <sarcasm> ", text)
    for pattern, signal in _EMOTICONS:
        text = pattern.sub(signal, text)
    for pattern, word in _HIDDEN:
        text = pattern.sub(word, text)
    text = _CURSE.sub(" <cross> ", text)
    text = _QUOTED.sub(r" <quoted> \1 ", text)
    text = _LEET.sub(lambda found: found[0].translate(_LEET_LETTERS), text)
    text = _CODE.sub(" <number> ", text)
    text = _NUMBER.sub(" <number> ", text)
    text = _NUMBER_SIGN.sub(" ", text)
    text = plainly(text)
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
        # "n't" alone has no word before it.
        return (*marks, *filter(None, (token[:-3],)), "not")
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

        A word is cut greedily into the longest known pieces (WordPiece, Schuster & Nakajima 2012). One that
        falls into single letters, or is a run of keys, counts little or not at all: it is no word.
        """
        unknown = self.ids[UNKNOWN]
        ids: list[int] = []
        total, known = 0, 0.0
        for token in tokens:
            spelled = self._spell(token)
            if token not in _MARKS:
                total += 1
                known += 0.0 if spelled is None else _wordlike(token, len(spelled))
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


def _wordlike(word: str, pieces: int) -> float:
    """How much a word of this many pieces is one: 1 from two letters each, 0 under 1.4 or a row of keys."""
    if len(word) >= 4 and any(word in row for row in _KEYS):
        return 0.0
    if len(word) > 1 and word == word[0] * len(word):
        return 0.0  # a key that was held: "aaaa"
    return 1.0 if pieces == 1 else min(1.0, max(0.0, (len(word) / pieces - 1.4) / 0.6))


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
