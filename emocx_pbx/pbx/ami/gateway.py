"""The AMI gateway: keeps one link to Asterisk up, passes on its events in order, and sends actions over
it.
"""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog

from emocx_pbx.errors import PeerUnavailable, ProtocolError, RefusedError, SettingsError
from emocx_pbx.pbx.ami.link import AmiLink
from emocx_pbx.pbx.ami.message import (
    BACKOFF_CAP_S,
    REFUSED_CAP_S,
    AmiResponse,
    Birth,
    LinkState,
    asterisk_version,
    backoff,
)
from emocx_pbx.settings.settings import AsteriskSettings

__all__ = ["AmiGateway", "AmiResponse", "LinkState"]

log = structlog.get_logger()

BOOT_GRACE_S: Final = 1.0
"""Seconds for FullyBooted after the answer to CoreStatus; a user without read=system never gets it."""
STEADY_S: Final = 30.0
"""Seconds after which a link counts as good: the next wait starts short again."""
LOOKS: Final = frozenset(
    {"Ping", "CoreSettings", "CoreStatus", "Status", "QueueStatus", "QueueRule", "Getvar", "ListCommands"}
)
"""Actions that change nothing."""
MAX_EARLY: Final = 10_000
"""Events kept between login and the link's going up; when full the oldest is dropped (a resync follows)."""


@dataclass(frozen=True, slots=True)
class LinkWaits:
    """How the gateway waits; tests have waits of their own."""

    clock: Callable[[], float] = time.monotonic
    """Monotonic seconds."""
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep
    """Awaited between attempts."""
    rng: random.Random = field(default_factory=random.Random)
    """Jitter of the waits between attempts."""
    boot_grace_s: float = BOOT_GRACE_S
    """Seconds by which FullyBooted may lag behind CoreStatus."""


