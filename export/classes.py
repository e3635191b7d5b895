"""Names and colours of a model's classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from export.errors import ExportError
from formats.class_names import BACKGROUND as BACKGROUND_TITLE
from formats.class_names import COCO_CLASSES, complete_titles
from formats.drawing.palette import distinct_color
from formats.errors import FormatError
from serving.contract import ModelClass

BACKGROUND = ModelClass(0, BACKGROUND_TITLE, "#222222")


def assumed_classes(num_classes: int) -> tuple[ModelClass, ...]:
    """Returns the classes of a file that names none.

    COCO's for 81, else "class_1", "class_2", ...
    """
    if num_classes == len(COCO_CLASSES) + 1:
        return named_classes(COCO_CLASSES, num_classes)
    titles = [f"class_{class_id}" for class_id in range(1, num_classes)]
    return named_classes(titles, num_classes)


def named_classes(titles: Sequence[str], num_classes: int) -> tuple[ModelClass, ...]:
    """Returns the classes of a list of names in id order.

    Args:
        titles: names from class 1, or from class 0, the background.
        num_classes: of the network, background included.

    Raises:
        ExportError: another number of names, an empty name, or a name given twice.
    """
    try:
        names = complete_titles(titles, num_classes)
    except FormatError as err:
        raise ExportError(str(err)) from err
    return tuple(
        ModelClass(i, title, distinct_color(i) if i else BACKGROUND.color)
        for i, title in enumerate(names)
    )


def mapped_classes(
    ids: Mapping[str, int], colors: Mapping[str, str], num_classes: int
) -> tuple[ModelClass, ...]:
    """Returns the classes of a `class_title_to_idx` mapping.

    Ids that the mapping leaves out below its highest become "class_<id>".

    Args:
        ids: title -> id; id 0 is the background.
        colors: title -> "#RRGGBB", where known.
        num_classes: of the network.

    Raises:
        ExportError: an id outside of the network, the network's last id without a
            title, or two titles of one id.
    """
    titles: dict[int, str] = {}
    for title, class_id in ids.items():
        if not 0 <= class_id < num_classes:
            raise ExportError(
                f"class_title_to_idx: the weights have {num_classes} classes (ids 0 to "
                f"{num_classes - 1}), got id {class_id} for {title!r}; config and "
                "weights are not of one training"
            )
        if class_id in titles:
            raise ExportError(
                f"class_title_to_idx: id {class_id} belongs to both "
                f"{titles[class_id]!r} and {title!r}"
            )
        titles[class_id] = title
    highest = max(titles, default=0)
    if highest < num_classes - 1:
        raise ExportError(
            f"class_title_to_idx: the weights have {num_classes} classes (ids 0 to "
            f"{num_classes - 1}), got no id above {highest}; config and weights are "
            "not of one training"
        )
    classes = [BACKGROUND]
    if 0 in titles:
        title = titles[0]
        classes = [ModelClass(0, title, colors.get(title, BACKGROUND.color))]
    for class_id in range(1, num_classes):
        title = titles.get(class_id, f"class_{class_id}")
        classes.append(
            ModelClass(class_id, title, colors.get(title, distinct_color(class_id)))
        )
    return tuple(classes)
