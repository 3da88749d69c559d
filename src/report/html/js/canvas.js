/* Draws the graph and knows what lies under the pointer. What is drawn depends on the zoom: dots and straight lines from
   afar, circles nearer, numbers, names and arrow heads near. */

const RADIUS = 15;
const NEAR = 0.55;
const FAR = 0.22;
const MAX_SCALE = 3;
/* From so many edges on, curves become lines and the picture is drawn with less while it moves: a software renderer would
   take longer than a frame. */
const MANY_EDGES = 3000;
const REST = 160;

class GraphCanvas {
  constructor(canvas, run, layout) {
    Object.assign(this, { canvas, run, layout });
    this.context = canvas.getContext("2d");
    this.camera = { scale: 1, x: 0, y: 0 };
    this.dimmed = null;
    this.path = new Set();
    this.pathStates = new Set();
    this.found = new Set();
    this.selected = { state: -1, edge: -1 };
    this.frame = 0;
    this.curves = new Map();
    this.readColors();
    this.#boundingBox();
  }

  readColors() {
    const probe = h("span", { class: "unseen" });
    document.body.append(probe);
    const color = (name) => {
      probe.style.color = `var(--${name})`;
      return getComputedStyle(probe).color;
    };
    this.colors = {};
    for (const name of ["canvas", "node", "node-line", "text", "muted", "edge", "edge-faint", "accent", "found", "low", "medium", "high", "critical", "on-bad"]) this.colors[name] = color(name);
    probe.remove();
    this.rankColors = ["", this.colors.low, this.colors.medium, this.colors.high, this.colors.critical];
  }

