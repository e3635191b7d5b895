"""Time and memory of a process, read from /proc."""

from __future__ import annotations

import os
import re
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_RESET_PEAK = "5"


class Usage:
    """What a process takes from `start` on."""

    def __init__(self, pid: int) -> None:
        self._proc = Path("/proc") / str(pid)
        self._cpu_s = self._rss_mb = 0.0

    def start(self) -> None:
        """Begins to measure; the peak of memory before is forgotten."""
        (self._proc / "clear_refs").write_text(_RESET_PEAK)
        self._rss_mb, self._cpu_s = self._status_mb("VmRSS"), self._cpu()

    def cpu_s(self) -> float:
        """Returns the CPU seconds of all its threads since `start`."""
        return self._cpu() - self._cpu_s

    def growth_mb(self) -> float:
        """Returns by how much its memory was larger since `start` than at `start`."""
        return self._status_mb("VmHWM") - self._rss_mb

    def _status_mb(self, key: str) -> float:
        text = (self._proc / "status").read_text()
        return int(re.search(rf"^{key}:\s+(\d+) kB$", text, re.M)[1]) / 1024

    def _cpu(self) -> float:
        # Fields 14 and 15 of `stat`, after the name in brackets: user and system.
        fields = (self._proc / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS
