// Labels and sentences of the regime explorer.
export const REGIME = {
  en: {
    title: { regime_explorer: "Regime explorer: where the first rate leads" },
    firstRate: "Pre-training rate",
    accuracy: "accuracy",
    barrierAxis: "barrier (percentage points)",
    firstAxis: "pre-training rate (log axis)",
    arms: {
      pretrain_accuracy: "pre-trained",
      finetune_best: "fine-tuned",
      finetune_worst: "fine-tuned, worst rate",
      average_accuracy: "averaged",
      feature_accuracy: "strongest feature alone",
    },
    columns: {
      regime: "regime",
      pretrain_loss: "training loss",
      pretrain_accuracy: "pre-trained",
      finetune_best: "fine-tuned, best",
      finetune_worst: "fine-tuned, worst",
      average_accuracy: "averaged",
      feature_accuracy: "strongest feature",
      feature_finetuned: "strongest, fine-tuned",
      feature_averaged: "strongest, averaged",
      barrier: "barrier, points",
    },
    regimes: {
      idle: (v) => `Press Run to train ${v.lanes} rates at once.`,
      trains: (v) => `Pre-training, step ${v.made} of ${v.n}: at rate ${v.lr} the loss is ${v.loss}.`,
      tunes: (v) => `Fine-tuning the ${v.lanes} solutions.`,
      stopped: (v) => `Stopped after ${v.made} of ${v.n} pre-training steps.`,
      failed: () => "The run failed; the message is above.",
      recorded: (v) => `Recorded over ${v.pairs} pairs of data and seed, ${v.n} pre-training steps.`,
      recordedOne: (v) => `Recorded on one pair of data and seed, ${v.n} pre-training steps.`,
      share: (v) => `${v.share} of ${v.pairs} pairs are in this regime at this rate.`,
      what: {
        1: (v) => `Rate ${v.lr}, regime 1: it converges, to a training loss of ${v.loss}.`,
        2: (v) => `Rate ${v.lr}, regime 2: above the convergence threshold; the loss stays at ${v.loss}.`,
        "2A": (v) =>
          `Rate ${v.lr}, regime 2A: above the convergence threshold, and all fine-tuning rates lead to the same place; the loss stays at ${v.loss}.`,
        "2B": (v) =>
          `Rate ${v.lr}, regime 2B: above the convergence threshold, and the fine-tuning rate matters; the loss stays at ${v.loss}.`,
        3: (v) => `Rate ${v.lr}, regime 3: nothing is learned; the loss is ${v.loss}.`,
      },
      before: (v) => `Test accuracy ${v.pretrained}; averaged ${v.averaged}; the strongest feature alone ${v.feature}.`,
      after: (v) => `Fine-tuned ${v.worst} to ${v.best}, by fine-tuning rate; barrier ${v.barrier} points.`,
      picture: (v) =>
        `Training loss over the steps for ${v.lanes} rates; accuracies and barrier against the pre-training rate, with the regimes 1, 2A, 2B and 3.`,
    },
  },
  ja: {
    title: { regime_explorer: "領域の探検:最初の学習率はどこへ導くか" },
    firstRate: "前半の学習率",
    accuracy: "正解率",
    barrierAxis: "障壁（ポイント）",
    firstAxis: "前半の学習率（対数軸）",
    arms: {
      pretrain_accuracy: "前半の終わり",
      finetune_best: "ファインチューニング後",
      finetune_worst: "同（最も悪い学習率）",
      average_accuracy: "重み平均",
      feature_accuracy: "最も強い特徴だけ",
    },
    columns: {
      regime: "領域",
      pretrain_loss: "学習損失",
      pretrain_accuracy: "前半の終わり",
      finetune_best: "ファインチューニング、最良",
      finetune_worst: "ファインチューニング、最悪",
      average_accuracy: "重み平均",
      feature_accuracy: "最も強い特徴",
      feature_finetuned: "同、ファインチューニング後",
      feature_averaged: "同、重み平均",
      barrier: "障壁（ポイント）",
    },
    regimes: {
      idle: (v) => `「学習する」を押すと、${v.lanes} 個の学習率で一斉に学習します。`,
      trains: (v) => `前半の ${v.n} ステップのうち ${v.made} ステップ目。学習率 ${v.lr} の損失は ${v.loss} です。`,
      tunes: (v) => `${v.lanes} 個の解をファインチューニングしています。`,
      stopped: (v) => `前半の ${v.n} ステップのうち ${v.made} ステップで止めました。`,
      failed: () => "実行に失敗しました。理由は上にあります。",
      recorded: (v) => `データとシードの組 ${v.pairs} 個、前半 ${v.n} ステップの記録です。`,
      recordedOne: (v) => `データとシードの組ひとつ、前半 ${v.n} ステップの記録です。`,
      share: (v) => `この学習率では、${v.pairs} 組のうち ${v.share} 組がこの領域です。`,
      what: {
        1: (v) => `学習率 ${v.lr} は領域 1。収束し、学習損失は ${v.loss} です。`,
        2: (v) => `学習率 ${v.lr} は領域 2。収束の境界より上で、損失は ${v.loss} にとどまります。`,
        "2A": (v) =>
          `学習率 ${v.lr} は領域 2A。収束の境界より上で、どの学習率でファインチューニングしても同じところに着きます。損失は ${v.loss} にとどまります。`,
        "2B": (v) =>
          `学習率 ${v.lr} は領域 2B。収束の境界より上で、ファインチューニングの学習率しだいで結果が変わります。損失は ${v.loss} にとどまります。`,
        3: (v) => `学習率 ${v.lr} は領域 3。何も学べず、損失は ${v.loss} です。`,
      },
      before: (v) =>
        `テストの正解率は ${v.pretrained}、重み平均では ${v.averaged}、最も強い特徴だけでは ${v.feature} です。`,
      after: (v) =>
        `ファインチューニング後は、その学習率により ${v.worst} から ${v.best}。障壁は ${v.barrier} ポイントです。`,
      picture: (v) =>
        `${v.lanes} 個の学習率の損失とステップ。正解率と障壁を前半の学習率に対して描き、領域 1、2A、2B、3 を示します。`,
    },
  },
};
