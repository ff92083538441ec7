"""What tests all over the tree share: places for a database of each kind, and servers of their own."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import hypothesis
import pytest
import structlog
from databases import Databases

from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.lab.postgres import PrivatePostgres

#: Seconds for what comes before and after a test; pytest-timeout bounds the test itself.
AROUND_S = 300.0
#: How the run ended.
STATUS = pytest.StashKey[int]()

#: Speed is never asserted: a busy machine takes long over any example.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@contextmanager
def _bounded(what: str) -> Iterator[None]:
    """Fail after AROUND_S: a server or a task that does not end must not hold up all other tests."""

    def late(signum: int, frame: FrameType | None) -> None:
        pytest.fail(f"{what} took longer than {AROUND_S:g} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, AROUND_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    with _bounded("what the test needs"):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    with _bounded("putting away what the test needed"):
        return (yield)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    session.config.stash[STATUS] = int(exitstatus)


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    """End even where a failed test left a thread running, as of an open store: Python would wait for it."""
    code = config.stash.get(STATUS, 0)
    left = [t.name for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    if code and left:
        print("threads left running:", *left, sep="\n  ", flush=True)
        sys.stderr.flush()
        os._exit(code)


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Commands say for their process what is logged; the next test is in the same one."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """A private PostgreSQL, started by the first test that needs it."""
    with PrivatePostgres() as server:
        found = Databases(server)
        yield found
        found.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | str]:
    """Where `Store.open` finds a database with this version's schema, or makes one: on both kinds in turn."""
    if request.param == "sqlite":
        yield tmp_path / "emocx.db"
        return
    with ExitStack() as stack:
        yield stack.enter_context(request.getfixturevalue("databases").one())


@pytest.fixture
def server() -> Iterator[PrivateNats]:
    """A NATS server of the test's own."""
    with PrivateNats() as server:
        yield server


@pytest.fixture
async def closing() -> AsyncIterator[AsyncExitStack]:
    """Closes at the end whatever the test enters."""
    async with AsyncExitStack() as stack:
        yield stack
