// A canvas picture of one or two panels: axes, lines, dots and marks, in the colours of the page.
import { decimate, logTicks, text, ticks } from "./numbers.js";
import { isDark, onTheme, palette } from "./theme.js";

// box {x, y, w, h} in CSS pixels; X and Y {lo, hi, log, label}.
export class Panel {
  constructor(g, colors, box, X, Y) {
    Object.assign(this, { g, colors, box, X, Y });
    const scale = (A, a, length) => {
      const f = A.log ? Math.log10 : Number,
        lo = f(A.lo),
        k = length / (f(A.hi) - lo || 1);
      return (v) => a + (f(v) - lo) * k;
    };
    this.x = scale(X, box.x, box.w);
    this.y = scale(Y, box.y + box.h, -box.h);
  }

  frame({ below = true } = {}) {
    const { g, box, Y, colors } = this;
    g.lineWidth = 1;
    g.strokeStyle = colors.grid;
    g.fillStyle = colors.soft;
    g.setLineDash([]);
    g.textAlign = "right";
    g.textBaseline = "middle";
    for (const v of Y.log ? logTicks(Y.lo, Y.hi, 6) : ticks(Y.lo, Y.hi, box.h / 45)) {
      const y = this.y(v);
      this.path([box.x, y, box.x + box.w, y]);
      g.fillText(text(v), box.x - 6, y);
    }
    if (below) this.below();
    g.textAlign = "left";
    g.textBaseline = "bottom";
    g.fillText(Y.label || "", Math.max(2, box.x - 40), box.y - 5);
    return this;
  }

  // The horizontal axis: ticks, numbers and label under the box.
  below() {
    const { g, box, X, colors } = this;
    g.lineWidth = 1;
    g.strokeStyle = colors.grid;
    g.fillStyle = colors.soft;
    g.textAlign = "center";
    g.textBaseline = "top";
    for (const v of X.log ? logTicks(X.lo, X.hi, box.w / 60) : ticks(X.lo, X.hi, box.w / 70)) {
      const x = this.x(v);
      this.path([x, box.y + box.h, x, box.y + box.h + 4]);
      g.fillText(text(v), x, box.y + box.h + 7);
    }
    g.fillText(X.label || "", box.x + box.w / 2, box.y + box.h + 23);
  }

  path(p) {
    const { g } = this;
    g.beginPath();
    g.moveTo(p[0], p[1]);
    for (let i = 2; i < p.length; i += 2) g.lineTo(p[i], p[i + 1]);
    g.stroke();
  }

  inside(draw) {
    const { g, box } = this;
    g.save();
    g.beginPath();
    g.rect(box.x - 1, box.y - 1, box.w + 2, box.h + 2);
    g.clip();
    draw();
    g.restore();
    return this;
  }

  /** @type {(xs: number[], ys: number[], color: string, how?: {width?: number, dash?: number[], alpha?: number, n?: number}) => this} */
  line(xs, ys, color, { width = 1.8, dash = [], alpha = 1, n = Math.min(xs.length, ys.length) } = {}) {
    const { g } = this,
      y = (i) => Math.max(-1e4, Math.min(1e4, this.y(ys[i])));
    return this.inside(() => {
      g.strokeStyle = color;
      g.lineWidth = width;
      g.globalAlpha = alpha;
      g.setLineDash(dash);
      g.lineJoin = "round";
      for (const run of decimate(
        n,
        (i) => this.x(xs[i]),
        (i) => (Number.isFinite(ys[i]) ? y(i) : NaN),
      ))
        if (run.length > 2) this.path(run);
        else g.fillRect(run[0] - 1, run[1] - 1, 2, 2);
    });
  }

  // Straight lines from point to point, in the order of the points (x may turn back).
  trail(xs, ys, color, { width = 1.2, alpha = 1 } = {}) {
    const { g } = this,
      limit = (v) => Math.max(-1e4, Math.min(1e4, v));
    return this.inside(() => {
      g.strokeStyle = color;
      g.lineWidth = width;
      g.globalAlpha = alpha;
      g.setLineDash([]);
      g.beginPath();
      for (let i = 0; i < xs.length; i++)
        if (Number.isFinite(ys[i])) g.lineTo(limit(this.x(xs[i])), limit(this.y(ys[i])));
      g.stroke();
    });
  }

