"""`emocx-pbx route "text"`: the decision for a query, with its reasons, without a PBX."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from emocx_pbx.commands.shared import add_common, moment, read_settings, show, without_chatter
from emocx_pbx.errors import InputError

if TYPE_CHECKING:
    from emocx_pbx.domain import Decision
    from emocx_pbx.routing.decision import RuleOutcome


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
    parser.add_argument("--explain", action="store_true", help="tell of every rule why it did not fire")
    add_common(parser, run)


def run(args: argparse.Namespace) -> int:
    """Classify in this process and decide by the policy of the settings."""
    from emocx_pbx.emotion.registry import Registry
    from emocx_pbx.emotion.text import load_text
    from emocx_pbx.routing.decision import QueryFacts, decide, explain
    from emocx_pbx.routing.policy import load_policy

    settings = read_settings(args)
    policy = load_policy(settings.policy_path())
    scores, model = None, None
    if settings.analysis.text_model != "off":
        with without_chatter():
            classifier = load_text(Registry(settings.models_path()), settings.analysis.text_model)
        scores, model = classifier.classify(args.text), classifier.name
    topic, topic_confidence = _topic(args.text, dict(policy.topics))
    query = QueryFacts(
        scores, topic, topic_confidence, args.customer, args.queue, attributes=_attributes(args.attribute)
    )
    at = time.time() if args.at is None else args.at
    decision = decide(
        query, policy, settings.routing.mode, settings.routing.holdout, decision_id="dry-run", at=at
    )
    outcomes = explain(query, policy, at=at) if args.explain else ()
    value: dict[str, Any] = {"decision": decision, "model": model}
    if args.explain:
        value["rules"] = outcomes
    show(args, value, lambda: _words(decision, outcomes))
    return 0


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


def _words(decision: Decision, outcomes: tuple[RuleOutcome, ...]) -> str:
    probabilities = decision.probabilities or {}
    lines = [
        f"queue       {decision.queue or '(the dialplan keeps its own)'}",
        f"signals     {decision.emotion} ({decision.confidence:.2f})",
        "            " + "  ".join(f"{name} {p:.2f}" for name, p in probabilities.items()),
        f"status      {decision.status}",
    ]
    for name in ("topic", "priority", "min_penalty", "max_penalty", "announcement"):
        if getattr(decision, name) is not None:
            lines.append(f"{name:<12}{getattr(decision, name)}")
    lines.append("because     " + "\n            ".join(decision.reasons))
    if outcomes:
        lines.append("rules")
    for outcome in outcomes:
        lines.append(f"  {'fired' if outcome.fired else '-----'}  {outcome.rule}")
        lines += [f"           {why}" for why in outcome.why_not]
    return "\n".join(line for line in lines if line.strip())
