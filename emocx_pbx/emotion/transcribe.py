"""Speech to text: faster-whisper on one CPU thread, no network.

Whisper was made for windows of 30 s, and costs by the window. In one of 15 s it understands as much, in
shorter ones less: its decoder expects silence after the words. So only the speech and a little silence are
encoded, and the rest of the window is what the encoder made of silence before: `benchmarks.question_windows`.
"""

from __future__ import annotations

import importlib.util
import threading
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
_COLUMNS_PER_S: Final = 100

#: Whisper hears 30 s at once; a question is far shorter (setting listen_max_s).
_LONGEST_S: Final = 29.0

#: The window of a question or phrase, and of a longer one (s). Of the first this much stays silent.
_WINDOW_S, _WHOLE_S, _SILENT_S = 15.0, 30.0, 3.0
#: Silence that is encoded after the words; less where all of a window is encoded.
_PAD_S, _LEAST_PAD_S = 2.0, 1.0
#: Encoded silence is made for levels that are so far apart, in Whisper's logarithm, and kept for so many.
_LEVEL_STEP: Final = 0.1
_LEVELS: Final = 16
#: Tokens of a phrase at most, and for each of its seconds: people say five or six in a second.
_TOKENS, _TOKENS_PER_S = 24, 9
#: Mean logarithm of a token's probability under which a phrase is not understood.
_UNDERSTOOD: Final = -1.5

#: Words in a row that nobody says twice in one phrase.
_AGAIN: Final = 4

#: Shorter than this is a click, not a word; Whisper would invent one.
_SHORTEST_S: Final = 0.2


class Transcriber:
    """A loaded speech-to-text model, for as many threads at once as it was loaded for."""

    def __init__(self, folder: Path, name: str, at_once: int = 1) -> None:
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
        self._silences: dict[tuple[int, float], FloatArray] = {}
        self._lock = threading.Lock()
        """Of the silences."""
        try:
            self._model: Any = WhisperModel(
                str(folder), device="cpu", compute_type="int8", cpu_threads=1, num_workers=at_once,
                local_files_only=True,
            )  # fmt: skip
        except (RuntimeError, ValueError, OSError) as e:
            raise ModelError(f"{folder}: can't be loaded: {str(e).splitlines()[0]}") from None

    def transcribe(self, samples: FloatArray) -> str:
        """The English words in `samples` (n,) float32, 8 kHz, -1 to 1; "" when there are none.

        Greedy, without time stamps: about 0.07 s of one core for a question of 4 s. More than 29 s is cut
        off. Text that Whisper itself holds for silence or noise is dropped.
        """
        return self._usual(samples, "en")

    def phrase(self, samples: FloatArray) -> str:
        """The words of one phrase of a call (n,) float32, 8 kHz; "" when there are none, or not understood.

        Greedy. A model of several languages finds out which it hears.
        """
        return self._usual(samples, "")

    def _usual(self, samples: FloatArray, language: str) -> str:
        if len(samples) < _SHORTEST_S * _TELEPHONE_HZ:
            return ""
        long = len(samples) > (_WINDOW_S - _SILENT_S) * _TELEPHONE_HZ
        return self.words_in(samples, _WHOLE_S if long else _WINDOW_S, language, _PAD_S)

    def words_in(
        self, samples: FloatArray, window_s: float, language: str, pad_s: float | None = None
    ) -> str:
        """What is said in samples (n,), in a window of `window_s` or, where that is longer, their own length
        and a second.

        Args:
            samples: float32, 8 kHz.
            window_s: seconds.
            language: its code; empty: any.
            pad_s: so much silence is encoded after the samples (s), and the rest of the window filled in;
                None: all of it is encoded.
        """
        from faster_whisper.tokenizer import Tokenizer

        model = self._model
        speech = np.ascontiguousarray(samples[: int(_LONGEST_S * _TELEPHONE_HZ)], np.float32)
        encoded = self._encoded(speech, window_s, pad_s)
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

    def _encoded(self, speech: FloatArray, window_s: float, pad_s: float | None) -> Any:
        """The encoder's frames of a window, as its decoder takes them."""
        speech_s = len(speech) / _TELEPHONE_HZ
        if pad_s is None or speech_s + pad_s >= window_s:
            return self._model.encode(self._features(speech, max(window_s, speech_s + _LEAST_PAD_S)))
        from ctranslate2 import StorageView

        features = self._features(speech, speech_s + pad_s)
        frames = np.array(self._model.encode(features))
        # (1, n, width)
        silence = self._silence(len(features), round(float(features.min()) / _LEVEL_STEP), window_s)
        filled = np.concatenate([frames, silence[:, frames.shape[1] :]], axis=1)
        return StorageView.from_array(np.ascontiguousarray(filled))

    def _features(self, speech: FloatArray, window_s: float) -> FloatArray:
        """The log-mel (80, 2 n) of a window; its last columns are silent."""
        samples = np.zeros(int(window_s * _TELEPHONE_HZ), np.float32)
        samples[: len(speech)] = speech
        features = self._model.feature_extractor(soxr.resample(samples, _TELEPHONE_HZ, _WHISPER_HZ))
        return np.asarray(features[:, : features.shape[1] // 2 * 2], np.float32)

    def _silence(self, bands: int, level: int, window_s: float) -> FloatArray:
        """The encoder's frames (1, n, width) of a window without a sound, whose log-mel has this level, in
        steps, throughout: Whisper's floor of silence depends on the loudest sound in the window.
        """
        key = level, window_s
        with self._lock:
            known = self._silences.pop(key, None)
            if known is None:
                quiet = np.full((bands, int(window_s * _COLUMNS_PER_S)), level * _LEVEL_STEP, np.float32)
                known = np.array(self._model.encode(quiet), np.float32)
            self._silences[key] = known
            if len(self._silences) > _LEVELS:
                del self._silences[next(iter(self._silences))]
        return known


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


def load_transcriber(setting: str, at_once: int = 1) -> Transcriber | None:
    """The transcriber of a setting: "auto" (tiny.en, if it was fetched), "off", or a folder; for so many
    threads at once.

    Raises ModelError when a named folder, or what was fetched, can't be used.
    """
    if setting == "off":
        return None
    if setting != "auto":
        folder = Path(setting).expanduser()
        return Transcriber(folder, folder.name, at_once)
    if importlib.util.find_spec("faster_whisper") is None:
        return None
    fetched = checked_folder_of(SPEECH_TO_TEXT)
    return Transcriber(fetched, "whisper-tiny.en", at_once) if fetched is not None else None
