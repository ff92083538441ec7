"""Speech to text: faster-whisper on one CPU thread, no network.

Whisper was made for windows of 30 s, and costs by the window. A question in the IVR is heard in one of 15 s,
where it understands as much for two fifths of the cost; a phrase of a call in one of its own length, which
costs a quarter and understands less.
"""

from __future__ import annotations

import importlib.util
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import soxr

from emocx_pbx.errors import ModelError
from emocx_pbx.weights.catalogue import SPEECH_TO_TEXT
from emocx_pbx.weights.places import checked_folder_of

FloatArray = npt.NDArray[np.float32]

_TELEPHONE_HZ, _WHISPER_HZ = 8_000, 16_000

#: Whisper hears 30 s at once; a question is far shorter (setting listen_max_s).
_LONGEST_S: Final = 29.0

#: The window of a question, and of a longer one (s); shorter ones understand less. Of the first this much
#: stays silent.
_QUESTION_S, _WHOLE_S, _QUESTION_PAD_S = 15.0, 30.0, 3.0
#: Silence after a phrase, without which its last word is heard again and again.
_PHRASE_PAD_S: Final = 1.0
#: Tokens of a phrase at most, and for each of its seconds: people say five or six in a second.
_TOKENS, _TOKENS_PER_S = 24, 9
#: Mean logarithm of a token's probability under which a phrase is not understood.
_UNDERSTOOD: Final = -1.5

#: Words in a row that nobody says twice in one phrase.
_AGAIN: Final = 4

#: Shorter than this is a click, not a word; Whisper would invent one.
_SHORTEST_S: Final = 0.2


class Transcriber:
    """A loaded speech-to-text model. Not for use by several threads at once."""

    def __init__(self, folder: Path, name: str) -> None:
        """Load the CTranslate2 Whisper model in `folder`; raises ModelError when it is none."""
        if not (folder / "model.bin").is_file():
            raise ModelError(f"{folder}: no CTranslate2 Whisper model (model.bin is missing)")
        try:
            from faster_whisper import WhisperModel
        except ImportError:
            raise ModelError(
                "speech-to-text needs the package faster-whisper (extra `speech-to-text`)"
            ) from None
        self.name = name
        try:
            self._model: Any = WhisperModel(
                str(folder), device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True
            )
        except (RuntimeError, ValueError, OSError) as e:
            raise ModelError(f"{folder}: can't be loaded: {str(e).splitlines()[0]}") from None

    def transcribe(self, samples: FloatArray) -> str:
        """The English words in `samples` (n,) float32, 8 kHz, -1 to 1; "" when there are none.

        Greedy, without time stamps: about 0.1 s of one core for a question of up to 12 s. More than 29 s
        is cut off. Text that Whisper itself holds for silence or noise is dropped.
        """
        if len(samples) < _SHORTEST_S * _TELEPHONE_HZ:
            return ""
        long = len(samples) > (_QUESTION_S - _QUESTION_PAD_S) * _TELEPHONE_HZ
        return self.words_in(samples, _WHOLE_S if long else _QUESTION_S, "en")

    def phrase(self, samples: FloatArray) -> str:
        """The words of one phrase of a call (n,) float32, 8 kHz; "" when there are none, or not understood.

        Greedy; costs a fortieth of the phrase's length on one core. A model of several languages finds
        out which it hears.
        """
        if len(samples) < _SHORTEST_S * _TELEPHONE_HZ:
            return ""
        return self.words_in(samples, 0.0, "")

    def words_in(self, samples: FloatArray, window_s: float, language: str) -> str:
        """What is said in samples (n,), in a window of so many seconds at least; empty language: any."""
        from faster_whisper.tokenizer import Tokenizer

        model = self._model
        speech = np.ascontiguousarray(samples[: int(_LONGEST_S * _TELEPHONE_HZ)], np.float32)
        length = max(int(window_s * _TELEPHONE_HZ), len(speech) + int(_PHRASE_PAD_S * _TELEPHONE_HZ))
        padded = np.concatenate([speech, np.zeros(length - len(speech), np.float32)])
        features = model.feature_extractor(soxr.resample(padded, _TELEPHONE_HZ, _WHISPER_HZ))
        encoded = model.encode(features[:, : features.shape[1] // 2 * 2])
        several = model.model.is_multilingual
        if several and not language:
            language = model.model.detect_language(encoded)[0][0][0].strip("<|>")
        tokens = Tokenizer(model.hf_tokenizer, several, task="transcribe", language=language or "en")
        found = model.model.generate(
            encoded,
            [model.get_prompt(tokens, [], without_timestamps=True)],
            beam_size=1,
            max_length=int(_TOKENS + _TOKENS_PER_S * len(speech) / _TELEPHONE_HZ),
            suppress_blank=True,
            return_scores=True,
            return_no_speech_prob=True,
        )[0]
        text = str(tokens.decode(found.sequences_ids[0])).strip()
        silent = found.no_speech_prob > 0.6 and found.scores[0] < -0.7
        said = text.encode()
        loops = len(said) / max(1, len(zlib.compress(said))) > 2.4
        return "" if silent or loops or found.scores[0] < _UNDERSTOOD else said_once(text)


def said_once(text: str) -> str:
    """The text up to where it begins again: Whisper, heard out in a short window, may say it twice."""
    words = text.split()
    seen: set[tuple[str, ...]] = set()
    for at in range(len(words) - _AGAIN + 1):
        run = tuple(word.lower().strip(".,!?") for word in words[at : at + _AGAIN])
        if run in seen:
            return " ".join(words[:at])
        seen.add(run)
    return text


def load_transcriber(setting: str) -> Transcriber | None:
    """The transcriber of a setting: "auto" (tiny.en, if it was fetched), "off", or a folder.

    Raises ModelError when a named folder, or what was fetched, can't be used.
    """
    if setting == "off":
        return None
    if setting != "auto":
        folder = Path(setting).expanduser()
        return Transcriber(folder, folder.name)
    if importlib.util.find_spec("faster_whisper") is None:
        return None
    fetched = checked_folder_of(SPEECH_TO_TEXT)
    return Transcriber(fetched, "whisper-tiny.en") if fetched is not None else None
