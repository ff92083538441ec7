"""Passwords in receivers' addresses are sent to the receiver, and shown at no door."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from web.web_site import TEST, open_site

from emocx_pbx.check.receiver_answers import receiver_answer_findings
from emocx_pbx.check.receivers import receiver_findings
from emocx_pbx.deeds.receivers import described
from emocx_pbx.errors import InputError, SettingsError
from emocx_pbx.settings.delivery import DeliverySettings
from emocx_pbx.settings.settings import HttpSettings, Settings, WebhookSettings, load
from emocx_pbx.store.rows import FailedAttempt
from emocx_pbx.webhooks.networks import Networks
from emocx_pbx.webhooks.post import Poster

SECRETS = ("hunter2", "s3cret", "whsec_" + "Q" * 32)
URL = "http://joe:hunter2@127.0.0.1:9/in?key=s3cret&s3cret"
CRM = WebhookSettings(name="crm", url=URL, secret=SECRETS[2])
ERP = msgspec.structs.replace(CRM, name="erp")


def unseen(text: str) -> bool:
    return not any(secret in text for secret in SECRETS)


async def test_no_page_answer_sheet_or_line_of_the_log_shows_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = Settings(directory=str(tmp_path), http=HttpSettings(), webhooks=(CRM,))
    site = await open_site(tmp_path, settings)
    await site.store.receivers.add(ERP, TEST)
    await site.store.receivers.change(msgspec.structs.replace(ERP, timeout_s=3.0), TEST)
    await site.store.outbox.add_event("call.ended", "c", {}, 1.0, "0")
    [due] = await site.store.outbox.claim("erp", 1e12, 9, 0.0)
    outcome = await Poster(Networks()).post(ERP, {}, b"{}")
    assert outcome is not None
    await site.store.outbox.gave_up(
        due.delivery_id, FailedAttempt(2.0, outcome.status, outcome.error, outcome.said)
    )
    admin = await site.logged_in("admin")
    seen = 0
    for path in sorted({r.resource.canonical for r in site.app.router.routes() if r.resource}):
        if "{" in path or path == "/api/v1/live/events":
            continue
        async with await admin.get(path) as answer:
            seen += answer.status == 200
            assert unseen(await answer.text()), path
    async with await admin.get("/admin/webhooks") as answer:
        links = [part.split('"')[0] for part in (await answer.text()).split('href="/admin/webhooks/')[1:]]
    assert links and seen > 20
    for link in links:
        async with await admin.get(f"/admin/webhooks/{link}") as answer:
            assert answer.status == 200 and unseen(await answer.text())
    rows = await site.store.audit.rows()
    assert "***@127.0.0.1:9" in str(rows) and unseen(str(rows))
    await site.stop()
    await site.store.close()
    observed = capsys.readouterr()
    assert unseen(observed.out + observed.err)


async def test_no_finding_of_the_check_shows_them(tmp_path: Path) -> None:
    settings = Settings(directory=str(tmp_path), webhooks=(CRM, ERP))
    found = [*receiver_findings(settings), *await receiver_answer_findings(settings, lambda: 0.0)]
    assert len(found) == 2 and unseen(str(found))
    allowed = msgspec.structs.replace(settings, delivery=DeliverySettings(allow_networks=("127.0.0.0/8",)))
    found = await receiver_answer_findings(allowed, lambda: 0.0)
    assert len(found) == 2 and "refuses connections" in found[0].what and unseen(str(found))


@pytest.mark.parametrize(
    "url",
    ["ftp://joe:hunter2@h/", "http://joe:hunter2@/", "http://joe:hunter2@h:0/", "http://joe:hunter2@h\n/",
     "http://joe:hunter2@[h/", "joe:hunter2@h", "http://joe:hunter2 @h h/?key=s3cret"],
)  # fmt: skip
def test_a_refusal_of_a_wrong_address_shows_no_secret(tmp_path: Path, url: str) -> None:
    with pytest.raises(InputError) as refused:
        described("crm", url, ["call.ended"], 5.0)
    assert unseen(str(refused.value))
    path = tmp_path / "emocx.toml"
    path.write_text(f"[[webhooks]]\nname = 'crm'\nsecret = '{SECRETS[2]}'\nurl = {json.dumps(url)}\n")
    with pytest.raises(SettingsError) as wrong:
        load(path, {})
    assert unseen(str(wrong.value))
