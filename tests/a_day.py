"""Calls as a service desk has them, written into a store by the very functions that the service uses."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field, replace

from emocx_pbx.alerts.watch import AlertChange
from emocx_pbx.calls.grades import graded_segment
from emocx_pbx.calls.rules import Rules
from emocx_pbx.calls.stored import stored_state
from emocx_pbx.domain import Decision, Reading, Scores, Segment, Side, Span, Visit
from emocx_pbx.events import build
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.store.database import Store
from emocx_pbx.store.rows import AlertRow

DAY_S = 86_400.0
QUEUES = ("care", "support", "retention", "sales")
AGENTS = ("Amira Haddad", "Ben Osei", "Chiara Rossi", "Dmitri Volkov", "Elif Demir", "Femi Adeyemi")
#: How well customers fare with each agent, and with angry ones in particular.
SKILL = (0.5, 0.2, 0.35, -0.1, 0.0, -0.3)
SKILL_ANGRY = (0.3, -0.2, 0.1, 0.3, 0.0, -0.2)
ARRIVALS = ("angry", "neutral", "disappointed", "happy")
TEXTS = {
    "angry": "I have been charged twice and nobody answers my emails. Sort this out now!",
    "neutral": "What are your opening hours on Saturday?",
    "disappointed": "The repair did not last a week, I expected better.",
    "happy": "Thanks for the quick help last time, I would love to book the big service.",
}
#: Level at which customers of each emotion begin.
BEGIN = {"angry": -0.8, "disappointed": -0.5, "neutral": 0.0, "happy": 0.6}


@dataclass(slots=True)
class Day:
    """Writes calls; all chance comes from the seed."""

    store: Store
    now: float
    seed: int = 1
    chance: random.Random = field(init=False)
    made: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    async def calls(self, number: int, days: float = 1.0) -> list[str]:
        """So many ended calls spread over the last days, the oldest first."""
        begins = sorted(self.now - 900 - self.chance.random() * days * DAY_S for _ in range(number))
        return [await self.call(at) for at in begins]

    async def call(
        self,
        at: float,
        *,
        arrived: str | None = None,
        agents: tuple[int, ...] | None = None,
        minutes: float | None = None,
        abandoned: bool | None = None,
        hold: bool = False,
        alert: bool = False,
        ended: bool = True,
        arm: str | None = None,
    ) -> str:
        """One call with everything that belongs to it."""
        chance = self.chance
        self.made += 1
        call_id = f"{int(at)}.{self.made}"
        arrived = arrived or chance.choices(ARRIVALS, (3, 5, 3, 2))[0]
        queue = dict(zip(ARRIVALS, QUEUES, strict=True))[arrived] if chance.random() < 0.8 else "support"
        arm = arm or chance.choices(("ok", "holdout", "default"), (7, 2, 1))[0]
        customer = f"crm-{4000 + self.made % 97 * 13}"
        decision = self._decision(at, arrived, queue, arm)
        store = self.store
        await store.calls.start(call_id, at, customer, f"+4930{self.made:07d}", queue, None)
        await store.decisions.record(
            decision, call_id, customer, TEXTS[arrived], [build.query_routed(decision, call_id, customer)]
        )
        started = build.call_started(
            call_id, at, queue, f"+4930{self.made:07d}", customer, decision.decision_id
        )
        await store.calls.start(call_id, at, customer, None, queue, decision.decision_id, [started], at)
        wait = chance.expovariate(1 / (25 if arm == "ok" else 40))
        if abandoned if abandoned is not None else wait > 110:
            at_end = at + max(wait, 20)
            ended_event = build.call_ended(call_id, at, at_end, "abandoned", queue, [], {}, customer)
            await store.calls.save_visit(call_id, 0, Visit(queue, at, at_end, "abandoned"))
            await store.calls.end(
                call_id, at_end, "abandoned", [ended_event], disposition="abandoned", hung_up_by="customer"
            )
            return call_id
        chosen = agents or (
            (chance.randrange(6), chance.randrange(6)) if chance.random() < 0.15 else (chance.randrange(6),)
        )
        await self._talk(
            call_id, at, at + wait, arrived, queue, chosen, minutes, hold, alert, ended, customer
        )
        return call_id

    def _decision(self, at: float, arrived: str, queue: str, arm: str) -> Decision:
        probabilities = self._around(BEGIN[arrived], arrived, 0.75)
        scores = Scores.of(probabilities)
        return Decision(
            decision_id=f"dec_{self.seed}_{self.made:06d}", at=at, status=arm, queue=queue, emotion=arrived,
            confidence=round(scores.confidence, 4), probabilities=scores.as_dict(),
            topic=self.chance.choice(("billing", "repair", "booking", None)),
            priority=10 if arrived == "angry" else None,
            rule=f"{arrived} callers" if arm != "default" else None,
            reasons=(
                f"the text has signals of {arrived} ({scores.confidence:.0%}), over the rule's 55 %",
                f'rule "{arrived} callers" fired: queue {queue}' if arm != "default" else "no rule fired",
            ),
        )  # fmt: skip

    def _around(self, level: float, favoured: str | None, sure: float) -> list[float]:
        """Probabilities in LABELS' order (angry, neutral, disappointed, happy) near a level."""
        chance = self.chance
        weights = [
            math.exp(-((level + 1.0) ** 2) / 0.18),
            math.exp(-(level**2) / 0.12),
            math.exp(-((level + 0.6) ** 2) / 0.14),
            math.exp(-((level - 1.0) ** 2) / 0.3),
        ]
        weights = [w * math.exp(chance.gauss(0, 0.5)) + 0.02 for w in weights]
        if favoured is not None:
            weights[ARRIVALS.index(favoured)] += sure * sum(weights)
        total = sum(weights)
        return [w / total for w in weights]

    async def _talk(
        self, call_id: str, at: float, answered: float, arrived: str, queue: str, agents: tuple[int, ...],
        minutes: float | None, hold: bool, alert: bool, ended: bool, customer: str,
    ) -> None:  # fmt: skip
        chance, store = self.chance, self.store
        length = 60 * (minutes if minutes is not None else 1.5 + chance.expovariate(1 / 3))
        cuts = [answered + length * i / len(agents) for i in range(len(agents) + 1)]
        tapped = answered + 0.3
        segments = []
        for number, agent in enumerate(agents):
            segment = Segment(
                call_id, number, AGENTS[agent], f"PJSIP/{2000 + agent}", queue,
                "queue" if number == 0 else "transfer", cuts[number] + (4 if number else 0),
            )  # fmt: skip
            segments.append(segment)
            await store.calls.save_segment(segment)
        await store.calls.set_tapped(call_id, tapped)
        spans, readings = self._speech(length, arrived, agents, len(agents))
        await store.readings.add_spans(call_id, spans)
        await store.readings.add(call_id, readings, answered + length)
        if hold:
            await store.calls.set_hold(call_id, answered + length * 0.4, True)
            await store.calls.set_hold(call_id, answered + length * 0.4 + 25, False)
        if alert:
            t = length * 0.3
            message = "Signals of anger for 20 s of speech"
            raised = AlertChange("angry", "raised", t, t + 20, t + 20, 20.0, "", message)
            row = AlertRow(
                call_id, "angry", t, t + 20, tapped + t + 20, 0, segments[0].agent, message, None, None
            )
            await store.alerts.save([row], [build.call_alert(call_id, raised, tapped + t + 20, segments[0])])
        await store.calls.save_visit(call_id, 0, Visit(queue, at, answered, "answered"))
        if not ended:
            return
        for number, segment in enumerate(segments):
            last = number == len(segments) - 1
            reason, to = (
                ("customer_hung_up", None) if last else ("blind_transfer", segments[number + 1].agent)
            )
            ended_at = cuts[number + 1]
            await store.calls.save_segment(
                replace(segment, ended_at=ended_at, end_reason=reason, ended_to=to)
            )
        detail = await store.call(call_id)
        assert detail is not None
        rubric, grades = load_rubric(), {}
        call = stored_state(detail, Rules(rubric))
        for segment in detail.segments:
            grade = grades[segment.index] = graded_segment(call, segment, rubric)
            observed = build.call_graded(segment, grade, cuts[-1] + 3, customer)
            await store.grades.save(call_id, segment.index, grade, [observed], at=cuts[-1] + 3)
        over = build.call_ended(call_id, at, cuts[-1], "hangup", queue, detail.segments, grades, customer)
        await store.calls.end(call_id, cuts[-1], "hangup", [over])

    def _speech(
        self, length: float, arrived: str, agents: tuple[int, ...], parts: int
    ) -> tuple[list[Span], list[Reading]]:
        """Turns of both sides, and a reading for every few seconds of the customer's."""
        chance = self.chance
        spans: list[Span] = []
        readings: list[Reading] = []
        level, t = BEGIN[arrived], 0.5
        customer_speaks = False
        while t < length - 2:
            turn = min(length - t, 1.5 + chance.expovariate(1 / (5 if customer_speaks else 4)))
            side: Side = "customer" if customer_speaks else "agent"
            spans.append(Span(side, round(t, 2), round(t + turn, 2)))
            if customer_speaks:
                agent = agents[min(parts - 1, int(t / length * parts))]
                skill = SKILL[agent] + (SKILL_ANGRY[agent] if arrived == "angry" else 0)
                at = t
                while at < t + turn - 0.8:
                    end = min(t + turn, at + 3)
                    level += (skill - level) * 0.06 + chance.gauss(0, 0.13)
                    level = max(-1.0, min(1.0, level))
                    scores = Scores.of(self._around(level, None, 0), 0.4)
                    begin = max(0.0, at - 1)
                    readings.append(
                        Reading(round(begin, 2), round(end, 2), round(end - begin, 2), scores, "voice/1")
                    )
                    at = end
            t += turn + (chance.expovariate(1 / 0.5) if chance.random() < 0.93 else chance.uniform(3, 9))
            customer_speaks = not customer_speaks
        return spans, readings
