"""`analyse` on recordings as they come: one answer or one line, and nothing of a decoder's own."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

#: The one line that every command begins with.
SAID = f"emocx-pbx: settings read from {os.devnull}\n"
DATA = Path(__file__).parents[1] / "data" / "audio"


def analyse(*args: object) -> subprocess.CompletedProcess[str]:
    """In a process of its own: libraries write past Python's stderr."""
    command = [
        sys.executable,
        "-m",
        "emocx_pbx.cli",
        "analyse",
        *map(str, args),
        "--model",
        "mlp",
        "--config",
        os.devnull,
    ]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("EMOCX_")}
    done = subprocess.run(
        command, capture_output=True, text=True, env=clean, cwd=DATA, timeout=100, check=False
    )
    assert done.stderr.startswith(SAID)
    done.stderr = done.stderr.removeprefix(SAID)
    return done


@pytest.mark.parametrize(
    ("args", "seconds", "kinds"),
    [
        (("data-size-0.wav",), 11.0, []),
        (("mixmonitor-D-stereo.raw", "--stereo"), 6.0, ["side_silent"]),
        (("mixmonitor-D-stereo.raw",), 6.0, ["found_interleaved", "side_silent"]),
        (("call.g722",), 14.0, ["narrow"]),
    ],
)
def test_what_once_failed(args: tuple[str, ...], seconds: float, kinds: list[str]) -> None:
    done = analyse(*args, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["duration_s"] == seconds
    assert [warning["kind"] for warning in found["warnings"]] == kinds
    assert found["notes"] == [warning["message"] for warning in found["warnings"]]


def test_warnings_stand_in_the_text() -> None:
    done = analyse("mixmonitor-D-stereo.raw")
    assert (done.returncode, done.stderr) == (0, "")
    assert "warning: mixmonitor-D-stereo.raw holds two sides" in done.stdout


def test_a_damaged_mp3_is_read_or_refused_without_chatter(tmp_path: Path) -> None:
    path = tmp_path / "call.mp3"
    soundfile.write(path, 0.1 * np.sin(np.arange(80_000) / 9), 16_000, format="MP3")
    content = bytearray(path.read_bytes())
    content[2000:2600] = bytes(range(200)) * 3
    path.write_bytes(content)
    done = analyse(path)
    assert done.returncode in (0, 2)
    assert done.stderr.count("\n") == done.returncode // 2


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("notes.txt", b"hello"), ("empty.wav", b""), ("call.siren7", bytes(400)),
        ("page.wav", b"<html>" * 50),
        ("none.wav", b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16)),
        ("list.m3u8", b"#EXTM3U\n/etc/passwd\n"),
    ],
)  # fmt: skip
def test_what_can_not_be_read_is_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    done = analyse(tmp_path / name)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert name in done.stderr
