// The parts that every widget has: a row of controls, a picture, a sentence, a failure, a table of numbers.
import { h } from "./controls.js";
import { Picture } from "./chart.js";
import { words } from "./i18n.js";

export class Frame {
  /**
   * @param {import("./model.js").Model} model
   * @param {HTMLElement} el
   * @param {{kind: string, height: (width: number) => number, draw: (g: CanvasRenderingContext2D, width: number,
   *   height: number, colors: ReturnType<typeof import("./theme.js").palette>) => void}} view
   */
  constructor(model, el, { kind, draw, height }) {
    const lang = model.get("lang") === "ja" ? "ja" : "en";
    this.model = model;
    this.t = words(lang);
    this.later = 0;
    this.onTable = () => {}; // fills the table of numbers, while it is open
    this.ends = [];
    this.row = h("div", { class: "lrw-row" });
    this.buttons = h("div", { class: "lrw-row lrw-buttons" });
    this.say = h("p", { class: "lrw-say", role: "status", "aria-live": "polite" });
    this.badge = h("p", { class: "lrw-badge" });
    this.alert = h("div", { class: "lrw-alert", role: "alert" });
    this.table = h("table");
    this.details = h(
      "details",
      {},
      h("summary", { "data-lm-suppress-shortcuts": "true" }, this.t.numbers),
      h(
        "div",
        {
          class: "lrw-scroll",
          tabindex: 0,
          role: "group",
          "aria-label": this.t.numbers,
          "data-lm-suppress-shortcuts": "true",
        },
        this.table,
      ),
    );
    this.root = h("div", { class: "lrw", lang, "data-kind": kind, role: "group", "aria-label": this.t.title[kind] });
    this.picture = new Picture(this.root, draw, height);
    this.root.append(this.row, this.buttons, this.alert, this.picture.canvas, this.say, this.badge, this.details);
    el.append(this.root);
    this.details.addEventListener("toggle", () => this.onTable && this.details.open && this.onTable());
    model.on("error", () => this.failure());
    this.failure();
  }

  failure(words = this.model.get("error")) {
    this.alert.textContent = words || "";
    this.alert.hidden = !words;
  }

  // The sentence: at once for the eye, at most every `gap` ms for a screen reader.
  speak(sentence, label, gap = 300) {
    this.sentence = sentence;
    this.label = label;
    if (this.later) return;
    const tell = () => {
      if (this.say.textContent !== this.sentence) this.say.textContent = this.sentence;
      this.picture.canvas.setAttribute("aria-label", this.label || this.sentence);
    };
    tell();
    this.later = setTimeout(() => {
      this.later = 0;
      tell();
    }, gap);
  }

  // head: column names; rows: cells as text.
  numbers(head, rows) {
    this.table.replaceChildren(
      h("thead", {}, h("tr", {}, ...head.map((c) => h("th", { scope: "col" }, c)))),
      h("tbody", {}, ...rows.map((r) => h("tr", {}, ...r.map((c) => h("td", {}, c))))),
    );
  }

  end() {
    clearTimeout(this.later);
    this.ends.forEach((f) => f());
    this.picture.end();
    this.model.off();
    this.root.remove();
  }
}
