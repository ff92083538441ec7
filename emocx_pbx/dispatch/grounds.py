"""What a decision is based on besides the query: settings, policy, queues and ranking as they are now."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from emocx_pbx.call_ids import pbx_of
from emocx_pbx.dispatch.asked import Caller
from emocx_pbx.domain import Decision
from emocx_pbx.routing.decision import QueryFacts, QueueState, RuleOutcome, decide, explain
from emocx_pbx.routing.policy import Policy
from emocx_pbx.settings.in_force import SettingsInForce


class PolicyForDecisions(Protocol):
    """The part of Policies that decisions need."""

    @property
    def policy(self) -> Policy:
        """The policy in force."""

    @property
    def queues(self) -> Mapping[str, QueueState]:
        """The PBX's queues, as last seen."""

    @property
    def widening(self) -> Collection[int]:
        """Waits for a better agent that Asterisk is known to end."""


class Ranked(Protocol):
    """The part of the penalty keeper that decisions need."""

    def ranked(self) -> Collection[str]:
        """Queues whose members are ordered by the ranking."""


def new_decision_id() -> str:
    """An id that is unique to one decision."""
    return f"dec_{uuid.uuid4().hex}"


class PbxGrounds(Protocol):
    """What decisions on one PBX are based on."""

    @property
    def queues(self) -> PolicyForDecisions:
        """The policy, and the PBX's queues."""

    @property
    def penalties(self) -> Ranked:
        """Knows which of the queues are ranked."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What decisions are based on; looked up for each query, so that a reload applies to the next one."""

    settings: SettingsInForce
    policies: PolicyForDecisions
    """Of all PBXes together: for decisions on a PBX that we do not know."""
    penalties: Ranked
    now: Callable[[], float] = time.time
    """Unix seconds."""
    new_id: Callable[[], str] = new_decision_id
    on: Callable[[str], PbxGrounds | None] = lambda pbx: None
    """Gives the PBX with a name."""

    @property
    def deadline_s(self) -> float:
        """Seconds for the signals of a query."""
        return self.settings.settings.agi.deadline_s

    @property
    def upset_threshold(self) -> float:
        """The probability (0 to 1) from which a rule with `upset = true` fires."""
        return self.settings.settings.routing.upset_threshold

    def decide(self, facts: QueryFacts, question: str = "") -> Decision:
        """Decide now; the same query gets the same decision id, whoever decides it."""
        decision_id = f"dec_{question}" if question else self.new_id()
        return self._decided(facts, decision_id, self._of(facts)[0].widening)

    def preview(self, facts: QueryFacts) -> tuple[Decision, tuple[RuleOutcome, ...]]:
        """What would be decided now, and what part each rule played in it."""
        decision = self._decided(facts, "preview", None)
        policies, _ = self._of(facts)
        return decision, explain(facts, policies.policy, at=decision.at, queues=policies.queues)

    def _decided(self, facts: QueryFacts, decision_id: str, widening: Collection[int] | None) -> Decision:
        routing = self.settings.settings.routing
        policies, penalties = self._of(facts)
        return decide(
            facts,
            policies.policy,
            routing.mode,
            routing.holdout,
            decision_id=decision_id,
            at=self.now(),
            queues=policies.queues,
            ranked=penalties.ranked(),
            widening=widening,
        )

    def _of(self, facts: QueryFacts) -> tuple[PolicyForDecisions, Ranked]:
        pbx = self.on(facts.pbx)
        return (pbx.queues, pbx.penalties) if pbx else (self.policies, self.penalties)

    def pbx_of(self, caller: Caller) -> str:
        """The PBX to decide for: the call's own; without a call, the one requested or the one that places
        calls.
        """
        if caller.call_id is not None:
            return pbx_of(caller.call_id)
        return self.settings.settings.placing_pbx if caller.pbx is None else caller.pbx
