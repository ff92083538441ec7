"""The page on routing shows a policy that loads, every entry there is, and figures that can be had."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from emocx_pbx.routing.policy import Rule, load_policy

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "routing.md").read_text()


def test_the_example_loads(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    assert example
    (tmp_path / "policy.toml").write_text(example[1])
    policy = load_policy(tmp_path / "policy.toml")
    assert policy.rules[0].queue == "retention" and set(policy.topics) == {"billing", "delivery"}


def test_every_entry_is_described() -> None:
    assert [name for name in Rule.__struct_fields__ if name != "name" and f"`{name}`" not in PAGE] == []


def test_the_simulation_runs_and_learns() -> None:
    command = [sys.executable, "-m", "benchmarks.routing_sim", "--json", "--seeds", "2"]
    command += ["--learn", "600", "--calls", "600"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert result["gap_closed"] > 0.3
    assert result["wait_ratio"] == pytest.approx(1.0, abs=0.1)
    assert set(result["routers"]) == {
        "random",
        "longest idle",
        "ours",
        "ours, query alone",
        "oracle, our ears",
        "oracle",
    }
