"""Builds what is tested, once; nothing is skipped: what is missing is an error that says what to install."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from emocx_pbx.lab import recordings
from emocx_pbx.lab.asterisk import PrivateAsterisk, cache_directory, find
from emocx_pbx.lab.sip import SippAgents

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session", autouse=True)
def tools() -> None:
    """Root, and every program that is used."""
    assert os.geteuid() == 0, "needs root: trees, namespaces and containers are made"
    wanted = ("debootstrap", "systemd-nspawn", "nsenter", "dpkg-deb", "buildah", "podman", "runc", "sipp")
    missing = [name for name in wanted if shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin") is None]
    assert not missing, f"needs {missing}: make package-tools"


@pytest.fixture(scope="session")
def cache() -> Path:
    """Trees and environments that are kept between runs."""
    return cache_directory(os.environ)


@pytest.fixture(scope="session")
def scratch(cache: Path) -> Iterator[Path]:
    """A folder on the cache's disk: overlays can't lie on another overlay."""
    folder = cache / f"packages-test-{os.getpid()}"
    folder.mkdir(parents=True)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def wheel(scratch: Path) -> Path:
    """The project's wheel."""
    return Path(printed("packaging/wheel.sh", str(scratch)))


@pytest.fixture(scope="session")
def figures() -> Iterator[Callable[[str, str], None]]:
    """Sizes and times seen, printed at the end: the README's come from here."""
    seen: list[tuple[str, str]] = []
    yield lambda what, value: seen.append((what, value))
    for what, value in seen:
        print(f"\n{what}: {value}", end="")
    print()


@pytest.fixture(scope="session")
def deb(
    request: pytest.FixtureRequest, scratch: Path, figures: Callable[[str, str], None]
) -> Callable[[str], Path]:
    """Builds the package of a release once; EMOCX_TEST_DEBS names a folder of ones that are there already."""
    built: dict[str, Path] = {}

    def build(suite: str) -> Path:
        if suite not in built:
            given = os.environ.get("EMOCX_TEST_DEBS")
            if given:
                built[suite] = next(Path(given).glob(f"*~deb{ {'bookworm': 12, 'trixie': 13}[suite] }_*.deb"))
                return built[suite]
            began = time.monotonic()
            # A quick compression: this package is installed once.
            wheel = str(request.getfixturevalue("wheel"))
            os.environ |= {"EMOCX_WHEEL": wheel, "EMOCX_DEB_LEVEL": "1"}
            built[suite] = Path(printed("packaging/deb/build.sh", suite, str(scratch)))
            size = built[suite].stat().st_size
            figures(f"{suite} .deb", f"{size / 1e6:.0f} MB, built in {time.monotonic() - began:.0f} s")
        return built[suite]

    return build


def printed(*words: str) -> str:
    """The last line that a script of the checkout prints."""
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=1200)
    return done.stdout.strip().splitlines()[-1]


@pytest.fixture(scope="session")
def customer_ul(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The customer's side of the shipped call."""
    return recordings.write_mulaw(tmp_path_factory.mktemp("ul") / "customer.ul", recordings.load().customer)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def pbx(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PrivateAsterisk]:
    """An Asterisk on this machine, with agents that answer."""
    subprocess.run([ROOT / "scripts/install-asterisk.sh"], check=True, timeout=600)  # noqa: ASYNC221
    agent = recordings.write_mulaw(tmp_path_factory.mktemp("agent") / "agent.ul", recordings.load().agent)
    installation = find(cache_directory(os.environ))
    async with (
        PrivateAsterisk(installation) as asterisk,
        SippAgents(asterisk.agent_port, agent, answer_s=0.1),
    ):
        yield asterisk
