"""The reader's copy: fresh where the reader changed nothing, untouched where they did."""
import pytest

from tools.reader import sync


@pytest.fixture
def book(tmp_path):
    """A checkout with two editions of two pages, in a folder with spaces and Japanese characters."""
    root = tmp_path / "本 と spaces"
    for language in ("en", "ja"):
        (root / "book" / language).mkdir(parents=True)
        for name in ("stride", "too_large"):
            page(root, language, name).write_text(f"{language} {name} 一", encoding="utf-8")
    return root


def page(root, language, name):
    return root / "book" / language / f"{name}.ipynb"


def mine(root, language="en", name="stride"):
    return root / "my-notebooks" / language / f"{name}.ipynb"


def test_first_call_copies_everything(book):
    assert sync(book) == ["4 new notebooks in my-notebooks."]
    for language in ("en", "ja"):
        for name in ("stride", "too_large"):
            assert mine(book, language, name).read_bytes() == page(book, language, name).read_bytes()


def test_second_call_says_and_writes_nothing(book):
    sync(book)
    before = mine(book).stat().st_mtime_ns
    assert sync(book) == []
    assert mine(book).stat().st_mtime_ns == before


def test_an_unchanged_copy_follows_the_book(book):
    sync(book)
    page(book, "en", "stride").write_text("second edition", encoding="utf-8")
    assert sync(book) == ["1 updated notebook in my-notebooks."]
    assert mine(book).read_text(encoding="utf-8") == "second edition"


def test_a_changed_copy_is_kept(book):
    sync(book)
    mine(book).write_text("my own notes", encoding="utf-8")
    assert sync(book) == []
    page(book, "en", "stride").write_text("second edition", encoding="utf-8")
    [line] = sync(book)
    assert "Kept your my-notebooks/en/stride.ipynb" in line
    assert mine(book).read_text(encoding="utf-8") == "my own notes"


def test_a_renamed_copy_makes_room_for_the_new_one(book):
    sync(book)
    mine(book).write_text("my own notes", encoding="utf-8")
    page(book, "en", "stride").write_text("second edition", encoding="utf-8")
    kept = mine(book).rename(mine(book, name="stride of mine"))
    sync(book)
    assert mine(book).read_text(encoding="utf-8") == "second edition"
    assert kept.read_text(encoding="utf-8") == "my own notes"


def test_a_deleted_copy_comes_back(book):
    sync(book)
    mine(book).unlink()
    assert sync(book) == ["1 new notebook in my-notebooks."]
    assert mine(book).exists()


@pytest.mark.parametrize("damage", ["gone", "torn"])
def test_without_its_manifest_nothing_of_the_readers_is_lost(book, damage):
    sync(book)
    mine(book).write_text("my own notes", encoding="utf-8")
    manifest = book / "my-notebooks" / ".handed-out.json"
    if damage == "gone":
        manifest.unlink()
    else:
        manifest.write_text("{", encoding="utf-8")
    sync(book)
    assert mine(book).read_text(encoding="utf-8") == "my own notes"
    page(book, "ja", "stride").write_text("second edition", encoding="utf-8")
    sync(book)
    assert mine(book, "ja").read_text(encoding="utf-8") == "second edition"    # it was unchanged: found again


def test_a_page_that_left_the_book_stays_with_the_reader(book):
    sync(book)
    page(book, "en", "stride").unlink()
    sync(book)
    assert mine(book).exists()


def test_the_readers_other_files_are_left_alone(book):
    sync(book)
    other = mine(book, name="my experiment")
    other.write_text("mine", encoding="utf-8")
    sync(book)
    assert other.read_text(encoding="utf-8") == "mine"
