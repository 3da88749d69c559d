/* Which steps and states a search and the filters mean. */

class Search {
  constructor(run) {
    this.run = run;
  }

  /* Text of every piece of every exchange, in small letters: made at the first search. */
  get texts() {
    this.pieceTexts ??= this.run.exchanges.pieces.map((piece) => (typeof piece === "string" ? piece : JSON.stringify(piece)).toLowerCase());
    return this.pieceTexts;
  }

  /* Steps and states that a query means: a number is a state; a text is looked for in names of actions, tables, requests
     and answers, rows, and what was judged. */
  find(query) {
    const wanted = query.trim().toLowerCase();
    if (!wanted) return null;
    const { run } = this;
    const number = /^#?\d+$/.test(wanted) ? Number(wanted.replace("#", "")) : -1;
    if (number >= 0 && number < run.states) return { steps: new Set(), states: [number] };
    const actions = new Set();
    run.actions.forEach((action, id) => action.name.toLowerCase().includes(wanted) && actions.add(id));
    const pieces = new Set();
    this.texts.forEach((text, piece) => text.includes(wanted) && pieces.add(piece));
    const names = new Set();
    run.walk.names.forEach((list, id) => list.some((name) => name.toLowerCase().includes(wanted)) && names.add(id));
    const steps = new Set();
    for (let step = 0; step < run.length; step++) {
      if (actions.has(run.walk.action[step]) || names.has(run.walk.broken[step]) || this.#holds(run.exchanges.steps[step], pieces)) steps.add(step);
    }
    return { steps, states: [...new Set([...steps].map((step) => run.to[step]))].sort((a, b) => a - b) };
  }

  #holds(row, pieces) {
    if (!row || pieces.size === 0) return false;
    const [method, target, sent, asked, , received, answered, , extracted, failures, rows] = row;
    return [method, target, sent, asked, received, answered, extracted, failures, ...rows].some((piece) => pieces.has(piece));
  }

  /* What the filters leave: for every edge and state whether it is dimmed; `null` where no filter is set. */
  filter({ action, status, broken }) {
    if (action === "" && status === "" && !broken) return null;
    const { run } = this;
    const edges = new Uint8Array(run.edges).fill(1);
    const states = new Uint8Array(run.states).fill(1);
    const group = status.endsWith("xx") ? Number(status[0]) : 0;
    let shown = 0;
    for (let step = 0; step < run.length; step++) {
      if (action !== "" && run.walk.action[step] !== Number(action)) continue;
      if (group && Math.floor(run.status[step] / 100) !== group) continue;
      if (status !== "" && !group && run.status[step] !== Number(status)) continue;
      if (broken && run.rank[step] === 0) continue;
      shown += 1;
      states[run.from[step]] = states[run.to[step]] = 0;
      if (run.edgeOf[step] >= 0) edges[run.edgeOf[step]] = 0;
    }
    return { edges, states, shown };
  }
}
