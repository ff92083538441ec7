"""`emocx-pbx threshold propose`: the site's own threshold of P(upset), from its own messages."""

from __future__ import annotations

import argparse
import math
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from emocx_pbx import sheet
from emocx_pbx.commands.shared import (
    Progress,
    add_common,
    existing_store,
    in_loop,
    moment,
    read_settings,
    show,
    without_chatter,
)
from emocx_pbx.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emocx_pbx.routing.threshold import Proposal
    from emocx_pbx.settings.settings import Settings

#: Most queries considered, the newest ones.
LIMIT = 100_000
#: A call without a correction counts as resolved without complaint when all its grades are this good.
WELL = 60.0
_CALM, _UPSET = frozenset({"neutral", "happy"}), frozenset({"angry", "disappointed", "sad"})


@dataclass(frozen=True, slots=True)
class _Message:
    """One customer's."""

    text: str | None
    """None: it was not kept."""
    upset: float | None
    """P(upset) at the time of the decision; None: it is not stored."""
    label: str
    """Empty: nobody labelled it, and it was resolved without complaint."""


@dataclass(slots=True)
class _Known:
    """P(upset) of messages from customers known to have been calm or upset."""

    calm: list[float] = field(default_factory=list)
    upset: list[float] = field(default_factory=list)
    unlabelled: int = 0
    """Number of the calm ones that nobody labelled."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("threshold", help="the site's own threshold for upset customers")
    inner = parser.add_subparsers(dest="threshold_command", required=True, metavar="propose")
    propose = inner.add_parser("propose", help="propose [routing] upset_threshold from your own messages")
    propose.add_argument("--false-alarms", type=_share, default=0.05, metavar="SHARE",
                         help="share of calm customers mistaken for upset (default 0.05)")  # fmt: skip
    propose.add_argument(
        "--csv", type=Path,
        help="messages: column text, perhaps label; without a label: resolved without complaint. "
        "Default: the kept queries, by corrections, else by calls that were graded well",
    )  # fmt: skip
    propose.add_argument("--since", type=moment, default=-math.inf, metavar="TIME", help="e.g. 90d")
    add_common(propose, in_loop(_propose))


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0.001 <= share <= 0.5:
        raise argparse.ArgumentTypeError(f"expected a share of 0.001 to 0.5, got {text!r}")
    return share


async def _propose(args: argparse.Namespace) -> int:
    from emocx_pbx.routing.threshold import least_calm, propose

    settings = read_settings(args)
    known = _of_csv(args.csv, settings) if args.csv else await _of_queries(args.since, settings)
    found = propose(known.calm, known.upset, args.false_alarms, random.Random(0))
    if found is None:
        raise InputError(
            f"{args.csv or 'kept queries'}: {len(known.calm)} messages of calm customers; "
            f"{args.false_alarms:g} false alarms need {least_calm(args.false_alarms)}"
        )
    value = {"proposal": found, "unlabelled": known.unlabelled, "now": settings.routing.upset_threshold}
    show(args, value, lambda: _words(found, known.unlabelled, settings.routing.upset_threshold))
    return 0


def _of_csv(path: Path, settings: Settings) -> _Known:
    """The messages of a file, as the service would read them."""
    try:
        content = path.read_bytes()
    except OSError as e:
        raise InputError(f"{path}: can't be read: {e.strerror}") from None
    if "text" not in (names := sheet.columns(content, str(path))):
        raise InputError(f"{path}: expected the column text, found {', '.join(names)[:80] or 'nothing'}")
    messages = []
    for line, row in sheet.rows(content, str(path)):
        label = str(row.get("label") or "").strip().lower()
        if label and label not in _CALM | _UPSET:
            expected = ", ".join(sorted(_CALM | _UPSET))
            raise InputError(f"{path}, line {line}: label {label!r}, expected {expected}, or none")
        messages.append(_Message(str(row.get("text") or ""), None, label))
    return _read(messages, settings)


async def _of_queries(since: float, settings: Settings) -> _Known:
    """The kept queries: those that people corrected, and those whose calls were graded well.

    Kept texts are read again: the model in use may not be the one that decided then.
    """
    import asyncio

    messages = []
    async with existing_store(settings) as store:
        said = {row.decision_id: row.emotion for row in await store.decisions.corrections(since)}
        scores: dict[str, list[float]] = {}
        for graded in await store.grades.between(since, math.inf, limit=LIMIT):
            scores.setdefault(graded.row.call_id, []).append(graded.row.grade.score or 0.0)
        for row in await store.decisions.between(since, math.inf, LIMIT):
            decision = row.decision
            if decision.upset is None or decision.source != "text":
                continue
            label = said.get(decision.decision_id, "")
            well = min(scores.get(row.call_id or "", [0.0])) >= WELL
            if label in _CALM | _UPSET or (not label and well):
                messages.append(_Message(row.text, decision.upset, label))
    return await asyncio.to_thread(_read, messages, settings)


def _read(messages: Sequence[_Message], settings: Settings) -> _Known:
    """What is known about messages; those in an unsupported language are left out."""
    from emocx_pbx.emotion.registry import Registry
    from emocx_pbx.emotion.text import load_reader

    known, texts = _Known(), any(m.text is not None for m in messages)
    with without_chatter() as stderr:
        reader = (
            load_reader(Registry(settings.models_path()), settings.analysis.text_model) if texts else None
        )
        progress = Progress("reading messages", stderr)
        for done, message in enumerate(messages, 1):
            upset = message.upset
            if reader is not None and message.text is not None:
                found = reader.read(message.text)
                upset = None if found.foreign else found.scores.upset
            if upset is not None:
                (known.upset if message.label in _UPSET else known.calm).append(upset)
                known.unlabelled += not message.label
            progress(done / len(messages))
        progress.close()
    return known


def _words(found: Proposal, unlabelled: int, now: float) -> str:
    threshold, alarms = found.threshold, found.false_alarms
    lines = [
        f"upset_threshold = {threshold.value:g}    (95 % interval {threshold.low:g} to {threshold.high:g}; "
        f"now {now:g})",
        f"false alarms      {alarms.value:.1%} of {found.calm} calm messages ({alarms.low:.1%} to "
        f"{alarms.high:.1%}; {unlabelled} of them without a label)",
    ]
    if found.found is not None:
        share = found.found
        lines.append(
            f"found             {share.value:.0%} of {found.upset} upset ({share.low:.0%} "
            f"to {share.high:.0%})"
        )
    lines.append("put it into [routing] of the settings, then: systemctl reload emocx-pbx")
    return "\n".join(lines)
