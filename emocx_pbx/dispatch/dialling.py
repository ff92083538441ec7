"""The dialling policy: which numbers may be called, and how often, whoever asks. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Final, Literal

import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from emocx_pbx.dispatch.numbers import normal_prefix, parsed, region_of
from emocx_pbx.errors import EmocxError
from emocx_pbx.limits import Limit, take
from emocx_pbx.settings.dialling import DiallingSettings

Why = Literal[
    "off",
    "country",
    "unreadable",
    "nobodys",
    "emergency",
    "region",
    "type",
    "blocked",
    "called_number",
    "called",
]

_TYPES: Final = {
    PhoneNumberType.FIXED_LINE: ("fixed_line",),
    PhoneNumberType.MOBILE: ("mobile",),
    # Fixed and mobile can't be told apart, as in North America.
    PhoneNumberType.FIXED_LINE_OR_MOBILE: ("fixed_line", "mobile"),
    PhoneNumberType.VOIP: ("voip",),
    PhoneNumberType.TOLL_FREE: ("toll_free",),
    PhoneNumberType.PERSONAL_NUMBER: ("personal_number",),
    PhoneNumberType.UAN: ("uan",),
    PhoneNumberType.PAGER: ("pager",),
    PhoneNumberType.SHARED_COST: ("shared_cost",),
}

#: North American exchanges that cost as much as 900 numbers, in any area; the metadata call them fixed lines.
_NANP_PREMIUM: Final = re.compile(r"\+1[0-9]{3}976")

_WORDS: Final[dict[Why, str]] = {
    "off": "nobody is called: set dialling.country or dialling.regions",
    "country": "a number without a country code can't be read: write it as +49..., or set dialling.country",
    "unreadable": "expected a telephone number, e.g. +49 30 123456",
    "nobodys": "no such number can exist",
    "emergency": "an emergency number is never called",
    "region": "numbers of that country are not called (dialling.regions)",
    "type": "numbers of that kind are not called (dialling.types)",
    "blocked": "that number is not called (dialling.prefixes, dialling.blocked)",
    "called_number": "that number was called a short time ago (dialling.number_cooldown_s)",
    "called": "as many calls were placed as may be in an hour (dialling.calls_per_hour)",
}


class DiallingRefused(EmocxError):
    """A number is not called; `why` names the reason."""

    def __init__(self, why: Why, wait_s: float = 0.0) -> None:
        super().__init__(_WORDS[why])
        self.why: Why = why
        self.wait_s = wait_s
        """Seconds after which the call may be requested again; 0: it will not be placed later either."""


class Dialling:
    """Decides on every number before it is dialled; one per service."""

    def __init__(self, settings: DiallingSettings, clock: Callable[[], float]) -> None:
        """Start with no calls counted.

        Args:
            settings: the section [dialling].
            clock: monotonic seconds.
        """
        self.settings, self._clock = settings, clock
        self._regions = frozenset(settings.regions or [r for r in (region_of(settings.country),) if r])
        self._prefixes = tuple(normal_prefix(p) for p in settings.prefixes)
        self._blocked = tuple(normal_prefix(p) for p in settings.blocked)
        self._called = Limit(settings.calls_per_hour, 3600.0)
        self._called_number = Limit(1, settings.number_cooldown_s)

    @property
    def on(self) -> bool:
        """Whether anybody can be called at all."""
        return bool(self._regions)

    def admit(self, text: str) -> str:
        """The number to dial, in E.164 form; nothing is counted yet.

        Raises:
            DiallingRefused: it can't be read, or may not be called.
        """
        if not self.on:
            raise DiallingRefused("off")
        number = parsed(text, self.settings.country)
        if self._is_emergency(text):
            raise DiallingRefused("emergency")
        if number is None:
            national = re.fullmatch(r"\s*\(?0[1-9][0-9\s()/.\-]+", text) is not None
            raise DiallingRefused("country" if national and not self.settings.country else "unreadable")
        if not phonenumbers.is_valid_number(number):
            raise DiallingRefused("nobodys")
        region = phonenumbers.region_code_for_number(number)
        if region not in self._regions:
            raise DiallingRefused("region")
        if not set(_TYPES.get(phonenumbers.number_type(number), ())) & set(self.settings.types):
            raise DiallingRefused("type")
        dialled = phonenumbers.format_number(number, PhoneNumberFormat.E164)
        if _NANP_PREMIUM.match(dialled):
            raise DiallingRefused("type")
        if dialled.startswith(self._blocked) or (self._prefixes and not dialled.startswith(self._prefixes)):
            raise DiallingRefused("blocked")
        return dialled

    def limits(self, number: str) -> list[tuple[Why, Limit, str]]:
        """Name, limit and key of each counter that a call to an admitted number adds to."""
        return [("called_number", self._called_number, number), ("called", self._called, "")]

    def take(self, number: str) -> None:
        """Count a call to an admitted number that is placed now.

        Raises:
            DiallingRefused: too many calls, to this number or overall; then nothing is counted.
        """
        if refused := take(self.limits(number), self._clock()):
            raise DiallingRefused(refused[0], math.ceil(refused[1]))

    def was_placed(self, number: str, seconds_ago: float) -> None:
        """Count a call placed before a restart; call this from the oldest to the newest."""
        for _, limit, key in self.limits(number):
            limit.use(key, self._clock() - seconds_ago)

    def _is_emergency(self, text: str) -> bool:
        """As it is written, or after a country code."""
        digits = re.sub(r"[^0-9]", "", text)
        home = {region_of(self.settings.country), *self._regions} - {""}
        tails = {digits} | {
            digits.removeprefix(lead).removeprefix(str(phonenumbers.country_code_for_region(region)))
            for region in home
            for lead in ("", "00")
        }
        return any(
            phonenumbers.is_emergency_number(tail.lstrip("0") or "0", region)
            for tail in tails
            for region in home
        )
