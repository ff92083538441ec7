"""The settings' section [http]: the server of pages, API and metrics."""

from __future__ import annotations

import ipaddress
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

#: Characters of http.api_token: fewer can be guessed.
SHORTEST_TOKEN = 24

Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[float, Meta(gt=0, le=86400)]


class HttpSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The HTTP server: API, pages, metrics."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port = 8085
    """Port to listen on; 0: any free port."""
    api_token: str = ""
    """Bearer token with all scopes, of 24 characters or more; others are created on the pages. Empty:
    none."""
    open_to_this_machine: bool = False
    """Programs on this machine need no token: every local process may do everything. For trying things
    out."""
    behind_proxy: bool = False
    """A reverse proxy in front terminates TLS; allows addresses other than loopback."""
    trusted_proxies: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """Addresses or networks of those proxies; they must append the client's address to X-Forwarded-For."""
    plain_network: bool = False
    """Clients elsewhere connect without TLS, as to a container whose port is published on the host's
    loopback."""
    public_metrics: bool = False
    """Everybody may read /metrics and the details of /readyz; otherwise only this machine, or with
    metrics:read."""
    max_connections: Annotated[int, Meta(ge=16, le=100_000)] = 1000
    """Simultaneous connections; further ones are closed."""
    connections_per_address: Annotated[int, Meta(ge=4, le=100_000)] = 250
    """Simultaneous connections from one address (IPv6: one /64); trusted proxies have no such limit."""
    tls_cert: str = ""
    """File of the TLS certificate with its chain (PEM); with it, the server itself speaks HTTPS."""
    tls_key: str = ""
    """File of the certificate's private key (PEM)."""
    public_url: str = ""
    """Address that people open, e.g. https://pbx.example; links begin with it. Empty: host and port."""
    session_idle_s: Seconds = 7200.0
    """A session ends after this long without use; an open live view counts as use."""
    session_max_s: Annotated[float, Meta(gt=0, le=2_592_000)] = 43200.0
    """A session ends after this long in any case."""
    api_requests_per_minute: Annotated[int, Meta(ge=0, le=1_000_000)] = 3000
    """API requests per minute for each token, user or address; bursts up to it pass. 0: unlimited."""
    check_minutes: Annotated[int, Meta(ge=0, le=10_080)] = 60
    """Minutes between the service's checks of itself, as by `check --no-tap`, for overview and /readyz. 0:
    never."""


def http_problems(http: HttpSettings) -> list[tuple[str, str]]:
    """Place and problem of settings that are wrong in themselves."""
    found: list[tuple[str, str]] = []
    if not (is_loopback(http.host) or http.behind_proxy or http.tls_cert or http.plain_network):
        found.append(
            ("http.host", f"expected 127.0.0.1, or http.behind_proxy = true, or TLS, got {http.host}")
        )
    if http.api_token and len(http.api_token) < SHORTEST_TOKEN:
        wanted = f"expected at least {SHORTEST_TOKEN} characters (`openssl rand -base64 32` makes one)"
        found.append(("http.api_token", f"{wanted}, got {len(http.api_token)}"))
    if http.open_to_this_machine and (http.behind_proxy or not is_loopback(http.host)):
        found.append(("http.open_to_this_machine", "expected http.host 127.0.0.1 and no proxy in front"))
    found += [
        (f"http.trusted_proxies[{i}]", f"expected an address or a network such as 10.0.0.0/24, got {one!r}")
        for i, one in enumerate(http.trusted_proxies)
        if not is_network(one)
    ]
    if bool(http.tls_cert) != bool(http.tls_key):
        found.append(("http.tls_key", "expected tls_cert and tls_key together"))
    if http.public_url and urlsplit(http.public_url).scheme not in {"http", "https"}:
        found.append(("http.public_url", "expected an address that begins with https:// or http://"))
    return found


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to a listening address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_network(given: str) -> bool:
    """Whether a text names an address or a network."""
    try:
        ipaddress.ip_network(given.strip(), strict=False)
    except ValueError:
        return False
    return True
