// Every label and sentence of the page, in English and Japanese; a test holds the keys equal.
import { COST } from "./i18n_cost.js";
import { EDGE } from "./i18n_edge.js";
import { WALK } from "./i18n_walk.js";
import { REGIME } from "./i18n_regime.js";
import { SHARE } from "./i18n_share.js";
import { TRAIN } from "./i18n_train.js";

export const STRIDE = {
  en: {
    title: { stride: "Stride: gradient descent on a curve" },
    numbers: "The numbers",
    here: "computed in this page",
    lr: "Learning rate",
    curvature: "Curvature",
    start: "Start",
    steps: "Steps",
    curve: "Curve",
    curves: { quadratic: "parabola", tilted: "two wells", dent: "dented valley" },
    loss: "loss",
    step: "step",
    x: "x",
    slope: "slope",
    logLoss: "loss (log axis)",
    space: " ",
    limit: "2/curvature",
    wells: { tilted: ["limit, left well", "limit, right well"], dent: ["limit, dent", "limit, valley"] },
    into: {
      tilted: ["in the left well, the deeper one", "in the right well, the shallower one"],
      dent: ["in the dent, above the bottom of the valley", "at the bottom of the valley"],
    },
    verdicts: {
      monotone: "monotone",
      alternating: "alternating",
      periodic: "periodic",
      diverging: "diverging",
      wandering: "wandering",
    },
    says: {
      monotone: (v) => `The ball walks down without jumping across the bottom: after ${v.steps} steps x = ${v.x}.`,
      alternating: (v) => `Each step jumps across the bottom and lands nearer: after ${v.steps} steps x = ${v.x}.`,
      periodic: (v) => `The ball jumps to and fro for ever and comes no nearer: it repeats after ${v.period} steps.`,
      diverging: (v) =>
        `Each step lands farther out: after ${v.steps} steps x = ${v.x}. The rate is above what this curve allows.`,
      wandering: (v) => `The ball neither settles nor repeats itself: after ${v.steps} steps x = ${v.x}.`,
      factor: (v) => `Each step multiplies the distance to the bottom by 1 − ${v.lr} × ${v.curvature} = ${v.factor}.`,
    },
    rests: {
      monotone: (v) =>
        `The ball comes to rest ${v.into}, without jumping across it at the end: after ${v.steps} steps x = ${v.x}.`,
      alternating: (v) =>
        `The ball comes to rest ${v.into}, jumping across it in ever smaller steps: after ${v.steps} steps x = ${v.x}.`,
    },
    picture: (v) =>
      `Loss against x, with ${v.steps} steps of gradient descent from x = ${v.start}, and loss against step. Verdict: ${v.verdict}.`,
  },
  ja: {
    title: { stride: "歩幅:曲線の上の勾配降下" },
    numbers: "数値",
    here: "このページの中で計算",
    lr: "学習率",
    curvature: "曲率",
    start: "出発点",
    steps: "ステップ数",
    curve: "曲線",
    curves: { quadratic: "放物線", tilted: "二つの谷", dent: "くぼみのある谷" },
    loss: "損失",
    step: "ステップ",
    x: "x",
    slope: "傾き",
    logLoss: "損失（対数軸）",
    space: "",
    limit: "2/曲率",
    wells: { tilted: ["左の谷の限界", "右の谷の限界"], dent: ["くぼみの限界", "谷の限界"] },
    into: { tilted: ["左の深い谷", "右の浅い谷"], dent: ["谷底より高いくぼみ", "谷の底"] },
    verdicts: {
      monotone: "単調",
      alternating: "往復しながら収束",
      periodic: "往復が続く",
      diverging: "発散",
      wandering: "さまよう",
    },
    says: {
      monotone: (v) => `谷底を飛び越えずに下りていきます。${v.steps} ステップ後は x = ${v.x} です。`,
      alternating: (v) =>
        `一歩ごとに谷底を飛び越えますが、だんだん近づきます。${v.steps} ステップ後は x = ${v.x} です。`,
      periodic: (v) => `行ったり来たりが続き、近づきません。${v.period} ステップごとに同じ場所へ戻ります。`,
      diverging: (v) =>
        `一歩ごとに遠ざかります。${v.steps} ステップ後は x = ${v.x} です。この曲線には学習率が大きすぎます。`,
      wandering: (v) => `落ち着きもせず、同じ動きの繰り返しにもなりません。${v.steps} ステップ後は x = ${v.x} です。`,
      factor: (v) => `谷底までの距離は、一歩ごとに 1 − ${v.lr} × ${v.curvature} = ${v.factor} 倍になります。`,
    },
    rests: {
      monotone: (v) =>
        `最後に止まるのは${v.into}です。終わりには飛び越えずに近づきます。${v.steps} ステップ後は x = ${v.x} です。`,
      alternating: (v) =>
        `最後に止まるのは${v.into}です。飛び越える幅がだんだん小さくなります。${v.steps} ステップ後は x = ${v.x} です。`,
    },
    picture: (v) =>
      `左は x と損失、右はステップごとの損失。x = ${v.start} から勾配降下を ${v.steps} ステップ。判定:${v.verdict}。`,
  },
};

// One table a widget. Their words share one namespace; `title` and `lives` alone are joined.
export const TABLES = [STRIDE, TRAIN, EDGE, REGIME, WALK, COST, SHARE];

const merge = (...all) => ({
  ...Object.assign({}, ...all),
  ...Object.fromEntries(["title", "lives"].map((k) => [k, Object.assign({}, ...all.map((a) => a[k]))])),
});

export const WORDS = { en: merge(...TABLES.map((t) => t.en)), ja: merge(...TABLES.map((t) => t.ja)) };

export const words = (lang) => WORDS[lang] || WORDS.en;
