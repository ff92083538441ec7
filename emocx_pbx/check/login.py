"""The part of the check that finds whether we can log in to the manager interface, and if not, why."""

from __future__ import annotations

from emocx_pbx.check.finding import Finding
from emocx_pbx.pbx.ami.gateway import LinkState
from emocx_pbx.settings.settings import AsteriskSettings

#: Words that a refusal may hold, and what to do; the first that are found count.
_REMEDIES = (
    (
        ("authentication", "permission"),
        "compare asterisk.username and secret with manager.conf, and its permit lines; "
        "sample: dialplan/manager-emocx.conf; then: manager reload",
    ),
    (
        ("hostname mismatch", "ip address mismatch", "not valid for"),
        "set asterisk.host to a name that is in the certificate, or make a certificate for this name"
        " (tlscertfile in manager.conf)",
    ),
    (
        ("certificate refused",),
        "set asterisk.tls_ca to the PEM file of the CA that signed Asterisk's certificate (or of that"
        " certificate itself); look at its dates, too",
    ),
    (
        ("tls:",),
        "asterisk.port is a port without TLS: set it to tlsbindaddr's of manager.conf (5039) with"
        " tlsenable = yes there, or set asterisk.tls = false",
    ),
)
_NOBODY = (
    "is Asterisk running, with enabled = yes in manager.conf, and is this its address? "
    "see asterisk.host and asterisk.port"
)
_SILENT = (
    "is asterisk.port a manager port? A port of TLS is silent like this (asterisk.tls = true), and so is a"
    " firewall; see asterisk.host and asterisk.port"
)


def login_finding(link: LinkState, settings: AsteriskSettings) -> Finding:
    """The failure in words, with the remedy for its very reason."""
    where = f"{settings.host}:{settings.port}"
    if link.up:
        return Finding("ok", "asterisk", f"logged in at {where} as {settings.username}")
    reason = link.reason.lower()
    known = next((remedy for words, remedy in _REMEDIES if any(w in reason for w in words)), None)
    silent = "no answer from" in reason or "connection lost" in reason
    remedy = known or (_SILENT if silent else _NOBODY)
    return Finding("fail", "asterisk", f"no login at {where}: {link.reason}", remedy)
