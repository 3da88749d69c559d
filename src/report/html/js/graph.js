/* The view of the state graph: search and filters above, the drawing, and what is known of the chosen state or transition. */

const SHOWN_TRANSITIONS = 60;

class GraphView {
  constructor(panel, page) {
    this.panel = panel;
    this.page = page;
    this.hits = [];
    this.hit = -1;
    this.canvas = h("canvas", { tabindex: "0", role: "application", "aria-roledescription": "state graph", "aria-describedby": "graph-help" });
    this.side = h("aside", { class: "side", "aria-label": "Chosen in the graph" });
    this.searchField = h("input", { type: "search", id: "search", placeholder: "state, action, table, text…", autocomplete: "off", spellcheck: "false" });
    this.found = h("output", { class: "hits", for: "search" });
    this.action = h("select", { id: "by-action" });
    this.status = h("select", { id: "by-status" });
    this.broken = h("input", { type: "checkbox", id: "only-violations" });
    const zoomButton = (label, name, act) => h("button", { type: "button", "aria-label": name, title: name, onclick: act }, label);
    fill(
      panel,
      h(
        "div",
        { class: "toolbar", role: "group", "aria-label": "Search and filters" },
        h("label", { class: "search" }, h("span", null, "Search ", h("kbd", null, "/")), this.searchField),
        h("label", null, h("span", null, "Action"), this.action),
        h("label", null, h("span", null, "Status"), this.status),
        h("label", { class: "check" }, this.broken, "only violations"),
        this.found,
      ),
      h(
        "div",
        { class: "graph-body" },
        h(
          "div",
          { class: "drawing" },
          this.canvas,
          h("p", { id: "graph-help", class: "unseen" }, "Right and left arrow follow transitions, up and down go to other states of the same depth, Enter tells about the state, plus and minus zoom, 0 shows all, shift and arrows move the picture."),
          h("div", { class: "zoom", role: "group", "aria-label": "Zoom" }, zoomButton("+", "Zoom in", () => this.view.zoom(1.4)), zoomButton("−", "Zoom out", () => this.view.zoom(1 / 1.4)), zoomButton("Fit", "Show the whole graph", () => this.view.fit())),
          this.#legend(),
        ),
        this.side,
      ),
    );
    this.#listen();
  }

