## Loads resources that the test exported, measures what the engine made of them, and says it in JSON.
##
## It knows nothing of what is right: `questions.json` names the files, and the test compares the answers with the
## pack. Pictures are drawn by the nodes that a game would use, in a transparent viewport without filtering; nodes
## blend so that a pixel arrives exactly as it was drawn, also a half transparent one.
extends Node

const ANSWER := "window.godot.answer = %s"

var _copy := CanvasItemMaterial.new()
var _wall := HFlowContainer.new()


func _ready() -> void:
	_copy.blend_mode = CanvasItemMaterial.BLEND_MODE_PREMULT_ALPHA
	_wall.size = get_viewport().get_visible_rect().size
	add_child(_wall)
	var questions: Dictionary = JSON.parse_string(FileAccess.get_file_as_string("res://questions.json"))
	var resources := {}
	for path: String in questions["resources"]:
		resources[path] = await _measured(path)
	await RenderingServer.frame_post_draw
	var answer := {"engine": Engine.get_version_info(), "resources": resources}
	JavaScriptBridge.eval(ANSWER % JSON.stringify(JSON.stringify(answer)), true)


func _measured(path: String) -> Dictionary:
	var resource := ResourceLoader.load(path)
	if resource == null:
		return {"class": null}
	var found := {}
	if resource is SpriteFrames:
		found = await _sprite_frames(resource)
	elif resource is TileSet:
		found = await _tile_set(resource)
	elif resource is StyleBoxTexture:
		found = await _style_box(resource)
	elif resource is AtlasTexture:
		found = await _atlas_texture(resource)
	found["class"] = resource.get_class()
	return found


func _sprite_frames(frames: SpriteFrames) -> Dictionary:
	var animations := {}
	for title in frames.get_animation_names():
		var durations := []
		var metas := []
		var nodes: Array[CanvasItem] = []
		var box := Vector2i.ZERO
		for index in frames.get_frame_count(title):
			durations.append(frames.get_frame_duration(title, index))
			var size := Vector2i(frames.get_frame_texture(title, index).get_size())
			metas.append(_meta(frames.get_frame_texture(title, index)))
			nodes.append(_sprite(frames, title, index, Vector2i(box.x, 0)))
			box = Vector2i(box.x + size.x, maxi(box.y, size.y))
		animations[title] = {
			"speed": frames.get_animation_speed(title),
			"loop": frames.get_animation_loop(title),
			"durations": durations,
			"meta": metas,
			"picture": await _drawn(nodes, box),
		}
	return {"animations": animations}


func _sprite(frames: SpriteFrames, title: String, index: int, at: Vector2i) -> AnimatedSprite2D:
	var sprite := AnimatedSprite2D.new()
	sprite.sprite_frames = frames
	sprite.animation = title
	sprite.frame = index
	sprite.centered = false
	sprite.position = at
	return sprite


func _atlas_texture(texture: AtlasTexture) -> Dictionary:
	var sprite := Sprite2D.new()
	sprite.texture = texture
	sprite.centered = false
	return {
		"meta": _meta(texture),
		"picture": await _drawn([sprite], Vector2i(texture.get_size())),
	}


func _style_box(box: StyleBoxTexture) -> Dictionary:
	var panel := Panel.new()
	panel.add_theme_stylebox_override("panel", box)
	panel.size = 3 * box.region_rect.size
	return {
		"margins": [SIDE_LEFT, SIDE_TOP, SIDE_RIGHT, SIDE_BOTTOM].map(box.get_texture_margin),
		"picture": await _drawn([panel], Vector2i(panel.size)),
	}


func _tile_set(tile_set: TileSet) -> Dictionary:
	var source: TileSetAtlasSource = tile_set.get_source(tile_set.get_source_id(0))
	var tiles := []
	for index in source.get_tiles_count():
		tiles.append(_tile(tile_set, source, source.get_tile_id(index)))
	return {
		"sources": tile_set.get_source_count(),
		"tile_size": _pair(tile_set.tile_size),
		"tiles": tiles,
		"picture": await _drawn([_layer(tile_set)], tile_set.tile_size * source.get_atlas_grid_size()),
		"bodies": await _bodies(tile_set),
		"painted": await _painted(tile_set),
	}


