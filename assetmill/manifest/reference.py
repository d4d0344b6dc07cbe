"""docs/manifest.md, made from the models: prose here, every field and figure from the shapes.

A page that is written by hand goes out of date with the next field; this one cannot, because a test
compares the file with what is made here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from assetmill.manifest import limits, models
from assetmill.manifest.authoring import (
    COMMON_FIELDS,
    OLD_NAMES,
    OLD_TYPES,
    PAIRS,
    SHEET_ONLY,
    TOP_OLD,
    manifest_shape,
    matrix_shape,
    style_shape,
)
from assetmill.manifest.shapes import Shape, asset_shapes

_INTRO = """\
# Manifests

A manifest says what art a game wants. It is a YAML file, a CSV table, or a YAML file that includes
tables. This page is made from the models by `assetmill.manifest.reference`; change it there.

## Quick start

```yaml
# yaml-language-server: $schema=../manifest.schema.json
game: {id: cloud-hop, title: Cloud Hop}
pack:
  id: spring
  name: Spring Morning
  theme: A storybook sky kingdom on a spring morning, soft clouds, warm light.
  style: cartoon
assets:
  - id: slime
    type: entity
    entity_type: enemy
    prompt: a sleepy slime of raspberry foam, two big eyes
    shape: ellipse
    color: '#ef8354'
  - id: meadow
    type: background
    prompt: a wide valley of clouds in the first light
    size: 1344x768
```

`assetmill validate FILE` reads it and names every mistake with its line and column; `assetmill plan
FILE` says what it would cost. The first line above makes editors with a YAML language server complete
fields and show what they mean. `manifests/cloud-hop/` is a whole example.

## Where a value comes from

From weakest to strongest: **built in**, `defaults.common`, `defaults.<type>`, the **style** (what it
extends first), the **asset**, the **command line**. Maps such as `post` or `layout` merge field by
field; texts, numbers and lists are replaced. A field whose built-in value is "none" takes an inherited
value back with `~`. Giving `layers` takes an inherited `layer_count` back and the other way round; so do
a strip and a grid, and a shape that is no polygon and `points`.

`defaults.<type>` may give every field of the type but `id`, `type`, `references` and `matrix`;
`defaults.common` may give
%(common)s.

## Styles

A style is a name for a look. `extends` builds on another style or on a built-in look:
%(builtin)s. The words of `prompt_suffix` and `negative_prompt` are joined along the chain, the base first. Other fields
of a style go to every asset that chooses it.

%(style)s

## One asset to many: `matrix`

```yaml
- id: 'gem-{colour}-{size}'
  type: entity
  prompt: a {size} {colour} gem
  matrix:
    axes:
      colour: [red, blue]
      size: [small, big]
```

makes four assets. `include` lists rows instead of combinations:

```yaml
  matrix:
    include:
      - {colour: red, width: 0.5}
      - {colour: blue, width: 0.7}
```

`{axis}` is replaced in every text of the asset, and the id needs every axis so that the ids differ. A
text that is one placeholder and nothing else takes the value as it is, so `width: '{width}'` gives a
number. `{{axis}}` writes `{axis}`. All other braces stay as they are, and an asset without a matrix is
never touched.

%(matrix)s

## CSV tables

```
# A comment. A blank cell inherits, a dot nests, | separates the items of a list.
id,type,prompt,shape,silhouette.canvas,tags,locked
slime,entity,"a sleepy slime, two big eyes",ellipse,256x256,ground|small,no
moth,entity,a moth in a tin helmet,circle,,air,yes
```

- One row is one asset; the first line that is no comment is the header. Every field below may be a
  column, nested ones with dots: `layout.columns`, `overrides.run_00`, `animations.run.frames`,
  `tiles.0.name`, `matrix.axes.colour`.
- Commas, semicolons and tabs are recognised from the header; a byte-order mark and `sep=;` are skipped.
  Numbers have a decimal point in every dialect.
- A list's items are separated by `|`, and `\\|` writes a bar. `points` are `0,1|0.5,0|1,1`, a pivot is
  `0.5,1`. Variants may be their keys alone: `red|blue`. Yes and no, true and false, on and off, 1 and 0
  all do.
