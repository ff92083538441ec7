"""Settings: one TOML file and EMOCX_* variables, read once, checked, and passed down.

`EMOCX_<SECTION>_<NAME>` (for example EMOCX_ASTERISK_SECRET) overrides the file. Anything unknown or of the
wrong type is refused, naming it, its place and what was expected.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar, get_type_hints

import msgspec
from msgspec import Meta

from emocx_pbx.domain import UPSET_THRESHOLD
from emocx_pbx.errors import InputError, SettingsError
from emocx_pbx.settings.asterisk import AsteriskSettings as AsteriskSettings
from emocx_pbx.settings.asterisk import asterisk_problems, pbx_variables
from emocx_pbx.settings.bounds import Port as Port
from emocx_pbx.settings.bounds import Seconds as Seconds
from emocx_pbx.settings.chat import ChatSettings, chat_problems
from emocx_pbx.settings.cluster import ClusterSettings as ClusterSettings
from emocx_pbx.settings.cluster import cluster_problems
from emocx_pbx.settings.credentials import credentials
from emocx_pbx.settings.delivery import DeliverySettings, delivery_problems
from emocx_pbx.settings.dialling import DiallingSettings, dialling_problems
from emocx_pbx.settings.http import HttpSettings as HttpSettings
from emocx_pbx.settings.http import http_problems, is_network
from emocx_pbx.settings.http import is_loopback as is_loopback
from emocx_pbx.settings.recordings import RecordingSettings, recording_problems
from emocx_pbx.settings.records import StoreSettings, store_problems
from emocx_pbx.settings.toml import read_struct, read_toml, read_value, suggestion
from emocx_pbx.settings.webhooks import EVENT_TYPES as EVENT_TYPES
from emocx_pbx.settings.webhooks import WebhookSettings as WebhookSettings
from emocx_pbx.settings.webhooks import webhook_problems

#: Variables that begin with these are for the demo, the tests and building packages, and are not settings.
OTHER_VARIABLES = (
    "EMOCX_BUILD_", "EMOCX_CACHE", "EMOCX_DEBIAN_MIRROR", "EMOCX_DEB_LEVEL", "EMOCX_DEMO_", "EMOCX_TEST_",
    "EMOCX_WEIGHTS_FROM", "EMOCX_WHEEL",
)  # fmt: skip
S = TypeVar("S", bound=msgspec.Struct)

#: Names the settings file by its path.
CONFIG_VARIABLE = "EMOCX_CONFIG"


class _Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A TOML table; unknown names are refused."""


class AgiSettings(_Section, frozen=True):
    """The FastAGI server the dialplan asks."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    allow: tuple[str, ...] = ()
    """Addresses or networks that may ask, in addition to this machine and asterisk.host."""
    port: Port = 4573
    """Port to listen on."""
    deadline_s: Seconds = 1.2
    """Seconds for a decision; after that the dialplan's default applies."""


