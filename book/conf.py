"""Sphinx configuration of both editions; `BOOK_LANG` says which (`python -m lrbook.build` sets it)."""

import os
import pathlib
import sys

import yaml

BOOK = pathlib.Path(__file__).resolve().parent
ROOT = BOOK.parent
sys.path[:0] = [str(BOOK), str(ROOT), str(ROOT / "widgets")]

LANG = os.environ.get("BOOK_LANG", "en")
if LANG not in ("en", "ja"):
    raise ValueError(f"BOOK_LANG is {LANG!r}; allowed are 'en' and 'ja'")
from lrbook.cards import write_pages  # noqa: E402

OTHER = {"en": ("ja", "日本語"), "ja": ("en", "English")}[LANG]
WORDS = {
    "en": {
        "title": "The Learning Rate",
        "subtitle": "an interactive textbook",
        "footer": 'Text and figures: <a href="https://creativecommons.org/licenses/by/4.0/">CC BY 4.0</a>. Code: MIT.',
        "about": "How the learning rate shapes training: chapters, experiments and controls to move.",
    },
    "ja": {
        "title": "学習率",
        "subtitle": "動かして学ぶ教科書",
        "footer": '本文と図：<a href="https://creativecommons.org/licenses/by/4.0/deed.ja">CC BY 4.0</a>。コード：MIT。',
        "about": "学習率は学習をどう変えるのか。本文と実験、動かせる図で確かめます。",
    },
}[LANG]
CAPTIONS = {
    "ja": {
        "Start here": "はじめに",
        "The accelerator pedal": "アクセルペダル",
        "Where large rates lead": "大きな学習率の行き先",
        "Practice": "実践",
        "Reference": "資料",
        "The library": "ライブラリ",
    }
}


write_pages(BOOK / LANG, LANG)  # before the table of contents is read


def language_toc():
    """Path of the table of contents of this edition; the Japanese one is made from the English."""
    if LANG == "en":
        return "_toc.yml"

    def walk(node):
        if isinstance(node, dict):
            return {
                key: CAPTIONS[LANG][value]
                if key == "caption"
                else value.replace("book/en/", f"book/{LANG}/")
                if key in ("file", "root", "glob")
                else walk(value)
                for key, value in node.items()
            }
        return [walk(item) for item in node] if isinstance(node, list) else node

    path = ROOT / "_build" / f"_toc.{LANG}.yml"
    path.parent.mkdir(exist_ok=True)
    toc = walk(yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8")))
    path.write_text(yaml.safe_dump(toc, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return str(path)


project = WORDS["title"]
author = "The authors of The Learning Rate"
copyright = "2026"
html_title = f"{WORDS['title']}{': ' if LANG == 'en' else '——'}{WORDS['subtitle']}"
language = LANG
extensions = [
    "myst_nb",
    "sphinx_external_toc",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx_togglebutton",
    "sphinx_exercise",
    "sphinx_proof",
    "sphinxcontrib.bibtex",
    "lrbook.sphinx_pages",
    "lrbook.sphinx_figures",
    "lrbook.sphinx_ledger",
    "lrbook.sphinx_facts",
    "lrbook.sphinx_cards",
    "lrbook.sphinx_api",
    "lrbook.search_ja",
]
exclude_patterns = [
    ".*",
    "**/.*",
    "_build",
    "tests",
    "lrlib",
    "widgets",
    "node_modules",
    "my-notebooks",
    "*.md",
    "docs",
    "book/edit",
    "book/assignments/**/student",
    "book/experiments",
    "book/results",
    "book/lrbook",
    "**/*.py",
    f"book/{OTHER[0]}",
    f"book/assignments/{OTHER[0]}",
]
external_toc_path = language_toc()
external_toc_exclude_missing = True
templates_path = ["_templates"]
numfig = True
numfig_secnum_depth = 1
math_numfig = True
if LANG == "ja":
    numfig_format = {"figure": "図 %s", "table": "表 %s", "code-block": "リスト %s", "section": "第 %s 節"}

# notebooks: outputs are stored, nothing runs here
nb_execution_mode = "off"
nb_ipywidgets_js = {}
nb_merge_streams = True
if LANG == "ja":
    nb_code_prompt_show, nb_code_prompt_hide = "コードを見る", "コードを隠す"
    togglebutton_hint, togglebutton_hint_hide = "開く", "閉じる"
else:
    nb_code_prompt_show, nb_code_prompt_hide = "Show the code", "Hide the code"
myst_enable_extensions = [
    "amsmath",
    "attrs_inline",
    "attrs_block",
    "colon_fence",
    "deflist",
    "dollarmath",
    "substitution",
    "tasklist",
]
myst_heading_anchors = 3
myst_dmath_double_inline = True
myst_links_external_new_tab = False

# the API reference, from lrlib's docstrings
default_role = "lr-name"
autodoc_typehints = "none"
autodoc_preserve_defaults = True
autodoc_inherit_docstrings = False
autodoc_member_order = "bysource"
nitpick_ignore_regex = [(r"py:.*", r"(\w+Error|\w+Warning|torch\..*|numpy\..*)")]

bibtex_bibfiles = [str(BOOK / "references.bib")]
bibtex_default_style = "unsrtalpha"
bibtex_reference_style = "author_year"
copybutton_selector = "div.highlight pre"
copybutton_exclude = ".linenos, .gp, .go"
if LANG == "ja":
    copybutton_prompt_text = ""

# mathematics from our own files, with no speech worker (blocked on file://)
mathjax_path = "vendor/mathjax/tex-chtml.js"
mathjax4_config = {
    "loader": {"paths": {"fonts": "[mathjax]/../@mathjax"}},
    "output": {"fontPath": "[fonts]/%%FONT%%-font"},
    "options": {
        "enableSpeech": False,
        "enableBraille": False,
        "enableExplorer": False,
        "menuOptions": {"settings": {"speech": False, "braille": False, "assistiveMml": True}},
    },
}

KIT = ROOT / "widgets" / "lrwidgets" / "static"
html_theme = "sphinx_book_theme"
html_static_path = ["_static"] + ([str(KIT)] if KIT.is_dir() else [])
html_css_files = ["book.css"] + (["kit.css"] if (KIT / "kit.css").exists() else [])
html_js_files = ["book.js"] + (["page.js"] if (KIT / "page.js").exists() else [])
html_favicon = "_static/favicon.svg"
html_logo = "_static/logo.svg"
html_copy_source = True
html_show_sphinx = False
html_theme_options = {
    "navbar_persistent": [],
    "use_download_button": True,
    "use_fullscreen_button": False,
    "show_toc_level": 2,
    "max_navbar_depth": 1,  # the cards of the experiments are listed on a page of their own
    "logo": {"text": WORDS["title"], "alt_text": WORDS["title"]},
    "extra_footer": f"<p>{WORDS['footer']}</p>",
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {
    "**": [
        "navbar-logo.html",
        "lang-switch.html",
        "search-button-field.html",
        "sbt-sidebar-nav.html",
        "index-link.html",
    ]
}
html_context = {
    "other_lang": OTHER[0],
    "other_lang_name": OTHER[1],
    "this_lang": LANG,
    "default_mode": "auto",
    "about": WORDS["about"],
}
