"""The policy: an administrator's rules, in TOML, for where callers are sent."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
from msgspec import Meta

from emocx_pbx.alerts.rules import AlertRule, alert_problems
from emocx_pbx.emotion.language import LANGUAGES
from emocx_pbx.errors import SettingsError
from emocx_pbx.routing.levers import GivenPenalty, GivenPriority, Word, number, word
from emocx_pbx.settings.names import OptionalQueueName, QueueName
from emocx_pbx.settings.toml import parse_toml, read_struct, read_toml, suggestion

#: Names end up in dialplan variables: what could be read as dialplan syntax is refused.
Name = Annotated[str, Meta(pattern=r"^[\w.@:/-]*\Z")]
Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
Signal = Literal["angry", "neutral", "disappointed", "happy", "uncertain"]
#: Seconds that a caller may wait for a better agent: those that dialplan/queuerules-emocx.conf has.
TierWait = Literal[5, 10, 15, 20, 30, 45, 60, 90, 120]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

#: Monday first, as `datetime.weekday` counts.
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]|24):([0-5]\d)")
_BUILT_IN = Path(__file__).with_name("policy_default.toml")


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Conditions that must all hold, and what happens then; an absent condition always holds."""

    name: str
    """Unique name; shown wherever a decision is explained."""

    emotion: tuple[Signal, ...] = ()
    """Classes of the query's signals; uncertain: under the model's threshold, or nothing was heard."""
    min_confidence: Share = 0.0
    """Least probability of the class."""
    upset: bool | Share = False
    """Least probability that it is angry or disappointed, whichever of the two; true: the site's own
    threshold (`[routing] upset_threshold`)."""
    topic: tuple[str, ...] = ()
    """Names from the policy's topics."""
    min_topic_confidence: Share = 0.0
    """Least probability of the topic."""
    customer: tuple[str, ...] = ()
    """Patterns (* and ?) of the customer key, e.g. ["vip-*"]."""
    attributes: dict[str, tuple[str, ...]] = {}
    """Customer attributes sent with the query, each with its accepted values."""
    language: tuple[str, ...] = ()
    """Languages of the query's words, e.g. ["de", "fr"]; one that is not sure is none of them."""
    pbx: str | tuple[str, ...] = ()
    """Name of the PBX that it is for, or several such as ["berlin", "vienna"]; none: for all."""
    days: tuple[Day, ...] = ()
    """Days of the week."""
    hours: tuple[str, ...] = ()
    """Times of day, e.g. ["08:00-12:00", "22:00-06:00"]; the end is exclusive."""
    max_waiting: Count | None = None
    """At most this many callers wait in the rule's queue."""
    max_longest_wait_s: Annotated[float, Meta(ge=0)] | None = None
    """Nobody in the rule's queue has waited longer, in seconds."""
    min_available: Count | None = None
    """At least this many agents of the rule's queue are free."""

    queue: OptionalQueueName = ""
    """Queue to send the caller to; empty: the dialplan's default queue."""
    priority: GivenPriority | None = None
    """QUEUE_PRIO: callers with a higher number are served first. A number: at least this, and never less
    than the channel's own; or {at_least = N}, {add = N} to its own, {set = N} whatever its own is."""
    tier: Count | None = None
    """Agents of this tier or better (0: best); the same as max_penalty."""
    min_penalty: GivenPenalty | None = None
    """QUEUE_MIN_PENALTY: keeps agents with a lower penalty free for others; written like priority."""
    max_penalty: GivenPenalty | None = None
    """QUEUE_MAX_PENALTY: only agents up to this penalty; written like priority."""
    tier_wait_s: TierWait | None = None
    """Seconds that tier, min_penalty and max_penalty hold; then any agent rings. None: the policy's."""
    announcement: Name = ""
    """Sound file the dialplan plays before the queue."""

    @property
    def unconditional(self) -> bool:
        """Whether it fires for everyone."""
        return not (
            self.emotion or self.min_confidence or self.upset or self.topic or self.min_topic_confidence
            or self.customer or self.attributes or self.language or self.pbxes or self.days or self.hours
            or self.max_waiting is not None or self.max_longest_wait_s is not None
            or self.min_available is not None
        )  # fmt: skip

    @property
    def pbxes(self) -> tuple[str, ...]:
        """Names of the PBXes that it is for; none: for all."""
        return (self.pbx,) if isinstance(self.pbx, str) else self.pbx

    def is_for(self, pbx: str) -> bool:
        """Whether it holds on a PBX."""
        return not self.pbxes or pbx in self.pbxes

    @property
    def highest_penalty(self) -> GivenPenalty | None:
        """QUEUE_MAX_PENALTY by `max_penalty` or `tier`."""
        return self.tier if self.max_penalty is None else self.max_penalty

    @property
    def limited(self) -> bool:
        """Whether it sends callers to some of a queue's agents only."""
        return self.highest_penalty is not None or self.min_penalty is not None


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An ordered list of rules; the first that fires decides."""

    rules: tuple[Rule, ...] = ()
    """In order of precedence."""
    tier_wait_s: TierWait = 20
    """Longest wait for a better agent, in seconds, where a rule says nothing else."""
    default_queue: OptionalQueueName = ""
    """Queue for queries that come without one (HTTP); the dialplan's own default goes before it."""
    timezone: str = ""
    """IANA name for days and hours, e.g. "Europe/Berlin"; empty: the machine's local time."""
    alerts: tuple[AlertRule, ...] = ()
    """Rules on the readings of live calls; each is watched on its own."""
    topics: dict[str, tuple[str, ...]] = {}
    """Example sentences by topic name; at least two topics, or none."""
    rank_by: dict[QueueName, Signal | Literal["off"]] = {}
    """By queue: whose callers order its agents, or "off"; else a rule's emotions that lead there."""

    def queues(self) -> tuple[str, ...]:
        """Every queue it names, each once, in order."""
        named = [*(rule.queue for rule in self.rules), self.default_queue]
        return tuple(dict.fromkeys(q for q in named if q))

    def tier_waits(self) -> frozenset[int]:
        """The waits that its rules ask Asterisk to keep."""
        return frozenset(rule.tier_wait_s or self.tier_wait_s for rule in self.rules if rule.limited)


