"""The decision: from a query's facts and a policy to one Decision with its reasons."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final, Literal
from zoneinfo import ZoneInfo

from emocx_pbx.domain import UNCERTAIN, UPSET_THRESHOLD, Decision, Scores
from emocx_pbx.routing.levers import NO_LEVERS, OwnLevers, combined, word
from emocx_pbx.routing.policy import DAYS, Policy, Rule, minutes, not_on
from emocx_pbx.routing.ranking import RankingPlan

Mode = Literal["active", "monitor"]

#: Penalties of agents in the first step of the administrator's own are at most this.
EQUALS: Final = RankingPlan().tiers - 1


@dataclass(frozen=True, slots=True)
class QueryFacts:
    """What is known about a query when it is decided."""

    scores: Scores | None
    """Words and voice fused; None if there was nothing to classify."""
    topic: str | None = None
    topic_confidence: float = 0.0
    customer_key: str | None = None
    """The CRM's key."""
    default_queue: str = ""
    """Where the caller goes without us."""
    optout: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Customer attributes sent along, e.g. {"plan": "gold"}."""
    source: str = "text"
    """text, speech or none."""
    own: OwnLevers = NO_LEVERS
    """What the administrator's dialplan had set on the channel."""
    language: str | None = None
    """Of the words (ISO 639-1); None where it is not sure."""
    foreign: bool = False
    """Whether the text model does not know that language."""
    upset_threshold: float = UPSET_THRESHOLD
    """The site's, for rules with `upset = true`."""
    pbx: str = ""
    """Name of the PBX whose queues it is about; "": the one without a name."""

    @property
    def upset(self) -> float | None:
        """Probability of anger or disappointment; None: not known (foreign words say nothing)."""
        if self.scores is None or (self.foreign and self.source != "speech"):
            return None
        return self.scores.upset

    @property
    def emotion(self) -> str:
        """The scores' class, or uncertain."""
        return UNCERTAIN if self.scores is None else self.scores.emotion


@dataclass(frozen=True, slots=True)
class QueueState:
    """A queue at one moment."""

    waiting: int
    """Callers in it."""
    longest_wait_s: float
    available: int
    """Members that could take a call now."""
    penalties: frozenset[int] = frozenset()
    """Of members who are logged in and not paused."""
    agents: frozenset[str] = frozenset()
    """Its members as grades name them, logged in or not."""


@dataclass(frozen=True, slots=True)
class RuleOutcome:
    """One rule's part in a decision."""

    rule: str
    fired: bool
    why_not: tuple[str, ...] = ()
    """Each condition that did not hold, or that an earlier rule had fired."""


