"""`emocx-pbx train speech|text` and `emocx-pbx evaluate speech|text` (need the train extra)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from emocx_pbx.commands.shared import add_common, read_settings, show, table
from emocx_pbx.errors import ModelError

#: Where the public sets lie in a developer's checkout.
DATA = Path("../shared/data")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register both commands."""
    train = commands.add_parser("train", help="train a model (needs the train extra)")
    inner = train.add_subparsers(dest="kind", required=True, metavar="speech|text")
    speech = inner.add_parser("speech", help="emotion from the voice")
    speech.add_argument("--model", choices=("mlp", "cnn", "voice"), default="cnn", help="default: cnn")
    text = inner.add_parser("text", help="emotion from words")
    text.add_argument("--base", metavar="MODEL", help="fine-tune this model on --data CSV (text,label)")
    for parser, run in ((speech, _train_speech), (text, _train_text)):
        parser.add_argument("--data", type=Path, default=DATA, help=f"folder of the sets (default {DATA})")
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="e.g. models/text/lstm/2")
        parser.add_argument("--seed", type=int, default=0)
        add_common(parser, run)

    evaluate = commands.add_parser("evaluate", help="measure a model on labelled data")
    inner = evaluate.add_subparsers(dest="kind", required=True, metavar="speech|text")
    speech = inner.add_parser("speech", help="on a clips.csv")
    speech.add_argument("--clips", type=Path, required=True, metavar="CSV")
    speech.add_argument("--root", type=Path, required=True, metavar="DIR", help="where the CSV's paths start")
    speech.add_argument("--split", help="only this split")
    speech.add_argument("--model", help="name or name/version; default: what the settings say")
    add_common(speech, _evaluate_speech)
    text = inner.add_parser("text", help="on a CSV with the columns text and label")
    text.add_argument("--csv", type=Path, required=True)
    text.add_argument("--model", help="name or name/version; default: what the settings say")
    add_common(text, _evaluate_text)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _train_speech(args: argparse.Namespace) -> int:
    train_speech = _needs_extra("speech").train_speech
    card = train_speech(args.data, args.out, model=args.model, seed=args.seed, report=_say)
    show(args, card, lambda: f"{card.title} written to {args.out}\n{_figures(card.figures)}")
    return 0


def _train_text(args: argparse.Namespace) -> int:
    models = read_settings(args).models_path()
    train_text = _needs_extra("text").train_text
    card = train_text(args.data, args.out, seed=args.seed, base=args.base, report=_say, models_dir=models)
    show(args, card, lambda: f"{card.title} written to {args.out}\n{_figures(card.figures)}")
    return 0


def _evaluate_speech(args: argparse.Namespace) -> int:
    settings = read_settings(args)
    evaluate_speech = _needs_extra("evaluate_speech").evaluate_speech
    model = args.model or settings.analysis.speech_model
    figures = evaluate_speech(
        args.clips, args.root, split=args.split, model=model, models_dir=settings.models_path()
    )
    show(args, figures, lambda: _figures(figures))
    return 0


def _evaluate_text(args: argparse.Namespace) -> int:
    settings = read_settings(args)
    evaluate_text = _needs_extra("evaluate_text").evaluate_text
    figures = evaluate_text(args.csv, args.model or settings.analysis.text_model, settings.models_path())
    show(args, figures, lambda: _figures(figures))
    return 0


def _needs_extra(module: str) -> Any:
    """A module of emocx_pbx.training, or what to install for it."""
    import importlib

    try:
        return importlib.import_module(f"emocx_pbx.training.{module}")
    except ModuleNotFoundError as e:
        raise ModelError(f"{e.name} is not installed: pip install 'emocx-pbx[train]'") from e


def _figures(figures: Any, name: str = "") -> str:
    """Nested figures as indented lines; a confusion matrix as a table."""
    if isinstance(figures, dict):
        labels = [str(label) for label in figures.get("labels", [])]
        lines = []
        for key, value in figures.items():
            if key == "confusion" and value and isinstance(value[0], list):
                head = [*labels, "uncertain"][: len(value[0])]
                rows = [(label, *row) for label, row in zip(labels or range(len(value)), value, strict=False)]
                grid = table(("true \\ said", *head), rows, "")
                lines += [f"{key}:", *(f"  {line}" for line in grid.splitlines())]
            elif isinstance(value, dict):
                lines += [f"{key}:", *(f"  {line}" for line in _figures(value).splitlines())]
            else:
                lines.append(f"{key}: {_figures(value)}")
        return "\n".join(lines)
    if isinstance(figures, list):
        return ", ".join(_figures(item) for item in figures)
    return f"{figures:.4g}" if isinstance(figures, float) else str(figures)
