"""A customer erased by a command of another process is forgotten by calls that go on."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from emocx_pbx.cli import main
from emocx_pbx.service.erased import forget_erased_elsewhere
from emocx_pbx.store.database import Store


async def test_the_command_line_reaches_running_calls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = await Store.open(tmp_path / "emocx.db")
    (tmp_path / "emocx.toml").write_text("")
    for call_id, key in (("1.1", "crm-1"), ("1.2", "crm-2")):
        await store.calls.start(call_id, 100.0, key, "+4930123456", "care", None)
    named, forgotten, done = ["1.1", "1.2"], [], asyncio.Event()

    def forget(calls: object) -> None:
        forgotten.extend(calls)  # type: ignore[arg-type]
        if forgotten:
            done.set()

    looking = asyncio.create_task(forget_erased_elsewhere(store, lambda: named, forget, 0.0))
    try:
        words = ["erase", "--yes", "--customer", "crm-1", "--config", str(tmp_path / "emocx.toml")]
        await asyncio.to_thread(main, words)
        async with asyncio.timeout(20):
            await done.wait()
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        await store.close()
    assert set(forgotten) == {"1.1"}
