"""`emocx-pbx export corrections|clips`: a site's own labels as data to train and evaluate on."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emocx_pbx import sheet
from emocx_pbx.call_ids import pbx_of, uniqueid_of
from emocx_pbx.commands.evaluate import needs_extra
from emocx_pbx.commands.shared import (
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
    from emocx_pbx.store.database import Store
    from emocx_pbx.store.rows import CallDetail, CorrectionRow
    from emocx_pbx.training.speech.own_clips import CutClip, Speakers

LABELS = ("angry", "neutral", "disappointed", "happy")

TEMPLATE_HELP = (
    "where a call's recording lies: a path with {call_id} (its Uniqueid), {pbx} where PBXes have names,"
    " strftime codes of the call's start, * and ?; "
    "without it only messages.csv is written"
)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the commands."""
    parser = commands.add_parser("export", help="your own labelled calls and messages as training data")
    inner = parser.add_subparsers(dest="export_command", required=True, metavar="corrections|clips")
    corrections = inner.add_parser("corrections", help="readings and queries that people corrected")
    corrections.add_argument("--recordings", metavar="TEMPLATE", help=TEMPLATE_HELP)
    corrections.add_argument("--since", type=moment, default=-math.inf, metavar="TIME", help="e.g. 30d")
    clips = inner.add_parser("clips", help="recordings that people labelled, listed in a CSV")
    clips.add_argument("--labels", type=Path, required=True, metavar="CSV",
                       help="columns file, label; perhaps customer, start and end (seconds)")  # fmt: skip
    for command, run in ((corrections, in_loop(_corrections)), (clips, _clips)):
        command.add_argument("--out", type=Path, required=True, metavar="DIR")
        command.add_argument("--customer", choices=("left", "right", "mixed"), default="mixed",
                             help="their channel of a stereo recording (default: both in each)")  # fmt: skip
        add_common(command, run)


async def _corrections(args: argparse.Namespace) -> int:
    from emocx_pbx.settings.recordings import is_ambiguous

    if args.recordings is not None and is_ambiguous(args.recordings):
        raise InputError(
            "--recordings: expected no * ? [ or ] next to {call_id}: it would find another call's"
        )
    own = needs_extra("speech.own_clips")
    speakers = own.Speakers(args.out)
    clips: list[CutClip] = []
    left_out: list[str] = []
    async with existing_store(read_settings(args)) as store:
        # First, so that an erasure finds whatever is written from now on.
        await store.erasure.add_export(str(args.out.resolve()))
        by_call = _latest(await store.readings.corrections(args.since))
        if args.recordings is not None:
            for call_id, rows in by_call.items():
                try:
                    clips += await _cut_call(store, call_id, rows, args, speakers)
                except InputError as e:
                    left_out.append(str(e))
        messages = await _messages(store, args, speakers)
    counts = own.write_clips(args.out, "corrections", clips) if args.recordings is not None else {}
    result = {"folder": str(args.out), "clips": counts, "messages": messages, "left_out": left_out}
    show(args, result, lambda: _words(result))
    return 0


def _latest(rows: list[CorrectionRow]) -> dict[str, list[CorrectionRow]]:
    """The last correction of each reading, by call."""
    last = {(row.call_id, row.t0, row.t1): row for row in rows if row.emotion in LABELS}
    found: dict[str, list[CorrectionRow]] = {}
    for row in sorted(last.values(), key=lambda r: (r.call_id, r.t0)):
        found.setdefault(row.call_id, []).append(row)
    return found


async def _cut_call(
    store: Store, call_id: str, rows: list[CorrectionRow], args: argparse.Namespace, speakers: Speakers
) -> list[CutClip]:
    """The corrected stretches of one call. Raises InputError saying why there are none."""
    own = needs_extra("speech.own_clips")
    detail = await store.call(call_id)
    if detail is None:
        raise InputError(f"call {call_id}: erased since")
    path = _recording(args.recordings, detail)
    speaker = speakers.name(detail.call.customer_key or detail.call.caller or call_id)
    labels = [(row.t0, row.t1, row.emotion) for row in rows]
    try:
        with without_chatter():
            found: list[CutClip] = own.clips_of_call(detail, path, args.customer, labels, speaker)
    except InputError as error:
        raise InputError(f"call {call_id}: {error}") from None
    return found