def policy_on(policy: Policy, pbx: str) -> Policy:
    """The part of a policy that applies to one PBX."""
    if not any(rule.pbxes for rule in policy.rules):
        return policy
    return msgspec.structs.replace(policy, rules=tuple(r for r in policy.rules if r.is_for(pbx)))


def policy_digest(policy: Policy) -> str:
    """The same for no policy that says something else, however its file is written."""
    return hashlib.sha256(msgspec.json.encode(policy, order="deterministic")).hexdigest()[:12]


def not_on(rule: Rule, pbx: str, queues: Collection[str]) -> list[str]:
    """Why a rule can't fire on a PBX, as a sentence: it is for others, or leads to a queue of theirs.

    Args:
        rule: of the policy.
        pbx: its name; "": the one without.
        queues: the PBX's; none: not known.
    """
    if not rule.is_for(pbx):
        return [f"the PBX is {pbx or 'the one without a name'}, not {' or '.join(rule.pbxes)}"]
    # Where PBXes have names there are several: what a rule for all of them names need not be on each.
    if pbx and queues and rule.queue and rule.queue not in queues:
        return [f"the PBX {pbx} has no queue {rule.queue}"]
    return []


def unknown_pbxes(policy: Policy, names: Collection[str]) -> list[str]:
    """PBXes that the policy names and the settings do not, each as a sentence."""
    return [
        f'rule "{rule.name}": no PBX of the settings is called {pbx!r}{suggestion(pbx, names)}'
        for rule in policy.rules
        for pbx in rule.pbxes
        if pbx not in names
    ]


def built_in_policy(default_queue: str = "") -> Policy:
    """The policy that ships: priorities only, no queue names."""
    return msgspec.structs.replace(load_policy(_BUILT_IN), default_queue=default_queue)


def load_policy(path: Path | None) -> Policy:
    """A policy file; None: the built-in policy.

    Raises:
        SettingsError: not readable, unknown or wrong entry, or rules that contradict themselves.
    """
    if path is None:
        return built_in_policy()
    return _checked(read_toml(path), path.name)


def parse_policy(text: str, origin: str = "policy") -> Policy:
    """A policy from TOML text, e.g. of a form.

    Raises:
        SettingsError: as for a file.
    """
    return _checked(parse_toml(text, origin), origin)


def policy_text(path: Path | None) -> str:
    """The text of a policy file, or of the built-in policy.

    Raises:
        SettingsError: it can't be read.
    """
    try:
        return (path or _BUILT_IN).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: can't be read: {error}") from error


def _checked(tables: dict[str, object], origin: str) -> Policy:
    policy = read_struct(Policy, tables, origin)
    for place, problem in _problems(policy):
        raise SettingsError(f"{origin}: {place}: {problem}")
    return policy


