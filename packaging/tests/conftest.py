"""Builds what is tested, once.

`make test-packages` skips nothing: what is missing is an error that says what to install. `make test` takes
the quick part (EMOCX_TEST_PACKAGES=quick: the wheel, and one release's package), and goes on, saying why,
where this machine can't make or boot a Debian tree: not root, no tools, or not the rights of a whole machine.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn

import pytest
import pytest_asyncio

from emocx_pbx.lab import recordings
from emocx_pbx.lab.asterisk import PrivateAsterisk, cache_directory, find
from emocx_pbx.lab.sip import SippAgents

ROOT = Path(__file__).parents[2]


QUICK = os.environ.get("EMOCX_TEST_PACKAGES") == "quick"
BOOTING = ("debootstrap", "systemd-nspawn", "nsenter", "dpkg-deb", "sipp")
CONTAINERS = ("buildah", "podman", "runc")


@pytest.fixture(scope="session")
def machines(scratch: Path) -> None:
    """Root, every program that is used, and the rights to make and boot a tree."""
    lacking = _lacking(BOOTING if QUICK else (*BOOTING, *CONTAINERS), scratch)
    if lacking and QUICK:
        skip(lacking)
    assert not lacking, lacking


def skip(why: str) -> NoReturn:
    """Say loudly, past pytest's capture, what was not tried here."""
    print(f"\nPACKAGES NOT TRIED HERE: {why}; `make test-packages` does where it can.", file=sys.__stderr__)
    pytest.skip(why)


def _lacking(wanted: Sequence[str], scratch: Path) -> str:
    if os.geteuid() != 0:
        return "needs root: trees, namespaces and containers are made"
    missing = [name for name in wanted if shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin") is None]
    if missing:
        return f"needs {', '.join(missing)}: make package-tools"
    for name in ("lower", "upper", "work", "root"):
        (scratch / name).mkdir(exist_ok=True)
    layers = f"lowerdir={scratch}/lower,upperdir={scratch}/upper,workdir={scratch}/work"
    overlay = f"mount -t overlay overlay -o {layers} {scratch}/root"
    tried = f"mount --make-rprivate / && {overlay} && mount -t proc proc {scratch}/lower"
    done = subprocess.run(["unshare", "-m", "sh", "-c", tried], capture_output=True, text=True, check=False)
    return f"no right to mount: {done.stderr.strip()}" if done.returncode else ""


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
    request: pytest.FixtureRequest,
    machines: None,
    scratch: Path,
    figures: Callable[[str, str], None],
) -> Callable[[str], Path]:
    """Builds the package of a release once; EMOCX_TEST_DEBS names a folder of ones that are there already."""
    built: dict[str, Path] = {}

    def build(suite: str) -> Path:
        if suite not in built:
            given = os.environ.get("EMOCX_TEST_DEBS")
            if given:
                built[suite] = next(Path(given).glob(f"*~deb{ {'bookworm': 12, 'trixie': 13}[suite] }_*.deb"))
                return built[suite]
            debian_tree(suite, "python3-venv")
            began = time.monotonic()
            # A quick compression: this package is installed once.
            wheel = str(request.getfixturevalue("wheel"))
            words = ("env", f"EMOCX_WHEEL={wheel}", "EMOCX_DEB_LEVEL=1", "packaging/deb/build.sh")
            built[suite] = Path(printed(*words, suite, str(scratch)))
            size = built[suite].stat().st_size
            figures(f"{suite} .deb", f"{size / 1e6:.0f} MB, built in {time.monotonic() - began:.0f} s")
        return built[suite]

    return build


def printed(*words: str) -> str:
    """The last line that a script of the checkout prints."""
    done = subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True, timeout=3600)
    return done.stdout.strip().splitlines()[-1]


def debian_tree(suite: str, packages: str) -> Path:
    """The folder of a bare Debian; made if it is not in the cache."""
    try:
        return Path(printed("scripts/debian-tree.sh", suite, packages))
    except subprocess.CalledProcessError:
        if QUICK:
            skip(f"no tree of Debian {suite} can be made")
        raise


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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The quick part: no images, and one release."""
    if QUICK:
        items[:] = [
            item for item in items if "test_images" not in item.nodeid and "bookworm" not in item.nodeid
        ]
