"""The built site and a browser for it: shared by all page tests, one browser and one context a worker."""

import contextlib
import functools
import html.parser
import http.server
import os
import re
import shutil
import threading
import urllib.parse
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "_build" / "html"
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
AXE_URL = "/axe.min.js"  # where `served` answers with it
LANGUAGES = ("en", "ja")
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
    "--allow-file-access-from-files=false",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
BENIGN = re.compile(r"Got invalid theme mode")  # the theme says this on a first visit
LOCAL = ("http://127.0.0.1:", "file://", "data:", "blob:", "about:", "chrome-error:")


def browser_path():
    """Chromium on this machine, or None."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM)), None)


def page_paths(lang):
    """All built pages of an edition, relative to the site; empty if it was not built."""
    folder = SITE / lang
    found = sorted(path.relative_to(SITE).as_posix() for path in folder.rglob("*.html") if "_static" not in path.parts)
    return [path for path in found if path != f"{lang}/index.html"]


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, and axe-core; they stay fresh, which spares hundreds of requests."""

    def translate_path(self, path):
        return str(AXE) if path == AXE_URL else super().translate_path(path)

    def end_headers(self):
        self.send_header("Cache-Control", "max-age=3600")
        super().end_headers()

    def log_message(self, *arguments):
        pass


@contextlib.contextmanager
def served(folder):
    """The address under which `folder` is served."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Quiet, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Watch:
    """What a page did that it should not: requests to other hosts, failed requests, errors."""

    def __init__(self, page):
        self.foreign, self.errors, self.messages = [], [], []
        page.on("request", lambda r: r.url.startswith(LOCAL) or self.foreign.append(r.url))
        page.on("requestfailed", self._failed)
        page.on("response", lambda r: r.status >= 400 and self.errors.append(f"{r.status} {r.url}"))
        page.on("pageerror", lambda error: self.errors.append(f"exception: {error}"))
        page.on("console", self._console)

    def _failed(self, request):
        # a page that is left gives up what it still loads; a missing file fails with another word
        if not (request.url.startswith(LOCAL) and "ERR_ABORTED" in (request.failure or "")):
            self.errors.append(f"request failed: {request.url}: {request.failure}")

    def _console(self, message):
        if message.type == "error" and not BENIGN.search(message.text):
            self.errors.append(f"console: {message.text}")

    def problems(self):
        return [f"asks another host: {url}" for url in self.foreign] + self.errors

    def clear(self):
        self.foreign, self.errors = [], []


class Page(html.parser.HTMLParser):
    """Anchors, references and loaded files of one HTML page."""

    LOADERS = ("script", "img", "link", "iframe", "source", "video", "audio")

    def __init__(self):
        super().__init__()
        self.ids, self.references, self.foreign, self.pictures = set(), [], [], []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids.update(found[key] for key in ("id", "name") if found.get(key))
        if tag == "img":
            self.pictures.append(found)
        for value in filter(None, (found.get("href"), found.get("src"))):
            self.references.append(value)
            outside = re.match(r"(https?:)?//", value) and found.get("rel") not in ("canonical", "alternate")
            if tag in self.LOADERS and outside:
                self.foreign.append(value)


def read_pages(root, pattern="*.html"):
    """`{path: Page}` of the HTML pages below `root`."""
    pages = {}
    for path in sorted(Path(root).resolve().rglob(pattern)):
        if "_static" not in path.parts:
            pages[path] = Page()
            pages[path].feed(path.read_text(encoding="utf-8"))
    return pages


def link_problems(root, pages=None):
    """Broken relative links and anchors, and files loaded from elsewhere, below `root`, whose `pages` may be read already."""
    pages, bad = pages or read_pages(root), []
    for path, page in pages.items():
        name = path.relative_to(Path(root).resolve())
        bad += [f"{name}: loads {url}" for url in page.foreign]
        for reference in page.references:
            url = urllib.parse.urlsplit(reference)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / urllib.parse.unquote(url.path)).resolve() if url.path else path
            target = target / "index.html" if target.is_dir() else target
            fragment = urllib.parse.unquote(url.fragment)
            if not target.exists():
                bad.append(f"{name}: no file {reference}")
            elif fragment and target in pages and fragment not in pages[target].ids:
                bad.append(f"{name}: no anchor {reference}")
    return bad
