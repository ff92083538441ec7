"""`emocx-pbx train speech|text|companion|site|encoders`: new or tuned models (needs the train extra)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from emocx_pbx.commands.evaluate import figures_text, needs_extra
from emocx_pbx.commands.shared import Progress, add_common, read_settings, show, table

if TYPE_CHECKING:
    from emocx_pbx.emotion.card import Card

#: Where the public sets lie in a developer's checkout.
DATA = Path("../shared/data")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    train = commands.add_parser("train", help="train a model (needs the train extra)")
    inner = train.add_subparsers(dest="kind", required=True, metavar="speech|text|companion|site|encoders")
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
    companion = inner.add_parser("companion", help="give a light model a share of `voice`'s readings")
    companion.add_argument("--base", metavar="MODEL", default="voice", help="default: voice")
    companion.add_argument("--light", metavar="MODEL", default="cnn", help="default: cnn")
    companion.add_argument("--share", type=float, default=0.4, help="of the light model (default 0.4)")
    companion.add_argument("--sharpness", type=float, default=1.25, help="of the mean (default 1.25)")
    companion.add_argument("--out", type=Path, default=Path("models"), metavar="DIR",
                           help="folder of models; the next version is added (default: models)")  # fmt: skip
    add_common(companion, _give_companion)
    site = inner.add_parser("site", help="give `voice` heads on measurements less a site's centre")
    site.add_argument("--base", metavar="MODEL", default="voice", help="default: voice")
    site.add_argument("--data", type=Path, default=DATA, help=f"folder or CSV (default {DATA})")
    site.add_argument("--seed", type=int, default=1)
    site.add_argument("--cache", type=Path, metavar="DIR", help="keeps measured clips")
    site.add_argument("--out", type=Path, default=Path("models"), metavar="DIR",
                      help="folder of models; the next version is added (default: models)")  # fmt: skip
    add_common(site, _give_site_heads)
    encoders = inner.add_parser("encoders", help="write the encoders of `voice` from Whisper's weights")
    encoders.add_argument("--out", type=Path, default=Path("models"), metavar="DIR",
                          help="folder of models; a version is added where the bytes differ")  # fmt: skip
    add_common(encoders, _train_encoders, config=False)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def _train_speech(args: argparse.Namespace) -> int:
    from emocx_pbx.emotion.card import read_card
    from emocx_pbx.emotion.registry import Registry

    base = Registry(read_settings(args).models_path()).find("speech", args.base).path if args.base else None
    stages: dict[str, Progress] = {}

    def progress(stage: str, done: int, total: int) -> None:
        stages.setdefault(stage, Progress(stage))(done / total if total else 1.0)

    train_speech = needs_extra("speech.train").train_speech
    Registry(args.out).keep_current("speech", args.model)
    try:
        folder: Path = train_speech(args.model, args.data, args.out, args.seed, base, progress)
    finally:
        for stage in stages.values():
            stage.close()
    card = read_card(folder)
    # What it fails on is on the card's page.
    figures_found = {name: found for name, found in card.figures.items() if isinstance(found, dict)}
    show(args, {"folder": str(folder), "card": card}, lambda: f"{folder}\n{figures_text(figures_found)}")
    _print(args, "speech", card)
    return 0


def _give_companion(args: argparse.Namespace) -> int:
    from emocx_pbx.emotion.registry import Registry

    registry = Registry(read_settings(args).models_path())
    base, light = (registry.find("speech", name) for name in (args.base, args.light))
    with_companion = needs_extra("speech.companion").with_companion
    Registry(args.out).keep_current("speech", base.card.name)
    made = with_companion(base, light, args.out, args.share, args.sharpness)
    show(args, {"folder": str(made.path), "card": made.card}, lambda: str(made.path))
    _print(args, "speech", made.card)
    return 0


def _give_site_heads(args: argparse.Namespace) -> int:
    from emocx_pbx.emotion.registry import Registry

    base = Registry(read_settings(args).models_path()).find("speech", args.base)
    with_site_heads = needs_extra("speech.site_version").with_site_heads
    Registry(args.out).keep_current("speech", base.card.name)
    made = with_site_heads(base, args.data, args.out, args.seed, args.cache)
    show(args, {"folder": str(made.path), "card": made.card}, lambda: str(made.path))
    _print(args, "speech", made.card)
    return 0


def _train_encoders(args: argparse.Namespace) -> int:
    made = needs_extra("encoders.make").make
    written = [
        {"folder": str(folder), "new": new, "sha256": card.sha256, "bytes": card.bytes}
        for card, folder, new in made(args.out)
    ]

    def words() -> str:
        lines = (
            (w["folder"], "written" if w["new"] else "as it was", w["sha256"], w["bytes"]) for w in written
        )
        return table(("encoder", "", "sha256", "bytes"), list(lines), "")

    show(args, {"encoders": written}, words)
    return 0


def _train_text(args: argparse.Namespace) -> int:
    from emocx_pbx.emotion.registry import Registry

    models = read_settings(args).models_path()
    versions = Registry(args.out).versions("text", args.model)
    folder = args.out / "text" / args.model / str(1 + max(map(int, versions), default=0))
    train_text = needs_extra("text.train").train_text
    Registry(args.out).keep_current("text", args.model)
    card = train_text(args.data, folder, seed=args.seed, base=args.base, report=_say, models_dir=models,
                      messages=args.messages)  # fmt: skip
    show(args, {"folder": str(folder), "card": card}, lambda: f"{folder}\n{figures_text(dict(card.figures))}")
    _print(args, "text", card)
    return 0


def _print(args: argparse.Namespace, kind: str, card: Card) -> None:
    """Say how the new version comes into use, where another is in use."""
    from emocx_pbx.emotion.registry import Registry

    registry = Registry(args.out)
    if not registry.versions(kind, card.name):
        return
    current = registry.current(kind, card.name)
    if current != card.version:
        how = f"emocx-pbx models promote {card.title} --kind {kind}"
        print(f"{card.name}/{current} stays in use until: {how} ...", file=sys.stderr)
