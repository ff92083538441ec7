"""`emocx-pbx evaluate speech|text`: figures of a model on labelled data, alone or against another."""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

from emocx_pbx.commands.shared import (
    NOT_IN_ORDER,
    Progress,
    add_common,
    read_settings,
    show,
    table,
    without_chatter,
)
from emocx_pbx.domain import UPSET_THRESHOLD
from emocx_pbx.errors import ModelError


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    evaluate = commands.add_parser("evaluate", help="measure a model on labelled data")
    inner = evaluate.add_subparsers(dest="kind", required=True, metavar="speech|text")
    speech = inner.add_parser("speech", help="on a clips.csv")
    add_clips(speech, required=True)
    speech.add_argument("--callers", action="store_true", help="also what adaptation to callers does")
    speech.add_argument(
        "--site", type=int, metavar="CALLERS",
        help="hear each speaker with offsets learnt from so many readings of the corpus' other speakers",
    )  # fmt: skip
    speech.add_argument("--mix", choices=("calls", "even"), default="calls",
                        help="of the site's callers: 80 %% neutral, or all emotions alike")  # fmt: skip
    text = inner.add_parser("text", help="on a CSV with the columns text and label, or on the public sets")
    on = text.add_mutually_exclusive_group(required=True)
    on.add_argument("--csv", type=Path, help="columns text and label, perhaps split and lang")
    on.add_argument(
        "--data", type=Path, metavar="DIR", help="folder of the public sets: the protocol's figures"
    )
    text.add_argument(
        "--upset", type=float, metavar="P", help="threshold of P(upset); default: the settings'"
    )
    text.add_argument("--split", help="or all; default: test if the CSV has such rows, else all")
    for parser, run in ((speech, _speech), (text, _text)):
        parser.add_argument("--model", help="name or name/version; default: what the settings say")
        parser.add_argument("--against", metavar="MODEL", help="compare with this one; exit 1 if worse")
        parser.add_argument("--models", type=Path, metavar="DIR", help="folder of models")
        add_common(parser, run)


def add_clips(parser: argparse.ArgumentParser, *, required: bool) -> None:
    """Give a parser the arguments that name labelled clips."""
    parser.add_argument("--clips", type=Path, required=required, metavar="CSV")
    parser.add_argument("--root", type=Path, metavar="DIR", help="where its paths start; default: beside it")
    parser.add_argument("--split", help="or all; default: test if the CSV has such rows, else all")


def _speech(args: argparse.Namespace) -> int:
    settings = read_settings(args)
    figures = speech_figures(
        args,
        args.model or settings.analysis.speech_model,
        args.models or settings.models_path(),
        args.against,
        (0.25, settings.analysis.neutral_share) if args.callers else (),
        (args.site, args.mix) if args.site is not None else None,
    )
    return _print(args, figures)


def _text(args: argparse.Namespace) -> int:
    settings = read_settings(args)
    figures = text_figures(
        args,
        args.model or settings.analysis.text_model,
        args.models or settings.models_path(),
        args.against,
        settings.routing.upset_threshold if args.upset is None else args.upset,
    )
    return _print(args, figures)


def speech_figures(
    args: argparse.Namespace,
    model: str,
    models: Path | None,
    against: str | None,
    callers: tuple[float, ...] = (),
    site: tuple[int, str] | None = None,
) -> dict[str, Any]:
    """Figures of a speech model on --clips, with progress on a terminal."""
    measuring = needs_extra("speech.evaluate")
    sites = None if site is None else measuring.Site(*site)
    with without_chatter() as stderr:
        progress = Progress("evaluating", stderr)
        try:
            figures: dict[str, Any] = measuring.evaluate_speech(
                args.clips, args.root, args.split or usual_split(args.clips), model, models,
                lambda done, of: progress(done / of), against, callers, sites,
            )  # fmt: skip
        finally:
            progress.close()
    return figures


def text_figures(
    args: argparse.Namespace,
    model: str,
    models: Path | None,
    against: str | None,
    threshold: float = UPSET_THRESHOLD,
) -> dict[str, Any]:
    """Figures of a text model on --csv, or on the sets under --data, with progress on a terminal."""
    module = needs_extra("text.evaluate")
    sets = getattr(args, "data", None)
    evaluate, where = (module.evaluate_text, args.csv) if sets is None else (module.evaluate_protocol, sets)
    with without_chatter() as stderr:
        progress = Progress("evaluating", stderr)
        try:
            measuring = module.Measuring(
                model, models, args.split, against, lambda done, of: progress(done / of), threshold
            )
            figures: dict[str, Any] = evaluate(where, measuring)
        finally:
            progress.close()
    return figures


def _print(args: argparse.Namespace, figures: dict[str, Any]) -> int:
    show(args, figures, lambda: figures_text(figures))
    comparison = figures.get("comparison")
    return 0 if comparison is None or comparison["promote"] else NOT_IN_ORDER


def usual_split(clips: Path) -> str:
    """Test where a clips.csv has it (train and dev would flatter a model that learnt from them), else all."""
    try:
        with clips.open(newline="", encoding="utf-8-sig") as f:
            found = any(row.get("split") == "test" for row in csv.DictReader(f))
    except (OSError, UnicodeDecodeError, csv.Error):
        return "all"  # whoever reads the whole file says what is wrong with it
    return "test" if found else "all"


def needs_extra(module: str) -> Any:
    """A module of emocx_pbx.training, or what to install for it."""
    import importlib

    try:
        return importlib.import_module(f"emocx_pbx.training.{module}")
    except ModuleNotFoundError as e:
        raise ModelError(f"{e.name} is not installed: pip install 'emocx-pbx[train]'") from e


def figures_text(figures: Any) -> str:
    """Nested figures as indented lines; a confusion matrix as a table."""
    if isinstance(figures, dict):
        labels = [str(label) for label in figures.get("labels", [])]
        lines = []
        for key, value in figures.items():
            if key == "confusion" and value and isinstance(value[0], list):
                names = labels or [str(label) for label in figures.get("recall", range(len(value)))]
                head = [*names, "uncertain"][: len(value[0])]
                rows = [(label, *row) for label, row in zip(names, value, strict=False)]
                grid = table(("true \\ said", *head), rows, "")
                lines += [f"{key}:", *(f"  {line}" for line in grid.splitlines())]
            elif isinstance(value, dict):
                lines += [f"{key}:", *(f"  {line}" for line in figures_text(value).splitlines())]
            else:
                lines.append(f"{key}: {figures_text(value)}")
        return "\n".join(lines)
    if isinstance(figures, list):
        return ", ".join(figures_text(item) for item in figures)
    return f"{figures:.4g}" if isinstance(figures, float) else str(figures)