def decide(
    query: QueryFacts,
    policy: Policy,
    mode: Mode = "active",
    holdout_share: float = 0.0,
    *,
    decision_id: str,
    at: float,
    queues: Mapping[str, QueueState] | None = None,
    ranked: Collection[str] = (),
    widening: Collection[int] | None = None,
) -> Decision:
    """Where a query goes, and why.

    In monitor mode, for the holdout and for those who opted out the Decision is the default queue
    without priority or penalties; `rule` and `reasons` then tell what would have been done.

    Args:
        query: what is known about it.
        policy: the rules.
        mode: monitor: decide without acting.
        holdout_share: share of customers routed as before, 0 to 1; stable by customer key.
        decision_id: unique; also places a customer without a key in or out of the holdout.
        at: Unix seconds.
        queues: states of queues by name; rules that look at an unknown one do not fire.
        ranked: queues whose members have the ranking's penalties; a caller whom no rule sent there rings
            them as equals, as before.
        widening: waits (tier_wait_s) that the PBX is known to keep; a rule with another one does not keep
            its caller waiting for a better agent. None: not asked.
    """
    default_queue = query.default_queue or policy.default_queue
    if query.optout:
        return Decision(
            decision_id, at, "optout", default_queue, UNCERTAIN, 0.0, None,
            raise_penalty=_equals(query.own) if default_queue in ranked else None,
            reasons=("the caller opted out: nothing was analysed",), source="none",
        )  # fmt: skip
    rule = next((r for r in policy.rules if not unmet(r, query, policy, at, queues)), None)
    reasons = [signals_reason(query)]
    if rule is None:
        status = "default"
        reasons.append(f"no rule fired: {_goes(default_queue)}")
    else:
        status = "ok"
        reasons.append(f'rule "{rule.name}" fired: {_effect(rule, policy, default_queue, query.own)}')
    if mode == "monitor":
        status = "monitor"
        reasons.append(f"monitor mode: the call was left as it was, {_goes(default_queue)}")
    elif in_holdout(query.customer_key or decision_id, holdout_share):
        status = "holdout"
        reasons.append(f"the customer is in the holdout: the call was left as it was, {_goes(default_queue)}")
    acts = rule is not None and status == "ok"
    limits: int | None = None
    low, high = _penalties(rule, query.own) if rule else (None, None)
    if acts and rule and rule.limited:
        why_not = unlimited(rule, policy, default_queue, queues, widening, query.own)
        if why_not:
            kept = (query.own.min_penalty, query.own.max_penalty) != (None, None)
            reasons.append(
                ("the call keeps its own penalties: " if kept else "any agent may take the call: ") + why_not
            )
        elif (low, high) == (query.own.min_penalty, query.own.max_penalty):
            # Nothing of ours to end: the queue rule would only lift the administrator's own limits.
            reasons.append(
                f"the call keeps its own penalties {low or 0} to {'any' if high is None else high}"
            )
        else:
            limits = rule.tier_wait_s or policy.tier_wait_s
    return Decision(
        decision_id=decision_id,
        at=at,
        status=status,
        queue=(rule.queue or default_queue) if acts and rule else default_queue,
        emotion=query.emotion,
        confidence=round(query.scores.confidence, 4) if query.scores else 0.0,
        probabilities=query.scores.as_dict() if query.scores else None,
        topic=query.topic,
        priority=_priority(rule, query.own) if acts and rule else None,
        min_penalty=low if limits and rule and rule.min_penalty is not None else None,
        max_penalty=high if limits and rule and rule.highest_penalty is not None else None,
        tier_wait_s=limits,
        raise_penalty=_equals(query.own) if not acts and default_queue in ranked else None,
        announcement=(rule.announcement or None) if acts and rule else None,
        rule=rule.name if rule else None,
        reasons=tuple(reasons),
        source=query.source if query.scores else "none",
        language=query.language,
        upset=None if query.upset is None else round(query.upset, 4),
    )


def unlimited(
    rule: Rule,
    policy: Policy,
    default_queue: str,
    queues: Mapping[str, QueueState] | None,
    widening: Collection[int] | None,
    own: OwnLevers = NO_LEVERS,
) -> str:
    """Why a rule's tier must not keep its caller waiting, as a sentence; empty: it may.

    Limits of the administrator's own stay as they are then.
    """
    wait = rule.tier_wait_s or policy.tier_wait_s
    if widening is not None and wait not in widening:
        return f"the PBX has no queue rule emocx-{wait} that would end the wait for a better one"
    low, high = _penalties(rule, own)
    if low is not None and high is not None and low > high:
        return f"with penalties of the call's own nobody is left between {low} and {high}"
    if queues is not None:
        name = rule.queue or default_queue
        state = queues.get(name)
        if state is None:
            return f"the state of queue {name or '(none)'} is not known"
        low = low or 0
        if not any(low <= p and (high is None or p <= high) for p in state.penalties):
            return f"nobody of that tier is logged in to {name}"
    return ""


def explain(
    query: QueryFacts,
    policy: Policy,
    *,
    at: float,
    queues: Mapping[str, QueueState] | None = None,
) -> tuple[RuleOutcome, ...]:
    """For every rule of the policy: whether it fired, and if not, every condition that did not hold."""
    outcomes: list[RuleOutcome] = []
    fired: str | None = None
    for rule in policy.rules:
        why = unmet(rule, query, policy, at, queues)
        if not why and fired is not None:
            why = [f'"{fired}" had fired before it']
        if not why:
            fired = rule.name
        outcomes.append(RuleOutcome(rule.name, not why, tuple(why)))
    return tuple(outcomes)


