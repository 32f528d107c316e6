// Labels and sentences of the cost ledger.
export const COST = {
  en: {
    title: { cost_ledger: "Cost ledger: what a search costs and what it brings" },
    ledger: {
      trainings: "Extra trainings",
      training_cost: "Cost of a training",
      gain: "Gain (points)",
      gain_low: "Gain, low",
      gain_high: "Gain, high",
      point_value: "Worth of a point a month",
      inference_cost: "Inference a month",
      inference_change: "Inference, change (%)",
      months: "Months of use",
    },
    money: "money (your currency)",
    month: "months of use",
    measured: "measured",
    entries: { training: "trainings", inference: "inference", accuracy: "accuracy", net: "net" },
    costs: {
      plus: (v) =>
        `After ${v.months} months the search has brought ${v.net} (${v.low} to ${v.high} over the interval of the gain).`,
      minus: (v) =>
        `After ${v.months} months the search has cost ${v.net} more than it brought (${v.low} to ${v.high} over the interval of the gain).`,
      pays: (v) => `It pays for itself after ${v.needed} months.`,
      never: () => "It never pays for itself: each month costs at least as much as it brings.",
      gain: (v) => `The gain that just pays is ${v.gain} points.`,
      open: () => "The interval reaches from a loss to a profit: the numbers do not decide.",
      measured: (v) => `Measured in this book: ${v.names}.`,
      picture: (v) => `Net value over ${v.months} months with the interval of the gain, and the entries of the ledger.`,
    },
    entry: "entry",
    amount: "amount",
  },
  ja: {
    title: { cost_ledger: "費用の帳簿:探索にかかる費用と得られる価値" },
    ledger: {
      trainings: "追加の学習回数",
      training_cost: "学習一回の費用",
      gain: "改善（ポイント）",
      gain_low: "改善の下限",
      gain_high: "改善の上限",
      point_value: "1 ポイントの価値（月）",
      inference_cost: "推論の費用（月）",
      inference_change: "推論の費用の変化（%）",
      months: "使う月数",
    },
    money: "金額（お使いの通貨）",
    month: "使った月数",
    measured: "実測",
    entries: { training: "学習", inference: "推論", accuracy: "正解率", net: "差引" },
    costs: {
      plus: (v) =>
        `${v.months} か月後、探索は差引 ${v.net} の価値を生みます（改善の区間では ${v.low} から ${v.high}）。`,
      minus: (v) =>
        `${v.months} か月後、探索は差引 ${v.net} の損になります（改善の区間では ${v.low} から ${v.high}）。`,
      pays: (v) => `${v.needed} か月で元が取れます。`,
      never: () => "元は取れません。毎月の費用が毎月の価値以上です。",
      gain: (v) => `ちょうど元が取れる改善は ${v.gain} ポイントです。`,
      open: () => "区間は損から得にまたがっています。この数値だけでは決まりません。",
      measured: (v) => `この本で測った値：${v.names}。`,
      picture: (v) => `${v.months} か月の差引の価値と、改善の区間。帳簿の内訳も示します。`,
    },
    entry: "項目",
    amount: "金額",
  },
};
