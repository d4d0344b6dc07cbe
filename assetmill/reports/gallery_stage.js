// How a picture is shown: as it is, cell by cell, moving, tiled, stretched or in layers. These functions
// draw into the elements they are given; which asset is open, and why, is none of their business.

const DEFAULT_FPS = 10;
const REPLAY_PAUSE_MS = 900; // a one-shot animation on a card rests this long before it plays again
const LABEL_CHAR_PX = 7.5; // width of a letter of a cell's id on screen; ids that do not fit are left out
const MAX_FIT_SCALE = 12; // small art is enlarged to fit, but not into a wall of squares
const MIN_VIEWPORT = 0.6; // least share of a parallax picture that stays in view while it pans

const make = (tag, props = {}, ...children) => {
  const element = Object.assign(document.createElement(tag), props);
  element.append(...children);
  return element;
};

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// One clock for everything that moves; it stops by itself when nothing does.
const ticker = (() => {
  const running = new Set();
  let frame = 0;
  const turn = (now) => {
    for (const step of [...running]) step(now);
    frame = running.size ? requestAnimationFrame(turn) : 0;
  };
  return {
    add(step) {
      running.add(step);
      frame ||= requestAnimationFrame(turn);
    },
    remove(step) {
      running.delete(step);
    },
  };
})();

// Frames in the order of play, with their lengths in ms.
function playOrder(animation) {
  const even = 1000 / (animation.fps > 0 ? animation.fps : DEFAULT_FPS);
  const own = animation.durationsMs ?? [];
  const steps = animation.frames.map((id, i) => ({ id, ms: own[i] > 0 ? own[i] : even }));
  if (animation.direction === "reverse") return steps.reverse();
  if (animation.direction !== "pingpong") return steps;
  // A loop meets its first frame again at the next turn; a single run has to come back to it.
  return steps.concat(steps.slice(animation.loop === false ? 0 : 1, -1).reverse());
}

const pivotOf = (entry) => entry.pivot ?? { x: entry.region.w / 2, y: entry.region.h / 2 };

// Box in which all frames fit when they are laid over each other at their pivots.
function frameBox(entries) {
  const box = { left: 0, top: 0, right: 0, bottom: 0 };
  for (const entry of entries) {
    const pivot = pivotOf(entry);
    box.left = Math.max(box.left, pivot.x);
    box.top = Math.max(box.top, pivot.y);
    box.right = Math.max(box.right, entry.region.w - pivot.x);
    box.bottom = Math.max(box.bottom, entry.region.h - pivot.y);
  }
  return { ...box, w: Math.max(1, Math.ceil(box.left + box.right)), h: Math.max(1, Math.ceil(box.top + box.bottom)) };
}

function drawRegion(context, image, region, x, y, w = region.w, h = region.h) {
  if (!image.naturalWidth || w <= 0 || h <= 0) return;
  context.drawImage(image, region.x, region.y, region.w, region.h, x, y, w, h);
}

// Plays one animation of a sheet on a canvas. `onStep` hears of every frame shown.
class Player {
  constructor(canvas, image, sheet, name, { replay = false, onStep = () => {} } = {}) {
    const animation = sheet.animations[name];
    this.steps = playOrder(animation).filter((step) => sheet.entries[step.id]);
    this.entries = this.steps.map((step) => sheet.entries[step.id]);
    this.box = frameBox(this.entries);
    Object.assign(this, { canvas, image, replay, onStep, loop: animation.loop !== false });
    Object.assign(canvas, { width: this.box.w, height: this.box.h });
    this.at = 0;
    this.left = this.steps[0]?.ms ?? 0;
    this.playing = false;
    this.tick = (now) => this.advance(now);
  }

  play() {
    if (this.playing || this.steps.length < 2) return this.draw();
    if (!this.loop && this.at === this.steps.length - 1) this.show(0);
    this.playing = true;
    this.last = null;
    this.draw();
    return ticker.add(this.tick);
  }

  pause() {
    this.playing = false;
    ticker.remove(this.tick);
  }

  show(at) {
    this.at = (at + this.steps.length) % this.steps.length;
    this.left = this.steps[this.at].ms;
    this.draw();
  }

