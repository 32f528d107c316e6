// @ts-check
// Light or dark, as the book's theme, JupyterLab or the system says; colours for both.

const LIGHT = {
  ink: "#1f2328",
  soft: "#57606a",
  grid: "#d0d7de",
  page: "#ffffff",
  a: "#0072B2",
  b: "#C04A00",
  c: "#007A5A",
  ghost: "#8c959f",
  band: "rgba(0,114,178,.16)",
};
const DARK = {
  ink: "#e6edf3",
  soft: "#a9b4bf",
  grid: "#3d444d",
  page: "#14181e",
  a: "#6CBEF0",
  b: "#FFA461",
  c: "#4FD1A5",
  ghost: "#8b949e",
  band: "rgba(108,190,240,.22)",
};

export function isDark(doc = document) {
  const root = doc.documentElement.dataset.theme,
    lab = doc.body && doc.body.dataset.jpThemeLight;
  if (lab === "false" || lab === "true") return lab === "false";
  if (root === "dark" || root === "light") return root === "dark";
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** @type {(dark: boolean) => typeof LIGHT} */
export const palette = (dark) => (dark ? DARK : LIGHT);

export const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/**
 * Calls back when the theme may have changed, before and after printing; returns how to end that.
 * @type {(call: (why: MutationRecord[] | "print" | "screen") => void) => () => void}
 */
export function onTheme(call) {
  const seen = new MutationObserver(call),
    media = matchMedia("(prefers-color-scheme: dark)");
  seen.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "data-mode", "class"] });
  seen.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  const paper = () => call("print"),
    screen = () => call("screen");
  media.addEventListener("change", screen);
  addEventListener("beforeprint", paper);
  addEventListener("afterprint", screen);
  return () => {
    seen.disconnect();
    media.removeEventListener("change", screen);
    removeEventListener("beforeprint", paper);
    removeEventListener("afterprint", screen);
  };
}
