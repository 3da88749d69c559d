/* The step view: the steps of a path on the left, everything about one of them on the right. */

class StepView {
  constructor(panel, page) {
    this.panel = panel;
    this.page = page;
    this.path = null;
    this.at = 0;
    this.list = h("ol", { class: "steps", "aria-label": "Steps of the path", "data-follow": "1" });
    listKeys(this.list, "button");
    this.head = h("div", { class: "path-head" });
    this.detail = h("article", { class: "step", "aria-label": "Step" });
    this.body = h("div", { class: "step-view" }, h("div", { class: "path" }, this.head, this.list), this.detail);
    fill(panel, this.body);
  }

  show(path, at) {
    this.path = path;
    fill(this.head, path ? this.#heading(path) : null);
    this.body.classList.toggle("empty", !path || path.steps.length === 0);
    if (!path) {
      fill(this.list);
      fill(this.detail, h("p", { class: "none" }, "Choose a violation, or a state or transition in the graph, to see its steps."));
      return;
    }
    const last = path.steps.length - 1;
    fill(
      this.list,
      path.steps.map((step, position) =>
        h(
          "li",
          null,
          h(
            "button",
            { type: "button", class: path.violation && position === last ? "breaks" : null, onclick: () => this.open(position) },
            h("span", { class: "number" }, position + 1),
            h("span", { class: "name" }, nameOf(step.action)),
            statusBadge(step.status),
            h("span", { class: "what" }, this.#short(step)),
          ),
        ),
      ),
    );
    if (path.steps.length === 0) {
      const broken = path.violation ? [h("p", null, "The initial state is broken already, before the first step."), evidenceView(path.violation.evidence)] : h("p", { class: "none" }, "This is the initial state: no step leads to it.");
      fill(this.detail, broken);
      return;
    }
    this.open(Math.max(0, Math.min(last, at ?? last)), false);
  }

  /* Shows a step; the next or previous one when called by a key. */
  open(at, chosen = true) {
    if (!this.path || at < 0 || at >= this.path.steps.length) return;
    this.at = at;
    const buttons = [...this.list.querySelectorAll("button")];
    buttons.forEach((button, position) => {
      if (position === at) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
      button.tabIndex = position === at ? 0 : -1;
    });
    const step = this.path.steps[at];
    fill(this.detail, this.#step(step, at));
    /* Only within the list: the page itself stays where it is. */
    const button = buttons[at];
    const { offsetTop, offsetHeight } = button;
    if (offsetTop < this.list.scrollTop || offsetTop + offsetHeight > this.list.scrollTop + this.list.clientHeight) {
      this.list.scrollTop = offsetTop - this.list.clientHeight / 2;
    }
    if (chosen) {
      say(`step ${at + 1} of ${this.path.steps.length}: ${step.action}, ${step.status}`);
      this.page.remember();
    }
  }

  #short(step) {
    const request = step.exchange()?.request;
    return request ? `${request.method} ${request.target}` : "";
  }

  #heading(path) {
    if (!path.violation) return [h("h2", null, path.title), h("p", { class: "none" }, count(path.steps.length, "step"), " from the initial state")];
    const { violation } = path;
    return [
      h("p", { class: "over" }, badge(violation.severity), violation.oracle === "check" ? " built-in check" : " invariant"),
      h("h2", null, nameOf(violation.name)),
      h("p", null, violation.message),
      factsOf(violation),
      h(
        "div",
        { class: "row" },
        h("button", { type: "button", class: "small", onclick: () => this.page.showInGraph(path) }, "Show in the graph"),
        violation.replay && copyButton("Copy replay command", violation.replay),
      ),
      violation.replay && h("p", { class: "replay" }, h("code", null, violation.replay)),
    ];
  }

  #step(step, at) {
    const last = at === this.path.steps.length - 1;
    const exchange = step.exchange();
    const violation = last ? this.path.violation : null;
    return [
      h(
        "header",
        { class: "step-head" },
        h("h2", null, h("span", { class: "of" }, `Step ${at + 1} of ${this.path.steps.length}`), step.action),
        h(
          "div",
          { class: "row" },
          h("button", { type: "button", class: "small", disabled: at === 0, onclick: () => this.open(at - 1) }, "← Previous"),
          h("button", { type: "button", class: "small", disabled: last, onclick: () => this.open(at + 1) }, "Next →"),
          Number.isInteger(step.walked) &&
            h("button", { type: "button", class: "small", onclick: () => this.page.showStepInGraph(step.walked) }, `State ${this.page.run.from[step.walked]} → ${this.page.run.to[step.walked]}`),
        ),
      ),
      violation &&
        h("section", { class: `card broken ${violation.severity}` }, h("h3", null, `This step breaks ${violation.name}`), h("p", null, violation.message), evidenceView(violation.evidence)),
      exchange ? this.#exchange(exchange) : h("p", { class: "none" }, "What was sent and answered was left out of this report, to keep it small."),
      this.#judged(step, violation),
    ];
  }

