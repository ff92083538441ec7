"""The part of the check about what settings and policy need from this machine: extras, files, memory."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from emocx_pbx.check.finding import Finding, Level
from emocx_pbx.routing.policy import Policy
from emocx_pbx.settings.settings import Settings
from emocx_pbx.weights.catalogue import SPEECH_TO_TEXT, TOPICS
from emocx_pbx.weights.places import folder_of

#: Memory that the service took in its container, with all extras and one worker; each further worker takes
#: 0.3 GB.
FIRST_WORKER_BYTES, FURTHER_WORKER_BYTES = 900_000_000, 300_000_000


def needs_findings(settings: Settings, policy: Policy | None) -> Iterator[Finding]:
    """Look at each."""
    yield from _speech(settings)
    yield from _topics(policy)
    yield from _languages(settings, policy)
    yield from _certificates(settings)
    yield from _recordings(settings)


def web_needs_findings(settings: Settings) -> Iterator[Finding]:
    """Those of a web node."""
    yield from _certificates(settings)
    yield from _recordings(settings)


def _speech(settings: Settings) -> Iterator[Finding]:
    from emocx_pbx.emotion import voice

    analysis = settings.analysis
    if analysis.speech_model.startswith("voice") and not voice.available():
        yield Finding(
            "fail", "extras", f'analysis.speech_model = "{analysis.speech_model}" needs the extra voice',
            "pip install 'emocx-pbx[voice]', or set analysis.speech_model = \"cnn\"",
        )  # fmt: skip
    if analysis.transcriber == "off":
        return
    level: Level = "warn" if analysis.transcriber == "auto" else "fail"
    if find_spec("faster_whisper") is None:
        yield Finding(
            level, "extras",
            f'analysis.transcriber = "{analysis.transcriber}" needs the extra speech-to-text: what callers'
            " say is not understood",
            "pip install 'emocx-pbx[speech-to-text]', or set analysis.transcriber = \"off\"",
        )  # fmt: skip
    elif analysis.transcriber == "auto":
        if folder_of(SPEECH_TO_TEXT) is None:
            yield Finding(
                level, "weights", "speech-to-text has no weights: what callers say is not understood",
                "emocx-pbx models fetch speech-to-text, or set analysis.transcriber = \"off\"",
            )  # fmt: skip
    elif not (Path(analysis.transcriber) / "model.bin").is_file():
        yield Finding(
            "fail", "extras", f"analysis.transcriber: {analysis.transcriber} has no model.bin",
            'name the folder of a faster-whisper model, or "auto"',
        )  # fmt: skip


def _topics(policy: Policy | None) -> Iterator[Finding]:
    from emocx_pbx.routing.sentences import runtime_installed

    if not policy or not policy.topics:
        return
    if not runtime_installed():
        yield Finding(
            "fail", "extras", "the policy's topics need the extra topics: no topic is ever recognised",
            "pip install 'emocx-pbx[topics]', or take [topics] out of the policy",
        )  # fmt: skip
    elif folder_of(TOPICS) is None:
        yield Finding(
            "warn", "weights", "topics are told apart by their words alone: their weights were not fetched",
            "emocx-pbx models fetch topics",
        )  # fmt: skip


def _languages(settings: Settings, policy: Policy | None) -> Iterator[Finding]:
    from emocx_pbx.emotion.meaning import installed

    named = sorted({code for rule in policy.rules for code in rule.language} - {"en"}) if policy else []
    if named and settings.analysis.text_model != "off" and not installed():
        yield Finding(
            "warn", "extras",
            f"the policy names {', '.join(named)}; without the extra languages texts in them are uncertain",
            "pip install 'emocx-pbx[languages]', or teach the text model your own messages",
        )  # fmt: skip


def _certificates(settings: Settings) -> Iterator[Finding]:
    http = settings.http
    if http.tls_cert:
        cert, key = settings.resolve(http.tls_cert), settings.resolve(http.tls_key)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
        except OSError as error:  # ssl.SSLError is one
            why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
            yield Finding(
                "fail", "certificates", f"http.tls_cert, tls_key: {cert}, {key} can't be used: {why}",
                "name a PEM certificate with its chain and its key without a password, readable by the"
                " service's user",
            )  # fmt: skip
    for asterisk in settings.each_pbx():
        if not (asterisk.tls and asterisk.tls_ca):
            continue
        try:
            ssl.create_default_context(cafile=asterisk.tls_ca)
        except OSError as error:
            why = "no certificate in it" if isinstance(error, ssl.SSLError) else error.strerror
            yield Finding(
                "fail", "certificates", f"asterisk.tls_ca: {asterisk.tls_ca} can't be used: {why}",
                "name a PEM file of the CA of Asterisk's certificate",
            )  # fmt: skip


def _recordings(settings: Settings) -> Iterator[Finding]:
    path = settings.recordings.path
    if not path:
        return
    fixed = Path(path.partition("{")[0].partition("*")[0]).parent
    if path.partition("{")[0].partition("*")[0].endswith("/"):
        fixed = Path(path.partition("{")[0].partition("*")[0])
    if not os.access(fixed, os.R_OK | os.X_OK):
        there = "can't be read by this user" if fixed.is_dir() else "is not there"
        yield Finding(
            "fail", "recordings", f"recordings.path: {fixed} {there}: no recording can be played",
            "correct recordings.path, or let the service's user read the folder",
        )  # fmt: skip


def memory_finding(workers: int, meminfo: str) -> Finding:
    """Whether the workers' models fit into the free memory.

    Args:
        workers: analysis.workers, and one more with a spare.
        meminfo: the text of /proc/meminfo.
    """
    available = {
        name: int(rest.split()[0]) * 1024
        for name, _, rest in (line.partition(":") for line in meminfo.splitlines())
        if rest.split()
    }.get("MemAvailable")
    wanted = FIRST_WORKER_BYTES + (workers - 1) * FURTHER_WORKER_BYTES
    if available is None:
        return Finding("ok", "memory", "not visible on this system")
    text = f"{available / 1e9:.1f} GB available, {workers} workers take about {wanted / 1e9:.1f}"
    if available >= wanted:
        return Finding("ok", "memory", text)
    return Finding(
        "warn",
        "memory",
        text,
        "lower analysis.workers, set analysis.spare_worker = false, or give the machine more memory",
    )
