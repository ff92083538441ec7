"""The check finds what is wrong with an Asterisk, and says what to do."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from pbx.fake_ami import FakeAmi, message

from emocx_pbx.check.asterisk import ACTIONS, asterisk_findings
from emocx_pbx.check.check import check
from emocx_pbx.check.dialplan import CONF_VERSION
from emocx_pbx.check.finding import Finding
from emocx_pbx.check.local import local_findings
from emocx_pbx.check.received import EventsReceived
from emocx_pbx.check.tap import self_tap, tone
from emocx_pbx.errors import PeerUnavailable, RefusedError
from emocx_pbx.pbx.ami.message import AmiResponse
from emocx_pbx.pbx.audiosocket.protocol import Audio, Decoder, encode_audio, encode_uuid
from emocx_pbx.routing.policy import Policy, Rule
from emocx_pbx.settings.chat import ChatSettings
from emocx_pbx.settings.settings import AnalysisSettings, AsteriskSettings, Settings, StoreSettings

NOW = 1_000_000.0
RIGHTS = {name: "" for name, _, _ in ACTIONS}
CAR = [{"Event": "QueueParams", "Queue": "car"}]
CARE = [{"Event": "QueueParams", "Queue": "care"}]
POLICY = Policy(rules=(Rule(name="r", queue="care"),))


#: What the check's own channel knows at its end, and what Asterisk says of itself.
WALKED = {
    "EMOCX_CHECKED": "1", "EMOCX_STATUS": "ok", "EMOCX_DECISION": "check", "emocx_agi": "127.0.0.1:4573",
    "emocx_guard": "1.5", "EMOCX_CALLBACK_PREFIX": "PJSIP/",
}  # fmt: skip


def line(context: str, application: str, data: str) -> dict[str, str]:
    return {"Event": "ListDialplan", "Context": context, "Application": application, "AppData": data}


DIALPLAN = [
    line("emocx-route", "Set", "emocx_way=emocx-route"),
    line("emocx-begin", "Set", f"EMOCX_CONF={CONF_VERSION}"),
    line("from-trunk", "Gosub", "emocx-route,s,1(care)"),
]


def got(fields: Mapping[str, str], **changes: str) -> dict[str, str]:
    name = fields["Variable"]
    default = "1" if name.startswith(("IFMODULE(", "DIALPLAN_EXISTS(")) else ""
    return {"Value": changes.get(name, WALKED.get(name, default))}


def getvar(**changes: str) -> Callable[[Mapping[str, str]], dict[str, str]]:
    return lambda fields: got(fields, **changes)


def unanswered(**changes: str) -> Callable[[Mapping[str, str]], dict[str, str]]:
    return getvar(EMOCX_STATUS="default", **changes)


def without(module: str) -> Callable[[Mapping[str, str]], dict[str, str]]:
    return getvar(**{f"IFMODULE({module}.so)": "0"})


class ScriptedAmi:
    """Answers from a table; a string is a refusal."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {
            "ListCommands": RIGHTS,
            "ModuleCheck": {},
            "QueueStatus": [
                {"Event": "QueueParams", "Queue": "care"},
                {"Event": "QueueMember", "Queue": "care", "Name": "Ann", "Location": "PJSIP/ann"},
                {"Event": "QueueStatusComplete"},
            ],
            "ShowDialPlan": DIALPLAN,
            "Getvar": got,
            "UserEvent": self._user_event,
            "QueuePenalty": self._penalty,
            "Originate": self._originate,
            "Hangup": {},
            "Ping": {"Timestamp": str(NOW)},
        } | answers
        self.heard = EventsReceived()

    def _user_event(self, fields: Mapping[str, str]) -> Any:
        self.heard.take({"Event": "UserEvent", "Mark": fields["Mark"]})
        return {}

    def _penalty(self, fields: Mapping[str, str]) -> Any:
        self.heard.take({"Event": "QueueMemberPenalty", "Interface": fields["Interface"]})
        return {}

    def _originate(self, fields: Mapping[str, str]) -> Any:
        self.heard.take({"Event": "Newchannel", "Uniqueid": fields["ChannelId"]})
        return {}

    async def action(
        self, name: str, fields: Mapping[str, str | list[str]] | None = None, deadline_s: float | None = None
    ) -> AmiResponse:
        answer = self.answers[name]
        if callable(answer):
            answer = answer(fields)
        if isinstance(answer, str):
            raise RefusedError(answer)
        return AmiResponse({}, tuple(answer)) if isinstance(answer, list) else AmiResponse(answer)


