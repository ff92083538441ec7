"""Taps start here: once the call is on disk, and only if no channel says that the customer opted out.

What is not written is lost if we crash. So no segment is tapped before it is written: after a crash every
tapped segment is known, and graded, whatever became of the call meanwhile.
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

#: Most seconds that a tap waits for the store; a store that refuses writes holds up no tap.
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
            ami: asks channels whether the customer opted out.
            tracker: knows the customer's channels.
            taps: starts and ends taps.
            group: owns the tasks.
            ledger: knows when everything so far is on disk.
            opted_out: called for customers who do not want analysis.
        """
        self._ami, self._tracker, self._taps, self._group = ami, tracker, taps, group
        self._ledger, self._opted_out = ledger, opted_out
        self._mode = "off"

    def link_up(self, mode: str) -> None:
        """The link to Asterisk is up.

        Args:
            mode: off, customer, dual or stereo: how Asterisk's version and the settings allow calls to be
                tapped.
        """
        self._mode = mode

    def begin(self, tap: BeginTap) -> None:
        """Tap the call, once its customer's channels have been asked."""
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
            return  # hung up meanwhile, or not a customer after all
        if self._mode == "stereo":
            self._taps.want(call_id, customer, "stereo", tap.zero_at, tap.alerts)
            return
        self._taps.want(call_id, customer, "customer", tap.zero_at, tap.alerts)
        if self._mode == "dual" and tap.leg:
            self._taps.want(call_id, tap.leg, "agent", tap.zero_at, tap.alerts)

    def _customer(self, call_id: str) -> str | None:
        """Uniqueid of the customer's channel; None: there is no customer, or no longer."""
        call = self._tracker.calls.get(call_id)
        return None if call is None or call.internal else call.uniqueid
