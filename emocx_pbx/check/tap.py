"""The self-tap: a call of one second to nobody, tapped like any other, which proves ports, modules and
versions.

Asterisk dials our AudioSocket port and echoes (the "customer"); a second channel taps the first by
ChanSpy with the options that real taps use. A tone sent to the first must arrive by the second.
"""

from __future__ import annotations

import array
import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

from emocx_pbx.calls.taps import SPY_OPTIONS, Mode
from emocx_pbx.check.finding import Finding
from emocx_pbx.errors import PeerUnavailable, RefusedError
from emocx_pbx.pbx.ami.ami import Ami
from emocx_pbx.pbx.audiosocket.server import AudioPort, AudioServer, AudioSession
from emocx_pbx.pbx.versions import TapMode
from emocx_pbx.settings.settings import Settings

#: Seconds; Asterisk allows 2 s for a connection, and the channel is up within a frame after that.
CONNECT_S = 4.0
#: Seconds for the tone to come back through echo and spy.
HEAR_S = 3.0
FRAME_S = 0.02
#: Peak from which what comes back can't be silence or comfort noise (the tone's is 8000).
LOUD = 2000


def tone() -> bytes:
    """20 ms of 400 Hz at 8 kHz: eight whole periods, so that frames join without a click."""
    samples = (round(8000 * math.sin(2 * math.pi * 400 * n / 8000)) for n in range(160))
    return array.array("h", samples).tobytes()


@dataclass(slots=True)
class _Leg:
    """One of the two connections."""

    up: asyncio.Event = field(default_factory=asyncio.Event)
    loud: asyncio.Event = field(default_factory=asyncio.Event)
    session: AudioSession | None = None
    largest: int = 0
    """Bytes of the largest message: 640 for both sides of 20 ms, 320 for one."""

    def started(self, session: AudioSession, at: float) -> None:
        """The socket opened with our UUID."""
        self.session = session
        self.up.set()

    def audio(self, pcm: bytes, rate: int, at: float) -> None:
        """Audio came."""
        self.largest = max(self.largest, len(pcm))
        samples = array.array("h", pcm[: len(pcm) // 2 * 2])
        if samples and max(samples) > LOUD:
            self.loud.set()

    def dtmf(self, digit: str, at: float) -> None:
        """Nobody presses keys here."""

    def ended(self, reason: str, at: float) -> None:
        """The connection is gone."""
        self.session = None


async def self_tap(ami: Ami, mode: TapMode, settings: Settings, new_uuid: Callable[[], UUID]) -> Finding:
    """Make the call, and report how far it got."""
    if mode == "off":
        return Finding("warn", "self-tap", "taps are off", "see asterisk.tap")
    customer, tap = new_uuid(), new_uuid()
    legs = {customer: _Leg(), tap: _Leg()}
    waiting = dict(legs)
    analysis = settings.analysis
    port = AudioPort(analysis.bind, analysis.base_port, analysis.handshake_s, HEAR_S)
    server = AudioServer(port, lambda uuid: waiting.pop(uuid, None))
    note = ""
    try:
        await server.start()
    except OSError:
        # The service runs already and has its ports; any other port proves as much, except about the
        # firewall.
        note = " (on another port, since the service has its own in use)"
        try:
            await server.start(0)
        except OSError as e:
            return Finding(
                "fail", "self-tap", f"can't listen on {analysis.bind}: {e.strerror}", "correct analysis.bind"
            )
    try:
        spy: Mode = "stereo" if mode == "stereo" else "customer"
        return await _call(ami, spy, settings, server.port, legs[customer], legs[tap], (customer, tap), note)
    except RefusedError as e:
        return Finding(
            "fail", "self-tap", f"Asterisk refused the call: {e}",
            "give the manager user write = originate, load chan_audiosocket and app_chanspy",
        )  # fmt: skip
    except PeerUnavailable as e:
        return Finding("fail", "self-tap", f"Asterisk did not answer: {e}", "look at Asterisk's log")
    finally:
        await server.stop()


async def _call(
    ami: Ami,
    mode: Mode,
    settings: Settings,
    port: int,
    customer: _Leg,
    tap: _Leg,
    uuids: tuple[UUID, UUID],
    note: str,
) -> Finding:
    where = f"{settings.analysis.host}:{port}"

    async def dial(uuid: UUID, application: str, data: str) -> None:
        await ami.action(
            "Originate",
            {
                "Channel": f"AudioSocket/{where}/{uuid}/c(slin)",
                "Application": application,
                "Data": data,
                "ChannelId": f"emocx-check-{uuid}",
                "CallerID": '"emocx check" <emocx>',
                "Timeout": "5000",
                "Async": "true",
            },
        )

    await dial(uuids[0], "Echo", "")
    if not await _within(customer.up, CONNECT_S):
        return Finding(
            "fail", "self-tap", f"Asterisk did not connect to {where}",
            "open that port for Asterisk, or correct analysis.host; is chan_audiosocket loaded?",
        )  # fmt: skip
    speaking = asyncio.create_task(_speak(customer), name="tone")
    try:
        if not await _within(customer.loud, HEAR_S):
            return Finding(
                "fail", "self-tap", f"Asterisk connected to {where}, but no audio came back",
                "load app_echo and codec_resample; look at Asterisk's log",
            )  # fmt: skip
        await dial(uuids[1], "ChanSpy", f"emocx-check-{uuids[0]},{SPY_OPTIONS[mode]}")
        if not await _within(tap.up, CONNECT_S) or not await _within(tap.loud, HEAR_S):
            return Finding(
                "fail", "self-tap", "a call is heard, but not its tap",
                "load app_chanspy; look at Asterisk's log",
            )  # fmt: skip
        if mode == "stereo" and tap.largest < 640:
            return Finding(
                "fail", "self-tap", "the tap has one side only: this ChanSpy has no option D",
                'set asterisk.tap = "auto", or upgrade Asterisk',
            )  # fmt: skip
    finally:
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)
    sides = "both sides" if mode == "stereo" else "the customer's side"
    return Finding("ok", "self-tap", f"a test call was tapped at {where}, {sides} heard{note}")


async def _speak(leg: _Leg) -> None:
    """Send the tone, 20 ms every 20 ms, until cancelled."""
    loop = asyncio.get_running_loop()
    due, frame = loop.time(), tone()
    while leg.session is not None:
        leg.session.send_audio(frame)
        due += FRAME_S
        await asyncio.sleep(max(0.0, due - loop.time()))


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
