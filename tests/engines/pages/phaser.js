// A Phaser game, of version 3 or 4, that loads a published pack. Tests call its functions: they draw on an empty screen
// and say what is seen.

import { handOver, openPack, readScreen, record } from "./pack.js";

const SCREEN = { type: Phaser.WEBGL, width: 1024, height: 768, transparent: true, banner: false, audio: { noAudio: true } };

// The scene of a game that has loaded what `preload` asks for; its clock stands still from then on.
function loaded(preload) {
  return new Promise((resolve, reject) => {
    const missing = [];
    new Phaser.Game({
      ...SCREEN,
      scene: {
        preload() {
          this.load.on("loaderror", (file) => missing.push(`${file.type} ${file.key}: ${file.src}`));
          preload(this.load);
        },
        create() {
          this.game.loop.stop();
          if (missing.length) reject(new Error(missing.join(", ")));
          else resolve(this);
        },
      },
    });
  });
}

function sharpen(textures, assets) {
  for (const texture of Object.values(textures.list)) {
    const pixelArt = assets[texture.key.split("/")[0]]?.smooth === false;
    if (pixelArt) texture.setFilter(Phaser.Textures.FilterMode.NEAREST);
  }
}

async function start(place) {
  const { index, base } = await openPack(place);
  const scene = await loaded((load) => {
    load.setBaseURL(base);
    load.pack("pack", index.files.phaser);
  });
  const { game, textures, add } = scene;
  sharpen(textures, index.assets);

  let now = 0;
  const see = (w, h, draw) => {
    scene.children.removeAll(true);
    draw();
    game.step(now, 0);
    return readScreen(game.renderer.gl, w, h);
  };

  return {
    version: () => Phaser.VERSION,

    // Size of every picture and of every frame, by name.
    sizes() {
      const named = Object.values(textures.list).flatMap(({ key, frames }) =>
        Object.values(frames).map((frame) => [frame.name === "__BASE" ? key : frame.name, frame]));
      return Object.fromEntries(named.map(([name, { realWidth, realHeight }]) => [name, [realWidth, realHeight]]));
    },

    picture: (name, w, h) => see(w, h, () => add.image(0, 0, name).setOrigin(0)),

    frame: (sheet, name, w, h) => see(w, h, () => add.image(0, 0, sheet, name).setOrigin(0)),

    placed: (sheet, name, x, y, w, h) => see(w, h, () => add.image(x, y, sheet, name)),

    stretched: (sheet, name, w, h) => see(w, h, () => add.nineslice(0, 0, sheet, name, w, h).setOrigin(0)),

    // Which frame is shown from when on, and whether it still plays at the end.
    play(sheet, name, length_ms) {
      scene.children.removeAll(true);
      const sprite = add.sprite(0, 0, sheet).play(name);
      const changes = record(length_ms, () => sprite.frame.name, () => game.headlessStep(++now, 1));
      return { changes, playing: sprite.anims.isPlaying };
    },

    // Load one sheet as another tool's format: unityAtlas or aseprite, of a picture and its document.
    load(how, sheet, picture, sheetDocument) {
      return new Promise((resolve, reject) => {
        scene.load.once("loaderror", (file) => reject(new Error(file.src)));
        scene.load.once("complete", () => resolve(textures.get(sheet).getFrameNames()));
        scene.load.setBaseURL("")[how](sheet, picture, sheetDocument).start();
      });
    },

    // Make the animations that an Aseprite document names; their names.
    animate: (sheet) => scene.anims.createFromAseprite(sheet).map(({ key }) => key),

    // A tile map; `rows` has indices of tiles.
    map(sheet, rows, scale, w, h) {
      const { tileWidth, tileHeight, tileMargin, tileSpacing } = textures.get(sheet).customData.meta.tiles;
      return see(w, h, () => {
        const map = scene.make.tilemap({ data: rows, tileWidth, tileHeight });
        const tiles = map.addTilesetImage(sheet, sheet, tileWidth, tileHeight, tileMargin, tileSpacing);
        map.createLayer(0, tiles, 0, 0).setScale(scale);
      });
    },
  };
}

handOver(start);
