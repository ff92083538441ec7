"""The page of review: one window at a time, heard or read without the model's answer, and labelled."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from emocx_pbx.deeds.review_deeds import LabelWindow
from emocx_pbx.deeds.reviews import KINDS
from emocx_pbx.errors import InputError, NotFoundError
from emocx_pbx.review.windows import ANSWERS, Kind
from emocx_pbx.web.guards import form_of
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.identity.sessions import actor_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.render import render, see_other
from emocx_pbx.web.strings import t
from emocx_pbx.web.v1.reviews import MOST_OPEN, seen_item
from emocx_pbx.web.v1.who import only_queues

#: The key for each label; in the order that the page shows, not that of LABELS.
KEYS: Final = (("angry", "1"), ("disappointed", "2"), ("neutral", "3"), ("happy", "4"), ("unclear", "0"))


def kind_of(given: str) -> Kind:
    """voice, unless text is asked for.

    Raises:
        InputError: it is neither.
    """
    for kind in KINDS:
        if given in {kind, "" if kind == "voice" else kind}:
            return kind
    raise InputError("kind: expected voice or text")


@allow("admin", "supervisor")
async def review(request: web.Request) -> web.StreamResponse:
    """The next window, or the one requested again."""
    reviews, author = parts_of(request).store.reviews, actor_of(request).name
    kind, team = kind_of(request.query.get("kind", "")), only_queues(request)
    waiting = {k: await reviews.open(k, author, team, MOST_OPEN) for k in KINDS}
    done, last = await reviews.done(kind, author)
    again = request.query.get("item", "")
    shown = again or next(iter(waiting[kind]), "")
    item = await reviews.item(shown, team) if shown else None
    said = (await reviews.labels(shown)).get(author, "") if item is not None else ""
    if again and not said:
        item = None  # only one's own labels can be changed
    settings = parts_of(request).settings
    return render(
        request, "review.html", kind=kind, kinds=KINDS, waiting={k: len(w) for k, w in waiting.items()},
        item=item, said=said, done=done, last=last if last != shown else None, keys=KEYS, most=MOST_OPEN,
        keep_days=settings.privacy.keep_days, problem=request.query.get("problem") == "taken",
    )  # fmt: skip


@allow("admin", "supervisor")
async def label(request: web.Request) -> web.StreamResponse:
    """Keep the visitor's label for a window, then show the next one."""
    item, form = await seen_item(request), await form_of(request)
    said = str(form.get("label", ""))
    if said not in ANSWERS:
        raise InputError(t("review.no_label"))
    try:
        await parts_of(request).deeds.do(LabelWindow(item.item_id, said), actor_of(request))
    except NotFoundError:
        raise web.HTTPNotFound(text=t("errors.e404", "")) from None
    except InputError:
        return see_other(f"/review?kind={item.kind}&problem=taken")
    return see_other(f"/review?kind={item.kind}")


def routes() -> list[web.RouteDef]:
    """Where these are; the sound is at the API's address."""
    return [
        web.get("/review", review),
        web.post("/review/{item_id}", label),
    ]
