"""Webhooks: receivers, their secrets and failures, and sending again."""

from __future__ import annotations

import base64
import math
import secrets
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from emocx_pbx.errors import EmocxError, InputError
from emocx_pbx.settings.receiver_url import HIDDEN, shown_url
from emocx_pbx.settings.settings import EVENT_TYPES, WebhookSettings
from emocx_pbx.web.admin.shared import form_of, page, whole_number
from emocx_pbx.web.guards import form_of as fields
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.identity.sessions import actor_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.render import see_other
from emocx_pbx.web.shown.receiver_path import receiver_name, receiver_path
from emocx_pbx.web.strings import t
from emocx_pbx.webhooks.endpoints import check_endpoints
from emocx_pbx.webhooks.schedule import reason_of
from emocx_pbx.webhooks.signing import PREFIX

#: Deliveries listed of one receiver.
LISTED: Final = 50


@allow("admin")
async def webhooks(request: web.Request) -> web.StreamResponse:
    """All receivers with how their deliveries stand, and a form for a new one."""
    return await _list(request)


async def _list(
    request: web.Request, status: int = 200, problem: str = "", secret: str = "", **given: str
) -> web.Response:
    store = parts_of(request).store
    return page(
        request, "webhooks", status=status, receivers=store.receivers.current(),
        stored={s.name for s in store.receivers.stored()}, counts=await store.delivery_counts(),
        disabled=await store.disabled_endpoints(), types=EVENT_TYPES, problem=problem, secret=secret,
        given=given,
    )  # fmt: skip


@allow("admin")
async def add(request: web.Request) -> web.StreamResponse:
    """A new receiver; its secret is shown once."""
    form = await form_of(request)
    secret = new_secret()
    try:
        receiver = await _receiver(request, form, form.get("name", ""), secret)
        await parts_of(request).store.receivers.add(receiver, actor_of(request))
    except EmocxError as error:
        return await _list(request, 422, _plain(error), **form)
    return await _list(request, secret=secret, name=receiver.name)


@allow("admin")
async def webhook(request: web.Request) -> web.StreamResponse:
    """One receiver: what it wants, what it did not take, and what can be done."""
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
    counts = await store.delivery_counts()
    return page(
        request, "webhooks", template="admin/webhook.html", status=status, receiver=receiver,
        stored=store.receivers.find(name), disabled=(await store.disabled_endpoints()).get(name, ""),
        deliveries=await store.deliveries(name, shown, limit=LISTED),  # type: ignore[arg-type]
        state=state, types=EVENT_TYPES, now=parts_of(request).clock(), limit=LISTED,
        counts={s: counts.get((name, s), 0) for s in ("pending", "delivered", "failed")},
        problem=problem, secret=secret, said=said, ok=ok,
    )  # fmt: skip


@allow("admin")
async def change(request: web.Request) -> web.StreamResponse:
    """Another address, other events."""
    form, name = await form_of(request), _name(request)
    try:
        receiver = await _receiver(request, form, name, new_secret())
        await parts_of(request).store.receivers.change(receiver, actor_of(request))
    except EmocxError as error:
        return await _one(request, 422, _plain(error))
    return see_other(_path(name, "webhook_changed"))


@allow("admin")
async def rotate(request: web.Request) -> web.StreamResponse:
    """A new secret, shown once; for a time the old one signs too."""
    form, secret = await form_of(request), new_secret()
    try:
        hours = whole_number(form, "hours", 0, 720)
        await parts_of(request).store.receivers.rotate(
            _name(request), secret, hours * 3600.0, actor_of(request)
        )
    except InputError as error:
        return await _one(request, 422, str(error))
    return await _one(request, secret=secret)


@allow("admin")
async def test(request: web.Request) -> web.StreamResponse:
    """Send a signed test event now, and say what the receiver answered."""
    parts, name = parts_of(request), _name(request)
    began = time.monotonic()
    outcome = await parts.test_webhook(name)
    took = time.monotonic() - began
    ok = outcome.status is not None and 200 <= outcome.status < 300
    await parts.store.audit.add(actor_of(request), "webhook.tested", name, None, {"status": outcome.status})
    said = t("admin.webhooks.tested", answer=reason_of(outcome), ms=round(took * 1000))
    return await _one(request, said=said, ok=ok)


@allow("admin")
async def switch(request: web.Request) -> web.StreamResponse:
    """Send nothing more for now, or again."""
    form, name = await form_of(request), _name(request)
    receivers, by = parts_of(request).store.receivers, actor_of(request)
    if not any(e.name == name for e in receivers.current()):
        raise web.HTTPNotFound
    if form.get("enabled") == "1":
        await receivers.enable(name, by)
    else:
        await receivers.disable(name, t("admin.webhooks.disabled_by", name=by.name), by)
    return see_other(_path(name, "webhook_changed"))


@allow("admin")
async def remove(request: web.Request) -> web.StreamResponse:
    """Remove a stored receiver."""
    await parts_of(request).store.receivers.remove(_name(request), actor_of(request))
    return see_other("/admin/webhooks?done=webhook_removed")


@allow("admin")
async def replay(request: web.Request) -> web.StreamResponse:
    """Send events again: one, those given up, or a range of time."""
    form, name = await form_of(request), _name(request)
    parts = parts_of(request)
    try:
        event, since, until = form.get("event") or None, moment(form, "since"), moment(form, "until")
        number = await parts.store.replay(
            name, event, type=form.get("type") or None,
            since=-math.inf if since is None else since, until=math.inf if until is None else until,
            state="failed" if form.get("which") != "all" and not event else None,
        )  # fmt: skip
    except InputError as error:
        return await _one(request, 422, str(error))
    await parts.store.audit.add(
        actor_of(request), "webhook.replayed", name, None, {**form, "number": number, "csrf": ""}
    )
    return await _one(request, said=t("admin.webhooks.replayed", n=number), ok=number > 0)


def new_secret() -> str:
    """A random secret by Standard Webhooks."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def moment(form: Mapping[str, str], name: str) -> float | None:
    """Unix seconds of a form's `datetime-local`, taken as UTC; None if empty.

    Raises:
        InputError: no such time.
    """
    text = form.get(name, "")
    if not text:
        return None
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(t("admin.webhooks.no_time", text=text)) from None
    return (given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp()


async def _receiver(request: web.Request, form: Mapping[str, str], name: str, secret: str) -> WebhookSettings:
    """The receiver that a form describes, checked like those of the settings."""
    given = (await fields(request)).getall("events", [])
    url, stored = form.get("url", ""), parts_of(request).store.receivers.find(name)
    if stored is not None and url == shown_url(stored.url):
        url = stored.url  # the form shows it without its secrets: it was left as it is
    elif HIDDEN in url:
        raise InputError(t("admin.webhooks.hidden", hidden=HIDDEN))
    receiver = WebhookSettings(
        name=name,
        url=url,
        secret=secret,
        events=tuple(kind for kind in EVENT_TYPES if kind in given),
        timeout_s=float(whole_number(form, "timeout_s", 1, 60)),
    )
    check_endpoints([receiver])
    return receiver


def _plain(error: EmocxError) -> str:
    """Without the place in a settings file, which a form has not."""
    return str(error).partition("): ")[2] or str(error).partition(").")[2] or str(error)


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
