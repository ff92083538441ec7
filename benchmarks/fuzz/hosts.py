"""What crosses between hosts: right messages, some of them broken."""

from __future__ import annotations

import contextlib
import copy
import random
from typing import Any, Final

import msgspec

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.analysis.cluster.messages import (
    Beat,
    DecidedAlone,
    Draining,
    Echo,
    FromWorkerHost,
    Order,
    Sessions,
    TapBatch,
    ToWorkerHost,
)
from emocx_pbx.analysis.cluster.model_set import ModelFile, ModelPackage, ModelProgress, ModelSet, ModelsNews
from emocx_pbx.analysis.messages import (
    AnnounceTap,
    CallerPlaced,
    ListenResult,
    Ready,
    TapStarted,
    UtteranceEnded,
)
from emocx_pbx.chat.moves import CallTalks
from emocx_pbx.deeds.deed import DisputeGrade
from emocx_pbx.dispatch.door_messages import AnsweredToDoor, AskedAtDoor, NotDecided
from emocx_pbx.domain import CallerPlace, Decision
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.web.messages import DoDeed
from emocx_pbx.web.nodes.messages import AskBoard, ControllerBeat, FromController, NodeBeat, WebNews
from emocx_pbx.web.nodes.messages import ToController as ToWebController
from emocx_pbx.wire.link import decoded
from emocx_pbx.wire.message import BadMessage

_BETWEEN_HOSTS: Final = tuple(
    msgspec.msgpack.Decoder(kind)
    for kind in (
        Beat,
        TapBatch,
        ToWorkerHost,
        FromWorkerHost,
        TapStarted | CallerPlaced,
        ListenResult,
        Echo,
        Draining,
        AskedAtDoor,
        AnsweredToDoor,
        AnsweredToDoor | NotDecided,
        ModelSet,
        ModelsNews,
        ModelProgress,
        WebNews,
        ToWebController,
        FromController,
        NodeBeat,
    )
)
_UUID: Final = "5a0f1f9e-0000-4000-8000-000000000001"
_DECISION: Final = Decision("d", 1.0, "ok", "care", "angry", 0.9, {"angry": 0.9}, reasons=("a rule",))
_FILES: Final = (ModelFile("card.json", "0" * 64, 10),)
_RIGHT: Final = tuple(
    msgspec.to_builtins(message)
    for message in (
        Beat("n1-0", "n1-0-a", "n1", "", "10.0.0.1:9092", "1.0", {}, Ready(9092, "cnn/3", "lstm/3", None)),
        TapBatch(
            _UUID, "c1", 1, (UtteranceEnded(_UUID, "c1", "agent", 0.0, 1.0),), TapStarted(_UUID, "c1", 1.0)
        ),
        CallerPlaced(_UUID, "c1", CallerPlace("voice/7", (0.5, -0.25), 3)),
        TapBatch(_UUID, "c1", 1, (DecidedAlone(_UUID, "c1", _DECISION, "crm-1", False, "hello"),)),
        Order("life", AnnounceTap(_UUID, "c1", "stereo", alerts=(AlertRule(name="a", when="angry"),))),
        Sessions((_UUID,)),
        AskedAtDoor({"agi_uniqueid": "1.1"}, {"EMOCX_QUERY": "hello"}),
        AnsweredToDoor({"EMOCX_STATUS": "ok"}, "life"),
        WebNews("life", ControllerBeat("n1", "1.0", {"berlin": 3}, 7, 2)),
        WebNews("life", CallTalks("c1", 1.0)),
        NodeBeat("life", "w1", "1.0", (("requests", "user 1", 3),)),
        AskBoard("life"),
        DoDeed(0, DisputeGrade("c1", 0, "not so", None), Actor("ann", "192.0.2.1"), 5.0),
        ModelSet(3, (ModelPackage("speech", "voice", "6", _FILES, 1.0, "ann", "better"),)),
        ModelsNews(3),
        ModelProgress("n1-0", "n1-0-a", "d" * 32, "failed", "no room"),
    )
)


def between_hosts(chance: random.Random) -> None:
    """A message over NATS as it should be, some of it replaced by anything, at any depth."""
    values: list[Any] = [_UUID, "", "x" * 300, 1, -1.0, float("nan"), None, [], {}, {"a": 1}, True]
    body = copy.deepcopy(chance.choice(_RIGHT))
    for _ in range(chance.randrange(4)):
        place: Any = body
        key = chance.choice(list(place))
        while isinstance(place[key], dict | list) and place[key] and chance.random() < 0.7:
            place = place[key]
            key = chance.randrange(len(place)) if isinstance(place, list) else chance.choice(list(place))
        place[key] = copy.deepcopy(chance.choice((*values, *_RIGHT)))
    raw = bytearray(msgspec.msgpack.encode(body))
    if chance.random() < 0.3:
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    for decoder in _BETWEEN_HOSTS:
        with contextlib.suppress(BadMessage):
            decoded(decoder, bytes(raw))
