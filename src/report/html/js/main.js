/* The page: which run, which view, what is chosen; all of it in the address, so that a link leads back to it. */

const TABS = ["steps", "graph", "coverage", "run"];

class Theme {
  constructor(changed) {
    this.changed = changed;
    this.set(remembered.get("theme") ?? "system");
    byId("theme").addEventListener("click", () => this.next());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
  }

  set(name) {
    this.name = ["dark", "light"].includes(name) ? name : "system";
    document.documentElement.style.colorScheme = this.name === "system" ? "" : this.name;
    byId("theme").textContent = `Theme: ${this.name}`;
  }

  next() {
    this.set({ system: "dark", dark: "light", light: "system" }[this.name]);
    remembered.set("theme", this.name);
    say(`theme: ${this.name}`);
    this.changed();
  }
}

class Page {
  constructor(runs) {
    this.runs = runs;
    this.steps = new StepView(byId("panel-steps"), this);
    this.graph = new GraphView(byId("panel-graph"), this);
    this.theme = new Theme(() => this.graph.recolor());
    this.#tabs();
    this.#runSwitch();
    helpDialog();
    pageKeys(this);
    addEventListener("hashchange", () => this.#readAddress());
    addEventListener("beforeprint", () => fill(byId("printed"), printedView(this.run)));
    this.#readAddress();
  }

  #tabs() {
    const list = document.querySelector("[role=tablist]");
    for (const name of TABS) byId(`tab-${name}`).addEventListener("click", () => this.open(name));
    list.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      const next = TABS[(TABS.indexOf(this.tab) + step + TABS.length) % TABS.length];
      this.open(next);
      byId(`tab-${next}`).focus();
    });
  }

  #runSwitch() {
    const nav = byId("runs");
    if (this.runs.length < 2) return;
    nav.hidden = false;
    const names = this.runs.map((run) => run.spec.name);
    /* Runs over one spec are told apart by what differs in most cases. */
    const label = (run) => (names.filter((name) => name === run.spec.name).length > 1 ? `${run.spec.path}, ${run.strategy} ${run.seed}` : run.spec.name);
    fill(nav, this.runs.map((run, number) => h("button", { type: "button", class: `run is-${run.outcome}`, onclick: () => this.use(number) }, h("span", { class: "dot", "aria-hidden": "true" }), label(run), h("span", { class: "unseen" }, `: ${run.headline}`))));
  }

  /* Another run. */
  use(number) {
    const run = this.runs[number];
    this.run = run;
    document.title = `${visible(run.spec.name)}: ${visible(run.headline)} – venomqa`;
    [...byId("runs").children].forEach((button, at) => (at === number ? button.setAttribute("aria-current", "true") : button.removeAttribute("aria-current")));
    fill(byId("verdict"), verdictView(run));
    fill(byId("violations"), violationsView(run, (chosen) => this.choose(chosen)));
    byId("workspace").classList.toggle("alone", run.violations.length === 0);
    fill(byId("panel-coverage"), coverageView(run));
    fill(byId("panel-run"), runView(run));
    this.path = null;
    this.violation = -1;
    this.steps.show(null);
    this.graph.use(run);
    if (run.violations.length) this.choose(0, undefined, false);
    this.open(run.violations.length ? "steps" : run.length ? "graph" : "run");
  }

  open(tab) {
    this.tab = tab;
    for (const name of TABS) {
      const here = name === tab;
      byId(`tab-${name}`).setAttribute("aria-selected", String(here));
      byId(`tab-${name}`).tabIndex = here ? 0 : -1;
      byId(`panel-${name}`).hidden = !here;
    }
    if (tab === "graph") {
      this.graph.show();
      if (this.path && this.graph.state < 0 && this.graph.edge < 0) this.graph.mark(this.path.steps.map((step) => step.walked));
    }
    this.remember();
  }

  /* A violation: its steps, the breaking one first. */
  choose(number, at, tell = true) {
    this.violation = number;
    byId("violations").querySelectorAll("button").forEach((button, position) => (position === number ? button.setAttribute("aria-current", "true") : button.removeAttribute("aria-current")));
    this.path = this.run.pathOfViolation(number);
    this.steps.show(this.path, at);
    if (!tell) return;
    this.open("steps");
    const { name, severity } = this.run.violations[number];
    say(`violation ${number + 1} of ${this.run.violations.length}: ${severity}, ${name}, ${count(this.path.steps.length, "step")}`);
  }

  nextViolation(step) {
    const all = this.run.violations.length;
    if (all === 0) return;
    this.choose((this.violation + step + all) % all);
    byId("violations").querySelectorAll("button")[this.violation].scrollIntoView({ block: "nearest" });
  }

  nextStep(step) {
    if (this.tab === "steps") this.steps.open(this.steps.at + step);
  }

  /* Steps of the walk in the step view. */
  showSteps(steps, title) {
    this.violation = -1;
    byId("violations").querySelectorAll("button").forEach((button) => button.removeAttribute("aria-current"));
    this.path = this.run.pathOf(steps, title);
    this.steps.show(this.path);
    this.open("steps");
    this.steps.list.querySelector("[aria-current]")?.focus();
  }

  showInGraph(path) {
    this.open("graph");
    const steps = path.steps.map((step) => step.walked);
    const known = steps.filter(Number.isInteger);
    if (known.length === 0) return this.graph.choose(0, -1);
    this.graph.choose(this.run.to[known.at(-1)], -1);
    this.graph.mark(steps);
  }

  showStepInGraph(step) {
    this.open("graph");
    const edge = this.run.edgeOf[step];
    if (edge < 0) return this.graph.choose(this.run.to[step], -1);
    this.graph.choose(this.run.to[step], -1);
    this.graph.choose(-1, edge);
  }

  focusSearch() {
    this.open("graph");
    this.graph.searchField.focus();
    this.graph.searchField.select();
  }

  back() {
    if (this.tab === "graph" && (this.graph.state >= 0 || this.graph.edge >= 0)) this.graph.choose(-1, -1);
  }

  /* What is looked at, in the address. A page from a file may not write it in every browser; then it is not remembered. */
  remember() {
    if (this.reading || !this.run) return;
    const parts = new URLSearchParams({ run: this.run.number, view: this.tab });
    if (this.violation >= 0) parts.set("violation", this.violation + 1);
    if (this.violation >= 0) parts.set("step", this.steps.at + 1);
    if (this.tab === "graph" && this.graph.state >= 0) parts.set("state", this.graph.state);
    this.address = `#${parts}`;
    try {
      history.replaceState(null, "", this.address);
    } catch {
      /* Then a link cannot lead back to it. */
    }
  }

  #readAddress() {
    if (this.run && location.hash === this.address) return;
    const parts = new URLSearchParams(location.hash.slice(1));
    const number = (name, below) => {
      const value = Number(parts.get(name) ?? NaN);
      return Number.isInteger(value) && value >= 0 && value < below ? value : -1;
    };
    this.reading = true;
    this.use(Math.max(0, number("run", this.runs.length)));
    const violation = number("violation", this.run.violations.length + 1) - 1;
    const step = number("step", 1e6);
    if (violation >= 0) this.choose(violation, step > 0 ? step - 1 : undefined, false);
    if (TABS.includes(parts.get("view"))) this.open(parts.get("view"));
    const state = number("state", this.run.states);
    if (this.tab === "graph" && state >= 0) this.graph.choose(state, -1);
    this.reading = false;
    this.remember();
  }
}

const runs = readRuns();
if (runs.length) {
  const page = new Page(runs);
  /* For those who look into the page from outside: tests, and people who measure. */
  window.venomqa = page;
} else {
  fill(byId("verdict"), h("h1", null, "This report holds no run."));
  byId("workspace").hidden = true;
}
