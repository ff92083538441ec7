"""What a run consists of, for the faults to break."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faults.disk import SmallDisk
from benchmarks.faults.proxy import Proxy
from benchmarks.faults.telephones import Telephones
from benchmarks.faults.truth import Truth
from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import ServiceProcess


@dataclass(slots=True)
class World:
    """A private Asterisk with its telephones, the service between proxy and receiver, and the truth."""

    pbx: PrivateAsterisk
    telephones: Telephones
    proxy: Proxy
    receiver: Receiver
    service: ServiceProcess
    database: Path
    disk: SmallDisk | None
    truth: Truth
    chance: random.Random
    groups: list[int] = field(default_factory=list)
    """Process groups of the service's earlier starts."""
