"""Taps begin here: once the call is on disk, and only for a customer whom no channel says to be opted out.

What is not written is lost with us. So nothing is heard of a segment before it is written: whoever was
tapped is known after a crash, and graded, whatever became of the call meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from emocx_pbx.calls.effects import BeginTap
from emocx_pbx.calls.happenings import OptedOut
from emocx_pbx.calls.ledger import Ledger
from emocx_pbx.calls.taps import TapKeeper
from emocx_pbx.errors import PeerUnavailable, ProtocolError, RefusedError
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.pbx.ami.ami import Ami
from emocx_pbx.pbx.tracking.tracker import CallTracker

log = structlog.get_logger()

#: A tap waits for the store no longer than this; a store that refuses holds up none.
WRITTEN_S: Final = 2.0


class Consent:
    """Begins taps."""

    def __init__(
        self,
        ami: Ami,
        tracker: CallTracker,
        taps: TapKeeper,
        group: Tasks,
        ledger: Ledger,
        opted_out: Callable[[OptedOut], None],
    ) -> None:
        """Prepare.

        Args:
            ami: asked what the customer wants.
            tracker: knows the customer's channels.
            taps: begins and ends them.
            group: owns the tasks.
            ledger: knows when what happened so far is on disk.
            opted_out: told of customers who want no analysis.
        """
        self._ami, self._tracker, self._taps, self._group = ami, tracker, taps, group
        self._ledger, self._opted_out = ledger, opted_out
        self._mode = "off"

    def link_up(self, mode: str) -> None:
        """The link to Asterisk is up.

        Args:
            mode: off, customer, dual or stereo: how its version and the settings allow calls to be tapped.
        """
        self._mode = mode

    def begin(self, tap: BeginTap) -> None:
        """Tap the call, once its customer's channels were asked."""
        if self._mode != "off":
            self._group.create_task(self._tap(tap), name=f"begin tap {tap.call_id}")

    async def _tap(self, tap: BeginTap) -> None:
        call_id = tap.call_id
        await self._ledger.written(WRITTEN_S)
        if self._customer(call_id) is None:
            return
        try:
            answers = [
                await self._ami.action("Getvar", {"Channel": channel, "Variable": "EMOCX_OPTOUT"})
                for channel in self._tracker.speakers(call_id)
            ]
        except (PeerUnavailable, ProtocolError, RefusedError) as error:
            # Not knowing is no consent.
            log.warning("call not tapped", key="tap.unknown_consent", call_id=call_id, why=str(error))
            return
        if any(answer.headers.get("Value", "") == "1" for answer in answers):
            self._taps.unwant(call_id, unheard=True)
            self._opted_out(OptedOut(call_id))
            return
        customer = self._customer(call_id)
        if customer is None:
            return  # hung up meanwhile, or no customer after all
        if self._mode == "stereo":
            self._taps.want(call_id, customer, "stereo", tap.zero_at)
            return
        self._taps.want(call_id, customer, "customer", tap.zero_at)
        if self._mode == "dual" and tap.leg:
            self._taps.want(call_id, tap.leg, "agent", tap.zero_at)

    def _customer(self, call_id: str) -> str | None:
        """Uniqueid of the customer's channel; None: there is no customer (any more)."""
        call = self._tracker.calls.get(call_id)
        return None if call is None or call.internal else call.uniqueid
