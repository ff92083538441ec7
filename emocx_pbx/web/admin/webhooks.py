"""Webhooks: receivers, their secrets and failures, and sending again."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from emocx_pbx.deeds.deed import (
    AddReceiver,
    ChangeReceiver,
    RemoveReceiver,
    Replay,
    RotateSecret,
    SwitchReceiver,
    TestReceiver,
)
from emocx_pbx.deeds.replay import Which
from emocx_pbx.errors import InputError
from emocx_pbx.settings.receiver_url import HIDDEN, shown_url
from emocx_pbx.settings.settings import EVENT_TYPES
from emocx_pbx.store.list_rows import DeliveryFilter
from emocx_pbx.web.admin.shared import form_of, page, whole_number
from emocx_pbx.web.guards import form_of as fields
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.identity.sessions import actor_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.render import see_other
from emocx_pbx.web.shown.receiver_path import receiver_name, receiver_path
from emocx_pbx.web.strings import t
from emocx_pbx.webhooks.schedule import reason_of

#: Most deliveries listed for one receiver.
LISTED: Final = 50


@allow("admin")
async def webhooks(request: web.Request) -> web.StreamResponse:
    """All receivers with the state of their deliveries, and a form for a new one."""
    return await _list(request)


async def _list(
    request: web.Request, status: int = 200, problem: str = "", secret: str = "", **given: str
) -> web.Response:
    store = parts_of(request).store
    counts = await store.lists.delivery_counts(parts_of(request).now())
    return page(
        request, "webhooks", status=status, receivers=store.receivers.current(),
        stored={s.name for s in store.receivers.stored()}, counts=counts,
        disabled=await store.outbox.disabled(), types=EVENT_TYPES, problem=problem, secret=secret,
        given=given,
    )  # fmt: skip


@allow("admin")
async def add(request: web.Request) -> web.StreamResponse:
    """Add a receiver; its secret is shown only once."""
    form = await form_of(request)
    try:
        name = form.get("name", "")
        deed = AddReceiver(name, *await _described(request, form, name))
        secret = await parts_of(request).deeds.do(deed, actor_of(request))
    except InputError as error:
        return await _list(request, 422, str(error), **form)
    return await _list(request, secret=secret, name=name)


@allow("admin")
async def webhook(request: web.Request) -> web.StreamResponse:
    """One receiver: the events it gets, failed deliveries, and what can be done."""
    return await _one(request)


async def _one(
    request: web.Request,
    status: int = 200,
    problem: str = "",
    secret: str = "",
    said: str = "",
    ok: bool = True,
) -> web.Response:
    store, name = parts_of(request).store, _name(request)
    receiver = next((e for e in store.receivers.current() if e.name == name), None)
    if receiver is None:
        raise web.HTTPNotFound
    state = request.query.get("state", "failed")
    shown = state if state in {"failed", "pending", "delivered"} else None
    counts = await store.lists.delivery_counts(parts_of(request).now())
    which = DeliveryFilter(name, shown)  # type: ignore[arg-type]
    return page(
        request, "webhooks", template="admin/webhook.html", status=status, receiver=receiver,
        stored=store.receivers.find(name), disabled=(await store.outbox.disabled()).get(name, ""),
        deliveries=(await store.lists.page_of_deliveries(which, LISTED)).rows,
        state=state, types=EVENT_TYPES, now=parts_of(request).now(), limit=LISTED,
        counts={s: counts.get((name, s), 0) for s in ("pending", "delivered", "failed")},
        problem=problem, secret=secret, said=said, ok=ok,
    )  # fmt: skip


@allow("admin")
async def change(request: web.Request) -> web.StreamResponse:
    """Change a receiver's address, events or deadline."""
    form, name = await form_of(request), _name(request)
    try:
        deed = ChangeReceiver(name, *await _described(request, form, name))
        await parts_of(request).deeds.do(deed, actor_of(request))
    except InputError as error:
        return await _one(request, 422, str(error))
    return see_other(_path(name, "webhook_changed"))


