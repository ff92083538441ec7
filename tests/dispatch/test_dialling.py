"""One policy of dialling: nothing is called that may cost a fortune, however it is spelt, nor too often."""

from __future__ import annotations

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberType

from emocx_pbx.dispatch.dialling import Dialling, DiallingRefused
from emocx_pbx.settings.dialling import DiallingSettings

GERMANY = DiallingSettings(country="DE", blocked=("+49900", "+490163"))
NEVER = {PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST, PhoneNumberType.UNKNOWN}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def dialling(given: DiallingSettings = GERMANY, clock: Clock | None = None) -> Dialling:
    return Dialling(given, clock or Clock())


def why(text: str, given: DiallingSettings = GERMANY) -> str:
    with pytest.raises(DiallingRefused) as caught:
        dialling(given).admit(text)
    return caught.value.why


@pytest.mark.parametrize("text", ["+49 (0)30 / 123456", "030 123456", "0049 30 12 34 56", "+4930123456"])
def test_one_number_in_all_its_spellings(text: str) -> None:
    assert dialling().admit(text) == "+4930123456"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0900 1 123456", "type"),
        ("+49 900 1 123456", "type"),
        ("+49 0900 1 123456", "type"),
        ("+4900900123456", "nobodys"),
        ("0180 5 12345", "type"),
        ("0800 123 4567", "type"),
        ("112", "emergency"),
        ("110", "emergency"),
        ("+49112", "emergency"),
        ("0049112", "emergency"),
        ("+1 900 555 1234", "region"),
        ("+1 876 555 1234", "region"),
        ("+881 6 123456789", "region"),
        ("０３０１２３４５６", "unreadable"),
        ("٠٣٠١٢٣٤٥٦", "unreadable"),
        ("+49\u200b30123456", "unreadable"),
        ("tel:+4930123456", "unreadable"),
        ("030123456;phone-context=+49900", "unreadable"),
        ("030123456x900", "unreadable"),
        ("030123456 ext 5", "unreadable"),
        ("0800FLOWERS", "unreadable"),
        ("+4915112345678p123", "unreadable"),
        ("+49151,,,1234", "unreadable"),
        ("*21*030123456#", "unreadable"),
        ("01011 030 123456", "nobodys"),
        ("0137 7123456", "type"),
        ("+979 1 23456789", "region"),
        ("+800 1234 5678", "region"),
        ("+49 (0)112", "emergency"),
        ("00 49 112", "emergency"),
        ("+49 30 123456;ext=5", "unreadable"),
        ("+4930123456&PJSIP/other", "unreadable"),
        ("+4930123456\n", "unreadable"),
        ("call me", "unreadable"),
        ("0163 1234567", "blocked"),
        ("+490163 1234567", "blocked"),
        ("+49 0 163 1234567", "blocked"),
    ],
)
def test_what_is_not_called(text: str, reason: str) -> None:
    if text.endswith("\n"):
        assert dialling().admit(text) == "+4930123456", "white space is not part of a number"
        return
    assert why(text) == reason


def test_nobody_is_called_until_a_country_is_set() -> None:
    assert why("+4930123456", DiallingSettings()) == "off"
    assert why("030 123456", DiallingSettings(regions=("DE",))) == "country"
    assert dialling(DiallingSettings(regions=("US", "DE"))).admit("+1 415 555 2671") == "+14155552671"


def test_kinds_and_prefixes_are_the_sites_choice() -> None:
    assert (
        dialling(DiallingSettings(country="DE", types=("toll_free",))).admit("08001234567") == "+498001234567"
    )
    berlin = DiallingSettings(country="DE", prefixes=("+49030",))
    assert dialling(berlin).admit("030 123456") == "+4930123456"
    assert why("089 123456", berlin) == "blocked"


@given(
    st.builds(
        "".join,
        st.lists(
            st.sampled_from(["+49", "0049", "0", "900", "1", "137", "180", "112", "30", " ", "(0)", "/", "5"])
        ),
    )
)
@settings(max_examples=2000)
def test_whatever_is_admitted_is_a_valid_number_of_an_allowed_kind(text: str) -> None:
    try:
        number = dialling().admit(text)
    except DiallingRefused:
        return
    found = phonenumbers.parse(number)
    assert phonenumbers.is_valid_number(found) and phonenumbers.region_code_for_number(found) == "DE"
    assert phonenumbers.number_type(found) not in NEVER
    assert not number.startswith(("+49900", "+49163", "+490"))


def test_a_number_rests_and_an_hour_has_its_limit() -> None:
    clock = Clock()
    policy = dialling(DiallingSettings(country="DE", calls_per_hour=2), clock)
    policy.take("+4930123456")
    for number, reason in (("+4930123456", "called_number"), ("+4930123457", ""), ("+4930123458", "called")):
        try:
            policy.take(number)
            assert reason == ""
        except DiallingRefused as refused:
            assert (refused.why, refused.wait_s > 0) == (reason, True)
    clock.now += 3600
    policy.take("+4930123456")


@pytest.mark.parametrize("text", ["212 976 1234", "+1 (212) 976-1234", "1-900-555-1234", "900 555 1234"])
def test_premium_exchanges_of_north_america_are_not_called(text: str) -> None:
    assert why(text, DiallingSettings(country="US")) == "type"
