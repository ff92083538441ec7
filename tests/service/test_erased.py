"""A customer erased by a command of another process is forgotten by calls that go on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from emocx_pbx.cli import main
from emocx_pbx.service.forgetting import forget_erased_elsewhere
from emocx_pbx.store.database import Store


class Calls:
    """Two that go on."""

    def __init__(self) -> None:
        self.forgotten: set[str] = set()
        self.done = asyncio.Event()

    def naming_customers(self) -> list[str]:
        return ["1.1", "1.2"]

    def forget_customers(self, call_ids: Sequence[str]) -> None:
        self.forgotten |= set(call_ids)
        if self.forgotten:
            self.done.set()


async def test_the_command_line_reaches_running_calls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = await Store.open(tmp_path / "emocx.db")
    (tmp_path / "emocx.toml").write_text("")
    for call_id, key in (("1.1", "crm-1"), ("1.2", "crm-2")):
        await store.calls.start(call_id, 100.0, key, "+4930123456", "care", None)
    calls = Calls()
    looking = asyncio.create_task(forget_erased_elsewhere(store, calls, 0.0))
    try:
        words = ["erase", "--yes", "--customer", "crm-1", "--config", str(tmp_path / "emocx.toml")]
        await asyncio.to_thread(main, words)
        async with asyncio.timeout(20):
            await calls.done.wait()
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await store.close()
    assert calls.forgotten == {"1.1"}
