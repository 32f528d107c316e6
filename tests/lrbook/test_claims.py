"""The tables of the book: all claims, in both languages, with their places; and how a claim is shown."""

import ast
import csv
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import lrbook
from lrbook import claims, ledger, verdicts
from lrbook.language import LANGUAGES, read_table, strings, t
from lrbook.translated import MARK

ROOT = Path(__file__).resolve().parents[2]
ROWS = read_table("claims.csv")
SECTIONS = read_table("sections.csv")
DOCUMENTS = {row["document"]: row for row in read_table("documents.csv")}
JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")
WORDED = (
    "claims",
    "claim_parts",
    "sections",
    "strings",
    "verdict_rules",
    "quantities",
    "tasks",
    "networks",
    "designs_ja",
    "verdict_changes",
)
PARTS = verdicts.parts()
PROOFS = sorted({row["test"] for row in (*ROWS, *read_table("claim_parts.csv")) if row["test"]})


def test_every_claim_once_and_in_order():
    assert [row["id"] for row in ROWS] == [f"C{n}" for n in range(1, len(ROWS) + 1)]


@pytest.mark.parametrize("table", [*WORDED, "documents"])
def test_tables_are_rectangular(table):
    for row in read_table(f"{table}.csv"):
        assert None not in row and None not in row.values(), row


def test_every_claim_has_a_sentence_in_each_language():
    for row in ROWS:
        assert re.fullmatch(r"[A-Z].*\.", row["sentence_en"]), row["id"]
        assert row["sentence_ja"].endswith("。") and JAPANESE.search(row["sentence_ja"]), row["id"]
        assert not JAPANESE.search(row["sentence_en"]), row["id"]
        english, japanese, most = row["sentence_en"], row["sentence_ja"], 180 if MARK in row["sentence_ja"] else 80
        assert len(english) <= 160 and len(japanese) <= most, (row["id"], len(english), len(japanese), most)


def test_sentences_differ_from_each_other():
    for lang in LANGUAGES:
        sentences = [row[f"sentence_{lang}"] for row in ROWS]
        assert len(set(sentences)) == len(sentences)


def pieces(text):
    """A text cut at its punctuation, without spaces: what a copied passage consists of."""
    return re.split("[。、「」『』（）()!?！？:：;；,.”“]", re.sub(r"\s+", "", text))


def digest(text):
    return hashlib.sha256(re.sub(r"\s+", "", text).lower().encode("utf-8")).hexdigest()[:10]


def test_no_sentence_is_a_document_s():
    """The documents are not in the project; the hashes of their passages are."""
    passages = set((ROOT / "tests/lrbook/not_to_copy.txt").read_text(encoding="utf-8").split())
    assert len(passages) > 800
    for row in ROWS:
        texts = [row["sentence_en"], *pieces(row["sentence_ja"])]
        assert not [text for text in texts if digest(text) in passages], row["id"]


def test_claims_lie_in_their_sections():
    """A claim's line lies between the heading of its section and the next one."""
    spans = {}
    for here, after in zip(SECTIONS, [*SECTIONS[1:], None], strict=True):
        last = int(after["line"]) - 1 if after and after["document"] == here["document"] else None
        last = last or int(DOCUMENTS[here["document"]]["lines"])
        spans[here["document"], here["section"]] = range(int(here["line"]), last + 1)
    for row in ROWS:
        assert int(row["line"]) in spans[row["document"], row["section"]], row["id"]


def test_sections_are_in_order_and_titled():
    for document in DOCUMENTS:
        mine = [row for row in SECTIONS if row["document"] == document]
        assert [int(row["order"]) for row in mine] == list(range(1, len(mine) + 1))
        lines = [int(row["line"]) for row in mine]
        assert lines == sorted(set(lines)) and lines[-1] <= int(DOCUMENTS[document]["lines"])
        assert all(row["title_en"] and row["title_ja"] for row in mine)


def test_the_shortest_document_is_wholly_in_the_book():
    pages = {row["section"]: row["chapter"] for row in SECTIONS if row["document"] == "001"}
    assert [section for section, chapter in pages.items() if not chapter] == ["author"]


def test_kinds_experiments_and_proofs():
    for row in ROWS:
        assert row["kind"] in verdicts.KINDS, row["id"]
        assert ("measure" in row["kind"]) == bool(row["experiments"]), row["id"]
        assert re.fullmatch(r"(E\d\d( E\d\d)*)?", row["experiments"]), row["id"]
        assert bool(row["citation"]) == bool(row["cited"]) and row["cited"] in ("", *verdicts.CITED), row["id"]
        assert not row["test"] or row["kind"] == "exact", row["id"]