class AmiGateway:
    """A link to Asterisk that is re-established whenever it is lost, until `run` is cancelled."""

    def __init__(
        self,
        settings: AsteriskSettings,
        on_event: Callable[[dict[str, str]], None],
        on_link: Callable[[LinkState], None],
        *,
        count: Callable[[str], None] = lambda name: None,
        may_act: Callable[[], bool] = lambda: True,
        waits: LinkWaits | None = None,
    ) -> None:
        """Prepare; `run` connects.

        Args:
            settings: where Asterisk is, and who we are there.
            on_event: gets every event, synchronously and in Asterisk's order, while the link is up;
                must be quick, since Asterisk drops clients that read slowly. Repeated headers are joined
                by newlines.
            on_link: gets each change of the link; events follow an up and precede a down.
            count: adds one to a counter: ami_links, ami_links_lost, ami_login_refused,
                ami_handler_failed, ami_events_dropped.
            may_act: whether actions that change something may be sent now.
            waits: clock, pauses and patience; None: the usual ones.

        Raises:
            SettingsError: asterisk.tls_ca can't be read.
        """
        self._settings = settings
        self._on_event, self._on_link = on_event, on_link
        self._count, self._may_act, self._waits = count, may_act, waits or LinkWaits()
        self._clock = self._waits.clock
        self._tls = tls_context(settings)
        self._link: AmiLink | None = None
        self._state = LinkState(False, reason="not yet connected")
        self._early: deque[dict[str, str]] = deque(maxlen=MAX_EARLY)
        self._booted: asyncio.Event = asyncio.Event()
        self._uptime_s: float | None = None
        self._birth: Birth | None = None
        self._up_at: float | None = None

    @property
    def state(self) -> LinkState:
        """The link as it is now."""
        return self._state

    async def run(self) -> None:
        """Keep the link up for ever; on cancellation it is closed for good, and all that wait fail."""
        failures = 0
        try:
            while True:
                self._up_at, cap_s = None, BACKOFF_CAP_S
                try:
                    await self._hold_one_link()
                except RefusedError as error:
                    cap_s = REFUSED_CAP_S
                    self._count("ami_login_refused")
                    self._on_down(str(error))
                except (PeerUnavailable, ProtocolError) as error:
                    self._on_down(str(error))
                steady = self._up_at is not None and self._clock() - self._up_at >= STEADY_S
                failures = 1 if steady else failures + 1
                await self._waits.sleep(backoff(failures, self._waits.rng, cap_s))
        finally:
            self._state = LinkState(False, reason="stopped")

    async def action(
        self, name: str, fields: Mapping[str, str | list[str]] | None = None, deadline_s: float | None = None
    ) -> AmiResponse:
        """Send an action and await its answer, for list actions with all events up to `...Complete`.

        It is sent at most once: when the link is lost, whoever waits learns that the outcome is unknown.
        Events are not held back while an answer is awaited, so `on_event` may hear of the action's
        effects first.

        Args:
            name: such as `Originate`.
            fields: headers; a list repeats its header. ActionID may be given.
            deadline_s: time for the whole answer; None: `asterisk.action_timeout_s`.

        Raises:
            ProtocolError: line breaks, too long, or Setvar without a channel; nothing was sent.
            PeerUnavailable: no link, link lost, no complete answer in time, or it changes something and we
                may not act; nothing was sent then.
            RefusedError: Asterisk said no; the message is Asterisk's.
        """
        if name not in LOOKS and not self._may_act():
            raise PeerUnavailable(f"{name} not sent: another controller may act for this PBX")
        if self._link is None:
            raise PeerUnavailable(f"no link to Asterisk: {self._state.reason}")
        deadline = self._settings.action_timeout_s if deadline_s is None else deadline_s
        return await self._link.request(name, fields or {}, deadline)

    async def _hold_one_link(self) -> None:
        """Connect, log in, go up, and ping until the link is lost; always raises in the end."""
        settings, deadline = self._settings, self._settings.action_timeout_s
        self._early.clear()
        self._booted.clear()
        self._uptime_s = None
        link = AmiLink(settings.host, settings.port, self._tls, self._take, self._count)
        try:
            await link.open(deadline)
            await link.login(settings.username, settings.secret, settings.auth, deadline)
            version, birth = await self._get_to_know(link)
            restarted = self._birth is not None and birth.differs_from(self._birth)
            self._birth = birth
            self._link = link
            self._on_up(LinkState(True, version, restarted))
            while not await link.ended(settings.ping_s):
                await self._ping(link, deadline)
            raise PeerUnavailable(link.reason)
        finally:
            self._link = None
            link.close()

    async def _get_to_know(self, link: AmiLink) -> tuple[str, Birth]:
        """Asterisk's version and start time, as far as our permissions go, once it has booted."""
        deadline = self._settings.action_timeout_s
        core = await _if_allowed(link, "CoreSettings", deadline)
        status = await _if_allowed(link, "CoreStatus", deadline)
        if not self._booted.is_set():
            try:
                async with asyncio.timeout(self._waits.boot_grace_s):
                    await self._booted.wait()
            except TimeoutError:
                log.debug("no FullyBooted: booting, or no read=system", key="ami.not_told_booted")
        if link.reason:
            raise PeerUnavailable(link.reason)
        date, clock_time = status.get("CoreStartupDate"), status.get("CoreStartupTime")
        started = f"{date} {clock_time}" if date and clock_time else None
        if started is None and self._uptime_s is None:
            log.warning(
                "AMI user may not see when Asterisk started; give it write=reporting", key="ami.no_birth"
            )
        version = asterisk_version(core.get("AsteriskVersion", ""), link.ami_version)
        return version, Birth(started, self._uptime_s, self._clock())

    async def _ping(self, link: AmiLink, deadline_s: float) -> None:
        try:
            await link.request("Ping", {}, deadline_s)
        except RefusedError:
            pass  # an answer all the same
        except PeerUnavailable:
            raise PeerUnavailable(link.reason or f"ping unanswered for {deadline_s:g} s") from None

    def _take(self, event: dict[str, str]) -> None:
        if event.get("Event") == "FullyBooted":
            self._fully_booted(event)
        if self._link is not None:
            self._tell(event)
            return
        if len(self._early) == MAX_EARLY:
            self._count("ami_events_dropped")
        self._early.append(event)

    def _fully_booted(self, event: Mapping[str, str]) -> None:
        uptime = event.get("Uptime", "")
        self._uptime_s = float(uptime) if uptime.isascii() and uptime.isdigit() else None
        first = not self._booted.is_set()
        self._booted.set()
        if self._link is not None and first:
            # We went up while Asterisk was still booting: whoever asked it may have missed something.
            self._announce(LinkState(True, self._state.version))

    def _tell(self, event: dict[str, str]) -> None:
        try:
            self._on_event(event)
        except Exception:
            # The outermost loop of events: one that can't be handled must not cost the link.
            log.exception("event not handled", key="ami.handler_failed", event_name=event.get("Event"))
            self._count("ami_handler_failed")

    def _on_up(self, state: LinkState) -> None:
        self._up_at = self._clock()
        self._count("ami_links")
        log.info(
            "link to Asterisk up", key="ami.up", asterisk=state.version, asterisk_restarted=state.restarted
        )
        self._announce(state)
        while self._early:
            self._tell(self._early.popleft())

    def _on_down(self, reason: str) -> None:
        if self._state.up:
            self._count("ami_links_lost")
        state = LinkState(False, reason=reason)
        if state != self._state:
            log.warning("no link to Asterisk", key="ami.down", why=reason)
            self._announce(state)

    def _announce(self, state: LinkState) -> None:
        self._state = state
        try:
            self._on_link(state)
        except Exception:
            log.exception("change of link not handled", key="ami.handler_failed")
            self._count("ami_handler_failed")


async def _if_allowed(link: AmiLink, name: str, deadline_s: float) -> dict[str, str]:
    """The answer's headers; empty if our user has no permission for it."""
    try:
        return (await link.request(name, {}, deadline_s)).headers
    except RefusedError:
        return {}


def tls_context(settings: AsteriskSettings) -> ssl.SSLContext | None:
    """For links by these settings; None: without TLS.

    Raises:
        SettingsError: asterisk.tls_ca can't be read.
    """
    if not settings.tls:
        return None
    try:
        return ssl.create_default_context(cafile=settings.tls_ca or None)
    except OSError as error:  # ssl.SSLError is one
        raise SettingsError(f"asterisk.tls_ca: can't read {settings.tls_ca}: {error}") from None
