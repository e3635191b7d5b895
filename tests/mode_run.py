"""What the client does with a mode, for models that are at hand."""


def run_mode(mode, picture, model, given=()):
    """Has `model.detect_crops` answer to the plan, and returns the mode's outcome."""
    crops = mode.plan(picture.size, given)
    found = model.detect_crops(picture, crops)
    answers = list(zip(crops, found, strict=True))
    return mode.merge(answers, picture.size, given)
