"""Models and their cards: which are in use, how good they are, and which version a name stands for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from emocx_pbx.deeds.deed import PromoteModel, ResetLines
from emocx_pbx.deeds.lines import known_lines
from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.card import Card
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.errors import InputError, ModelError
from emocx_pbx.web.admin.shared import form_of, page
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.identity.sessions import actor_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.render import see_other
from emocx_pbx.web.strings import t

KINDS: Final = ("speech", "text")


@dataclass(frozen=True, slots=True)
class Listed:
    """A model version on disk."""

    kind: str
    name: str
    version: str
    current: bool
    """Whether the name alone stands for this version."""
    card: Card | None
    problem: str

    @property
    def title(self) -> str:
        """`name/version`."""
        return f"{self.name}/{self.version}"


def listed(registry: Registry) -> list[Listed]:
    """All models, their files' checksums compared."""
    found = []
    for kind in KINDS:
        for name in registry.names(kind):
            for version in reversed(registry.versions(kind, name)):
                card, problem = None, ""
                try:
                    card = registry.find(kind, f"{name}/{version}").card
                except ModelError as error:
                    problem = str(error)
                current = version == registry.current(kind, name)
                found.append(Listed(kind, name, version, current, card, problem))
    return found


def test_figures(card: Card) -> Mapping[str, Any]:
    """Recall by class on the test set, as the card states it; empty if it does not."""
    pooled = card.figures.get("test", {})
    pooled = pooled.get("pooled", pooled) if isinstance(pooled, Mapping) else {}
    recall = pooled.get("recall") if isinstance(pooled, Mapping) else None
    if not isinstance(recall, Mapping) or not all(str(label) in recall for label in LABELS):
        return {}
    number = pooled.get("clips", pooled.get("texts", pooled.get("rows")))
    return {"uar": pooled.get("uar"), "recall": recall, "number": number}


@allow("admin")
async def models(request: web.Request) -> web.StreamResponse:
    """All models, and which are in use."""
    parts = parts_of(request)
    registry = Registry(parts.settings.models_path())
    found = await asyncio.to_thread(listed, registry)
    in_use = {
        (kind, model)
        for ready in parts.controller.models()
        for kind, model in (("speech", ready.speech_model), ("text", ready.text_model))
        if model
    }
    lines = await known_lines(parts.store, parts.settings.analysis)
    return page(
        request, "models", models=found, in_use=in_use, folder=registry.path, labels=[str(x) for x in LABELS],
        analysis=parts.settings.analysis, figures=test_figures, lines=lines,
    )  # fmt: skip


@allow("admin")
async def pin(request: web.Request) -> web.StreamResponse:
    """Make a name stand for another version, and have running workers load it."""
    parts, form = parts_of(request), await form_of(request)
    kind, name, version = form.get("kind", ""), form.get("name", ""), form.get("version", "")
    if kind not in KINDS:
        raise InputError(t("admin.models.no_kind"))
    try:
        deed = PromoteModel(kind, name, version, "chosen on the models page")
        await parts.deeds.do(deed, actor_of(request))
    except ModelError as error:
        raise InputError(str(error)) from None
    problems = [problem for answer in await parts.controller.reload() for problem in answer.problems]
    if problems:
        raise InputError("; ".join(dict.fromkeys(problems)))
    return see_other("/admin/models?done=model_pinned")


@allow("admin")
async def reset(request: web.Request) -> web.StreamResponse:
    """Forget what was learnt about a line."""
    parts, form = parts_of(request), await form_of(request)
    await parts.deeds.do(ResetLines(form.get("model") or None, form.get("line") or None), actor_of(request))
    return see_other("/admin/models?done=lines_reset")


def routes() -> list[web.RouteDef]:
    """Where the page is."""
    return [
        web.get("/admin/models", models),
        web.post("/admin/models", pin),
        web.post("/admin/models/lines", reset),
    ]