@pytest.mark.parametrize("test", PROOFS)
def test_named_proofs_exist(test):
    path, _, name = test.partition("::")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_citations_are_in_the_bibliography():
    keys = {row["citation"] for row in ROWS if row["citation"]}
    keys |= {part.source for parts in PARTS.values() for part in parts if part.source}
    bibliography = ROOT / "book/references.bib"
    text = bibliography.read_text(encoding="utf-8") if keys else ""
    assert not [key for key in keys if not re.search(rf"@\w+\{{\s*{re.escape(key)}\s*,", text)]


def test_every_part_is_of_a_kind_and_has_what_settles_it():
    for claim, parts in PARTS.items():
        assert [part.number for part in parts] == [str(n) for n in range(1, len(parts) + 1)], claim
        for part in parts:
            assert part.kind in verdicts.PART_KINDS and part.quantifier in verdicts.QUANTIFIERS, claim
            assert bool(part.source) == bool(part.cited) and part.cited in ("", *verdicts.CITED), claim
            assert not part.source or part.kind == "cite", claim
            assert bool(part.test) == (part.kind == "exact"), claim
            assert set(part.text) == (set(LANGUAGES) if len(parts) > 1 else set()), claim
            assert all(len(part.text.get(lang, "")) <= most for lang, most in (("en", 100), ("ja", 50))), claim


def test_every_measured_part_has_one_core_and_no_other_part_has_any():
    rules = verdicts.rules()
    assert set(rules) <= set(PARTS)
    for claim, parts in PARTS.items():
        rows, numbers = rules.get(claim, []), {part.number for part in parts}
        assert {rule.part for rule in rows} <= numbers, claim
        for part in parts:
            cores = [rule for rule in rows if rule.part == part.number and rule.role == "core"]
            assert len(cores) == (part.kind == "measure"), (claim, part.number)
        assert len({(rule.experiment, rule.quantity) for rule in rows}) == len(rows), claim


def test_rules_are_well_formed():
    kinds = {row["id"]: row["kind"] for row in ROWS}
    for claim, rules in verdicts.rules().items():
        named = next(row["experiments"] for row in ROWS if row["id"] == claim).split()
        assert set(named) == {rule.number for rule in rules}, f"{claim}: its experiments in claims.csv are {named}"
        assert "measure" in kinds[claim], claim
        for rule in rules:
            assert rule.direction in "><=" and rule.margin >= 0 and rule.role in verdicts.ROLES, rule
            assert re.fullmatch(r"E\d\d", rule.number) and claims.task_name(rule.number, "en"), rule
            assert bool(rule.condition["en"]) == bool(rule.condition["ja"]), rule
            assert bool(rule.task["en"]) == bool(rule.task["ja"]), rule
        for lang in LANGUAGES:
            shown = [(rule.number, claims.quantity_name(rule, lang), claims.where(rule, lang)) for rule in rules]
            assert len(set(shown)) == len(shown), (claim, shown)


def marks(who):
    """{claim: {(kind, row): quantifier}} of one marker's parts."""
    found = {}
    for row in read_table(f"marks/{who}.csv"):
        if row["role"] in ("core", "exact", "cite", "untestable"):
            found.setdefault(row["claim"], []).append((row["role"], row["row"] if row["role"] == "core" else ""))
    return found


def test_the_cores_are_those_that_both_markers_chose_or_the_settlement_says_why():
    first, second, rules = marks("first"), marks("second"), verdicts.rules()
    measured = {claim for claim, rows in PARTS.items() if any(row.kind == "measure" for row in rows)}
    assert set(first) == set(second) and measured <= set(first) <= set(PARTS)
    for claim in first:
        parts = PARTS[claim]
        cores = {rule.part: f"{rule.experiment}:{rule.quantity}" for rule in rules[claim] if rule.role == "core"}
        ours = sorted(("core", cores[p.number]) if p.kind == "measure" else (p.kind, "") for p in parts)
        marked, settled = (sorted(first[claim]), sorted(second[claim])), any(part.settled for part in parts)
        assert ours in marked or settled, claim
        assert settled == (marked[0] != marked[1] or ours not in marked), claim


