"""Settings: one TOML file and EMOCX_* variables, read once, checked, and passed down.

`EMOCX_<SECTION>_<NAME>` (for example EMOCX_ASTERISK_SECRET) overrides the file. Anything unknown
or of the wrong type is refused with its name, its place and what was expected.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from emocx_pbx.errors import SettingsError

Port = Annotated[int, Meta(ge=0, le=65535)]
Seconds = Annotated[float, Meta(gt=0, le=86400)]


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A TOML table; unknown names are refused."""


class AsteriskSettings(_Section, frozen=True):
    """The AMI link to the PBX."""

    host: str = "127.0.0.1"
    """Where Asterisk's manager interface listens."""
    port: Port = 5038
    """Its port (5039 is customary with TLS)."""
    username: str = "emocx"
    """The manager user (see dialplan/manager-emocx.conf)."""
    secret: str = ""
    """The manager user's secret."""
    auth: Literal["md5", "plain"] = "md5"
    """Login by challenge (the secret never crosses the wire) or plain."""
    tls: bool = False
    """Connect by TLS."""
    tls_ca: str = ""
    """File of the CA that signed Asterisk's certificate; empty: the system's."""
    tap: Literal["auto", "stereo", "dual", "customer", "off"] = "auto"
    """How calls are tapped; auto chooses by Asterisk's version."""
    action_timeout_s: Seconds = 5.0
    """Deadline of every AMI action."""
    ping_s: Seconds = 5.0
    """Time between pings; an unanswered one ends the link."""
    callback_channel: str = "Local/{number}@emocx-callback/n"
    """Channel dialled to call a customer back; {number} is the checked number."""
    agent_name_regex: str = ""
    """Optional regular expression with one group that finds an agent's id in MemberName or Interface."""


class AgiSettings(_Section, frozen=True):
    """The FastAGI server the dialplan asks."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port = 4573
    """Port to listen on."""
    deadline_s: Seconds = 1.2
    """Time for a decision; then the dialplan's default stands."""


class AnalysisSettings(_Section, frozen=True):
    """Analysis workers, voice activity and models."""

    workers: Annotated[int, Meta(ge=1, le=64)] = 1
    """Worker processes; about one per 50 calls."""
    bind: str = "127.0.0.1"
    """Address the workers' AudioSocket ports listen on."""
    host: str = "127.0.0.1"
    """Address at which Asterisk reaches the workers."""
    base_port: Port = 9092
    """AudioSocket port of the first worker; the next ones count up. 0: any free port."""
    handshake_s: Seconds = 2.0
    """Deadline for the UUID after the socket opens."""
    idle_s: Seconds = 10.0
    """A tap without any message for so long is ended."""
    reading_interval_s: Seconds = 3.0
    """Seconds of customer speech between readings."""
    window_s: Seconds = 4.0
    """Longest stretch of speech one reading hears."""
    vad_aggressiveness: Annotated[int, Meta(ge=0, le=3)] = 2
    """WebRTC voice activity mode: 0 lenient, 3 strict."""
    models_dir: str = ""
    """Directory of models; empty: those shipped."""
    speech_model: str = "auto"
    """Speech model `name` or `name/version`; auto: voice, else cnn; off: none."""
    text_model: str = "lstm"
    """Text model `name` or `name/version`; off: none."""
    transcriber: str = "auto"
    """Speech-to-text: auto (shipped tiny.en if installed), off, or a CTranslate2 model directory."""
    listen_max_s: Seconds = 8.0
    """Longest question in the IVR."""
    listen_silence_s: Seconds = 0.8
    """Silence that ends the question."""
    listen_start_s: Seconds = 4.0
    """Time to begin speaking in the IVR."""


class HttpSettings(_Section, frozen=True):
    """The HTTP server: API, pages, metrics."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Port = 8085
    """Port to listen on; 0: any free port."""
    api_token: str = ""
    """Bearer token asked of API clients; required unless host is loopback."""
    behind_proxy: bool = False
    """A reverse proxy in front ends TLS; allows other addresses than loopback."""


class StoreSettings(_Section, frozen=True):
    """The database."""

    path: str = "emocx.db"
    """SQLite file; relative to the settings file's directory."""


class RoutingSettings(_Section, frozen=True):
    """Policy and experiment."""

    policy: str = ""
    """Policy file (TOML); empty: the built-in policy. Relative to the settings file."""
    mode: Literal["active", "monitor"] = "active"
    """monitor: decide and record, but leave every call as it was."""
    holdout: Annotated[float, Meta(ge=0, le=0.9)] = 0.0
    """Share of customers routed as before, to measure the benefit."""


class GradingSettings(_Section, frozen=True):
    """The rubric."""

    rubric: str = ""
    """Rubric file (TOML); empty: rubric v1. Relative to the settings file."""


class WebhookSettings(_Section, frozen=True):
    """One receiver of events."""

    name: str
    """Unique name, used by `webhooks list` and `replay`."""
    url: str
    """http(s) address that gets the POSTs."""
    secret: str
    """`whsec_` + base64 of 24 to 64 random bytes."""
    events: tuple[str, ...] = ()
    """Event types wanted, e.g. ["call.graded"]; empty: all but call.reading."""
    timeout_s: Seconds = 15.0
    """Deadline of one attempt."""


class PrivacySettings(_Section, frozen=True):
    """What is kept."""

    store_query_text: bool = False
    """Keep the text of queries with their decisions."""
    keep_days: Annotated[int, Meta(ge=1, le=3650)] = 365
    """Calls older than this are erased."""


class LogSettings(_Section, frozen=True):
    """Logs."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level that is written."""
    format: Literal["console", "json"] = "console"
    """For people, or one JSON object a line."""


class Settings(_Section, frozen=True):
    """All settings."""

    asterisk: AsteriskSettings = AsteriskSettings()
    agi: AgiSettings = AgiSettings()
    analysis: AnalysisSettings = AnalysisSettings()
    http: HttpSettings = HttpSettings()
    store: StoreSettings = StoreSettings()
    routing: RoutingSettings = RoutingSettings()
    grading: GradingSettings = GradingSettings()
    webhooks: tuple[WebhookSettings, ...] = ()
    privacy: PrivacySettings = PrivacySettings()
    log: LogSettings = LogSettings()
    directory: str = ""
    """Directory that relative paths start from; set by `load`."""


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Settings from a TOML file (None: defaults) with EMOCX_* overrides.

    Raises:
        SettingsError: the file is missing, not TOML, or a setting is unknown or wrong.
    """
    raise NotImplementedError


__all__ = ["Any", "SettingsError", "load", "tomllib"]
