"""The page of one call, and who may see and do what on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from emocx_pbx.deeds.grades import REASON_CHARS, rubric_in_force
from emocx_pbx.grading.rubric import Rubric
from emocx_pbx.store.account_rows import User
from emocx_pbx.store.rows import CallDetail
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.identity.sessions import user_of
from emocx_pbx.web.numbers import whole
from emocx_pbx.web.pages.recording import playable
from emocx_pbx.web.pages.shared import only_agent, seen_call
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.render import render
from emocx_pbx.web.seen import corrections_seen
from emocx_pbx.web.shown.call import call_view

#: Deliveries shown; a call has about ten events.
DELIVERIES: Final = 200
_DONE: Final = frozenset({"override", "dispute", "correct", "replay"})


@dataclass(frozen=True, slots=True)
class May:
    """What the viewer is allowed to do on a call's page."""

    override: bool
    dispute: str
    """`all`, or the one agent whose grades the viewer may dispute."""
    correct: bool
    replay: bool
    deliveries: bool


@dataclass(frozen=True, slots=True)
class Wrong:
    """A form that was refused: what was in it, and why."""

    form: str
    segment: int
    problem: str
    reason: str = ""
    score: str = ""


def may(user: User) -> May:
    """By role."""
    leads = user.role in {"admin", "supervisor"}
    return May(leads, "all" if leads else user.agent or "", leads, user.role == "admin", leads)


async def rubric_of(request: web.Request) -> Rubric:
    """The rubric in force."""
    parts = parts_of(request)
    return await rubric_in_force(parts.store, parts.settings.rubric_path())


@allow("admin", "supervisor", "agent")
async def call(request: web.Request) -> web.StreamResponse:
    """All that is known about a call."""
    detail = await seen_call(request)
    given = request.query.get("correct", "")
    correcting = whole(given) if may(user_of(request)).correct else None
    return render(request, "call.html", **await call_context(request, detail), correcting=correcting)


async def call_context(
    request: web.Request, detail: CallDetail, wrong: Wrong | None = None
) -> Mapping[str, Any]:
    """What the page's templates need, but for `correcting`."""
    parts, rights = parts_of(request), may(user_of(request))
    call_id = detail.call.call_id
    view = call_view(
        detail,
        parts.now(),
        await parts.store.outbox.deliveries(call_id=call_id, limit=DELIVERIES) if rights.deliveries else (),
        corrections_seen(await parts.store.lists.corrections_of_call(call_id), detail),
        only_agent(request),
        (await rubric_of(request)).evidence.stay_s,
        detail.alerts,
    )
    done = request.query.get("done", "")
    begins = parts.settings.recordings.begins
    plays, problem = await playable(request, detail)
    return {
        "view": view,
        "may": rights,
        "wrong": wrong,
        "longest": REASON_CHARS,
        "done": done if done in _DONE else "",
        "recording": plays,
        "recording_problem": problem,
        "recording_begins": view.wait_s or 0.0 if begins == "answer" else 0.0,
    }


def routes() -> list[web.RouteDef]:
    """Where it is."""
    return [web.get("/calls/{call_id}", call)]
