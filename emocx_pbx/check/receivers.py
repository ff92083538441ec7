"""The part of the check that finds whether webhooks may be sent to the receivers in the settings file."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

from emocx_pbx.check.finding import Finding
from emocx_pbx.errors import SettingsError
from emocx_pbx.settings.receiver_url import parse_receiver_url
from emocx_pbx.settings.settings import Settings
from emocx_pbx.webhooks.networks import Networks
from emocx_pbx.webhooks.post import Poster

#: Like socket.getaddrinfo.
Resolve = Callable[..., list[tuple[Any, ...]]]


def receiver_findings(settings: Settings, resolve: Resolve = socket.getaddrinfo) -> Iterator[Finding]:
    """Look up where each receiver's name leads now; nothing is sent."""
    networks = Networks(settings.delivery.allow_networks)
    try:
        Poster(networks, settings.ca_path())
    except SettingsError as error:
        yield Finding(
            "fail", "webhooks", str(error), "correct delivery.ca_file; the service would not start with it"
        )
    for receiver in settings.webhooks:
        url = parse_receiver_url(receiver.url)
        try:
            found = resolve(url.host, url.port, type=socket.SOCK_STREAM)
        except OSError:
            yield Finding(
                "warn", "webhooks", f"{receiver.name}: the name {url.host} can't be resolved",
                "correct the address, or this machine's name service",
            )  # fmt: skip
            continue
        if any(networks.permits(str(info[4][0])) for info in found):
            yield Finding("ok", "webhooks", f"{receiver.name} is at an address that may be sent to")
        else:
            yield Finding(
                "fail", "webhooks", f"{receiver.name}: {url.host} is not at a public address",
                "name its network in [delivery] allow_networks, or nothing is sent to it",
            )  # fmt: skip
