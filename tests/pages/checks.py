"""Questions put to an open page."""
from site_under_test import AXE

SETTLE = """async () => {
  if (window.MathJax && MathJax.startup && MathJax.startup.promise) await MathJax.startup.promise;
  await document.fonts.ready;
  const untypeset = [...document.querySelectorAll("span.math, div.math")].filter(e => !e.querySelector("mjx-container"));
  const broken = [...document.querySelectorAll("mjx-merror, [data-mjx-error]")].map(e => e.textContent);
  const fonts = [...document.fonts].filter(f => f.status === "error").map(f => f.family);
  return [...untypeset.map(e => "maths not typeset: " + e.textContent.slice(0, 60)),
          ...broken.map(t => "maths error: " + t), ...fonts.map(f => "font failed: " + f)];
}"""

# a glyph is missing if it is drawn exactly like a character that no font has
GLYPHS = """() => {
  const seen = new Map(), walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const box = node.parentElement;
    if (!box || box.closest("script,style,mjx-container,noscript,template")) continue;
    for (const c of node.data) if (c > "~" && !/[\\s\\p{Cf}\\p{M}]/u.test(c) && !seen.has(c)) seen.set(c, getComputedStyle(box).fontFamily);
  }
  const canvas = document.createElement("canvas"); canvas.width = canvas.height = 40;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const draw = (c, font) => { pen.clearRect(0, 0, 40, 40); pen.font = "24px " + font; pen.fillText(c, 6, 30);
    return pen.getImageData(0, 0, 40, 40).data.join(); };
  const none = new Map(), missing = [];
  for (const [c, font] of seen) {
    if (!none.has(font)) none.set(font, draw("\\u{10FFFD}", font));
    if (draw(c, font) === none.get(font)) missing.push("missing glyph: " + c + " U+" + c.codePointAt(0).toString(16));
  }
  return missing;
}"""

OVERFLOW = """() => {
  const wide = document.documentElement.scrollWidth, room = document.documentElement.clientWidth;
  if (wide <= room + 1) return [];
  const guilty = [...document.querySelectorAll("main *")].filter(e => e.getBoundingClientRect().right > room + 1)
    .slice(0, 4).map(e => e.tagName + "." + e.className);
  return ["page is " + wide + " px wide in a window of " + room + ": " + guilty.join(", ")];
}"""

PICTURES = """() => [...document.querySelectorAll("main img")]
  .flatMap(i => [...(i.alt.trim() ? [] : ["picture without alt: " + i.src.slice(-60)]),
                 ...(i.complete && !i.naturalWidth ? ["picture not shown: " + i.src.slice(-60)] : [])])"""

# each stored widget view must have become a widget with controls, and none may show an error
WIDGETS = """async () => {
  const views = [...document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]')], bad = [];
  const alive = (view) => { const box = view.previousElementSibling || view.nextElementSibling || view.parentElement;
    return [box, view.parentElement].some(e => e && e.querySelector("canvas, svg") && e.querySelector("input, button, select")); };
  for (let i = 0; i < 40 && !views.every(alive); i++) await new Promise(done => setTimeout(done, 100));
  views.forEach((view, i) => { if (!alive(view)) bad.push("widget " + i + " did not start"); });
  document.querySelectorAll('main [role="alert"]').forEach(e => { if (e.textContent.trim()) bad.push("widget error: " + e.textContent.slice(0, 80)); });
  return bad;
}"""

# contrast is axe's slowest rule, and depends on a text's colour, size, weight and ground alone: three texts of each kind
# stand for all of their kind
AXE_RUN = """async (contrast) => {
  const ground = (e) => { let opacity = 1, colour = "";
    for (; e; e = e.parentElement) { const s = getComputedStyle(e); opacity *= s.opacity;
      if (!colour && (s.backgroundImage !== "none" || !/, 0\\)$/.test(s.backgroundColor))) colour = s.backgroundColor + s.backgroundImage; }
    return colour + opacity; };
  const kinds = new Map(), texts = [];
  if (contrast) for (const e of document.body.querySelectorAll("*")) {
    const controls = ["INPUT", "SELECT", "TEXTAREA"].includes(e.tagName);
    if (!controls && ![...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim())) continue;
    const style = getComputedStyle(e), kind = [style.color, style.fontSize, style.fontWeight, style.textShadow, style.visibility, ground(e)].join("|");
    kinds.set(kind, (kinds.get(kind) || 0) + 1);
    if (controls || kinds.get(kind) <= 3) texts.push(e);
  }
  if (contrast && !texts.length) return [];
  const found = await (contrast ? axe.run({ include: texts }, { runOnly: { type: "rule", values: ["color-contrast"] }, resultTypes: ["violations"] })
    : axe.run(document, { resultTypes: ["violations"], rules: { "color-contrast": { enabled: false } } }));
  return found.violations.filter(v => ["serious", "critical"].includes(v.impact))
    .map(v => v.impact + " " + v.id + ": " + v.nodes.slice(0, 3).map(n => n.target.join(" ") + " " + n.html.slice(0, 90)).join(" | "));
}"""


def settled(page):
    """Wait for maths and fonts; what went wrong with them."""
    return page.evaluate(SETTLE)


def axe(page):
    """Serious and critical findings of axe-core, of every rule but that of contrast."""
    return _axe(page, False)


def contrast(page):
    """The findings of axe-core's rule of contrast, in the theme that is set."""
    return _axe(page, True)


def _axe(page, contrast):
    if not page.evaluate("() => typeof axe === 'object'"):
        page.add_script_tag(path=str(AXE))
    return page.evaluate(AXE_RUN, contrast)


def set_theme(page, name):
    """Switch the theme the way its button does."""
    page.evaluate("""async name => {
      document.documentElement.dataset.theme = document.documentElement.dataset.mode = name;
      for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
    }""", name)
