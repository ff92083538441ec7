"""Recordings of PBXes whose calls have the same Uniqueid: nobody hears the other's."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from emocx_pbx.commands.export import _recording
from emocx_pbx.deeds.recordings import recording_path
from emocx_pbx.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("berlin/1795.1.wav", "vienna/1795.1.wav", "1795.1.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def detail(call_id: str) -> Any:
    return cast(Any, SimpleNamespace(call=SimpleNamespace(call_id=call_id, started_at=0.0)))


@pytest.mark.parametrize("pbx", ["berlin", "vienna"])
def test_each_finds_its_own(folder: Path, pbx: str) -> None:
    template = f"{folder}/{{pbx}}/{{call_id}}.wav"
    wanted = folder / pbx / "1795.1.wav"
    assert recording_path(template, f"{pbx}/1795.1", 0.0) == wanted
    assert _recording(template, detail(f"{pbx}/1795.1")) == wanted


def test_without_a_name_all_is_as_it_was(folder: Path) -> None:
    template = f"{folder}/{{call_id}}.wav"
    assert recording_path(template, "1795.1", 0.0) == folder / "1795.1.wav"
    assert _recording(template, detail("1795.1")) == folder / "1795.1.wav"


def test_a_path_that_does_not_tell_pbxes_apart_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="pbx"):
        _recording(f"{folder}/{{call_id}}.wav", detail("berlin/1795.1"))
