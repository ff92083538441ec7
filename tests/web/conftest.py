"""The site that tests of pages and of the API open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from web_site import Site, open_site


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = await open_site(tmp_path)
    yield site
    await site.stop()
    await site.store.close()
