"""`serve --role sender` as processes of their own on one database."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from asyncio.subprocess import Process
from collections import Counter
from pathlib import Path

import pytest
from databases import ON_POSTGRESQL

from emocx_pbx.cli import main
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store

KIM = Actor("kim", "127.0.0.1")


async def begun(folder: Path, place: str, crm: Receiver) -> Process:
    """A sender that says that it sends."""
    settings = folder / "emocx.toml"
    settings.write_text(
        f'[store]\nurl = "{place}"\n[log]\nformat = "json"\n[delivery]\nallow_networks = ["127.0.0.0/8"]\n'
        f'[[webhooks]]\nname = "crm"\nurl = "{crm.url}"\nsecret = "{crm.secret}"\n'
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "emocx_pbx.cli", "serve", "--role", "sender", "--config", str(settings),
        stdout=-1, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout
    async with asyncio.timeout(60):
        while '"sender.up"' not in (line := (await process.stdout.readline()).decode()):
            assert line, "it ended"
    return process


async def ended(process: Process) -> list[str]:
    process.terminate()
    said, _ = await process.communicate()
    assert process.returncode == 0
    return [json.loads(line)["key"] for line in said.decode().splitlines() if line.startswith("{")]


@ON_POSTGRESQL
async def test_two_senders_share_what_is_due_in_each_calls_order(place: str, tmp_path: Path) -> None:
    async with Receiver() as crm, Receiver() as late:
        senders = [await begun(tmp_path, place, crm) for _ in range(2)]
        store = await Store.open(place, [WebhookSettings("crm", crm.url, crm.secret)])
        for n in range(3):
            for call in range(20):
                await store.outbox.add_event("call.alert", f"c{call}", {"n": n}, time.time(), str(n))
        await crm.wait(lambda: len(crm.events) == 60, 60)
        async with asyncio.timeout(20):
            while await store.outbox.pending():
                pass  # what is not noted yet would be sent again by the other one
        # One that an administrator adds later is found, and one of the senders is enough.
        assert "webhook.late" not in await ended(senders[0])
        await store.receivers.add(WebhookSettings("late", late.url, late.secret), KIM)
        await store.outbox.add_event("call.alert", "d", {"n": 0}, time.time())
        await late.wait(lambda: late.events, 30)
        await ended(senders[1])
        await store.close()
    assert Counter(d.id for d in crm.deliveries).most_common(1)[0][1] == 1
    for call in range(20):
        assert [d.data["n"] for d in crm.events if d.call_id == f"c{call}"] == [0, 1, 2]


def test_a_file_is_one_hosts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = tmp_path / "emocx.toml"
    settings.write_text("")
    assert main(["serve", "--role", "sender", "--config", str(settings)]) == 2
    assert "needs PostgreSQL" in capsys.readouterr().err
