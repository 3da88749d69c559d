/* What the report holds: the runs as the JSON report has them, the graph, and what was seen of each step. */

function readBlock(id) {
  const block = byId(id);
  return block ? JSON.parse(block.textContent) : null;
}

function readRuns() {
  const runs = [];
  while (byId(`run-${runs.length}`)) runs.push(new Run(runs.length));
  return runs;
}

/* One run. States, steps, actions and edges are numbers everywhere; an edge is all steps between the same two states. */
class Run {
  constructor(number) {
    this.number = number;
    Object.assign(this, readBlock(`run-${number}`));
    this.from = Uint32Array.from(this.walk.from);
    this.to = Uint32Array.from(this.walk.to);
    this.status = Uint16Array.from(this.walk.status);
    this.length = this.from.length;
    this.states = 1;
    for (let step = 0; step < this.length; step++) {
      this.states = Math.max(this.states, this.from[step] + 1, this.to[step] + 1);
    }
    this.#rankNames();
    this.#connect();
    this.#walkFromStart();
  }

  /* How bad what a step broke is: 0 for nothing, up to 4 for critical. */
  #rankNames() {
    const ranks = new Map();
    for (const { name, severity } of [...this.invariants, ...this.violations]) {
      ranks.set(name, Math.max(ranks.get(name) ?? 0, SEVERITIES.indexOf(severity)));
    }
    const listRanks = this.walk.names.map((names) => Math.max(0, ...names.map((name) => ranks.get(name) ?? 1)));
    this.rank = Uint8Array.from(this.walk.broken, (list) => listRanks[list]);
  }

  /* Steps become edges and loops. */
  #connect() {
    const known = new Map();
    const from = [];
    const to = [];
    this.edgeSteps = [];
    this.loops = Array.from({ length: this.states }, () => []);
    this.out = Array.from({ length: this.states }, () => []);
    this.in = Array.from({ length: this.states }, () => []);
    this.edgeOf = new Int32Array(this.length).fill(-1);
    this.stateRank = new Uint8Array(this.states);
    for (let step = 0; step < this.length; step++) {
      const [a, b] = [this.from[step], this.to[step]];
      this.stateRank[b] = Math.max(this.stateRank[b], this.rank[step]);
      if (a === b) {
        this.loops[a].push(step);
        continue;
      }
      const key = a * this.states + b;
      let edge = known.get(key);
      if (edge === undefined) {
        edge = from.length;
        known.set(key, edge);
        from.push(a);
        to.push(b);
        this.edgeSteps.push([]);
        this.out[a].push(edge);
        this.in[b].push(edge);
      }
      this.edgeSteps[edge].push(step);
      this.edgeOf[step] = edge;
    }
    for (const { path, severity } of this.violations) {
      if (path.length === 0) this.stateRank[0] = Math.max(this.stateRank[0], SEVERITIES.indexOf(severity));
    }
    this.edgeFrom = Uint32Array.from(from);
    this.edgeTo = Uint32Array.from(to);
    this.edges = from.length;
    this.edgeRank = Uint8Array.from(this.edgeSteps, (steps) => Math.max(...steps.map((step) => this.rank[step])));
  }

  /* Breadth first: the depth of every state, and the step over which a shortest path comes to it. */
  #walkFromStart() {
    this.depth = new Int32Array(this.states).fill(-1);
    this.cameBy = new Int32Array(this.states).fill(-1);
    this.depth[0] = 0;
    this.order = [0];
    for (const state of this.order) {
      for (const edge of this.out[state]) {
        const next = this.edgeTo[edge];
        if (this.depth[next] >= 0) continue;
        this.depth[next] = this.depth[state] + 1;
        this.cameBy[next] = this.edgeSteps[edge][0];
        this.order.push(next);
      }
    }
    /* Of a damaged log the way to a state may be missing. */
    for (let state = 0; state < this.states; state++) {
      if (this.depth[state] < 0) {
        this.depth[state] = 0;
        this.order.push(state);
      }
    }
  }

  get exchanges() {
    this.seen ??= readBlock(`exchanges-${this.number}`) ?? { pieces: [], steps: [] };
    return this.seen;
  }

  actionName(step) {
    return this.actions[this.walk.action[step]]?.name ?? "an unknown action";
  }

  judged(step) {
    return this.walk.names[this.walk.judged[step]];
  }

  broken(step) {
    return this.walk.names[this.walk.broken[step]];
  }

  /* Whether a violation is known that says what a step broke. */
  violationOf(name, step) {
    const action = this.actionName(step);
    const same = this.violations.filter((violation) => violation.name === name);
    return same.find((violation) => violation.action === action) ?? same[0];
  }

  /* What was seen of a step, as in the JSON report; `null` where it was left out. */
  exchange(step) {
    const pieces = this.exchanges.pieces;
    const row = this.exchanges.steps[step];
    if (!row) return null;
    const [method, target, sent, asked, status, received, answered, duration, extracted, failures, rows] = row;
    const body = (piece) => (piece === null ? null : piece < 0 ? { left_out: true } : pieces[piece]);
    return {
      request: { method: pieces[method], target: pieces[target], headers: pieces[sent], body: body(asked) },
      response: { status, headers: pieces[received], body: body(answered), duration_ms: duration },
      extracted: pieces[extracted],
      extract_failures: pieces[failures],
      rows: rows.map((piece) => pieces[piece]),
    };
  }

  /* The steps of a shortest path from the initial state. */
  stepsTo(state) {
    const steps = [];
    for (let at = state; this.cameBy[at] >= 0; at = this.from[this.cameBy[at]]) steps.push(this.cameBy[at]);
    return steps.reverse();
  }

  /* A path of the walk, for the step view. */
  pathOf(steps, title) {
    return {
      title,
      violation: null,
      steps: steps.map((step) => ({
        action: this.actionName(step),
        walked: step,
        status: this.status[step],
        exchange: () => this.exchange(step),
      })),
    };
  }

  /* The path of a violation, for the step view. */
  pathOfViolation(number) {
    const violation = this.violations[number];
    return {
      title: violation.name,
      violation,
      number,
      steps: violation.path.map((step, position) => ({
        action: step.action,
        walked: this.walked[number][position],
        status: step.response?.status ?? 0,
        exchange: () => (step.request ? step : null),
      })),
    };
  }

  /* What all these steps together changed: the first `before` and the last `after` of each row. */
  netRows(steps) {
    const rows = new Map();
    for (const step of steps) {
      const exchange = this.exchange(step);
      if (!exchange) return null;
      for (const change of exchange.rows) {
        const key = JSON.stringify([change.system, change.table, change.key]);
        const known = rows.get(key);
        if (known) known.after = change.after;
        else rows.set(key, { ...change });
      }
    }
    return [...rows.values()].filter(
      (row) => JSON.stringify(row.before) !== JSON.stringify(row.after) && (row.before || row.after),
    );
  }

  /* The values that the steps extracted, the last one of each name. */
  extracted(steps) {
    const values = Object.create(null);
    for (const step of steps) Object.assign(values, this.exchange(step)?.extracted);
    return values;
  }
}
