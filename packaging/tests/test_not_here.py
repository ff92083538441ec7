"""Where no tree can be made or booted, the quick part says so loudly and goes on; the whole one fails."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT

from emocx_pbx.lab.asterisk import cache_directory

#: The rights of a machine of one's own are gone; then those of root.
NO_MOUNTS = ("setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin")
NOT_ROOT = ("unshare", "--user", "--map-user=1000", "--map-group=1000")


def tried(*before: str, quick: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
    """The tests of one release's package, as `make` runs them, in such a machine."""
    made = re.search(
        r"^TRY_PACKAGES = \S+ -m pytest \S+ (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    assert made
    options = [*shlex.split(made[1]), "-p", "no:cacheprovider", "-k", "trixie"]
    words = ["-m", "pytest", "packaging/tests/test_deb.py", *options]
    inherited = {name: value for name, value in os.environ.items() if name != "EMOCX_TEST_PACKAGES"}
    asked = {"EMOCX_TEST_PACKAGES": "quick"} if quick else {}
    return subprocess.run(
        [*before, sys.executable, *words], cwd=ROOT, env={**inherited, **asked, **environment},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def no_mirror(folder: Path) -> dict[str, str]:
    """A debootstrap that gets nothing (the real one tries for minutes); cached is the Asterisk alone."""
    (folder / "asterisk").symlink_to(cache_directory(os.environ) / "asterisk")
    program(folder / "debootstrap", "echo 'E: Failed getting release file'")
    return {"PATH": f"{folder}:{os.environ['PATH']}", "EMOCX_CACHE": str(folder)}


def no_boot(folder: Path) -> dict[str, str]:
    """A systemd-nspawn in a container that may not have control groups of its own; the package is there."""
    program(folder / "systemd-nspawn", "echo 'Failed to create /init.scope: Operation not permitted' >&2")
    (folder / "emocx-pbx_0-1~deb13_all.deb").touch()
    return {"PATH": f"{folder}:{os.environ['PATH']}", "EMOCX_TEST_DEBS": str(folder)}


def program(path: Path, says: str) -> None:
    """One that says this and fails."""
    path.write_text(f"#!/bin/sh\n{says}\nexit 1\n")
    path.chmod(0o755)


LACKING: dict[str, tuple[tuple[str, ...], Callable[[Path], dict[str, str]], str]] = {
    "not root": (NOT_ROOT, lambda folder: {"EMOCX_CACHE": str(folder)}, "needs root"),
    "programs": ((), lambda _: {"PATH": "/nowhere"}, "needs systemd-nspawn, "),
    "mounts": (NO_MOUNTS, lambda _: {}, "no right to mount: "),
    "mirror": ((), no_mirror, "no tree of Debian trixie can be made"),
    "boot": ((), no_boot, "systemd did not boot: Failed to create /init.scope"),
}


@pytest.mark.parametrize("case", LACKING)
def test_the_quick_part_says_what_it_did_not_try_and_goes_on(
    machines: None, scratch: Path, case: str
) -> None:
    before, environment, why = LACKING[case]
    folder = scratch / f"not-here-{case.replace(' ', '-')}"
    folder.mkdir()
    done = tried(*before, **environment(folder))
    assert f"PACKAGES NOT TRIED HERE: {why}" in done.stderr, done.stdout + done.stderr
    assert done.returncode == 0 and re.search(r"\n\d+ skipped in ", done.stdout), done.stdout


def test_the_whole_one_fails_and_says_what_to_install(machines: None) -> None:
    done = tried(quick=False, PATH="/nowhere")
    assert done.returncode == 1 and ": make package-tools" in done.stdout, done.stdout
