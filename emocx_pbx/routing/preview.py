"""What a policy would have done with past queries, compared with the one in force. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from emocx_pbx.domain import LABELS, UNCERTAIN, UPSET_THRESHOLD, Decision, Scores
from emocx_pbx.routing.decision import QueryFacts, QueueState, decide
from emocx_pbx.routing.policy import Policy


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
    past: Iterable[tuple[Decision, str | None]],
    in_force: Policy,
    other: Policy,
    queues: Mapping[str, QueueState],
    upset_threshold: float = UPSET_THRESHOLD,
) -> Sequence[Previewed]:
    """Decide past queries by both policies, without monitor mode and holdout.

    What was not kept of a query counts as favourable or absent: a known topic as certain, customer
    attributes and values of the channel as none, queues as they are now, and the default queue only where
    the query went to it.

    Args:
        past: decisions with the customer's key; those without analysis are left out.
        in_force: the policy that takes calls.
        other: the policy to be tried.
        queues: states of queues by name.
        upset_threshold: the site's.
    """
    shown = []
    for decision, customer in past:
        if decision.status in {"optout", "timeout"}:
            continue
        facts = _facts(decision, customer, upset_threshold)
        now, then = (
            decide(facts, policy, decision_id=decision.decision_id, at=decision.at, queues=queues)
            for policy in (in_force, other)
        )
        shown.append(Previewed(decision, now, then))
    return shown


def _facts(decision: Decision, customer: str | None, upset_threshold: float) -> QueryFacts:
    scores = None
    if decision.probabilities:
        threshold = 2.0 if decision.emotion == UNCERTAIN else 0.0
        scores = Scores.of([decision.probabilities.get(str(label), 0.0) for label in LABELS], threshold)
    return QueryFacts(
        scores=scores,
        topic=decision.topic,
        topic_confidence=1.0 if decision.topic else 0.0,
        customer_key=customer,
        default_queue="" if decision.status == "ok" else decision.queue,
        source=decision.source,
        language=decision.language,
        # Words in a language that nobody knew were kept as uncertain, and without it.
        foreign=decision.emotion == UNCERTAIN and decision.upset is None,
        upset_threshold=upset_threshold,
    )


def _effect(decision: Decision) -> tuple[object, ...]:
    return (
        decision.queue, decision.priority, decision.min_penalty, decision.max_penalty, decision.announcement,
    )  # fmt: skip
