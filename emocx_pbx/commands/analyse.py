"""`emocx-pbx analyse CUSTOMER.wav [AGENT.wav]`: recorded calls through the pipeline of live calls."""

from __future__ import annotations

import argparse
from pathlib import Path

from emocx_pbx.commands.shared import Progress, add_common, read_settings, show


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("analyse", help="read a recorded call's signals and grade it")
    parser.add_argument("customer", type=Path, help="recording of the customer's side")
    parser.add_argument("agent", type=Path, nargs="?", help="recording of the agent's side")
    parser.add_argument("--stereo", action="store_true", help="one file: customer left, agent right")
    parser.add_argument("--model", metavar="NAME", help="speech model; default: what the settings say")
    add_common(parser, run)


def run(args: argparse.Namespace) -> int:
    """Analyse and print the course and the grade."""
    from emocx_pbx.analysis.recorded import analyse_recording

    raise NotImplementedError(analyse_recording, Progress, read_settings, show)