  #boundingBox() {
    const { x, y } = this.layout;
    const box = { left: Infinity, right: -Infinity, top: Infinity, bottom: -Infinity };
    for (let state = 0; state < this.run.states; state++) {
      box.left = Math.min(box.left, x[state]);
      box.right = Math.max(box.right, x[state]);
      box.top = Math.min(box.top, y[state]);
      box.bottom = Math.max(box.bottom, y[state]);
    }
    this.box = box;
  }

  /* Takes the size that the page gives to the canvas. */
  resize() {
    const { clientWidth, clientHeight } = this.canvas;
    const ratio = window.devicePixelRatio || 1;
    this.width = clientWidth;
    this.height = clientHeight;
    this.canvas.width = Math.max(1, Math.round(clientWidth * ratio));
    this.canvas.height = Math.max(1, Math.round(clientHeight * ratio));
    this.ratio = ratio;
    this.draw();
  }

  fit() {
    const { left, right, top, bottom } = this.box;
    const margin = 40;
    const scale = Math.min(1.25, (this.width - 2 * margin) / Math.max(1, right - left), (this.height - 2 * margin) / Math.max(1, bottom - top));
    this.camera.scale = Math.max(0.005, scale);
    this.center((left + right) / 2, (top + bottom) / 2);
  }

  center(x, y) {
    this.camera.x = this.width / 2 - x * this.camera.scale;
    this.camera.y = this.height / 2 - y * this.camera.scale;
    this.draw();
  }

  /* Brings a state into view; nearer when its number could not be read. */
  reveal(state, nearer = true) {
    const { camera } = this;
    const [x, y] = [this.layout.x[state], this.layout.y[state]];
    const [px, py] = [x * camera.scale + camera.x, y * camera.scale + camera.y];
    const small = nearer && camera.scale < NEAR;
    if (!small && px > 60 && py > 60 && px < this.width - 60 && py < this.height - 60) return this.draw();
    if (small) camera.scale = 0.9;
    this.center(x, y);
  }

  zoom(factor, px = this.width / 2, py = this.height / 2) {
    const { camera } = this;
    const least = Math.min(0.01, camera.scale);
    const scale = Math.max(least, Math.min(MAX_SCALE, camera.scale * factor));
    camera.x = px - ((px - camera.x) * scale) / camera.scale;
    camera.y = py - ((py - camera.y) * scale) / camera.scale;
    camera.scale = scale;
    this.#move();
  }

  pan(dx, dy) {
    this.camera.x += dx;
    this.camera.y += dy;
    this.#move();
  }

  #move() {
    if (this.run.edges > MANY_EDGES) {
      this.moving = true;
      clearTimeout(this.rest);
      this.rest = setTimeout(() => {
        this.moving = false;
        this.draw();
      }, REST);
    }
    this.draw();
  }

  /* At most one drawing for each frame of the screen. */
  draw() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.drawNow();
    });
  }

  drawNow() {
    const { context, camera, colors } = this;
    const start = performance.now();
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = colors.canvas;
    context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    const scale = camera.scale * this.ratio;
    context.setTransform(scale, 0, 0, scale, camera.x * this.ratio, camera.y * this.ratio);
    this.view = {
      left: -camera.x / camera.scale - 60,
      right: (this.width - camera.x) / camera.scale + 60,
      top: -camera.y / camera.scale - 60,
      bottom: (this.height - camera.y) / camera.scale + 60,
    };
    this.#drawEdges();
    this.#drawStates();
    this.drawTime = performance.now() - start;
  }

  /* From one state to the next a soft curve; back to an earlier layer a wide one, so that it is not taken for one ahead. */
  #curve(edge) {
    const { x, y } = this.layout;
    const [a, b] = [this.run.edgeFrom[edge], this.run.edgeTo[edge]];
    const [x1, y1, x2, y2] = [x[a], y[a], x[b], y[b]];
    if (this.run.depth[b] > this.run.depth[a]) {
      const bend = (x2 - x1) / 2;
      return [x1, y1, x1 + bend, y1, x2 - bend, y2, x2, y2];
    }
    const length = Math.hypot(x2 - x1, y2 - y1) || 1;
    const lift = 30 + length * 0.18;
    const [nx, ny] = [((y2 - y1) / length) * lift, (-(x2 - x1) / length) * lift];
    return [x1, y1, x1 + nx, y1 + ny, x2 + nx, y2 + ny, x2, y2];
  }

  #visibleEdge(edge) {
    const { x, y } = this.layout;
    const [a, b] = [this.run.edgeFrom[edge], this.run.edgeTo[edge]];
    const view = this.view;
    return !(
      (x[a] < view.left && x[b] < view.left) ||
      (x[a] > view.right && x[b] > view.right) ||
      (y[a] < view.top && y[b] < view.top) ||
      (y[a] > view.bottom && y[b] > view.bottom)
    );
  }

  /* As what an edge is drawn: the more it matters to the one who looks, the earlier it is named here. */
  #kind(edge) {
    const { run } = this;
    const [from, to] = [run.edgeFrom[edge], run.edgeTo[edge]];
    if (this.path.has(edge)) return "path";
    if (this.dimmed?.edges[edge]) return "dim";
    if (run.edgeRank[edge]) return `rank${run.edgeRank[edge]}`;
    if (this.selected.state >= 0 && (from === this.selected.state || to === this.selected.state)) return "mine";
    return run.edgeOf[run.cameBy[to]] === edge ? "tree" : "other";
  }

  #drawEdges() {
    const { context, run, colors, camera } = this;
    const many = run.edges > MANY_EDGES;
    const far = camera.scale < (many ? NEAR : FAR);
    this.straight = far;
    const near = camera.scale >= NEAR;
    const kinds = new Map();
    for (let edge = 0; edge < run.edges; edge++) {
      if (!this.#visibleEdge(edge)) continue;
      const kind = this.#kind(edge);
      if (!kinds.has(kind)) kinds.set(kind, []);
      kinds.get(kind).push(edge);
    }
    const pixel = 1 / camera.scale;
    const light = this.moving;
    for (const kind of [!light && "dim", !light && "other", "tree", "rank1", "rank2", "rank3", "rank4", "mine", "path"]) {
      const edges = kinds.get(kind);
      if (!edges) continue;
      context.strokeStyle = kind === "path" || kind === "mine" ? colors.accent : kind.startsWith("rank") ? this.rankColors[Number(kind[4])] : kind === "tree" ? colors.edge : colors["edge-faint"];
      context.globalAlpha = kind === "dim" ? 0.25 : far && many && kind !== "path" && kind !== "mine" ? (kind.startsWith("rank") ? 0.6 : 0.4) : 1;
      context.lineWidth = (kind === "path" ? 3 : kind === "mine" ? 1.5 : far && many ? 0.8 : kind.startsWith("rank") ? 1.8 : far ? 0.8 : 1.2) * (near ? Math.max(1, pixel * 0.8) : pixel);
      context.beginPath();
      for (const edge of edges) {
        const [x1, y1, cx1, cy1, cx2, cy2, x2, y2] = this.#curve(edge);
        context.moveTo(x1, y1);
        if (far) context.lineTo(x2, y2);
        else context.bezierCurveTo(cx1, cy1, cx2, cy2, x2, y2);
      }
      context.stroke();
      if (near && !light) for (const edge of edges) this.#arrow(edge, context.strokeStyle);
    }
    context.globalAlpha = 1;
    if (this.selected.edge >= 0) {
      const [x1, y1, ...rest] = this.#curve(this.selected.edge);
      context.strokeStyle = colors.accent;
      context.lineWidth = 4 * Math.max(1, pixel);
      context.beginPath();
      context.moveTo(x1, y1);
      context.bezierCurveTo(...rest);
      context.stroke();
    }
    if (camera.scale >= 0.75 && !light) this.#labels(kinds);
  }

  #arrow(edge, color) {
    const [, , , , cx, cy, x, y] = this.#curve(edge);
    const angle = Math.atan2(y - cy, x - cx);
    const { context } = this;
    const [tipX, tipY] = [x - Math.cos(angle) * (RADIUS + 1), y - Math.sin(angle) * (RADIUS + 1)];
    context.fillStyle = color;
    context.beginPath();
    context.moveTo(tipX, tipY);
    context.lineTo(tipX - Math.cos(angle - 0.4) * 8, tipY - Math.sin(angle - 0.4) * 8);
    context.lineTo(tipX - Math.cos(angle + 0.4) * 8, tipY - Math.sin(angle + 0.4) * 8);
    context.fill();
  }

  /* Names of actions on edges, unless they would cover each other. */
  #labels(kinds) {
    const { context, colors, run } = this;
    context.font = "10.5px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    const taken = [];
    for (const kind of ["path", "mine", "rank4", "rank3", "rank2", "rank1", "tree", "other"]) {
      for (const edge of kinds.get(kind) ?? []) {
        const [x1, y1, cx1, cy1, cx2, cy2, x2, y2] = this.#curve(edge);
        const [x, y] = [(x1 + 3 * cx1 + 3 * cx2 + x2) / 8, (y1 + 3 * cy1 + 3 * cy2 + y2) / 8];
        const steps = run.edgeSteps[edge];
        const name = visible(run.actionName(steps[0]));
        const text = (name.length > 22 ? `${name.slice(0, 21)}…` : name) + (steps.length > 1 ? ` +${steps.length - 1}` : "");
        const half = context.measureText(text).width / 2 + 3;
        if (taken.some((box) => Math.abs(box[0] - x) < box[2] + half && Math.abs(box[1] - y) < 14)) continue;
        if (taken.length > 400) return;
        taken.push([x, y, half]);
        context.fillStyle = colors.canvas;
        context.globalAlpha = 0.85;
        context.fillRect(x - half, y - 7, half * 2, 14);
        context.globalAlpha = 1;
        context.fillStyle = kind === "path" || kind === "mine" ? colors.accent : kind.startsWith("rank") ? this.rankColors[Number(kind[4])] : colors.muted;
        context.fillText(text, x, y);
      }
    }
  }

  #drawStates() {
    const { context, run, colors, camera, layout, view } = this;
    const far = camera.scale < (run.states > 1500 ? NEAR * 0.7 : FAR);
    const near = camera.scale >= NEAR;
    /* From afar a dot is never smaller than a few pixels. */
    const radius = far ? Math.max(1.6 / camera.scale, RADIUS * 0.6) : RADIUS;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (let state = 0; state < run.states; state++) {
      const [x, y] = [layout.x[state], layout.y[state]];
      if (x < view.left || x > view.right || y < view.top || y > view.bottom) continue;
      const rank = run.stateRank[state];
      const dim = this.dimmed?.states[state] && !this.pathStates.has(state);
      const marked = state === this.selected.state || this.found.has(state) || this.pathStates.has(state) || state === 0;
      context.globalAlpha = dim ? 0.25 : 1;
      if (far && !marked) {
        const size = rank ? radius * 1.8 : radius;
        context.fillStyle = rank ? this.rankColors[rank] : colors["node-line"];
        context.fillRect(x - size, y - size, size * 2, size * 2);
        continue;
      }
      this.#state(state, x, y, marked && far ? radius * 2.2 : radius, near);
    }
    context.globalAlpha = 1;
  }

  #state(state, x, y, radius, near) {
    const { context, run, colors, camera } = this;
    const rank = run.stateRank[state];
    const pixel = Math.max(1, 1 / camera.scale);
    const selected = state === this.selected.state;
    if (selected || this.found.has(state)) {
      context.beginPath();
      context.arc(x, y, radius + 5 * pixel, 0, 7);
      context.fillStyle = selected ? colors.accent : colors.found;
      context.fill();
      context.beginPath();
      context.arc(x, y, radius + 2 * pixel, 0, 7);
      context.fillStyle = colors.canvas;
      context.fill();
    }
    context.beginPath();
    context.arc(x, y, radius, 0, 7);
    context.fillStyle = rank ? this.rankColors[rank] : colors.node;
    context.fill();
    const onPath = this.pathStates.has(state);
    context.lineWidth = (onPath || state === 0 ? 2.5 : 1.25) * pixel;
    context.strokeStyle = onPath || state === 0 ? colors.accent : colors["node-line"];
    context.stroke();
    if (!near) return;
    context.fillStyle = rank ? colors["on-bad"] : colors.text;
    context.font = `${state > 9999 ? 8.5 : state > 999 ? 10 : 11.5}px system-ui, sans-serif`;
    context.fillText(state, x, y + 0.5);
    const loops = run.loops[state].length;
    if (loops) {
      context.fillStyle = colors.muted;
      context.font = "9.5px system-ui, sans-serif";
      context.fillText(`↻${loops}`, x, y + RADIUS + 8);
    }
  }

  /* The state or edge under a point of the canvas. */
  under(px, py) {
    const { camera, layout, run } = this;
    const [x, y] = [(px - camera.x) / camera.scale, (py - camera.y) / camera.scale];
    const reach = Math.max(RADIUS, 7 / camera.scale);
    let best = { state: -1, edge: -1 };
    let nearest = reach;
    for (let state = 0; state < run.states; state++) {
      const distance = Math.hypot(layout.x[state] - x, layout.y[state] - y);
      if (distance < nearest) [nearest, best] = [distance, { state, edge: -1 }];
    }
    if (best.state >= 0) return best;
    nearest = 7 / camera.scale;
    for (let edge = 0; edge < run.edges; edge++) {
      if (!this.#visibleEdge(edge)) continue;
      const curve = this.#curve(edge);
      const distance = distanceToCurve(curve, x, y, this.straight);
      if (distance < nearest) [nearest, best] = [distance, { state: -1, edge }];
    }
    return best;
  }
}

/* To the pieces of a line that follows the curve. */
function distanceToCurve([x1, y1, cx1, cy1, cx2, cy2, x2, y2], x, y, straight) {
  const pieces = straight ? 1 : 12;
  let nearest = Infinity;
  let [ax, ay] = [x1, y1];
  for (let piece = 1; piece <= pieces; piece++) {
    const t = piece / pieces;
    const s = 1 - t;
    const bx = s * s * s * x1 + 3 * s * s * t * cx1 + 3 * s * t * t * cx2 + t * t * t * x2;
    const by = s * s * s * y1 + 3 * s * s * t * cy1 + 3 * s * t * t * cy2 + t * t * t * y2;
    const length = (bx - ax) ** 2 + (by - ay) ** 2;
    const along = length ? Math.max(0, Math.min(1, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length)) : 0;
    nearest = Math.min(nearest, Math.hypot(x - ax - along * (bx - ax), y - ay - along * (by - ay)));
    [ax, ay] = [bx, by];
  }
  return nearest;
}
