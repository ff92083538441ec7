"""What the dialplan asks, and what anybody on its port may name: checked before anything is told of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast
from unittest.mock import AsyncMock
from uuid import uuid4

import pytest

from emocx_pbx.dispatch.announced import KEEP_S, Announced
from emocx_pbx.dispatch.dialplan import Dialplan, PbxAsking
from emocx_pbx.dispatch.door_messages import VARIABLES
from emocx_pbx.dispatch.queries import Caller, Queries
from emocx_pbx.domain import Decision
from emocx_pbx.errors import PeerUnavailable, ProtocolError, RefusedError
from emocx_pbx.pbx.agi.allow import AllowList
from emocx_pbx.pbx.agi.forwarded import ForwardedRequest
from emocx_pbx.pbx.agi.server import AgiRequest
from emocx_pbx.pbx.ami.message import AmiResponse


class Desk:
    """In place of the doors."""

    def __init__(self) -> None:
        self.listened: list[str] = []

    async def listen(self, uuid: str, call_id: str) -> str:
        self.listened.append(uuid)
        return "10.0.0.1:9092"


class Ami:
    """Knows some channels."""

    def __init__(self) -> None:
        self.channels: dict[str, str] = {}
        self.away = False

    async def action(
        self, name: str, fields: Mapping[str, str | list[str]] | None = None, deadline_s: float | None = None
    ) -> AmiResponse:
        if self.away:
            raise PeerUnavailable("no link")
        channel = str((fields or {})["Channel"])
        if channel not in self.channels:
            raise RefusedError("No such channel")
        return AmiResponse({"Response": "Success", "Value": self.channels[channel]})


class Bench:
    def __init__(self, most: int = 3) -> None:
        self.now, self.ami, self.desk = 0.0, Ami(), Desk()
        self.counts: Counter[str] = Counter()
        self.waiting: set[str] = set()
        self.forgotten: list[str] = []
        self.announced = Announced(
            self.ami, self, self.forgotten.append, lambda name: self.counts.update([name]),
            lambda: self.now, most,
        )  # fmt: skip
        self.dialplan = Dialplan(
            cast(Queries, self.desk), self.asking, lambda name: self.counts.update([name]), lambda: 1.0
        )
        self.callers: list[str] = []
        self.allow: AllowList | None = None
        self.acts = True

    def asking(self, pbx: str) -> PbxAsking | None:
        if pbx not in {"", "berlin", "vienna"}:
            return None
        return PbxAsking(pbx, self.announced, self, self.allow, lambda: self.acts)

    def announce(self, call_id: str, channel: str, caller: str, at: float) -> None:
        self.waiting.add(call_id)
        self.callers.append(caller)

    def is_to_join(self, call_id: str) -> bool:
        return call_id in self.waiting

    async def ask(self, path: str = "listen", *args: str, **env: str) -> Mapping[str, str]:
        opening = {"agi_network_script": path, "agi_uniqueid": "1700.1", "agi_channel": "PJSIP/a-1", **env}
        opening |= {f"agi_arg_{i}": arg for i, arg in enumerate(args, 1)}
        return await self.dialplan.answer(AgiRequest(opening, cast(Any, None)))


UUID = str(uuid4())


async def test_the_same_uniqueid_of_two_pbxes_is_two_calls() -> None:
    bench = Bench()
    await bench.ask("listen?pbx=berlin", UUID)
    await bench.ask("listen?pbx=vienna", UUID)
    await bench.ask("listen", UUID)
    assert bench.waiting == {"berlin/1700.1", "vienna/1700.1", "1700.1"}


async def test_a_standby_decides_and_follows_no_call() -> None:
    bench = Bench()
    bench.acts = False
    assert await bench.ask("listen", UUID) == {"EMOCX_AUDIO": "10.0.0.1:9092"}
    assert not bench.waiting and len(bench.announced) == 0


@pytest.mark.parametrize("path", ["listen?pbx=paris", "check?pbx=paris", "listen?pbx=Berlin"])
async def test_a_pbx_that_nobody_configured_is_refused_and_counted(path: str) -> None:
    bench = Bench()
    with pytest.raises(RefusedError, match="EMOCX_PBX is"):
        await bench.ask(path, UUID)
    assert not bench.waiting and bench.counts["agi_unknown_pbx"] == 1


async def test_one_pbx_can_not_ask_for_another() -> None:
    bench = Bench()
    bench.allow = AllowList(["192.0.2.9"])
    asked = {"agi_network_script": "check?pbx=berlin", "agi_uniqueid": "1.1", "agi_channel": "a"}
    request = AgiRequest(asked, cast(Any, None), "192.0.2.9", "192.0.2.1")
    assert await bench.dialplan.answer(request)
    with pytest.raises(RefusedError, match="may not ask for it"):
        await bench.dialplan.answer(AgiRequest(asked, cast(Any, None), "192.0.2.8", "192.0.2.1"))
    assert bench.counts["agi_unknown_pbx"] == 1


async def test_a_question_is_announced_by_its_uuid() -> None:
    bench = Bench()
    assert await bench.ask("listen", UUID.upper()) == {"EMOCX_AUDIO": "10.0.0.1:9092"}
    assert bench.desk.listened == [UUID]


@pytest.mark.parametrize("path", ["listen", "heard"])
@pytest.mark.parametrize(
    "args", [(), ("",), ("x",), ("5a",), ("{" + UUID[:34] + "}",), (UUID + "0",), ("é" * 36,)]
)
async def test_a_question_without_a_uuid_is_refused_in_one_line(path: str, args: tuple[str, ...]) -> None:
    bench = Bench()
    with pytest.raises(ProtocolError, match=f"/{path} needs the UUID"):
        await bench.ask(path, *args)
    assert not bench.desk.listened and not bench.waiting and not len(bench.announced)


@pytest.mark.parametrize(
    ("env", "what"),
    [
        ({"agi_channel": "PJSIP/" + "x" * 2000}, "agi_channel"),
        ({"agi_channel": ""}, "agi_channel"),
        ({"agi_channel": "a\x1fb"}, "agi_channel"),
        ({"agi_uniqueid": ""}, "agi_uniqueid"),
        ({"agi_uniqueid": "1" * 150}, "agi_uniqueid"),
        ({"agi_uniqueid": "17 1"}, "agi_uniqueid"),
        ({"agi_uniqueid": "17.1\n"}, "agi_uniqueid"),
    ],
)
async def test_what_no_asterisk_sends_names_no_call(env: dict[str, str], what: str) -> None:
    bench = Bench()
    with pytest.raises(ProtocolError, match=re.escape(what)):
        await bench.ask("listen", UUID, **env)
    assert not bench.waiting


class Routing(Desk):
    """Keeps who asked."""

    async def by_text(self, text: str, caller: Caller) -> Decision:
        self.caller = caller
        return Decision("d", 1.0, "ok", caller.default_queue or "", "uncertain", 0.0, None)


async def route(number: str = "", **variables: str) -> tuple[Routing, list[str]]:
    """The door after a call with these channel variables, and the numbers that were told."""
    desk, bench = Routing(), Bench()
    dialplan = Dialplan(cast(Queries, desk), bench.asking, now=lambda: 1.0)
    request = AgiRequest(
        {"agi_network_script": "route", "agi_uniqueid": "1", "agi_channel": "a", "agi_callerid": number},
        cast(Any, None),
    )
    request.get_variables = AsyncMock(  # type: ignore[method-assign]
        side_effect=lambda names: {name: variables.get(name, "") for name in names}
    )
    await dialplan.answer(request)
    return desk, bench.callers


@pytest.mark.parametrize(
    ("given", "named"), [("0f" * 16, "0f" * 16), ("0F" * 16, ""), ("0f", ""), ("x" * 32, ""), ("", "")]
)
async def test_a_question_that_a_door_names_keeps_its_name(given: str, named: str) -> None:
    desk = Routing()
    opening = {"agi_network_script": "route", "agi_uniqueid": "1", "agi_channel": "a"}
    request = ForwardedRequest(opening, dict.fromkeys(VARIABLES, ""), given)
    await Dialplan(cast(Queries, desk), Bench().asking).answer(request)
    assert desk.caller.question == named


@pytest.mark.parametrize(("given", "kept"), [(" KD-1 ", "KD-1"), ("a+b@x.org", "a+b@x.org"), (" ", None)])
async def test_a_customers_key_is_kept_as_by_every_door(given: str, kept: str | None) -> None:
    desk, _ = await route(EMOCX_CUSTOMER=given)
    assert desk.caller.customer_key == kept


@pytest.mark.parametrize("given", ["KD\x001", "KD-1\nKD-2", "x" * 60_000])
async def test_what_no_customer_is_called_is_left_out_and_the_query_decided(given: str) -> None:
    desk, _ = await route(EMOCX_CUSTOMER=given, EMOCX_DEFAULT_QUEUE="Zürich (EN)")
    assert desk.caller.customer_key is None and desk.caller.default_queue == "Zürich (EN)"


@pytest.mark.parametrize("given", ["a,b", "${X}", "a|b", "x" * 60_000, "a)b"])
async def test_a_queue_that_could_not_be_set_stays_the_dialplans(given: str) -> None:
    with pytest.raises(ProtocolError, match="EMOCX_DEFAULT_QUEUE"):
        await route(EMOCX_DEFAULT_QUEUE=given)


@pytest.mark.parametrize(("given", "observed"), [("+4930", "+4930"), ("9" * 30_000, ""), ("1\x1f2", "")])
async def test_a_calling_number_is_one_or_none(given: str, observed: str) -> None:
    assert (await route(given))[1] == [observed]


async def test_too_many_calls_that_never_join_get_the_dialplans_default() -> None:
    bench = Bench(most=3)
    for n in range(3):
        await bench.ask("listen", UUID, agi_uniqueid=f"1.{n}")
    with pytest.raises(PeerUnavailable, match="3 calls have asked"):
        await bench.ask("listen", UUID, agi_uniqueid="1.3")
    assert bench.counts["calls_announced_crowded"] == 1
    bench.waiting.discard("1.0")  # joined: there is room
    await bench.ask("listen", UUID, agi_uniqueid="1.3")


async def test_a_call_that_asterisk_does_not_know_is_forgotten_after_a_minute() -> None:
    bench = Bench()
    await bench.ask("listen", UUID, agi_uniqueid="1.1", agi_channel="PJSIP/nobody")
    await bench.ask("listen", UUID, agi_uniqueid="1.2", agi_channel="PJSIP/real")
    bench.ami.channels["PJSIP/real"] = "1.2"
    bench.now = KEEP_S - 1
    await bench.announced.sweep()
    assert bench.forgotten == []
    bench.now = KEEP_S
    bench.ami.away = True
    await bench.announced.sweep()
    assert bench.forgotten == []  # not knowing is no reason to end a caller's call
    bench.ami.away = False
    bench.now += KEEP_S
    await bench.announced.sweep()
    assert bench.forgotten == ["1.1"] and bench.counts["calls_never_joined"] == 1
    assert len(bench.announced) == 1


async def test_a_channel_of_another_call_does_not_vouch() -> None:
    bench = Bench()
    await bench.ask("listen", UUID, agi_uniqueid="1.1", agi_channel="PJSIP/real")
    bench.ami.channels["PJSIP/real"] = "1.2"
    bench.now = KEEP_S
    await bench.announced.sweep()
    assert bench.forgotten == ["1.1"]
