// The player in the browser. It owns only the position; Python makes all that is shown: see protocol.py.
// The views escape payloads, so fragments are inserted as HTML; all else is inserted as text.

const KEYS = { Home: "first", ArrowLeft: "previous", ArrowRight: "next", End: "last", " ": "play" };

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// In the texts below an element, wrap each match of a pattern (with one group), and unfold it.
function mark(root, pattern, name) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT), texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode);
  for (const text of texts) {
    const pieces = text.data.split(pattern);
    if (pieces.length < 2) continue;
    unfold(text.parentElement, root);
    text.replaceWith(...pieces.map((piece, index) => (index % 2 ? make("mark", { class: name }, piece) : piece)));
  }
}

function unfold(element, root) {
  for (let at = element; at && at !== root; at = at.parentElement) if (at.localName === "details") at.open = true;
}

const SENDING = "sending …";
const SILENT = "No reply yet. The kernel is busy or was restarted; if it was restarted, run this cell again.";
const has = Object.hasOwn; // a field may be called "constructor"
const quoted = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

function render({ model, el }) {
  const root = make("section", { "data-explorer": "player", tabindex: "0", "data-lm-suppress-shortcuts": "true" });
  const status = make("p", { role: "status", class: "explorer-status" }); // outside root: build() would silence it
  let content, run, parts, texts, timer = null, edited = "", told = "", waiting = null, follow = "", query = "";

  // ------------------------------------------------------------------------------------------------ the page

  function build() {
    stop();
    const at = root.contains(document.activeElement) ? nameOf(document.activeElement) : null;
    const unfolded = [...root.querySelectorAll("details[class][open]")].map((each) => `details.${each.className}`);
    content = model.get("content");
    edited = "";
    root.innerHTML = content.page.replaceAll("\x01", `explorer-${Math.random().toString(36).slice(2)}`);
    const named = [...root.querySelectorAll("[data-part], [data-pane]")];
    parts = Object.fromEntries(named.map((each) => [each.dataset.part ?? each.dataset.pane, each]));
    parts.fields.append(...Object.keys(content.fields).sort().map((value) => make("option", { value })));
    root.dataset.exploration = content.key;
    root.setAttribute("aria-label", content.title);
    tellMessage();
    fill();
    use(model.get("run"), false);
    chase(follow || content.follow);
    show(model.get("step"), false);
    for (const each of unfolded) for (const found of root.querySelectorAll(each)) found.open = true;
    if (at) (root.querySelector(at) ?? root).focus({ preventScroll: true });
    if (parts.facts.firstChild) status.textContent = parts.facts.querySelector(".asked").textContent;
  }

  // Return a selector that finds a control again in a new page.
  function nameOf({ name, dataset }) {
    if (name) return `[name="${name}"]`;
    return dataset.part ? `[data-part="${dataset.part}"]` : dataset.action ? `[data-action="${dataset.action}"]` : "x";
  }

  const inputs = () => [...(parts.form?.elements ?? [])].filter((input) => input.name);
  const valueOf = (input) => (input.type === "checkbox" ? input.checked : input.value);
  const values = () => Object.fromEntries(inputs().map((input) => [input.name, valueOf(input)]));

  // Fill in the form, except a control edited since the last message.
  function fill() {
    const typing = edited !== told ? edited : "";
    const fields = Object.fromEntries(model.get("form")?.fields.map((field) => [field.name, field]) ?? []);
    for (const input of inputs()) {
      const { value } = fields[input.name];
      if (input.name === typing) continue;
      if (input.type === "checkbox") input.checked = value;
      else if (input.value !== value) input.value = value;
    }
    edited = typing;
  }

  // Show what belongs to a run but not to a step.
  function use(number, tell = true) {
    run = content.runs[number] ?? content.runs[0];
    const at = content.runs.indexOf(run), other = content.runs[1 - at];
    root.dataset.run = at;
    root.dataset.steps = run.steps.length;
    parts.slider.max = Math.max(0, run.steps.length - 1);
    parts.facts.innerHTML = run.facts;
    parts.more.innerHTML = run.more;
    for (const goal of root.querySelectorAll("[data-goto]")) reachable(goal);
    parts.caption.textContent = run.caption;
    parts.bus.title = "go to the message on the bus, if one was sent";
    parts.bus.disabled = !run.steps.some((step) => step.node === "bus");
    drawFlowchart(other);
    texts = [];
    search();
    if (tell) push({ run: at });
  }

  function reachable(element) {
    element.setAttribute("role", "button");
    element.setAttribute("tabindex", "0");
  }

  function drawFlowchart(other) {
    const there = other && new Set(other.steps.map((step) => step.station));
    parts.flowchart.innerHTML = run.flowchart;
    for (const node of parts.flowchart.querySelectorAll("[data-station]")) {
      const { station } = node.dataset, [name, says] = content.stations[station];
      const alone = there && !there.has(station);
      node.setAttribute("role", "button");
      node.setAttribute("tabindex", "-1");
      node.setAttribute("aria-label", `${name} ${says}${alone ? ", only in this run" : ""}`);
      node.classList.toggle("faint", !content.focus.includes(station) && !node.classList.contains("refused"));
      if (alone) flag(node, "≠", "alone");
    }
  }

  function flag(node, sign, name) {
    node.classList.add(name);
    const text = node.querySelector("text:not(.flag)") ?? node;
    const note = text === node ? make("span") : document.createElementNS("http://www.w3.org/2000/svg", "tspan");
    note.setAttribute("class", `flag ${name}`);
    note.textContent = ` ${sign}`;
    text.append(note);
  }

  // ------------------------------------------------------------------------------------------------ a step

  const html = (text) => text.replace(/\x02(\d+);/g, (_, number) => html(content.folds[number]));
  const here = () => Number(root.dataset.step);

  function show(index, tell = true) {
    const last = run.steps.length - 1;
    index = Math.max(0, Math.min(last, index || 0));
    const step = run.steps[index];
    root.dataset.step = index;
    parts.slider.value = index;
    parts.count.textContent = `step ${index} of ${last} · ${run.leg}`;
    if (!step) return;
    const [name, says] = content.stations[step.station];
    root.dataset.node = step.node;
    parts.now.textContent = `${content.nodes[step.node]}: ${name} ${says}${step.refused ? ` — ${step.refused}` : ""}`;
    parts.slider.setAttribute("aria-valuetext", `${index}: ${name}`);
    const seen = [markNode(step.station), showSource(step), markRow(index)];
    showPayload(step, index);
    for (const row of parts.journey.querySelectorAll("tr[data-steps]"))
      row.classList.toggle("here", row.dataset.steps.split(" ").includes(String(index)));
    const panes = [parts.flowchart, parts.source, parts.more.querySelector(".beside")]; // last: it needs the layout
    panes.forEach((pane, number) => seen[number] && center(pane, seen[number]));
    if (tell) push({ step: index });
  }

  function push(state) {
    for (const [name, value] of Object.entries(state)) model.set(name, value);
    model.save_changes();
  }

  function markNode(station) {
    const before = parts.flowchart.querySelector('[aria-current="step"]');
    before?.removeAttribute("aria-current");
    before?.setAttribute("tabindex", "-1");
    const node = parts.flowchart.querySelector(`[data-station="${CSS.escape(station)}"]`);
    node?.setAttribute("aria-current", "step");
    node?.setAttribute("tabindex", "0");
    return node;
  }

  function markRow(index) {
    parts.more.querySelector("tr.here")?.classList.remove("here");
    const links = [...parts.more.querySelectorAll(`.beside [data-run="${root.dataset.run}"]`)];
    const link = links.filter((each) => each.dataset.goto <= index).pop();
    let row = link ? link.closest("tr") : parts.more.querySelector(".beside tr");
    // A step without a link is in the next row that stands for several steps.
    if (!link || link.dataset.goto < index) while (row && !row.matches(".alike")) row = row.nextElementSibling;
    row?.classList.add("here");
    return row;
  }

  function showSource(step) {
    const { head, first, lines, runs } = content.sources[step.source];
    const listing = lines.map((text, index) => {
      const code = runs.includes(first + index) ? { class: "code" } : {};
      return make("span", { "data-line": first + index, ...code }, `${text}\n`);
    });
    parts.source.innerHTML = head;
    parts.source.append(make("pre", {}, ...listing));
    for (const line of step.lines) listing[line - first]?.classList.add("ran");
    if (follow) mark(parts.source, names(), "followed");
    if (query) mark(parts.source.lastChild, finding(), "found");
    return parts.source.querySelector(".ran");
  }

  function showPayload(step, index) {
    parts.payload.innerHTML = html(step.payload);
    for (const code of parts.payload.querySelectorAll("li > code, summary > code")) {
      if ((code.dataset.field ?? code.textContent) !== follow) continue;
      code.closest("li").classList.add("followed");
      unfold(code.closest("li").parentElement, parts.payload);
    }
    if (query) mark(parts.payload, finding(), "found");
    const differs = content.differs?.find((row) => row[root.dataset.run] === index)?.[2];
    if (differs) {
      parts.payload.insertAdjacentHTML("afterbegin", `<div class="differs">${differs}</div>`);
    }
  }

  // scrollIntoView would also scroll the notebook.
  function center(pane, element) {
    const [outer, inner] = [pane.getBoundingClientRect(), element.getBoundingClientRect()];
    pane.scrollTop += inner.top - outer.top - (outer.height - inner.height) / 2;
    pane.scrollLeft += inner.left - outer.left - Math.max(0, (outer.width - inner.width) / 2);
  }

  // ------------------------------------------------------------------------------------------------ follow and find

  const rows = () => (content.fields[follow] ?? []).filter((row) => row[4 + content.runs.indexOf(run)]?.length);
  function names() {
    const last = [follow, ...rows().map(([, path]) => path)].map((path) => quoted(path.split(".").pop()));
    return new RegExp(`\\b(${[...new Set(last)].join("|")})\\b`);
  }

  function chase(name) {
    follow = has(content.fields, name) ? name : "";
    parts.field.value = follow;
    const at = 4 + content.runs.indexOf(run), given = run.given[follow];
    const sorted = rows().sort((one, other) => one[at][0] - other[at][0]);
    const cells = (...texts) => texts.map((text) => make("td", {}, text));
    const lines = sorted.map((row) => {
      const [index] = row[at], goal = make("span", { "data-goto": index, "data-run": at - 4 }, String(index));
      reachable(goal);
      const station = content.stations[run.steps[index].station][0];
      return make("tr", { "data-steps": row[at].join(" ") },
        ...cells(goal, content.nodes[row[0]], station, ...row.slice(1, 4)));
    });
    if (given) lines.unshift(make("tr", {}, ...cells("", "command line", "nova live-migration", ...given)));
    const heads = ["step", "where", "station", "name", "type", "value"].map((text) => make("th", {}, text));
    const title = follow
      ? `${follow} on its way: ${lines.length} names, types and values`
      : "click the name of a field in the payload to follow it";
    parts.journey.replaceChildren(make("summary", {}, title), make("table", {}, make("tr", {}, ...heads), ...lines));
    const carriers = new Set(rows().flatMap((row) => row[at].map((index) => run.steps[index].station)));
    for (const node of parts.flowchart.querySelectorAll("[data-station]")) {
      node.classList.remove("carries");
      for (const note of node.querySelectorAll(".flag.carries")) note.remove();
      if (carriers.has(node.dataset.station)) flag(node, "◆", "carries");
    }
  }

  function textOf(index) {
    const { station, payload } = run.steps[index];
    const plain = make("template");
    plain.innerHTML = html(payload);
    return (texts[index] ??= `${content.stations[station].join(" ")} ${plain.content.textContent}`.toLowerCase());
  }

  const finding = () => new RegExp(`(${quoted(query)})`, "i");
  const isHit = (index) => query && textOf(index).includes(query.toLowerCase());
  const hits = () => [...run.steps.keys()].filter(isHit);

  function search() {
    query = parts.find.value.trim();
    const found = hits();
    parts.found.hidden = !query;
    parts.found.textContent = found.length ? `in ${found.length} steps, next ▶` : "not found in this run";
    parts.found.disabled = !found.length;
  }

  function nextHit(back) {
    const found = hits();
    const goal = back
      ? found.filter((index) => index < here()).pop() ?? found.pop()
      : found.find((index) => index > here()) ?? found[0];
    if (goal !== undefined) show(goal);
  }

  // ------------------------------------------------------------------------------------------------ actions

  function stop() {
    clearInterval(timer);
    timer = null;
    parts?.play.setAttribute("aria-pressed", "false");
  }

  function play() {
    if (timer !== null) return stop();
    parts.play.setAttribute("aria-pressed", "true");
    const go = () => (here() < run.steps.length - 1 && root.isConnected ? show(here() + 1) : stop());
    timer = setInterval(go, 1000 * parts.pace.value);
  }

  function swap() {
    const at = content.runs.indexOf(run), pairs = content.differs;
    const row = pairs.findIndex((pair) => pair[at] === here());
    const nearest = [...pairs.slice(0, row + 1).reverse(), ...pairs.slice(row)];
    visitRun(1 - at, nearest.find((pair) => pair[1 - at] !== null)?.[1 - at]);
  }

  function visitRun(number, index) {
    if (content.runs[number] !== run) use(number);
    chase(follow);
    show(index);
  }

  function act(action) {
    const last = run.steps.length - 1;
    const goal = { first: 0, previous: here() - 1, next: here() + 1, last }[action];
    if (goal !== undefined || action === "bus") stop();
    if (goal !== undefined) show(goal);
    else if (action === "play") play();
    else if (action === "bus") show(run.steps.findIndex((step) => step.node === "bus"));
    else if (action === "found") nextHit();
    else if (action === "swap") swap();
    else if (action !== "send") ask({ kind: action });
  }

  function ask(said) {
    if (said.kind !== "edit") parts.message.textContent = SENDING;
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      if (parts.message.textContent === SENDING) parts.message.textContent = SILENT;
    }, 15_000);
    model.send(said);
  }

  function tellMessage() {
    parts.message.textContent = model.get("message");
  }

  function visit(station) {
    const visits = run.steps.flatMap((step, index) => (step.station === station ? [index] : []));
    stop();
    show(visits.find((index) => index > here()) ?? visits[0]);
  }

  // A link can name a position: #KEY@46 or #KEY@_migrate_live.
  function follows(hash) {
    const [key, place] = hash.slice(1).split("@");
    if (key !== content.key || !place) return false;
    const station = run.steps.findIndex((step) => step.station === place);
    const index = has(run.legs, place) ? run.legs[place] : /^\d+$/.test(place) ? Number(place) : station;
    if (!run.steps[index]) return false;
    if (index !== here()) (stop(), show(index));
    return true;
  }

  function press(target) {
    const pressed = target.closest("button[data-action]");
    const goal = target.closest("[data-goto]"), node = target.closest("[data-station]");
    const name = target.closest('[data-pane="payload"] :is(li > code, summary > code)');
    const field = name && (name.dataset.field ?? name.textContent);
    if (pressed) act(pressed.dataset.action);
    else if (goal) (stop(), visitRun(Number(goal.dataset.run), Number(goal.dataset.goto)));
    else if (node) visit(node.dataset.station);
    else if (field && has(content.fields, field)) (chase(field), show(here(), false));
    else return false;
    return true;
  }

  root.addEventListener("click", (event) => {
    if (press(event.target) && event.target.closest("summary > code")) event.preventDefault();
  });
  root.addEventListener("input", (event) => {
    if (event.target === parts.slider) (stop(), show(Number(parts.slider.value)));
    if (event.target === parts.find) (search(), show(here(), false));
    if (event.target.name) edited = event.target.name;
  });
  root.addEventListener("change", (event) => {
    if (event.target === parts.field) (chase(parts.field.value), show(here(), false));
    if (event.target === parts.pace && timer !== null) (stop(), play());
    if (event.target.name) ask({ kind: "edit", values: values(), edited: (told = event.target.name) });
  });
  root.addEventListener("submit", (event) => {
    event.preventDefault();
    ask({ kind: "send", values: values(), edited });
  });
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation(); // otherwise the notebook takes the key as a command
    const { key, target } = event;
    if (target === parts.find && key === "Enter") return nextHit(event.shiftKey);
    const node = target.closest("[data-station], [data-goto]");
    if (node && (key === "Enter" || key === " ")) return event.preventDefault(), press(node);
    if (target.closest('[data-pane="flowchart"]') && (key === "ArrowUp" || key === "ArrowDown") && node) {
      const nodes = [...parts.flowchart.querySelectorAll("[data-station]")];
      event.preventDefault();
      return nodes[nodes.indexOf(node) + (key === "ArrowUp" ? -1 : 1)]?.focus();
    }
    const native = target.closest("input, select, textarea, summary") || (key === " " && target.closest("button"));
    if (native) return;
    if (key === "/") return event.preventDefault(), parts.find.focus();
    if (!(key in KEYS)) return;
    event.preventDefault();
    act(KEYS[key]);
  });
  const onLink = (event) => {
    const link = event.target.closest?.('a[href*="#"]');
    if (!link || !follows(link.hash)) return;
    event.preventDefault();
    root.scrollIntoView({ block: "start" });
    root.focus({ preventScroll: true });
  };
  const onHash = () => follows(location.hash);
  document.addEventListener("click", onLink);
  window.addEventListener("hashchange", onHash);

  // Other changes can be reported before the change of content that they belong to, so they wait for it. Comparing
  // content objects does not help: Python may send the whole state again.
  const on = (name, follow) => model.on(`change:${name}`, () => queueMicrotask(follow));
  model.on("change:content", build);
  on("form", fill);
  on("message", tellMessage);
  on("run", () => content.runs[model.get("run")] !== run && visitRun(model.get("run"), model.get("step")));
  on("step", () => model.get("step") !== here() && show(model.get("step"), false));
  build();
  el.append(root, status);
  onHash();
  // Centering needs sizes, which exist only after the layout.
  const laidOut = new ResizeObserver(() => {
    if (root.clientHeight > 0) show(here(), false);
  });
  laidOut.observe(root);
  return () => {
    stop();
    clearTimeout(waiting);
    laidOut.disconnect();
    document.removeEventListener("click", onLink);
    window.removeEventListener("hashchange", onHash);
  };
}

export default { render };