async def findings(version: str = "22.10.1", policy: Policy | None = POLICY, **answers: Any) -> list[Finding]:
    ami = ScriptedAmi(**answers)
    found = asterisk_findings(ami, version, Settings(), policy, lambda: NOW, ami.heard, uuid4)
    return [f async for f in found]


async def test_a_good_asterisk_gives_nothing_but_ok() -> None:
    found = await findings()
    assert {f.level for f in found} == {"ok"}
    topics = ["version", "rights", "events", "modules", "queues", "dialplan", "decision path", "clock"]
    assert [f.topic for f in found] == topics


@pytest.mark.parametrize(
    ("topic", "level", "what", "changes"),
    [
        ("version", "fail", "has no AudioSocket", {"version": "16.30.0"}),
        ("version", "warn", "the tap is customer", {"version": "20.6.0"}),
        ("version", "warn", "fragile in the IVR", {"version": "22.3.0"}),
        ("version", "warn", "no fixes any more", {"version": "18.26.0"}),
        ("version", "warn", "unknown version", {"version": ""}),
        ("rights", "fail", "no right to Originate", {"ListCommands": {"Getvar": ""}}),
        ("rights", "warn", "can't be seen", {"ListCommands": "Permission denied"}),
        ("rights", "warn", "any CLI command", {"ListCommands": RIGHTS | {"Command": ""}}),
        ("modules", "fail", "app_chanspy is not loaded", {"Getvar": without("app_chanspy")}),
        ("modules", "warn", "not visible", {"Getvar": "Permission denied"}),
        ("events", "fail", "no events of class call", {"Originate": {}}),
        ("events", "fail", "no events of class agent", {"QueuePenalty": {}}),
        ("events", "warn", "no events of class user", {"UserEvent": {}}),
        ("callback", "warn", "EMOCX_CALLBACK_PREFIX", {"Getvar": getvar(EMOCX_CALLBACK_PREFIX="")}),
        ("guard", "fail", "waits 1 s", {"Getvar": getvar(emocx_guard="1.0")}),
        ("decision path", "fail", "asks at 127.0.0.1:1,", {"Getvar": unanswered(emocx_agi="127.0.0.1:1")}),
        ("decision path", "fail", "did not answer", {"Getvar": unanswered(emocx_fired="1")}),
        ("decision path", "fail", "something else", {"Getvar": unanswered(AGISTATUS="SUCCESS")}),
        ("decision path", "fail", "can't connect", {"Getvar": unanswered(AGISTATUS="FAILURE")}),
        ("queues", "fail", "no queue care; did you mean car?", {"QueueStatus": CAR}),
        ("queues", "fail", "Asterisk has no queue", {"QueueStatus": []}),
        ("queues", "fail", "can't be listed", {"QueueStatus": "No such action"}),
        ("queues", "warn", "queue care of the policy has no member", {"QueueStatus": CARE}),
        ("dialplan", "fail", "no context emocx-route", {"ShowDialPlan": []}),
        ("dialplan", "fail", "of an older version: 1", {"ShowDialPlan": [DIALPLAN[0], DIALPLAN[2]]}),
        ("dialplan", "fail", "nothing calls", {"ShowDialPlan": DIALPLAN[:2]}),
        ("dialplan", "warn", "not visible", {"ShowDialPlan": "Permission denied"}),
        ("clock", "warn", "90 s apart", {"Ping": {"Timestamp": str(NOW + 90)}}),
        ("clock", "ok", "does not tell", {"Ping": {}}),
    ],
)  # fmt: skip
async def test_each_fault_is_found(topic: str, level: str, what: str, changes: dict[str, Any]) -> None:
    found = [f for f in await findings(**changes) if f.topic == topic and what in f.what]
    assert [f.level for f in found][:1] == [level]
    assert level == "ok" or topic == "clock" or found[0].remedy


async def test_without_app_audiosocket_only_the_ivr_is_missing() -> None:
    found = [f for f in await findings(Getvar=without("app_audiosocket")) if f.topic == "modules"]
    assert [(f.level, "emocx-listen" in f.what) for f in found] == [("warn", True)]


# The self-tap, with an Asterisk that dials our port.


