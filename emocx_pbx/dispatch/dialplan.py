"""Answers the dialplan's FastAGI requests: where a text, or a caller's spoken words, should go."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

import structlog

from emocx_pbx.call_ids import call_id_of
from emocx_pbx.dispatch.announced import Announced
from emocx_pbx.dispatch.door_messages import VARIABLES
from emocx_pbx.dispatch.queries import Caller, Queries, attributes_of, channel_variables
from emocx_pbx.errors import InputError, ProtocolError, RefusedError
from emocx_pbx.pbx.agi.allow import AllowList
from emocx_pbx.pbx.agi.answers import CHECK_ANSWER, CHECK_PATH
from emocx_pbx.pbx.agi.server import AgiRequest
from emocx_pbx.routing.levers import OWN_VARIABLES, OwnLevers, own_number
from emocx_pbx.settings.names import customer_key, queue_name

log = structlog.get_logger()

#: Asterisk's own limits, rounded up: a Uniqueid has at most 149 characters (AST_MAX_UNIQUEID); a channel's
#: name consists of its technology, an endpoint's name (at most 80) and some digits.
_UNIQUEID: Final = re.compile(r"[!-~]{1,149}")
_LONGEST_CHANNEL: Final = 250
#: What is read of a caller whose question was spoken.
_OF_CALLER: Final = tuple(name for name in VARIABLES if name != "EMOCX_QUERY")
#: Longest calling number: a SIP user (AST_MAX_EXTENSION is 80).
_LONGEST_NUMBER: Final = 80


class Tracker(Protocol):
    """The part of the call tracker that is needed."""

    def announce(self, call_id: str, channel: str, caller: str, at: float) -> None:
        """Know a customer's channel before it joins a queue."""


@dataclass(frozen=True, slots=True)
class PbxAsking:
    """What the requests from one PBX need."""

    pbx: str
    """Its name; "": it has none."""
    announced: Announced
    """The calls expected to join one of its queues."""
    tracker: Tracker
    """Told of each call that makes a request."""
    allow: AllowList | None = None
    """Addresses that may make requests for it; None: all."""
    acts: Callable[[], bool] = lambda: True
    """Whether we act for it; if not, we only decide, and the acting controller follows its calls."""


class Dialplan:
    """Answers the requests of calls with channel variables."""

    def __init__(
        self,
        queries: Queries,
        asking: Callable[[str], PbxAsking | None],
        count: Callable[[str], None] = lambda name: None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Prepare.

        Args:
            queries: decide.
            asking: gives the PBX with the name that a dialplan uses; None: there is none.
            count: adds one to the counter agi_unknown_pbx.
            now: Unix seconds.
        """
        self._queries, self._asking = queries, asking
        self._count, self._now = count, now

    async def answer(self, request: AgiRequest) -> Mapping[str, str]:
        """The channel variables to set for one request.

        Raises:
            RefusedError: the request is not for a PBX of ours, or its address may not ask for it.
            ProtocolError: it names no call of Asterisk's, or is a spoken query without its AudioSocket's
                UUID.
            PeerUnavailable: too many requests are in progress, or no worker is ready; the dialplan's default
                stands.
        """
        asking = await self._who_asks(request)
        if request.path == CHECK_PATH:
            return CHECK_ANSWER
        channel = request.env.get("agi_channel", "")
        if not _UNIQUEID.fullmatch(request.uniqueid):
            raise ProtocolError("FastAGI: agi_uniqueid is none of Asterisk's")
        if not (channel.isprintable() and 0 < len(channel) <= _LONGEST_CHANNEL):
            raise ProtocolError("FastAGI: agi_channel is not a channel name")
        question = _question(request) if request.path in {"/listen", "/heard"} else ""
        call_id = call_id_of(asking.pbx, request.uniqueid)
        if asking.acts():
            asking.announced.add(call_id, channel)
            caller_id = _caller(request.env.get("agi_callerid", ""))
            asking.tracker.announce(call_id, channel, caller_id, self._now())
        if request.path == "/listen":
            return {"EMOCX_AUDIO": await self._queries.listen(question, call_id)}
        # A long EMOCX_QUERY of before is no reason to refuse what was said.
        given = await request.get_variables(VARIABLES if request.path != "/heard" else _OF_CALLER)
        caller = Caller(
            call_id,
            _customer(given["EMOCX_CUSTOMER"], call_id),
            _queue(given["EMOCX_DEFAULT_QUEUE"]),
            given["EMOCX_OPTOUT"] == "1",
            attributes_of(given["EMOCX_ATTRIBUTES"]),
            OwnLevers(*[own_number(given[name]) for name in OWN_VARIABLES]),
            question=request.question,
        )
        if request.path == "/heard":
            return channel_variables(await self._queries.by_speech(question, caller))
        return channel_variables(await self._queries.by_text(given["EMOCX_QUERY"], caller))

    async def _who_asks(self, request: AgiRequest) -> PbxAsking:
        """The PBX that a request is from: two PBXes may use the same Uniqueid."""
        asking = self._asking(request.pbx)
        if asking is None:
            self._count("agi_unknown_pbx")
            named = f"EMOCX_PBX is {request.pbx[:40]!r}" if request.pbx else "EMOCX_PBX is not set"
            raise RefusedError(f"{named}, and no PBX of the settings is called so")
        if asking.allow and request.peer and not await asking.allow.allows(request.peer, request.ours):
            self._count("agi_unknown_pbx")
            raise RefusedError(f"{request.peer} is not the PBX {asking.pbx!r}, and may not ask for it")
        return asking


def _caller(given: str) -> str:
    """The calling number, which is kept and shown; empty if it can't be one."""
    return given if given.isprintable() and len(given) <= _LONGEST_NUMBER else ""


def _customer(given: str, call_id: str) -> str | None:
    """The customer's key; a malformed one is left out, as the query can be decided without it."""
    try:
        return customer_key(given)
    except InputError as error:
        log.warning("EMOCX_CUSTOMER left out", key="agi.bad_customer", call_id=call_id, why=str(error))
        return None


def _queue(given: str) -> str | None:
    """The dialplan's own queue.

    Raises:
        ProtocolError: a name that we could not set; the dialplan, which can use it, keeps it.
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
