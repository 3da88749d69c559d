/* Lists and tables about a whole run: violations, coverage, time, warnings. */

const OUTCOME_WORDS = { clean: "Clean", incomplete: "Incomplete", violations: "Violations", failed: "Failed", interrupted: "Interrupted" };

function verdictView(run) {
  const { figures, time } = run;
  const share = shareOf(figures.coverage);
  const figure = (value, name) => h("div", null, h("dt", null, name), h("dd", null, value));
  return [
    h(
      "div",
      { class: `verdict is-${run.outcome}` },
      h("span", { class: "outcome" }, OUTCOME_WORDS[run.outcome]),
      h("h1", null, run.headline),
      causesView(run),
    ),
    h(
      "dl",
      { class: "figures" },
      figure(run.spec.name, "spec"),
      figure(run.strategy, "strategy"),
      figure(run.seed, "seed"),
      figure(thousands(figures.steps), "steps"),
      figure(thousands(figures.states), "states"),
      figure(thousands(figures.transitions), "transitions"),
      figure(`${share}%`, "coverage"),
      figure(milliseconds(time.total_ms), "time"),
    ),
    h("div", { class: "repeat" }, h("span", { class: "none" }, "Repeat"), h("code", { tabindex: "0", role: "group", "aria-label": "Command that repeats the run" }, run.repeat), copyButton("Copy", run.repeat, "Copy the command that repeats the run")),
  ];
}

/* As in the console report: only everything is 100 %, and only nothing is 0 %. */
function shareOf(coverage) {
  const rounded = Math.round(coverage * 100);
  if (coverage < 1 && rounded >= 100) return 99;
  return coverage > 0 && rounded === 0 ? 1 : rounded;
}

/* Why a run failed: the headline says that it did. */
function causesView(run) {
  const lines = run.causes.filter(({ message }) => message).map(({ message }) => h("p", null, message));
  const error = run.stop.error;
  if (error?.details.length) lines.push(h("pre", { class: "raw" }, error.details.join("\n")));
  if (error?.help) lines.push(h("p", null, h("strong", null, "Help: "), error.help));
  if (run.cleanup?.help) lines.push(h("p", null, h("strong", null, "Help: "), run.cleanup.help));
  return lines;
}

function violationsView(run, choose) {
  const title = h("h2", null, "Violations ", h("span", { class: "number" }, thousands(run.violations.length)));
  if (run.violations.length === 0) return [title, h("p", { class: "none" }, run.outcome === "clean" ? "Nothing was found." : "None was found, which says little about this run: read the verdict."), corpusView(run)];
  const list = h(
    "ol",
    { class: "violations" },
    run.violations.map((violation, number) => {
      const { result, times, of } = violation.confirmation;
      const confirmed = { confirmed: "confirmed", unconfirmed: "unconfirmed", "not-tried": "not confirmed" }[result];
      return h(
        "li",
        null,
        h(
          "button",
          { type: "button", onclick: () => choose(number) },
          h("span", { class: "over" }, badge(violation.severity), violation.oracle === "check" && " built-in check"),
          h("span", { class: "name" }, nameOf(violation.name)),
          h("span", { class: "message" }, violation.message),
          h("span", { class: "facts-line" }, h("span", { class: result === "confirmed" ? "held" : "doubt" }, of ? `${confirmed} ${times} of ${of}` : confirmed), ` · ${count(violation.path.length, "step")} · seen ${violation.occurrences > 1 ? `${thousands(violation.occurrences)} times` : "once"}`),
          neighbours(run, violation).map((told) => h("span", { class: "facts-line" }, told)),
        ),
      );
    }),
  );
  listKeys(list, "button");
  return [title, list, corpusView(run)];
}

/* What stands around a violation: the baseline, what it follows from, other actions that show it, the runs that found it. */
function neighbours(run, violation) {
  const root = run.violations.find(({ number }) => number === violation.consequence_of);
  const parts = (violation.runs ?? []).map((number) => run.merged[number - 1]).filter(Boolean);
  return [
    violation.known && "known (baseline)",
    root && `follows from ${root.name}`,
    violation.also_by?.length > 0 && `also by ${violation.also_by.map(({ action }) => action).join(", ")}`,
    parts.length > 0 && `found by ${parts.map(({ strategy, seed }) => `${strategy} seed ${seed}`).join(", ")}`,
  ].filter(Boolean);
}