- A line that begins with `#` is a comment, so put the id first and not a colour.
- An unknown column is an error, and so is a row with too few or too many cells.
- Include tables from YAML with `include: [enemies.csv]`. Assets of the manifest come first, then those
  of the included files in order. An included YAML file has only `assets`. Included paths stay inside the
  manifest's folder.
- A table alone is a manifest too. Its game and pack are named by the file, or by lines above the header:

```
#@ game.title: Cloud Hop
#@ pack.theme: A storybook sky kingdom
#@ defaults.entity.candidates: 2
```

## Traps

YAML gives a meaning of its own to some text. Each of these is an error that names the trap; single
quotes around the whole text always help.

| written | what YAML reads | write |
|---|---|---|
| `color: #ff8800` | nothing: `#` starts a comment | `color: '#ff8800'` |
| `{prompt: a red, shiny gem}` | a second key `shiny gem` | `{prompt: 'a red, shiny gem'}` |
| `id: no`, `on`, `yes`, `off` | true or false | `id: 'no'` |
| `id: 007`, `seed: 0777` | octal numbers | `id: '007'`, `seed: 777` |
| `title: 12:30` | 750, in base 60 | `title: '12:30'` |
| `prompt: Hero: the knight` | a key inside a value | `prompt: 'Hero: the knight'` |
| `id: {colour}-gem` | a map | `id: '{colour}-gem'` |
| `prompt: @hero`, `*big*`, `!big` | special signs | `prompt: '@hero'` |
| a tab before a key | an error | spaces |
| the same key twice | the later one | one of them |
| `<<: *base` | a merge key | `defaults` or a style |

A manifest has at most %(bytes)s bytes a file, %(depth)s levels, %(assets)s assets after expansion and
%(includes)s included files; it is UTF-8 and one YAML document.

## Short forms

%(short)s

## Old names

The studio's older configurations keep working. Every field may be written in camelCase (`layerCount`,
`frameCount`, `cellWidth` ...), and:

%(old)s

Giving both the old and the new name of a field is an error.
"""


_SHEET_RULES = """\
A sprite sheet needs `animations`, a variation sheet `variants`, a tile sheet `tiles` or `autotile`, an
interface sheet `component` and `states`; the others' fields are refused. A grid needs `columns` and
`rows`, a strip `frame_count`, both the size of a cell. There have to be at least as many cells as are
used (16 for `wang16`, 47 for `blob47`), `overrides` name cells that exist, and `post.trim` and
`post.pad` are refused because they would move the cells.
"""

_PARALLAX_RULES = f"""\
A parallax gives `layers` or `layer_count`, 2 to {models.MAX_LAYERS} of them. Layers stand in the list as they lie: the
farthest first, none with a smaller `depth` than the one before it. The first is opaque, the others are not.

| method | how the layers are made | what it takes |
|---|---|---|
| `depth` | one picture, cut up by how far away things are; what lies behind the cuts is painted in | exactly \
{len(models.DEPTH_LAYERS)} layers, in this order: {", ".join(models.DEPTH_LAYERS)} |
| `per_layer` | a picture for each layer from words of its own, all but the first cut out of their background | a \
`prompt` for each layer, or the asset's for all |
| `decompose` | one picture, taken apart by a model made for it | the asset's `prompt` |