  #exchange(exchange) {
    const { request, response } = exchange;
    return [
      h(
        "div",
        { class: "pair" },
        h(
          "section",
          { class: "card" },
          h("div", { class: "card-head" }, h("h3", null, "Request"), request.body && !request.body.left_out && copyButton("Copy body", () => bodyText(request.body), "Copy the body of the request"), copyButton("Copy as curl", () => curlCommand(request))),
          h("p", { class: "line" }, h("strong", { class: "method" }, request.method), " ", longText(request.target)),
          headersView(request.headers, "request"),
          bodyView(request.body),
        ),
        h(
          "section",
          { class: "card" },
          h("div", { class: "card-head" }, h("h3", null, "Response"), response.body && !response.body.left_out && copyButton("Copy body", () => bodyText(response.body), "Copy the body of the response")),
          h("p", { class: "line" }, statusBadge(response.status), ` in ${milliseconds(response.duration_ms)}`),
          headersView(response.headers, "response"),
          bodyView(response.body),
        ),
      ),
      h(
        "section",
        { class: "card" },
        h("h3", null, "Row changes"),
        exchange.rows.length ? rowsView(exchange.rows) : h("p", { class: "none" }, "no row changed"),
      ),
      this.#extracted(exchange),
    ];
  }

  #extracted(exchange) {
    const values = Object.entries(exchange.extracted);
    if (values.length === 0 && exchange.extract_failures.length === 0) return null;
    return h(
      "section",
      { class: "card" },
      h("h3", null, "Extracted"),
      valuesList(values),
      exchange.extract_failures.map((failure) => h("p", { class: "bad" }, failure)),
    );
  }

  #judged(step, violation) {
    const { run } = this.page;
    const walked = Number.isInteger(step.walked);
    const judged = walked ? run.judged(step.walked) : [];
    const broken = new Set(walked ? run.broken(step.walked) : []);
    if (violation) broken.add(violation.name);
    const held = judged.filter((name) => !broken.has(name));
    const line = (name, holds) =>
      h("li", { class: holds ? "held" : "bad" }, h("span", { "aria-hidden": "true" }, holds ? "✓ " : "✗ "), name, h("span", { class: "none" }, holds ? " held" : " broken"));
    return h(
      "section",
      { class: "card" },
      h("h3", null, "Judged"),
      broken.size + held.length
        ? h("ul", { class: "judged" }, [...broken].map((name) => line(name, false)), held.map((name) => line(name, true)))
        : h("p", { class: "none" }, walked ? "no invariant was asked: nothing that it reads was touched" : "the walk did not take this step from this state: see the violation itself"),
    );
  }
}

function valuesList(values) {
  return h("dl", { class: "values" }, values.map(([name, value]) => [h("dt", null, name), h("dd", null, scalar(value === null || typeof value !== "object" ? value : JSON.stringify(value)))]));
}

/* Whether a violation happened again, how often it was seen, how it was made short. */
function factsOf(violation) {
  const { result, times, of, reason } = violation.confirmation;
  const tries = of ? ` ${times} of ${of}` : "";
  const confirmed = { confirmed: `confirmed${tries}`, unconfirmed: `unconfirmed${tries}: ${reason}`, "not-tried": `not confirmed: ${reason}` }[result];
  const { shrink } = violation;
  const length = violation.path.length;
  const shrunk = shrink && {
    minimal: shrink.found_length > length ? `shrunk from ${shrink.found_length} to ${count(length, "step")} in ${count(shrink.requests, "request")}` : `as short as it was found: ${count(length, "step")}${result === "confirmed" ? ", none can be left out" : ""}`,
    unfinished: `${shrink.found_length > length ? `shrunk from ${shrink.found_length} to ${count(length, "step")}` : count(length, "step")}, perhaps not the shortest: ${shrink.reason}`,
    "taken-back": `not shrunk: a shorter path did not happen again: ${shrink.reason}`,
    "not-tried": length ? `not shrunk: ${shrink.reason}` : null,
  }[shrink.result];
  const seen = length === 0 ? "seen in the initial state" : violation.occurrences > 1 ? `seen ${thousands(violation.occurrences)} times, first at step ${thousands(violation.first_step)}` : `seen once, at step ${thousands(violation.first_step)}`;
  return h("ul", { class: "facts" }, h("li", { class: result === "confirmed" ? "held" : "doubt" }, confirmed), h("li", null, seen), shrunk && h("li", null, shrunk));
}
