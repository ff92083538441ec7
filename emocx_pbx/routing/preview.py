"""What a policy would have done with past queries, compared with the one in force. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from emocx_pbx.domain import LABELS, UNCERTAIN, UPSET_THRESHOLD, Decision, Scores
from emocx_pbx.routing.decision import QueryFacts, QueueState, decide
from emocx_pbx.routing.policy import Policy


@dataclass(frozen=True, slots=True)
class PastQuery:
    """A decision, with what a policy may also look at."""

    decision: Decision
    customer: str | None = None
    """The customer's key."""
    pbx: str = ""
    """The PBX that the query came from."""


@dataclass(frozen=True, slots=True)
class Previewed:
    """A past query, and what both policies say to it now."""

    past: Decision
    now: Decision
    """By the policy in force."""
    then: Decision
    """By the other one."""

    @property
    def differs(self) -> bool:
        """Whether the caller would have been routed differently."""
        return _effect(self.now) != _effect(self.then)


def preview(
    past: Iterable[PastQuery],
    in_force: Policy,
    other: Policy,
    queues: Mapping[str, Mapping[str, QueueState]],
    upset_threshold: float = UPSET_THRESHOLD,
) -> Sequence[Previewed]:
    """Decide past queries by both policies, without monitor mode and holdout.

    What was not kept of a query counts as favourable or absent: a known topic as certain, customer
    attributes and values of the channel as none, queues as they are now, and the default queue only where
    the query went to it.

    Args:
        past: those without analysis are left out.
        in_force: the policy that takes calls.
        other: the policy to be tried.
        queues: states of each PBX's queues, by its name and theirs; not known of PBXes that are missing.
        upset_threshold: the site's.
    """
    shown = []
    for query in past:
        decision = query.decision
        if decision.status in {"optout", "timeout"}:
            continue
        facts, there = _facts(query, upset_threshold), queues.get(query.pbx, {})
        now, then = (
            decide(facts, policy, decision_id=decision.decision_id, at=decision.at, queues=there)
            for policy in (in_force, other)
        )
        shown.append(Previewed(decision, now, then))
    return shown


def _facts(query: PastQuery, upset_threshold: float) -> QueryFacts:
    decision, scores = query.decision, None
    if decision.probabilities:
        threshold = 2.0 if decision.emotion == UNCERTAIN else 0.0
        scores = Scores.of([decision.probabilities.get(str(label), 0.0) for label in LABELS], threshold)
    return QueryFacts(
        scores=scores,
        topic=decision.topic,
        topic_confidence=1.0 if decision.topic else 0.0,
        customer_key=query.customer,
        default_queue="" if decision.status == "ok" else decision.queue,
        source=decision.source,
        language=decision.language,
        # Words in a language that nobody knew were kept as uncertain, and without it.
        foreign=decision.emotion == UNCERTAIN and decision.upset is None,
        upset_threshold=upset_threshold,
        pbx=query.pbx,
    )


def _effect(decision: Decision) -> tuple[object, ...]:
    return (
        decision.queue, decision.priority, decision.min_penalty, decision.max_penalty, decision.announcement,
    )  # fmt: skip
