"""What tests all over the tree share: a place for a database, on each kind there is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest
import structlog
from databases import Databases

from emocx_pbx.lab.postgres import PrivatePostgres

#: Speed is never asserted: a busy machine takes long over any example.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


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
