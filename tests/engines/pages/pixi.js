// A PixiJS game that loads a published pack. Tests call its functions: they draw on an empty screen and say what is seen.

import { handOver, openPack, readScreen, record } from "./pack.js";

const { AnimatedSprite, Application, Assets, NineSliceSprite, Sprite, Texture, VERSION } = PIXI;

const CORNER = { x: 0, y: 0 }; // PixiJS 8.22 overlooks an anchor of 0

async function start(place) {
  const app = new Application();
  await app.init({ width: 1024, height: 768, backgroundAlpha: 0, autoStart: false, preference: "webgl" });
  document.body.append(app.canvas);

  const { index, base } = await openPack(place);
  await Assets.init({ basePath: base, manifest: base + index.files.pixi });
  const loaded = await Assets.loadBundle(index.pack);

  const see = (w, h, ...objects) => {
    app.stage.removeChildren();
    app.stage.addChild(...objects);
    app.render();
    return readScreen(app.renderer.gl, w, h);
  };

  return {
    version: () => VERSION,

    // Size of every picture and of every frame, by name.
    sizes() {
      const pictures = Object.entries(loaded).filter(([, resource]) => resource instanceof Texture);
      const sheets = Object.values(loaded).filter((resource) => resource.textures);
      const frames = sheets.flatMap((sheet) => [sheet, ...sheet.linkedSheets]).flatMap((sheet) => Object.entries(sheet.textures));
      return Object.fromEntries([...pictures, ...frames].map(([name, { width, height }]) => [name, [width, height]]));
    },

    picture: (name, w, h) => see(w, h, new Sprite({ texture: Assets.get(name), anchor: CORNER })),

    frame: (sheet, name, w, h) => see(w, h, new Sprite({ texture: Assets.get(name), anchor: CORNER })),

    placed: (sheet, name, x, y, w, h) => see(w, h, new Sprite({ texture: Assets.get(name), x, y })),

    stretched: (sheet, name, w, h) => see(w, h, new NineSliceSprite({ texture: Assets.get(name), anchor: CORNER, width: w, height: h })),

    // Which frame is shown from when on, and whether it still plays at the end.
    play(sheet, name, length_ms) {
      const { frames, durations, loop } = loaded[sheet].data.meta.animations[name];
      const textures = frames.map((frame, i) => ({ texture: Assets.get(frame), time: durations[i] }));
      const sprite = new AnimatedSprite({ textures, loop, autoUpdate: false, autoPlay: true });
      const shown = () => frames.find((frame) => Assets.get(frame) === sprite.texture);
      const changes = record(length_ms, shown, () => sprite.update({ deltaTime: 60 / 1000 })); // counted in 60ths of a second
      return { changes, playing: sprite.playing };
    },

    // The frames of an animation for those who play them at a speed of their own.
    order(sheet, name) {
      const { animations, textures } = loaded[sheet];
      return animations[name].map((texture) => Object.keys(textures).find((key) => textures[key] === texture));
    },

    // Tiles side by side; `rows` has their indices.
    map(sheet, rows, scale, w, h) {
      const { data, textures } = loaded[sheet];
      const tiles = [];
      for (const [name, { tile }] of Object.entries(data.frames)) tiles[tile.index] = textures[name];
      const [across, down] = [data.meta.tiles.tileWidth * scale, data.meta.tiles.tileHeight * scale];
      return see(w, h, ...rows.flatMap((row, y) => row.map((index, x) =>
        new Sprite({ texture: tiles[index], anchor: CORNER, x: x * across, y: y * down, scale }))));
    },
  };
}

handOver(start);
