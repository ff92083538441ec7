"""A receiver's address goes out byte for byte, and is shown without its secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.errors import SettingsError
from emocx_pbx.settings.delivery import DeliverySettings, delivery_problems
from emocx_pbx.settings.receiver_url import parse_receiver_url, shown_url
from emocx_pbx.settings.settings import load

#: What RFC 3986 and senders of signed addresses write behind the host.
TARGETS = (
    "/hook?sig=a%2Bb%2fc%3D%3D&x=1+2",
    "/a%20b/%7Euser/%e4?q=%41",
    "/a//b/../c/./d",
    "/?",
    '/p?a=[1]&b={x}|y^z`"<>\\',
    "/p;v=1,2?a=b?c=d&e",
    "/p?sv=2022-11-02&sig=Zm9v%2BYmFy%3D&se=2027-01-01T00%3A00%3A00Z",
)


@pytest.mark.parametrize("target", TARGETS)
def test_path_and_query_stay_as_they_are_written(target: str) -> None:
    url = parse_receiver_url(f"https://crm.example{target}")
    assert (url.target, url.host, url.port, url.authority) == (target, "crm.example", 443, "crm.example")


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"), max_size=80))
def test_any_ascii_behind_the_host_stays_as_it_is(rest: str) -> None:
    assert parse_receiver_url(f"http://crm.example:8080/{rest}").target == f"/{rest}"


def test_the_rest_of_an_address() -> None:
    url = parse_receiver_url("HTTP://user:p%40ss@CRM.example:8080?x=1#part")
    assert (url.tls, url.host, url.port, url.authority) == (False, "crm.example", 8080, "CRM.example:8080")
    assert (url.target, url.credentials) == ("/?x=1", b"user:p@ss")
    six = parse_receiver_url("https://[2001:db8::1]:8443/x")
    assert (six.host, six.authority) == ("2001:db8::1", "[2001:db8::1]:8443")
    umlaut = parse_receiver_url("https://bücher.example:99/hö?k=ä")
    assert (umlaut.host, umlaut.authority) == ("xn--bcher-kva.example", "xn--bcher-kva.example:99")
    assert umlaut.target == "/h%C3%B6?k=%C3%A4"
    assert parse_receiver_url("http://crm.example/a b").target == "/a%20b"


@pytest.mark.parametrize(
    "url",
    [
        "crm.example/hook",
        "ftp://crm.example/",
        "https://",
        "https:///hook",
        "http://crm.example:0/",
        "http://crm.example:99999/",
        "http://[::1/",
        "http://crm example/",
        "http://crm.example/a\r\nx: y",
        "http://crm.example/\x00",
        "",
    ],
)
def test_what_cannot_be_sent_to_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValueError, match=r"^expected ") as caught:
        parse_receiver_url(url)
    assert "crm" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://crm.example/hook", "https://crm.example/hook"),
        ("https://ann:secret@crm.example/h", "https://ann:***@crm.example/h"),
        ("https://token@crm.example/h", "https://***@crm.example/h"),
        ("https://a:b@c@crm.example/h", "https://a:***@crm.example/h"),
        ("https://crm.example/h?sig=abc&v=1&flag", "https://crm.example/h?sig=***&v=***&***"),
        ("https://crm.example?sig=abc", "https://crm.example?sig=***"),
        ("secret", "***"),
    ],
)
def test_secrets_in_an_address_are_not_shown(url: str, shown: str) -> None:
    assert shown_url(url) == shown


def test_networks_that_are_none_are_named() -> None:
    found = delivery_problems(DeliverySettings(allow_networks=("10.0.0.0/8", "10.0.0.1/8", "crm")))
    assert [place for place, _ in found] == ["delivery.allow_networks[1]", "delivery.allow_networks[2]"]


def test_a_wrong_address_in_the_settings_is_not_repeated(tmp_path: Path) -> None:
    for url in (
        '["https://a:s3cret@crm.example/"]',
        '"ftp://a:s3cret@crm.example/"',
        '"https://a:s3cret@:x/"',
    ):
        path = tmp_path / "emocx.toml"
        path.write_text(f'[[webhooks]]\nname = "crm"\nurl = {url}\nsecret = "whsec_{"A" * 44}"\n')
        with pytest.raises(SettingsError, match=r"webhooks\[0\]\.url: expected") as caught:
            load(path, {})
        assert "s3cret" not in str(caught.value)
