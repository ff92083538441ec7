"""One POST to a receiver: to the configured address, only in allowed networks; any 2xx is success."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import aiohappyeyeballs

from emocx_pbx.errors import EmocxError, ProtocolError, SettingsError
from emocx_pbx.settings.receiver_url import ReceiverUrl, parse_receiver_url
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.webhooks.answer import AnswerReader
from emocx_pbx.webhooks.networks import Networks
from emocx_pbx.webhooks.schedule import AttemptOutcome

#: Seconds to wait for what follows the status.
REST_S: Final = 2.0
#: Seconds between attempts at a name's addresses (RFC 8305).
NEXT_ADDRESS_S: Final = 0.25


class _NotPermitted(OSError):
    """A receiver's name resolves to addresses that the settings don't allow."""


class _NotOurs(EmocxError):
    """What was to be sent is somebody else's to send by now."""


@dataclass(frozen=True, slots=True)
class Knock:
    """The result of asking a receiver for its headers."""

    error: str = ""
    """Why there was no answer; empty if there was one, with any status."""
    date: str = ""
    """The header Date of its answer."""


class Poster:
    """Sends signed events, each over a connection of its own."""

    def __init__(self, networks: Networks, ca_file: str = "") -> None:
        """Prepare, and load the CAs.

        Args:
            networks: the addresses at which receivers may be.
            ca_file: PEM file of CAs in addition to the system's; empty: none.

        Raises:
            SettingsError: the file can't be read or holds no certificate.
        """
        self._networks = networks
        self._tls = ssl.create_default_context()
        if ca_file:
            try:
                self._tls.load_verify_locations(ca_file)
            except OSError as error:
                why = "no certificate in it" if isinstance(error, ssl.SSLError) else error.strerror
                raise SettingsError(f"delivery.ca_file: {ca_file} can't be used: {why}") from error

    async def post(
        self,
        receiver: WebhookSettings,
        headers: Mapping[str, str],
        body: bytes,
        still: Callable[[], bool] = lambda: True,
    ) -> AttemptOutcome | None:
        """POST once, within the receiver's deadline; errors are described in our words, never the peer's.

        Args:
            receiver: the receiver.
            headers: the headers of this attempt.
            body: the event's body.
            still: called at the last moment, once connected; False: do not send.

        Returns:
            How it ended; None: nothing was sent, because `still` returned False.
        """
        url = parse_receiver_url(receiver.url)
        answer = AnswerReader()
        try:
            async with asyncio.timeout(receiver.timeout_s):
                await self._exchange(url, _request(url, headers, body), answer, still)
        except _NotOurs:
            return None
        except TimeoutError:
            if answer.status is None:
                return AttemptOutcome(None, f"no answer within {receiver.timeout_s:g} s")
        except ProtocolError as error:
            return AttemptOutcome(None, str(error))
        except OSError as error:
            if answer.status is None:
                return AttemptOutcome(None, _words(error, url))
        return AttemptOutcome(answer.status, retry_after=answer.retry_after, said=answer.said)

    async def knock(self, receiver: WebhookSettings, deadline_s: float) -> Knock:
        """Ask by HEAD whether anything answers; nothing is sent that could be taken for an event."""
        url = parse_receiver_url(receiver.url)
        answer = AnswerReader()
        try:
            async with asyncio.timeout(deadline_s):
                await self._exchange(url, _request(url, {}, b"", method="HEAD"), answer)
        except TimeoutError:
            if answer.status is None:
                return Knock(f"no answer within {deadline_s:g} s")
        except ProtocolError as error:
            return Knock(str(error))
        except OSError as error:
            if answer.status is None:
                return Knock(_words(error, url))
        return Knock(date=answer.date)

    async def _exchange(
        self,
        url: ReceiverUrl,
        request: bytes,
        answer: AnswerReader,
        still: Callable[[], bool] = lambda: True,
    ) -> None:
        connected = await self._connect(url)
        tls = self._tls if url.tls else None
        try:
            reader, writer = await asyncio.open_connection(
                sock=connected, ssl=tls, server_hostname=url.host if tls else None
            )
        except BaseException:
            connected.close()
            raise
        try:
            if not still():
                raise _NotOurs
            writer.write(request)
            # A receiver that refuses early may close before everything is sent, and still have answered.
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            while answer.status is None:
                answer.receive(await reader.read(4096))
            # The status has arrived: whatever follows, or fails to, changes nothing.
            with contextlib.suppress(TimeoutError, OSError):
                async with asyncio.timeout(REST_S):
                    while not answer.done:
                        answer.receive(await reader.read(4096))
        finally:
            writer.transport.abort()

    async def _connect(self, url: ReceiverUrl) -> socket.socket:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM)
        permitted = [info for info in found if self._networks.permits(str(info[4][0]))]
        if not permitted:
            raise _NotPermitted
        return await aiohappyeyeballs.start_connection(
            permitted, happy_eyeballs_delay=NEXT_ADDRESS_S, interleave=1
        )


def _request(url: ReceiverUrl, headers: Mapping[str, str], body: bytes, method: str = "POST") -> bytes:
    lines = [
        f"{method} {url.target} HTTP/1.1",
        f"host: {url.authority}",
        "user-agent: emocx-pbx",
        "accept: */*",
        "accept-encoding: identity",
        *(f"{name}: {value}" for name, value in headers.items()),
        f"content-length: {len(body)}",
        "connection: close",
    ]
    if url.credentials is not None:
        lines.append(f"authorization: Basic {base64.b64encode(url.credentials).decode()}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii") + body


def _words(error: OSError, url: ReceiverUrl) -> str:
    """Why there was no answer, for people: quotes nothing from the peer, and no resolved address."""
    where = f"{url.host}:{url.port}"
    match error:
        case _NotPermitted():
            return f"{url.host} is not at a public address: allow its network in [delivery] allow_networks"
        case socket.gaierror():
            return f"the name {url.host} can't be resolved"
        case ssl.SSLCertVerificationError():
            return f"the certificate of {where} is not trusted: {error.verify_message}"
        case ssl.SSLError():
            return f"no TLS connection with {where}"
        case OSError(errno=errno.ECONNREFUSED):
            return f"{where} refuses connections"
        case ConnectionError():
            return "the connection was closed without an answer"
        case _:
            return f"{where} can't be reached" + (f": {error.strerror}" if error.strerror else "")
