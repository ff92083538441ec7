"""The base of all messages between processes: MessagePack structs, tagged by the name of their class."""

from __future__ import annotations

import msgspec


class Message(msgspec.Struct, frozen=True, tag=True):
    """Base of all messages; the class name is the tag."""
