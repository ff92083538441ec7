"""`emocx-pbx review draw|list|next|label|report|train`: windows labelled blind, and what follows."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, Any

from emocx_pbx.commands.shared import (
    NOT_IN_ORDER,
    add_common,
    existing_store,
    in_loop,
    local,
    moment,
    read_settings,
    show,
    system_user,
    table,
)
from emocx_pbx.errors import InputError

if TYPE_CHECKING:
    from emocx_pbx.review.accuracy import Accuracy
    from emocx_pbx.review.shares import Figure, Share
    from emocx_pbx.store.review_rows import RoundRow

KINDS = ("voice", "text")
LABELS = ("angry", "neutral", "disappointed", "happy", "unclear")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the commands."""
    parser = commands.add_parser("review", help="how good the models are here: label windows blind")
    inner = parser.add_subparsers(dest="review_command", required=True, metavar="COMMAND")
    drawing = inner.add_parser("draw", help="draw windows of speech, or queries, for people to label")
    drawing.add_argument("--random", type=int, default=100, metavar="N", help="from all (default 100)")
    drawing.add_argument("--doubt", type=int, default=50, metavar="N",
                         help="beside them, from the doubtful (default 50)")  # fmt: skip
    drawing.add_argument("--twice", type=_share, default=0.2, metavar="SHARE",
                         help="share that two people should label (default 0.2)")  # fmt: skip
    drawing.add_argument("--since", type=moment, metavar="TIME",
                         help="e.g. 30d; default: where the last round ended, or 30 days ago")  # fmt: skip
    drawing.add_argument("--until", type=moment, metavar="TIME", help="default: now")
    listing = inner.add_parser("list", help="rounds of windows, and trainings from their labels")
    following = inner.add_parser("next", help="the next query to read and label; windows are heard on pages")
    labelling = inner.add_parser("label", help="label a window")
    labelling.add_argument("item", metavar="ITEM", help="as `next` names it")
    labelling.add_argument("label", choices=LABELS)
    report = inner.add_parser("report", help="recall, false alarms and calibration here, with intervals")
    report.add_argument("--since", type=moment, default=0.0, metavar="TIME",
                        help="of rounds drawn since, e.g. 90d")  # fmt: skip
    train = inner.add_parser("train", help="train from the labels; used if better beyond chance")
    train.add_argument("--no-promote", action="store_true", help="keep it out of use, however good it is")
    for command in (drawing, following, report, train):
        command.add_argument("--kind", choices=KINDS, default="voice", help="default: voice")
    for command in (following, labelling):
        command.add_argument("--by", metavar="NAME", help="who labels (default: this machine's user)")
    runs = (
        (drawing, _draw), (listing, _list), (following, _next), (labelling, _label), (report, _report),
        (train, _train),
    )  # fmt: skip
    for command, run in runs:
        add_common(command, in_loop(run))


