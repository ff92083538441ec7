"""What the running service's calls are checked against: policy, settings, receivers and lines as of now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.calls.rules import Rules
from emocx_pbx.dispatch.line_keeper import LineKeeper
from emocx_pbx.dispatch.policy_in_force import Policies
from emocx_pbx.events.event import wants
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.store.receivers import Receivers


@dataclass(frozen=True)
class RulesInForce(Rules):
    """Asks the parts each time, so that a reload applies to calls in progress."""

    settings: SettingsInForce
    policies: Policies
    receivers: Receivers
    line_keeper: LineKeeper

    def alerts(self) -> Sequence[AlertRule]:
        """The policy's alert rules."""
        return self.policies.policy.alerts

    def tells(self, kind: str) -> bool:
        """Whether any receiver wants events of this type."""
        return any(wants(receiver.events, kind) for receiver in self.receivers.current())

    def keep_text(self) -> bool:
        """As the section [privacy] says."""
        return self.settings.settings.privacy.store_query_text

    def keep_words(self) -> bool:
        """As the section [privacy] says."""
        return self.settings.settings.privacy.store_words

    def lines(self, trunk: str | None) -> Sequence[str]:
        """The lines of the section [analysis]."""
        return self.line_keeper.lines(trunk)

    def level(self, trunk: str | None, rule: AlertRule, model: str) -> float | None:
        """As learnt from the line's calls."""
        return self.line_keeper.level(trunk, model, rule.when, rule.percentile or 0.0)
