"""What the check finds stands on the overview page and in /readyz; no failure ends the looking."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from web.web_site import Site

from emocx_pbx.check.finding import Finding
from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.settings.settings import Settings
from emocx_pbx.web import doctor
from emocx_pbx.web.doctor import DOCTOR, Doctor

FOUND = (
    Finding("ok", "asterisk", "logged in"),
    Finding("warn", "queues", "queue care has no member", "add agents"),
    Finding("fail", "modules", "res_agi is not loaded", "module load res_agi"),
)


async def test_overview_and_readyz_know_what_the_check_found(site: Site) -> None:
    admin = await site.logged_in("admin")
    assert "Not checked yet" in await admin.open("/admin")

    async def found(settings: Settings, tap: bool) -> Sequence[Finding]:
        return FOUND

    site.app[DOCTOR].check = found
    async with await admin.post("/admin/check") as response:
        assert response.status == 303
    page = await admin.open("/admin")
    assert page.index("module load res_agi") < page.index("add agents") and "logged in" not in page
    for path in ("/readyz", "/api/v1/health"):
        async with await admin.get(path) as response:
            observed = await response.json()
        assert [f["remedy"] for f in observed["findings"]] == ["module load res_agi", "add agents"], path
        assert observed["checked_at"] == site.clock.now
    visitor = site.browser()
    async with await visitor.get("/readyz", headers={"X-Forwarded-For": "192.0.2.1"}) as response:
        assert "findings" not in await response.json()


async def test_the_service_checks_itself_without_a_tap_and_goes_on_after_a_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept: list[float] = []
    looked: list[bool] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) > 3:
            raise asyncio.CancelledError

    async def check(settings: Settings, tap: bool) -> Sequence[Finding]:
        looked.append(tap)
        if len(looked) == 1:
            raise PeerUnavailable("no answer")
        return FOUND

    monkeypatch.setattr(doctor.asyncio, "sleep", sleep)
    found = Doctor(SettingsInForce(Settings()), lambda: 7.0, check)
    with pytest.raises(asyncio.CancelledError):
        await found.keep_looking()
    assert slept == [60.0, 3600.0, 3600.0, 3600.0]
    assert looked == [False, False, False]
    assert (found.at, [f.level for f in found.amiss()]) == (7.0, ["fail", "warn"])
