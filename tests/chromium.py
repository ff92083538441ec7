"""A headless Chromium for tests: pages at any width and colours, watched for errors, looked at by axe."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, async_playwright

#: Debian's; elsewhere Playwright's own build is found without it.
CHROMIUM = "/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else None
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
WIDTHS = (1280, 360)
#: For what Playwright waits for without end (s): a browser that hangs fails tests, and does not hold them up.
DEADLINE_S = 60.0


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """One browser; its scratch goes with it."""
    with tempfile.TemporaryDirectory() as folder:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=CHROMIUM,
                args=ARGUMENTS,
                env={**os.environ, "TMPDIR": folder},
            )
            yield browser
            async with asyncio.timeout(DEADLINE_S):
                await browser.close()


@contextlib.asynccontextmanager
async def page_of(
    browser: Browser, width: int = 1280, scheme: Literal["light", "dark"] = "light", **options: Any
) -> AsyncIterator[Page]:
    """A page of a fresh visitor that fails if the console told of an error."""
    async with asyncio.timeout(DEADLINE_S):
        context = await browser.new_context(
            viewport={"width": width, "height": 800 if width > 600 else 740}, color_scheme=scheme, **options
        )
        page = await context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    try:
        yield page
    finally:
        async with asyncio.timeout(DEADLINE_S):
            await context.close()
    assert problems == []


async def assert_accessible(page: Page, where: str) -> None:
    """Axe finds nothing serious, and nothing sticks out at the side."""
    found = (await Axe().run(page)).response["violations"]
    serious = [
        (v["id"], v["help"], [n["html"][:120] for n in v["nodes"]])
        for v in found
        if v["impact"] in ("serious", "critical")
    ]
    assert serious == [], f"{where}: {serious}"
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{where}: sideways"
