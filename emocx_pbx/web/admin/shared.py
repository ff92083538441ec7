"""What the administration's pages share: their frame, and form parsing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from emocx_pbx.errors import InputError
from emocx_pbx.web.guards import form_of as fields
from emocx_pbx.web.numbers import whole
from emocx_pbx.web.render import render
from emocx_pbx.web.strings import t, texts

#: Key and address of each page, in the order of the navigation.
SECTIONS: Final = (
    ("overview", "/admin"),
    ("users", "/admin/users"),
    ("tokens", "/admin/tokens"),
    ("webhooks", "/admin/webhooks"),
    ("policy", "/admin/policy"),
    ("models", "/admin/models"),
    ("accuracy", "/admin/accuracy"),
    ("check", "/admin/check"),
    ("retention", "/admin/retention"),
    ("audit", "/admin/audit"),
)

#: Pages whose list has a download: `admin/sheets.py`.
SHEETS: Final = frozenset({"users", "tokens", "webhooks", "models"})
DAY_S: Final = 86_400.0


def page(request: web.Request, section: str, *, status: int = 200, **context: Any) -> web.Response:
    """A page `admin/<section>.html` within the administration's frame.

    `done` in the address is the key of what was done, shown at the top (`admin.done.<key>`).
    """
    done = f"admin.done.{request.query.get('done', '')}"
    said = t(done) if request.method == "GET" and done in texts() else ""
    sheet = f"/admin/{section}.csv" if section in SHEETS and "template" not in context else ""
    context = {"problem": "", "template": f"admin/{section}.html", "sheet": sheet, **context}
    template = context.pop("template")
    return render(request, template, status=status, section=section, sections=SECTIONS, done=said, **context)


async def form_of(request: web.Request) -> Mapping[str, str]:
    """A form's values, stripped; the last one of a repeated name."""
    return {key: value.strip() for key, value in (await fields(request)).items()}


def whole_number(form: Mapping[str, str], name: str, least: int, most: int) -> int:
    """A whole number of a form.

    Raises:
        InputError: it is not a whole number, or out of range.
    """
    value = whole(form.get(name, "").removeprefix("+"))
    if value is None or not least <= value <= most:
        raise InputError(t("admin.number", name=name, least=least, most=most))
    return value