class AnalysisSettings(_Section, frozen=True):
    """Analysis workers, voice activity and models."""

    workers: Annotated[int, Meta(ge=0, le=64)] = 1
    """Worker processes, one a core; each logs how many calls it carries (`worker.carries`). 0: only workers
    on other hosts hear calls ([cluster])."""
    spare_worker: bool = True
    """Keep one more worker warm, without calls: the calls of a worker that dies are heard again within a
    second, not only when another has loaded its models. Costs that worker's memory, and nothing else."""
    bind: str = "127.0.0.1"
    """Address the workers' AudioSocket ports listen on."""
    host: str = "127.0.0.1"
    """Address at which Asterisk reaches the workers."""
    base_port: Port = 9092
    """AudioSocket port of the first worker; the next ones count up. 0: any free port."""
    handshake_s: Seconds = 2.0
    """Seconds from opening the socket within which the UUID must arrive."""
    idle_s: Seconds = 10.0
    """A tap that brings no message for this many seconds is ended."""
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
    light_model: str = "cnn"
    """Speech model for what `voice` has no time for under load; off: none."""
    text_model: str = "lstm"
    """Text model `name` or `name/version`; off: none."""
    neutral_share: Annotated[float, Meta(ge=0.1, le=0.9)] = 0.35
    """Prior share of neutral speech before a caller has been heard; 0.25 assumes nothing."""
    line_mix: Literal["calls", "even", "off"] = "calls"
    """What the callers of a line are expected to show; its zero is learnt from that: calls (80 % neutral),
    even, or off: nothing is learnt and answers stay plain."""
    sites: tuple[str, ...] = ()
    """Trunks that belong together, e.g. ["berlin=PJSIP/berlin-*"]; also learnt from as one line."""
    transcriber: str = "auto"
    """Speech-to-text: auto (shipped tiny.en if installed), off, or a CTranslate2 model directory."""
    words: Literal["off", "sampled", "all"] = "off"
    """Which of the customer's utterances are transcribed: none, the first two of a call and then every third,
    or all."""
    listen_max_s: Seconds = 8.0
    """Longest question in the IVR, in seconds."""
    listen_silence_s: Seconds = 0.8
    """Seconds of silence that end the question."""
    listen_start_s: Seconds = 4.0
    """Seconds within which a caller must begin to speak in the IVR."""


class RoutingSettings(_Section, frozen=True):
    """Policy and experiment."""

    policy: str = ""
    """Policy file (TOML); empty: the built-in policy. Relative to the settings file."""
    mode: Literal["active", "monitor"] = "active"
    """monitor: decide and record, but change nothing about any call."""
    holdout: Annotated[float, Meta(ge=0, le=0.9)] = 0.0
    """Share of customers who are routed as before, to measure the benefit."""
    upset_threshold: Annotated[float, Meta(ge=0, le=1)] = UPSET_THRESHOLD
    """Probability of anger or disappointment from which a rule with `upset = true` fires; `emocx-pbx
    threshold propose` finds one from your own messages."""
    rank: bool = True
    """Order the members of the queues to which the policy sends emotions by their ranking (queue
    penalties)."""


class GradingSettings(_Section, frozen=True):
    """The rubric."""

    rubric: str = ""
    """Rubric file (TOML); empty: rubric v1. Relative to the settings file."""


class PrivacySettings(_Section, frozen=True):
    """What is kept."""

    store_query_text: bool = False
    """Keep the text of queries with their decisions."""
    store_words: bool = False
    """Keep what customers say in calls, as transcribed (analysis.words), with their calls."""
    keep_days: Annotated[int, Meta(ge=1, le=3650)] = 365
    """Calls older than this are erased."""
    keep_audit_days: Annotated[int, Meta(ge=30, le=36500)] = 1095
    """Entries of the audit log older than this are deleted."""


