// @ts-check
// Rows of float32 numbers, append-only; a row knows its number, so a lost message shows.

export class Series {
  /** @param {number} width */
  constructor(width) {
    this.width = width;
    this.n = 0;
    this.data = new Float32Array(256 * width);
  }

  clear() {
    this.n = 0;
    this.data = new Float32Array(256 * this.width);
  }

  /**
   * Rows that begin at row `first`; false if rows before them are missing.
   * @param {Float32Array} rows
   */
  add(rows, first = 0) {
    if (first > this.n) return false;
    const end = first * this.width + rows.length;
    if (end > this.data.length) {
      const more = new Float32Array(2 * end);
      more.set(this.data);
      this.data = more;
    }
    this.data.set(rows, first * this.width);
    this.n = Math.max(this.n, first + Math.floor(rows.length / this.width));
    return true;
  }

  /** @type {(row: number, column: number) => number} */
  at(row, column) {
    return this.data[row * this.width + column];
  }

  /** @param {number} c */
  column(c, n = this.n) {
    const out = new Float64Array(n);
    for (let i = 0; i < n; i++) out[i] = this.at(i, c);
    return out;
  }

  copy() {
    const s = new Series(this.width);
    s.add(this.data.slice(0, this.n * this.width));
    return s;
  }
}

/**
 * A buffer of a message or of stored state → float32.
 * @param {ArrayBuffer | ArrayBufferView | null | undefined} buffer
 */
export function floats(buffer) {
  if (!buffer || !buffer.byteLength) return new Float32Array(0);
  const v = ArrayBuffer.isView(buffer) ? buffer : new DataView(buffer);
  const bytes = v.byteLength - (v.byteLength % 4);
  return new Float32Array(v.buffer.slice(v.byteOffset, v.byteOffset + bytes));
}

/** @type {(base64: string) => Uint8Array} */
export const bytes = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