def _share(text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise argparse.ArgumentTypeError(f"expected a share of 0 to 1, got {text!r}")
    return share


async def _draw(args: argparse.Namespace) -> int:
    import random
    import time

    from emocx_pbx.deeds.reviews import Wanted, draw_round

    settings = read_settings(args)
    wanted = Wanted(args.kind, args.random, args.doubt, args.twice, args.since, args.until)
    async with existing_store(settings) as store:
        row = await draw_round(store, settings, wanted, time.time(), system_user(), random.SystemRandom())
    of = f"{row.sure + row.doubtful:.0f} from {local(row.since)} to {local(row.until)}"
    text = f"round {row.round_id}: {row.items} windows ({row.doubts} of doubt) of {of}"
    show(args, row, lambda: text)
    return 0


async def _list(args: argparse.Namespace) -> int:
    async with existing_store(read_settings(args)) as store:
        rounds, trainings = await store.reviews.rounds(), await store.reviews.trainings()

    def words() -> str:
        drawn = [
            (r.round_id, r.kind, local(r.at), r.author, r.items, r.doubts, r.labelled, _of(r)) for r in rounds
        ]
        head = ("round", "kind", "drawn", "by", "windows", "of doubt", "labelled", "out of")
        trained = [
            (t.training_id, t.kind, local(t.at), t.author, t.state, _why(t.outcome)) for t in trainings
        ]
        sections = table(head, drawn, "no windows were drawn yet")
        below = table(("training", "kind", "begun", "by", "state", "why"), trained, "")
        return f"{sections}\n\n{below}" if trained else sections

    show(args, {"rounds": rounds, "trainings": trainings}, words)
    return 0


def _of(row: RoundRow) -> int:
    """Windows that a round was drawn from."""
    return round(row.sure + row.doubtful)


def _why(outcome: str | None) -> str:
    import json

    return str(json.loads(outcome).get("why", "")) if outcome else ""


async def _next(args: argparse.Namespace) -> int:
    author = args.by or system_user().name
    async with existing_store(read_settings(args)) as store:
        waiting = await store.reviews.open(args.kind, author, None, 500)
        item = await store.reviews.item(waiting[0]) if waiting else None
    value: dict[str, Any] = {"item_id": None, "waiting": len(waiting)}
    if item is not None:
        # Neither the call nor the model's answer: the label must not depend on them.
        value |= {"item_id": item.item_id, "kind": item.kind, "text": item.text}

    def words() -> str:
        if item is None:
            return "nothing to label"
        return f"{item.item_id}  {item.text or '(to be heard on the page Review)'}"

    show(args, value, words)
    return 0


async def _label(args: argparse.Namespace) -> int:
    from emocx_pbx.deeds.reviews import label_window

    async with existing_store(read_settings(args)) as store:
        await label_window(store, args.item, args.label, system_user(), args.by)
    author = args.by or system_user().name
    show(args, {"item_id": args.item, "label": args.label, "author": author},
         lambda: f"{args.item}: {args.label} by {author}")  # fmt: skip
    return 0


async def _report(args: argparse.Namespace) -> int:
    from emocx_pbx.deeds.reviews import accuracy_here

    settings = read_settings(args)
    async with existing_store(settings) as store:
        found = await accuracy_here(store, settings, args.kind, args.since)
    show(args, found, lambda: _words(found))
    return 0


def _words(found: Accuracy) -> str:
    if not found.windows:
        return "no labels yet: draw windows, and label them on the page Review"
    kappa = found.agreement
    figures: list[tuple[str, str]] = [
        ("right", _figure(found.right)),
        ("answered", _figure(found.answered)),
        ("upset found", _figure(found.upset_found)),
        ("upset, false alarms", _figure(found.upset_alarms)),
        ("mean recall", _figure(found.uar)),
        ("calibration error", _figure(found.calibration_error)),
        ("overconfidence", _figure(found.overconfidence)),
        ("change", _figure(found.change)),
    ]
    if kappa is not None and kappa.kappa is not None:
        between = f"{kappa.low:.2f} to {kappa.high:.2f}"
        figures.append(("kappa of two people", f"{kappa.kappa:.2f} ({between}; {kappa.pairs} windows)"))
    by_class = [
        (name, _figure(found.recall[name]), _figure(found.false_alarms[name])) for name in found.recall
    ]
    head = f"{found.windows} labelled windows of {found.callers} callers, labelled by {found.people}"
    parts = [(p.name, p.windows, _figure(p.right), _figure(p.upset_found), _figure(p.upset_alarms))
             for p in (*found.months, *found.models) if p.name]  # fmt: skip
    sections = [
        f"{head}; {found.unclear} that nobody could tell, {found.kept_out} kept out",
        f"estimates of all windows of the site: {found.method}; intervals of 95 %, over callers",
        table(("figure", "here"), figures, ""),
        table(("signal", "found", "false alarms"), by_class, ""),
    ]
    if parts:
        sections.append(table(("part", "windows", "right", "upset found", "upset, false alarms"), parts, ""))
    return "\n\n".join(sections)


def _figure(found: Share | Figure | None) -> str:
    if found is None:
        return "-"
    if found.low is None or found.high is None:
        return f"{found.value:.1%}"
    return f"{found.value:.1%} ({found.low:.1%} to {found.high:.1%})"


async def _train(args: argparse.Namespace) -> int:
    import asyncio

    from emocx_pbx.deeds.learning import Learning
    from emocx_pbx.observe.tasks import Tasks
    from emocx_pbx.settings.in_force import SettingsInForce

    settings = read_settings(args)
    async with existing_store(settings) as store, Tasks() as tasks:
        learning = Learning(store, SettingsInForce(settings), tasks, "command")
        training_id, task = await learning.start(args.kind, not args.no_promote, system_user())
        await asyncio.wait([task])
        row = next(t for t in await store.reviews.trainings() if t.training_id == training_id)
    if row.state in ("failed", "late", "stopped"):
        raise InputError(f"training {training_id} {row.state}: {_why(row.outcome)}")
    then = "\nrunning service: systemctl reload emocx-pbx" if row.state == "promoted" else ""
    show(args, row, lambda: f"training {training_id}: {row.state}: {_why(row.outcome)}{then}")
    return 0 if row.state == "promoted" or args.no_promote else NOT_IN_ORDER