class LogSettings(_Section, frozen=True):
    """Logs."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Lowest level that is written."""
    format: Literal["console", "json"] = "console"
    """console: for people to read; json: one object per line."""


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
    delivery: DeliverySettings = DeliverySettings()
    chat: ChatSettings = ChatSettings()
    dialling: DiallingSettings = DiallingSettings()
    privacy: PrivacySettings = PrivacySettings()
    recordings: RecordingSettings = RecordingSettings()
    cluster: ClusterSettings = ClusterSettings()
    log: LogSettings = LogSettings()
    pbxes: tuple[AsteriskSettings, ...] = ()
    """The tables [[asterisk]] of the file, where there is no [asterisk]; set by `load`."""
    directory: str = ""
    """Directory that relative paths start from; set by `load`."""
    file: str = ""
    """The settings file that was read, absolute; empty: none. Set by `load`."""

    def each_pbx(self) -> tuple[AsteriskSettings, ...]:
        """The PBXes: those of [[asterisk]], or the one of [asterisk]."""
        return self.pbxes or (self.asterisk,)

    def of_pbx(self, asterisk: AsteriskSettings) -> Settings:
        """These settings as if this were the only PBX."""
        return msgspec.structs.replace(self, asterisk=asterisk, pbxes=())

    @property
    def placing_pbx(self) -> str:
        """Name of the PBX that places calls, unless another is asked for."""
        return self.dialling.pbx or self.each_pbx()[0].name

    def pbx_named(self, name: str | None) -> Settings:
        """`of_pbx` of the PBX that is called so; None: the only one.

        Raises:
            InputError: there is none, or there are several to choose from.
        """
        known = {asterisk.name: asterisk for asterisk in self.each_pbx()}
        if name is None and len(known) == 1:
            return self.of_pbx(self.each_pbx()[0])
        if name is None or name not in known:
            names = ", ".join(one or '""' for one in known)
            raise InputError(f"{'say which PBX' if name is None else f'no PBX is called {name!r}'}: {names}")
        return self.of_pbx(known[name])

    def resolve(self, path: str) -> Path:
        """A path of the settings, absolute or relative to the settings file's directory."""
        return Path(self.directory) / Path(path).expanduser()

    def store_path(self) -> Path:
        """The database file."""
        return self.resolve(self.store.path)

    def spool_path(self) -> Path:
        """Where changes of calls wait while a server's database is away."""
        path = self.store_path()
        return path.with_name(f"{path.name}.spool")

    def store_place(self) -> Path | str:
        """What `Store.open` opens: the database's address, or its file."""
        return self.store.url or self.store_path()

    def policy_path(self) -> Path | None:
        """The policy file; None for the built-in policy."""
        return self.resolve(self.routing.policy) if self.routing.policy else None

    def rubric_path(self) -> Path | None:
        """The rubric file; None for rubric v1."""
        return self.resolve(self.grading.rubric) if self.grading.rubric else None

    def ca_path(self) -> str:
        """The file of CAs of webhook receivers; empty: the system's alone."""
        return str(self.resolve(self.delivery.ca_file)) if self.delivery.ca_file else ""

    def models_path(self) -> Path | None:
        """The directory of models; None for those shipped."""
        return self.resolve(self.analysis.models_dir) if self.analysis.models_dir else None


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Settings from a TOML file with EMOCX_* overrides.

    Args:
        path: the file; None: the one EMOCX_CONFIG names, else defaults.
        environ: environment variables; those that begin with EMOCX_ count, and files named like them
            in the folder CREDENTIALS_DIRECTORY, where the variable is not set.

    Raises:
        SettingsError: the file is missing, not TOML, or a setting is unknown or wrong.
    """
    if path is None and environ.get(CONFIG_VARIABLE):
        path = Path(environ[CONFIG_VARIABLE])
    settings, origin = Settings(), "settings"
    if path is not None:
        origin = path.name
        settings = _read(read_toml(path), origin)
        settings = msgspec.structs.replace(
            settings, directory=str(path.resolve().parent), file=str(path.resolve())
        )
    settings = _resolved(_overridden(settings, {**credentials(environ), **environ}))
    _check(settings, origin)
    return settings


def _read(data: Mapping[str, object], origin: str) -> Settings:
    """The file's settings; `asterisk` is one table or a list of them."""
    tables = data.get("asterisk")
    rest = {name: value for name, value in data.items() if name != "asterisk"}
    several = tables if isinstance(tables, list) else []
    settings = read_struct(Settings, rest if several else data, origin, hidden=("pbxes", "directory", "file"))
    pbxes = [read_struct(AsteriskSettings, v, origin, f"asterisk[{i}]") for i, v in enumerate(several)]
    return msgspec.structs.replace(settings, pbxes=tuple(pbxes))


