"""What calls need done at once, outside their own state: taps, queries to channels, news to Asterisk."""

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
    """What journeys need from the parts that act for calls; none of it blocks."""

    def begin_tap(self, effect: BeginTap) -> None:
        """Tap a call, if its customer agrees."""

    def end_taps(self, call_id: str, unheard: bool) -> None:
        """End all taps of a call; `unheard`: its customer opted out."""

    def ask_where(self, call: CallState) -> None:
        """Find out where a caller goes after leaving a queue unanswered."""

    def tell_alert(self, alerted: Alerted) -> None:
        """Report an alert on Asterisk's manager interface."""


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
        """End all taps of a call; `unheard`: its customer opted out."""
        self.taps.unwant(call_id, unheard)

    def ask_where(self, call: CallState) -> None:
        """Find out where a caller goes after leaving a queue unanswered."""
        self.whereabouts.ask(call)

    def tell_alert(self, alerted: Alerted) -> None:
        """Report an alert on Asterisk's manager interface."""
        self.user_events.tell("EmocxAlert", alerted.user_event())
