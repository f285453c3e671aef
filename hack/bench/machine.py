"""Facts of the machine, and what processes cost: /proc and nothing else."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_TICKS: Final = os.sysconf("SC_CLK_TCK")


def facts() -> dict[str, Any]:
    """What a reader must know to compare figures."""
    memory = _fields(Path("/proc/meminfo")).get("MemTotal", "")
    return {
        "cores": os.cpu_count(),
        "cpu": _fields(Path("/proc/cpuinfo")).get("model name", platform.machine()),
        "memory_gib": round(int(memory.split()[0]) / 2**20, 1) if memory else None,
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def cpu_ms(pid: int) -> float:
    """CPU time that a process has used, milliseconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / _TICKS


def cpu_by_name(pids: Mapping[str, int]) -> dict[str, float]:
    """CPU time of several processes, milliseconds."""
    return {name: cpu_ms(pid) for name, pid in pids.items()}


def peak_rss_mb(pid: int) -> float:
    """The most memory that a process had resident, MB (10^6 bytes)."""
    peak = _fields(Path(f"/proc/{pid}/status"))["VmHWM"]
    return round(int(peak.split()[0]) * 1024 / 1e6, 1)


def _fields(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in path.read_text().splitlines():
        name, separator, value = line.partition(":")
        if separator:
            found.setdefault(name.strip(), value.strip())
    return found