/* What earlier runs found, and what became of it. */
function corpusView(run) {
  if (!run.corpus?.length) return null;
  const words = { "still-failing": ["bad", "still failing"], fixed: ["held", "fixed"], "not-judged": ["doubt", "not judged"], "not-tried": ["doubt", "not tried"] };
  return h(
    "section",
    { class: "corpus" },
    h("h3", null, "Found before"),
    h(
      "ul",
      null,
      run.corpus.map(({ outcome, name, file, reason }) => {
        const [tone, word] = words[outcome];
        return h("li", { title: file }, h("strong", { class: tone }, word), " ", nameOf(name), reason && h("p", { class: "none" }, reason));
      }),
    ),
  );
}

function coverageView(run) {
  const statuses = [...new Set(run.actions.flatMap((action) => Object.keys(action.statuses)))].sort((a, b) => a - b);
  const most = Math.max(1, ...run.actions.flatMap((action) => Object.values(action.statuses)));
  const cell = (number, status) => {
    if (!number) return h("td", { class: "number none" }, "·");
    const td = h("td", { class: `number heat ${statusClass(Number(status))}` }, thousands(number));
    td.style.setProperty("--heat", String(0.12 + 0.5 * Math.sqrt(number / most)));
    return td;
  };
  const notes = (action) => [
    action.switched_off && h("p", null, "switched off"),
    !action.switched_off && action.runs === 0 && h("p", { class: "doubt" }, h("strong", null, "never ran: "), action.never_ran ?? "no reason is known"),
    action.always_refused && h("p", { class: "doubt" }, h("strong", null, "always refused: "), "only answers of 400 and above, and the spec does not expect them"),
    action.advice && h("p", null, h("strong", null, "advice: "), action.advice),
  ];
  const { actions_run: ran, actions: all } = run.figures;
  return [
    h("h2", null, "Coverage of actions by status"),
    h("p", { class: "none" }, `${thousands(ran)} of ${count(all, "action")} ran. `, run.gaps.length > 0 && h("strong", { class: "doubt" }, `${run.gaps.join(" and ")}.`)),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "group", "aria-label": "Coverage of actions by status" },
      h(
        "table",
        { class: "coverage" },
        h("thead", null, h("tr", null, ["action", "request", "runs", "new states", "unchanged"].map((name, column) => h("th", { scope: "col", class: column > 1 ? "number" : null }, name)), statuses.map((status) => h("th", { scope: "col", class: "number" }, status === "0" ? "no status" : status)), h("th", { scope: "col" }, "notes"))),
        h(
          "tbody",
          null,
          run.actions.map((action) =>
            h(
              "tr",
              { class: action.runs === 0 ? "never" : null },
              h("th", { scope: "row" }, nameOf(action.name)),
              h("td", { class: "request" }, action.method, " ", action.path),
              h("td", { class: "number" }, thousands(action.runs)),
              h("td", { class: "number" }, thousands(action.new_states)),
              h("td", { class: "number" }, thousands(action.unchanged)),
              statuses.map((status) => cell(action.statuses[status], status)),
              h("td", { class: "notes" }, notes(action)),
            ),
          ),
        ),
      ),
    ),
  ];
}

const TIME_PARTS = [
  ["http_ms", "service", "waiting for its answers"],
  ["journal_ms", "journal", "learning what a step changed"],
  ["restore_ms", "restore", "putting rows back, and proving it"],
  ["settle_ms", "settle", "waiting for what is written after the answer"],
  ["start_ms", "start", "starting the service again"],
  ["oracles_ms", "oracles", "judging"],
  ["engine_ms", "engine", "choosing, hashing, recording"],
  ["shrink_ms", "shrink", "looking for shorter paths"],
  ["confirm_ms", "confirm", "running violations again"],
];

