"""What every benchmark does with its numbers: print a table, and keep it with the machine it was measured on.

A benchmark is a script beside this file that ends in `report(...)`; `--json PATH` saves its table, by
custom as `tests/benchmarks/results/NAME.json`, from which `python3 run.py tables` fills the README.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "results"


def arguments(description: str, **numbers: int) -> argparse.Namespace:
    """The command line that all benchmarks share, `--json PATH`, and whole numbers with their defaults."""
    parser = argparse.ArgumentParser(description=description)
    for name, default in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"default {default}")
    parser.add_argument("--json", type=Path, metavar="PATH", help="save the table there")
    return parser.parse_args()


def report(name: str, columns: list[str], rows: list[list], path: Path | None = None, note: str = "") -> None:
    """Print the rows as a table and, given a path, save them with the machine's description."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in [columns, *texts]) for i in range(len(columns))]
    for row in [columns, *texts]:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
    print(f"{note}\n{machine()}" if note else machine())
    if path is not None:
        save(
            path,
            {
                "name": name,
                "columns": columns,
                "rows": texts,
                "note": note,
                "machine": machine(),
                "measured": datetime.date.today().isoformat(),
            },
        )


def save(path: Path, table: dict) -> None:
    """Write one table as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(table, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def machine() -> str:
    """Processor, cores, system and versions in one line, without the machine's name."""
    import numpy
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{_processor()}, {cores} cores, {_system()}, Python {platform.python_version()}, "
        f"torch {torch.__version__}, numpy {numpy.__version__}"
    )


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _system() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return f"{platform.system()} {platform.release()}"
