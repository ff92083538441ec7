"""The base of all messages between processes: MessagePack structs, tagged by the name of their class."""

from __future__ import annotations

import msgspec

from emocx_pbx.errors import ProtocolError


class BadMessage(ProtocolError, ValueError):
    """A message that must not cross; the stream that it came by is sound."""


class Message(msgspec.Struct, frozen=True, tag=True):
    """Base of all messages; the class name is the tag."""
