"""The settings' section [delivery]: how webhooks are sent."""

from __future__ import annotations

import ipaddress

import msgspec


class DeliverySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How webhooks are sent."""

    allow_networks: tuple[str, ...] = ()
    """Networks that are not public but may hold receivers, e.g. ["127.0.0.0/8", "10.1.0.0/16"]."""
    ca_file: str = ""
    """PEM file of CAs that are trusted for receivers' certificates, in addition to the system's."""


def delivery_problems(delivery: DeliverySettings) -> list[tuple[str, str]]:
    """Place and problem of texts that name no network."""
    found = []
    for number, text in enumerate(delivery.allow_networks):
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            place = f"delivery.allow_networks[{number}]"
            found.append((place, f'expected a network like "10.1.0.0/16": {error}'))
    return found
