"""`emocx-pbx route "text"`: the decision for a query, with its reasons, without a PBX."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from emocx_pbx.commands.shared import add_common, add_pbx, moment, read_settings, show, without_chatter
from emocx_pbx.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from emocx_pbx.domain import Decision
    from emocx_pbx.routing.decision import QueryFacts, QueueState, RuleOutcome
    from emocx_pbx.settings.settings import Settings


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("route", help="show where a query would be sent, and why")
    parser.add_argument("text", help="what the customer writes or says")
    parser.add_argument("--queue", default="", help="the dialplan's default queue")
    parser.add_argument("--customer", metavar="KEY", help="the CRM's key of the customer")
    parser.add_argument(
        "--attribute", metavar="NAME=VALUE", action="append", default=[], help="of the customer; repeatable"
    )
    parser.add_argument(
        "--at", type=moment, metavar="TIME", help="decide as at that time, e.g. 2026-11-24T22:00"
    )
    states = parser.add_mutually_exclusive_group()
    states.add_argument(
        "--queue-state", metavar="NAME=WAITING,LONGEST_S,FREE", action="append", default=[],
        help="a queue as it would be: callers waiting, longest wait, free agents; repeatable",
    )  # fmt: skip
    states.add_argument("--live", action="store_true", help="ask Asterisk for the queues as they are")
    parser.add_argument("--explain", action="store_true", help="say for every rule why it did not fire")
    add_pbx(parser)
    add_common(parser, run)


def run(args: argparse.Namespace) -> int:
    """Classify in this process and decide by the policy of the settings."""
    from emocx_pbx.emotion.registry import Registry
    from emocx_pbx.emotion.text import load_reader
    from emocx_pbx.routing.decision import QueryFacts, decide, explain
    from emocx_pbx.routing.policy import load_policy
    from emocx_pbx.settings.names import customer_key, queue_name

    settings = read_settings(args)
    settings = settings.pbx_named(settings.placing_pbx if args.pbx is None else args.pbx)
    policy = load_policy(settings.policy_path())
    found, model = None, None
    if settings.analysis.text_model != "off":
        with without_chatter():
            reader = load_reader(Registry(settings.models_path()), settings.analysis.text_model)
        found, model = reader.read(args.text), reader.name
    topic, topic_confidence = _topic(args.text, dict(policy.topics))
    query = QueryFacts(
        found.scores if found else None, topic, topic_confidence,
        customer_key(args.customer or ""), queue_name(args.queue) or "",
        attributes=_attributes(args.attribute),
        language=found.language if found else None, foreign=found.foreign if found else False,
        upset_threshold=settings.routing.upset_threshold, pbx=settings.asterisk.name,
    )  # fmt: skip
    at = time.time() if args.at is None else args.at
    queues, widening = _queues(args, settings)
    decision = decide(
        query, policy, settings.routing.mode, settings.routing.holdout,
        decision_id="dry-run", at=at, queues=queues, widening=widening,
    )  # fmt: skip
    outcomes = explain(query, policy, at=at, queues=queues) if args.explain else ()
    value: dict[str, Any] = {"decision": decision, "model": model}
    if args.explain:
        value |= {"rules": outcomes, "attributes": query.attributes, "queues": queues or {}}
    show(args, value, lambda: _words(decision, outcomes, query, queues))
    return 0


def _queues(
    args: argparse.Namespace, settings: Settings
) -> tuple[Mapping[str, QueueState] | None, frozenset[int] | None]:
    """The queues' states and the waits for a tier that Asterisk ends; None: not known here."""
    from emocx_pbx.routing.decision import QueueState

    if args.live:
        import asyncio

        return asyncio.run(_ask(settings))
    if not args.queue_state:
        return None, None
    found = {}
    for given in args.queue_state:
        name, _, numbers = given.partition("=")
        try:
            waiting, longest_s, free = numbers.split(",")
            # As if somebody of every tier were logged in.
            state = QueueState(int(waiting), float(longest_s), int(free), frozenset(range(100)))
        except ValueError:
            raise InputError(
                f"--queue-state: expected NAME=WAITING,LONGEST_S,FREE like care=3,40,1, got {given!r}"
            ) from None
        found[name] = state
    return found, None


async def _ask(settings: Settings) -> tuple[Mapping[str, QueueState], frozenset[int]]:
    import logging
    from typing import get_args

    import structlog

    from emocx_pbx.pbx.ami.once import connected
    from emocx_pbx.pbx.queues import queue_states, widening_rules
    from emocx_pbx.routing.policy import TierWait

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    async with connected(settings.asterisk) as ami:
        events = (await ami.action("QueueStatus", {})).events
        return queue_states(events), await widening_rules(ami, get_args(TierWait))


def _topic(text: str, topics: dict[str, tuple[str, ...]]) -> tuple[str | None, float]:
    if not topics:
        return None, 0.0
    from emocx_pbx.routing.topics import TopicClassifier

    return TopicClassifier.fit(topics).classify(text)


def _attributes(given: list[str]) -> dict[str, str]:
    pairs = [pair.partition("=") for pair in given]
    wrong = next((pair for pair in pairs if not pair[0] or not pair[1]), None)
    if wrong is not None:
        raise InputError(f"--attribute: expected NAME=VALUE, got {''.join(wrong)!r}")
    return {name: value for name, _, value in pairs}


def _words(
    decision: Decision,
    outcomes: tuple[RuleOutcome, ...],
    query: QueryFacts,
    queues: Mapping[str, QueueState] | None,
) -> str:
    probabilities = decision.probabilities or {}
    lines = [
        f"queue       {decision.queue or '(the dialplan keeps its own)'}",
        f"signals     {decision.emotion} ({decision.confidence:.2f})",
        "            " + "  ".join(f"{name} {p:.2f}" for name, p in probabilities.items()),
        f"status      {decision.status}",
    ]
    for name in (
        "upset",
        "language",
        "topic",
        "priority",
        "min_penalty",
        "max_penalty",
        "tier_wait_s",
        "announcement",
    ):
        if getattr(decision, name) is not None:
            lines.append(f"{name:<12}{getattr(decision, name)}")
    lines.append("because     " + "\n            ".join(decision.reasons))
    if outcomes:
        lines += [f"attribute   {name} = {value}" for name, value in query.attributes.items()]
        lines += [
            f"in queue    {name}: {q.waiting} waiting, longest {q.longest_wait_s:.0f} s, {q.available} free"
            for name, q in (queues or {}).items()
        ]
        lines.append("rules")
    for outcome in outcomes:
        lines.append(f"  {'fired' if outcome.fired else '-----'}  {outcome.rule}")
        lines += [f"           {why}" for why in outcome.why_not]
    return "\n".join(line for line in lines if line.strip())
