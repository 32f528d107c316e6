"""Terms, contents, doors: the small files around the pages."""

import csv

import pytest
import yaml

from lrbook import build
from lrbook.lint import forbidden
from lrbook.nbtext import BOOK, LANGUAGES
from lrbook.search_ja import SearchJapaneseBigram

ROOT = BOOK.parent


def toc_pages(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("file", "root"):
                yield value
            else:
                yield from toc_pages(value)
    elif isinstance(node, list):
        for item in node:
            yield from toc_pages(item)


def contents():
    return yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))


def test_contents_name_existing_pages_of_both_editions():
    listed = list(toc_pages(contents()))
    assert listed[0] == "book/en/index" and len(set(listed)) == len(listed)
    for name in listed:
        for lang in LANGUAGES:
            path = ROOT / name.replace("book/en/", f"book/{lang}/")
            assert any(path.with_suffix(suffix).exists() for suffix in (".ipynb", ".md")), f"{path} is in _toc.yml only"


def test_every_page_is_in_the_contents():
    listed = {name.rsplit("/", 1)[-1] for name in toc_pages(contents())}
    there = {path.stem for path in [*(BOOK / "en").glob("*.ipynb"), *(BOOK / "en").glob("*.md")]}
    assert there == listed & there, f"not in _toc.yml: {sorted(there - listed)}"


def test_captions_are_translated():
    captions = {part["caption"] for part in contents()["parts"]}
    conf = (BOOK / "conf.py").read_text(encoding="utf-8")
    assert all(f'"{caption}": ' in conf for caption in captions)


def test_terms_are_well_formed():
    with (BOOK / "terms.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["en", "ja", "never", "note"]
    assert all(row["en"] and row["ja"] and None not in row for row in rows)
    for key in ("en", "ja"):
        names = [row[key] for row in rows]
        assert len(set(names)) == len(names)
    allowed, never = forbidden()
    assert not set(never) & set(allowed)


def test_doors(tmp_path):
    (tmp_path / "ja").mkdir()
    build.write_doors(tmp_path)
    assert 'href="ja/book/ja/index.html"' in (tmp_path / "index.html").read_text(encoding="utf-8")
    assert "url=book/ja/index.html" in (tmp_path / "ja" / "index.html").read_text(encoding="utf-8")
    assert (tmp_path / ".nojekyll").exists() and not (tmp_path / "en").exists()


def test_build_refuses_another_language():
    with pytest.raises(ValueError, match="'de'"):
        build.build(("de",))


def test_stale_pages_go(tmp_path):
    gone = tmp_path / "en" / "book" / "en" / "no_such_page.html"
    kept = tmp_path / "en" / "book" / "en" / "index.html"
    gone.parent.mkdir(parents=True)
    for path in (gone, kept):
        path.write_text("", encoding="utf-8")
    assert build.remove_stale("en", tmp_path) == [gone] and kept.exists()


def test_query_and_index_cut_alike():
    pairs = list(SearchJapaneseBigram.pairs("学習率のSGD法"))
    assert pairs == ["学習", "習率", "率の", "SGD", "法"]


def test_vendored_files_are_whole():
    vendor = BOOK / "_static" / "vendor"
    assert (vendor / "mathjax" / "LICENSE").read_text(encoding="utf-8").lstrip().startswith("Apache License")
    assert (vendor / "mathjax" / "a11y" / "assistive-mml.js").exists()
    size = sum(path.stat().st_size for path in vendor.rglob("*") if path.is_file())
    assert size < 4_000_000
