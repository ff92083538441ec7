"""The policy's [[alerts]] tables, as an administrator writes them, and the contradictions to look for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from emocx_pbx.domain import UNCERTAIN, Scores
from emocx_pbx.emotion.levels import SIGNALS, signal_of

#: Least distance between the thresholds for raising and clearing: closer ones would flicker.
LEAST_GAP = 0.05
#: Most rules of a policy; each is watched on every live call.
MAX_RULES = 20

When = Literal["angry", "disappointed", "happy", "upset", "falling"]
Name = Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]{1,80}\Z")]
SpeechSeconds = Annotated[float, Meta(gt=0, le=600)]
Points = Annotated[float, Meta(gt=0, le=2)]


class AlertRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One rule on the readings of a live call; seconds are seconds of the customer's speech."""

    name: Name
    """Unique name; shown with every alert."""
    when: When
    """angry, disappointed, happy; upset: angry or disappointed; falling: valence went down."""
    for_s: SpeechSeconds = 20.0
    """Seconds of speech with these signals that raise it; for falling, the length of each of the two
    stretches."""
    within_s: SpeechSeconds | None = None
    """They are counted in the last this many seconds of speech; default: twice for_s. Not for falling."""
    clear_s: Annotated[float, Meta(ge=0)] | None = None
    """The episode ends once the window holds no more than this many seconds of such speech; default: half
    of for_s. Not for falling."""
    since: Literal["start", "transfer"] = "start"
    """falling: against the call's first speech, or the last before the latest transfer."""
    by: Points = 0.5
    """falling: by this many points of valence (from -1 to 1)."""
    clear_by: Annotated[float, Meta(ge=-2, le=2)] | None = None
    """falling: over once valence is no more than this many points below; default: half of by."""
    at_least: Annotated[float, Meta(gt=0, le=1)] | None = None
    """upset: probability of anger and disappointment together from which a reading counts, whatever the
    model's threshold; default: they outweigh the rest, and the model is sure of it. Only for upset."""
    min_confidence: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Readings less sure than this count neither for nor against."""
    percentile: Annotated[float, Meta(ge=50, le=99.9)] | None = None
    """For angry and upset: a reading counts when its plain P(angry), or P(upset), reaches this percentile of
    the readings of the line's own callers. On a line not yet known it is no evidence."""
    cooldown_s: Annotated[float, Meta(ge=0, le=86400)] = 60.0
    """Seconds of the call that must lie between two of this rule's alerts."""

    @property
    def window_s(self) -> float:
        """Length of the sliding window, in seconds of speech."""
        if self.when == "falling":
            return self.for_s
        return 2 * self.for_s if self.within_s is None else self.within_s

    @property
    def high(self) -> float:
        """The measure at which an alert is raised."""
        return self.by if self.when == "falling" else self.for_s

    @property
    def low(self) -> float:
        """The measure at which it is cleared; under `high`."""
        given = self.clear_by if self.when == "falling" else self.clear_s
        return self.high / 2 if given is None else given

    def evidence(self, scores: Scores, level: float | None = None) -> float | None:
        """A reading's value for this rule: its valence, or 1 or 0 for signals; None: it counts as no
        evidence.

        `level` is the line's percentile that the rule requires; None: unknown.
        """
        if self.percentile is not None:
            if level is None:
                return None
            plain = scores.probabilities if scores.plain is None else scores.plain
            return 1.0 if signal_of(plain, self.when) >= level else 0.0
        if self.when == "falling":
            return scores.valence if scores.confidence >= self.min_confidence else None
        if self.when == "upset":
            # A reading torn between anger and disappointment is confident of one of the two.
            share = scores.upset
            if self.at_least is not None:
                return 1.0 if share >= self.at_least else 0.0
            sure = max(share, 1 - share)
            if sure < max(scores.threshold, self.min_confidence):
                return None
            return 1.0 if share >= 0.5 else 0.0
        if scores.emotion == UNCERTAIN or scores.confidence < self.min_confidence:
            return None
        return 1.0 if scores.emotion == self.when else 0.0


def alert_problems(rules: Sequence[AlertRule]) -> list[tuple[str, str]]:
    """Place and problem of rules whose entries are valid one by one but contradict each other."""
    found: list[tuple[str, str]] = []
    if len(rules) > MAX_RULES:
        found.append(("alerts", f"expected at most {MAX_RULES}, got {len(rules)}"))
    for i, rule in enumerate(rules):
        place = f"alerts[{i}]"
        if not rule.name.strip() or rule.name in [other.name for other in rules[:i]]:
            found.append((f"{place}.name", f"expected a unique name, got {rule.name!r}"))
        falling = rule.when == "falling"
        if falling:
            strange = [name for name in ("within_s", "clear_s") if getattr(rule, name) is not None]
        else:
            strange = ["clear_by"] if rule.clear_by is not None else []
            strange += ["since"] if rule.since != "start" else []
        if rule.at_least is not None and (rule.when != "upset" or rule.min_confidence):
            found.append((f"{place}.at_least", 'goes only with when = "upset", and without min_confidence'))
        verb = "does not go with" if falling else "goes only with"
        found += [(f"{place}.{name}", f'{verb} when = "falling"') for name in strange]
        if rule.percentile is not None and rule.when not in SIGNALS:
            found.append((f"{place}.percentile", 'goes only with when = "angry" or "upset"'))
        for name in ("min_confidence", "at_least"):
            if rule.percentile is not None and getattr(rule, name):
                found.append((f"{place}.{name}", "does not go with percentile"))
        if rule.window_s < rule.for_s:
            found.append((f"{place}.within_s", f"expected at least for_s = {rule.for_s:g}"))
        if rule.low > rule.high - LEAST_GAP:
            name, high = ("clear_by", "by") if falling else ("clear_s", "for_s")
            found.append((f"{place}.{name}", f"expected less than {high} = {rule.high:g}, got {rule.low:g}"))
    return found
