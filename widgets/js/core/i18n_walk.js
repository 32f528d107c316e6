// Labels and sentences of the landscape walk.
export const WALK = {
  en: {
    title: { landscape_walk: "Landscape walk: from one solution to another" },
    walker: "Place on the way from A to B",
    shown: "Height",
    way: "place: 0 is A, 1 is B",
    across: "across the way",
    trainError: "training error (%)",
    trainLoss: "training loss",
    heights: { loss: "training loss", error: "training error" },
    barrier: "barrier",
    walks: {
      idle: () => "Press Run to train two solutions and to measure the land between them.",
      trains: (v) => `Training the solutions: ${v.share} % of the work is done.`,
      stopped: () => "Stopped before the land was measured.",
      failed: () => "The run failed; the message is above.",
      recorded: (v) => `Recorded, seed ${v.seed}, ${v.n} pre-training steps.`,
      from: (v) =>
        `Pre-trained at rate ${v.lr}. A is fine-tuned at ${v.low}, B at ${v.high}, C is the mean of checkpoints before that.`,
      here: (v) => `At ${v.at} the training loss is ${v.loss} and the training error ${v.error} %.`,
      flat: () => "No barrier: no point between A and B lies above the mean of the two.",
      slope: (v) =>
        `The highest point is one of the two ends: no hill stands between them, and the barrier, ${v.height} (${v.unit}), is half their difference.`,
      hill: (v) =>
        `A hill: the barrier, the highest point between A and B above their mean, is ${v.height} (${v.unit}).`,
      units: { loss: "loss", error: "percentage points" },
      picture: (v) =>
        `A plane through the solutions A, B and C, shaded by ${v.what}, and its height along the straight way from A to B, with the barrier.`,
    },
  },
  ja: {
    title: { landscape_walk: "地形を歩く:ひとつの解から別の解へ" },
    walker: "A から B への位置",
    shown: "高さ",
    way: "位置：0 が A、1 が B",
    across: "道に直交する向き",
    trainError: "学習の誤り（%）",
    trainLoss: "学習損失",
    heights: { loss: "学習損失", error: "学習の誤り" },
    barrier: "障壁",
    walks: {
      idle: () => "「学習する」を押すと、二つの解を学習し、そのあいだの地形を測ります。",
      trains: (v) => `解を学習しています。${v.share} % まで進みました。`,
      stopped: () => "地形を測る前に止めました。",
      failed: () => "実行に失敗しました。理由は上にあります。",
      recorded: (v) => `シード ${v.seed}、前半 ${v.n} ステップの記録です。`,
      from: (v) =>
        `前半の学習率は ${v.lr}。A は ${v.low}、B は ${v.high} でファインチューニングした解、C はその前のチェックポイントの平均です。`,
      here: (v) => `位置 ${v.at} での学習損失は ${v.loss}、誤りは ${v.error} % です。`,
      flat: () => "障壁はありません。A と B のあいだに、両者の平均より高いところはありません。",
      slope: (v) => `いちばん高いのは端です。あいだに丘はなく、障壁 ${v.height}（${v.unit}）は両端の差の半分です。`,
      hill: (v) =>
        `丘があります。障壁、つまり A と B のあいだの最高点が両者の平均より高い分は、${v.height}（${v.unit}）です。`,
      units: { loss: "損失", error: "ポイント" },
      picture: (v) =>
        `解 A、B、C を通る平面を${v.what}で塗り分けた図と、A から B へまっすぐ進むときの高さ。障壁も示します。`,
    },
  },
};