  advance(now) {
    this.left -= Math.min(now - (this.last ?? now), 250); // a tab in the background must not race afterwards
    this.last = now;
    while (this.left <= 0 && this.playing) {
      const over = this.left;
      if (this.at === this.steps.length - 1 && !this.loop) {
        if (!this.replay) return this.finish();
        if (over > -REPLAY_PAUSE_MS) return undefined;
        this.show(0);
      } else {
        this.show(this.at + 1);
        this.left += over;
      }
    }
    return undefined;
  }

  finish() {
    this.pause();
    this.onStep(this);
  }

  draw() {
    const entry = this.entries[this.at];
    if (!entry) return;
    const context = this.canvas.getContext("2d");
    const pivot = pivotOf(entry);
    context.clearRect(0, 0, this.box.w, this.box.h);
    drawRegion(context, this.image, entry.region, Math.round(this.box.left - pivot.x), Math.round(this.box.top - pivot.y));
    this.onStep(this);
  }
}

// Moves the layers of a parallax background on a card to and fro, from the middle and each at its own speed.
class Drift {
  constructor(images, layers) {
    const fastest = Math.max(0.001, ...layers.map((layer) => layer.scroll_factor));
    this.planes = [...images].map((image, i) => ({ image, share: layers[i].scroll_factor / fastest }));
    [this.seconds, this.playing] = [0, false];
    this.tick = (now) => {
      this.seconds += Math.min(0.25, (now - (this.last ?? now)) / 1000);
      this.last = now;
      this.draw();
    };
  }

  play() {
    if (this.playing) return;
    [this.playing, this.last] = [true, null];
    ticker.add(this.tick);
  }

  pause() {
    this.playing = false;
    ticker.remove(this.tick);
  }

  draw() {
    for (const { image, share } of this.planes) image.style.objectPosition = `${50 + 50 * share * Math.sin(this.seconds / 2)}% 50%`;
  }
}

// Lines around cells, with ids and pivots, in the sheet's own pixels.
function frameOverlay(sheet, { labels = false } = {}) {
  const svg = document.getElementById("overlay").content.firstElementChild.cloneNode(true);
  const draw = (tag, attributes, text = "") => {
    const shape = document.createElementNS(svg.namespaceURI, tag);
    for (const [name, value] of Object.entries(attributes)) shape.setAttribute(name, value);
    shape.textContent = text;
    svg.append(shape);
  };
  svg.setAttribute("viewBox", `0 0 ${sheet.imageWidth} ${sheet.imageHeight}`);
  for (const [id, entry] of Object.entries(sheet.entries ?? {})) {
    const { x, y, w, h } = entry.region;
    draw("rect", { x, y, width: w, height: h });
    if (!labels) continue;
    const pivot = pivotOf(entry);
    const arm = Math.min(w, h) * 0.06;
    const [px, py] = [x + pivot.x, y + pivot.y];
    draw("path", { d: `M${px - arm} ${py}h${2 * arm}M${px} ${py - arm}v${2 * arm}` });
    draw("text", { x: x + w * 0.03, y: y + h * 0.03 }, id);
  }
  return svg;
}

// Least scale at which every cell is wide enough for its id.
const labelScale = (sheet) => Math.max(0, ...Object.entries(sheet.entries ?? {}).map(([id, { region }]) => (id.length * LABEL_CHAR_PX) / region.w));

// Largest whole scale that fits when there is room, else the exact scale that fits.
function fitScale(stage, width, height) {
  const room = Math.min((stage.clientWidth - 24) / width, (stage.clientHeight - 24) / height);
  return room >= 1 ? clamp(Math.floor(room), 1, MAX_FIT_SCALE) : Math.max(room, 0.01);
}

// Keeps an element at the chosen zoom: `zoom.level` is a scale, or 0 to fit the stage.
function zoomable(ctx, element, width, height, onScale = () => {}) {
  const apply = () => {
    if (ctx.zoom.apply !== apply || !element.isConnected) return; // something else is on the stage by now
    const scale = ctx.zoom.level || fitScale(ctx.stage, width, height);
    element.style.width = `${Math.max(1, Math.round(width * scale))}px`;
    element.style.height = `${Math.max(1, Math.round(height * scale))}px`;
    element.classList.toggle("pixels", scale > 1);
    ctx.zoom.show(scale);
    onScale(scale);
  };
  const observer = new ResizeObserver(() => requestAnimationFrame(apply));
  observer.observe(ctx.stage);
  ctx.zoom.apply = apply;
  ctx.track(() => observer.disconnect());
  apply();
}

