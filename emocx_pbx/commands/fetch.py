"""`emocx-pbx models fetch`: weights that are not in the package, each from the first source that has it."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from emocx_pbx.commands.shared import NOT_IN_ORDER, Progress, add_common, show, table
from emocx_pbx.errors import InputError, ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from emocx_pbx.weights.catalogue import WeightSet


def add(inner: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command among those of `models`."""
    parser = inner.add_parser("fetch", help="weights of speech-to-text, topics, encoders' originals, tuning")
    parser.add_argument("sets", nargs="*", metavar="SET",
                        help="default: what the installed extras use (--list: all there are)")  # fmt: skip
    parser.add_argument("--from", dest="sources", action="append", default=[], metavar="FOLDER|URL",
                        help="try this folder or mirror first; may be given several times")  # fmt: skip
    parser.add_argument("--to", metavar="DIR", type=_path, help="default: where the service looks for them")
    parser.add_argument("--offline", action="store_true", help="no network: folders and what is installed")
    parser.add_argument("--list", action="store_true", help="say what there is, and fetch nothing")
    add_common(parser, _run, config=False)


def states() -> list[dict[str, str]]:
    """The sets of weights that are here, each with "ok" or what is wrong with it."""
    from emocx_pbx.weights.catalogue import SETS
    from emocx_pbx.weights.places import checked_folder_of

    found = []
    for one in SETS:
        try:
            state = "ok" if checked_folder_of(one) is not None else None
        except ModelError as error:
            state = str(error)
        if state is not None:
            found.append({"set": one.name, "state": state})
    return found


def _path(text: str) -> Path:
    from pathlib import Path

    return Path(text)


def _run(args: argparse.Namespace) -> int:
    from emocx_pbx.weights.catalogue import SETS, set_of
    from emocx_pbx.weights.places import default_weights_dir

    sets: Sequence[WeightSet] = [set_of(name) for name in dict.fromkeys(args.sets)]
    if args.list:
        return _list(args, sets or SETS)
    sets = sets or _wanted()
    folder = args.to or default_weights_dir()
    files = _fetch(args, sets, folder)
    missing = [file for file in files if file["state"] == "missing"]
    result = {"folder": str(folder), "files": files}

    def words() -> str:
        rows = [(f["name"], f["state"], f"{f['bytes'] / 1e6:.1f} MB", f["from"] or "-") for f in files]
        licences = [f"{one.name}: {one.licence}; {one.origin}" for one in sets]
        return "\n".join([table(("file", "", "size", "from"), rows, ""), *licences, f"in {folder}"])

    show(args, result, words)
    return NOT_IN_ORDER if missing else 0


def _wanted() -> list[WeightSet]:
    """The sets whose runtime is installed."""
    from importlib.util import find_spec

    from emocx_pbx.weights.catalogue import SETS

    sets = [one for one in SETS if one.runtime and find_spec(one.runtime) is not None]
    if not sets:
        extras = " and ".join(one.name for one in SETS if one.runtime)
        raise InputError(f"models fetch: say what; neither of the extras {extras} is installed")
    return sets


def _fetch(args: argparse.Namespace, sets: Sequence[WeightSet], folder: Path) -> list[dict[str, Any]]:
    from emocx_pbx.weights.download import Patience
    from emocx_pbx.weights.fetch import fetch
    from emocx_pbx.weights.sources import usual

    bars: dict[str, Progress] = {}

    def progress(name: str, got: int, size: int) -> None:
        bars.setdefault(name, Progress(name))(got / size)

    def say(line: str) -> None:
        print(f"emocx-pbx: {line}", file=sys.stderr)

    licences = {file.name: (one.licence, one.origin) for one in sets for file in one.files}
    files = []
    with usual(args.sources, folder, offline=args.offline, patience=Patience(), progress=progress) as sources:
        for found in fetch(sets, folder, sources, say):
            if found.file.name in bars:
                bars[found.file.name].close()
            licence, origin = licences[found.file.name]
            files.append(
                {
                    "name": found.file.name, "state": found.state, "from": found.source,
                    "sha256": found.file.sha256, "bytes": found.file.size,
                    "licence": licence, "origin": origin,
                }
            )  # fmt: skip
    return files


def _list(args: argparse.Namespace, sets: Sequence[WeightSet]) -> int:
    from emocx_pbx.weights.places import folder_of

    found: list[dict[str, Any]] = []
    for one in sets:
        files: list[dict[str, Any]] = [
            {
                "name": file.name, "sha256": file.sha256, "bytes": file.size, "hub": file.hub or None,
                "packages": [f"{part.package}=={part.version}" for part in file.parts],
            }
            for file in one.files
        ]  # fmt: skip
        here = folder_of(one)
        found.append(
            {
                "set": one.name, "use": one.use, "licence": one.licence, "origin": one.origin,
                "bytes": one.size, "here": None if here is None else str(here), "files": files,
            }
        )  # fmt: skip

    def words() -> str:
        lines = []
        for one in found:
            lines += [
                f"{one['set']} ({one['bytes'] / 1e6:.0f} MB, {one['licence']}): {one['use']}",
                f"  {one['origin']}",
                f"  here: {one['here'] or 'no'}",
            ]
            for file in one["files"]:
                sources = [file["hub"], *file["packages"]]
                lines += [f"  {file['sha256']}  {file['name']}", *(f"    {s}" for s in sources if s)]
        return "\n".join(lines)

    show(args, {"sets": found}, words)
    return 0
