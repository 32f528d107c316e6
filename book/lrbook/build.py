"""Build the site: `python -m lrbook.build [en|ja …]` writes `_build/html/{en,ja}` and the doors to them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = ("en", "ja")
DOOR = """<!doctype html>
<html lang="{lang}"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width"><meta name="description" content="{title}">
<link rel="canonical" href="{target}">{script}
<meta http-equiv="refresh" content="0; url={target}"></head>
<body><p>{links}</p></body></html>
"""
CHOOSE = (
    '\n<script>if ((navigator.language || "").slice(0, 2) === "ja") location.replace("ja/book/ja/index.html");</script>'
)
TITLES = {"en": "The Learning Rate", "ja": "学習率"}


def sphinx_command(lang: str, out: Path) -> list[str]:
    """The build of one edition: every warning is an error, all of them are shown."""
    return [
        sys.executable,
        "-m",
        "sphinx",
        "-n",
        "-W",
        "--keep-going",
        "-q",
        "-c",
        "book",
        "-b",
        "html",
        "-d",
        str(ROOT / "_build" / "doctrees" / lang),
        ".",
        str(out / lang),
    ]


def build_edition(lang: str, out: Path) -> int:
    """Build one language; returns Sphinx's exit status."""
    environment = dict(os.environ, BOOK_LANG=lang, PYTHONUTF8="1")
    return subprocess.call(sphinx_command(lang, out), cwd=ROOT, env=environment)


def remove_stale(lang: str, out: Path) -> list[Path]:
    """Delete built pages whose source is gone (Sphinx leaves them); returns what went."""
    folder, gone = out / lang / "book", []
    for page in folder.rglob("*.html") if folder.is_dir() else ():
        source = ROOT / page.relative_to(out / lang)
        if not any(source.with_suffix(suffix).exists() for suffix in (".ipynb", ".md")):
            page.unlink()
            gone.append(page)
    return gone


def write_doors(out: Path) -> None:
    """Redirecting index pages: the site's root, and the root of each edition."""
    out.mkdir(parents=True, exist_ok=True)
    link = '<a href="{0}" lang="{1}">{2}</a>'
    both = " · ".join(link.format(f"{lang}/book/{lang}/index.html", lang, TITLES[lang]) for lang in LANGUAGES)
    (out / "index.html").write_text(
        DOOR.format(
            lang="en", title="The Learning Rate · 学習率", script=CHOOSE, target="en/book/en/index.html", links=both
        ),
        encoding="utf-8",
    )
    for lang in LANGUAGES:
        if (out / lang).is_dir():
            target = f"book/{lang}/index.html"
            page = DOOR.format(
                lang=lang, title=TITLES[lang], script="", target=target, links=link.format(target, lang, TITLES[lang])
            )
            (out / lang / "index.html").write_text(page, encoding="utf-8")
    (out / ".nojekyll").write_text("", encoding="utf-8")


def build(languages=LANGUAGES, out: Path = ROOT / "_build" / "html") -> int:
    """Build the named editions into `out`; returns the worst exit status. Raises `ValueError` for another language."""
    unknown = [lang for lang in languages if lang not in LANGUAGES]
    if unknown:
        raise ValueError(f"unknown language {unknown[0]!r}; allowed are {', '.join(LANGUAGES)}")
    worst = 0
    for lang in languages:
        began = time.perf_counter()
        remove_stale(lang, out)
        status = build_edition(lang, out)
        print(
            f"{lang}: {'built' if status == 0 else f'FAILED ({status})'} in {time.perf_counter() - began:.1f} s",
            flush=True,
        )
        worst = max(worst, abs(status))
    write_doors(out)
    return worst


if __name__ == "__main__":
    sys.exit(build(tuple(sys.argv[1:]) or LANGUAGES))
