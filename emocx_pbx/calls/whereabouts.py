"""Where callers go whom a queue did not answer: a voicemail box, or did the queue say it is empty.

AMI tells nothing of it without the rights of a dialplan debugger, so the channel is asked a few times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.happenings import WentTo
from emocx_pbx.errors import PeerUnavailable, ProtocolError, RefusedError
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.pbx.ami.ami import Ami

#: When to ask after a caller left a queue; a message takes longer than to be asked once.
ASK_AFTER_S: Final = (0.0, 0.5, 2.0, 5.0)
VOICEMAIL: Final = frozenset({"VoiceMail", "MiniVM_Record", "MinivmRecord", "Record"})
#: QUEUESTATUS of a queue without anybody to answer.
EMPTY: Final = frozenset({"JOINEMPTY", "LEAVEEMPTY", "JOINUNAVAIL", "LEAVEUNAVAIL"})


class Whereabouts:
    """Asks channels where they are."""

    def __init__(
        self,
        ami: Ami,
        group: Tasks,
        channel_of: Callable[[str], str | None],
        call_of: Callable[[str], CallState | None],
        tell: Callable[[WentTo], None],
    ) -> None:
        self._ami, self._group, self._tell = ami, group, tell
        self._channel_of, self._call_of = channel_of, call_of

    def ask(self, call_id: str) -> None:
        """Find out where the caller goes."""
        self._group.create_task(self._ask(call_id), name=f"where {call_id}")

    async def _ask(self, call_id: str) -> None:
        before = 0.0
        for after_s in ASK_AFTER_S:
            await asyncio.sleep(after_s - before)
            before = after_s
            channel, call = self._channel_of(call_id), self._call_of(call_id)
            if channel is None or call is None or call.waiting or call.legs:
                return
            try:
                answer = await self._ami.action("Status", {"Channel": channel, "Variables": "QUEUESTATUS"})
            except (PeerUnavailable, ProtocolError, RefusedError):
                return  # gone, or nobody to ask
            for event in answer.events:
                if event.get("Application") in VOICEMAIL:
                    self._tell(WentTo(call_id, "voicemail"))
                    return
                if event.get("Variable", "").partition("=")[2] in EMPTY:
                    self._tell(WentTo(call_id, "empty"))
