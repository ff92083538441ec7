"""Where callers go after leaving a queue unanswered: into a voicemail box, or had the queue said it was
empty.

AMI reports this only with a dialplan debugger's permissions, so the channel is asked a few times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.happenings import CallerLeftFor
from emocx_pbx.errors import PeerUnavailable, ProtocolError, RefusedError
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.pbx.ami.ami import Ami
from emocx_pbx.pbx.tracking.tracker import CallTracker

#: Seconds after a caller left a queue at which to ask; leaving a message takes longer than one asking.
ASK_AFTER_S: Final = (0.0, 0.5, 2.0, 5.0)
VOICEMAIL: Final = frozenset({"VoiceMail", "MiniVM_Record", "MinivmRecord", "Record"})
#: QUEUESTATUS of a queue with nobody to answer.
EMPTY: Final = frozenset({"JOINEMPTY", "LEAVEEMPTY", "JOINUNAVAIL", "LEAVEUNAVAIL"})


class Whereabouts:
    """Asks channels where they are in the dialplan."""

    def __init__(
        self,
        ami: Ami,
        group: Tasks,
        tracker: CallTracker,
        tell: Callable[[CallerLeftFor], None],
    ) -> None:
        self._ami, self._group, self._tracker, self._tell = ami, group, tracker, tell

    def ask(self, call: CallState) -> None:
        """Find out where the caller goes."""
        self._group.create_task(self._ask(call), name=f"where {call.call_id}")

    async def _ask(self, call: CallState) -> None:
        call_id, before = call.call_id, 0.0
        for after_s in ASK_AFTER_S:
            await asyncio.sleep(after_s - before)
            before = after_s
            channel = self._tracker.channel_of(call_id)
            if channel is None or call.waiting or call.legs:
                return
            try:
                answer = await self._ami.action("Status", {"Channel": channel, "Variables": "QUEUESTATUS"})
            except (PeerUnavailable, ProtocolError, RefusedError):
                return  # gone, or nobody to ask
            for event in answer.events:
                if event.get("Application") in VOICEMAIL:
                    self._tell(CallerLeftFor(call_id, "voicemail"))
                    return
                if event.get("Variable", "").partition("=")[2] in EMPTY:
                    self._tell(CallerLeftFor(call_id, "empty"))
