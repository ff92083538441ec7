"""The part of the check about an Asterisk on another host, which must reach us as we reach it."""

from __future__ import annotations

from collections.abc import Iterator

from emocx_pbx.check.finding import Finding
from emocx_pbx.settings.settings import Settings, is_loopback


def remote_findings(settings: Settings) -> Iterator[Finding]:
    """Everything about it in one finding: addresses listened on and given, permit, firewall."""
    asterisk, analysis, agi = settings.asterisk, settings.analysis, settings.agi
    if is_loopback(asterisk.host):
        return
    last = analysis.base_port + analysis.workers - 1
    wrong, to_do = [], []
    if is_loopback(analysis.host):
        wrong.append(f"can't reach the workers at {analysis.host} (analysis.host)")
        to_do.append("analysis.host = this machine's address")
    if is_loopback(analysis.bind):
        wrong.append(f"the workers listen on {analysis.bind} alone (analysis.bind)")
        to_do.append('analysis.bind = "0.0.0.0" or that address')
    if is_loopback(agi.host):
        wrong.append(f"can't ask for decisions at {agi.host} (agi.host)")
        to_do.append('agi.host = "0.0.0.0" or that address')
    there = (
        f"on {asterisk.host}: EMOCX_AGI = this machine's address:{agi.port} in [globals], permit = this"
        " machine's address/32 and bindaddr = 0.0.0.0 (with TLS) in manager.conf; firewalls: from here to"
        f" {asterisk.port}, from there to {agi.port} and {analysis.base_port} to {last}, nobody else"
    )
    if wrong:
        yield Finding(
            "fail", "remote", f"Asterisk on {asterisk.host} {', '.join(wrong)}",
            f"set {', '.join(to_do)}; {there}",
        )  # fmt: skip
    else:
        yield Finding(
            "warn", "remote", f"Asterisk is on {asterisk.host}: questions and audio cross the network without"
            " encryption or login",
            f"use a tunnel, or let only Asterisk's address through the firewall; {there}",
        )  # fmt: skip
    if not asterisk.tls and asterisk.auth == "plain":
        yield Finding(
            "warn", "settings", f"the manager secret goes to {asterisk.host} unencrypted",
            'set asterisk.auth = "md5" or asterisk.tls = true',
        )  # fmt: skip