`per_layer` costs as many pictures as there are layers and lets each be drawn behind the others too. `depth` and
`decompose` cost one picture and one more pass; what comes back is checked against the whole picture. With `seamless`,
edges that do not join are blended over in all layers alike.
"""

_RULES = {"sheet": _SHEET_RULES, "parallax": _PARALLAX_RULES}


def reference_markdown() -> str:
    """The text of docs/manifest.md."""
    intro = _INTRO % {
        "common": _code(COMMON_FIELDS),
        "builtin": _code(models.BUILTIN_STYLES),
        "style": _table(style_shape()),
        "matrix": _table(matrix_shape()),
        "bytes": f"{limits.MAX_FILE_BYTES:,}",
        "depth": limits.MAX_DEPTH,
        "assets": f"{limits.MAX_ASSETS:,}",
        "includes": limits.MAX_INCLUDES,
        "short": "\n".join(_short_forms()),
        "old": "\n".join(_old_names()),
    }
    return "\n".join([intro, *_fields()]).rstrip() + "\n"


def _fields() -> Iterator[str]:
    top = manifest_shape()
    yield "## Fields\n\n### The document\n"
    yield _table(top) + "\n"
    for name in ("game", "pack", "qa", "budget", "routing"):
        yield f"### `{name}`\n\n{_table(top.fields[name])}\n"
    entity = asset_shapes()["entity"]
    common = tuple(models.AssetBase.model_fields)
    yield "### Every asset\n\n`type`: one of " + f"{_code(models.ASSET_TYPES)}. `matrix` makes many assets of one.\n"
    yield _table(entity.only(*common)) + "\n"
    yield f"#### `post`\n\n{_table(entity.fields['post'])}\n"
    for name, shape in asset_shapes().items():
        yield f"### `{name}`\n\n{shape.description}\n"
        own = shape.without(*common, "type")
        yield _table(own) + "\n"
        if name in _RULES:
            yield _RULES[name]
        for field, inner in own.fields.items():
            record = inner if inner.kind == "record" else inner.item
            if record is not None and record.kind == "record" and record.name != "Point":
                each = {"list": "Each item of ", "map": "Each value of "}.get(inner.kind, "")
                yield f"#### {each}`{name}.{field}`\n\n{_table(record)}\n"
    yield "Points and pivots are `[x, y]` or `{x: 0.5, y: 1}`, from 0 to 1, left to right and top to bottom."


def _table(shape: Shape) -> str:
    rows = ["| field | value | built in | meaning |", "|---|---|---|---|"]
    for name, field in shape.fields.items():
        rows.append(f"| `{name}` | {_value(field)} | {_default(field)} | {_cell(field.description)} |")
    return "\n".join(rows)


def _value(field: Shape) -> str:
    if field.item is not None and field.item.kind == "record":
        return f"a {field.kind} of {'points' if field.item.name == 'Point' else 'maps'}"
    if field.name == "Point":
        return "a point"
    return _cell(field.expected())


def _default(field: Shape) -> str:
    if field.required:
        return "required"
    if field.default in (None, "", [], {}):
        return "none" if field.nullable else ""
    return f"`{json.dumps(field.default, ensure_ascii=False)}`".replace('`"', "`").replace('"`', "`")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _short_forms() -> Iterator[str]:
    for (record, short), (first, second) in PAIRS.items():
        yield f"- {_record_words(record)}: `{short}: 64x64` or `[64, 64]` for `{first}` and `{second}`."
    yield "- `silhouette.canvas: 256x512` or `[256, 512]`."
    yield "- A layout with `frame_count` is a strip, any other a grid; `kind` need not be written."
    yield "- A variant that is a bare word is its key, a tile that is a bare word its name; a tile without a name"
    yield "  is called `tile_04` after its cell, in an autotile set `wang16_04`."


def _old_names() -> Iterator[str]:
    for record, names in OLD_NAMES.items():
        for old, name in names.items():
            yield f"- {_record_words(record)}: `{old}` is `{name}`."
    yield f"- sheets: {_code(SHEET_ONLY)}"
    yield "  set the layout's cell, the prompt, style and negative prompt, and the tiles' prompts;"
    yield "  `promptConfig.commonModifiers` are added to the prompt."
    for old, name in OLD_TYPES.items():
        yield f"- `type: {old}` is `type: {name}` with `transparent: true`."
    for old, steps in TOP_OLD.items():
        yield f"- at the top, `{old}` is `{'.'.join(steps)}`."


def _record_words(record: str) -> str:
    return {"Grid|Strip": "layouts", "TitleHero": "title heroes", "Entity": "entities", "Parallax": "parallaxes"}.get(
        record, f"{record.lower()}s"
    )
