"""`python -m tests.stress.hostile`: runs the collection and prints a table by kind."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from tests.stress.hostile.kinds import KINDS, load_kind
from tests.stress.hostile.runs import Tally, run_kind

_COLUMNS = "{:17s}{:>8s}{:>8s}{:>9s}{:>9s}{:>9s}{:>10s}{:>9s}"


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.stress.hostile",
        description="Tries hostile and odd inputs of all kinds.",
    )
    add = parser.add_argument
    add("--inputs", type=int, default=20_000, help="in all, shared out over the kinds")
    add("--kind", nargs="+", choices=KINDS, default=KINDS, metavar="KIND")
    add("--seed", type=int, default=0)
    add("--first", type=int, default=0, help="number of the first input of each kind")
    add("--model", type=Path, help="base path of an exported model; made if not given")
    add("--list", action="store_true", help="name the kinds and stop")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Runs the command line; returns 1 where an input failed."""
    args = build_parser().parse_args(argv)
    kinds = {name: load_kind(name) for name in args.kind}
    if args.list:
        _say("\n".join(f"{name:17s}{kind.about}" for name, kind in kinds.items()))
        return 0
    weights = sum(kind.weight for kind in kinds.values())
    tallies: list[Tally] = []
    with tempfile.TemporaryDirectory(prefix="hostile-model-") as folder:
        model = args.model
        if model is None and any(kind.needs_model for kind in kinds.values()):
            model = export_model(Path(folder))
        head = ("inputs", "ok", "refused", "failed", "CPU s", "MB", "minutes")
        _say(_COLUMNS.format("kind", *head))
        for name, kind in kinds.items():
            count = max(1, round(args.inputs * kind.weight / weights))
            started = time.monotonic()
            tally = run_kind(
                name, seed=args.seed, first=args.first, count=count, model=model
            )
            tallies.append(tally)
            _say(_row(tally, (time.monotonic() - started) / 60))
            _tell_failures(tally, args.seed)
    return 1 if any(tally.failures for tally in tallies) else 0


def _tell_failures(tally: Tally, seed: int) -> None:
    for failure in tally.failures:
        _say(
            f"  {failure.number}: {failure.label}\n  {failure.text}\n"
            f"  again: python -m tests.stress.hostile --kind {tally.kind} "
            f"--seed {seed} --first {failure.number} --inputs 1"
        )


def export_model(folder: Path) -> Path:
    """Exports a small seeded network; returns its base path."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    from examples.seeded_checkpoint import main as write_checkpoint
    from export.pipeline import export_model as export
    from export.settings import Options

    weights = folder / "small.h5"
    write_checkpoint([str(weights)])
    (folder / "config.json").write_text('{"IMAGE_MIN_DIM": 128, "IMAGE_MAX_DIM": 128}')
    export(Options(weights=weights, output=folder / "served"))
    return folder / "served"


def _row(tally: Tally, minutes: float) -> str:
    counts = (tally.inputs, tally.ok, tally.refused, len(tally.failures))
    return _COLUMNS.format(
        tally.kind,
        *map(str, counts),
        f"{tally.slowest_s:.2f}",
        f"{tally.growth_mb:.0f}",
        f"{minutes:.1f}",
    )


def _say(text: str) -> None:
    # A failure's text may hold what the terminal cannot show.
    sys.stdout.write(text.encode("ascii", "backslashreplace").decode() + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
