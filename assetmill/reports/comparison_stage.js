// The two pictures: both always show the same place at the same size, whatever their own sizes are.

const MOST = 64; // times as large as fitted
const STEP = 1.25;
const BLINK_MS = 700;

class Stage {
  constructor(root) {
    this.root = root;
    this.panes = [0, 1].map((side) => document.getElementById(`pane-${side}`));
    this.sizes = [null, null];
    this.at = { x: 0.5, y: 0.5, zoom: 1 }; // middle of the stage in shares of the picture
    this.front = 0;
    this.pointers = new Map();
    this.timer = 0;
    root.addEventListener("wheel", (event) => this.wheeled(event), { passive: false });
    root.addEventListener("pointerdown", (event) => this.pressed(event));
    root.addEventListener("pointermove", (event) => this.moved(event));
    for (const name of ["pointerup", "pointercancel"]) root.addEventListener(name, (event) => this.released(event));
    root.addEventListener("keydown", (event) => this.keyed(event));
    root.addEventListener("dblclick", () => this.fit());
    new ResizeObserver(() => this.draw()).observe(root);
  }

  // Show two views; one that is missing says why instead. `hold` keeps the place, for another view of the same picture.
  show(views, reasons, captions, hold) {
    views.forEach((view, side) => this.fill(side, view, reasons[side], captions[side]));
    if (!hold) this.at = { x: 0.5, y: 0.5, zoom: 1 };
    this.draw();
  }

  fill(side, view, reason, caption) {
    const pane = this.panes[side];
    const pic = pane.querySelector(".pic");
    pic.replaceChildren();
    pane.querySelector(".void")?.remove();
    this.sizes[side] = view ? { w: view.w, h: view.h } : null;
    for (const href of view?.hrefs ?? []) {
      const image = new Image();
      image.src = href;
      image.alt = "";
      image.draggable = false;
      pic.append(image);
    }
    if (pic.firstChild) pic.firstChild.alt = `${caption}: ${view.label}`;
    if (!view) {
      const words = document.createElement("p");
      words.className = "void";
      words.textContent = reason || "no picture";
      pane.append(words);
    }
    this.name(side, caption);
  }

  name(side, caption) {
    this.panes[side].querySelector("figcaption").textContent = caption;
  }

  // Pixels of the screen for one of the picture's.
  scale(side) {
    const size = this.sizes[side];
    const clip = this.panes[side].querySelector(".clip");
    if (!size || !clip.clientWidth) return 1;
    return Math.min(clip.clientWidth / size.w, clip.clientHeight / size.h) * this.at.zoom;
  }

  draw() {
    this.panes.forEach((pane, side) => {
      const size = this.sizes[side];
      if (!size) return;
      const clip = pane.querySelector(".clip");
      const pic = pane.querySelector(".pic");
      const scale = this.scale(side);
      const left = clip.clientWidth / 2 - this.at.x * size.w * scale;
      const top = clip.clientHeight / 2 - this.at.y * size.h * scale;
      pic.style.width = `${size.w}px`;
      pic.style.height = `${size.h}px`;
      pic.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
      pic.classList.toggle("pixels", scale * devicePixelRatio >= 2);
    });
    const known = this.sizes[0] ? 0 : 1;
    this.root.style.touchAction = this.at.zoom > 1 ? "none" : "pan-y"; // a finger still gets past what is fitted
    document.getElementById("zoom").value = this.sizes[known] ? `${Math.round(this.scale(known) * 100)} %` : "";
  }

  fit() {
    this.at = { x: 0.5, y: 0.5, zoom: 1 };
    this.draw();
  }

  // One pixel of the first picture is one of the screen.
  pixels() {
    const known = this.sizes[0] ? 0 : 1;
    this.zoomTo(this.at.zoom / (this.scale(known) * devicePixelRatio));
  }

  // Zoom, keeping still what is under a point of the first pane, or the middle.
  zoomTo(zoom, point) {
    const before = this.at.zoom;
    this.at.zoom = Math.min(MOST, Math.max(0.2, zoom));
    if (point) {
      const size = this.sizes[point.side] ?? this.sizes[1 - point.side];
      const change = before / this.at.zoom;
      const scale = this.scale(this.sizes[point.side] ? point.side : 1 - point.side);
      this.at.x += ((point.x / scale) * (1 / change - 1)) / size.w;
      this.at.y += ((point.y / scale) * (1 / change - 1)) / size.h;
    }
    this.keepNear();
    this.draw();
  }

  moveBy(dx, dy) {
    const known = this.sizes[0] ? 0 : 1;
    const size = this.sizes[known];
    if (!size) return;
    const scale = this.scale(known);
    this.at.x -= dx / (size.w * scale);
    this.at.y -= dy / (size.h * scale);
    this.keepNear();
    this.draw();
  }

  keepNear() {
    this.at.x = Math.min(1, Math.max(0, this.at.x));
    this.at.y = Math.min(1, Math.max(0, this.at.y));
  }

  // Where a pointer is, from the middle of the pane under it.
  point(event) {
    let side = 0;
    if (document.body.dataset.mode === "side") {
      const second = this.panes[1].getBoundingClientRect();
      side = event.clientX >= second.left && event.clientY >= second.top ? 1 : 0;
    }
    const box = this.panes[side].getBoundingClientRect();
    return { side, x: event.clientX - box.left - box.width / 2, y: event.clientY - box.top - box.height / 2 };
  }

  // The wheel zooms once the pictures are in hand; until then it takes the page on.
  wheeled(event) {
    if (!event.ctrlKey && document.activeElement !== this.root) return;
    event.preventDefault();
    this.zoomTo(this.at.zoom * Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), this.point(event));
  }

  pressed(event) {
    if (event.button) return;
    this.pointers.set(event.pointerId, event);
    this.root.setPointerCapture(event.pointerId);
    this.root.classList.add("dragging");
  }

  moved(event) {
    const last = this.pointers.get(event.pointerId);
    if (!last) return;
    const other = [...this.pointers.values()].find((one) => one.pointerId !== event.pointerId);
    if (other) {
      const apart = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY) || 1;
      this.zoomTo((this.at.zoom * apart(event)) / apart(last), this.point(other));
    } else {
      this.moveBy(event.clientX - last.clientX, event.clientY - last.clientY);
    }
    this.pointers.set(event.pointerId, event);
  }

  released(event) {
    this.pointers.delete(event.pointerId);
    if (!this.pointers.size) this.root.classList.remove("dragging");
  }

  keyed(event) {
    const step = event.shiftKey ? 160 : 40;
    const by = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.moveBy(...by);
  }

  // Side by side, one over the other, or one uncovering the other.
  mode(name) {
    document.body.dataset.mode = name;
    this.auto(false);
    this.split(name === "slider" ? Number(document.getElementById("split").value) : null);
    this.bring(0);
    this.draw();
  }

  split(percent) {
    this.panes[1].style.clipPath = percent === null ? "" : `inset(0 0 0 ${percent}%)`;
    this.root.querySelector(".bar").style.left = percent === null ? "" : `${percent}%`;
  }

  // Which picture is on top while they blink.
  bring(side) {
    this.front = side;
    this.panes.forEach((pane, one) => pane.classList.toggle("under-it", one !== side));
    const words = this.panes[side].querySelector("figcaption").textContent;
    document.getElementById("shown").textContent = this.timer ? "" : words;
  }

  auto(on) {
    clearInterval(this.timer);
    this.timer = on ? setInterval(() => this.bring(1 - this.front), BLINK_MS) : 0;
    document.getElementById("auto").setAttribute("aria-pressed", String(on));
  }
}
