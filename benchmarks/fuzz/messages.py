"""What crosses between our own processes on one host."""

from __future__ import annotations

import contextlib
import random
from typing import Any, Final

import msgspec

from emocx_pbx.analysis.messages import ToController, ToWorker
from emocx_pbx.analysis.worker.scribe_messages import FromScribe, ToScribe
from emocx_pbx.web.messages import FromWeb, ToWeb
from emocx_pbx.wire.link import decoded
from emocx_pbx.wire.message import BadMessage

_DECODERS: Final = tuple(
    msgspec.msgpack.Decoder(kind) for kind in (ToWorker, ToController, FromScribe, ToScribe, FromWeb, ToWeb)
)
_NAMES: Final = (
    "AnnounceTap",
    "AnnounceListen",
    "EndSession",
    "ClassifyText",
    "TextResult",
    "ReadingMade",
    "Nothing",
    "DoDeed",
    "Ring",
    "MayDial",
    "DeedDone",
    "BoardChanged",
)
#: Of deeds, and what may stand in the place of one.
_DEEDS: Final = ("OverrideGrade", "Replay", "EraseCustomer", "AddUser", "KeepAnswer", "Nothing")


def messages(chance: random.Random) -> None:
    """A message with some of its fields."""
    values: list[Any] = [
        "5a0f1f9e-0000-4000-8000-000000000001",
        "",
        "x" * 300,
        1,
        -1.0,
        float("nan"),
        None,
        [],
        {},
    ]
    body: dict[str, Any] = {"type": chance.choice(_NAMES)}
    if chance.random() < 0.5:
        fields = ("call_id", "segment", "score", "reason", "which", "customer", "number", "name", "body")
        deed = {name: chance.choice(values) for name in fields if chance.random() < 0.7}
        body["deed"] = chance.choice((deed | {"type": chance.choice(_DEEDS)}, *values))
        body["by"] = chance.choice(({"name": "ann", "address": ""}, {"name": 1}, *values))
    for name in (
        "uuid",
        "call_id",
        "mode",
        "offset_s",
        "ttl_s",
        "request_id",
        "text",
        "probabilities",
        "threshold",
    ):
        if chance.random() < 0.7:
            body[name] = chance.choice(values)
    raw = bytearray(msgspec.msgpack.encode(body))
    if chance.random() < 0.3:
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    for decoder in _DECODERS:
        with contextlib.suppress(BadMessage):
            decoded(decoder, bytes(raw))