def test_every_tested_quantity_has_a_name_and_a_unit_in_words():
    for rules in verdicts.rules().values():
        for rule in rules:
            for lang in LANGUAGES:
                assert claims.quantity_name(rule, lang) != rule.quantity.partition("[")[0], rule
            assert f"unit.{rule.unit}" in strings(), rule.unit


TERMS = read_table("terms.csv")
APPROVED = sorted({row["ja"] for row in TERMS}, key=len, reverse=True)
NEVER = {word for row in TERMS for word in re.split("[,、 ]+", row["never"]) if len(word) > 1}


def forbidden(text):
    """Forbidden renderings that stay when the approved terms are taken out (バッチ正規化 holds 正規化)."""
    for term in APPROVED:
        text = text.replace(term, " ")
    return [word for word in NEVER if word in text]


@pytest.mark.parametrize("table", WORDED)
def test_japanese_of_the_tables(table):
    """Forbidden renderings, half-width brackets, and spaces between Japanese and Latin."""
    for row in read_table(f"{table}.csv"):
        for column, text in row.items():
            if column.endswith("ja"):
                text = text.replace("三角関数", "") if row.get("id") == "C157" else text  # the document's own word
                assert not forbidden(text), (column, text)
                assert not re.search(
                    r"[ぁ-んァ-ヶ一-龠][(]|[)][ぁ-んァ-ヶ一-龠]|[ぁ-んァ-ヶ一-龠] [A-Za-z0-9]", text
                ), text
                assert text.count("（") == text.count("）"), text


class Balanced(HTMLParser):
    """Fails on a tag that is closed in the wrong order; collects the text."""

    def __init__(self, html):
        super().__init__()
        self.open, self.text = [], ""
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_claim_can_be_shown(lang):
    for row in ROWS:
        shown = lrbook.claim(row["id"], lang=lang)
        text, html = repr(shown), Balanced(shown._repr_html_()).text
        for said in (text, html):
            assert row["id"] in said and row[f"sentence_{lang}"] in said
            assert t(f"verdict.{shown.verdict.name}", lang) in said and row["line"] in said
            assert DOCUMENTS[row["document"]][f"title_{lang}"] in said
        for number in shown.verdict.missing:
            assert number in text and number in html


def made(rule, low, high):
    import numpy as np

    from lrbook.results import Measured

    measured = Measured("gap", "decades", {}, "t", (low + high) / 2, low, high, np.zeros(20))
    return verdicts.Judged(rule, measured, verdicts.judge(low, high, rule.direction, rule.margin))


TEXTS = {"en": "it is so", "ja": "そうなる"}


@pytest.mark.parametrize(
    "lang, said",
    [
        (
            "en",
            [
                "mixed <b>",
                "E99 gap; with noise: 1.5 decades [1, 2]; asked: above 0.5 decades",
                "1 of 2 parts supported",
                "E98 gap: 1.5 decades [1, 2]",
                "■",
            ],
        ),
        (
            "ja",
            [
                "E99 gap、with noise：1.5桁 [1, 2]",
                "2つの部分のうち支持は1",
                "■",
            ],
        ),
    ],
)
def test_a_box_says_parts_effect_interval_seeds_condition_and_source(lang, said):
    core = verdicts.Rule("C72", "E99", "gap", ">", 0.5, "decades", condition={"en": "with noise", "ja": "with noise"})
    against = verdicts.Rule("C72", "E98", "gap", "<", 0.5, "decades")
    beside = verdicts.Rule("C72", "E97", "gap", ">", 0.5, "decades", role="scope")
    one = verdicts.judge_part(verdicts.Part("1", text=TEXTS), [made(core, 1.0, 2.0), made(beside, 1.0, 2.0)])
    other = verdicts.judge_part(verdicts.Part("2", text=TEXTS), [made(against, 1.0, 2.0)])
    row = claims.rows()["C72"] | {"sentence_en": "mixed <b>"}
    verdict = verdicts.Verdict(verdicts.join([one.name, other.name]), parts=(one, other))
    shown = claims.Claim(row, verdict, lang)
    assert verdict.name == "mixed"
    for words in said:
        assert words in repr(shown) and words in Balanced(shown._repr_html_()).text, words
    assert "mixed <b>" not in shown._repr_html_()
    assert [label for label, _ in shown.about(made(core, 1.0, 2.0))] == [
        t(f"claim.label_{key}", lang) for key in ("experiment", "quantity", "task", "value", "borders", "rule")
    ]


