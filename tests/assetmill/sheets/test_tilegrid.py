import pytest

from assetmill.errors import ResultInvalid
from assetmill.sheets.tilegrid import lay_tiles


@pytest.mark.parametrize(("opaque", "extrude"), ((True, 1), (False, 0)))
def test_a_tile_begins_where_margin_and_spacing_say(opaque: bool, extrude: int) -> None:
    laid = lay_tiles(4, 10, (16, 24), to_edges=opaque)
    grid = laid.grid
    assert (grid.columns, grid.rows, grid.margin, grid.spacing, grid.extrude) == (4, 3, 2, 4, extrude)
    for index, spot in laid.page.spots.items():
        column, row = index % 4, index // 4
        assert spot == (grid.margin + column * (16 + grid.spacing), grid.margin + row * (24 + grid.spacing))
    assert laid.page.size == (2 * 2 + 4 * 16 + 3 * 4, 2 * 2 + 3 * 24 + 2 * 4)
    assert laid.notes == ()


@pytest.mark.parametrize(
    ("columns", "count", "side", "wanted"),
    ((64, 64, 64, (30, 3)), (1, 64, 64, (3, 22)), (30, 60, 64, (30, 2)), (4, 16, 600, (4, 4)), (8, 16, 600, (6, 3))),
)
def test_a_set_is_reflowed_only_when_its_page_would_be_too_large(
    columns: int, count: int, side: int, wanted: tuple[int, int]
) -> None:
    laid = lay_tiles(columns, count, (side, side), to_edges=True)
    assert (laid.grid.columns, laid.grid.rows) == wanted
    assert laid.grid.spacing == 4
    assert max(laid.page.size) <= (2048 if side == 64 else 4096)
    assert bool(laid.notes) is (wanted[0] != columns)
    ordered = sorted(laid.page.spots, key=lambda index: laid.page.spots[index][::-1])
    assert ordered == list(range(count))


def test_gutters_are_left_out_when_they_alone_make_the_page_too_large() -> None:
    laid = lay_tiles(16, 256, (256, 256), to_edges=True)
    assert (laid.grid.columns, laid.grid.margin, laid.grid.spacing, laid.grid.extrude) == (16, 0, 0, 0)
    assert laid.page.size == (4096, 4096)
    assert "no room between the tiles" in " ".join(laid.notes)


def test_a_set_that_no_page_holds_is_refused() -> None:
    with pytest.raises(ResultInvalid, match="do not fit on one page"):
        lay_tiles(3, 9, (1500, 1500), to_edges=False)
