"""What calls have done at once, outside their own state: taps, questions to channels, news to Asterisk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from emocx_pbx.calls.alerted import Alerted
from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.consent import Consent
from emocx_pbx.calls.effects import BeginTap
from emocx_pbx.calls.taps import TapKeeper
from emocx_pbx.calls.whereabouts import Whereabouts
from emocx_pbx.pbx.ami.user_events import UserEvents


class Acting(Protocol):
    """What journeys need of whoever acts for the calls; none of it blocks."""

    def begin_tap(self, effect: BeginTap) -> None:
        """Tap a call, if its customer agrees."""

    def end_taps(self, call_id: str, unheard: bool) -> None:
        """End all taps of a call; `unheard`: it is opted out."""

    def ask_where(self, call: CallState) -> None:
        """Find out where a caller goes whom a queue did not answer."""

    def tell_alert(self, alerted: Alerted) -> None:
        """Tell Asterisk's manager interface of an alert."""


@dataclass(frozen=True, slots=True)
class Hands:
    """The parts that act for the calls of one PBX."""

    consent: Consent
    taps: TapKeeper
    whereabouts: Whereabouts
    user_events: UserEvents

    def begin_tap(self, effect: BeginTap) -> None:
        """Tap a call, if its customer agrees."""
        self.consent.begin(effect)

    def end_taps(self, call_id: str, unheard: bool) -> None:
        """End all taps of a call; `unheard`: it is opted out."""
        self.taps.unwant(call_id, unheard)

    def ask_where(self, call: CallState) -> None:
        """Find out where a caller goes whom a queue did not answer."""
        self.whereabouts.ask(call)

    def tell_alert(self, alerted: Alerted) -> None:
        """Tell Asterisk's manager interface of an alert."""
        self.user_events.tell("EmocxAlert", alerted.user_event())