def unmet(
    rule: Rule,
    query: QueryFacts,
    policy: Policy,
    at: float,
    queues: Mapping[str, QueueState] | None = None,
) -> list[str]:
    """The rule's conditions that do not hold, each as a sentence; empty: the rule fires."""
    why: list[str] = []
    if rule.emotion and not _signals(rule, query):
        why.append(f"the signals are {query.emotion}, not {_either(rule.emotion)}")
    confidence = query.scores.confidence if query.scores else 0.0
    if confidence < rule.min_confidence:
        why.append(f"confidence {confidence:.2f} is under {rule.min_confidence:g}")
    why += _unmet_upset(rule, query)
    if rule.topic and query.topic not in rule.topic:
        why.append(f"the topic is {query.topic or 'unknown'}, not {_either(rule.topic)}")
    if query.topic_confidence < rule.min_topic_confidence:
        why.append(f"topic confidence {query.topic_confidence:.2f} is under {rule.min_topic_confidence:g}")
    key = query.customer_key or ""
    if rule.customer and not any(fnmatchcase(key, pattern) for pattern in rule.customer):
        why.append(f"the customer key matches none of {', '.join(rule.customer)}")
    for name, values in rule.attributes.items():
        if query.attributes.get(name) not in values:
            why.append(f"the customer's {name} is not {_either(values)}")
    why += _unmet_language(rule, query) + not_on(rule, query.pbx, queues or ())
    why += _unmet_times(rule, policy, at)
    why += _unmet_queue_state(rule, query.default_queue or policy.default_queue, queues or {})
    return why


def _signals(rule: Rule, query: QueryFacts) -> bool:
    """Whether the signals are of one of the rule's classes; torn between two that it names is one of them."""
    if query.emotion in rule.emotion:
        return True
    scores = query.scores
    both = "angry" in rule.emotion and "disappointed" in rule.emotion
    return both and scores is not None and scores.upset >= max(scores.threshold, 0.5)


def _unmet_upset(rule: Rule, query: QueryFacts) -> list[str]:
    if rule.upset is False:
        return []
    least = query.upset_threshold if rule.upset is True else rule.upset
    upset = query.upset
    if upset is None:
        return ["whether the customer is upset (angry or disappointed) is not known"]
    return [] if upset >= least else [f"upset (angry or disappointed) is {upset:.2f}, under {least:g}"]


def _unmet_language(rule: Rule, query: QueryFacts) -> list[str]:
    if not rule.language or query.language in rule.language:
        return []
    return [f"the language is {query.language or 'not sure'}, not {_either(rule.language)}"]


def _unmet_times(rule: Rule, policy: Policy, at: float) -> list[str]:
    if not rule.days and not rule.hours:
        return []
    now = datetime.fromtimestamp(at, ZoneInfo(policy.timezone) if policy.timezone else None)
    why: list[str] = []
    if rule.days and DAYS[now.weekday()] not in rule.days:
        why.append(f"the day is {DAYS[now.weekday()]}, not {_either(rule.days)}")
    minute = now.hour * 60 + now.minute
    if rule.hours and not any(_within(minute, *minutes(hours)) for hours in rule.hours):
        why.append(f"the time is {now:%H:%M}, not in {_either(rule.hours)}")
    return why


def _within(minute: int, start: int, end: int) -> bool:
    """Whether a minute of the day lies in [start, end), which may go over midnight."""
    return start <= minute < end if start < end else minute >= start or minute < end


