"""Tells systemd the state of the service (sd_notify): ready, status in words, alive, stopping.

With Type=notify and WatchdogSec in the unit, `systemctl start` waits for the open ports, and a controller
that hangs is killed and restarted. Without systemd none of this does anything.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, NoReturn

import structlog

log = structlog.get_logger()

#: Beats within each watchdog interval, so that a late one does no harm.
BEATS: Final = 3
#: Seconds between checks of the state when no watchdog asks for more.
LOOK_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Supervisor:
    """The supervisor that started the service and wants to hear of its state."""

    address: str = ""
    """The datagram socket NOTIFY_SOCKET (`@` begins an abstract name); empty: there is none."""
    watchdog_s: float = 0.0
    """Seconds of silence after which it kills the service (from WATCHDOG_USEC); 0: never."""

    def tell(self, *lines: str) -> None:
        """Send `NAME=value` lines; if nobody listens they are lost."""
        if not self.address:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as out:
                out.sendto("\n".join(lines).encode(), address)
        except OSError as error:
            log.warning("systemd not notified", key="notify.failed", why=str(error))

    async def keep_telling(
        self, status: Callable[[], str], tasks: Callable[[], Iterable[asyncio.Task[None]]]
    ) -> NoReturn:
        """Beat while the event loop responds and all of `tasks` are running; pass on changes of `status`.

        A part that failed is restarted by its keeper; one that merely ended would leave the service half
        dead.
        """
        pause = min(LOOK_S, self.watchdog_s / BEATS) if self.watchdog_s else LOOK_S
        reported, missed = "", False
        while True:
            ended = [task.get_name() for task in tasks() if task.done()]
            if not ended:
                self.tell("WATCHDOG=1")
            elif not missed:
                missed = True
                log.error("a part ended, systemd will start us again", key="notify.part_ended", parts=ended)
            words = status()
            if words != reported:
                reported = words
                self.tell(f"STATUS={words}")
            await asyncio.sleep(pause)
