/* Keys that work anywhere on the page, and the dialog that lists them. */

const KEYS = [
  ["1 2 3 4", "steps, state graph, coverage, run"],
  ["/", "search in the graph"],
  ["n p", "next and previous violation"],
  ["j k or ↓ ↑", "along the path, and along the list that has the focus"],
  ["→ ←", "in the graph: follow a transition, go back"],
  ["↑ ↓", "in the graph: other states of the same depth"],
  ["Enter", "in the graph: to what is known of the state"],
  ["+ − 0", "in the graph: zoom, show all"],
  ["Shift + arrows", "in the graph: move the picture"],
  ["g", "show the path in the graph"],
  ["t", "dark, light, or as the system"],
  ["Esc", "back: close, clear the search, deselect"],
  ["?", "this list"],
];

function helpDialog() {
  const dialog = byId("keys");
  fill(
    dialog,
    h("h2", { id: "keys-title" }, "Keys"),
    h("dl", { class: "keys" }, KEYS.map(([keys, what]) => [h("dt", null, keys.split(" ").map((key) => (["or", "+"].includes(key) && keys !== "+ − 0" ? ` ${key} ` : h("kbd", null, key)))), h("dd", null, what)])),
    h("button", { type: "button", class: "primary", onclick: () => dialog.close() }, "Close"),
  );
  byId("help").addEventListener("click", () => dialog.showModal());
}

function pageKeys(page) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("keys").open) return;
    const typing = event.target.closest?.("input, select, textarea");
    if (event.key === "Escape") {
      if (typing) typing.blur();
      else page.back();
      return;
    }
    if (typing) return;
    const acts = {
      "?": () => byId("keys").showModal(),
      "/": () => page.focusSearch(),
      1: () => page.open("steps"),
      2: () => page.open("graph"),
      3: () => page.open("coverage"),
      4: () => page.open("run"),
      n: () => page.nextViolation(1),
      p: () => page.nextViolation(-1),
      j: () => page.nextStep(1),
      k: () => page.nextStep(-1),
      g: () => page.path && page.showInGraph(page.path),
      t: () => page.theme.next(),
    };
    const act = acts[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
}