const whenLoaded = (image, then) => {
  if (image.complete && image.naturalWidth) then();
  else image.addEventListener("load", then, { once: true });
};

function canvasOf(width, height, className = "") {
  return make("canvas", { width: Math.max(1, Math.round(width)), height: Math.max(1, Math.round(height)), className });
}

const views = {};

views.picture = (ctx) => {
  const { item } = ctx;
  const art = make("div", { className: "art" });
  art.append(make("img", { src: ctx.image.src, alt: item.prompt, draggable: false }));
  let overlay = null;
  if (item.sheet) {
    overlay = frameOverlay(item.sheet, { labels: true });
    art.append(overlay);
  }
  ctx.stage.append(art);
  whenLoaded(ctx.image, () => {
    if (!art.isConnected) return;
    zoomable(ctx, art, ctx.image.naturalWidth, ctx.image.naturalHeight, (scale) => {
      overlay?.style.setProperty("--unit", 1 / scale);
      overlay?.classList.toggle("plain", scale < labelScale(item.sheet));
    });
  });
};

views.play = (ctx) => {
  const { item, stage, tools } = ctx;
  const canvas = canvasOf(1, 1, "art");
  const button = make("button", { type: "button", className: "toggle" });
  const where = make("output", { className: "dim" });
  const names = Object.keys(item.sheet.animations);
  let player = null;
  const report = (source) => {
    button.textContent = source.playing ? "Pause" : "Play";
    where.textContent = `${source.steps[source.at]?.id ?? ""} · ${source.at + 1}/${source.steps.length}`;
  };
  const choose = (name) => {
    player?.pause();
    player = new Player(canvas, ctx.image, item.sheet, name, { onStep: report });
    for (const chip of chips) chip.setAttribute("aria-pressed", chip.value === name);
    const { fps, direction, loop } = item.sheet.animations[name];
    speed.textContent = `${fps ?? DEFAULT_FPS} fps · ${direction ?? "forward"} · ${loop === false ? "once" : "loop"}`;
    zoomable(ctx, canvas, player.box.w, player.box.h);
    if (ctx.motion()) player.play();
    else player.draw();
  };
  const speed = make("span", { className: "dim" });
  const chips = names.map((name) =>
    make("button", { type: "button", className: "chip", value: name, textContent: name, onclick: () => choose(name) }),
  );
  const step = (by) => { player.pause(); player.show(player.at + by); };
  ctx.toggle = () => { if (player.playing) { player.pause(); report(player); } else player.play(); };
  button.onclick = ctx.toggle;
  tools.append(
    button,
    make("button", { type: "button", className: "toggle", textContent: "−1", ariaLabel: "Previous frame", onclick: () => step(-1) }),
    make("button", { type: "button", className: "toggle", textContent: "+1", ariaLabel: "Next frame", onclick: () => step(1) }),
    ...chips, speed, where,
  );
  stage.append(canvas);
  ctx.track(() => player?.pause());
  whenLoaded(ctx.image, () => canvas.isConnected && choose(names.includes(item.sheet.defaultAnimationId) ? item.sheet.defaultAnimationId : names[0]));
};

views.cells = (ctx) => {
  const list = make("ul", { className: "cells" });
  const collisions = Object.fromEntries(Object.values(ctx.item.sheet.tiles ?? {}).map((tile) => [tile.entryId, tile.collision?.type]));
  for (const [id, entry] of Object.entries(ctx.item.sheet.entries)) {
    const { w, h } = entry.region;
    const canvas = canvasOf(w, h, w <= 96 ? "ground pixels" : "ground");
    whenLoaded(ctx.image, () => drawRegion(canvas.getContext("2d"), ctx.image, entry.region, 0, 0));
    const extra = [...(entry.tags ?? []), collisions[id] ? `collision ${collisions[id]}` : ""].filter(Boolean);
    list.append(make("li", {}, canvas, make("b", { textContent: id }), make("span", { className: "dim", textContent: [`${w} x ${h}`, ...extra].join(" · ") })));
  }
  ctx.stage.append(list);
};

