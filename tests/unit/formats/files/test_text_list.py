import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formats.files.text_list import TextList


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text(max_size=9)))
def test_as_a_list(texts):
    compact = TextList(iter(texts))
    assert len(compact) == len(texts)
    assert list(compact) == texts
    assert compact[1:] == texts[1:]
    if texts:
        assert compact[-1] == texts[-1]
    for index in (len(texts), -len(texts) - 1):
        with pytest.raises(IndexError):
            _ = compact[index]
