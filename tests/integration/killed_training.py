"""Kills a training at random moments and resumes it; compares with one left alone.

`python -m tests.integration.killed_training 20` does so twenty times and prints what
was found as JSON.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.shapes_project import train_config, write_shapes
from training.engine.metrics import read_rows

ROOT = Path(__file__).resolve().parents[2]
STARTING_SHARE = 0.25
TIMED = ("seconds", "data_wait")


def command(folder, output):
    return [
        *(sys.executable, "-m", "training", "--device", "cpu", "--resume"),
        *("--config", str(folder / "train.json"), "--project", str(folder / "shapes")),
        *("--output", str(output)),
    ]


def run_to_the_end(folder, output):
    done = subprocess.run(
        command(folder, output), cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-4000:])


def run_and_kill(folder, output, rng, alone, kills):
    """Kills a training at a random moment of its start or of its steps.

    So many kills are likely to leave some of the training over.

    Returns seconds since its first step, or None where it was not running any more.
    """
    metrics = output / "metrics.csv"
    before = metrics.stat() if metrics.exists() else None
    starting, stepping = durations(alone)
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(
            command(folder, output), cwd=ROOT, stdout=log, stderr=log
        )
        if rng.random() < STARTING_SHARE:
            time.sleep(rng.uniform(0, starting))
            moment = 0.0
        else:
            # The file is replaced before the first step, and grows with every step.
            while process.poll() is None and not has_new_row(metrics, before):
                time.sleep(0.01)
            moment = rng.uniform(0, 1.5 * stepping / kills)
            time.sleep(moment)
        is_running = process.poll() is None
        if is_running:
            process.send_signal(signal.SIGKILL)
        process.wait()
    return round(moment, 3) if is_running else None


def has_new_row(metrics, before):
    if not metrics.exists():
        return False
    now = metrics.stat()
    if before is not None and now.st_ino == before.st_ino:
        return False
    size = now.st_size
    time.sleep(0.01)
    return metrics.stat().st_size > size


def durations(output):
    """Returns seconds to the first step, and from there to the end."""
    seconds = [float(row["seconds"]) for row in read_rows(output / "metrics.csv")]
    return seconds[0], seconds[-1] - seconds[0]


def weights_of(output):
    last = (output / "checkpoints" / "last").resolve()
    return last.name, hashlib.sha256(
        (last / "model_weights" / "model.h5").read_bytes()
    ).hexdigest()


def rows_of(output):
    rows = read_rows(output / "metrics.csv")
    return [{k: v for k, v in row.items() if k not in TIMED} for row in rows]


def compare(folder, kills, seed=0, epochs=6):
    """Returns what became of a training that was killed, and of one left alone."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    write_shapes(folder / "shapes")
    config = train_config(epochs=epochs, save_every=0.25, val_every=0.5, keep_last=2)
    (folder / "train.json").write_text(json.dumps(config))
    alone, killed = folder / "alone", folder / "killed"
    run_to_the_end(folder, alone)
    rng = random.Random(seed)
    moments = [run_and_kill(folder, killed, rng, alone, kills) for _ in range(kills)]
    run_to_the_end(folder, killed)
    return {
        "kills": sum(moment is not None for moment in moments),
        "seconds_after_first_step": moments,
        "alone": weights_of(alone),
        "killed": weights_of(killed),
        "same_weights": weights_of(alone)[1] == weights_of(killed)[1],
        "same_metrics": rows_of(alone) == rows_of(killed),
        "left_over": sorted(
            path.name
            for path in (killed / "checkpoints").iterdir()
            if path.name.startswith(".")
        ),
    }


def main():
    with tempfile.TemporaryDirectory() as folder:
        kills = int(sys.argv[1])
        found = compare(Path(folder), kills, epochs=max(6, 3 * kills))
        json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
