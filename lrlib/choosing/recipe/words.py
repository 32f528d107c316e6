"""The report's words in English and Japanese."""

import math

import numpy as np

from ..._base.statistics import interval

COLUMNS = ("early", "constant", "finetune", "average", "decay")  # of the table rate by rate
WORDS = {
    "en": {
        "title": "A rate above the threshold: {task}, {rule}",
        "gain": "Gain here: {label} beats the best converging rate and the decayed schedule.",
        "gain_over_constant": "Gain over the best converging rate, but not over a decayed schedule: {label}.",
        "no_gain": "No gain here: against the best converging rate the interval of the difference includes zero.",
        "nothing_through": "No gain here: no rate above the threshold got all seeds through.",
        "no_constant": "No gain here: there is no converging rate to compare with.",
        "worse": "Worse here: a rate above the threshold loses, and the interval leaves out zero.",
        "nothing_converges": "No threshold: no rate reached a training loss of {converged:g} in {steps} steps (the lowest "
        "was {best:.3g}, at rate {at:.3g}). More steps, or a higher limit, may help.",
        "everything_diverges": "No threshold: every run diverged, down to rate {least:.3g}.",
        "everything_converges": "Nothing to compare: every rate up to {most:.3g} converges, so none lies above the "
        "threshold.",
        "threshold": "Convergence threshold (training loss {converged:g} in {steps} steps, most of {seeds} seeds): between "
        "{low:.4g} and {high:.4g}. The search took {spent} trainings; a grid of the same precision takes "
        "{grid}.",
        "no_threshold": "Rates tried and the lowest training loss there: {tried}.",
        "choices": ("way", "chosen on validation", "validation", "test, 95 % interval", ""),
        "differences": ("the large rate against", "test difference, 95 % interval", "seeds it wins", "verdict"),
        "ledger": ("cost", "trainings", "steps", "seconds, this call"),
        "by_rate": ("rate", "regime", "before fine-tuning", "held to the end", "fine-tuned", "averaged", "decayed"),
        "constant": "best converging rate",
        "decay": "decayed schedule",
        "finetune": "fine-tuning",
        "average": "averaging",
        "early": "before fine-tuning",
        "recommended": "<- recommended",
        "label_constant": "rate {rate}",
        "label_early": "rate {rate}",
        "label_decay": "cosine from {rate}",
        "label_finetune": "fine-tuning at {setting} from {rate}",
        "label_average": "average of {setting} snapshots at {rate}",
        "accuracy": "accuracy",
        "loss": "loss",
        "better": "better",
        "worse_word": "worse",
        "none": "not told apart",
        "of": "{wins} of {seeds}",
        "point": "points",
        "stages": {
            "range_test": "range test",
            "threshold": "threshold search",
            "constant": "constant rates",
            "decay": "decayed rates",
            "finetune": "fine-tuning",
            "average": "averaging",
            "total": "total",
        },
        "lead": "{seeds} seeds; {total} steps in every run that is compared: {steps} at the first rate and {more} after it. "
        "Each way was chosen by its mean {score} on the validation set; all numbers here are of the test set "
        "unless they say otherwise.",
        "figure_rate": "Test {score} after {total} steps by the first rate, with 95 % intervals over the seeds. The shaded "
        "strip holds the convergence threshold. Points on the lower edge lie below it.",
        "figure_difference": "Test {score} of the large rate less that of each reference, a dot a seed, with the mean and "
        "its 95 % interval. Right of zero the large rate is better.",
        "axis_rate": "first rate (log)",
        "heading_choices": "What was chosen",
        "heading_rates": "Rate by rate",
        "heading_differences": "Is it better?",
        "heading_cost": "What it cost",
        "heading_repeat": "The same again",
        "regime_note": "Regimes within {total} steps, of most seeds: 1 converges; 2A fine-tuning rates agree to a point; 2B "
        "they do not; 3 nothing is learned.",
        "repeat": "rule {rule}, seeds {seeds}, steps {steps}, finetune_steps {more}, snapshots {every} steps apart; "
        "lrlib on Python {python}, PyTorch {torch}.",
    },
    "ja": {
        "title": "境界を越える学習率：{task}、{rule}",
        "gain": "利得があります。{label}は、収束する最良の学習率にも、減衰させるスケジュールにもまさりました。",
        "gain_over_constant": "収束する最良の学習率にはまさりますが、減衰させるスケジュールには及ばないか、差がありません（{label}）。",
        "no_gain": "利得はありません。収束する最良の学習率との差の信頼区間が0を含みます。",
        "nothing_through": "利得はありません。境界を越える学習率では、全シードが最後まで進んだものがありません。",
        "no_constant": "利得はありません。比べる相手になる、収束する学習率がありません。",
        "worse": "かえって悪くなりました。境界を越える学習率が劣り、差の信頼区間が0を含みません。",
        "nothing_converges": "境界が見つかりません。{steps}ステップで学習損失{converged:g}に達した学習率はありません（最低は学習率"
        "{at:.3g}での{best:.3g}）。ステップを増やすか、基準を緩めてください。",
        "everything_diverges": "境界が見つかりません。学習率{least:.3g}まで下げても、すべて発散しました。",
        "everything_converges": "比べるものがありません。学習率{most:.3g}まですべて収束し、境界を越える学習率がありません。",
        "threshold": "収束の境界（{steps}ステップで学習損失{converged:g}、{seeds}シードの過半数）は{low:.4g}と{high:.4g}の間です。"
        "探索に使った学習は{spent}回で、同じ精度の格子なら{grid}回かかります。",
        "no_threshold": "試した学習率と、そこでの最低の学習損失：{tried}。",
        "choices": ("方法", "検証データで選んだ設定", "検証", "テスト（95%信頼区間）", ""),
        "differences": ("大きな学習率と比べる相手", "テストでの差（95%信頼区間）", "勝ったシード", "判定"),
        "ledger": ("費用", "学習の回数", "ステップ", "秒（この実行）"),
        "by_rate": ("学習率", "領域", "途中（調整の前）", "最後まで一定", "ファインチューニング", "重み平均", "減衰"),
        "constant": "収束する最良の学習率",
        "decay": "減衰させるスケジュール",
        "finetune": "ファインチューニング",
        "average": "重み平均",
        "early": "ファインチューニングの前",
        "recommended": "<- 推奨",
        "label_constant": "学習率{rate}",
        "label_early": "学習率{rate}",
        "label_decay": "{rate}からのコサイン減衰",
        "label_finetune": "{rate}のあと{setting}でのファインチューニング",
        "label_average": "{rate}での{setting}個の重み平均",
        "accuracy": "正解率",
        "loss": "損失",
        "better": "まさる",
        "worse_word": "劣る",
        "none": "区別できない",
        "of": "{seeds}個中{wins}個",
        "point": "ポイント",
        "stages": {
            "range_test": "範囲テスト",
            "threshold": "境界の探索",
            "constant": "一定の学習率",
            "decay": "減衰させる学習率",
            "finetune": "ファインチューニング",
            "average": "重み平均",
            "total": "合計",
        },
        "lead": "シードは{seeds}個。比べる学習はどれも{total}ステップで、はじめの学習率に{steps}、その後に{more}ステップを"
        "使います。設定は検証データの{score}の平均で選びました。断りのない数値はテストデータのものです。",
        "figure_rate": "はじめの学習率ごとの、{total}ステップ後のテストの{score}と、シードにわたる95%信頼区間。色の帯が収束の"
        "境界です。下端の点は、実際にはさらに下にあります。",
        "figure_difference": "大きな学習率のテストの{score}から比べる相手のものを引いた差。点がシード、太線が平均と95%信頼区間で、"
        "0より右なら大きな学習率がまさります。",
        "axis_rate": "はじめの学習率（対数）",
        "heading_choices": "選ばれた設定",
        "heading_rates": "学習率ごとの結果",
        "heading_differences": "よくなったか",
        "heading_cost": "かかった費用",
        "heading_repeat": "もう一度行うには",
        "regime_note": "{total}ステップまでの領域（シードの多数）：1は収束、2Aはファインチューニングの学習率によらず差が1ポイント未満、"
        "2Bはそれ以外、3は何も学んでいないところです。",
        "repeat": "rule {rule}、seeds {seeds}、steps {steps}、finetune_steps {more}、重みの保存は{every}ステップおき。"
        "Python {python}、PyTorch {torch}上のlrlib。",
    },
}


