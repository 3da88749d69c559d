/* Values as people read them: JSON that folds, headers, bodies, rows before and after, evidence, a curl command. */

const SHOWN_ITEMS = 100;
const SHOWN_TEXT = 2000;

/* A JSON value. Objects and lists fold; those deep inside are folded until somebody opens them. */
function jsonView(value, name, depth = 0) {
  const label = name === undefined ? null : [h("span", { class: "j-name" }, JSON.stringify(name)), ": "];
  if (value === null || typeof value !== "object") return h("div", { class: "j-line" }, label, scalar(value));
  const list = Array.isArray(value);
  const entries = list ? value.map((item) => [undefined, item]) : Object.entries(value);
  const [open, close] = list ? "[]" : "{}";
  if (entries.length === 0) return h("div", { class: "j-line" }, label, open + close);
  const details = h("details", { class: "j-fold" });
  const summary = h("summary", null, label, open, h("span", { class: "j-hint" }, list ? count(entries.length, "item") : count(entries.length, "name")), h("span", { class: "j-hint" }, close));
  const body = h("div", { class: "j-body" });
  details.append(summary, body, h("div", { class: "j-line j-close" }, close));
  let shown = 0;
  const more = () => {
    for (const [key, item] of entries.slice(shown, shown + SHOWN_ITEMS)) body.append(jsonView(item, key, depth + 1));
    shown += SHOWN_ITEMS;
    if (shown < entries.length) {
      const button = h("button", { type: "button", class: "small" }, `${thousands(entries.length - shown)} more`);
      button.addEventListener("click", () => {
        button.remove();
        more();
      });
      body.append(button);
    }
  };
  details.addEventListener("toggle", () => details.open && shown === 0 && more());
  if (depth < 3 && entries.length <= 40) {
    details.open = true;
    more();
  }
  return details;
}

function scalar(value) {
  if (typeof value === "string") return h("span", { class: "j-text" }, longText(JSON.stringify(value)));
  return h("span", { class: "j-other" }, String(value));
}

/* A text; one that is very long is shown whole only when asked for. */
function longText(text) {
  if (text.length <= SHOWN_TEXT) return h("span", { class: "text" }, text);
  const shown = h("span", { class: "text" }, `${text.slice(0, SHOWN_TEXT)}…`);
  const button = h("button", { type: "button", class: "small" }, `all ${thousands(text.length)} characters`);
  button.addEventListener("click", () => {
    shown.textContent = visible(text);
    button.remove();
  });
  return h("span", null, shown, " ", button);
}

function bodyText(body) {
  if (!body || body.left_out) return "";
  return body.json !== undefined ? JSON.stringify(body.json, null, 2) : (body.text ?? "");
}

function bodyView(body) {
  if (!body) return h("p", { class: "none" }, "no body");
  if (body.left_out) return h("p", { class: "none" }, "the body was left out to keep this report small");
  const cut = body.cut
    ? h("p", { class: "none" }, `cut: ${count(body.length, "byte")} in all`)
    : null;
  const shown =
    body.json !== undefined
      ? h("div", { class: "json" }, jsonView(body.json))
      : h("pre", { class: "raw" }, longText(body.text ?? ""));
  return h("div", null, shown, cut);
}

/* Headers that stand in every message and say nothing about a bug: those of `Header::BOILERPLATE`. */
const BOILERPLATE = new Set(
  (
    "accept accept-encoding age alt-svc connection content-length content-security-policy cross-origin-opener-policy date host keep-alive " +
    "origin-agent-cluster permissions-policy referrer-policy server strict-transport-security transfer-encoding user-agent vary via " +
    "x-content-type-options x-frame-options x-powered-by x-xss-protection"
  ).split(" "),
);

function headersView(headers, of) {
  if (headers.length === 0) return h("p", { class: "none" }, "no headers");
  const list = (shown) => h("dl", null, shown.map(({ name, value }) => [h("dt", null, name), h("dd", null, longText(value))]));
  const telling = headers.filter(({ name }) => !BOILERPLATE.has(name.toLowerCase()));
  const others = headers.filter(({ name }) => BOILERPLATE.has(name.toLowerCase()));
  const view = (shown, what) =>
    h("details", { class: "headers" }, h("summary", null, count(shown.length, what), h("span", { class: "unseen" }, ` of the ${of}`)), list(shown));
  return [telling.length > 0 && view(telling, "header"), others.length > 0 && view(others, "usual header")];
}

/* Changed rows, one table for each table: an update as two lines, changed cells marked. */
function rowsView(rows) {
  const groups = new Map();
  const systems = new Set(rows.map((row) => row.system));
  for (const row of rows) {
    const name = systems.size > 1 ? `${row.system}.${row.table}` : row.table;
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(row);
  }
  return [...groups].map(([name, changes]) => tableOfRows(name, changes));
}

/* Columns of a table that are seen at once; the others unfold. */
const SEEN_COLUMNS = 8;

/* A table of which the cells with the class `folded` are seen only once its button was pressed. */
function foldingTable(hidden, attributes, ...parts) {
  const table = h("table", attributes, ...parts);
  if (hidden === 0) return table;
  table.classList.add("folding");
  const button = h("button", { type: "button", class: "unfold", "aria-expanded": "false" }, `show ${count(hidden, "more column")}`);
  button.addEventListener("click", () => {
    const open = table.classList.toggle("unfolded");
    button.setAttribute("aria-expanded", String(open));
    button.textContent = open ? "show fewer columns" : `show ${count(hidden, "more column")}`;
  });
  return [table, button];
}

