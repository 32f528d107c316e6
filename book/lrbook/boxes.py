"""A claim as a box of a notebook and as lines of text: the statement and what was found; how it was judged is folded."""

from html import escape

from .language import t

COLON = {"en": ": ", "ja": "："}


def text(claim):
    """The lines that a terminal shows."""
    head = claim.head()
    lines = [f"{claim.row['id']} [{claim.verdict_word}] {head and head + ': '}{claim.sentence}"]
    for said, word, ground in claim.parts():
        lines.append(f"  {word}: " + "; ".join(words for words in (said, ground) if words))
    lines += [f"  {mark} {claim.found(row)} → {word}, {role}" for mark, row, role, word in claim.others()]
    lines += [f"  {note}" for note in claim.notes()]
    return "\n".join([*lines, f"  {claim.source()}"])


def html(claim):
    """The box; its folded part opens without a script."""
    kind, head = claim.verdict.name.replace(" ", "-"), claim.head()
    word = f'<strong class="lr-claim-verdict">{escape(claim.verdict_word)}</strong>'
    count = f' <span class="lr-claim-count">{escape(head)}</span>' if head else ""
    warning = claim.warning()
    note = f'<p class="lr-claim-note">{escape(warning)}</p>' if warning else ""
    return (
        f'<div class="lr-claim lr-{kind}" role="note" lang="{claim.lang}">'
        f'<p class="lr-claim-head"><span class="lr-claim-id">{claim.row["id"]}</span> {word}{count}</p>'
        f'<p class="lr-claim-sentence">{escape(claim.sentence)}</p>{_parts(claim)}{note}{_judged(claim)}</div>'
    )


def _parts(claim):
    items = [
        f"<li>{f'{escape(said)}{COLON[claim.lang]}' if said else ''}<b>{escape(word)}</b>"
        + (f'<span class="lr-claim-test">{escape(ground)}</span>' if ground else "")
        + "</li>"
        for said, word, ground in claim.parts()
    ]
    return f'<ul class="lr-claim-parts">{"".join(items)}</ul>' if items else ""


def _judged(claim):
    """The folded part: the source, and every measured row with its borders, its rule and what was measured before."""
    marks = "".join(mark for mark, *_ in claim.others())
    further = f' {escape(t("claim.further", claim.lang))} <span aria-hidden="true">{marks}</span>' if marks else ""
    notes = "".join(f"<p>{escape(note)}</p>" for note in (claim.source(), *claim.remarks()))
    blocks = "".join(f"<li><b>{escape(name)}</b><dl>{_facts(row)}</dl></li>" for name, row in _rows(claim))
    rows = f"<ul>{blocks}</ul>" if blocks else ""
    said = escape(t("claim.judged" if blocks else "claim.sources", claim.lang))
    return f'<details class="lr-claim-judged"><summary>{said}{further}</summary>{notes}{rows}</details>'


def _rows(claim):
    """(heading, what there is to say of it) for each measured row, those that decide first."""
    colon, found = COLON[claim.lang], []
    for part, row in claim.cores():
        heading = [part.part.text.get(claim.lang, ""), t(f"verdict.{row.verdict}", claim.lang)]
        found.append((colon.join(filter(None, heading)), claim.about(row, part)))
    return found + [(f"{mark} {word}{colon}{role}", claim.about(row)) for mark, row, role, word in claim.others()]


def _facts(row):
    return "".join(f"<dt>{escape(label)}</dt><dd>{escape(words)}</dd>" for label, words in row)
