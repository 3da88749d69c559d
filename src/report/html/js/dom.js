/* Elements, text, and what every view needs. Data only ever becomes text nodes and attributes: nothing in this page makes
   markup of a text, and its policy would not let it. */

/* Characters that cannot be seen or that turn the reading direction around: shown by their number. */
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

function visible(text) {
  return String(text).replace(UNSEEN, (c) => `\\u{${c.codePointAt(0).toString(16)}}`);
}

/* An element. Properties that begin with `on` are listeners; `null`, `false` and `undefined` children are left out. */
function h(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : visible(value));
  }
  append(element, children);
  return element;
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : visible(child));
  }
}

function fill(element, ...children) {
  element.replaceChildren();
  append(element, children);
}

/* A name that may be long: it breaks where its words end. */
function nameOf(text) {
  return visible(text).split(/(?<=[_.=,(-])/).flatMap((word, at) => (at ? [h("wbr"), word] : [word]));
}

const byId = (id) => document.getElementById(id);

/* Said to those who hear the page instead of seeing it. */
function say(text) {
  byId("said").textContent = visible(text);
}

const thousands = (number) => String(number).replace(/\B(?=(\d{3})+(?!\d))/g, ",");

function count(number, noun) {
  const plural = noun.endsWith("y") ? `${noun.slice(0, -1)}ies` : `${noun}s`;
  return `${thousands(number)} ${number === 1 ? noun : plural}`;
}

function milliseconds(ms) {
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 60000) return `${(ms / 1000).toFixed(2)} s`;
  return `${Math.floor(ms / 60000)} m ${Math.floor((ms % 60000) / 1000)} s`;
}

const SEVERITIES = ["", "low", "medium", "high", "critical"];

const badge = (severity) => h("span", { class: `badge ${severity}` }, severity);

const statusClass = (status) => (status < 100 ? "s0" : `s${Math.floor(status / 100)}`);

const statusBadge = (status) =>
  h("span", { class: `status ${statusClass(status)}` }, status === 0 ? "no answer" : status);

/* A button that copies. The page may be opened from a file, where not every browser has a clipboard to offer. */
function copyButton(label, text, name) {
  const button = h("button", { type: "button", class: "small", "aria-label": name ?? label }, label);
  button.addEventListener("click", async () => {
    const copied = await copy(typeof text === "function" ? text() : text, button);
    button.textContent = copied ? "Copied" : "Not allowed";
    say(copied ? "copied" : "the browser did not allow to copy");
    setTimeout(() => (button.textContent = label), 1500);
  });
  return button;
}

async function copy(text, button) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = h("textarea", { class: "unseen", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const copied = document.execCommand("copy");
    area.remove();
    button.focus();
    return copied;
  }
}

/* Arrow keys, j and k, Home and End among the buttons of a list. */
function listKeys(list, selector) {
  list.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const items = [...list.querySelectorAll(selector)];
    const here = items.indexOf(document.activeElement);
    if (here < 0) return;
    const to = { ArrowDown: here + 1, j: here + 1, ArrowUp: here - 1, k: here - 1, Home: 0, End: items.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const item = items[Math.max(0, Math.min(items.length - 1, to))];
    item.focus();
    if (list.dataset.follow) item.click();
  });
}

/* What browsers remember between two visits, where they allow it. */
const remembered = {
  get(name) {
    try {
      return localStorage.getItem(`venomqa-${name}`);
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`venomqa-${name}`, value);
    } catch {
      /* Then it holds for this visit. */
    }
  },
};
