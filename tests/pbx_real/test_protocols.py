"""Our own AMI gateway, FastAGI server and AudioSocket server against a real Asterisk."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import struct
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from uuid import UUID, uuid4

import pytest
from pbx_real.pbx_stubs import AmiProbe, call_in

from emocx_pbx.errors import PeerUnavailable, RefusedError
from emocx_pbx.lab.asterisk import Installation, PrivateAsterisk, free_port
from emocx_pbx.pbx.agi.server import AgiRequest, AgiServer
from emocx_pbx.pbx.ami.gateway import AmiGateway, LinkState
from emocx_pbx.pbx.audiosocket.server import AudioPort, AudioServer, AudioSession
from emocx_pbx.settings.settings import AgiSettings, AsteriskSettings


class Listener:
    """What a gateway told."""

    def __init__(self) -> None:
        self.events: list[dict[str, str]] = []
        self.states: list[LinkState] = []
        self._news = asyncio.Event()

    def on_event(self, event: dict[str, str]) -> None:
        self.events.append(event)
        self._news.set()

    def on_link(self, state: LinkState) -> None:
        self.states.append(state)
        self._news.set()

    async def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                self._news.clear()
                await self._news.wait()

    @property
    def ups(self) -> list[LinkState]:
        return [state for state in self.states if state.up]


@asynccontextmanager
async def gateway(port: int, secret: str, **more: object) -> AsyncIterator[tuple[AmiGateway, Listener]]:
    heard = Listener()
    chosen = AsteriskSettings(port=port, secret=secret, **more)  # type: ignore[arg-type]
    it = AmiGateway(chosen, heard.on_event, heard.on_link)
    task = asyncio.ensure_future(it.run())
    try:
        yield it, heard
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.mark.parametrize("auth", ["md5", "plain"])
async def test_the_gateway_logs_in_with_the_rights_of_the_sample_user(
    pbx: PrivateAsterisk, probe: AmiProbe, auth: str
) -> None:
    async with gateway(pbx.ami_port, pbx.secret, auth=auth) as (ami, heard):
        await heard.until(lambda: bool(heard.ups))
        major = int(heard.ups[0].version.split(".")[0])
        assert 20 <= major <= 30 and heard.ups[0].version.count(".") >= 1
        assert heard.events[0]["Event"] == "FullyBooted"
        queues = await ami.action("QueueStatus")
        assert queues.events[-1]["Event"] == "QueueStatusComplete"
        assert {"support", "care"} <= {event.get("Queue") for event in queues.events}
        with pytest.raises(RefusedError, match=r"[Pp]ermission"):
            await ami.action("Command", {"Command": "core show version"})
        with pytest.raises(RefusedError):
            await ami.action("Setvar", {"Channel": "gone", "Variable": "A", "Value": "1"})


async def test_any_text_goes_into_a_variable_and_back(pbx: PrivateAsterisk, probe: AmiProbe) -> None:
    text = "Käse: a=b, (x) \"q\" 'r' 100% 日本 \\ ;"
    customer = await call_in(probe, "echo")
    async with gateway(pbx.ami_port, pbx.secret) as (ami, heard):
        await heard.until(lambda: bool(heard.ups))
        status = await ami.action("Status")
        assert customer.uniqueid in {event.get("Uniqueid") for event in status.events}
        fields = {"Channel": customer.channel, "Variable": "EMOCX_QUERY"}
        await ami.action("Setvar", {**fields, "Value": text})
        assert (await ami.action("Getvar", fields)).headers["Value"] == text


async def test_a_wrong_secret_is_told(pbx: PrivateAsterisk) -> None:
    async with gateway(pbx.ami_port, "wrong") as (_, heard):
        await heard.until(lambda: bool(heard.states))
        assert heard.states[0].reason.startswith("login refused: ")


async def test_a_restart_and_a_frozen_asterisk_are_noticed(installation: Installation) -> None:
    async with PrivateAsterisk(installation) as own:
        more = {"ping_s": 0.3, "action_timeout_s": 1.0}
        async with gateway(own.ami_port, own.secret, **more) as (ami, heard):
            await heard.until(lambda: bool(heard.ups))
            os.kill(own.pid, signal.SIGSTOP)
            await heard.until(lambda: not heard.states[-1].up)
            assert heard.states[-1].reason.startswith("ping unanswered")
            os.kill(own.pid, signal.SIGCONT)
            await heard.until(lambda: len(heard.ups) == 2)
            await own.kill()
            await heard.until(lambda: not heard.states[-1].up)
            with pytest.raises(PeerUnavailable):
                await ami.action("Ping")
            await own.start()
            await heard.until(lambda: len(heard.ups) == 3)
            assert [state.restarted for state in heard.ups] == [False, False, True]


async def test_tls_to_a_real_manager_interface(installation: Installation) -> None:
    async with PrivateAsterisk(installation) as own:
        etc, port = own.directory / "etc", free_port()
        ask = (
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=pbx"
        )
        files = ["-keyout", str(etc / "key.pem"), "-out", str(etc / "cert.pem")]
        names = ["-addext", "subjectAltName=IP:127.0.0.1"]
        subprocess.run([*ask.split(), *names, *files], check=True, capture_output=True)  # noqa: ASYNC221
        inside = f"{own.config.directory}/etc"
        with (etc / "manager.conf").open("a") as manager:
            manager.write(
                f"\n[general](+)\ntlsenable = yes\ntlsbindaddr = 127.0.0.1:{port}\n"
                f"tlscertfile = {inside}/cert.pem\ntlsprivatekey = {inside}/key.pem\n"
            )
        await own.cli("manager reload")
        ca = str(etc / "cert.pem")
        async with gateway(port, own.secret, tls=True, tls_ca=ca) as (ami, heard):
            await heard.until(lambda: bool(heard.ups))
            assert (await ami.action("QueueStatus")).events
        async with gateway(port, own.secret, tls=True) as (_, heard):
            await heard.until(lambda: bool(heard.states))
            assert heard.states[0].reason.startswith("TLS: certificate refused")


async def test_variables_are_read_and_set_over_fastagi(pbx: PrivateAsterisk, probe: AmiProbe) -> None:
    seen: list[tuple[str, ...]] = []
    counts: Counter[str] = Counter()

    async def answer(request: AgiRequest) -> Mapping[str, str]:
        query, nothing = await request.get_variable("EMOCX_QUERY"), await request.get_variable("UNSET")
        names = ("UNSET", "EMOCX_QUERY", "CALLERID(num)", "CHANNEL(no such item)", "EMOCX_QUERY")
        several = await request.get_variables(names)
        assert [several[name] for name in names] == ["", query, request.env["agi_callerid"], "", query]
        seen.append((request.path, request.uniqueid, query, nothing, *request.args))
        return {"EMOCX_QUEUE": "care", "EMOCX_TOPIC": 'a"b', "EMOCX_STATUS": "ok"}

    server = AgiServer(AgiSettings(port=0, deadline_s=2.0), answer, count=lambda name: counts.update([name]))
    await server.start()
    await pbx.cli("module load func_uri.so")
    await pbx.add_dialplan(
        "[protocols]\nexten => agi,1,Answer()\n"
        " same => n,Set(LF=${URIDECODE(%0A)})\n"
        f" same => n,Set(LONG={'x' * 500})\n"
        ' same => n,Set(EMOCX_QUERY=one) 200 result=1 (${LF}HANGUP${LF}200 result=1 "two"${LF}'
        "${LONG}${LONG}${LONG}${LONG}${LONG}${LONG})\n"
        f" same => n,AGI(agi://127.0.0.1:{server.port}/route,first,second)\n"
        " same => n,UserEvent(Done,Status: ${AGISTATUS},Queue: ${EMOCX_QUEUE},"
        "Topic: ${EMOCX_TOPIC},Ok: ${EMOCX_STATUS})\n same => n,Wait(1)\n"
    )
    customer = await call_in(probe, "agi", context="protocols")
    _, done = await probe.event("UserEvent", UserEvent="Done", Uniqueid=customer.uniqueid)
    await server.stop()
    path, uniqueid, query, nothing, *args = seen[0]
    assert (path, uniqueid, nothing, args) == ("/route", customer.uniqueid, "", ["first", "second"])
    assert query == 'one) 200 result=1 (\nHANGUP\n200 result=1 "two"\n' + "x" * 3000
    assert (done["Status"], done["Queue"], done["Topic"], done["Ok"]) == ("SUCCESS", "care", "a_b", "ok")
    assert counts == {"agi_requests": 1}


async def test_values_are_set_as_they_are(pbx: PrivateAsterisk, probe: AmiProbe) -> None:
    values = {
        "EMPTY": "",
        "QUEUE": "Zürich (EN)",
        "PLACE": "[::1]:9092",
        "EQUAL": "a=b=c",
        "QUOTE": "it's 100% & 'so' ",
        "FIRST": "a" * 1_024,
        "SECOND": "b" * 1_024,
        **{f"V{number}": str(number) for number in range(40)},
        "EMOCX_STATUS": "ok",
    }
    seen: list[dict[str, str]] = []

    async def answer(request: AgiRequest) -> Mapping[str, str]:
        if request.path == "/set":
            return values
        seen.append(await request.get_variables(tuple(values)))
        return {}

    server = AgiServer(AgiSettings(port=0, deadline_s=2.0), answer)
    await server.start()
    await pbx.add_dialplan(
        "[protocols]\nexten => set,1,Answer()\n same => n,Set(EMPTY=not)\n"
        f" same => n,AGI(agi://127.0.0.1:{server.port}/set)\n"
        f" same => n,AGI(agi://127.0.0.1:{server.port}/get)\n"
        " same => n,UserEvent(Done)\n same => n,Wait(1)\n"
    )
    customer = await call_in(probe, "set", context="protocols")
    await probe.event("UserEvent", UserEvent="Done", Uniqueid=customer.uniqueid)
    await server.stop()
    assert seen == [values]


async def test_a_late_answer_and_a_hangup_over_fastagi(pbx: PrivateAsterisk, probe: AmiProbe) -> None:
    counts: Counter[str] = Counter()
    entered, cancelled = asyncio.Event(), asyncio.Event()

    async def never(request: AgiRequest) -> Mapping[str, str]:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return {}

    server = AgiServer(
        AgiSettings(port=0, deadline_s=0.3),
        never,
        deadlines={"/long": 60.0},
        count=lambda name: counts.update([name]),
    )
    await server.start()
    await pbx.add_dialplan(
        "[protocols]\n"
        f"exten => late,1,AGI(agi://127.0.0.1:{server.port}/short)\n"
        " same => n,UserEvent(Late,Queue: [${EMOCX_QUEUE}])\n same => n,Wait(1)\n"
        f"exten => gone,1,Answer()\n same => n,AGI(agi://127.0.0.1:{server.port}/long)\n"
    )
    late = await call_in(probe, "late", context="protocols")
    _, event = await probe.event("UserEvent", UserEvent="Late", Uniqueid=late.uniqueid)
    assert event["Queue"] == "[]" and counts["agi_late"] == 1
    entered.clear()
    cancelled.clear()
    gone = await call_in(probe, "gone", context="protocols")
    async with asyncio.timeout(5):
        await entered.wait()
        await probe.action(Action="Hangup", Channel=gone.channel)
        await cancelled.wait()
        while server._tasks:
            await asyncio.wait(set(server._tasks))
    await server.stop()
    assert counts["agi_hangups"] == 1 and counts["agi_failed"] == 0


class Recording:
    """A handler that keeps audio."""

    def __init__(self) -> None:
        self.session: AudioSession | None = None
        self.pcm = bytearray()
        self.sizes: Counter[int] = Counter()
        self.reasons: list[str] = []
        self.changed = asyncio.Event()

    def started(self, session: AudioSession, at: float) -> None:
        self.session = session
        self.changed.set()

    def audio(self, pcm: bytes, rate: int, at: float) -> None:
        assert rate == 8_000
        self.pcm += pcm
        self.sizes[len(pcm)] += 1
        self.changed.set()

    def dtmf(self, digit: str, at: float) -> None:
        self.changed.set()

    def ended(self, reason: str, at: float) -> None:
        self.reasons.append(reason)
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    def has_played(self) -> bool:
        return len(self.pcm) > 640 * 75

    def is_over(self) -> bool:
        return bool(self.reasons)

    def level(self, side: int, sides: int) -> float:
        """RMS of one of the interleaved sides."""
        samples = struct.unpack(f"<{len(self.pcm) // 2}h", self.pcm)[side::sides]
        return math.sqrt(sum(s * s for s in samples) / max(1, len(samples)))


async def test_a_stereo_tap_hears_both_sides_and_both_ends_are_orderly(
    pbx: PrivateAsterisk, probe: AmiProbe
) -> None:
    announced: dict[UUID, Recording] = {}
    counts: Counter[str] = Counter()
    server = AudioServer(
        AudioPort("127.0.0.1", 0, 2.0, 10.0),
        lambda uuid: announced.pop(uuid, None),
        count=lambda name: counts.update([name]),
    )
    await server.start()
    customer = await call_in(probe, "echo")
    async with gateway(pbx.ami_port, pbx.secret) as (ami, heard):
        await heard.until(lambda: bool(heard.ups))
        for ender in ("us", "the call"):
            uuid, tape = uuid4(), Recording()
            announced[uuid] = tape
            await ami.action(
                "Originate",
                {
                    "ActionID": f"tap-{uuid}",
                    "Channel": f"AudioSocket/127.0.0.1:{server.port}/{uuid}/c(slin)",
                    "Application": "ChanSpy",
                    "Data": f"{customer.uniqueid},uDqsSE",
                    "ChannelId": f"emocx-tap-{uuid}",
                    "Timeout": "5000",
                    "Async": "true",
                },
            )
            await tape.until(tape.has_played)
            assert tape.sizes.most_common(1)[0][0] == 640
            assert tape.level(0, 2) > 50  # the customer's speech; the echo of it is on the other side
            assert tape.session is not None
            if ender == "us":
                tape.session.end()
                assert tape.reasons == ["ended by us"]
                await heard.until(lambda: any(e["Event"] == "ChanSpyStop" for e in heard.events))
                status = await ami.action("Status")
                assert customer.uniqueid in {event.get("Uniqueid") for event in status.events}
            else:
                await probe.action(Action="Hangup", Channel=customer.channel)
                await tape.until(tape.is_over)
                assert tape.reasons == ["peer closed"]
        # The customer's own Originate may be answered late, and here too.
        observed = [e for e in heard.events if e.get("ActionID", "").startswith("tap-")]
        assert [e["Response"] for e in observed if e["Event"] == "OriginateResponse"] == [
            "Success",
            "Success",
        ]
    await server.stop()
    assert not counts


@pytest.mark.parametrize("accepted", [True, False])
async def test_the_dialplan_goes_on_after_our_end_or_refusal(
    pbx: PrivateAsterisk, probe: AmiProbe, accepted: bool
) -> None:
    tape = Recording()
    uuid = uuid4()
    server = AudioServer(
        AudioPort("127.0.0.1", 0, 2.0, 10.0), lambda found: tape if accepted and found == uuid else None
    )
    await server.start()
    await pbx.add_dialplan(
        "[protocols]\nexten => listen,1,Answer()\n"
        f" same => n,TryExec(AudioSocket({uuid},127.0.0.1:{server.port}))\n"
        " same => n,UserEvent(WentOn,Try: ${TRYSTATUS})\n same => n,Wait(1)\n"
    )
    customer = await call_in(probe, "listen", context="protocols")
    if accepted:
        await tape.until(lambda: len(tape.pcm) > 320 * 25 and tape.session is not None)
        assert tape.session is not None
        tape.session.send_audio(bytes(320))
        tape.session.end()
    _, event = await probe.event("UserEvent", 3.0, UserEvent="WentOn", Uniqueid=customer.uniqueid)
    assert event["Try"] == "SUCCESS"
    await server.stop()