def _unmet_queue_state(rule: Rule, default_queue: str, queues: Mapping[str, QueueState]) -> list[str]:
    limits = (rule.max_waiting, rule.max_longest_wait_s, rule.min_available)
    if all(limit is None for limit in limits):
        return []
    name = rule.queue or default_queue
    state = queues.get(name)
    if state is None:
        return [f"the state of queue {name or '(none)'} is not known"]
    why: list[str] = []
    if rule.max_waiting is not None and state.waiting > rule.max_waiting:
        why.append(f"{state.waiting} callers wait in {name}, more than {rule.max_waiting}")
    if rule.max_longest_wait_s is not None and state.longest_wait_s > rule.max_longest_wait_s:
        why.append(f"a caller in {name} has waited {state.longest_wait_s:.0f} s, "
                   f"more than {rule.max_longest_wait_s:g}")  # fmt: skip
    if rule.min_available is not None and state.available < rule.min_available:
        why.append(f"{state.available} agents of {name} are free, fewer than {rule.min_available}")
    return why


def in_holdout(customer_key: str, share: float) -> bool:
    """Whether a customer is routed as before: the same answer for the same key, always.

    A hash puts each key at a fixed point of [0, 1); a larger share keeps all who were in a smaller one.
    """
    digest = hashlib.sha256(b"emocx holdout\0" + customer_key.encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < share


def signals_reason(query: QueryFacts) -> str:
    """What the models found, as a sentence."""
    where = "speech" if query.source == "speech" else "text"
    if query.scores is None:
        said = "there was nothing to classify"
    elif query.foreign and query.source != "speech":
        language = query.language or "unknown"
        said = f"signals in the text are uncertain: language: {language}, which the text model does not know"
    elif query.emotion == UNCERTAIN and query.scores.upset >= max(query.scores.threshold, 0.5):
        # Torn between the two kinds of upset, it is sure of one of them.
        said = (
            f"signals in the {where} are of anger or disappointment at {query.scores.upset:.2f}; of which of"
            f" the two is uncertain: {query.scores.best} at {query.scores.confidence:.2f} is under the"
            f" model's threshold {query.scores.threshold:g}"
        )
    elif query.emotion == UNCERTAIN:
        said = (
            f"signals in the {where} are uncertain: {query.scores.best} at {query.scores.confidence:.2f}"
            f" is under the model's threshold {query.scores.threshold:g}"
        )
    else:
        said = f"signals in the {where} are {query.emotion} with confidence {query.scores.confidence:.2f}"
    if query.foreign and query.source == "speech":
        language = query.language or "unknown"
        said += f"; the words do not count (language: {language}, which the text model does not know)"
    return said + (f"; the topic is {query.topic} ({query.topic_confidence:.2f})" if query.topic else "")


def _priority(rule: Rule, own: OwnLevers) -> int | None:
    return None if rule.priority is None else combined(rule.priority, own.priority)


def _penalties(rule: Rule, own: OwnLevers) -> tuple[int | None, int | None]:
    """Lowest and highest penalty of agents that ring; what the rule does not name stays the call's."""
    low, high = rule.min_penalty, rule.highest_penalty
    return (
        own.min_penalty if low is None else combined(low, own.min_penalty),
        own.max_penalty if high is None else combined(high, own.max_penalty),
    )


def _equals(own: OwnLevers) -> int:
    """QUEUE_RAISE_PENALTY that undoes the ranking's order; the administrator's own is not lowered."""
    return max(EQUALS, own.raise_penalty or 0)


def _effect(rule: Rule, policy: Policy, default_queue: str, own: OwnLevers) -> str:
    parts = [_goes(rule.queue or default_queue)]
    if rule.priority is not None:
        before = "" if own.priority is None else f" ({word(rule.priority)} on the call's own {own.priority})"
        parts.append(f"priority {_priority(rule, own)}{before}")
    if rule.limited:
        low, high = _penalties(rule, own)
        wait = rule.tier_wait_s or policy.tier_wait_s
        parts.append(
            f"agents with penalty {low or 0} to {'any' if high is None else high} for {wait} s, then any"
        )
    if rule.announcement:
        parts.append(f"announcement {rule.announcement}")
    return ", ".join(parts)


def _goes(queue: str) -> str:
    return f"queue {queue}" if queue else "the dialplan's own queue"


def _either(values: Sequence[str]) -> str:
    return " or ".join(values)