class DialingAmi:
    """Connects as Asterisk would: the first leg echoes, the second gets what the first hears."""

    def __init__(
        self, *, sides: int = 2, connects: bool = True, echoes: bool = True, taps: bool = True
    ) -> None:
        self.sides, self.connects, self.echoes, self.taps = sides, connects, echoes, taps
        self.tasks: set[asyncio.Task[None]] = set()
        self.spy: asyncio.StreamWriter | None = None
        self.originated: list[Mapping[str, Any]] = []

    async def action(
        self, name: str, fields: Mapping[str, str | list[str]] | None = None, deadline_s: float | None = None
    ) -> AmiResponse:
        assert name == "Originate" and fields is not None
        self.originated.append(fields)
        if self.connects and (self.taps or fields["Application"] == "Echo"):
            task = asyncio.create_task(self._dial(str(fields["Channel"]), fields["Application"] == "ChanSpy"))
            self.tasks.add(task)
        return AmiResponse({})

    async def _dial(self, channel: str, spies: bool) -> None:
        _, where, uuid, codec = channel.split("/")
        assert codec == "c(slin)"
        host, port = where.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(encode_uuid(UUID(uuid)))
        if spies:
            self.spy = writer
        decoder = Decoder()
        list(decoder.receive(encode_uuid(uuid4())))  # which only Asterisk sends; from here on audio
        try:
            while data := await reader.read(4096):
                if spies or not self.echoes:
                    continue
                for heard in decoder.receive(data):
                    if isinstance(heard, Audio):
                        writer.write(encode_audio(heard.pcm))
                        if self.spy is not None:
                            self.spy.write(encode_audio(heard.pcm * self.sides))
        finally:
            writer.transport.abort()


LOCAL = Settings(analysis=AnalysisSettings(base_port=0))


async def tapped(ami: DialingAmi, mode: Any = "stereo", settings: Settings = LOCAL) -> Finding:
    try:
        return await self_tap(ami, mode, settings, uuid4)
    finally:
        for task in ami.tasks:
            task.cancel()
        await asyncio.gather(*ami.tasks, return_exceptions=True)


async def test_the_self_tap_hears_the_tone() -> None:
    ami = DialingAmi()
    finding = await tapped(ami)
    assert (finding.level, "both sides heard" in finding.what) == ("ok", True)
    first, second = ami.originated
    assert second["Data"] == f"{first['ChannelId']},uDqsSE"


async def test_a_one_sided_tap_is_enough_where_no_more_is_asked() -> None:
    finding = await tapped(DialingAmi(sides=1), "customer")
    assert (finding.level, "the customer's side heard" in finding.what) == ("ok", True)


