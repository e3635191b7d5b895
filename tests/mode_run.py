"""What the client does with a mode, for models that are at hand."""


def run_mode(mode, image, model, given=()):
    """Has `model.detect_crops` answer to the plan, and returns the mode's outcome."""
    crops = mode.plan(image.size, given)
    found = model.detect_crops(image, crops)
    answers = list(zip(crops, found, strict=True))
    return mode.merge(answers, image.size, given)
