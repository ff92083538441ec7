"""Signatures: any verifier of Standard Webhooks takes them, whatever the local time zone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from emocx_pbx.errors import SettingsError
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.webhooks.receivers import check_receivers
from emocx_pbx.webhooks.signing import check_secret, headers

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OLD = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()


@given(st.text(), st.floats(0, 4e9))
def test_the_signature_is_that_of_the_specification(body: str, at: float) -> None:
    signed = headers("evt_1", body, [SECRET], at)
    content = f"evt_1.{int(at)}.{body}".encode()
    expected = base64.b64encode(hmac.digest(bytes(range(32)), content, hashlib.sha256)).decode()
    assert signed["webhook-signature"] == f"v1,{expected}"
    assert signed["webhook-timestamp"] == str(int(at))


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/St_Johns"])
def test_a_receiver_verifies_it_in_any_time_zone(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        signed = headers("evt_1", '{"a":1}', [SECRET], time.time())
        assert Webhook(SECRET).verify('{"a":1}', signed) == {"a": 1}
        with pytest.raises(WebhookVerificationError):
            Webhook(SECRET).verify('{"a":2}', signed)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_during_a_rotation_either_secret_verifies() -> None:
    signed = headers("evt_1", "{}", [SECRET, OLD], time.time())
    for secret in (SECRET, OLD):
        assert Webhook(secret).verify("{}", signed) == {}


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "password",
        SECRET.removeprefix("whsec_"),
        "whsec_" + "A" * 28,
        "whsec_***",
        "whsec_" + "A" * 92,
    ],
)
def test_weak_or_malformed_secrets_are_refused_without_being_shown(secret: Any) -> None:
    with pytest.raises(SettingsError, match="webhooks") as caught:
        check_secret(secret, "webhooks[0].secret")
    assert len(secret) < 8 or secret not in str(caught.value)


def receiver(**changes: Any) -> WebhookSettings:
    return WebhookSettings(**{"name": "crm", "url": "https://crm.example/hook", "secret": SECRET, **changes})


@pytest.mark.parametrize(
    ("receivers", "reason"),
    [
        ([receiver(), receiver()], "name of its own"),
        ([receiver(name="")], "name of its own"),
        ([receiver(url="crm.example/hook")], "url: expected"),
        ([receiver(url="ftp://crm.example/")], "url: expected"),
        ([receiver(url="http://crm.example:99999/")], "url: expected"),
        ([receiver(secret="password")], "secret: expected"),
        ([receiver(secret=f"{SECRET} password")], "secret: expected"),
        ([receiver(secret=" ")], "secret: expected"),
        ([receiver(events=("call.grade",))], "'call.grade' is unknown"),
    ],
)
def test_wrong_receivers_are_refused_with_their_place(receivers: Any, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason) as caught:
        check_receivers(receivers)
    assert str(caught.value).startswith("webhooks[")


def test_right_receivers_pass() -> None:
    check_receivers([receiver(secret=f"{SECRET} {OLD}")])
    check_receivers([receiver(), receiver(name="erp", url="http://10.0.0.5:8080/x", events=("call.ended",))])