  #legend() {
    const entry = (kind, text) => h("li", null, h("span", { class: `key ${kind}`, "aria-hidden": "true" }), text);
    return h("ul", { class: "legend", "aria-label": "Legend" }, entry("initial", "initial"), SEVERITIES.slice(1).toReversed().map((severity) => entry(severity, severity)), entry("chosen", "path"), h("li", null, h("span", { "aria-hidden": "true" }, "↻ "), "steps that left the state as it was"));
  }

  /* Another run. */
  use(run) {
    this.run = run;
    this.ready = false;
    this.search = new Search(run);
    this.searchField.value = "";
    this.broken.checked = false;
    const statuses = [...new Set(run.status)].sort((a, b) => a - b);
    const groups = [...new Set(statuses.map((status) => Math.floor(status / 100)))];
    const option = (value, text) => h("option", { value }, text);
    fill(this.action, option("", "all actions"), run.actions.map((action, id) => option(id, action.name)));
    fill(this.status, option("", "all statuses"), groups.map((group) => option(`${group}xx`, `${group}xx`)), statuses.map((status) => option(status, status)));
    this.canvas.setAttribute("aria-label", `State graph: ${count(run.states, "state")}, ${count(run.length, "transition")}`);
    this.#seek("");
    this.choose(-1, -1, false);
  }

  /* Drawn when first seen: a report is often opened for the violations alone. */
  show() {
    if (!this.run) return;
    if (!this.ready) {
      this.ready = true;
      const start = performance.now();
      this.layout = layOut(this.run);
      this.layoutTime = performance.now() - start;
      const earlier = this.view;
      this.view = new GraphCanvas(this.canvas, this.run, this.layout);
      if (earlier) cancelAnimationFrame(earlier.frame);
      this.view.resize();
      this.view.fit();
      this.#update();
    } else this.view.resize();
  }

  recolor() {
    if (!this.view) return;
    this.view.readColors();
    this.view.draw();
  }

  #listen() {
    const { canvas } = this;
    canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const { x, y } = this.#point(event);
      /* Pinching on a touchpad arrives as a wheel with the control key, in small numbers. */
      const unit = event.deltaMode === 1 ? 16 : 1;
      this.view.zoom(Math.exp(-event.deltaY * unit * (event.ctrlKey ? 0.01 : 0.0016)), x, y);
    }, { passive: false });
    const fingers = new Map();
    let moved = 0;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      fingers.set(event.pointerId, this.#point(event));
      moved = 0;
    });
    canvas.addEventListener("pointermove", (event) => {
      const point = this.#point(event);
      const before = fingers.get(event.pointerId);
      if (!before) return this.#hover(point);
      fingers.set(event.pointerId, point);
      moved += Math.abs(point.x - before.x) + Math.abs(point.y - before.y);
      if (fingers.size === 1) return this.view.pan(point.x - before.x, point.y - before.y);
      const other = [...fingers].find(([id]) => id !== event.pointerId)[1];
      const distance = (a) => Math.hypot(a.x - other.x, a.y - other.y) || 1;
      this.view.zoom(distance(point) / distance(before), (point.x + other.x) / 2, (point.y + other.y) / 2);
    });
    const up = (event) => {
      const had = fingers.delete(event.pointerId);
      if (!had || moved > 6 || event.type === "pointercancel") return;
      const { state, edge } = this.view.under(this.#point(event).x, this.#point(event).y);
      this.choose(state, edge);
    };
    canvas.addEventListener("pointerup", up);
    canvas.addEventListener("pointercancel", up);
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("focus", () => {
      if (this.view && this.state < 0 && this.edge < 0) this.choose(0, -1);
    });
    new ResizeObserver(() => this.ready && !this.panel.hidden && this.view.resize()).observe(canvas);
    let timer = 0;
    this.searchField.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.#seek(this.searchField.value), 120);
    });
    this.searchField.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        clearTimeout(timer);
        if (this.sought !== this.searchField.value) this.#seek(this.searchField.value);
        else this.#next(event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape") {
        this.searchField.value = "";
        this.#seek("");
        this.canvas.focus();
        event.stopPropagation();
      }
    });
    for (const field of [this.action, this.status, this.broken]) field.addEventListener("change", () => this.#update());
  }

  #point(event) {
    const box = this.canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  #hover({ x, y }) {
    const { state, edge } = this.view.under(x, y);
    this.canvas.style.cursor = state >= 0 || edge >= 0 ? "pointer" : "grab";
    const { run } = this;
    this.canvas.title = state >= 0 ? `state ${state}, ${count(run.depth[state], "step")} deep` : edge >= 0 ? visible(run.edgeSteps[edge].map((step) => `${run.actionName(step)} → ${run.status[step]}`).slice(0, 6).join("\n")) : "";
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.view) return;
    const far = 60;
    const pans = { ArrowLeft: [far, 0], ArrowRight: [-far, 0], ArrowUp: [0, far], ArrowDown: [0, -far] };
    const acts = {
      "+": () => this.view.zoom(1.25),
      "=": () => this.view.zoom(1.25),
      "-": () => this.view.zoom(0.8),
      0: () => this.view.fit(),
      Enter: () => this.side.querySelector("button, [tabindex]")?.focus(),
      ArrowRight: () => this.#follow(1),
      ArrowLeft: () => this.#follow(-1),
      ArrowDown: () => this.#beside(1),
      ArrowUp: () => this.#beside(-1),
      Home: () => this.choose(0, -1),
    };
    const act = event.shiftKey && pans[event.key] ? () => this.view.pan(...pans[event.key]) : acts[event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  /* Onward over the transition to a deeper state, a violation's first; or back to where the state was reached from. */
  #follow(direction) {
    const { run } = this;
    if (this.edge >= 0) return this.choose(direction > 0 ? run.edgeTo[this.edge] : run.edgeFrom[this.edge], -1);
    if (this.state < 0) return this.choose(0, -1);
    if (direction < 0) {
      const back = run.cameBy[this.state];
      if (back >= 0) this.choose(run.from[back], -1);
      return;
    }
    const ahead = run.out[this.state].filter((edge) => run.depth[run.edgeTo[edge]] > run.depth[this.state]);
    const onPath = ahead.find((edge) => this.view.path.has(edge) && this.page.path?.violation);
    const next = onPath ?? ahead.toSorted((a, b) => run.edgeRank[b] - run.edgeRank[a])[0] ?? run.out[this.state][0];
    if (next !== undefined) this.choose(run.edgeTo[next], -1);
    else say(`state ${this.state}: no transition leads on`);
  }

  #beside(direction) {
    const state = this.state < 0 ? 0 : this.state;
    const layer = this.layout.layers.find((states) => states[this.layout.place[state]] === state);
    const next = layer?.[this.layout.place[state] + direction];
    if (next !== undefined) this.choose(next, -1);
  }

  #seek(query) {
    this.sought = query;
    const found = this.search.find(query);
    this.hits = found?.states ?? [];
    this.hit = -1;
    fill(this.found, found && (found.states.length ? `${count(found.states.length, "state")}${found.steps.size ? `, ${count(found.steps.size, "transition")}` : ""}` : "nothing found"));
    if (!this.view) return;
    this.view.found = new Set(this.hits);
    if (this.hits.length) this.#next(1);
    this.view.draw();
  }

  /* To the next state that was found. */
  #next(direction) {
    if (this.hits.length === 0) return;
    this.hit = (this.hit + direction + this.hits.length) % this.hits.length;
    this.choose(this.hits[this.hit], -1);
    fill(this.found, `${this.hit + 1} of ${count(this.hits.length, "state")}`);
  }

  #update() {
    if (!this.view) return;
    this.view.dimmed = this.search.filter({ action: this.action.value, status: this.status.value, broken: this.broken.checked });
    if (this.view.dimmed) say(`${count(this.view.dimmed.shown, "transition")} shown`);
    this.view.draw();
  }

  /* Marks steps of the walk as the path that is looked at. */
  mark(steps) {
    this.show();
    const known = steps.filter(Number.isInteger);
    this.view.path = new Set(known.map((step) => this.run.edgeOf[step]).filter((edge) => edge >= 0));
    this.view.pathStates = new Set(known.length ? [0, ...known.map((step) => this.run.to[step])] : []);
    this.view.draw();
  }

  /* Chooses a state or an edge; -1 for none. */
  choose(state, edge, reveal = true) {
    [this.state, this.edge] = [state, edge];
    if (this.view) this.view.selected = { state, edge };
    if (state >= 0) {
      fill(this.side, this.#aboutState(state));
      const loops = this.run.loops[state].length;
      say(`state ${state}, depth ${this.run.depth[state]}, ${count(this.run.out[state].length, "state")} next${loops ? `, ${count(loops, "step")} left it as it was` : ""}${this.run.stateRank[state] ? `, ${SEVERITIES[this.run.stateRank[state]]} violation` : ""}`);
      if (this.view) {
        this.mark(this.run.stepsTo(state));
        if (reveal) this.view.reveal(state, false);
      }
    } else if (edge >= 0) {
      fill(this.side, this.#aboutEdge(edge));
      say(`transition from state ${this.run.edgeFrom[edge]} to state ${this.run.edgeTo[edge]}`);
      this.view?.draw();
    } else {
      fill(this.side, h("p", { class: "none" }, "Click a state or a transition, or move with the arrow keys."), h("p", { class: "none" }, `${count(this.run?.states ?? 0, "state")}, ${count(this.run?.length ?? 0, "transition")}. Depth grows to the right.`));
      if (this.view) {
        this.view.path = new Set();
        this.view.pathStates = new Set();
        this.view.draw();
      }
    }
    this.page.remember();
  }

  #stateLink(state) {
    return h("button", { type: "button", class: "link", onclick: () => this.choose(state, -1) }, `state ${state}`);
  }

  #transition(step, other) {
    const broken = this.run.broken(step);
    return h(
      "li",
      { class: broken.length ? "bad" : null },
      h("button", { type: "button", class: "link", onclick: () => this.page.showSteps([...this.run.stepsTo(this.run.from[step]), step], `To state ${this.run.to[step]}`) }, this.run.actionName(step)),
      " ",
      statusBadge(this.run.status[step]),
      other !== undefined && [" ", this.#stateLink(other)],
      broken.length > 0 && h("span", null, ` breaks ${broken.join(", ")}`),
    );
  }

  #transitions(title, steps, other) {
    if (steps.length === 0) return null;
    const list = h("ul", { class: "transitions" }, steps.slice(0, SHOWN_TRANSITIONS).map((step) => this.#transition(step, other?.(step))));
    if (steps.length > SHOWN_TRANSITIONS) list.append(h("li", { class: "none" }, `and ${thousands(steps.length - SHOWN_TRANSITIONS)} more`));
    return h("details", { open: steps.length <= 12 }, h("summary", null, `${title} (${thousands(steps.length)})`), list);
  }

  #aboutState(state) {
    const { run } = this;
    const path = run.stepsTo(state);
    const fingerprint = run.walk.fingerprints[state];
    const values = Object.entries(run.extracted(path));
    const rows = run.netRows(path);
    const next = run.out[state].flatMap((edge) => run.edgeSteps[edge]);
    const before = run.in[state].flatMap((edge) => run.edgeSteps[edge]);
    return [
      h("h2", null, `State ${state}`, state === 0 && h("span", { class: "of" }, "the initial state")),
      h("p", { class: "none" }, `${count(run.depth[state], "step")} from the initial state`, fingerprint && [", fingerprint ", h("code", null, fingerprint.slice(0, 16))]),
      path.length > 0 && h("button", { type: "button", class: "primary", onclick: () => this.page.showSteps(path, `To state ${state}`) }, `Steps to it (${path.length})`),
      path.length > 0 && h("details", { open: path.length <= 8 }, h("summary", null, "Path"), h("ol", { class: "transitions" }, path.map((step) => this.#transition(step, run.to[step])))),
      h("h3", null, "Extracted on the path"),
      values.length ? valuesList(values) : h("p", { class: "none" }, "nothing"),
      h("h3", null, "Rows that differ from the initial state"),
      rows === null ? h("p", { class: "none" }, "not known: steps on the path were left out of this report") : rows.length ? rowsView(rows) : h("p", { class: "none" }, "none"),
      this.#transitions("Transitions onward", next, (step) => run.to[step]),
      this.#transitions("Left the state as it was", run.loops[state]),
      this.#transitions("Transitions to it", before, (step) => run.from[step]),
    ];
  }

  #aboutEdge(edge) {
    const { run } = this;
    const steps = run.edgeSteps[edge];
    const rows = run.exchange(steps[0])?.rows;
    return [
      h("h2", null, "Transition"),
      h("p", null, "from ", this.#stateLink(run.edgeFrom[edge]), " to ", this.#stateLink(run.edgeTo[edge])),
      h("button", { type: "button", class: "primary", onclick: () => this.page.showSteps([...run.stepsTo(run.edgeFrom[edge]), steps[0]], `To state ${run.edgeTo[edge]}`) }, "Steps"),
      h("ul", { class: "transitions" }, steps.slice(0, SHOWN_TRANSITIONS).map((step) => this.#transition(step))),
      h("h3", null, "Row changes"),
      rows === undefined ? h("p", { class: "none" }, "not known: left out of this report") : rows.length ? rowsView(rows) : h("p", { class: "none" }, "no row changed"),
    ];
  }
}