def _recording(template: str, detail: CallDetail) -> Path:
    """The one file that the template gives for a call."""
    import glob

    from emocx_pbx.settings.recordings import fits_path

    call = detail.call
    pbx, uniqueid = pbx_of(call.call_id), uniqueid_of(call.call_id)
    if not fits_path(uniqueid):
        raise InputError(f"call {call.call_id!r}: its id can't be part of a path")
    if pbx and "{pbx}" not in template:
        raise InputError(f"--recordings {template!r}: expected {{pbx}}: {pbx} may not be the only PBX")
    safe = glob.escape(uniqueid)
    try:
        dated = datetime.fromtimestamp(call.started_at).strftime(template)
        pattern = dated.replace("{call_id}", safe).replace("{pbx}", pbx)
    except ValueError as e:
        raise InputError(f"--recordings {template!r}: {e}") from None
    files = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 (may be absolute)
    if len(files) != 1:
        found = f"{len(files)} recordings match" if files else "no recording matches"
        raise InputError(f"call {call.call_id}: {found} {pattern}")
    return Path(files[0])


async def _messages(store: Store, args: argparse.Namespace, speakers: Speakers) -> dict[str, int]:
    """Write messages.csv of the corrected queries whose text was kept; how many by split."""
    own = needs_extra("speech.own_clips")
    rows = []
    for correction in await store.decisions.corrections(args.since):
        row = await store.decisions.get(correction.decision_id)
        if row is not None and row.text and correction.emotion in LABELS:
            split = own.split_of(speakers.name(row.customer_key or row.call_id or correction.decision_id))
            rows.append((row.text, correction.emotion, split))
    if rows:
        text = sheet.BOM + sheet.lines([("text", "label", "split"), *rows])
        (args.out / "messages.csv").write_bytes(text.encode())
    return {split: sum(r[2] == split for r in rows) for split in ("train", "dev", "test")} if rows else {}


def _clips(args: argparse.Namespace) -> int:
    own = needs_extra("speech.own_clips")
    speakers = own.Speakers(args.out)
    clips: list[CutClip] = []
    for where, row in _labelled(args.labels):
        path = args.labels.parent / row["file"]
        with without_chatter():
            customer, agent = own.read_sides(path, args.customer)
        first, last = (_seconds(row.get(name), where, name) for name in ("start", "end"))
        begin = round((first or 0.0) * own.SAMPLE_RATE)
        stop = len(customer) if last is None else min(len(customer), round(last * own.SAMPLE_RATE))
        if begin >= stop:
            raise InputError(f"{where}: {path.name} is {len(customer) / own.SAMPLE_RATE:.1f} s long")
        windows, _ = own.windows_and_spans(customer[begin:stop], None if agent is None else agent[begin:stop])
        speaker = speakers.name(row.get("customer") or row["file"])
        clips += [
            own.CutClip(speaker, row["label"], f"{row['file']} {(first or 0.0) + w.t0:.1f} s", w.samples)
            for w in windows
            if w.samples.size >= own.LEAST_S * own.SAMPLE_RATE
        ]
    if not clips:
        raise InputError(f"{args.labels}: no speech in its recordings")
    result = {"folder": str(args.out), "clips": own.write_clips(args.out, "labelled", clips)}
    show(args, result, lambda: _words(result))
    return 0


def _labelled(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of the CSV of labelled recordings, each with file and line. Raises InputError."""
    try:
        content = path.read_bytes()
    except OSError as e:
        raise InputError(f"{path}: can't be read: {e.strerror}") from None
    if not {"file", "label"} <= set(sheet.columns(content, str(path))):
        raise InputError(f"{path}: expected the columns file and label")
    for line, row in sheet.rows(content, str(path)):
        where = f"{path}:{line}"
        # A file's or a customer's name is taken as it is.
        values = {k: v or "" for k, v in row.items() if k is not None}
        label = values["label"].strip().lower()
        values["label"] = "disappointed" if label == "sad" else label
        if values["label"] not in LABELS:
            raise InputError(f"{where}: label {label!r}, expected {', '.join(LABELS)}")
        yield where, values


def _seconds(text: str | None, where: str, name: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise InputError(f"{where}: {name} {text!r} is not a number of seconds")
    return value


def _words(result: dict[str, Any]) -> str:
    lines = [f"written to {result['folder']}"]
    for split in ("train", "dev", "test"):
        of = result["clips"].get(split, {})
        if result["clips"]:
            counts = ", ".join(f"{of.get(label, 0)} {label}" for label in LABELS)
            lines.append(f"{split}: {counts}" if of else f"{split}: no customer yet")
    if result.get("messages"):
        lines.append("messages: " + ", ".join(f"{n} {split}" for split, n in result["messages"].items()))
    lines += [f"left out: {why}" for why in result.get("left_out", ())]
    return "\n".join(lines)
