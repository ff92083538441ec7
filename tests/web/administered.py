"""A site with a policy of its own and a receiver in its settings, as the tests of administration use it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from web.web_site import Browser, Site, open_site

from emocx_pbx.settings.settings import RoutingSettings, Settings, WebhookSettings

SECRET = "whsec_" + "A" * 44
POLICY = '[[rules]]\nname = "a"\nemotion = ["angry"]\nqueue = "vip"\n'
CRM = WebhookSettings(name="crm", url="https://crm.example/", secret=SECRET)


async def open_administered(tmp_path: Path) -> AsyncIterator[Site]:
    """The site; stopped at the end."""
    (tmp_path / "policy.toml").write_text(POLICY)
    (tmp_path / "policy.toml").chmod(0o640)
    settings = Settings(
        directory=str(tmp_path), routing=RoutingSettings(policy="policy.toml"), webhooks=(CRM,)
    )
    site = await open_site(tmp_path, settings)
    yield site
    await site.stop()
    await site.store.close()


async def refused(browser: Browser, path: str, **form: Any) -> str:
    async with await browser.post(path, **form) as response:
        assert response.status == 422
        return await response.text()


async def noted(site: Site) -> list[str]:
    return [f"{row.actor} {row.action} {row.subject}" for row in await site.store.audit.rows(limit=3)]


def policy_file(site: Site) -> Path:
    """Where the site's policy is kept."""
    path = site.settings.policy_path()
    assert path is not None
    return path
