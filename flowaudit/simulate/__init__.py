"""A VPC, its workloads and their flow records, with the truth about each: for the demo, the tests and the benchmarks.

network → streams → records → objects, each a call: `default_network`, `streams.compliant`, `generate`, `log_objects`.
"""

from flowaudit.simulate.network import Interface, Kind, Network, Subnet, Vpc, default_network
from flowaudit.simulate.streams import Remotes, Silence, Stream, compliant, remotes
from flowaudit.simulate.traffic import generate, planted, sized
from flowaudit.simulate.world import SIMULATED, TRUTH
from flowaudit.simulate.writer import (
    FORMATS,
    FlowLog,
    encode,
    log_objects,
    object_key,
    project,
    write_parquet,
    write_text,
)

__all__ = [
    "FORMATS",
    "SIMULATED",
    "TRUTH",
    "FlowLog",
    "Interface",
    "Kind",
    "Network",
    "Remotes",
    "Silence",
    "Stream",
    "Subnet",
    "Vpc",
    "compliant",
    "default_network",
    "encode",
    "generate",
    "log_objects",
    "object_key",
    "planted",
    "project",
    "remotes",
    "sized",
    "write_parquet",
    "write_text",
]
