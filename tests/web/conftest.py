"""The site that tests of pages and of the API open."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from web.web_site import UNDOCUMENTED, Site, open_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = await open_site(tmp_path)
    yield site
    await site.stop()
    await site.store.close()


@pytest.fixture(autouse=True)
def only_documented_answers() -> Iterator[None]:
    """No test of a site gets an answer of the API that its document does not have."""
    UNDOCUMENTED.clear()
    yield
    assert not UNDOCUMENTED
