"""`emocx-pbx check`: is everything in place, and if not, what to do about it."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from emocx_pbx.commands.shared import NOT_IN_ORDER, add_common, read_settings, show

if TYPE_CHECKING:
    from emocx_pbx.check.check import Finding

MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "check", help="report what is missing, with remedies; exit 1 if anything fails"
    )
    parser.add_argument(
        "--no-tap", action="store_true", help="leave out the self-tap (a call of 1 s to nobody)"
    )
    parser.add_argument(
        "--role",
        choices=("all", "web"),
        default="all",
        help="web: what a host of pages and API needs",
    )
    add_common(parser, run)


def run(args: argparse.Namespace) -> int:
    """Check and print; the exit status is 1 if a finding failed, so that scripts can ask."""
    import asyncio
    import logging

    import structlog

    from emocx_pbx.check.check import check

    settings = read_settings(args)
    # The findings are the output; the gateway's own lines would only repeat them.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    findings = asyncio.run(check(settings, self_tap=not args.no_tap, role=args.role))
    failed = sum(finding.level == "fail" for finding in findings)
    show(args, {"ok": not failed, "findings": findings}, lambda: words(findings))
    return NOT_IN_ORDER if failed else 0


def words(findings: list[Finding]) -> str:
    """Findings as lines, each with its remedy below."""
    lines = []
    for finding in findings:
        lines.append(f"{MARKS[finding.level]}  {finding.topic}: {finding.what}")
        if finding.remedy:
            lines.append(f"      -> {finding.remedy}")
    failed = sum(f.level == "fail" for f in findings)
    warned = sum(f.level == "warn" for f in findings)
    lines.append(f"{len(findings)} checks, {failed} failed, {warned} to look at")
    return "\n".join(lines)
