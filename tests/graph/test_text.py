"""Text pictures: exact widths, any part equal to the same part of the whole, states in words."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from durable_core.graph import Graph, build_graph, overlay_facts
from durable_core.graph.boxes import TextPicture
from durable_core.graph.canvas import Segment, Viewport, cell_cut
from durable_core.graph.measure import cell_width
from durable_core.graph.model import Direction, NodeState
from durable_core.graph.overlay import overlay
from durable_core.graph.plain import plain
from durable_core.graph.rail import rail
from tests.graph import flows, generated, runs
from tests.graph.hostile import NAMES
from tests.graph.seeds import seeds


def cells(rows: list[list[Segment]]) -> list[list[tuple[str, str]]]:
    """One (character, style) per column; the second half of a wide character is empty."""
    found = []
    for row in rows:
        line: list[tuple[str, str]] = []
        for text, style in row:
            for character in text:
                wide = cell_width(character)
                if wide == 0 and line:
                    line[-1] = (line[-1][0] + character, style)
                line.extend([(character, style), ("", style)][:wide])
        found.append(line)
    return found


def cropped(whole: list[list[tuple[str, str]]], view: Viewport) -> list[list[tuple[str, str]]]:
    found = []
    for y in range(view.y, view.y + view.height):
        line = whole[y] if 0 <= y < len(whole) else []
        found.append([line[x] if 0 <= x < len(line) else (" ", "") for x in range(view.x, view.x + view.width)])
    return found


@pytest.mark.parametrize("seed", seeds(25))
@pytest.mark.parametrize("ascii", [False, True])
@pytest.mark.parametrize("direction", ["down", "right"])
def test_a_part_is_painted_as_it_is_in_the_whole(seed: int, ascii: bool, direction: Direction) -> None:
    """paint(viewport) == crop(full paint)."""
    picture = TextPicture(build_graph(generated.grow(seed, 25)), ascii=ascii, direction=direction)
    whole = cells(picture.paint())
    assert len(whole) == picture.height
    assert {len(row) for row in whole} == {picture.width}
    for x, y, wide, high in ((0, 0, 30, 10), (13, 7, 40, 21), (picture.width - 5, picture.height - 6, 20, 20)):
        view = Viewport(x, y, wide, high)
        assert cells(picture.paint(view)) == cropped(whole, view)


def stated() -> list[Graph]:
    """Executions, with every style of line, and names that take more or less than a column a character."""
    order, onboarding = build_graph(flows.order_fulfilment()), build_graph(flows.customer_onboarding())
    wide = flows.define("wide", flows.step("注文を確認する"), flows.decide("e\u0301", {"支払い": [flows.step("🚀")]}))
    return [
        overlay_facts(order, runs.during()),
        overlay_facts(order, runs.failed()),
        overlay_facts(onboarding, runs.onboarding()),
        build_graph(wide),
        *(build_graph(generated.grow(seed, 30)) for seed in range(12)),
    ]


@pytest.mark.parametrize("ascii", [False, True])
@pytest.mark.parametrize("direction", ["down", "right"])
def test_a_part_of_an_execution_is_painted_as_it_is_in_the_whole(ascii: bool, direction: Direction) -> None:
    for graph in stated():
        picture = TextPicture(graph, ascii=ascii, direction=direction)
        whole = cells(picture.paint())
        for x in range(-3, picture.width, 31):
            for y in range(-2, picture.height, 13):
                view = Viewport(x, y, 31, 13)
                assert cells(picture.paint(view)) == cropped(whole, view)


@pytest.mark.parametrize("ascii", [False, True])
@pytest.mark.parametrize("direction", ["down", "right"])
@pytest.mark.parametrize("width", [None, 70])
def test_the_text_is_the_painted_picture(ascii: bool, direction: Direction, width: int | None) -> None:
    """The fast way to a whole text, and the one to a part with styles, give the same characters."""
    for graph in stated():
        rows = TextPicture(graph, width=width, ascii=ascii, direction=direction).paint()
        painted = ["".join(text for text, _ in row).rstrip() for row in rows]
        assert graph.to_text(width, ascii=ascii, direction=direction).splitlines() == painted


def test_where_branches_part_the_way_that_was_taken_is_seen() -> None:
    """A line shared by a branch that was taken and one that was not is taken; beyond it, it is not."""
    ways = {name: [flows.step(f"step_{name}")] for name in "abcde"}
    graph = build_graph(flows.define("f", flows.decide("which", ways)))
    done = NodeState(status="completed")
    drawn = overlay(graph, {"which": replace(done, choice="b"), "which/b/step_b": done}, metadata={"status": "running"})
    picture = TextPicture(drawn)
    box = picture.box_of("which")
    assert box is not None
    row = cells(picture.paint())[box.y + box.height]
    styles = [style for character, style in row if character != " "]
    a_to_b, b_to_c = (styles.index("edge.taken"), len(styles) - styles[::-1].index("edge.taken"))
    assert set(styles[:a_to_b]) == set(styles[b_to_c:]) == {"edge.off"}
    assert set(styles[a_to_b:b_to_c]) == {"edge.taken"}
    assert "".join(character for character, _ in row).strip().startswith("╭┄")


def test_columns_are_counted_as_terminals_count_them() -> None:
    """Wide, combining and invisible characters; signs of numbers are formats, but drawn."""
    assert [cell_width(text) for text in ("注文", "e\u0301", "\u200d", "🚀", "\u0600\u06dd", "a\u0600")] == [
        4,
        1,
        0,
        2,
        2,
        2,
    ]
    assert cell_cut("注\u0301文", 3) == "注\u0301 " and cell_cut("注\u0301", 1) == " "


def test_small_pictures_go_to_the_right_when_asked() -> None:
    graph = build_graph(flows.define("hello", flows.step("load"), flows.step("greet")))
    wide = graph.to_text(direction="auto").splitlines()
    assert wide == graph.to_text(direction="right").splitlines()
    assert [line for line in wide if "load" in line and "greet" in line]
    assert graph.to_text(40, direction="auto") == graph.to_text(40)


@pytest.mark.parametrize("seed", seeds(25))
@pytest.mark.parametrize("width", [30, 60, 100])
def test_lines_keep_to_the_width(seed: int, width: int) -> None:
    text = build_graph(generated.grow(seed, 30)).to_text(width)
    assert max(cell_width(line) for line in text.splitlines()) <= width


def test_everything_that_fits_is_named() -> None:
    graph = build_graph(flows.customer_onboarding())
    text = graph.to_text()
    for node in graph.nodes:
        if node.type not in ("join", "compensation"):
            assert node.label in text
    assert {"business", "no", "yes", "enterprise"} <= set(text.replace("│", " ").split())


@pytest.mark.parametrize("direction", ["down", "right"])
def test_ascii_pictures_are_ascii_whatever_the_names(direction: Direction) -> None:
    hostile = build_graph(flows.define("odd", *(flows.step(name) for name in NAMES.values())))
    for graph in (*stated(), hostile):
        assert graph.to_text(ascii=True, direction=direction).isascii()
        rows = TextPicture(graph, ascii=True, direction=direction).paint()
        assert all(text.isascii() for row in rows for text, _ in row)
        assert all(text.isascii() for row in rail(graph, ascii=True) for text, _ in row.segments(ascii=True))


def test_names_in_ascii_can_be_read_where_they_have_latin_letters_and_keep_their_boxes() -> None:
    steps = [flows.step(name) for name in ("Größe prüfen", "señal-nº 2", "注文", "e\u0301t\u0065\u0301", "Ｗ🚀!")]
    text = build_graph(flows.define("odd", *steps)).to_text(ascii=True)
    rows = [line.strip() for line in text.splitlines()]
    named = [number for number, row in enumerate(rows) if row.startswith("| o ")]
    assert [rows[number][4:-1].rstrip() for number in named] == ["Gro?e prufen", "senal-no 2", "????", "ete", "W ??!"]
    assert all(len(rows[number - 1]) == len(rows[number]) == len(rows[number + 1]) for number in named)


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_text_in_ascii_is_as_wide(text: str) -> None:
    """Everything else of the picture was laid out for the text as it is written."""
    found = plain(text)
    assert found.isascii() and len(found) == cell_width(text)


def test_states_are_glyphs_and_words() -> None:
    text = overlay_facts(build_graph(flows.order_fulfilment()), runs.during()).to_text()
    for words in ("✔ validate_order", "⊘ manager_approval", "◐ pick_items", "37/50", "needs you", "try 2/5", "×3"):
        assert words in text


def test_the_mouse_finds_the_box_under_it_and_the_cursor_doubles_its_border() -> None:
    picture = TextPicture(build_graph(flows.order_fulfilment()))
    for node in picture.graph.nodes:
        box = picture.box_of(node.id)
        if box is not None:
            assert picture.node_at(box.x + box.width - 1, box.y) == node.id
    assert picture.node_at(0, 0) is None
    rows = ["".join(text for text, _ in row) for row in picture.paint(cursor="charge_card")]
    assert sum("╔" in row for row in rows) == 1


def test_folding_shows_how_many_are_inside() -> None:
    picture = TextPicture(build_graph(flows.order_fulfilment()), fold=0)
    text = "\n".join("".join(piece for piece, _ in row) for row in picture.paint())
    assert "9 inside" in text
    assert "ask_carrier" not in text
    assert picture.box_of("ask_carrier") is None


def test_the_rail_has_one_row_a_node_in_written_order() -> None:
    graph = overlay_facts(build_graph(flows.order_fulfilment()), runs.during())
    rows = rail(graph)
    named = [row.node for row in rows if row.node]
    wanted = [node.id for node in graph.nodes if node.type not in ("start", "end", "join", "compensation")]
    assert named == wanted
    lines = ["".join(text for text, _ in row.segments()) for row in rows]
    assert "│ ◷ ◷ cool_down" not in lines
    assert any(line.startswith("◐ ∥ fulfil  0/4") for line in lines)
    assert any("✔ reserve_stock  1.1 s  ↶ release_stock" in line for line in lines)
    assert "├─ medium_value" in lines and "╰─ standard (nothing to do)" in lines
    assert len(rail(graph, fold=0)) == 7
    assert all("".join(text for text, _ in row.segments(ascii=True)) for row in rail(graph, ascii=True))
    assert len(rail(build_graph(generated.deep(3000)))) == 3001
