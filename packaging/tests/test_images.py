"""The images: built by buildah, run by podman with the project's own compose file, a call's query decided."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT, printed

TOKEN = "a token for the tests, long enough"
#: What containers need where the kernel's limits can't be raised, and cgroups are hybrid.
CONTAINERS = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


@pytest.fixture(scope="module")
def images(machines: None, figures: Callable[[str, str], None]) -> None:
    """Both, as packaging/images.sh makes them."""
    began = time.monotonic()
    printed("packaging/images.sh")
    for name in ("emocx-pbx", "emocx-pbx-asterisk"):
        size = json.loads(said("podman", "image", "inspect", name))[0]["Size"]
        figures(f"image {name}", f"{size / 1e6:.0f} MB")
    figures("both images", f"made in {time.monotonic() - began:.0f} s")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """For podman and the compose file."""
    (tmp_path / "containers.conf").write_text(CONTAINERS)
    return {
        **os.environ,
        "CONTAINERS_CONF": str(tmp_path / "containers.conf"),
        "EMOCX_ASTERISK_SECRET": "for-the-tests",
        "EMOCX_HTTP_API_TOKEN": TOKEN,
    }


def said(*words: str, env: dict[str, str] | None = None, check: bool = True) -> str:
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, env=env, check=False)
    assert not (check and done.returncode), f"{words}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture
def compose(images: None, environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., str]]:
    """`docker compose` with the project's file, by podman; down with its volumes at the end."""
    program = shutil.which("podman-compose") or str(Path(sys.executable).with_name("podman-compose"))
    project = f"emocx{os.getpid()}"
    words = (program, "-p", project, "-f", str(ROOT / "docker/compose.yaml"))

    def run(*more: str) -> str:
        return said(*words, *more, env=environment)

    try:
        run("up", "-d", "--no-build")
        yield run
    finally:
        said(*words, "down", "-v", "-t", "5", env=environment, check=False)


def asked(path: str, body: dict | None = None) -> dict:
    request = urllib.request.Request(
        f"http://127.0.0.1:8085{path}",
        json.dumps(body).encode() if body else None,
        {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def test_the_compose_file_brings_up_both_and_a_query_is_decided(
    compose: Callable[..., str], environment: dict[str, str]
) -> None:
    ready: dict = {}
    for _ in range(240):
        try:
            ready = asked("/readyz")
            break
        except OSError:
            time.sleep(0.5)
    assert ready.get("ready"), compose("logs")[-3000:]
    assert not any(part["why"] for part in ready["components"].values())
    decision = asked("/api/v1/queries", {"text": "I have been charged twice and I am furious"})
    assert (decision["emotion"], decision["queue"]) == ("angry", "care")

    names = said("podman", "ps", "--format", "{{.Names}}", env=environment).split()
    mine = [name for name in names if f"emocx{os.getpid()}" in name]
    assert len(mine) == 2
    for name in mine:
        # Nobody is root, and each container knows how it is.
        assert said("podman", "exec", name, "id", "-u", env=environment).strip() != "0"
        said("podman", "healthcheck", "run", name, env=environment)
