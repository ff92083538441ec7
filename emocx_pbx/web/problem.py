"""Errors for programs, as problem documents (RFC 9457)."""

from __future__ import annotations

from aiohttp import web


def problem(status: int, title: str, detail: str) -> web.Response:
    """An RFC 9457 problem document."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    return web.json_response(body, status=status, content_type="application/problem+json")
