"""A child process at the other end of a link: started with a socket and its settings, never left behind."""

from __future__ import annotations

import asyncio
import socket
from typing import Final, Generic, TypeVar

import msgspec
import structlog

from emocx_pbx.wire.link import Link

log = structlog.get_logger()

#: Seconds for the process to read its settings.
CONFIGURE_S: Final = 10.0
#: Seconds from closing its link to SIGTERM, and from there to SIGKILL.
END_S: Final = 1.0
KILL_S: Final = 0.5

In = TypeVar("In")


class Child(Generic[In]):
    """One process; `start` once, `end` always."""

    def __init__(self, name: str, decoder: msgspec.msgpack.Decoder[In], end_s: float = END_S) -> None:
        """Prepare.

        Args:
            name: its name in the log.
            decoder: decodes the messages that the process sends.
            end_s: seconds for it to end by itself once the link is closed.
        """
        self._name, self._decoder, self._end_s = name, decoder, end_s
        self._process: asyncio.subprocess.Process | None = None
        self.link: Link[In] | None = None
        """None before `start` and from `end` on."""

    @property
    def pid(self) -> int | None:
        """Its process id."""
        return self._process.pid if self._process else None

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.returncode if self._process else None

    async def start(self, command: tuple[str, ...], config: bytes) -> Link[In]:
        """Run `command` with `--fd N --config -` added, and `config` on its standard input.

        By stdin, because settings may be too long for a command line, and must not show in `ps`.

        Raises:
            OSError: the process can't be started.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = await asyncio.create_subprocess_exec(
                    *command,
                    "--fd",
                    str(theirs.fileno()),
                    "--config",
                    "-",
                    stdin=asyncio.subprocess.PIPE,
                    pass_fds=[theirs.fileno()],
                )
            reader, writer = await asyncio.open_unix_connection(sock=ours)
        except BaseException:
            ours.close()
            await self._end_process()
            raise
        self.link = Link(reader, writer, self._decoder)
        try:
            await self._configure(config)
        except BaseException:
            await self.end()
            raise
        return self.link

    async def _configure(self, config: bytes) -> None:
        stdin = self._process.stdin if self._process else None
        if stdin is None:
            return
        stdin.write(config)
        try:
            async with asyncio.timeout(CONFIGURE_S):
                await stdin.drain()
                stdin.close()
                await stdin.wait_closed()
        except (TimeoutError, ConnectionError):
            log.warning("process did not take its settings", key="process.deaf", process=self._name)

    async def end(self) -> None:
        """Close the link and wait for the process to end: by itself, by SIGTERM, or by SIGKILL."""
        link, self.link = self.link, None
        try:
            if link is not None:
                await link.close()
        finally:
            # Even if we are cancelled meanwhile: it must not outlive us.
            await self._end_process()

    async def _end_process(self) -> None:
        process = self._process
        if process is None:
            return
        try:
            for patience, insist in ((self._end_s, process.terminate), (KILL_S, process.kill)):
                try:
                    async with asyncio.timeout(patience):
                        await process.wait()
                    return
                except TimeoutError:
                    log.warning("process does not end", key="process.insist", process=self._name)
                    insist()
            await process.wait()
        except asyncio.CancelledError:
            # No more waiting: it must not outlive us.
            if process.returncode is None:
                process.kill()
                await process.wait()
            raise
