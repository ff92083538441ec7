"""The language of a text, if it is certain; offline, by py3langid's n-grams (BSD, 4.6 MB).

Chosen by `python -m benchmarks.languages`: of what fits on a small machine it finds most foreign messages of
20 characters at the same share of false alarms on English ones; figures in docs/models-text.md.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any, Final

from emocx_pbx.errors import ModelError

#: Languages distinguished (ISO 639-1). Rare ones are left out: each costs recall of the others.
LANGUAGES: Final = (
    "ar", "bg", "bn", "cs", "da", "de", "el", "en", "es", "fa", "fi", "fr", "he", "hi", "hu", "id", "it",
    "ja", "ko", "nl", "no", "pl", "pt", "ro", "ru", "sv", "ta", "th", "tr", "uk", "ur", "vi", "zh",
)  # fmt: skip

#: A text is foreign if its likeliest language is exp(this) times likelier than English, and English if the
#: other way round. Chosen on GoEmotions' and brighter's dev splits.
MARGIN: Final = 2.0
#: In Latin letters at least this many words and letters are needed: "ok" and "hello" are in no language.
LEAST_WORDS: Final = 2
LEAST_LETTERS: Final = 10

#: What is written alike in every language: links, mails, users, tags, words with digits, masks.
_NO_LANGUAGE = re.compile(
    r"(?:https?://|www\.)\S+|[A-Za-z\d_.+-]*@[\w.-]+|#[A-Za-z\d_]+|<\w+>|\[[A-Z]+\]"
    r"|[A-Za-z\d_.-]*\d[A-Za-z\d_.-]*|_+"
)
_WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")
#: Of a long text its beginning tells as much.
_ENOUGH: Final = 600


class LanguageDetector:
    """Tells languages; not for use by several threads at once. Loading takes about 0.7 s and 80 MB."""

    def __init__(self) -> None:
        """Load the model; raises ModelError when its package is not installed or damaged."""
        try:
            from importlib.resources import as_file, files

            from py3langid.langid import LanguageIdentifier

            with as_file(files("py3langid") / "data" / "model.npz.xz") as path:
                self._identifier: Any = LanguageIdentifier.from_model_file(path, norm_probs=True)
            self._identifier.set_languages(LANGUAGES)
        except (ImportError, OSError, ValueError) as error:
            raise ModelError(f"the language of texts can't be detected: {error}") from None

    def detect(self, text: str) -> str | None:
        """The ISO 639-1 code of a cleaned text's language; None where it is not sure.

        Sure means: enough words, not only names, and one language much likelier than English (or English
        than any other).
        """
        likeliest, margin = self.likeliest(text)
        if margin >= MARGIN:
            return likeliest
        return "en" if margin <= -MARGIN else None

    def likeliest(self, text: str) -> tuple[str, float]:
        """The likeliest language beside English, and the logarithm of how much likelier it is than English.

        0.0: nothing to go by.
        """
        words = _WORD.findall(_NO_LANGUAGE.sub(" ", text[:_ENOUGH]))
        if not _tells(words):
            return "", 0.0
        best, margin = self._rank(words)
        uncapitalised = [word for word in words if not word[0].isupper()]
        if margin > 0 and 2 <= len(uncapitalised) < len(words):
            # "my invoice from Société Générale": a name does not make an English sentence French.
            margin = min(margin, MARGIN + self._rank(uncapitalised)[1])
        return best, margin

    def _rank(self, words: Sequence[str]) -> tuple[str, float]:
        line = " ".join(words)
        ranked = self._identifier.rank(line.lower() if line.isupper() else line)
        found = {str(language): float(share) for language, share in ranked}
        english = found.pop("en", 0.0)
        best = max(found, key=lambda language: found[language])
        return best, math.log((found[best] + 1e-9) / (english + 1e-9))


def _tells(words: Sequence[str]) -> bool:
    """Whether there is enough to go by: letters of another script, or Latin words that are not all names."""
    letters = "".join(words)
    latin = sum(map(len, map(_LATIN.findall, words)))
    if 2 * (len(letters) - latin) > len(letters):
        return len(letters) - latin >= 2
    if len(words) < LEAST_WORDS or len(letters) < LEAST_LETTERS:
        return False
    # Names, addresses, titles: every word begins with a capital, but not all is in capitals.
    return letters.isupper() or any(word[0].islower() for word in words)