def of(language):
    """The words of a language; ``ValueError`` for another than "en" and "ja".

    >>> of("en")["decay"]
    'decayed schedule'
    """
    if language not in WORDS:
        raise ValueError(f'language must be "en" or "ja"; got {language!r}')
    return WORDS[language]


def score(report, language):
    """Name of the score; a metric of the user's own is called as the user calls it."""
    return of(language).get(report.score, report.score) if report.score in ("accuracy", "loss") else report.score


def labelled(candidate, language):
    """A candidate in words."""
    setting = candidate.setting if candidate.setting is None else f"{candidate.setting:.4g}"
    return of(language)[f"label_{candidate.arm}"].format(rate=f"{candidate.rate:.4g}", setting=setting)


def headline(report, language):
    """The outcome in one sentence."""
    say, key, asked = of(language), report.outcome, report.asked
    if key == "no_gain" and report.large is None:
        key = "nothing_through"
    if key == "no_gain" and report.arms["constant"] is None:
        key = "no_constant"
    tried = report.losses
    rate, lowest = min(tried, key=lambda row: (math.isnan(row[1]), row[1])) if tried else (math.nan, math.nan)
    return say[key].format(
        label=labelled(report.large, language) if report.large else "",
        converged=asked.converged,
        steps=asked.steps,
        best=lowest,
        at=rate,
        least=tried[0][0] if tried else math.nan,
        most=report.threshold.low if report.threshold else math.nan,
    )


