"""Japanese search by pairs of characters.

Sphinx's own splitter cuts the pages into words, but the page cuts the reader's query at spaces only,
so a compound such as 勾配降下法 finds nothing. Here both sides cut runs of Japanese characters into
overlapping pairs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sphinx.search import SearchLanguage

CJK = r"[\u3005\u3040-\u30ff\u4e00-\u9fff\uff66-\uff9f]"


class SearchJapaneseBigram(SearchLanguage):
    """Index and query as character pairs.

    >>> list(SearchJapaneseBigram.pairs("勾配降下法 SGD"))
    ['勾配', '配降', '降下', '下法', 'SGD']
    """

    lang = "ja"
    language_name = "Japanese"
    js_stemmer_code = "var Stemmer = function () { this.stemWord = function (w) { return w; }; };"
    js_splitter_code = r"""
var splitQuery = function (query) {
  var out = [], cjk = /^[\u3005\u3040-\u30ff\u4e00-\u9fff\uff66-\uff9f]/;
  var runs = query.match(/[\u3005\u3040-\u30ff\u4e00-\u9fff\uff66-\uff9f]+|[A-Za-z0-9_\u00c0-\u024f\u0370-\u03ff]+/g) || [];
  runs.forEach(function (run) {
    if (!cjk.test(run) || run.length < 3) { out.push(run); return; }
    for (var i = 0; i + 2 <= run.length; i++) out.push(run.slice(i, i + 2));
  });
  return out;
};"""
    RUN = re.compile(CJK + r"+|[A-Za-z0-9_\u00c0-\u024f\u0370-\u03ff]+")

    @classmethod
    def pairs(cls, text: str) -> Iterator[str]:
        for run in cls.RUN.findall(text):
            if re.match(CJK, run) and len(run) > 2:
                yield from (run[i : i + 2] for i in range(len(run) - 1))
            else:
                yield run

    def split(self, text: str) -> list[str]:
        return list(self.pairs(text))

    def word_filter(self, word: str) -> bool:
        return len(word) > 0

    def stem(self, word: str) -> str:
        return word.lower()


def setup(app):
    app.add_search_language(SearchJapaneseBigram)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
