"""Administration: what is changed by pages holds at once, is refused when wrong, and is noted."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from web.administered import POLICY, SECRET, noted, open_administered, policy_file, refused
from web.web_site import PASSWORD, TEST, Browser, Site, open_site

from emocx_pbx.domain import LABELS, Decision
from emocx_pbx.emotion.card import Card
from emocx_pbx.emotion.levels import caller_counts
from emocx_pbx.emotion.lines import LineCaller
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.zero import caller_sums
from emocx_pbx.settings.settings import AnalysisSettings, Settings, WebhookSettings
from emocx_pbx.web.admin.policy import digest


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async for site in open_administered(tmp_path):
        yield site


@pytest.fixture
async def admin(site: Site) -> Browser:
    return await site.logged_in("admin")


# Users.


async def test_a_user_is_invited_and_comes_in(site: Site, admin: Browser) -> None:
    async with await admin.post("/admin/users", name="bob2", role="agent", agent="bob") as response:
        link = re.search(r"http://127[^<]+/link/[\w-]+", await response.text())
    assert link
    bob = site.browser()
    path = link[0].removeprefix(site.url)
    await bob.open(path)
    async with await bob.post(path, password=PASSWORD, again=PASSWORD) as response:
        assert response.headers["Location"] == "/agents/me"
    user = await site.store.accounts.user_named("bob2")
    assert user and (user.role, user.agent) == ("agent", "bob")
    assert "admin user.added bob2" in (await noted(site))[2] or "admin link.made bob2" in await noted(site)


async def test_wrong_users_are_refused(site: Site, admin: Browser) -> None:
    assert "needs the agent" in await refused(admin, "/admin/users", name="bob", role="agent", agent="")
    assert "Choose a role" in await refused(admin, "/admin/users", name="bob", role="root")
    assert "1 to 64 letters" in await refused(admin, "/admin/users", name="a b<script>", role="supervisor")
    assert "there is a user" in await refused(admin, "/admin/users", name="Admin", role="supervisor")


async def test_the_last_administrator_stays(site: Site, admin: Browser) -> None:
    assert "last administrator" in await refused(admin, "/admin/users/1", role="supervisor")
    assert "last administrator" in await refused(admin, "/admin/users/1", role="admin", disabled="1")
    assert "remove yourself" in await refused(admin, "/admin/users/1/delete")
    await site.user("second", "admin")
    async with await admin.post("/admin/users/1", role="supervisor") as response:
        assert response.status == 303
    async with await admin.get("/admin") as response:
        assert response.status == 303  # another role: log in again


# Tokens.


async def test_a_token_is_shown_once_and_works_until_revoked(site: Site, admin: Browser) -> None:
    async with await admin.post("/admin/tokens", name="CRM", days="30", scopes=["calls:read"]) as response:
        token = re.search(r"emocx_[\w-]{43}", await response.text())
    assert token
    assert token[0] not in await admin.open("/admin/tokens")
    bearer = {"Authorization": f"Bearer {token[0]}"}
    program = site.browser()
    async with await program.get("/api/v1/calls", headers=bearer) as response:
        assert response.status == 200
    [kept] = await site.store.accounts.api_tokens()
    assert (kept.scopes, kept.created_by, kept.expires_at) == (
        ("calls:read",),
        "admin",
        site.clock.now + 30 * 86400,
    )
    async with await admin.post(f"/admin/tokens/{kept.token_id}/revoke") as response:
        assert response.status == 303
    async with await program.get("/api/v1/calls", headers=bearer) as response:
        assert response.status == 401
    assert (await noted(site))[:3] == [
        "- token.refused (unknown token)",
        "admin token.revoked CRM",
        "admin token.added CRM",
    ]


async def test_a_token_needs_a_scope(admin: Browser) -> None:
    assert "at least one scope" in await refused(
        admin, "/admin/tokens", name="CRM", days="0", scopes=["root"]
    )
    assert "whole number" in await refused(
        admin, "/admin/tokens", name="CRM", days="x", scopes=["calls:read"]
    )


# Policy.


async def test_a_policy_is_tried_on_past_queries_without_being_used(site: Site, admin: Browser) -> None:
    past = Decision("d1", 1000.0, "ok", "vip", "angry", 0.8, {"angry": 0.8, "neutral": 0.2}, language="nl")
    await site.store.decisions.record(past, None, None, None)
    text = POLICY.replace("vip", "support")
    async with await admin.post("/admin/policy", text=text, based_on=digest(POLICY), do="try") as response:
        page = await response.text()
    assert "One caller would be routed differently" in page and "Language: nl" in page
    assert policy_file(site).read_text() == POLICY and site.reloaded == 0


async def test_a_policy_is_saved_kept_and_used(site: Site, admin: Browser) -> None:
    path = policy_file(site)
    text = POLICY.replace("vip", "support").replace("\n", "\r\n")
    async with await admin.post("/admin/policy", text=text, based_on=digest(POLICY), do="save") as response:
        assert response.status == 303
    assert path.read_text() == POLICY.replace("vip", "support")
    assert path.with_name("policy.toml.bak").read_text() == POLICY
    assert path.stat().st_mode & 0o777 == 0o640
    assert site.policy.rules[0].queue == "support"
    assert (await noted(site))[0] == "admin policy.saved policy.toml"
    # A second tab still has the old text.
    again = await refused(admin, "/admin/policy", text=POLICY, based_on=digest(POLICY), do="save")
    assert "changed meanwhile" in again


async def test_a_wrong_policy_is_refused_by_its_place_and_a_doubtful_one_is_warned_of(
    site: Site, admin: Browser
) -> None:
    wrong = POLICY.replace("emotion", "emoton")
    page = await refused(admin, "/admin/policy", text=wrong, based_on=digest(POLICY), do="save")
    assert "rules[0].emoton: unknown setting" in page and wrong.splitlines()[2].partition('"')[0] in page
    assert policy_file(site).read_text() == POLICY
    doubtful = POLICY.replace("vip", "vipp")
    async with await admin.post(
        "/admin/policy", text=doubtful, based_on=digest(POLICY), do="try"
    ) as response:
        assert "the PBX has no queue vipp; did you mean vip?" in await response.text()


async def test_the_built_in_policy_is_only_shown(tmp_path: Path) -> None:
    site = await open_site(tmp_path / "..", Settings(directory=str(tmp_path)))
    admin = await site.logged_in("admin")
    assert "can&#39;t be changed here" in await admin.open("/admin/policy")
    await site.stop()
    await site.store.close()


# Models, check, retention, audit.


async def test_models_are_shown_with_their_figures(admin: Browser) -> None:
    page = await admin.open("/admin/models")
    shipped = Registry().find("speech", "voice").card.title
    assert shipped in page and "in use" in page and "Recall on the test set" in page


async def test_lines_are_shown_and_can_be_forgotten(site: Site, admin: Browser) -> None:
    answer = (0.1, 0.7, 0.1, 0.1)
    caller = LineCaller(caller_sums([answer]), caller_counts([answer]))
    await site.store.calls.start("learnt", 0.0, None, "+491", "care", None)
    await site.store.lines.learn("learnt", "voice/5", ("trunk PJSIP/carrier", "all"), caller, 60.0)
    page = await admin.open("/admin/models")
    assert "trunk PJSIP/carrier" in page and "fewer than 60 callers" in page and "Centre of" in page
    async with await admin.post(
        "/admin/models/lines", model="voice/5", line="trunk PJSIP/carrier"
    ) as response:
        assert response.status == 303
    page = await admin.open("/admin/models?done=lines_reset")
    assert "trunk PJSIP/carrier" not in page and "has been forgotten" in page
    assert [row.action for row in await site.store.audit.rows(limit=1)] == ["lines.reset"]


async def test_another_version_is_pinned_only_if_it_is_there(site: Site, admin: Browser) -> None:
    form = {"kind": "speech", "name": "voice"}
    assert "no version" in await refused(admin, "/admin/models", version="999", **form)
    assert "not a model" in await refused(admin, "/admin/models", kind="speech", name="../x", version="1")
    assert site.reloaded == 0


async def test_another_version_of_a_name_is_used_from_now_on(tmp_path: Path) -> None:
    for version in ("1", "2"):
        folder = tmp_path / "models" / "text" / "small" / version
        folder.mkdir(parents=True)
        labels = tuple(str(label) for label in LABELS)
        Card("text", "small", version, labels, licence="made for this test").write(folder)
    settings = Settings(directory=str(tmp_path), analysis=AnalysisSettings(models_dir="models"))
    site = await open_site(tmp_path, settings)
    admin = await site.logged_in("admin")
    page = await admin.open("/admin/models")
    assert page.count("Use this version") == 1 and "made for this test" in page
    async with await admin.post("/admin/models", kind="text", name="small", version="1") as response:
        assert response.status == 303
    registry = Registry(tmp_path / "models")
    assert registry.current("text", "small") == "1"
    [step] = registry.steps("text", "small")  # what `models rollback` goes back by
    assert (step["from"], step["to"]) == ("2", "1")
    assert site.reloaded == 1
    [row] = await site.store.audit.rows(action="model.")
    assert (row.before, row.after) == ('{"version":"2"}', '{"version":"1"}')
    await site.stop()
    await site.store.close()


async def test_a_customer_is_erased_and_the_log_does_not_say_whom(site: Site, admin: Browser) -> None:
    await site.store.calls.start("c1", 100.0, "crm-1", "+4930", "vip", None, [])
    await site.store.calls.end("c1", 200.0, "hangup", [])
    assert "1 calls" not in await admin.open("/admin/retention")
    assert "customer key or a calling number" in await refused(admin, "/admin/retention/erase")
    async with await admin.post("/admin/retention/erase", customer="crm-1") as response:
        assert "1 calls" in await response.text()
    rows = await site.store.audit.rows(limit=1)
    assert rows[0].action == "privacy.erased" and "crm-1" not in f"{rows}"


async def test_old_calls_are_erased_on_demand(site: Site, admin: Browser) -> None:
    await site.store.calls.start("c1", 100.0, None, None, "vip", None, [])
    await site.store.calls.end("c1", 200.0, "hangup", [])
    async with await admin.post("/admin/retention/purge") as response:
        assert "1 calls" in await response.text()


async def test_the_audit_log_is_paged_and_filtered(site: Site, admin: Browser) -> None:
    for n in range(60):
        await site.store.audit.add(TEST, "grade.revised", f"call {n}", None, {"score": n})
    page = await admin.open("/admin/audit?kind=grade.")
    assert "call 59" in page and "call 9<" not in page
    older = re.search(r'rel="next" href="([^"]+)"', page)
    assert older
    assert "call 9<" in await admin.open(older[1].replace("&amp;", "&"))
    assert "Nothing yet" in await admin.open("/admin/audit?actor=nobody&before=x")


async def test_what_users_typed_is_never_markup(site: Site, admin: Browser) -> None:
    evil = "<img src=x onerror=alert(1)>"
    await site.store.audit.add(TEST, "grade.revised", evil, None, {"reason": evil})
    await site.store.receivers.add(WebhookSettings(name=evil, url="https://x.example", secret=SECRET), TEST)
    for path in ("/admin", "/admin/audit", "/admin/webhooks"):
        assert evil not in await admin.open(path)


async def test_the_audit_log_is_downloaded_whole_as_filtered(site: Site, admin: Browser) -> None:
    for n in range(1_005):  # more than a page of the file
        await site.store.audit.add(TEST, "grade.revised", f"call {n}", None, {"score": n})
    await site.store.audit.add(TEST, "token.made", "crm")
    page = await admin.open("/admin/audit?kind=grade.")
    assert 'href="/admin/audit.csv?kind=grade."' in page
    async with await admin.get("/admin/audit.csv?kind=grade.") as response:
        lines = (await response.text(encoding="utf-8-sig")).splitlines()
    assert lines[0] == "changed_at,actor,address,action,subject,before,after,audit_id"
    assert len(lines) == 1_006 and "call 1004" in lines[1] and "call 0," in lines[-1]
    assert all("token.made" not in line for line in lines)
