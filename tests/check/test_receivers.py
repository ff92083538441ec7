"""The check tells which receivers webhooks may not be sent to."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from emocx_pbx.check.receivers import receiver_findings
from emocx_pbx.settings.delivery import DeliverySettings
from emocx_pbx.settings.settings import Settings, WebhookSettings

SECRET = "whsec_" + "A" * 44
AT = {"crm.example": "93.184.216.34", "erp.intern": "10.1.2.3"}


def resolve(host: str, port: int, **_: object) -> list[tuple[Any, ...]]:
    if host not in AT:
        raise socket.gaierror(-2, "Name or service not known")
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (AT[host], port))]


def observed(delivery: DeliverySettings, *hosts: str) -> list[tuple[str, str]]:
    hooks = tuple(WebhookSettings(name=h, url=f"https://a:secret@{h}/x", secret=SECRET) for h in hosts)
    return [
        (f.level, f.what) for f in receiver_findings(Settings(webhooks=hooks, delivery=delivery), resolve)
    ]


def test_where_receivers_are_is_told() -> None:
    assert observed(DeliverySettings(), "crm.example", "erp.intern", "gone.example") == [
        ("ok", "crm.example is at an address that may be sent to"),
        ("fail", "erp.intern: erp.intern is not at a public address"),
        ("warn", "gone.example: the name gone.example can't be resolved"),
    ]
    ((level, _),) = observed(DeliverySettings(allow_networks=("10.1.0.0/16",)), "erp.intern")
    assert level == "ok"


def test_a_file_of_cas_that_is_none_is_told(tmp_path: Path) -> None:
    ((level, what),) = observed(DeliverySettings(ca_file=str(tmp_path / "none.pem")))
    assert level == "fail" and "delivery.ca_file" in what