@pytest.mark.parametrize(
    "direction, margin, centre, said",
    [
        (">", 0.5, 0.0, "above 0.5: supported; below -0.5: contradicted"),
        (">", 0.0, 0.5, "above 0.5: supported; below 0.5: contradicted"),
        ("<", 0.5, 0.0, "below -0.5: supported; above 0.5: contradicted"),
        ("=", 0.5, 2.0, "from 1.5 to 2.5: supported; outside: contradicted"),
    ],
)
def test_a_box_says_what_would_be_another_verdict(direction, margin, centre, said):
    rule = verdicts.Rule("C72", "E99", "gap", direction, margin, "decades", centre=centre)
    assert said.replace("-", "−") in claims.borders(made(rule, 1.0, 2.0), "en")


def test_wrong_claims_are_named():
    with pytest.raises(ValueError, match=f"C1 to C{len(ROWS)}, not 'C{len(ROWS) + 1}'"):
        lrbook.claim(f"C{len(ROWS) + 1}")
    with pytest.raises(ValueError, match="'fr'"):
        lrbook.claim("C1", lang="fr").verdict_word  # noqa: B018


@pytest.mark.parametrize("lang", LANGUAGES)
def test_verdict_table(lang):
    table = lrbook.verdict_table(["C72", "C141"], lang=lang)
    assert [cells[0] for cells in table.cells()] == ["C72", "C141"]
    text = Balanced(table._repr_html_()).text
    assert t("verdict.not testable here", lang) in text and t("verdict.not testable here", lang) in repr(table)


def test_start_chooses_the_language_of_claims():
    lrbook.start("ja")
    try:
        assert lrbook.claim("C72").lang == "ja" and lrbook.t("axis.rate") == "学習率"
    finally:
        lrbook.start("en")
    assert lrbook.claim("C72").lang == "en"


@pytest.mark.parametrize(
    "table, key",
    [
        ("strings", ["key"]),
        ("quantities", ["experiment", "quantity"]),
        ("tasks", ["experiment"]),
        ("designs_ja", ["experiment"]),
    ],
)
def test_no_row_of_a_table_hides_another(table, key):
    keys = [tuple(row[name] for name in key) for row in read_table(f"{table}.csv")]
    assert [found for found in keys if keys.count(found) > 1] == []


def test_chapters_of_sections_are_pages():
    pages = {path.stem for path in (ROOT / "book/en").iterdir()}
    assert [(row["document"], row["section"]) for row in SECTIONS if not set(row["chapter"].split()) <= pages] == []


def test_every_verdict_and_string_has_words():
    assert all(f"verdict.{name}" in strings() for name in verdicts.VERDICTS)
    for key, words in strings().items():
        if not key.startswith("unit."):
            assert words["en"] and words["ja"], key
        assert sorted(re.findall(r"{\w+}", words["en"])) == sorted(re.findall(r"{\w+}", words["ja"])), key


@pytest.mark.parametrize("lang", LANGUAGES)
def test_ledger_lists_all_claims_and_the_map_all_sections(lang):
    rows = ledger.rows(lang)
    assert [row["id"] for row in rows] == [row["id"] for row in ROWS]
    assert all(row["verdict"] == t(f"verdict.{row['verdict_key']}", lang) for row in rows)
    sections = ledger.sections(lang)
    assert len(sections) == len(SECTIONS)
    assert sum(len(section["claims"]) for section in sections) == len(ROWS)
    assert sum(ledger.counts().values()) == len(ROWS)
    assert str(len(ROWS)) in ledger.summary(lang)[0]


def test_a_verdict_that_changes_is_told_on_its_page():
    """`verdict_words.csv` holds the verdicts that readers know."""
    with (ROOT / "tests/lrbook/verdict_words.csv").open(encoding="utf-8", newline="") as file:
        known = {row["claim"]: row["verdict"] for row in csv.DictReader(file)}
    now = {claim: verdict.name for claim, verdict in verdicts.all_verdicts().items()}
    moved = {claim: (known.get(claim), name) for claim, name in now.items() if known.get(claim) != name}
    assert not moved, f"tell each in book/verdict_changes.csv, then set tests/lrbook/verdict_words.csv: {moved}"
    last = {row["claim"]: row["after"] for row in read_table("verdict_changes.csv")}
    assert {claim: name for claim, name in last.items() if now[claim] != name} == {}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_changes_are_told_with_their_cause(lang):
    for row in ledger.changes(lang):
        assert row["cause"] and row["before"] != row["after"] and re.fullmatch(r"\d{4}-\d\d-\d\d", row["day"]), row