views.tiles = (ctx) => {
  const entries = ctx.item.sheet.entries;
  const ids = Object.keys(entries);
  const first = entries[ids[0]].region;
  const [columns, rows] = [8, 5];
  const canvas = canvasOf(first.w * columns, first.h * rows, "art");
  const select = make("select", { ariaLabel: "Tile" }, make("option", { value: "", textContent: "all, mixed" }), ...ids.map((id) => make("option", { value: id, textContent: id })));
  const paint = () => {
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (let cell = 0; cell < columns * rows; cell++) {
      const id = select.value || ids[(cell * 7 + Math.floor(cell / columns) * 3) % ids.length];
      drawRegion(context, ctx.image, entries[id].region, (cell % columns) * first.w, Math.floor(cell / columns) * first.h, first.w, first.h);
    }
  };
  select.value = ids[0];
  select.onchange = paint;
  ctx.tools.append(make("label", { className: "field" }, "Repeat ", select));
  ctx.stage.append(canvas);
  zoomable(ctx, canvas, canvas.width, canvas.height);
  whenLoaded(ctx.image, paint);
};

// Draws a cell stretched to width x height while its borders keep their size.
function drawNineSlice(context, image, region, slice, width, height) {
  const xs = [0, slice.left, region.w - slice.right, region.w];
  const ys = [0, slice.top, region.h - slice.bottom, region.h];
  const tx = [0, slice.left, width - slice.right, width];
  const ty = [0, slice.top, height - slice.bottom, height];
  for (let row = 0; row < 3; row++) {
    for (let column = 0; column < 3; column++) {
      const part = { x: region.x + xs[column], y: region.y + ys[row], w: xs[column + 1] - xs[column], h: ys[row + 1] - ys[row] };
      if (part.w > 0 && part.h > 0) drawRegion(context, image, part, tx[column], ty[row], tx[column + 1] - tx[column], ty[row + 1] - ty[row]);
    }
  }
}

views.stretch = (ctx) => {
  const { sheet } = ctx.item;
  const slice = sheet.nineSlice;
  const ids = Object.keys(sheet.entries);
  const cell = sheet.entries[ids[0]].region;
  const canvas = canvasOf(1, 1, "art");
  const slider = (label, least, value) => make("input", { type: "range", min: least, max: least + value * 3, value: value * 2, ariaLabel: label, oninput: () => paint() });
  const [width, height] = [slider("Width", slice.left + slice.right + 1, cell.w), slider("Height", slice.top + slice.bottom + 1, cell.h)];
  const select = make("select", { ariaLabel: "State", onchange: () => paint() }, ...ids.map((id) => make("option", { value: id, textContent: id })));
  const size = make("output", { className: "dim" });
  const paint = () => {
    Object.assign(canvas, { width: width.valueAsNumber, height: height.valueAsNumber });
    size.textContent = `${canvas.width} x ${canvas.height}`;
    drawNineSlice(canvas.getContext("2d"), ctx.image, sheet.entries[select.value].region, slice, canvas.width, canvas.height);
  };
  ctx.tools.append(select, make("label", { className: "field" }, "Width ", width), make("label", { className: "field" }, "Height ", height), size);
  ctx.stage.append(canvas);
  whenLoaded(ctx.image, paint);
  canvas.classList.toggle("pixels", cell.w <= 96);
};

