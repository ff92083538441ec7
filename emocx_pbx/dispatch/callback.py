"""Calls a customer back: one Originate that leads into the chosen queue with the decision set."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, Protocol
from uuid import UUID

from emocx_pbx.call_ids import call_id_of, uniqueid_of
from emocx_pbx.dispatch.queries import channel_variables
from emocx_pbx.dispatch.to_place import CallToPlace
from emocx_pbx.errors import EmocxError, InputError, RefusedError
from emocx_pbx.pbx.ami.gateway import AmiGateway
from emocx_pbx.pbx.queues import argument, queue_arguments

#: The context of dialplan/emocx.conf.
_OURS: Final = re.compile(r"@emocx-callback\b")


def new_call_id(new_uuid: Callable[[], UUID], pbx: str = "") -> str:
    """A new id for a call to be placed, on the PBX of that name."""
    return call_id_of(pbx, f"emocx-call-{new_uuid()}")


class Placed(Protocol):
    """The prefix of the ids of calls that we place ourselves."""

    def begun(self, call_id: str, number: str) -> None:
        """The call exists from now on."""

    def failed(self, call_id: str, why: str) -> None:
        """The call was never set up."""


class CallBack:
    """Dials customers through Asterisk."""

    def __init__(
        self,
        ami: AmiGateway,
        channel: str,
        calls: Placed,
    ) -> None:
        """`calls` is told of each call that is placed; `channel` is the setting asterisk.callback_channel."""
        self._ami, self._channel, self._calls = ami, channel, calls

    async def ring(self, call: CallToPlace) -> None:
        """Dial the (checked) number.

        Raises:
            InputError: neither policy nor request names a queue.
            PeerUnavailable, RefusedError: Asterisk is unreachable, refuses the Originate, or has no dialplan
                setting for how to dial numbers.
        """
        # From here on the call exists: its events report what becomes of it, or else we do here.
        self._calls.begun(call.call_id, call.number)
        try:
            await self._originate(call)
        except EmocxError as error:
            self._calls.failed(call.call_id, str(error))
            raise

    async def _originate(self, call: CallToPlace) -> None:
        if not call.decision.queue:
            raise InputError("no queue to call back from: send default_queue, or set it in the policy")
        await self._check_prefix()
        variables = channel_variables(call.decision)
        if call.customer:
            variables["EMOCX_CUSTOMER"] = call.customer
        if call.opted_out:
            variables["EMOCX_OPTOUT"] = "1"
        uniqueid = uniqueid_of(call.call_id)
        fields: dict[str, str | list[str]] = {
            "Channel": self._channel.format(number=call.number),
            "Application": "Queue",
            "Data": queue_arguments(call.decision.queue, variables["EMOCX_RULE"], self._ami.state.version),
            "ChannelId": uniqueid,
            "OtherChannelId": f"{uniqueid}-2",
            "CallerID": f"<{call.number}>",
            "Timeout": "45000",
            "Async": "true",
            "Variable": [f"{name}={argument(value)}" for name, value in variables.items() if value],
        }
        await self._ami.action("Originate", fields)

    async def _check_prefix(self) -> None:
        """Our own dialplan dials nothing without EMOCX_CALLBACK_PREFIX: report that before ringing
        anybody.
        """
        if not _OURS.search(self._channel):
            return
        answer = await self._ami.action("Getvar", {"Variable": "EMOCX_CALLBACK_PREFIX"})
        if answer.headers.get("Value", "") in {"", "(null)"}:
            raise RefusedError(
                "no callback: set EMOCX_CALLBACK_PREFIX in [globals] of Asterisk's extensions.conf"
            )