def _overridden(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """Apply EMOCX_SECTION_NAME, and EMOCX_WEBHOOKS_NAME_SECRET for a webhook of the file by its name.

    Of several PBXes each has its own variables: EMOCX_ASTERISK_BERLIN_SECRET.
    """
    known: dict[str, tuple[str, str]] = {}
    for section in Settings.__struct_fields__:
        table = getattr(settings, section)
        if isinstance(table, msgspec.Struct) and not (section == "asterisk" and settings.pbxes):
            known |= {f"EMOCX_{section}_{name}".upper(): (section, name) for name in table.__struct_fields__}
    hooks = {_webhook_variable(hook.name): i for i, hook in enumerate(settings.webhooks)}
    pbxes = pbx_variables(settings.pbxes)
    for variable, text in sorted(environ.items()):
        if not variable.startswith("EMOCX_") or variable.startswith(OTHER_VARIABLES):
            continue
        if variable in hooks:
            changed = list(settings.webhooks)
            changed[hooks[variable]] = msgspec.structs.replace(changed[hooks[variable]], secret=text)
            settings = msgspec.structs.replace(settings, webhooks=tuple(changed))
        elif variable in pbxes:
            number, name = pbxes[variable]
            several = list(settings.pbxes)
            several[number] = _with_text(several[number], name, text, variable)
            settings = msgspec.structs.replace(settings, pbxes=tuple(several))
        elif variable in known:
            section, name = known[variable]
            table = getattr(settings, section)
            settings = msgspec.structs.replace(settings, **{section: _with_text(table, name, text, variable)})
        elif variable != CONFIG_VARIABLE:
            near = suggestion(variable, [*known, *pbxes, *hooks, CONFIG_VARIABLE])
            near = near if near.startswith("; did") else ""
            raise SettingsError(f"environment: {variable}: unknown setting{near}")
    return settings


def _with_text(table: S, name: str, text: str, variable: str) -> S:
    kind = get_type_hints(type(table), include_extras=True)[name]
    value = read_value(kind, text, "environment", variable, text=True)
    return msgspec.structs.replace(table, **{name: value})


def _webhook_variable(name: str) -> str:
    return f"EMOCX_WEBHOOKS_{re.sub('[^A-Z0-9]', '_', name.upper())}_SECRET"


def _resolved(settings: Settings) -> Settings:
    """Make the analysis paths absolute: workers get that section alone and run elsewhere."""
    analysis = settings.analysis
    if analysis.models_dir:
        analysis = msgspec.structs.replace(analysis, models_dir=str(settings.resolve(analysis.models_dir)))
    if analysis.transcriber not in {"auto", "off"}:
        analysis = msgspec.structs.replace(analysis, transcriber=str(settings.resolve(analysis.transcriber)))
    return msgspec.structs.replace(settings, analysis=analysis)


def _check(settings: Settings, origin: str) -> None:
    """Refuse settings that are each valid but wrong together, or whose fault only shows on a closer look."""
    for place, problem in _problems(settings):
        raise SettingsError(f"{origin}: {place}: {problem}")


def _problems(settings: Settings) -> list[tuple[str, str]]:
    """Place and problem, the first found first."""
    found = http_problems(settings.http)
    analysis = settings.analysis
    found += asterisk_problems(settings.each_pbx(), listed=bool(settings.pbxes))
    if analysis.base_port and analysis.base_port + analysis.workers > 65536:
        found.append(("analysis.base_port", f"leaves no port for each of {analysis.workers} workers"))
    if not analysis.workers and not settings.cluster.servers:
        found.append(("analysis.workers", "expected 1 or more, as no [cluster] has others"))
    found += [
        (f"agi.allow[{i}]", f"expected an address or a network such as 10.0.0.0/24, got {one!r}")
        for i, one in enumerate(settings.agi.allow)
        if not is_network(one)
    ]
    found += [
        (f"analysis.sites[{i}]", f"expected name=pattern such as berlin=PJSIP/berlin-*, got {one!r}")
        for i, one in enumerate(analysis.sites)
        if not all(part.strip() for part in one.partition("="))
    ]
    found += store_problems(settings.store)
    found += chat_problems(settings.chat)
    if settings.dialling.pbx and settings.dialling.pbx not in [pbx.name for pbx in settings.each_pbx()]:
        found.append(("dialling.pbx", f"no PBX is called {settings.dialling.pbx!r}"))
    found += dialling_problems(settings.dialling, call_backs=settings.chat.call_backs)
    found += recording_problems(settings.recordings, several_pbxes=len(settings.each_pbx()) > 1)
    found += delivery_problems(settings.delivery)
    found += webhook_problems(settings.webhooks) + cluster_problems(settings.cluster)
    return found
