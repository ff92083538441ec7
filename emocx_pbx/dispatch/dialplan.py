"""What the dialplan asks by FastAGI: where a text, or what a caller says, should go."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol
from uuid import UUID

import structlog

from emocx_pbx.dispatch.announced import Announced
from emocx_pbx.dispatch.queries import Caller, Queries, attributes_of, channel_variables
from emocx_pbx.errors import InputError, ProtocolError
from emocx_pbx.pbx.agi.answers import CHECK_ANSWER, CHECK_PATH
from emocx_pbx.pbx.agi.server import AgiRequest
from emocx_pbx.routing.levers import OWN_VARIABLES, OwnLevers, own_number
from emocx_pbx.settings.names import customer_key, queue_name

log = structlog.get_logger()

#: Asterisk's own bounds, generously: a Uniqueid has at most 149 characters (AST_MAX_UNIQUEID), a
#: channel's name is its technology, an endpoint's name (at most 80) and some digits.
_UNIQUEID: Final = re.compile(r"[!-~]{1,149}")
_LONGEST_CHANNEL: Final = 250
#: Of a calling number: a SIP user, at most (AST_MAX_EXTENSION is 80).
_LONGEST_NUMBER: Final = 80


class Tracker(Protocol):
    """The part of the call tracker that is needed."""

    def announce(self, call_id: str, channel: str, caller: str, at: float) -> None:
        """Know a customer's channel before it joins a queue."""


class Dialplan:
    """Answers the requests of calls with channel variables."""

    def __init__(
        self,
        queries: Queries,
        announced: Announced,
        tracker: Tracker,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Prepare.

        Args:
            queries: decide.
            announced: who is expected to join a queue.
            tracker: told of each call that asks.
            now: Unix seconds.
        """
        self._queries, self._announced, self._tracker = queries, announced, tracker
        self._now = now

    async def answer(self, request: AgiRequest) -> Mapping[str, str]:
        """The variables to set for one request.

        Raises:
            ProtocolError: no call of Asterisk's, or a question without the UUID of its AudioSocket.
            PeerUnavailable: too much is going on, or no worker is ready; the dialplan's default stands.
        """
        if request.path == CHECK_PATH:
            return CHECK_ANSWER
        call_id, channel = request.uniqueid, request.env.get("agi_channel", "")
        if not _UNIQUEID.fullmatch(call_id):
            raise ProtocolError("FastAGI: agi_uniqueid is none of Asterisk's")
        if not (channel.isprintable() and 0 < len(channel) <= _LONGEST_CHANNEL):
            raise ProtocolError("FastAGI: agi_channel is no channel's name")
        question = _question(request) if request.path in {"/listen", "/heard"} else ""
        self._announced.add(call_id, channel)
        self._tracker.announce(call_id, channel, _caller(request.env.get("agi_callerid", "")), self._now())
        if request.path == "/listen":
            return {"EMOCX_AUDIO": await self._queries.listen(question, call_id)}
        caller = Caller(
            call_id,
            _customer(await request.get_variable("EMOCX_CUSTOMER"), call_id),
            _queue(await request.get_variable("EMOCX_DEFAULT_QUEUE")),
            await request.get_variable("EMOCX_OPTOUT") == "1",
            attributes_of(await request.get_variable("EMOCX_ATTRIBUTES") or ""),
            OwnLevers(*[own_number(await request.get_variable(name)) for name in OWN_VARIABLES]),
        )
        if request.path == "/heard":
            return channel_variables(await self._queries.by_speech(question, caller))
        text = await request.get_variable("EMOCX_QUERY") or ""
        return channel_variables(await self._queries.by_text(text, caller))


def _caller(given: str) -> str:
    """The calling number, which is kept and shown; empty for what can be none."""
    return given if given.isprintable() and len(given) <= _LONGEST_NUMBER else ""


def _customer(given: str, call_id: str) -> str | None:
    """The customer's key; one that is none is left out: the query can be decided on without it."""
    try:
        return customer_key(given)
    except InputError as error:
        log.warning("EMOCX_CUSTOMER left out", key="agi.bad_customer", call_id=call_id, why=str(error))
        return None


def _queue(given: str) -> str | None:
    """The dialplan's own queue.

    Raises:
        ProtocolError: a name that could not be set again; the dialplan, which can use it, keeps it.
    """
    try:
        return queue_name(given)
    except InputError as error:
        raise ProtocolError(f"FastAGI: EMOCX_DEFAULT_QUEUE: {error}") from None


def _question(request: AgiRequest) -> str:
    """The UUID of the caller's AudioSocket, as workers and Asterisk write it."""
    given = request.args[0].strip() if request.args else ""
    try:
        if len(given) != 36:
            raise ValueError(given)
        return str(UUID(given))
    except ValueError:
        raise ProtocolError(f"FastAGI: {request.path} needs the UUID of an AudioSocket as argument") from None
