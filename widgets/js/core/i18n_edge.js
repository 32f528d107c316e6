// Labels and sentences of the edge of stability.
export const EDGE = {
  en: {
    title: { edge_of_stability: "Edge of stability: the sharpness climbs to 2/rate" },
    lives: { page: "this page trains the network itself; the curve before the first run is a recorded one" },
    width: "Units a layer",
    sharpness: "sharpness (loss per squared weight)",
    edge: "2/rate",
    limitNow: "2/sharpness",
    edges: {
      idle: () => "Press Run to train. Move the rate while it runs.",
      shown: (v) =>
        `Recorded at rate ${v.lr}, seed ${v.seed}: press Run to train it here, and move the rate while it runs.`,
      at: (v) =>
        `Step ${v.made} of ${v.n}: the loss is ${v.loss}, the sharpness ${v.sharpness}, and 2/rate is ${v.edge}.`,
      below: () => "Below the edge: nothing stops the sharpness from growing.",
      on: () => "At the edge: the sharpness stays near 2/rate, and the loss goes up and down on its way.",
      above: () =>
        "Above the edge: each step overshoots the steepest direction, until the sharpness falls or the run is lost.",
      gone: (v) => `Lost at step ${v.made}: the loss left at rate ${v.lr}.`,
      failed: () => "The run failed; the message is above.",
      picture: (v) => `Sharpness with the line 2/rate, and training loss, over ${v.n} steps.`,
    },
  },
  ja: {
    title: { edge_of_stability: "安定性の縁:鋭さは 2/学習率 まで上がる" },
    lives: { page: "このページの中で実際に学習します。最初の曲線は記録です" },
    width: "一層のユニット数",
    sharpness: "鋭さ（損失 ÷ 重みの二乗）",
    edge: "2/学習率",
    limitNow: "2/鋭さ",
    edges: {
      idle: () => "「学習する」を押すと始まります。学習中に学習率を動かしてみましょう。",
      shown: (v) =>
        `学習率 ${v.lr}、シード ${v.seed} の記録です。「学習する」を押すとここで学習が始まり、途中で学習率を動かせます。`,
      at: (v) =>
        `${v.n} ステップのうち ${v.made} ステップ目。損失は ${v.loss}、鋭さは ${v.sharpness}、2/学習率は ${v.edge} です。`,
      below: () => "縁より下です。鋭さが増えるのを止めるものはありません。",
      on: () => "縁にいます。鋭さは 2/学習率 の近くにとどまり、損失は上下しながら下がります。",
      above: () => "縁より上です。いちばん急な方向を毎回飛び越え、鋭さが下がるか、学習が壊れるまで続きます。",
      gone: (v) => `${v.made} ステップ目で壊れました。学習率 ${v.lr} で損失が飛び出しました。`,
      failed: () => "実行に失敗しました。理由は上にあります。",
      picture: (v) => `${v.n} ステップの鋭さと 2/学習率 の線、および学習損失。`,
    },
  },
};
