"""Users and roles: who may log in, as what, and one-time links for passwords."""

from __future__ import annotations

from aiohttp import web

from emocx_pbx.deeds.deed import AddUser, ChangeUser, DeleteUser, MakeLink
from emocx_pbx.errors import InputError
from emocx_pbx.store.account_rows import User
from emocx_pbx.web.admin.shared import form_of, page
from emocx_pbx.web.filters import NOTHING
from emocx_pbx.web.guards import form_of as fields
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.identity.sessions import actor_of, user_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.render import see_other


async def _page(
    request: web.Request, status: int = 200, problem: str = "", link: str = "", **given: str
) -> web.Response:
    users = await parts_of(request).store.accounts.users()
    return page(
        request, "users", status=status, users=users, agent_choices=await _agents(request),
        queues=await _queues(request), chosen=await _chosen(request), problem=problem, link=link, given=given,
    )  # fmt: skip


async def _agents(request: web.Request, present: str | None = None) -> list[tuple[str, str]]:
    """Names offered for new users: members of Asterisk's queues, and agents who have had a call."""
    parts = parts_of(request)
    members = {agent for queue in parts.controller.queues.values() for agent in queue.agents}
    known = members | set(await parts.store.accounts.known_agents()) | ({present} if present else set())
    return [("", NOTHING), *((name, name) for name in sorted(known, key=str.casefold))]


async def _queues(request: web.Request) -> list[str]:
    """Queues that can be given to a supervisor: Asterisk's, and those that have had a call."""
    parts = parts_of(request)
    return sorted({*parts.controller.queues, *(await parts.store.lists.names()).queues}, key=str.casefold)


async def _chosen(request: web.Request) -> list[str]:
    """The queues ticked in the submitted form."""
    return (await fields(request)).getall("queue", []) if request.method == "POST" else []


@allow("admin")
async def users(request: web.Request) -> web.StreamResponse:
    """All users, and a form for a new one."""
    return await _page(request)


@allow("admin")
async def add(request: web.Request) -> web.StreamResponse:
    """Add a user, and show the link through which they set their password."""
    form = await form_of(request)
    name, role, agent = form.get("name", ""), form.get("role", ""), form.get("agent", "")
    try:
        deed = AddUser(name, role, agent, tuple(await _chosen(request)))
        user = await parts_of(request).deeds.do(deed, actor_of(request))
    except InputError as error:
        return await _page(request, 422, str(error), **form)
    return await _with_link(request, user)


@allow("admin")
async def user(request: web.Request) -> web.StreamResponse:
    """One user."""
    return await _one(request, await _user(request))


async def _one(request: web.Request, shown: User, status: int = 200, problem: str = "") -> web.Response:
    accounts = parts_of(request).store.accounts
    return page(
        request, "users", template="admin/user.html", status=status, shown=shown, problem=problem,
        sessions=await accounts.sessions_of(shown.user_id), agent_choices=await _agents(request, shown.agent),
        queues=sorted({*await _queues(request), *(shown.queues or ())}, key=str.casefold),
        chosen=shown.queues or (),
    )  # fmt: skip


@allow("admin")
async def change(request: web.Request) -> web.StreamResponse:
    """Change a user's role, agent or team, or disable or enable the user."""
    shown, form = await _user(request), await form_of(request)
    role, agent, disabled = form.get("role", ""), form.get("agent", ""), form.get("disabled") == "1"
    try:
        queues = tuple(await _chosen(request))
        deed = ChangeUser(shown.user_id, role, agent, disabled, queues)
        await parts_of(request).deeds.do(deed, actor_of(request))
    except InputError as error:
        return await _one(request, shown, 422, str(error))
    return see_other("/admin/users?done=user_changed")


@allow("admin")
async def link(request: web.Request) -> web.StreamResponse:
    """A new one-time link."""
    return await _with_link(request, await _user(request))


@allow("admin")
async def delete(request: web.Request) -> web.StreamResponse:
    """Remove a user; nobody can remove themselves."""
    shown = await _user(request)
    try:
        deed = DeleteUser(shown.user_id, user_of(request).user_id)
        await parts_of(request).deeds.do(deed, actor_of(request))
    except InputError as error:
        return await _one(request, shown, 422, str(error))
    return see_other("/admin/users?done=user_deleted")


async def _with_link(request: web.Request, user: User) -> web.Response:
    parts = parts_of(request)
    path = await parts.deeds.do(MakeLink(user.user_id), actor_of(request))
    base = parts.settings.http.public_url.rstrip("/") or f"{request.scheme}://{request.host}"
    return await _page(request, link=base + path, name=user.name)


async def _user(request: web.Request) -> User:
    found = await parts_of(request).store.accounts.user(int(request.match_info["user_id"]))
    if found is None:
        raise web.HTTPNotFound
    return found


def routes() -> list[web.RouteDef]:
    """Where the pages are."""
    return [
        web.get("/admin/users", users),
        web.post("/admin/users", add),
        web.get(r"/admin/users/{user_id:\d{1,9}}", user),
        web.post(r"/admin/users/{user_id:\d{1,9}}", change),
        web.post(r"/admin/users/{user_id:\d{1,9}}/link", link),
        web.post(r"/admin/users/{user_id:\d{1,9}}/delete", delete),
    ]
