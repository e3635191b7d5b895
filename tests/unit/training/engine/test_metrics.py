import errno
import os

import cv2
import pytest
import tensorflow as tf

from tests.full_disk import longest_file
from training.engine.curves import draw_curves
from training.engine.metrics import COLUMNS, Metrics, read_rows
from training.errors import TrainingError
from training.weights.writing import make_output, writing_output


def row(step, split="train", **values):
    losses = dict.fromkeys(COLUMNS[3:9], 1.0 / step)
    return {"step": step, "epoch": step / 4, "split": split, **losses, **values}


@pytest.fixture
def written(tmp_path):
    metrics = Metrics(tmp_path, 0)
    for step in range(1, 9):
        metrics.add(row(step, lr=0.01))
        if step % 4 == 0:
            metrics.add(row(step, "val", mask_ap=0.2, mask_ap50=0.4, box_ap=0.3))
    metrics.close()
    return tmp_path


def steps(folder):
    return [(int(r["step"]), r["split"]) for r in read_rows(folder / "metrics.csv")]


def test_rows_in_order(written):
    assert len(steps(written)) == 10
    assert steps(written)[3:5] == [(4, "train"), (4, "val")]
    assert read_rows(written / "metrics.csv")[4]["mask_ap"] == "0.2"
    assert read_rows(written / "metrics.csv")[3]["mask_ap"] == ""


def test_resuming_takes_out_what_will_be_run_again(written):
    Metrics(written, 5).close()
    assert steps(written)[-1] == (5, "train")
    assert len(steps(written)) == 6


def test_row_that_a_kill_cut_off_is_left_out(written):
    with (written / "metrics.csv").open("a") as file:
        file.write("9,2.25,tra")
    assert len(steps(written)) == 10
    Metrics(written, 8).close()
    assert (written / "metrics.csv").read_bytes().endswith(b"\n")


def test_other_file_is_refused(tmp_path):
    (tmp_path / "metrics.csv").write_text("a,b\n1,2\n")
    with pytest.raises(TrainingError, match=r"expected the columns step, epoch.*a, b"):
        Metrics(tmp_path, 0)


def test_events_for_tensorboard(written):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(written / "tensorboard"))
    events.Reload()
    assert {"loss/train", "loss/val", "mask_ap/val"} <= set(events.Tags()["tensors"])
    assert [e.step for e in events.Tensors("mask_ap/val")] == [4, 8]


def test_curves_are_drawn(written):
    draw_curves(written / "metrics.csv", written / "curves.png")
    pixels = cv2.imread(str(written / "curves.png"))
    assert pixels.std() > 10
    assert not list(written.glob(".curves*"))


def test_damaged_row_is_refused(written):
    lines = (written / "metrics.csv").read_text().splitlines(keepends=True)
    (written / "metrics.csv").write_text("".join([*lines[:3], "3,0.75\n", *lines[4:]]))
    with pytest.raises(TrainingError, match=r"line 4: expected a row of \d+ values"):
        Metrics(written, 8)


def test_tensorboard_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "tensorboard").write_text("in the way")
    with pytest.raises(TrainingError, match="tensorboard: cannot be written"):
        Metrics(tmp_path, 0)


def test_row_that_cannot_be_written_is_told_once(tmp_path):
    metrics = Metrics(tmp_path, 0)
    size = (tmp_path / "metrics.csv").stat().st_size
    with longest_file(size + 10):
        with pytest.raises(TrainingError, match=r"metrics\.csv: cannot be written"):
            metrics.add(row(1))
        metrics.close()
    Metrics(tmp_path, 1).close()
    assert steps(tmp_path) == []


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space.*make room"),
        (OSError(errno.EROFS, os.strerror(errno.EROFS)), "Read-only.*check --output"),
        (
            tf.errors.ResourceExhaustedError(
                None, None, "{{node}} /run/x; No space left on device\n\tFailed"
            ),
            ": No space left on device; make room",
        ),
    ],
)
def test_what_cannot_be_written_is_told_with_advice(tmp_path, error, text):
    with pytest.raises(TrainingError, match=text), writing_output(tmp_path / "x"):
        raise error


def test_output_is_checked_first(tmp_path):
    make_output(tmp_path / "a" / "b")
    assert not list((tmp_path / "a" / "b").iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(TrainingError, match=r"file: cannot be written: .*--output"):
        make_output(tmp_path / "file")
