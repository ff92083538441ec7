"""The same deed by page, API and command line: one letter, one audit entry, written with what it tells of."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from web.v1_calls import client_of, tell
from web.web_site import Site, open_site

from emocx_pbx.cli import main
from emocx_pbx.errors import StoreError
from emocx_pbx.grading.rubric import BUILT_IN, load_rubric
from emocx_pbx.settings.settings import GradingSettings, Settings

CONFIG = '[grading]\nrubric = "rubric.toml"\n'


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A service that started with a rubric whose file is edited while it runs."""
    rubric = tmp_path / "rubric.toml"
    rubric.write_text(BUILT_IN.read_text())
    (tmp_path / "emocx.toml").write_text(CONFIG)
    site = await open_site(
        tmp_path, Settings(directory=str(tmp_path), grading=GradingSettings(rubric="rubric.toml"))
    )
    await site.store.in_force.put_rubric(load_rubric(rubric))
    rubric.write_text(BUILT_IN.read_text().replace("A = 80.0", "A = 99.0").replace("B = 60.0", "B = 95.0"))
    yield site
    await site.stop()
    await site.store.close()


async def test_an_override_gets_one_letter_by_all_doors(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await tell(site.store, 1)
    call_id = await tell(site.store, 2)
    boss, client = await site.logged_in("supervisor"), await client_of(site)
    async with await boss.post(
        f"/calls/{call_id}/parts/0/override", score="90", reason="heard it"
    ) as response:
        assert response.status == 303
    await client.post(f"/calls/{call_id}/segments/0/override", {"score": 90, "reason": "heard it"}, 201)
    args = [
        "grades",
        "override",
        call_id,
        "--score",
        "90",
        "--author",
        "kim",
        "--reason",
        "heard it",
        "--json",
    ]
    assert await asyncio.to_thread(main, [*args, "--config", str(tmp_path / "emocx.toml")]) == 0
    rows = (await site.store.grades.of_call(call_id))[1:]
    assert [row.grade.letter for row in rows] == [load_rubric().letter(90)] * 3
    noted = await site.store.audit.rows(action="grade.")
    assert [row.subject for row in noted] == [f"{call_id}#0"] * 3
    assert [row.address for row in noted] == ["command line", "127.0.0.1", "127.0.0.1"]
    assert [json.loads(row.after or "")["revision"] for row in noted] == [3, 2, 1]


async def test_a_deed_whose_entry_can_not_be_written_is_not_done(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_id = await tell(site.store, 1)
    client = await client_of(site)

    async def full(*_: object) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(site.store.audit, "write", full)
    path = f"/calls/{call_id}/segments/0"
    await client.post(f"{path}/override", {"score": 90, "reason": "so"}, 500)
    await client.post(f"{path}/dispute", {"reason": "so"}, 500)
    await client.post(
        f"/calls/{call_id}/corrections", {"t0": 0, "t1": 4, "emotion": "happy", "reason": "so"}, 500
    )
    await client.post("/deliveries/replay", {"call_id": call_id}, 500)
    assert len(await site.store.grades.of_call(call_id)) == 1
    assert await site.store.readings.corrections() == []


async def test_what_the_command_line_does_is_in_the_audit_log(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call_id = await tell(site.store, 1)
    config = ["--config", str(tmp_path / "emocx.toml")]
    for command in (
        ["grades", "dispute", call_id, "--author", "kim", "--reason", "so"],
        ["grades", "recompute"],
        ["webhooks", "replay", "--all"],
        ["users", "add", "kim"],
        ["erase", "--customer", "crm-1", "--yes"],
    ):
        assert await asyncio.to_thread(main, [*command, *config]) == 0, command
    noted = {row.action: row for row in await site.store.audit.rows(limit=100)}
    for action in ("grade.dispute", "webhook.replayed", "user.added", "privacy.erased"):
        assert noted[action].address == "command line", action
    assert (
        await asyncio.to_thread(main, ["webhooks", "replay", "--endpoint", "nobody", "--all", *config]) == 2
    )
    assert "no receiver nobody" in capsys.readouterr().err


async def test_an_erasure_that_is_not_done_ends_in_an_error(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from emocx_pbx.store.erasure import Erasure

    async def not_yet(*_: object) -> bool:
        return False

    monkeypatch.setattr(Erasure, "settle", not_yet)
    await tell(site.store, 1)
    command = ["erase", "--caller", "+49 1", "--yes", "--config", str(tmp_path / "emocx.toml")]
    assert await asyncio.to_thread(main, command) == 1
    assert "write-ahead log" in capsys.readouterr().err
    admin = await site.logged_in("admin")
    async with await admin.post("/admin/retention/purge") as response:
        assert response.status == 503 and "write-ahead log" in await response.text()
