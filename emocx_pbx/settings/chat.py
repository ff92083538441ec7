"""The settings' section [chat]: the customers' page and the widget."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from emocx_pbx.settings.names import OptionalQueueName, QueueName

Count = Annotated[int, Meta(ge=1, le=100_000)]

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")


class ChatSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The customers' page /chat and its widget."""

    mode: Literal["off", "local", "public"] = "local"
    """off; local: for browsers on this machine, to try it out; public: for everybody who can reach the
    server."""
    title: str = "Contact us"
    """Heading of the page."""
    privacy_url: str = ""
    """Your privacy notice, linked beside the consent; empty: no link."""
    privacy_text: str = "Privacy notice"
    """Text of that link."""
    origins: tuple[str, ...] = ()
    """Sites that may embed the chat, e.g. ["https://www.example.com"]."""
    queues: dict[QueueName, str] = {}
    """What customers call your queues, e.g. {support = "our support team"}; others are "the right team"."""
    default_queue: OptionalQueueName = ""
    """Queue where the policy names none, and without consent; empty: the policy's default_queue."""
    call_backs: bool = False
    """Whether customers may ask to be called back; [dialling] says which numbers."""
    queries_per_address: Count = 10
    """Queries from one address within ten minutes."""
    queries_per_minute: Count = 60
    """Queries from all addresses together within a minute."""
    calls_per_address: Count = 3
    """Callbacks requested from one address within an hour."""


def chat_problems(chat: ChatSettings) -> list[tuple[str, str]]:
    """Place and problem of settings that are wrong in themselves."""
    found = []
    for i, origin in enumerate(chat.origins):
        if not _ORIGIN.fullmatch(origin):
            found.append((f"chat.origins[{i}]", f"expected like https://www.example.com, got {origin!r}"))
    if chat.privacy_url and urlsplit(chat.privacy_url).scheme not in {"http", "https"}:
        found.append(("chat.privacy_url", "expected an address that begins with https:// or http://"))
    return found
