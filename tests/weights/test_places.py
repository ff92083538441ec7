"""Weights are used only if they are the very files that were tried."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

import pytest

from emocx_pbx.emotion import transcribe
from emocx_pbx.errors import InputError, ModelError
from emocx_pbx.weights import places
from emocx_pbx.weights.catalogue import SETS, SPEECH_TO_TEXT, TUNING, WeightFile, set_of


def test_the_very_files_pass_and_changed_or_missing_ones_do_not(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(b"weights")
    file = WeightFile("some/model.bin", hashlib.sha256(b"weights").hexdigest(), 7)
    places.check(path, file)
    path.write_bytes(b"weightz")
    with pytest.raises(ModelError, match=r"model\.bin: not the file that was tried"):
        places.check(path, file)
    path.unlink()
    with pytest.raises(ModelError, match="can't be read"):
        places.check(path, file)


def test_the_catalogue_is_complete() -> None:
    names = [file.name for one in SETS for file in one.files]
    assert len(set(names)) == len(names)
    for one in SETS:
        assert one.licence and one.origin and one.use
        for file in one.files:
            assert file.name.startswith(f"{one.name}/")
            assert re.fullmatch("[0-9a-f]{64}", file.sha256)
            assert file.size > 0
            assert file.hub.startswith("https://") or file.parts or file.blob
    assert set_of("tuning") is TUNING
    with pytest.raises(InputError, match="there are: speech-to-text, topics"):
        set_of("everything")


def test_fetched_files_go_before_installed_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "default_weights_dir", lambda: tmp_path)
    assert places.folder_of(SPEECH_TO_TEXT) != tmp_path / "speech-to-text"
    for file in SPEECH_TO_TEXT.files:
        (tmp_path / file.name).parent.mkdir(exist_ok=True)
        (tmp_path / file.name).write_bytes(b"")
    assert places.folder_of(SPEECH_TO_TEXT) == tmp_path / "speech-to-text"
    (tmp_path / SPEECH_TO_TEXT.files[0].name).unlink()
    assert places.folder_of(SPEECH_TO_TEXT) != tmp_path / "speech-to-text"


def test_a_changed_transcriber_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = places.checked_folder_of(SPEECH_TO_TEXT)
    assert here is not None, "emocx-pbx models fetch speech-to-text"
    (tmp_path / "speech-to-text").mkdir()
    for file in SPEECH_TO_TEXT.files:
        shutil.copy(here / Path(file.name).name, tmp_path / file.name)
    monkeypatch.setattr(places, "default_weights_dir", lambda: tmp_path)
    with (tmp_path / "speech-to-text/model.bin").open("r+b") as opened:
        opened.seek(1000)
        opened.write(b"x")
    with pytest.raises(ModelError, match="not the file that was tried"):
        transcribe.load_transcriber("auto")
