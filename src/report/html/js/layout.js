/* Where states stand: in layers by depth, from left to right. Every pass is linear in states and edges but for one sort of
   each layer, and nothing is random: the same run always gives the same picture. */

const LAYER_GAP = 150;
const ROW_GAP = 52;
/* States in one column of a layer at the most; more stand side by side, or a wide layer would make the picture a thread. */
const MIN_ROWS = 14;

function layOut(run) {
  const layers = [];
  for (const state of run.order) (layers[run.depth[state]] ??= []).push(state);
  const filled = layers.filter(Boolean);
  const widest = Math.max(...filled.map((layer) => layer.length));
  const rows = rowsFor(filled);
  const rank = new Float64Array(run.states);
  arrange(run, filled, rank);

  const x = new Float32Array(run.states);
  const y = new Float32Array(run.states);
  const place = new Int32Array(run.states);
  let left = 0;
  for (const layer of filled) {
    const columns = Math.ceil(layer.length / rows);
    const lines = Math.ceil(layer.length / columns);
    layer.forEach((state, position) => {
      place[state] = position;
      const column = position % columns;
      /* Columns of one layer are shifted against each other, so that no state hides behind its neighbour's edges. */
      x[state] = left + column * ROW_GAP;
      y[state] = (Math.floor(position / columns) - (lines - 1) / 2) * ROW_GAP + (columns > 1 ? (column / columns) * ROW_GAP * 0.8 : 0);
    });
    left += widthOf(layer, rows);
  }
  if (Math.max(...filled.map((layer) => layer.length)) <= MIN_ROWS * 2) straighten(run, filled, y);
  stretch(left, y);
  return { x, y, layers: filled, place };
}

/* A layer and the gap behind it. Where much is drawn between two layers, more room makes it readable. */
function widthOf(layer, rows) {
  const columns = Math.ceil(layer.length / rows);
  return (columns - 1) * ROW_GAP + LAYER_GAP * (1 + Math.min(3, Math.sqrt(layer.length) / 12));
}

/* So many rows that the whole comes out about as a screen is: somewhat wider than high. */
function rowsFor(layers) {
  const widest = Math.max(...layers.map((layer) => layer.length));
  let rows = MIN_ROWS;
  while (rows < widest && layers.reduce((width, layer) => width + widthOf(layer, rows), 0) > 1.4 * rows * ROW_GAP) rows = Math.ceil(rows * 1.1);
  return rows;
}

/* A long run makes a long picture: drawn higher, its branches come apart. */
function stretch(width, y) {
  let height = 1;
  for (const value of y) height = Math.max(height, Math.abs(value) * 2);
  const factor = Math.max(1, Math.min(2.5, width / (1.5 * height)));
  for (let state = 0; state < y.length; state++) y[state] *= factor;
}

/* Orders each layer by where its neighbours stand, forth and back a few times: the barycentre rule of layered drawing. */
function arrange(run, layers, rank) {
  const number = (layer) => layer.forEach((state, position) => (rank[state] = (position + 0.5) / layer.length));
  layers.forEach(number);
  const mean = (state, edges, ends) => {
    let sum = 0;
    let found = 0;
    for (const edge of edges) {
      const other = ends[edge];
      if (run.depth[other] === run.depth[state]) continue;
      sum += rank[other];
      found += 1;
    }
    return found ? sum / found : rank[state];
  };
  const key = new Float64Array(run.states);
  const sort = (layer, of) => {
    for (const state of layer) key[state] = of(state);
    layer.sort((a, b) => key[a] - key[b] || a - b);
    number(layer);
  };
  for (let pass = 0; pass < 4; pass++) {
    for (const layer of layers) sort(layer, (state) => mean(state, run.in[state], run.edgeFrom));
    for (const layer of layers.toReversed()) sort(layer, (state) => mean(state, run.out[state], run.edgeTo));
  }
  for (const layer of layers) sort(layer, (state) => mean(state, run.in[state], run.edgeFrom));
}

/* In a small graph states move towards their neighbours, as far as the order leaves room. */
function straighten(run, layers, y) {
  const wish = (state) => {
    let sum = 0;
    let found = 0;
    for (const edge of run.in[state]) if (run.depth[run.edgeFrom[edge]] < run.depth[state]) [sum, found] = [sum + y[run.edgeFrom[edge]], found + 1];
    for (const edge of run.out[state]) if (run.depth[run.edgeTo[edge]] > run.depth[state]) [sum, found] = [sum + y[run.edgeTo[edge]], found + 1];
    return found ? sum / found : y[state];
  };
  for (let pass = 0; pass < 6; pass++) {
    for (const layer of pass % 2 ? layers.toReversed() : layers) {
      const wished = layer.map(wish);
      let lowest = -Infinity;
      let shift = 0;
      layer.forEach((state, position) => {
        y[state] = Math.max(wished[position], lowest + ROW_GAP);
        lowest = y[state];
        shift += wished[position] - y[state];
      });
      /* What the order pushed down moves back up together. */
      for (const state of layer) y[state] += shift / layer.length;
    }
  }
}
