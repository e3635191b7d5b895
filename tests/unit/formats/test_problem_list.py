import pickle

from formats import AnnotationFileError, ConfigFileError
from formats.problem_list import MOST, More, ProblemList, located, told
from training.errors import DatasetError


def test_few_are_told_as_they_are():
    problems = ProblemList(["a", "b"])
    assert list(problems) == ["a", "b"]
    assert len(problems) == 2
    assert not ProblemList()


def test_many_end_after_twenty():
    problems = ProblemList()
    for number in range(3000):
        problems.add(f"problem {number}")
    *first, last = problems
    assert first == [f"problem {number}" for number in range(MOST)]
    assert last == "and 2,980 more"
    assert len(problems) == 3000
    assert problems


def test_what_was_left_out_is_counted_on():
    once = ProblemList(f"a {number}" for number in range(30))
    both = ProblemList([*once, *(f"b {number}" for number in range(5))])
    assert len(both) == 35
    assert list(both)[-1] == "and 15 more"
    assert pickle.loads(pickle.dumps(More(7))).number == 7


def test_what_was_left_out_has_no_place():
    once = ProblemList(f"a {number}" for number in range(22))
    texts = list(located("b.json", once))
    assert texts[0] == "b.json: a 0"
    assert list(ProblemList([*texts, "c"]))[-1] == "and 3 more"


def test_errors_tell_twenty_and_keep_all():
    texts = [f"problem {number}" for number in range(25)]
    for error in (
        ConfigFileError(texts),
        AnnotationFileError(*texts),
        DatasetError(texts),
    ):
        assert str(error) == told(texts)
        assert str(error).count("\n") == MOST
        assert str(error).endswith("and 5 more")
        assert list(error.problems) == texts
