"""`emocx-pbx train speech|text` and `emocx-pbx evaluate speech|text` (need the train extra)."""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path
from typing import Any

from emocx_pbx.commands.shared import Progress, add_common, read_settings, show, table, without_chatter
from emocx_pbx.errors import ModelError

#: Where the public sets lie in a developer's checkout.
DATA = Path("../shared/data")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register both commands."""
    train = commands.add_parser("train", help="train a model (needs the train extra)")
    inner = train.add_subparsers(dest="kind", required=True, metavar="speech|text")
    speech = inner.add_parser("speech", help="emotion from the voice")
    speech.add_argument("--model", choices=("mlp", "cnn", "voice"), default="voice", help="default: voice")
    text = inner.add_parser("text", help="emotion from words")
    text.add_argument("--model", default="lstm", metavar="NAME",
                      help="name of the new model (default lstm)")  # fmt: skip
    text.add_argument("--messages", type=Path, metavar="CSV",
                      help="labelled service messages that, beside dev, choose the calibration")  # fmt: skip
    for parser, run in ((speech, _train_speech), (text, _train_text)):
        parser.add_argument("--data", type=Path, default=DATA, help=f"folder or CSV (default {DATA})")
        parser.add_argument("--out", type=Path, default=Path("models"), metavar="DIR",
                            help="folder of models; the next version is added (default: models)")  # fmt: skip
        parser.add_argument("--base", metavar="MODEL", help="fine-tune this model on --data instead")
        parser.add_argument("--seed", type=int, default=1)
        add_common(parser, run)

    evaluate = commands.add_parser("evaluate", help="measure a model on labelled data")
    inner = evaluate.add_subparsers(dest="kind", required=True, metavar="speech|text")
    speech = inner.add_parser("speech", help="on a clips.csv")
    speech.add_argument("--clips", type=Path, required=True, metavar="CSV")
    speech.add_argument("--root", type=Path, metavar="DIR", help="where its paths start; default: beside it")
    speech.add_argument("--split", help="or all; default: test if the CSV has such clips, else all")
    speech.add_argument("--model", help="name or name/version; default: what the settings say")
    speech.add_argument("--models", type=Path, metavar="DIR", help="folder of models")
    add_common(speech, _evaluate_speech)
    text = inner.add_parser("text", help="on a CSV with the columns text and label")
    text.add_argument("--csv", type=Path, required=True)
    text.add_argument("--model", help="name or name/version; default: what the settings say")
    text.add_argument("--models", type=Path, metavar="DIR", help="folder of models")
    add_common(text, _evaluate_text)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _train_speech(args: argparse.Namespace) -> int:
    from emocx_pbx.emotion.card import read_card
    from emocx_pbx.emotion.registry import Registry

    base = Registry(read_settings(args).models_path()).find("speech", args.base).path if args.base else None
    stages: dict[str, Progress] = {}

    def progress(stage: str, done: int, total: int) -> None:
        stages.setdefault(stage, Progress(stage))(done / total if total else 1.0)

    train_speech = _needs_extra("speech").train_speech
    try:
        folder: Path = train_speech(args.model, args.data, args.out, args.seed, base, progress)
    finally:
        for stage in stages.values():
            stage.close()
    card = read_card(folder)
    show(args, {"folder": str(folder), "card": card}, lambda: f"{folder}\n{_figures(dict(card.figures))}")
    return 0


def _train_text(args: argparse.Namespace) -> int:
    from emocx_pbx.emotion.registry import Registry

    models = read_settings(args).models_path()
    versions = Registry(args.out).versions("text", args.model)
    folder = args.out / "text" / args.model / str(1 + max(map(int, versions), default=0))
    train_text = _needs_extra("text").train_text
    card = train_text(args.data, folder, seed=args.seed, base=args.base, report=_say, models_dir=models,
                      messages=args.messages)  # fmt: skip
    show(args, {"folder": str(folder), "card": card}, lambda: f"{folder}\n{_figures(dict(card.figures))}")
    return 0


def _evaluate_speech(args: argparse.Namespace) -> int:
    settings = read_settings(args)
    evaluate_speech = _needs_extra("evaluate").evaluate_speech
    progress = Progress("evaluating")
    try:
        figures = evaluate_speech(
            args.clips, args.root, args.split or _usual_split(args.clips),
            args.model or settings.analysis.speech_model, args.models or settings.models_path(),
            lambda done, of: progress(done / of),
        )  # fmt: skip
    finally:
        progress.close()
    show(args, figures, lambda: _figures(figures))
    return 0


def _evaluate_text(args: argparse.Namespace) -> int:
    settings = read_settings(args)
    evaluate_text = _needs_extra("evaluate_text").evaluate_text
    with without_chatter():
        figures = evaluate_text(
            args.csv, args.model or settings.analysis.text_model, args.models or settings.models_path()
        )
    show(args, figures, lambda: _figures(figures))
    return 0


def _usual_split(clips: Path) -> str:
    """Test where a clips.csv has it (train and dev would flatter a model that learnt from them), else all."""
    try:
        with clips.open(newline="", encoding="utf-8-sig") as f:
            found = any(row.get("split") == "test" for row in csv.DictReader(f))
    except (OSError, UnicodeDecodeError, csv.Error):
        return "all"  # whoever reads the whole file says what is wrong with it
    return "test" if found else "all"


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
