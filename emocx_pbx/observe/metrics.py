"""Metrics: counters and gauges of one controller, in Prometheus text format."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

#: Different values that one label may take, so that no caller can make the scrape grow without end.
MAX_LABEL_VALUES = 16
#: The same for workers, whose number no caller decides.
MAX_WORKERS = 512
#: The value that further ones are counted under.
OTHER = "other"
#: Counters without an entry in COUNTERS that are still kept: their names come from code or workers.
MAX_UNLISTED = 100


M = TypeVar("M", Counter, Gauge)


@dataclass(frozen=True, slots=True)
class About:
    """What a counter counts, and its label if it has one."""

    help: str
    label: str = ""


COUNTERS: Mapping[str, About] = {
    "queries": About("Queries decided on"),
    "decisions_alone": About("Queries that workers decided on alone, while NATS was away"),
    "queries_unclassified": About("Queries whose text was not classified in time, or at all"),
    "readings": About("Readings of customers' speech", "emotion"),
    "readings_late": About("Readings that came after their segment was graded"),
    "grades": About("Grades given to agents' segments", "letter"),
    "chat_queries": About("Queries of the customers' chat"),
    "chat_calls": About("Calls back asked for in the chat"),
    "chat_refused": About("Refusals of the chat", "why"),
    "alerts": About("Alerts raised on live calls", "rule"),
    "user_events_lost": About("Alerts that could not be told at Asterisk's manager interface"),
    "workers_failed": About("Workers lost, or messages of theirs not handled, through our own fault"),
    "tasks_failed": About("Tasks that failed because of an error of ours; the others went on"),
    "calls_announced_crowded": About("Requests of the dialplan refused: too many calls had not joined"),
    "calls_never_joined": About("Calls named by FastAGI that Asterisk did not know"),
    "happenings_late": About("Events of calls that are over or unknown"),
    "changes_dropped": About("Changes of calls not stored because too many waited", "what"),
    "changes_regrouped": About("Groups of changes that failed together and were tried one by one"),
    "changes_unspooled": About("Changes of calls for which the file of kept ones had no room"),
    "changes_failed": About("Changes of calls that the store refused for ever"),
    "taps_failed": About("Taps that could not be started"),
    "taps_repeated": About("Taps started again on the same call"),
    "taps_given_up": About("Calls whose tap was given up"),
    "webhooks_delivered": About("Webhooks that their receiver took"),
    "webhooks_retried": About("Attempts to deliver a webhook that failed and will be repeated"),
    "webhooks_failed": About("Webhooks given up"),
    "penalties_set": About("Penalties of queue members that were set"),
    "penalties_refused": About("Penalties of queue members that Asterisk refused"),
    "reloads": About("Reloads of settings and policy, by what came of them", "outcome"),
    "web_restarts": About("Times that the web process was started again"),
    "web_messages_lost": About("Messages that the web process did not take"),
    "web_questions_failed": About("Questions of the web process whose handling failed"),
    "deeds_late": About(
        "Deeds and calls back not begun, because they were read after whoever asked had given up"
    ),
    "http_errors": About("HTTP requests that failed through our own fault"),
    "http_rate_limited": About("HTTP requests refused because the client made too many"),
    "agi_requests": About("Requests of the dialplan"),
    "agi_late": About("Requests of the dialplan not answered in time"),
    "agi_failed": About("Requests of the dialplan whose handling failed"),
    "agi_malformed": About("FastAGI connections that broke the protocol"),
    "agi_hangups": About("Callers that hung up during a request of the dialplan"),
    "agi_crowded": About("FastAGI connections refused because there were too many"),
    "bus_dropped": About("Times that messages over NATS came faster than they were taken"),
    "bus_failed": About("Messages over NATS whose handling failed"),
    "bus_refused": About("Requests over NATS refused because too many were being answered"),
    "agi_unknown_pbx": About("Requests of the dialplan that named no PBX of the settings, or another's"),
    "agi_refused": About("FastAGI connections from addresses that may not ask"),
    "ami_links": About("Links to Asterisk that came up"),
    "ami_links_lost": About("Links to Asterisk that were lost"),
    "ami_login_refused": About("Logins that Asterisk refused"),
    "ami_events_dropped": About("Events dropped between login and the link's going up"),
    "ami_handler_failed": About("Events of Asterisk whose handling failed"),
    "worker_taps_ended": About("Taps that ended"),
    "worker_audio_never_came": About("Announced connections that never came"),
    "worker_audio_malformed": About("AudioSocket connections that broke the protocol"),
    "worker_audio_handshake_overdue": About("AudioSocket connections without a UUID in time"),
    "worker_audio_unknown_uuid": About("AudioSocket connections with an unknown or repeated UUID"),
    "worker_audio_idle": About("AudioSocket connections that went silent"),
    "worker_audio_crowded": About("AudioSocket connections refused because there were too many"),
    "worker_audio_handler_failed": About("AudioSocket connections whose handling failed"),
    "worker_audio_write_dropped": About("Audio not sent because the peer did not read"),
    "worker_messages_refused": About("Messages to a worker that were none"),
    "worker_messages_failed": About("Messages to a worker whose handling failed"),
    "worker_tasks_failed": About("Answers of a worker that failed because of an error of ours"),
    "worker_questions_failed": About("Questions in the IVR whose classification failed"),
    "worker_questions_late_or_failed": About("Questions in the IVR that were late or failed"),
    "worker_windows_accurate": About("Windows of speech that the accurate model read first"),
    "worker_windows_light": About("Windows of speech that the light model read"),
    "worker_windows_early": About("Windows of speech read in between because an alert might be due"),
    "worker_windows_asked_again": About("Of these, windows that the accurate model then read as well"),
    "worker_windows_skipped": About("Windows of speech not read because a worker has too many calls"),
    "worker_windows_dropped": About("Windows of speech not read because a worker was behind"),
    "worker_words_heard": About("Phrases of customers in whose words signals were read"),
    "worker_words_none": About("Phrases of customers without words that were understood"),
    "worker_words_skipped": About("Phrases of customers not heard because a worker had no time for words"),
    "worker_words_dropped": About("Phrases of customers let go because too many waited"),
    "worker_words_late": About("Phrases of customers let go because they had waited too long"),
    "worker_words_slow": About("Phrases of customers whose words came too late"),
    "worker_words_restarts": About("Times that what hears words was started again"),
    "worker_words_no_models": About("Times that what hears words found no models"),
    "worker_taps_voice_only": About("Taps followed by voice activity alone, for want of CPU"),
    "worker_audio_batches_failed": About("Faults in handling taps' audio, of a batch or of one call"),
}


#: Counters of calls and of what belongs to one PBX: labelled by its name where PBXes have names.
BY_PBX: Final = frozenset(
    {
        "queries", "queries_unclassified", "readings", "readings_late", "grades", "alerts", "happenings_late",
        "user_events_lost", "calls_announced_crowded", "calls_never_joined", "taps_failed", "taps_repeated",
        "taps_given_up", "penalties_set", "penalties_refused", "ami_links", "ami_links_lost",
        "ami_login_refused", "ami_events_dropped", "ami_handler_failed", "calls",
    }
)  # fmt: skip


#: Gauges: how things stand when the metrics are read.
GAUGES: Mapping[str, About] = {
    "open_taps": About("Taps open now", "worker"),
    "worker_load": About("CPU seconds a second that a worker uses", "worker"),
    "worker_accurate_share": About("Share of windows that the accurate model may hear", "worker"),
    "worker_heard_share": About("Share of windows that are heard at all", "worker"),
    "worker_voice_only": About("Whether new calls are followed by voice activity alone (1)", "worker"),
    "worker_coarse": About("Whether voice activity is told by level alone, for want of CPU (1)", "worker"),
    "worker_carries_accurate": About(
        "Calls that a worker's core carries with the accurate model for every window", "worker"
    ),
    "worker_carries_light": About("Calls that a worker's core carries with the light model alone", "worker"),
    "calls": About("Calls now", "state"),
    "component_up": About("Whether a part of the service is up (1) or not (0)", "component"),
    "deliveries_pending": About("Deliveries that a receiver is owed", "receiver"),
    "live_watchers": About("Connections that watch the live feed"),
}

#: Seconds; the goal is an answer under 150 ms.
REQUEST_BUCKETS = (0.005, 0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 10.0)


class Stats(Protocol):
    """What a worker reports about itself: `analysis.messages.WorkerStats`."""

    @property
    def open_taps(self) -> int:
        """Taps open now."""

    @property
    def counters(self) -> dict[str, float]:
        """Counted since the worker started, by name."""

    @property
    def worker(self) -> int:
        """Index of the worker."""

    @property
    def name(self) -> str:
        """The worker's name in the cluster; empty: it is one of the controller's own."""

    @property
    def site(self) -> str:
        """Where it stands."""

    @property
    def load(self) -> float:
        """CPU seconds per second."""

    @property
    def accurate_share(self) -> float:
        """Share (0 to 1) of windows that the accurate model may read."""

    @property
    def read_share(self) -> float:
        """Share (0 to 1) of windows that are read at all."""

    @property
    def voice_only(self) -> bool:
        """Whether new calls are followed by voice activity alone."""

    @property
    def coarse(self) -> bool:
        """Whether voice activity is detected by level alone."""

    @property
    def carries_accurate(self) -> int:
        """Calls that its core can carry with the accurate model on every window; 0: unknown."""

    @property
    def carries_light(self) -> int:
        """The same with only the light model."""


class Metrics:
    """The metrics of one process in a registry of its own; there is no global one."""

    def __init__(self, pbxes: Sequence[str] = ("",)) -> None:
        """`pbxes` are the names of the PBXes; one without a name needs no label."""
        self.pbxes: Sequence[str] = pbxes if any(pbxes) else ()
        """Names that the metrics of calls are labelled with; none: there is one PBX, without a name."""
        self._registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._labels: dict[str, set[str]] = {}
        self._last: dict[tuple[int, str], float] = {}
        self._unlisted: set[str] = set()
        self._gauges = {
            name: Gauge(f"emocx_{name}", about.help, self._labels_of(name, about), registry=self._registry)
            for name, about in GAUGES.items()
        }
        self._requests = Histogram(
            "emocx_http_request_seconds", "Time to answer an HTTP request", ["area"], buckets=REQUEST_BUCKETS,
            registry=self._registry,
        )  # fmt: skip
        self._nodes = Gauge(
            "emocx_node_info", "The host whose metrics these are, by its name and site (1)",
            ["node", "site", "version"], registry=self._registry,
        )  # fmt: skip
        self._workers = Gauge(
            "emocx_worker_info", "Which worker of the cluster a number stands for, and its site (1)",
            ["worker", "name", "site"], registry=self._registry,
        )  # fmt: skip
        for name, about in COUNTERS.items():
            self._add(name, about)

    def of_node(self, node: str, site: str, version: str) -> None:
        """Say whose metrics these are."""
        self._nodes.labels(node, site, version).set(1)

    def count(self, name: str, label: str = "", by: float = 1.0, *, pbx: str = "") -> None:
        """Add to a counter.

        Args:
            name: from COUNTERS, shown as emocx_NAME_total; a name missing there is kept all the same.
            label: value of its label, if it has one; more than MAX_LABEL_VALUES become "other".
            by: what to add, at least 0.
            pbx: name of the PBX that the event is about.
        """
        if name not in self._counters:
            if len(self._unlisted) >= MAX_UNLISTED:
                return
            self._unlisted.add(name)
            self._add(name, About(f"Count of {name.replace('_', ' ')}"))
        about = COUNTERS.get(name)
        self._with(self._counters[name], name, about, label, pbx).inc(by)

    def value(self, name: str, label: str = "", pbx: str = "") -> float:
        """A counter's value now (0 if nothing was counted): for tests and pages."""
        about = COUNTERS.get(name, About(""))
        labels = {about.label: label} if about.label else {}
        labels |= {"pbx": pbx} if self._by_pbx(name) else {}
        return self._registry.get_sample_value(f"emocx_{name}_total", labels) or 0.0

    def worker(self, stats: Stats) -> None:
        """Take in what a worker has counted since its start; a smaller number means that it was restarted."""
        worker = str(stats.worker)
        if stats.name:
            self._workers.labels(self._bounded("open_taps", worker, MAX_WORKERS), stats.name, stats.site).set(
                1
            )
        self.set("open_taps", stats.open_taps, worker)
        self.set("worker_load", stats.load, worker)
        self.set("worker_accurate_share", stats.accurate_share, worker)
        self.set("worker_heard_share", stats.read_share, worker)
        self.set("worker_voice_only", stats.voice_only, worker)
        self.set("worker_coarse", stats.coarse, worker)
        self.set("worker_carries_accurate", stats.carries_accurate, worker)
        self.set("worker_carries_light", stats.carries_light, worker)
        for name, total in stats.counters.items():
            last = self._last.get((stats.worker, name), 0.0)
            self._last[stats.worker, name] = total
            self.count(f"worker_{name}", by=total - last if total >= last else total)

    def set(self, name: str, value: float, label: str = "", *, pbx: str = "") -> None:
        """Set a gauge of GAUGES; label values beyond MAX_LABEL_VALUES (MAX_WORKERS) become "other"."""
        self._with(self._gauges[name], name, GAUGES[name], label, pbx).set(value)

    def request(self, area: str, seconds: float) -> None:
        """Record the time of an answered HTTP request; `area` is one of a few."""
        self._requests.labels(area).observe(seconds)

    def render(self) -> tuple[bytes, str]:
        """The scrape's body and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def _add(self, name: str, about: About) -> None:
        labels = self._labels_of(name, about)
        self._counters[name] = Counter(f"emocx_{name}", about.help, labels, registry=self._registry)
        if labels == ["pbx"]:
            for pbx in self.pbxes:
                self._counters[name].labels(pbx)  # start at 0, as metrics without labels do

    def _by_pbx(self, name: str) -> bool:
        return bool(self.pbxes) and name in BY_PBX

    def _labels_of(self, name: str, about: About) -> list[str]:
        return [*([about.label] if about.label else []), *(["pbx"] if self._by_pbx(name) else [])]

    def _with(self, metric: M, name: str, about: About | None, label: str, pbx: str) -> M:
        """The metric with these values of its labels."""
        values = []
        if about is not None and about.label:
            most = MAX_WORKERS if about.label == "worker" else MAX_LABEL_VALUES
            values.append(self._bounded(name, label or "none", most))
        values += [pbx if pbx in self.pbxes else OTHER] if self._by_pbx(name) else []
        return metric.labels(*values) if values else metric

    def _bounded(self, name: str, label: str, most: int) -> str:
        seen = self._labels.setdefault(name, set())
        if label in seen or len(seen) < most:
            seen.add(label)
            return label
        return OTHER


def of_pbx(pbx: str) -> dict[str, str]:
    """The labels added to a count about a PBX; none if there is only one, without a name."""
    return {"pbx": pbx} if pbx else {}
