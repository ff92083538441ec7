"""The command `emocx-pbx`: finds the command asked for, runs it, and turns errors into one line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence

from emocx_pbx.commands import (
    analyse,
    backup,
    benefit,
    calls,
    check,
    completion,
    correct,
    demo,
    door,
    erase,
    evaluate,
    export,
    grades,
    init,
    lines,
    models,
    penalties,
    review,
    route,
    serve,
    status,
    store,
    threshold,
    training,
    users,
    webhooks,
    worker,
)
from emocx_pbx.commands.shared import BAD_INPUT, Parser
from emocx_pbx.errors import EmocxError, ModelError

#: In the order of --help: running it, trying it, looking at it, making models.
COMMANDS = (
    serve,
    worker,
    door,
    status,
    check,
    init,
    demo,
    analyse,
    route,
    calls,
    grades,
    penalties,
    benefit,
    threshold,
    webhooks,
    users,
    backup,
    store,
    erase,
    correct,
    export,
    models,
    lines,
    review,
    training,
    evaluate,
    completion,
)

#: What optional modules are installed with; whichever command meets one that is missing says so in one line.
EXTRAS = {
    "av": "formats",
    "faster_whisper": "speech-to-text",
    "keras": "train",
    "librosa": "train",
    "matplotlib": "train",
    "nats": "cluster",
    "onnx": "train",
    "onnxruntime": "voice",
    "sklearn": "train",
    "tensorflow": "train",
    "tqdm": "train",
}

#: What a shell reports for a process ended by Ctrl-C.
INTERRUPTED = 130


def parser() -> Parser:
    """The whole command line."""
    top = Parser(
        prog="emocx-pbx", description="Emotion-aware routing and fair grades beside your own Asterisk."
    )
    top.add_argument("--version", action="store_true", help="print the version")
    top.set_defaults(parser=top)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", parser_class=Parser)
    for command in COMMANDS:
        command.add(commands)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns:
        0 for success, 1 if what was looked at is not in order (check), 2 for bad usage or input with
        one line on stderr.
    """
    top = parser()
    args = top.parse_args(argv)
    if args.version:
        from importlib.metadata import version

        print(version("emocx-pbx"))
        return 0
    if args.command is None:
        top.error("a command is missing")
    try:
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # `| head` has seen enough; the interpreter must not complain at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        return _say(ModelError(f"{error.name} is not installed: pip install 'emocx-pbx[{extra}]'"))
    except (EmocxError, OSError) as error:
        return _say(error)
    except BaseExceptionGroup as group:
        known = [e for e in _leaves(group) if isinstance(e, EmocxError | OSError)]
        if not known:
            raise
        return _say(known[0])


def _say(error: BaseException) -> int:
    print(f"emocx-pbx: {' '.join(str(error).split())}", file=sys.stderr)
    return BAD_INPUT


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


if __name__ == "__main__":
    sys.exit(main())
