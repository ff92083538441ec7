"""Where a recording may be found, and where it never is."""

from __future__ import annotations

from pathlib import Path

import pytest

from emocx_pbx.deeds.recordings import folder_of, recording_path
from emocx_pbx.errors import SettingsError
from emocx_pbx.settings.settings import load

AT = 1_790_000_000.0


def test_a_recording_is_found_by_its_call(tmp_path: Path) -> None:
    (tmp_path / "2026" / "09").mkdir(parents=True)
    file = tmp_path / "2026" / "09" / "q-support-17.1.wav"
    file.write_bytes(b"RIFF")
    assert recording_path(f"{tmp_path}/{{year}}/{{month}}/*-{{call_id}}.wav", "17.1", AT) == file
    assert recording_path(f"{tmp_path}/{{year}}/{{month}}/*-{{call_id}}.wav", "17.2", AT) is None


def test_no_other_calls_recording_is_played(tmp_path: Path) -> None:
    (tmp_path / "17.10.wav").write_bytes(b"RIFF")
    assert recording_path(f"{tmp_path}/{{call_id}}*.wav", "17.1", AT) is None
    assert recording_path(f"{tmp_path}/*{{call_id}}.wav", "7.10", AT) is None


@pytest.mark.parametrize(
    "call_id", ["../secret", "..", "a/../../secret", "/etc/passwd", "", "*", "a\0b", "-rf", "x" * 200]
)
def test_no_call_id_leads_elsewhere(tmp_path: Path, call_id: str) -> None:
    (tmp_path / "secret.wav").write_bytes(b"RIFF")
    (tmp_path / "calls").mkdir()
    assert recording_path(f"{tmp_path}/calls/{{call_id}}.wav", call_id, AT) is None


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(b"RIFF")
    (tmp_path / "calls").mkdir()
    (tmp_path / "calls" / "17.1.wav").symlink_to(tmp_path / "secret.wav")
    assert recording_path(f"{tmp_path}/calls/{{call_id}}.wav", "17.1", AT) is None


def test_only_sound_is_served(tmp_path: Path) -> None:
    (tmp_path / "17.1.txt").write_text("notes")
    assert recording_path(f"{tmp_path}/{{call_id}}.*", "17.1", AT) is None


def test_the_folder_is_what_nothing_is_filled_into() -> None:
    assert folder_of("/srv/calls/{year}/{call_id}.wav") == "/srv/calls/"
    assert folder_of("/srv/calls/q*-{call_id}.wav") == "/srv/calls/"


@pytest.mark.parametrize(
    "path",
    [
        "calls/{call_id}.wav",
        "/{call_id}.wav",
        "/srv/{year}.wav",
        "/srv/{call_id}/x.wav",
        "/srv/{agent}-{call_id}.wav",
        "/srv/{call_id.wav",
        "/srv/{call_id}*.wav",
        "/srv/*{call_id}.wav",
        "/srv/q?{call_id}.wav",
        "/srv/*{year}{call_id}.wav",
        "/srv/*20{call_id}.wav",
        "/srv/{call_id}{day}*.wav",
        "/srv/{call_id}0?.wav",
        "/srv/{call_id}[0-9].wav",
        "/srv/[0-9]{call_id}.wav",
    ],
)
def test_a_template_that_can_not_be_meant_is_refused(path: str) -> None:
    with pytest.raises(SettingsError, match=r"recordings\.path|RECORDINGS_PATH"):
        load(None, {"EMOCX_RECORDINGS_PATH": path})
