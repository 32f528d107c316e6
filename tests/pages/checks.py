"""Questions put to an open page."""

from site_under_test import AXE, AXE_URL

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
    return new Uint32Array(pen.getImageData(0, 0, 40, 40).data.buffer); };
  const none = new Map(), missing = [];
  for (const [c, font] of seen) {
    if (!none.has(font)) none.set(font, draw("\\u{10FFFD}", font));
    const blank = none.get(font);
    if (draw(c, font).every((pixel, i) => pixel === blank[i])) missing.push("missing glyph: " + c + " U+" + c.codePointAt(0).toString(16));
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

THEME = """const theme = async (name) => {
  document.documentElement.dataset.theme = document.documentElement.dataset.mode = name;
  for (let i = 0; i < 3; i++) await new Promise(requestAnimationFrame);
};"""

FINDINGS = """const serious = (found) => found.violations.filter(v => ["serious", "critical"].includes(v.impact))
  .map(v => v.impact + " " + v.id + ": " + v.nodes.slice(0, 3).map(n => n.target.join(" ") + " " + n.html.slice(0, 90)).join(" | "));"""

# the rules about colours are axe's slowest, are judged in every theme, and see a text's kind alone
COLOURS = ("color-contrast", "link-in-text-block")

# Left out are the rules that can find nothing serious, and the coloured words of code, which carry nothing but a colour:
# for the time of the question each listing is one text. What stands in a listing with more than that stays as it is.
AXE_REST = (
    """async (colours) => {
  %s
  const minor = axe._audit.rules.filter(r => ["minor", "moderate"].includes(r.impact)).map(r => r.id);
  const plain = (e) => e.tagName === "SPAN" && e.getAttributeNames().every(name => name === "class");
  const listings = [...document.querySelectorAll("pre")].filter(e => e.childElementCount && [...e.querySelectorAll("*")].every(plain));
  const inner = listings.map(e => [...e.childNodes]);
  listings.forEach(e => e.replaceChildren(e.textContent));
  try {
    return serious(await axe.run(document, { resultTypes: ["violations"],
      rules: Object.fromEntries([...colours, ...minor].map(name => [name, { enabled: false }])) }));
  } finally { listings.forEach((e, i) => e.replaceChildren(...inner[i])); }
}"""
    % FINDINGS
)

# A verdict on colours depends on a text's colour, size, weight and ground, and on what a link stands in: three texts of
# each kind in each theme stand for all of their kind, and every control for itself. The rest of the page is emptied
# before axe looks, since axe's time goes with the number of elements: boxes, style sheets, and ancestors with their
# grounds stay, and the chosen texts must look as before.
AXE_COLOURS = """async (colours) => {
  %s
  %s
  const owns = (e) => [...e.childNodes].some(n => n.nodeType === Node.TEXT_NODE && n.data.trim());
  const sample = (chosen) => {
    const grounds = new Map(), kinds = new Map();
    const ground = (e) => { if (!e) return "";
      if (!grounds.has(e)) { const s = getComputedStyle(e), clear = s.backgroundImage === "none" && /, 0\\)$/.test(s.backgroundColor);
        const [colour, opacity] = (ground(e.parentElement) || "|1").split("|");
        grounds.set(e, (clear ? colour : s.backgroundColor + s.backgroundImage) + "|" + opacity * s.opacity); }
      return grounds.get(e); };
    for (const e of document.body.querySelectorAll("*")) {
      const control = ["INPUT", "SELECT", "TEXTAREA"].includes(e.tagName), link = e.tagName === "A";
      if (!control && !link && !owns(e)) continue;
      const s = getComputedStyle(e), around = e.parentElement;
      const kind = [s.color, s.fontSize, s.fontWeight, s.textShadow, s.visibility, ground(e), ...(link
        ? [s.textDecorationLine, s.borderBottom, s.fontStyle, s.fontFamily, getComputedStyle(around).color, owns(around)] : [])].join("|");
      kinds.set(kind, (kinds.get(kind) || 0) + 1);
      if (control || kinds.get(kind) <= 3) chosen.add(e);
    }
  };
  const look = (e) => { const s = getComputedStyle(e); return [s.color, s.backgroundColor, s.fontSize, s.fontWeight, s.opacity].join(); };
  const chosen = new Set(), whole = new Set(), kept = new Set(), looks = new Map(), found = [];
  for (const name of ["light", "dark"]) { await theme(name); sample(chosen); }
  if (!chosen.size) return [];
  for (const e of [...chosen, ...document.body.querySelectorAll("style")]) {
    whole.add(e); e.querySelectorAll("*").forEach(inner => whole.add(inner));
    for (let up = e.parentElement; up && !kept.has(up); up = up.parentElement) kept.add(up);
  }
  chosen.forEach(e => looks.set(e, look(e)));
  const prune = (e) => { for (const child of e.children)
    if (kept.has(child)) prune(child); else if (!whole.has(child)) child.replaceChildren(); };
  prune(document.body);
  for (const name of ["dark", "light"]) {
    await theme(name);
    if (name === "dark") for (const [e, before] of looks)
      if (look(e) !== before) found.push("emptying the page changed a text: " + e.outerHTML.slice(0, 90));
    found.push(...serious(await axe.run({ include: [...chosen] }, { runOnly: { type: "rule", values: colours }, resultTypes: ["violations"] }))
      .map(line => name + ": " + line));
  }
  return found;
}""" % (THEME, FINDINGS)


def settled(page):
    """Wait for maths and fonts; what went wrong with them."""
    return page.evaluate(SETTLE)


def axe(page):
    """Serious and critical findings of axe-core, of every rule but those about colours."""
    return _axe(page, AXE_REST)


def contrast(page):
    """The findings of axe-core's rules about colours in both themes; it empties the page of all that it need not see."""
    return _axe(page, AXE_COLOURS)


def _axe(page, question):
    if not page.evaluate("() => typeof axe === 'object'"):
        served = page.url.startswith("http:")  # from one address, so that the browser compiles it once
        page.add_script_tag(**({"url": AXE_URL} if served else {"path": str(AXE)}))
    return page.evaluate(question, list(COLOURS))