function timeView(run) {
  const parts = TIME_PARTS.map(([field, name, what]) => ({ name, what, ms: run.time[field] ?? 0 })).filter(({ ms }) => ms > 0);
  const whole = parts.reduce((sum, { ms }) => sum + ms, 0);
  if (whole === 0) return [h("h2", null, "Time"), h("p", { class: "none" }, "no time was spent, or none was recorded")];
  const percent = (ms) => `${((ms / whole) * 100).toFixed(1)}%`;
  const bar = h("div", { class: "time-bar", "aria-hidden": "true" });
  for (const { name, ms } of parts) {
    const part = h("span", { class: `t-${name}`, title: `${name} ${percent(ms)}` });
    part.style.flexGrow = String(ms);
    bar.append(part);
  }
  return [
    h("h2", null, "Time"),
    bar,
    h(
      "table",
      { class: "time" },
      h("thead", { class: "unseen" }, h("tr", null, ["part", "share", "time", "doing what"].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", null, parts.map(({ name, what, ms }) => h("tr", null, h("th", { scope: "row" }, h("span", { class: `key t-${name}`, "aria-hidden": "true" }), name), h("td", { class: "number" }, percent(ms)), h("td", { class: "number" }, milliseconds(ms)), h("td", { class: "none" }, what)))),
    ),
  ];
}

/* How the run ended, its limits, warnings, what the report leaves out. */
function runView(run) {
  const { limits, omitted } = run;
  const pairs = [
    ["spec", run.spec.path],
    ["started", run.started_at],
    ["venomqa", run.venomqa],
    ["ended", run.stop.message],
    ["deepest state", `${count(run.figures.deepest, "step")} from the initial one`],
    ["left as it was", `${count(run.figures.unchanged_steps, "step")} left the state as it was`],
    ["max steps", thousands(limits.max_steps)],
    ["max depth", thousands(limits.max_depth)],
    limits.coverage_target && ["coverage target", `${limits.coverage_target * 100}%`],
    limits.time_limit_ms && ["time limit", milliseconds(limits.time_limit_ms)],
    limits.fail_fast && ["fail fast", limits.fail_fast],
  ].filter(Boolean);
  const left = [
    omitted.steps && `the last ${count(omitted.steps, "step")} of the run, from the graph too`,
    omitted.cut && `the ends of bodies of ${count(omitted.cut, "step")}`,
    omitted.bodies && `the bodies of ${count(omitted.bodies, "step")}`,
    omitted.exchanges && `requests, answers and rows of ${count(omitted.exchanges, "step")}`,
  ].filter(Boolean);
  return [
    h("h2", null, "Run"),
    h("dl", { class: "values" }, pairs.map(([name, value]) => [h("dt", null, name), h("dd", null, value)])),
    mergedView(run),
    left.length > 0 && h("div", { class: "card doubt-card" }, h("h3", null, "Left out to keep this report small"), h("ul", null, left.map((text) => h("li", null, text))), h("p", { class: "none" }, "The steps on violations' paths are whole. The run log has everything: --report log=PATH.")),
    timeView(run),
    h("h2", null, "Warnings"),
    run.warnings.length
      ? h("ul", { class: "warnings" }, run.warnings.map((warning) => h("li", { class: warning.untrusted ? "bad-card card" : "card" }, h("p", null, h("code", null, warning.code), warning.untrusted && h("strong", { class: "bad" }, " verdicts cannot be relied on")), h("p", null, warning.message), warning.help && h("p", { class: "none" }, "help: ", warning.help))))
      : h("p", { class: "none" }, "none"),
    h("h2", null, "Invariants"),
    run.invariants.length ? h("ul", { class: "invariants" }, run.invariants.map(({ name, severity }) => h("li", null, badge(severity), " ", name))) : h("p", { class: "none" }, "the spec declares none; only the built-in checks judged"),
  ];
}

/* The runs that this one was merged of. */
function mergedView(run) {
  if (!run.merged?.length) return null;
  const heads = ["strategy", "seed", "steps", "states", "repeat"];
  return [
    h("h2", null, "Merged of"),
    h(
      "div",
      { class: "scroll", tabindex: "0", role: "group", "aria-label": "The runs that were merged" },
      h(
        "table",
        { class: "rows merged" },
        h("thead", null, h("tr", null, heads.map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", null, run.merged.map((part) => h("tr", null, h("td", null, part.strategy), h("td", null, part.seed), h("td", null, thousands(part.steps)), h("td", null, thousands(part.states)), h("td", null, part.repeat)))),
      ),
    ),
  ];
}

/* For paper: every violation with all of its steps, one under the other. */
function printedView(run) {
  return run.violations.map((violation) =>
    h(
      "article",
      null,
      h("h2", null, badge(violation.severity), " ", violation.name),
      h("p", null, violation.message),
      factsOf(violation),
      h(
        "ol",
        null,
        violation.path.map((step) =>
          h(
            "li",
            null,
            h("strong", null, step.action),
            step.request && h("p", { class: "line" }, `${step.request.method} ${step.request.target} `, bodyText(step.request.body).slice(0, 400), " → ", statusBadge(step.response.status)),
            step.rows?.length > 0 && rowsView(step.rows),
          ),
        ),
      ),
      evidenceView(violation.evidence),
    ),
  );
}