def threshold(report, language):
    """What the search found and saved; without a threshold, what it tried."""
    say, found, asked = of(language), report.threshold, report.asked
    if found is None or not math.isfinite(found.high):
        pairs = ", ".join(f"{rate:.3g}: {'-' if math.isnan(loss) else f'{loss:.3g}'}" for rate, loss in report.losses)
        return say["no_threshold"].format(tried=pairs)
    spent = next(row["trainings"] for row in report.ledger if row["stage"] == "threshold")
    return say["threshold"].format(
        converged=asked.converged,
        steps=asked.steps,
        seeds=len(asked.seeds),
        low=found.low,
        high=found.high,
        spent=spent,
        grid=found.grid_trainings,
    )


def scale(report):
    """(factor, decimals, unit) in which scores are shown: an accuracy in per cent."""
    return (100.0, 2, " %") if report.asked.percent else (1.0, 4, "")


def shown(report, value):
    """A score as text.

    nan is "-".
    """
    factor, digits, unit = scale(report)
    return "-" if math.isnan(value) else f"{factor * value:.{digits}f}{unit}"


def choice(report, found, language):
    """Label, validation score, test score with its interval; dashes where there was nothing to choose."""
    if found is None:
        return "-", "-", "-"
    mean, low, high = report.interval(found)
    factor, digits, unit = scale(report)
    between = f"{factor * mean:.{digits}f}{unit} [{factor * low:.{digits}f}, {factor * high:.{digits}f}]"
    return labelled(found, language), shown(report, found.mean("valid")), between


def difference(report, found, language):
    """Reference, difference with its interval, seeds won, verdict."""
    say, (factor, digits, unit) = of(language), scale(report)
    values = [f"{factor * v:+.{digits}f}" for v in (found.mean, found.low, found.high)]
    unit = f" {say['point']}" if unit else ""
    verdict = say["worse_word" if found.verdict == "worse" else found.verdict]
    wins = say["of"].format(wins=found.wins, seeds=len(found.per_seed))
    return say[found.against], f"{values[0]}{unit} [{values[1]}, {values[2]}]", wins, verdict


def paid(row, language):
    """A row of the ledger."""
    return of(language)["stages"][row["stage"]], f"{row['trainings']:,}", f"{row['steps']:,}", f"{row['seconds']:.1f}"


def by_rate(report):
    """Rows of the table rate by rate: test means of every way, the setting of each chosen on validation."""
    rows, regimes = [], report.regimes
    for i, rate in enumerate(regimes.lr):
        names, counts = np.unique(regimes.regime[i], return_counts=True)
        cells = [shown(report, c.mean("test")) if (c := at_rate(report, arm, rate)) else "-" for arm in COLUMNS]
        rows.append((f"{rate:.4g}", str(names[counts.argmax()]), *cells))
    return rows


def at_rate(report, arm, rate):
    """The candidate of an arm at a rate, the best on validation where there are several; None without one."""
    pool = [c for c in report.candidates if c.arm == arm and c.rate == rate and np.isfinite(c.valid).all()]
    return min(pool, key=lambda c: c.mean("valid") * (1 if report.asked.lowest else -1), default=None)


def spread(candidate):
    """Mean test score and its interval."""
    return tuple(float(v) for v in interval(candidate.test)[:3])