def validate(
    policy: Policy, known_queues: Collection[str], widening: Collection[int] | None = None
) -> list[str]:
    """What an administrator should know before the policy takes calls; empty: all is well.

    Args:
        policy: a loaded policy.
        known_queues: the PBX's queues (AMI QueueStatus).
        widening: waits for which the PBX has queue rules (AMI QueueRule); None: not asked.
    """
    found = unknown_queues(policy, known_queues)
    if widening is not None:
        found += [
            f"tier_wait_s: the PBX has no queue rule emocx-{wait}, so nobody waits for a better agent; "
            "include dialplan/queuerules-emocx.conf in queuerules.conf, then: queue reload rules"
            for wait in sorted(policy.tier_waits() - set(widening))
        ]
    for rule, later in zip(policy.rules, policy.rules[1:], strict=False):
        if rule.unconditional:
            found.append(f'rule "{later.name}" can never fire: "{rule.name}" before it has no condition')
            break
    return found


def unknown_queues(policy: Policy, known_queues: Collection[str]) -> list[str]:
    """Queues that the policy names and the PBX does not have, each as a sentence."""
    found = []
    for rule in policy.rules:
        if rule.queue and rule.queue not in known_queues:
            found.append(
                f'rule "{rule.name}": the PBX has no queue {rule.queue}{suggestion(rule.queue, known_queues)}'
            )
    if policy.default_queue and policy.default_queue not in known_queues:
        near = suggestion(policy.default_queue, known_queues)
        found.append(f"default_queue: the PBX has no queue {policy.default_queue}{near}")
    found += [
        f"rank_by: the PBX has no queue {queue}{suggestion(queue, known_queues)}"
        for queue in policy.rank_by
        if queue not in known_queues
    ]
    return found


def minutes(hours: str) -> tuple[int, int]:
    """Minutes of the day of `HH:MM-HH:MM`, start and exclusive end.

    Raises:
        ValueError: written otherwise.
    """
    match = _HOURS.fullmatch(hours)
    if not match:
        raise ValueError(hours)
    a, b, c, d = (int(part) for part in match.groups())
    if c * 60 + d > 24 * 60:
        raise ValueError(hours)
    return a * 60 + b, c * 60 + d


def _problems(policy: Policy) -> list[tuple[str, str]]:
    """Place and problem of entries that are each of the right kind but wrong in themselves."""
    found: list[tuple[str, str]] = []
    names: list[str] = []
    if len(policy.topics) == 1:
        found.append(("topics", "expected at least two topics, or none"))
    found += [(f"topics.{t}", "expected example sentences") for t, said in policy.topics.items() if not said]
    if policy.timezone:
        try:
            ZoneInfo(policy.timezone)
        except (ZoneInfoNotFoundError, ValueError):
            found.append(("timezone", f"{policy.timezone!r} is not known on this machine"))
    for i, rule in enumerate(policy.rules):
        place = f"rules[{i}]"
        if not rule.name.strip() or rule.name in names:
            found.append((f"{place}.name", f"expected a unique name, got {rule.name!r}"))
        names.append(rule.name)
        found += _unknown_topics(place, rule.topic, policy)
        found += _unknown_languages(place, rule.language)
        for hours in rule.hours:
            try:
                minutes(hours)
            except ValueError:
                found.append((f"{place}.hours", f'expected times like "08:00-18:00", got {hours!r}'))
        if rule.tier is not None and rule.max_penalty is not None:
            found.append((f"{place}.tier", "expected either tier or max_penalty, not both"))
        if rule.tier_wait_s is not None and not rule.limited:
            found.append((f"{place}.tier_wait_s", "expected a tier, min_penalty or max_penalty beside it"))
        named = {"priority": rule.priority, "min_penalty": rule.min_penalty, "max_penalty": rule.max_penalty}
        found += _wrong_levers(place, named)
        low, high = rule.min_penalty, rule.highest_penalty
        # With other words it depends on the call's own; whoever finds nobody then gets any agent.
        if low and high is not None and word(low) == word(high) and number(low) > number(high):
            found.append(
                (
                    f"{place}.min_penalty",
                    f"expected at most {number(high)}, the highest penalty, got {number(low)}",
                )
            )
    return found + alert_problems(policy.alerts)


def _wrong_levers(place: str, given: Mapping[str, int | Mapping[Word, int] | None]) -> list[tuple[str, str]]:
    return [
        (f"{place}.{name}", f"expected one of at_least, add and set, got {', '.join(value) or 'none'}")
        for name, value in given.items()
        if isinstance(value, Mapping) and len(value) != 1
    ]


def _unknown_languages(place: str, languages: Sequence[str]) -> list[tuple[str, str]]:
    return [
        (f"{place}.language", f"expected one of {', '.join(LANGUAGES)}, got {language!r}")
        for language in languages
        if language not in LANGUAGES
    ]


def _unknown_topics(place: str, topics: Sequence[str], policy: Policy) -> list[tuple[str, str]]:
    return [
        (f"{place}.topic", f"{topic!r} is not in [topics]{suggestion(topic, policy.topics)}")
        for topic in topics
        if topic not in policy.topics
    ]
