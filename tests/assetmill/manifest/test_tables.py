from __future__ import annotations

from collections.abc import Callable

import pytest

from assetmill.manifest import ManifestError, Pack
from assetmill.manifest.models import Background, Entity, Sheet

Load = Callable[..., Pack]
HEAD = "game: {id: g, title: G}\npack: {id: p, name: P}\n"


def test_a_table_alone_is_a_manifest_named_by_its_file(load: Load) -> None:
    pack = load(csv="id,type,prompt\nslime,entity,a slime\n", name="Cloud Hop")
    assert (pack.game.id, pack.game.title, pack.pack.id, pack.pack.name) == ("cloud-hop", "Cloud Hop") * 2


def test_settings_above_the_header_set_game_pack_defaults_and_styles(load: Load) -> None:
    pack = load(
        csv="#@ version: 1\n#@ game.title: Cloud Hop!\n#@ pack.palette: #ff0000|#00ff00\n# a comment\n"
        "#@ styles.soft.extends: cartoon\n#@ styles.soft.prompt_suffix: soft, warm\n"
        "#@ defaults.entity.candidates: 2\n#@ qa.border_touch: fail\n"
        "id,type,prompt,style\nslime,entity,a slime,soft\n"
    )
    assert pack.game.title == "Cloud Hop!"
    assert pack.pack.palette == ("#ff0000", "#00ff00")
    assert (pack.styles["soft"].base, pack.styles["soft"].prompt_suffix) == ("cartoon", "soft, warm")
    assert (pack.assets[0].candidates, pack.qa.border_touch) == (2, "fail")


def test_a_quoted_colour_in_a_table_is_told_that_a_table_wants_no_quotes(load: Load) -> None:
    with pytest.raises(ManifestError, match="#rrggbb in a table"):
        load(csv="id,type,prompt,color\nslime,entity,a slime,'#ff8800'\n")


def test_headers_nest_lists_split_sizes_and_flags_are_read(load: Load) -> None:
    pack = load(
        csv="id,type,prompt,silhouette.canvas,tags,locked,post.trim,post.pad,shape,points,width\n"
        'a,entity,x,64x32,one|two\\|three,yes,on,3,polygon,"0,0|1,0|0.5,1",1.5\n'
    )
    (asset,) = pack.assets
    assert isinstance(asset, Entity)
    assert asset.silhouette.canvas == (64, 32)
    assert asset.tags == ("one", "two|three")
    assert (asset.locked, asset.post.trim, asset.post.pad, asset.width) == (True, True, 3, 1.5)
    assert [(point.x, point.y) for point in asset.points] == [(0, 0), (1, 0), (0.5, 1)]


def test_blank_cells_inherit(load: Load) -> None:
    pack = load(
        HEAD + "defaults: {entity: {candidates: 3, post: {pad: 2}}}\ninclude: [e.csv]\n",
        {"e.csv": "id,type,prompt,candidates,post.pad,post.colors\na,entity,x,,,8\nb,entity,x,1,,\n"},
    )
    first, second = pack.assets
    assert (first.candidates, first.post.pad, first.post.colors) == (3, 2, 8)
    assert (second.candidates, second.post.pad) == (1, 2)


def test_rows_of_every_type_share_a_table(load: Load) -> None:
    pack = load(
        csv="id,type,prompt,size,kind,layout.columns,layout.rows,layout.cell,variants,animations.run.frames,pivot\n"
        "sky,background,x,64x32,,,,,,,\n"
        'coins,sheet,x,,variation,2,1,16x16,gold|tin,,"0,1"\n'
        "hero,sheet,x,,sprite,2,1,16x16,,left|right,\n"
        "cat,sheet,x,,sprite,2,1,16x16,,2,\n"
    )
    sky, coins, hero, cat = pack.assets
    assert isinstance(sky, Background)
    assert isinstance(coins, Sheet)
    assert isinstance(hero, Sheet)
    assert isinstance(cat, Sheet)
    assert (sky.width, sky.height) == (64, 32)
    assert [variant.key for variant in coins.variants] == ["gold", "tin"]
    assert (coins.pivot.x, coins.pivot.y) == (0, 1)
    assert hero.frame_ids("run") == ("left", "right")
    assert cat.frame_ids("run") == ("run_00", "run_01")


@pytest.mark.parametrize("mark", (",", ";", "\t"))
@pytest.mark.parametrize("end", ("\n", "\r\n", "\r"))
def test_dialects_line_ends_and_the_byte_order_mark_are_recognised(load: Load, mark: str, end: str) -> None:
    lines = ["id,type,prompt,tags", 'a,entity,"one line', 'and # another",x|y', ",,,", "b,entity,x,"]
    text = end.join(line.replace(",", mark) for line in lines) + end
    pack = load(csv=b"\xef\xbb\xbf" + text.encode())
    assert [asset.id for asset in pack.assets] == ["a", "b"]
    assert pack.assets[0].prompt.split() == ["one", "line", "and", "#", "another"]
    assert pack.assets[0].tags == ("x", "y")


def test_the_separator_line_of_spreadsheets_is_skipped(load: Load) -> None:
    assert load(csv="sep=;\nid;type;prompt\na;entity;x, y\n").assets[0].prompt == "x, y"


def test_comments_stand_between_rows_and_not_inside_cells(load: Load) -> None:
    pack = load(csv='# one "quote\nid,type,prompt\n# two\na,entity,"x\n# three"\n\n#b,entity,x\nc,entity,x\n')
    assert [asset.id for asset in pack.assets] == ["a", "c"]
    assert pack.assets[0].prompt == "x\n# three"


def test_a_row_after_cells_over_several_lines_keeps_its_own_line(load: Load) -> None:
    with pytest.raises(ManifestError) as caught:
        load(csv='id,type,prompt,width\n# c\na,entity,"x\ny\nz",1\nb,entity,x,wide\n')
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.column_name) == (6, 4, "width")


def test_extra_empty_cells_and_empty_columns_are_harmless(load: Load) -> None:
    pack = load(csv="id,type,prompt,,\na,entity,x,,\nb,entity,x,,,,\n")
    assert [asset.id for asset in pack.assets] == ["a", "b"]


def test_a_matrix_in_a_table(load: Load) -> None:
    pack = load(
        csv="id,type,prompt,matrix.axes.c,matrix.axes.n\n{c}-{n},entity,a {c} one,red|blue,1|2\nx,entity,{c},,\n"
    )
    assert [asset.id for asset in pack.assets] == ["red-1", "red-2", "blue-1", "blue-2", "x"]
    assert pack.assets[-1].prompt == "{c}"


def test_assets_come_in_order_the_manifests_own_first(load: Load) -> None:
    pack = load(
        HEAD + "include: [b.csv, sub/a.yaml]\nassets: [{id: own, type: entity, prompt: x}]\n",
        {
            "b.csv": "id,type,prompt\nb1,entity,x\nb2,entity,x\n",
            "sub/a.yaml": "assets:\n  - {id: a, type: entity, prompt: x}\n",
        },
    )
    assert [asset.id for asset in pack.assets] == ["own", "b1", "b2", "a"]


def test_old_names_are_columns_too(load: Load) -> None:
    (asset,) = load(csv="id,type,description,entityType\na,entity,a slime,enemy\n").assets
    assert isinstance(asset, Entity)
    assert (asset.prompt, asset.entity_type) == ("a slime", "enemy")
