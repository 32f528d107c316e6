"""The report as one HTML page that needs nothing else."""

import platform
from html import escape

import torch

from . import figures, words

STYLE = """
:root { color-scheme: light dark; --page: #fff; --ink: #1c2227; --soft: #5a666f; --line: #d8dee3; --strip: #eef1f4;
  --early: #6b7780; --constant: #0b62b8; --decay: #8a5a00; --finetune: #b3261e; --average: #1a7a3c; }
@media (prefers-color-scheme: dark) { :root { --page: #14181b; --ink: #e6eaed; --soft: #a3aeb6; --line: #3a444b;
  --strip: #242c31; --early: #9aa6ae; --constant: #6db3f8; --decay: #e0aa4a; --finetune: #ff8a80;
  --average: #6ed08f; } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.5rem 1rem 3rem; max-width: 46rem; background: var(--page); color: var(--ink);
  font: 16px/1.6 system-ui, "Hiragino Sans", "Noto Sans JP", "Noto Sans CJK JP", sans-serif; }
:lang(ja) { word-break: auto-phrase }
h1 { font-size: 1.3rem; line-height: 1.35; margin: 0 0 1rem; overflow-wrap: anywhere }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem }
.outcome { border-left: 4px solid var(--ink); padding: .2rem 0 .2rem .8rem; font-weight: 600; font-size: 1.1rem }
.outcome.gain { border-color: var(--average) } .outcome.worse { border-color: var(--finetune) }
figure { margin: 1.5rem 0 0 } figcaption, .note { color: var(--soft); font-size: .88rem }
.figure { display: block; width: 100%; height: auto } .figure.narrow { display: none }
@media (max-width: 560px) { .figure.wide { display: none } .figure.narrow { display: block } }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: .1rem 1rem; margin: 0; padding: 0; font-size: .88rem }
.legend li { display: flex; align-items: center; gap: .3rem } .key { width: 28px; height: 14px }
text { font-size: 12px; fill: var(--soft) } text.name { fill: var(--ink); font-size: 13px }
.grid, .tick { stroke: var(--line); fill: none } .strip { fill: var(--strip) }
.zero { stroke: var(--soft); stroke-dasharray: 3 3; fill: none }
.line { fill: none; stroke-width: 2 } .bar { fill: none; stroke-width: 1; opacity: .6 } .mark { stroke-width: 1.5 }
.early { stroke: var(--early); fill: none } .line.early { stroke-dasharray: 4 4 }
.line.constant { stroke-dasharray: 9 3 } .line.decay { stroke-dasharray: 2 3 }
.constant { stroke: var(--constant) } .decay { stroke: var(--decay) }
.finetune { stroke: var(--finetune) } .average { stroke: var(--average) }
.mark.constant, .mark.decay, .mark.finetune, .mark.average { fill: var(--page) }
.dot { fill: var(--soft); opacity: .75 } .span { stroke: var(--ink); stroke-width: 2 }
.mean { stroke: var(--ink); stroke-width: 3 }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-size: .9rem }
th, td { text-align: right; padding: .3rem .5rem; border-bottom: 1px solid var(--line) }
td { font-variant-numeric: tabular-nums }
th:first-child, td:first-child { text-align: left; padding-left: 0 } td { white-space: nowrap }
th { color: var(--soft); font-weight: 500; vertical-align: bottom; min-width: 3.2rem }
.words td { white-space: normal; min-width: 5.5rem } tr.chosen td { font-weight: 600 }
"""


def page(report, language="en"):
    """The whole page as text; ``language``: "en" or "ja"."""
    say, asked = words.of(language), report.asked
    title = say["title"].format(task=asked.task.name, rule=asked.rule.name)
    kind = {"gain": "gain", "gain_over_constant": "gain", "worse": "worse"}.get(report.outcome, "plain")
    body = [f"<h1>{escape(title)}</h1>", f'<p class="outcome {kind}">{escape(report.headline(language))}</p>']
    body += _compared(report, language) if report.candidates else []
    body += [
        f"<h2>{escape(say['heading_cost'])}</h2>",
        _para(words.threshold(report, language)),
        _table(say["ledger"], [words.paid(row, language) for row in report.ledger]),
        f"<h2>{escape(say['heading_repeat'])}</h2>",
        _para(_repeat(asked, say), "note"),
    ]
    return (
        f'<!doctype html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{escape(title)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n" + "\n".join(body) + "\n</body>\n</html>\n"
    )


def _compared(report, language):
    """Figures and tables of a comparison."""
    say, asked = words.of(language), report.asked
    lead = say["lead"].format(
        seeds=len(asked.seeds),
        total=asked.total,
        steps=asked.steps,
        more=asked.finetune_steps,
        score=words.score(report, language),
    )
    chosen = [found is report.recommended for found in report.arms.values()]
    note = say["regime_note"].format(total=asked.total)
    parts = [
        _para(lead),
        _figure(report, language, figures.by_rate, "figure_rate", above=figures.legend(report, language)),
    ]
    if report.differences:
        rows = [words.difference(report, found, language) for found in report.differences]
        parts += [
            f"<h2>{escape(say['heading_differences'])}</h2>",
            _table(say["differences"], rows, "words"),
            _figure(report, language, figures.differences, "figure_difference"),
        ]
    rows = [
        (say[arm], *words.choice(report, found, language), say["recommended"].strip("<- ") if mark else "")
        for (arm, found), mark in zip(report.arms.items(), chosen)
    ]
    return [
        *parts,
        f"<h2>{escape(say['heading_choices'])}</h2>",
        _table(say["choices"], rows, "words", chosen),
        f"<h2>{escape(say['heading_rates'])}</h2>",
        _table(say["by_rate"], words.by_rate(report)),
        _para(note, "note"),
    ]


def _repeat(asked, say):
    return say["repeat"].format(
        rule=asked.rule.name,
        seeds=", ".join(map(str, asked.seeds)),
        steps=asked.steps,
        more=asked.finetune_steps,
        every=asked.every,
        python=platform.python_version(),
        torch=torch.__version__,
    )


def _figure(report, language, draw, caption, above=""):
    text = words.of(language)[caption].format(score=words.score(report, language), total=report.asked.total)
    both = "".join(draw(report, language, size) for size in figures.SIZES)
    return f"<figure>{above}{both}<figcaption>{escape(text)}</figcaption></figure>"


def _para(text, kind=""):
    return f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>"


def _table(head, rows, kind="", marked=()):
    cells = "".join(f"<th>{escape(text)}</th>" for text in head)
    lines = []
    for i, row in enumerate(rows):
        mark = ' class="chosen"' if i < len(marked) and marked[i] else ""
        lines.append(f"<tr{mark}>{''.join(f'<td>{_kept(escape(text))}</td>' for text in row)}</tr>")
    body = f"<thead><tr>{cells}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="scroll {kind}"><table>{body}</table></div>'


def _kept(text):
    """Numbers stay together with their unit and inside their brackets."""
    return text.replace(", ", ",&nbsp;").replace(" %", "&nbsp;%")
