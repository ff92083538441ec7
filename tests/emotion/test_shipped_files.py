"""Weights of packages are used only if they are the very files that were tried."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from emocx_pbx.emotion import transcribe
from emocx_pbx.emotion.shipped_files import MINILM, WHISPER_TINY_EN, check_files
from emocx_pbx.errors import ModelError


def test_the_very_files_pass_and_changed_or_missing_ones_do_not(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    known = {"model.bin": hashlib.sha256(b"weights").hexdigest()}
    check_files(tmp_path, known)
    (tmp_path / "model.bin").write_bytes(b"weightz")
    with pytest.raises(ModelError, match=r"model\.bin: not the file that was tried"):
        check_files(tmp_path, known)
    (tmp_path / "model.bin").unlink()
    with pytest.raises(ModelError, match="can't be read"):
        check_files(tmp_path, known)


def test_all_files_that_are_loaded_are_known() -> None:
    assert "model.bin" in WHISPER_TINY_EN and set(MINILM) == {"model.onnx"}


def test_a_changed_transcriber_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = transcribe.shipped_folder()
    if shipped is None:
        pytest.skip("needs the extra voice")
    check_files(shipped, WHISPER_TINY_EN)
    for name in WHISPER_TINY_EN:
        shutil.copy(shipped / name, tmp_path)
    with (tmp_path / "model.bin").open("r+b") as file:
        file.seek(1000)
        file.write(b"x")
    monkeypatch.setattr(transcribe, "shipped_folder", lambda: tmp_path)
    with pytest.raises(ModelError, match="not the file that was tried"):
        transcribe.load_transcriber("auto")