func _tile(tile_set: TileSet, source: TileSetAtlasSource, at: Vector2i) -> Dictionary:
	var data := source.get_tile_data(at, 0)
	var polygons := []
	for layer in tile_set.get_physics_layers_count():
		for index in data.get_collision_polygons_count(layer):
			polygons.append({
				"points": Array(data.get_collision_polygon_points(layer, index)).map(_pair),
				"one_way": data.is_collision_polygon_one_way(layer, index),
			})
	var custom := {}
	for layer in tile_set.get_custom_data_layers_count():
		custom[tile_set.get_custom_data_layer_name(layer)] = data.get_custom_data_by_layer_id(layer)
	return {
		"at": _pair(at),
		"region": _rect(source.get_tile_texture_region(at)),
		"polygons": polygons,
		"custom": custom,
	}


## A map that shows every tile where it lies in the grid of its page, `step` cells apart.
func _layer(tile_set: TileSet, step := 1) -> TileMapLayer:
	var id := tile_set.get_source_id(0)
	var source: TileSetAtlasSource = tile_set.get_source(id)
	var layer := TileMapLayer.new()
	layer.tile_set = tile_set
	for index in source.get_tiles_count():
		var at := source.get_tile_id(index)
		layer.set_cell(at * step, id, at)
	return layer


## For each tile whether it stops a small body that comes from above, and one that comes from below.
func _bodies(tile_set: TileSet) -> Dictionary:
	var layer := _layer(tile_set, 3)
	var body := CharacterBody2D.new()
	var shape := CollisionShape2D.new()
	var square := RectangleShape2D.new()
	square.size = Vector2(4, 4)
	shape.shape = square
	body.add_child(shape)
	add_child(layer)
	add_child(body)
	for tick in 3:
		await get_tree().physics_frame
	var stopped := {}
	for cell in layer.get_used_cells():
		var way := Vector2(0, tile_set.tile_size.y)
		var middle := layer.map_to_local(cell)
		stopped["%d,%d" % [cell.x / 3, cell.y / 3]] = {
			"from_above": body.test_move(Transform2D(0, middle - way), way),
			"from_below": body.test_move(Transform2D(0, middle + way), -way),
		}
	layer.queue_free()
	body.queue_free()
	return stopped


## The tiles that the engine chooses for a field of the first terrain with squares of the others in its middle, the
## last of them with a hole. It leaves a rim out that no tile is drawn for.
func _painted(tile_set: TileSet) -> Array:
	if tile_set.get_terrain_sets_count() == 0:
		return []
	var layer := TileMapLayer.new()
	layer.tile_set = tile_set
	var terrains := tile_set.get_terrains_count(0)
	for terrain in terrains:
		var square := Rect2i(0, 0, 9, 9).grow(-2 * terrain)
		var cells: Array[Vector2i] = []
		for index in square.get_area():
			cells.append(square.position + Vector2i(index % square.size.x, index / square.size.x))
		if terrain == terrains - 1:
			cells.erase(square.get_center())
		layer.set_cells_terrain_connect(cells, 0, terrain)
	var chosen := layer.get_used_cells().map(
		func(cell: Vector2i) -> Dictionary:
			return {"at": _pair(cell), "tile": _pair(layer.get_cell_atlas_coords(cell))}
	)
	await _drawn([layer], 9 * tile_set.tile_size)
	return chosen


## What these nodes look like, as PNG in base 64.
func _drawn(nodes: Array, size: Vector2i) -> String:
	var viewport := SubViewport.new()
	viewport.size = size
	viewport.transparent_bg = true
	viewport.disable_3d = true
	viewport.canvas_item_default_texture_filter = Viewport.DEFAULT_CANVAS_ITEM_TEXTURE_FILTER_NEAREST
	viewport.render_target_update_mode = SubViewport.UPDATE_ALWAYS
	for node: CanvasItem in nodes:
		node.material = _copy
		viewport.add_child(node)
	add_child(viewport)
	for frame in 2:
		await RenderingServer.frame_post_draw
	var image := viewport.get_texture().get_image()
	viewport.queue_free()
	_hang(image)
	return Marshalls.raw_to_base64(image.save_png_to_buffer())


## Show it in the window too, for people.
func _hang(image: Image) -> void:
	var frame := TextureRect.new()
	frame.texture = ImageTexture.create_from_image(image)
	frame.expand_mode = TextureRect.EXPAND_IGNORE_SIZE
	frame.custom_minimum_size = image.get_size() / 3
	frame.size_flags_vertical = Control.SIZE_SHRINK_BEGIN
	_wall.add_child(frame)


func _meta(object: Object) -> Dictionary:
	var found := {}
	for title in object.get_meta_list():
		var value: Variant = object.get_meta(title)
		found[title] = _pair(value) if value is Vector2 else value
	return found


func _pair(value: Vector2) -> Array:
	return [value.x, value.y]


func _rect(value: Rect2) -> Array:
	return [value.position.x, value.position.y, value.size.x, value.size.y]