function tableOfRows(name, changes) {
  const all = [...new Set(changes.flatMap((change) => Object.keys({ ...change.before, ...change.after })))];
  const isChanged = (column) => changes.some(({ before, after }) => before && after && JSON.stringify(before[column]) !== JSON.stringify(after[column]));
  // Where some columns changed, these come first; where rows came or went, all stay in their order.
  const columns = [...all.filter(isChanged), ...all.filter((column) => !isChanged(column))];
  const folded = new Set(columns.slice(SEEN_COLUMNS));
  const ignored = new Set(changes.flatMap((change) => change.ignored ?? []));
  const tally = { insert: 0, update: 0, delete: 0 };
  const body = h("tbody");
  for (const change of changes) {
    const kind = change.before ? (change.after ? "update" : "delete") : "insert";
    tally[kind] += 1;
    const lines = { insert: ["after"], delete: ["before"], update: ["before", "after"] }[kind];
    for (const side of lines) {
      const sign = side === "after" ? "+" : "−";
      const word = kind === "update" ? side : kind;
      body.append(
        h(
          "tr",
          { class: `${kind} ${side}` },
          h("th", { scope: "row" }, h("span", { class: "sign", "aria-hidden": "true" }, sign), word),
          columns.map((column) => {
            const differs = kind === "update" && JSON.stringify(change.before[column]) !== JSON.stringify(change.after[column]);
            const classes = [differs ? "changed" : "", ignored.has(column) ? "ignored" : "", folded.has(column) ? "folded" : ""].join(" ").trim();
            const cell = cellView(change[side][column]);
            return h("td", { class: classes || null }, differs ? h("mark", null, cell) : cell);
          }),
        ),
      );
    }
  }
  const words = Object.entries(tally)
    .filter(([, number]) => number > 0)
    .map(([kind, number]) => `${thousands(number)} ${kind === "insert" ? "inserted" : kind === "update" ? "updated" : "deleted"}`);
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "group", "aria-label": `rows of ${name}` },
    foldingTable(
      folded.size,
      { class: "rows" },
      h("caption", null, h("strong", null, name), ` ${words.join(", ")}`),
      h(
        "thead",
        null,
        h(
          "tr",
          null,
          h("th", { scope: "col" }, h("span", { class: "unseen" }, "change")),
          columns.map((column) =>
            h("th", { scope: "col", class: [ignored.has(column) ? "ignored" : "", folded.has(column) ? "folded" : ""].join(" ").trim() || null, title: ignored.has(column) ? "in ignore_columns: tells no states apart" : null }, column),
          ),
        ),
      ),
      body,
    ),
  );
}

/* A cell: text in quotes would be noise, but NULL is not "NULL" and 1 is not "1". */
function cellView(value) {
  if (value === undefined) return h("span", { class: "null" }, "–");
  if (value === null) return h("span", { class: "null" }, "NULL");
  if (typeof value === "string") return longText(value);
  return h("span", { class: "j-other" }, typeof value === "object" ? JSON.stringify(value) : String(value));
}

/* What proves a violation. */
function evidenceView(evidence) {
  if (evidence.kind === "values") {
    return h(
      "dl",
      { class: "against" },
      h("dt", null, "expected"),
      h("dd", null, longText(evidence.expected)),
      h("dt", null, "found"),
      h("dd", { class: "found" }, longText(evidence.actual)),
    );
  }
  const found = count(evidence.total, "row");
  const first = evidence.rows.length < evidence.total ? `, the first ${evidence.rows.length} are` : "";
  const sentence = h("p", null, h("strong", null, "expected "), evidence.expected, ", ", h("strong", null, "found "), `${found}${first}${evidence.rows.length ? ":" : ""}`);
  if (evidence.rows.length === 0) return sentence;
  return h(
    "div",
    null,
    sentence,
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "group", "aria-label": "rows that prove it" },
      foldingTable(
        Math.max(0, evidence.columns.length - SEEN_COLUMNS),
        { class: "rows proof" },
        h("thead", null, h("tr", null, evidence.columns.map((column, at) => h("th", { scope: "col", class: at < SEEN_COLUMNS ? null : "folded" }, column)))),
        h("tbody", null, evidence.rows.map((row) => h("tr", null, row.map((cell, at) => h("td", { class: at < SEEN_COLUMNS ? null : "folded" }, cellView(cell)))))),
      ),
    ),
  );
}

const shellQuoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/* The request as a command. The report does not know where the service listens next time. */
function curlCommand(request) {
  const words = ["curl", "-i", "-X", request.method, `"$BASE_URL"${shellQuoted(request.target)}`];
  for (const { name, value } of request.headers) words.push("-H", shellQuoted(`${name}: ${value}`));
  if (request.body && !request.body.left_out) {
    const json = request.body.json !== undefined;
    if (json && !request.headers.some(({ name }) => name.toLowerCase() === "content-type")) {
      words.push("-H", "'content-type: application/json'");
    }
    words.push("--data-raw", shellQuoted(json ? JSON.stringify(request.body.json) : request.body.text ?? ""));
  }
  return words.join(" ");
}
