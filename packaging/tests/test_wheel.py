"""The wheel brings its models and the dialplan: installed away from the checkout, it decides a text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import QUICK, ROOT, printed

from emocx_pbx.lab.recordings import SHIPPED


def test_the_wheel_holds_every_model_with_its_card(wheel: Path, figures: Callable[[str, str], None]) -> None:
    size = wheel.stat().st_size
    figures("wheel", f"{size / 1e6:.1f} MB")
    assert size < 45e6
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("models", "dialplan", "docker"):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and path.name != "model.keras":
                assert f"emocx_pbx/_shipped/{path.relative_to(ROOT)}" in names
    assert not [name for name in names if name.endswith("model.keras")]


def test_the_wheel_works_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    words = ["-m", "pip", "install", "-q", "--no-deps", "--no-index", "--no-compile", "--target"]
    subprocess.run([sys.executable, *words, str(tmp_path / "site"), str(wheel)], check=True, timeout=300)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}

    def emocx(*words: str) -> dict:
        done = subprocess.run(
            [sys.executable, "-m", "emocx_pbx.cli", *words, "--json"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=True,
        )  # fmt: skip
        return json.loads(done.stdout)

    assert emocx("route", "nobody answers and I am furious")["decision"]["emotion"] == "angry"
    assert emocx("models", "fetch", "--list")["sets"]
    models = emocx("models", "verify")
    assert models["folder"] == str(tmp_path / "site/emocx_pbx/_shipped/models")
    assert all(model["state"] == "ok" for model in models["models"])


@pytest.mark.skipif(QUICK, reason="fetches what it needs anew")
def test_pip_brings_what_voice_and_topics_need(
    wheel: Path, scratch: Path, figures: Callable[[str, str], None]
) -> None:
    began = time.monotonic()
    home = scratch / "pip"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True, timeout=300)
    words = ["-m", "pip", "install", "-q", f"{wheel}[voice,topics]"]
    subprocess.run([str(home / "bin/python"), *words], check=True, timeout=1800)
    size = printed("du", "-sm", str(home)).split()[0]
    figures("wheel with voice and topics", f"{size} MB on disk in {time.monotonic() - began:.0f} s")
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

    def emocx(*words: str) -> dict:
        done = subprocess.run(
            [str(home / "bin/emocx-pbx"), *words, "--json"],
            cwd=scratch, env=clean, capture_output=True, text=True, timeout=600, check=True,
        )  # fmt: skip
        return json.loads(done.stdout)

    assert all(model["state"] == "ok" for model in emocx("models", "verify")["models"])
    heard = emocx("analyse", str(SHIPPED), "--stereo")
    assert heard["model"].startswith("voice/") and heard["readings"]
    assert emocx("models", "fetch", "topics")["files"]
    assert emocx("route", "my invoice is wrong")["decision"]["emotion"]