views.parallax = (ctx) => {
  const { item, stage, tools } = ctx;
  const world = make("div", { className: "world" });
  const planes = item.layers.map((layer) => {
    const plane = make("div", { className: "plane" });
    plane.style.backgroundImage = `url("${layer.href}")`;
    world.append(plane);
    return { plane, factor: layer.scroll_factor };
  });
  const fastest = Math.max(0.001, ...planes.map(({ factor }) => factor));
  // The camera goes from 0 to 1: across the picture, or in an endless one once round its fastest layer.
  let [moving, endless, camera, last, room] = [false, item.endless, item.endless ? 0 : 0.5, null, { w: 1, full: 1 }];
  const place = (to) => {
    camera = endless ? to - Math.floor(to) + turns : clamp(to, 0, 1);
    const span = endless ? room.full : room.full - room.w;
    for (const { plane, factor } of planes) plane.style.backgroundPositionX = `${(-span * camera * factor) / fastest}px`;
    slider.value = endless ? camera - Math.floor(camera) : camera;
  };
  // Slower layers are not back where they began when the fastest is: whole turns are counted along.
  let turns = 0;
  const turn = (by) => {
    const next = camera - turns + by;
    if (endless) turns += Math.floor(next);
    place(next);
  };
  const layout = () => {
    const [w, h] = [item.width || 16, item.height || 9];
    const scale = Math.min((stage.clientWidth - 24) / (w * MIN_VIEWPORT), (stage.clientHeight - 24) / h);
    room = { w: w * MIN_VIEWPORT * scale, full: w * scale };
    world.style.width = `${room.w}px`;
    world.style.height = `${h * scale}px`;
    for (const { plane } of planes) plane.style.backgroundSize = `${room.full}px 100%`;
    turn(0);
  };
  let way = 1;
  const tick = (now) => {
    const seconds = Math.min(0.25, (now - (last ?? now)) / 1000); // a tab in the background must not jump afterwards
    last = now;
    if (endless) return turn((seconds * MIN_VIEWPORT * fastest) / 6);
    if (camera >= 1) way = -1;
    if (camera <= 0) way = 1;
    return turn((way * seconds * (0.15 + Math.sin(Math.PI * camera))) / 5);
  };
  const run = (on) => {
    [moving, last] = [on, null];
    button.textContent = on ? "Pause" : "Play";
    if (on) ticker.add(tick);
    else ticker.remove(tick);
  };
  const button = make("button", { type: "button", className: "toggle", onclick: () => run(!moving) });
  const slider = make("input", { type: "range", min: 0, max: 1, step: 0.002, ariaLabel: "Camera position", oninput: () => { run(false); turn(slider.valueAsNumber - (camera - turns)); } });
  const loop = make("input", { type: "checkbox", checked: endless, onchange: () => { [endless, turns] = [loop.checked, 0]; place(camera - Math.floor(camera)); } });
  world.onpointerdown = (event) => {
    run(false);
    world.setPointerCapture(event.pointerId);
  };
  world.onpointermove = (event) => {
    if (world.hasPointerCapture(event.pointerId)) turn(-event.movementX / Math.max(1, endless ? room.full : room.full - room.w));
  };
  ctx.toggle = () => run(!moving);
  const boxes = item.layers.map((layer, i) =>
    make("label", { className: "field" }, make("input", { type: "checkbox", checked: true, onchange: (event) => { planes[i].plane.hidden = !event.target.checked; } }), ` ${layer.id} ×${layer.scroll_factor}`),
  );
  tools.append(button, slider, make("label", { className: "field", title: "Repeat the layers sideways; shows whether the edges join" }, loop, " endless"), ...boxes);
  stage.append(world);
  const observer = new ResizeObserver(() => requestAnimationFrame(layout)); // a frame later, lest it be its own cause
  observer.observe(stage);
  ctx.track(() => { observer.disconnect(); ticker.remove(tick); });
  layout();
  run(ctx.motion());
};

// The ways in which an item can be looked at, best first: [name, label].
function viewsOf(item) {
  const { sheet } = item;
  const cells = sheet && Object.keys(sheet.entries ?? {}).length > 0;
  const found = [];
  if (item.layers.length) found.push(["parallax", "Parallax"]);
  if (item.href) found.push(["picture", sheet ? "Sheet" : "Picture"]);
  if (!item.href || !cells) return found;
  if (Object.keys(sheet.animations ?? {}).length) found.push(["play", "Animation"]);
  if (sheet.tiles) found.push(["tiles", "Tiled"]);
  if (sheet.nineSlice) found.push(["stretch", "Stretched"]);
  return [...found, ["cells", "Cells"]];
}
