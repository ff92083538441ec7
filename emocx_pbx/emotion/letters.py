"""One way to write each character: unseen ones dropped, apostrophes and look-alikes folded. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

#: Every character that people or their programs write for an apostrophe.
_APOSTROPHES: Final = (
    "\u2018\u2019\u201b\u0060\u00b4\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u02c8\u02ca\u02cb\u0374\u0384\u055a\u055b"
    "\u05f3\u07f4\u07f5\u1fbd\u1fbf\u1fef\u1ffd\u1ffe\u2032\u2035\u275b\u275c\ua78b\ua78c\uff07\uff40"
)
_QUOTATION_MARKS: Final = (
    "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033\u2036\u275d\u275e\u301d\u301e\u301f\uff02"
)
_FOLDED: Final = (
    {ord(c): "'" for c in _APOSTROPHES} | {ord(c): '"' for c in _QUOTATION_MARKS} | {ord("…"): "..."}
)

#: Joined emoji ("woman" + "computer"): what follows the joiner only varies the first.
_JOINED = re.compile("\u200d[^\\w\\s\u200d][\ufe0f\U0001f3fb-\U0001f3ff]?")
#: Skin tones, and what chooses between text and picture.
_MODIFIERS = re.compile("[\ufe00-\ufe0f\U0001f3fb-\U0001f3ff\u20e3]")
#: Letters and symbols that show nothing.
_BLANKS: Final = {ord(c): " " for c in "\u115f\u1160\u3164\uffa0\u2800"}
#: Not kept: format characters, controls, surrogates, private use (icons of fonts), unassigned.
_UNSEEN: Final = frozenset({"Cf", "Cc", "Cs", "Co", "Cn"})

#: Letters of other scripts, and small capitals, that pass for a Latin one.
_LOOK_ALIKES: Final[Mapping[str, str]] = dict(
    zip(
        "авеікмнорсстухѕјԁһԛԝյɡАВЕІКМНОРСТУХЅЈԚԜαβεικνορτυχγΑΒΕΖΗΙΚΜΝΟΡΤΥΧᴀʙᴄᴅᴇɢʜɪᴊᴋʟᴍɴᴏᴘʀᴛᴜᴠᴡʏᴢı",
        "abeikmhopcctyxsjdhqwjgABEIKMHOPCTYXSJQWabeiknoptuxyABEZHIKMNOPTYXabcdeghijklmnoprtuvwyzi",
        strict=True,
    )
)
_WORD = re.compile(r"[^\W\d_]+")
_LINE_BREAK = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
#: Letters of one word set apart: "a n g r y", "s.t.u.p.i.d"; between words there is more than one space.
_SET_APART = re.compile(
    r"(?<![^\s\"'(])(?!I\s)[A-Za-z](?:(?: [A-Za-z]){3,40}|(?:[.*_-][A-Za-z]){3,40})(?![\w.*-])"
)

#: UTF-8 that was read as Windows' or ISO's western letters.
_MISREAD = re.compile("[ÂÃâ][\u0080-\u00bf\u0152-\u02dc\u2013-\u2122]")
_MISREAD_RUN = re.compile("[\u0080-\u00ff\u0152-\u02dc\u2013-\u2122]{2,}")


def folded(text: str) -> str:
    """The text in NFKC with one apostrophe, one quotation mark, one space, no unseen characters.

    Line breaks stay; accents and whole words of other scripts too.
    """
    text = _LINE_BREAK.sub("\n", text)
    if _MISREAD.search(text):
        text = _MISREAD_RUN.sub(lambda run: _reread(run[0]), text)
    text = _MODIFIERS.sub("", _JOINED.sub("", text)).translate(_BLANKS)
    # Before NFKC, which takes some apostrophes apart.
    text = unicodedata.normalize("NFKC", text.translate(_FOLDED)).translate(_FOLDED)
    text = _seen(text)
    if not text.isascii():
        disguised = _is_disguised(text)
        text = _WORD.sub(lambda word: _latin(word[0], disguised), text)
    text = _SET_APART.sub(lambda word: re.sub(r"[ .*_-]", "", word[0]), text)
    return _spaced(text)


def _is_disguised(text: str) -> bool:
    """Whether a text is Latin but for letters that look Latin: its words of these alone are meant so too."""
    others = [c for c in text if c.isalpha() and not unicodedata.name(c, "").startswith("LATIN")]
    return all(c in _LOOK_ALIKES for c in others) and 2 * len(others) < sum(map(str.isalpha, text))


def _seen(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(c for c in text if c == "\n" or c == "\t" or unicodedata.category(c) not in _UNSEEN)


def _spaced(text: str) -> str:
    """One space for several, of whatever kind; at most one empty line."""
    lines = (" ".join(line.split()) for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _latin(word: str, disguised: bool) -> str:
    """A word of Latin letters and their look-alikes, all Latin; any other word as it is."""
    if word.isascii():
        return word
    alike = sum(c in _LOOK_ALIKES for c in word)
    plain = sum("a" <= c <= "z" for c in word.lower())
    if not alike or plain + alike < len(word) or not (plain or disguised):
        return word
    return "".join(_LOOK_ALIKES.get(c, c) for c in word)


def _reread(run: str) -> str:
    """A run of misread bytes as the characters they stand for; unchanged if they stand for none."""
    for encoding in ("cp1252", "latin-1"):
        try:
            return run.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
    return run