@allow("admin")
async def rotate(request: web.Request) -> web.StreamResponse:
    """Make a new secret, shown only once; for a while the old one signs too."""
    form, name = await form_of(request), _name(request)
    try:
        overlap_s = whole_number(form, "hours", 0, 720) * 3600.0
        secret = await parts_of(request).deeds.do(RotateSecret(name, overlap_s), actor_of(request))
    except InputError as error:
        return await _one(request, 422, str(error))
    return await _one(request, secret=secret)


@allow("admin")
async def test(request: web.Request) -> web.StreamResponse:
    """Send a signed test event now, and show the receiver's answer."""
    parts, name = parts_of(request), _name(request)
    began = time.monotonic()
    outcome = await parts.deeds.do(TestReceiver(name), actor_of(request))
    took = time.monotonic() - began
    ok = outcome.status is not None and 200 <= outcome.status < 300
    said = t("admin.webhooks.tested", answer=reason_of(outcome), ms=round(took * 1000))
    return await _one(request, said=said, ok=ok)


@allow("admin")
async def switch(request: web.Request) -> web.StreamResponse:
    """Suspend or resume sending to a receiver."""
    form, name = await form_of(request), _name(request)
    by = actor_of(request)
    reason = t("admin.webhooks.disabled_by", name=by.name)
    await parts_of(request).deeds.do(SwitchReceiver(name, form.get("enabled") == "1", reason), by)
    return see_other(_path(name, "webhook_changed"))


@allow("admin")
async def remove(request: web.Request) -> web.StreamResponse:
    """Remove a stored receiver."""
    await parts_of(request).deeds.do(RemoveReceiver(_name(request)), actor_of(request))
    return see_other("/admin/webhooks?done=webhook_removed")


@allow("admin")
async def replay(request: web.Request) -> web.StreamResponse:
    """Send events again: one, those given up, or a period."""
    form, name = await form_of(request), _name(request)
    parts = parts_of(request)
    try:
        event, since, until = form.get("event") or None, moment(form, "since"), moment(form, "until")
        failed = form.get("which") != "all" and not event
        which = Which(name, event, None, form.get("type") or None, since, until, failed=failed)
        number = await parts.deeds.do(Replay(which, everything=True), actor_of(request))
    except InputError as error:
        return await _one(request, 422, str(error))
    return await _one(request, said=t("admin.webhooks.replayed", n=number), ok=number > 0)


def moment(form: Mapping[str, str], name: str) -> float | None:
    """Unix seconds of a form's `datetime-local`, taken as UTC; None if empty.

    Raises:
        InputError: it is not a valid time.
    """
    text = form.get(name, "")
    if not text:
        return None
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(t("admin.webhooks.no_time", text=text)) from None
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()


async def _described(
    request: web.Request, form: Mapping[str, str], name: str
) -> tuple[str, tuple[str, ...], float]:
    """Address, events and deadline that a form describes; the deed checks them like those of the settings."""
    events = tuple((await fields(request)).getall("events", []))
    url, stored = form.get("url", ""), parts_of(request).store.receivers.find(name)
    if stored is not None and url == shown_url(stored.url):
        url = stored.url  # the form shows it without its secrets: it was left unchanged
    elif HIDDEN in url:
        raise InputError(t("admin.webhooks.hidden", hidden=HIDDEN))
    return url, events, float(whole_number(form, "timeout_s", 1, 60))


def _path(name: str, done: str) -> str:
    return f"{receiver_path(name)}?done={done}"


def _name(request: web.Request) -> str:
    name = receiver_name(request.match_info["key"])
    if name is None:
        raise web.HTTPNotFound
    return name


def routes() -> list[web.RouteDef]:
    """Where the pages are."""
    one = "/admin/webhooks/{key}"
    return [
        web.get("/admin/webhooks", webhooks),
        web.post("/admin/webhooks", add),
        web.get(one, webhook),
        web.post(one, change),
        web.post(f"{one}/rotate", rotate),
        web.post(f"{one}/test", test),
        web.post(f"{one}/switch", switch),
        web.post(f"{one}/replay", replay),
        web.post(f"{one}/remove", remove),
    ]
