"""Pages of rows of any size have about as many bytes."""

from diglot.storage.page_size import PageSize


def test_pages_follow_the_size_of_their_rows() -> None:
    """Long rows come in fewer, at least one at a time; short ones in more again."""
    size = PageSize(1_000, 1_000_000)
    assert size.rows == 50
    size.learn(1_000, 10_000_000)
    assert size.rows == 100
    size.learn(100, 500_000_000)
    assert size.rows == 1
    for expected in (2, 4, 8):
        size.learn(size.rows, 0)
        assert size.rows == expected
    size.learn(900, 0)
    assert size.rows == 1_000
