"""`gallery.html`: the figures, and the best and worst images with what was found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from formats.images.image import Pixels
from formats.report.report import (
    Bars,
    Block,
    Facts,
    Gallery,
    ImageBlock,
    Section,
    Table,
    write_report,
)
from training.datasets.dataset import FileDataset
from training.evaluation.card import GAP_PX, PANEL_PX, Entries, evaluation_card
from training.evaluation.coco_score import Score
from training.evaluation.image_scores import ImageScore
from training.evaluation.scores import Evaluation

SHOWN = 12
"""Best and worst images, each at most so many."""
LEGEND = (
    "Left the objects, right the detections with a score of at least {:.3f}, where F1 "
    "is highest. Green: found at IoU 0.5. Orange: missed. Red: wrong. Violet: missed "
    "and wrong at once, found under another class. Grey: crowds, neutral regions, and "
    "what does not count there. Classes to choose from are those of detections and of "
    "missed objects; these have no score."
)


def write_evaluation_page(
    path: Path,
    subtitle: str,
    dataset: FileDataset,
    truths: Entries,
    results: Entries,
    score: Score,
    curves: Pixels,
) -> None:
    """Writes the page.

    Args:
        path: of the file.
        subtitle: what was evaluated, and on what.
        dataset: the set.
        truths: objects as `CocoScorer` has them.
        results: detections, likewise.
        score: what became of both.
        curves: uint8[H, W, 3] RGB, precision over recall.

    Raises:
        DatasetError: an image cannot be read any more.
        OSError: the page cannot be written.
    """
    blocks = _figures(score.evaluation, curves)
    confusions = _confusions(score.images, truths, results, dataset.classes.ids)
    if confusions:
        header = ("Class", "Found as", "Objects")
        blocks.append(Section([Table("Found under another class", header, confusions)]))
    blocks += _galleries(dataset, truths, results, score)
    write_report(path, "Evaluation", subtitle, blocks)


def _figures(evaluation: Evaluation, curves: Pixels) -> list[Block]:
    mask, box = evaluation.mask, evaluation.box
    facts = {
        "Mask AP": mask.ap,
        "Mask AP50": mask.ap50,
        "Mask AP75": mask.ap75,
        "Box AP": box.ap,
        "Best F1": evaluation.f1,
        "at score": evaluation.f1_score_threshold,
        "Pictures": evaluation.images,
        "Objects": sum(evaluation.objects.values()),
        "Detections": evaluation.detections,
    }
    titles = [title for title, count in evaluation.objects.items() if count]
    bars = Bars(
        "Mask AP",
        titles,
        {
            "AP": [mask.classes[title].ap for title in titles],
            "AP50": [mask.classes[title].ap50 for title in titles],
        },
        top=1,
    )
    table = Table(
        "Figures",
        ("Class", "Objects", "Mask AP", "AP50", "Box AP", "AP50"),
        [
            (
                title,
                count,
                mask.classes[title].ap,
                mask.classes[title].ap50,
                box.classes[title].ap,
                box.classes[title].ap50,
            )
            for title, count in evaluation.objects.items()
        ],
    )
    return [
        Facts(facts),
        Section([bars, table], "Classes"),
        Section([ImageBlock("Precision over recall", curves)]),
    ]


def _galleries(
    dataset: FileDataset, truths: Entries, results: Entries, score: Score
) -> Iterator[Gallery]:
    evaluation = score.evaluation
    threshold = evaluation.f1_score_threshold or evaluation.score_threshold
    worst, best = _extremes(score.images)
    for title, chosen in (("Worst pictures", worst), ("Best pictures", best)):
        if chosen:
            yield Gallery(
                title,
                (
                    evaluation_card(dataset, i, score.images[i], truths, results)
                    for i in chosen
                ),
                note=LEGEND.format(threshold),
                thumbnail_px=2 * PANEL_PX + GAP_PX,
                is_wide=True,
            )


def _extremes(images: Sequence[ImageScore]) -> tuple[list[int], list[int]]:
    """Returns the worst images, worst first, and of the rest the best, best first."""
    ranked = sorted(
        (image.quality, index)
        for index, image in enumerate(images)
        if image.quality is not None
    )
    order = [index for _, index in ranked]
    half = -(-len(order) // 2)
    worst = order[: min(SHOWN, half)]
    return worst, order[len(worst) :][::-1][:SHOWN]


def _confusions(
    images: Sequence[ImageScore],
    truths: Entries,
    results: Entries,
    ids: Mapping[str, int],
) -> list[tuple[str, str, int]]:
    """Returns (class, class that it was found as, how often), most often first."""
    titles = {class_id: title for title, class_id in ids.items()}
    counts = Counter(
        (
            titles[truths[truth - 1]["category_id"]],
            titles[results[result - 1]["category_id"]],
        )
        for image in images
        for result, truth in image.confused
    )
    return [(*pair, count) for pair, count in counts.most_common(SHOWN)]
