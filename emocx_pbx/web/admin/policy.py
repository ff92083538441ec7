"""The policy: viewing it, trying it on past queries, and saving it as the file that the service reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from emocx_pbx.call_ids import pbx_of
from emocx_pbx.deeds.deed import SavePolicy
from emocx_pbx.deeds.policy import digest
from emocx_pbx.errors import EmocxError, InputError, SettingsError
from emocx_pbx.routing.policy import Policy, parse_policy, policy_text, validate
from emocx_pbx.routing.preview import PastQuery, Previewed, preview
from emocx_pbx.web.admin.shared import page
from emocx_pbx.web.guards import form_of as fields
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.identity.sessions import actor_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.render import see_other
from emocx_pbx.web.strings import t
from emocx_pbx.web.v1.export import short_csv

#: Most past queries that a policy is tried on, and most differences listed.
TRIED: Final = 500
LISTED: Final = 50
#: A policy's decision, as a spreadsheet shows it.
_EFFECT: Final = ("queue", "rule", "priority", "min_penalty", "max_penalty")


@allow("admin")
async def policy(request: web.Request) -> web.StreamResponse:
    """The policy in force."""
    text = policy_text(parts_of(request).settings.policy_path())
    return await _page(request, text, digest(text))


async def _page(
    request: web.Request,
    text: str,
    based_on: str,
    *,
    status: int = 200,
    problem: str = "",
    tried: bool = False,
) -> web.Response:
    parts = parts_of(request)
    queues, warnings = parts.controller.queues, []
    shown: Sequence[Previewed] = ()
    read = None
    try:
        read = parse_policy(text)
        warnings = validate(read, queues) if queues else [t("admin.policy.queues_unknown")]
    except EmocxError as error:
        status, problem = 422, problem or str(error)
    if tried and read is not None:
        shown = await _tried(request, read)
    return page(
        request, "policy", status=status, text=text, based_on=based_on, problem=problem, warnings=warnings,
        file=parts.settings.policy_path(), tried=tried and read is not None, number=len(shown),
        different=[p for p in shown if p.differs][:LISTED], limit=LISTED, queues=queues, read=read,
        differing=sum(p.differs for p in shown), routing=parts.settings.routing,
    )  # fmt: skip


async def _tried(request: web.Request, other: Policy) -> Sequence[Previewed]:
    """What a policy would have done with past queries."""
    parts = parts_of(request)
    # A query without a call belongs to the PBX that places calls, unless it named another, which is not kept.
    elsewhere = parts.settings.placing_pbx
    past = [
        PastQuery(row.decision, row.customer_key, elsewhere if row.call_id is None else pbx_of(row.call_id))
        for row in await parts.store.decisions.between(limit=TRIED)
    ]
    threshold = parts.settings.routing.upset_threshold
    return preview(past, parts.controller.policy, other, parts.controller.pbx_queues, threshold)


async def _sheet(request: web.Request, text: str, based_on: str) -> web.StreamResponse:
    """All callers who would be routed differently, for a spreadsheet; the page, if the text is not a valid
    policy.
    """
    try:
        shown = await _tried(request, parse_policy(text))
    except EmocxError:
        return await _page(request, text, based_on)
    head = ("decision_at", "emotion", "confidence", "language", "topic",
            *(f"{name}_{when}" for when in ("now", "then") for name in _EFFECT))  # fmt: skip
    rows = [
        (p.past.at, p.past.emotion, p.past.confidence, p.past.language, p.past.topic,
         *(getattr(decision, name) for decision in (p.now, p.then) for name in _EFFECT))
        for p in shown
        if p.differs
    ]  # fmt: skip
    return short_csv(request, "policy-tried.csv", head, rows)


@allow("admin")
async def change(request: web.Request) -> web.StreamResponse:
    """Try a text on past queries, or save it."""
    form = await fields(request)
    text = str(form.get("text", "")).replace("\r\n", "\n")
    based_on = str(form.get("based_on", ""))
    if form.get("do") == "sheet":
        return await _sheet(request, text, based_on)
    if form.get("do") != "save":
        return await _page(request, text, based_on, tried=True)
    parts = parts_of(request)
    try:
        await parts.deeds.do(SavePolicy(text, based_on), actor_of(request))
    except (InputError, SettingsError) as error:
        return await _page(request, text, based_on, status=422, problem=str(error))
    await parts.controller.reload(wait=False)
    return see_other("/admin/policy?done=policy_saved")


def routes() -> list[web.RouteDef]:
    """Where the page is."""
    return [web.get("/admin/policy", policy), web.post("/admin/policy", change)]
