"""A telephone with two lines: answers a call, makes another, and connects both by REFER with Replaces.

sipp plays one dialog at a time; an attended transfer by the telephone itself needs two.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import quote

HOST = "127.0.0.1"
SDP = (
    "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=ptime:20\r\n"
)


@dataclass
class Line:
    """One dialog, as SIP names it."""

    call_id: str
    local: str
    """From or To header of this side, with its tag."""
    remote: str
    target: str
    """Where requests in the dialog go."""
    sequence: itertools.count[int] = field(default_factory=lambda: itertools.count(1))


class RawPhone(asyncio.DatagramProtocol):
    """Speaks just enough SIP over UDP; its audio is silence."""

    def __init__(self, pbx_port: int) -> None:
        self._pbx = HOST, pbx_port
        self.lines: list[Line] = []
        self._answers: dict[str, asyncio.Future[dict[str, str]]] = {}
        self.talking = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[RawPhone]:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, (HOST, 0))
        self.port: int = self._transport.get_extra_info("sockname")[1]
        try:
            yield self
        finally:
            self._transport.close()

    def address(self, endpoint: str) -> str:
        """What to dial to ring this telephone as that endpoint's."""
        return f"PJSIP/{endpoint}/sip:{endpoint}@{HOST}:{self.port}"

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        head = data.decode(errors="replace").partition("\r\n\r\n")[0].split("\r\n")
        first = head[0]
        headers: dict[str, str] = {}
        for line in head[1:]:
            name, _, value = line.partition(":")
            headers.setdefault(name.strip().lower(), value.strip())
        if first.startswith("SIP/2.0 "):
            self._answered(int(first.split()[1]), headers)
        else:
            self._asked(first.split()[0], headers)

    def _answered(self, status: int, headers: dict[str, str]) -> None:
        waiting = self._answers.get(headers["cseq"].split()[1])
        if status >= 200 and waiting and not waiting.done():
            waiting.set_result({**headers, "status": str(status)})

    def _asked(self, method: str, headers: dict[str, str]) -> None:
        if method == "ACK":
            self.talking.set()
        if method == "ACK" or "to" not in headers:
            return  # the latter: to whoever had the port before
        to = headers["to"]
        if method == "INVITE" and "tag=" not in to:
            to += ";tag=raw1"
            target = headers["contact"].partition("<")[2].partition(">")[0]
            self.lines.append(Line(headers["call-id"], to, headers["from"], target))
        body = self._sdp() if method == "INVITE" else ""
        self._send("SIP/2.0 200 OK", body, headers, to)

    def _sdp(self) -> str:
        return SDP.format(host=HOST, port=self.port)

    def _send(self, first: str, body: str, headers: dict[str, str], to: str) -> None:
        lines = [first, *(f"{name}: {headers[name.lower()]}" for name in ("Via", "From"))]
        lines += [f"To: {to}", f"Call-ID: {headers['call-id']}", f"CSeq: {headers['cseq']}"]
        self._write(lines, body)

    def _write(self, lines: list[str], body: str = "") -> None:
        lines = [*lines, f"Contact: <sip:raw@{HOST}:{self.port}>", "Max-Forwards: 70"]
        lines += ["Content-Type: application/sdp"] if body else []
        text = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])
        self._transport.sendto(text.encode(), self._pbx)

    async def _request(self, method: str, line: Line, *more: str, body: str = "") -> dict[str, str]:
        number = next(line.sequence)
        self._answers[method] = asyncio.get_running_loop().create_future()
        via = f"Via: SIP/2.0/UDP {HOST}:{self.port};branch=z9hG4bK{line.call_id[:8]}{method}{number}"
        head = [f"{method} {line.target} SIP/2.0", via, f"From: {line.local}", f"To: {line.remote}"]
        self._write([*head, f"Call-ID: {line.call_id}", f"CSeq: {number} {method}", *more], body)
        async with asyncio.timeout(10):
            return await self._answers[method]

    async def consult(self, extension: str) -> None:
        """Call somebody on the second line; returns when he has answered."""
        target = f"sip:{extension}@{HOST}:{self._pbx[1]}"
        line = Line("consult-raw-phone", f"<sip:raw@{HOST}>;tag=raw2", f"<{target}>", target)
        answer = await self._request("INVITE", line, body=self._sdp())
        assert answer["status"] == "200", answer
        line.remote = answer["to"]
        line.target = answer["contact"].partition("<")[2].partition(">")[0]
        self.lines.append(line)
        via = f"Via: SIP/2.0/UDP {HOST}:{self.port};branch=z9hG4bKack"
        self._write([f"ACK {line.target} SIP/2.0", via, f"From: {line.local}", f"To: {line.remote}",
                     f"Call-ID: {line.call_id}", "CSeq: 1 ACK"])  # fmt: skip

    async def connect_both(self) -> None:
        """Transfer the first line to who is on the second, and be out of it."""
        first, second = self.lines
        tags = [header.partition("tag=")[2] for header in (second.remote, second.local)]
        replaces = quote(f"{second.call_id};to-tag={tags[0]};from-tag={tags[1]}", safe="")
        refer_to = f"Refer-To: <{second.target}?Replaces={replaces}>"
        answer = await self._request("REFER", first, refer_to)
        assert answer["status"] == "202", answer