  dots(xs, ys, color, { radius = 3, hollow = false } = {}) {
    const { g } = this;
    return this.inside(() => {
      g.fillStyle = hollow ? this.colors.page : color;
      g.strokeStyle = color;
      g.lineWidth = 1.6;
      g.setLineDash([]);
      for (let i = 0; i < xs.length; i++) {
        const y = this.y(ys[i]);
        if (Number.isFinite(y) && Math.abs(y) < 1e5) {
          g.beginPath();
          g.arc(this.x(xs[i]), y, radius, 0, 7);
          g.fill();
          g.stroke();
        }
      }
    });
  }

  // A vertical line at x with a label that stays on the picture; `level` moves the label down.
  mark(x, label, color, { dash = [4, 3], level = 0 } = {}) {
    const { g, box } = this,
      px = this.x(x);
    if (!(px >= box.x - 1 && px <= box.x + box.w + 1)) return this;
    g.strokeStyle = g.fillStyle = color;
    g.lineWidth = 1.4;
    g.setLineDash(dash);
    this.path([px, box.y, px, box.y + box.h]);
    g.setLineDash([]);
    const w = g.measureText(label).width,
      left = px + 4 + w > box.x + box.w;
    return this.label(label, left ? px - 4 - w : px + 4, box.y + 15 + 15 * level, color);
  }

  title(words, x, y, color, align) {
    const { g } = this;
    g.fillStyle = color;
    g.textAlign = align;
    g.textBaseline = "top";
    g.fillText(words, x, y);
    return this;
  }

  // The area from one curve to another.
  between(xs, low, high, color) {
    return this.inside(() => {
      const { g } = this;
      g.fillStyle = color;
      g.globalAlpha = 0.14;
      g.beginPath();
      xs.forEach((x, k) => g.lineTo(this.x(x), this.y(high[k])));
      xs.map((_, k) => xs.length - 1 - k).forEach((k) => g.lineTo(this.x(xs[k]), this.y(low[k])));
      g.fill();
    });
  }

  // Text on a patch of the page's colour.
  label(words, x, y, color) {
    const { g } = this,
      w = g.measureText(words).width;
    g.globalAlpha = 0.82;
    g.fillStyle = this.colors.page;
    g.fillRect(x - 2, y - 1, w + 4, 15);
    g.globalAlpha = 1;
    g.fillStyle = color;
    g.textAlign = "left";
    g.textBaseline = "top";
    g.fillText(words, x, y);
    return this;
  }
}

// draw(g, width, height, colors) is called on each change of data, size or theme, at most once a frame.
export class Picture {
  constructor(root, draw, height) {
    this.root = root;
    this.draw = draw;
    this.height = height;
    this.paper = false;
    this.waiting = 0;
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.size = new ResizeObserver(() => this.soon());
    this.size.observe(this.canvas);
    this.offTheme = onTheme((why) => {
      this.paper = why === "print";
      if (this.paper) this.now();
      else this.soon();
    });
  }

  soon() {
    if (!this.waiting)
      this.waiting = requestAnimationFrame(() => {
        this.waiting = 0;
        this.now();
      });
  }

  now() {
    const { canvas, root } = this,
      width = canvas.clientWidth;
    if (!width) return;
    const height = this.height(width),
      R = window.devicePixelRatio || 1,
      dark = !this.paper && isDark();
    root.dataset.dark = dark;
    canvas.style.height = height + "px";
    if (canvas.width !== Math.round(width * R) || canvas.height !== Math.round(height * R)) {
      canvas.width = Math.round(width * R);
      canvas.height = Math.round(height * R);
    }
    const g = canvas.getContext("2d");
    g.setTransform(R, 0, 0, R, 0, 0);
    g.clearRect(0, 0, width, height);
    g.font = "12px " + (getComputedStyle(root).fontFamily || "sans-serif");
    this.draw(g, width, height, palette(dark));
  }

  end() {
    this.size.disconnect();
    this.offTheme();
    cancelAnimationFrame(this.waiting);
  }
}
