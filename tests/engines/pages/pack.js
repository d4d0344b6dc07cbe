// What a game needs to find its pack, and what tests need to see of a game.

async function json(url) {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return answer.json();
}

// All that a game knows beforehand is where latest.json is; or, of an exported folder, what it is called in there.
export async function openPack({ latest, folder }) {
  if (folder) return openFolder(new URL(folder, location.href).href);
  const pointer = new URL(latest, location.href);
  const url = new URL((await json(pointer)).index, pointer);
  const index = await json(url);
  return { index, base: new URL(index.base, url).href };
}

function openFolder(base) {
  const files = { pixi: "cloud-hop.manifest.json", phaser: "cloud-hop.pack.json" };
  return { index: { pack: "spring", assets: {}, files }, base };
}

// The w x h pixels in the upper left corner of the screen: premultiplied RGBA, row by row, as base64.
export function readScreen(gl, w, h) {
  const bound = gl.getParameter(gl.FRAMEBUFFER_BINDING);
  const data = new Uint8Array(w * h * 4);
  gl.bindFramebuffer(gl.FRAMEBUFFER, null);
  gl.readPixels(0, gl.drawingBufferHeight - h, w, h, gl.RGBA, gl.UNSIGNED_BYTE, data);
  gl.bindFramebuffer(gl.FRAMEBUFFER, bound);
  const rows = Array.from({ length: h }, (_, y) => data.subarray((h - 1 - y) * w * 4, (h - y) * w * 4)); // GL counts from below
  return { w, h, data: btoa(rows.map((row) => String.fromCharCode(...row)).join("")) };
}

// When a player shows another frame: [[ms, frame], ...], while `turn` turns its clock by 1 ms at a time.
export function record(length_ms, shown, turn) {
  const changes = [[0, shown()]];
  for (let now = 1; now <= length_ms; now++) {
    turn(now);
    if (shown() !== changes.at(-1)[1]) changes.push([now, shown()]);
  }
  return changes;
}

// Start a game, and hand it to the tests once it has loaded, or say why it has not.
export function handOver(start) {
  start(Object.fromEntries(new URLSearchParams(location.search))).then(
    (game) => { window.game = game; },
    (error) => { window.failed = String(error); throw error; },
  );
}
