import re

import pytest

from lrwidgets import strings

JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


def test_every_string_is_there_in_both_languages_with_the_same_blanks():
    for key, said in strings.STRINGS.items():
        assert set(said) == set(strings.LANGUAGES), key
        blanks = {lang: sorted(re.findall(r"\{(\w+)", text)) for lang, text in said.items()}
        assert blanks["en"] == blanks["ja"], key
        assert JAPANESE.search(said["ja"]) and not JAPANESE.search(said["en"]), key


def test_language_is_checked():
    with pytest.raises(ValueError, match="'fr'.*en, ja"):
        strings.set_language("fr")
    assert strings.language() == "en"