@pytest.mark.parametrize(
    ("ami", "what"),
    [
        (lambda: DialingAmi(connects=False), "Asterisk did not connect to 127.0.0.1:"),
        (lambda: DialingAmi(echoes=False), "but no audio came back"),
        (lambda: DialingAmi(taps=False), "a call is heard, but not its tap"),
        (lambda: DialingAmi(sides=1), "this ChanSpy has no option D"),
    ],
)
async def test_each_way_the_self_tap_fails(
    ami: Callable[[], DialingAmi], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emocx_pbx.check.tap.CONNECT_S", 0.3)
    monkeypatch.setattr("emocx_pbx.check.tap.HEAR_S", 0.3)
    finding = await tapped(ami())
    assert finding.level == "fail" and what in finding.what and finding.remedy


async def test_a_refused_self_tap() -> None:
    class Refusing(DialingAmi):
        async def action(self, *_: Any, **__: Any) -> AmiResponse:
            raise RefusedError("Permission denied")

    class Silent(DialingAmi):
        async def action(self, *_: Any, **__: Any) -> AmiResponse:
            raise PeerUnavailable("no answer")

    assert "refused the call: Permission denied" in (await tapped(Refusing())).what
    assert "did not answer" in (await tapped(Silent())).what
    assert (await tapped(Silent(), "off")).level == "warn"


async def test_a_running_service_keeps_its_port() -> None:
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        settings = Settings(analysis=AnalysisSettings(base_port=port))
        finding = await tapped(DialingAmi(), settings=settings)
    finally:
        server.close()
    assert finding.level == "ok" and "another port" in finding.what


def test_the_tone_joins_without_a_click() -> None:
    assert len(tone()) == 320 and tone()[:2] == b"\0\0"


# This machine.


def settings_at(tmp_path: Path, **changes: Any) -> Settings:
    settings = Settings(
        asterisk=AsteriskSettings(secret="s"), store=StoreSettings(path=str(tmp_path / "x.db"))
    )
    for place, value in changes.items():
        section, _, name = place.partition("__")
        table = msgspec.structs.replace(getattr(settings, section), **{name: value})
        settings = msgspec.structs.replace(settings, **{section: table})
    return settings


@pytest.mark.parametrize(
    ("changes", "level", "what"),
    [
        ({"asterisk__secret": ""}, "fail", "asterisk.secret is empty"),
        ({"asterisk__host": "pbx.example"}, "fail", "can't reach the workers at 127.0.0.1"),
        ({"asterisk__host": "pbx.example"}, "fail", "can't ask for decisions at 127.0.0.1"),
        ({"analysis__bind": "0.0.0.0"}, "warn", "analysis.bind listens on 0.0.0.0"),
        ({"routing__policy": "/absent.toml"}, "fail", "/absent.toml: can't be read"),
        ({"routing__mode": "monitor"}, "warn", "monitor mode"),
        ({"grading__rubric": "/absent.toml"}, "fail", "absent.toml"),
        ({"store__path": "/absent/x.db"}, "fail", "/absent can't be written"),
        ({"analysis__models_dir": "/absent"}, "fail", "no text model 'lstm'"),
        ({"analysis__text_model": "off"}, "warn", "the text model is off"),
    ],
)
def test_faults_of_this_machine(tmp_path: Path, changes: dict[str, Any], level: str, what: str) -> None:
    found = [f for f in local_findings(settings_at(tmp_path, **changes)) if what in f.what]
    assert [f.level for f in found] == [level] and found[0].remedy


# All together, over the real gateway.


async def test_a_wrong_secret_is_named(tmp_path: Path) -> None:
    async with FakeAmi() as ami:
        settings = settings_at(tmp_path, asterisk__port=ami.port, asterisk__secret="wrong")
        last = (await check(settings))[-1]
    assert (last.level, last.topic) == ("fail", "asterisk")
    assert "Authentication failed" in last.what and "manager.conf" in last.remedy


async def test_nobody_there_is_named(tmp_path: Path) -> None:
    last = (await check(settings_at(tmp_path, asterisk__port=1)))[-1]
    assert last.level == "fail" and "is Asterisk running" in last.remedy


async def test_over_the_gateway(tmp_path: Path) -> None:
    def commands(action: dict[str, str]) -> bytes:
        names = [(name, "") for name, _, _ in ACTIONS]
        return message(("Response", "Success"), ("ActionID", action["ActionID"]), *names)

    async with FakeAmi() as ami:
        ami.answers["ListCommands"] = commands
        settings = settings_at(tmp_path, asterisk__port=ami.port, asterisk__secret=ami.secret)
        found = await check(settings, self_tap=False)
        assert not [call for call in ami.seen("Originate") if "AudioSocket" in call["Channel"]]
    by_topic = {f.topic: f for f in found}
    assert by_topic["asterisk"].level == "ok"
    assert by_topic["version"].what == "Asterisk 22.10.1, tap stereo"
    assert by_topic["rights"].level == "ok"


def test_secrets_are_not_in_findings(tmp_path: Path) -> None:
    secret = "whsec_" + base64.b64encode(b"x" * 32).decode()
    settings = settings_at(tmp_path, asterisk__secret=secret)
    assert all(secret not in f.what + f.remedy for f in local_findings(settings))


async def test_the_chats_queues_are_looked_for_too() -> None:
    chat = ChatSettings(default_queue="cares", queues={"care": "our care team", "sale": "our shop"})
    ami = ScriptedAmi()
    looked = asterisk_findings(ami, "22.10.1", Settings(chat=chat), POLICY, lambda: NOW, ami.heard, uuid4)
    found = [f async for f in looked]
    assert [(f.level, f.what) for f in found if "chat" in f.what] == [
        ("fail", "chat.default_queue: Asterisk has no queue cares; did you mean care?"),
        ("warn", "chat.queues: Asterisk has no queue sale; known: care"),
    ]


TIERED = Policy(rules=(Rule(name="r", queue="care", tier=1, tier_wait_s=45),))
QUEUE_LINE = line("from-trunk", "Queue", "${EMOCX_QUEUE},t,,,300,,,${EMOCX_RULE}")


@pytest.mark.parametrize(
    ("rule", "dialplan", "level", "what"),
    [
        ({"Rule": "45,1000000,0"}, [QUEUE_LINE], "ok", "Asterisk ends waits"),
        ({}, [QUEUE_LINE], "warn", "no queue rule emocx-45"),
        ({"Rule": "45,1000000,0"}, DIALPLAN, "fail", "no Queue() in the dialplan gets EMOCX_RULE"),
        ("Permission denied", [], "warn", "not visible with our rights"),
    ],
)
async def test_a_policy_with_tiers_needs_an_end_of_their_wait(
    rule: Any, dialplan: Any, level: str, what: str
) -> None:
    found = await findings(policy=TIERED, QueueRule=rule, ShowDialPlan=dialplan)
    (tiers,) = [f for f in found if f.topic == "tiers"]
    assert tiers.level == level and what in tiers.what
