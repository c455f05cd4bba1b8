// The player in the browser owns only the position; Python makes and escapes the rest: see protocol.py.

const KEYS = { Home: "first", ArrowLeft: "previous", ArrowRight: "next", End: "last", " ": "play" };
const VIEWS = ["source", "more", "journey", "legend"]; // they share a place
const PACE = 1200; // ms

function dress(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const make = (tag, attributes, ...children) => dress(document.createElement(tag), attributes, children);
const draw = (tag, attributes, ...children) =>
  dress(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

// Mark each match of a pattern (with one group); unfold what is searched for.
function mark(root, pattern, name) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT), texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode);
  for (const text of texts) {
    const pieces = text.data.split(pattern);
    if (pieces.length < 2) continue;
    if (name === "found") unfold(text.parentElement, root);
    text.replaceWith(...pieces.map((piece, index) => (index % 2 ? make("mark", { class: name }, piece) : piece)));
  }
}

function unfold(element, root) {
  for (let at = element; at && at !== root; at = at.parentElement) if (at.localName === "details") at.open = true;
}

const SENDING = "sending …";
const RESTARTED = "The kernel was restarted. Run the cells again from the top.";
const SILENT = "No reply yet: the kernel is busy. If it was restarted, run the cells again from the top.";
const has = Object.hasOwn; // a field may be called "constructor"
const quoted = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

// Where each step is entered and left in the list of moments.
function placesOf({ moments }) {
  const entry = [], end = [];
  moments.forEach((step, place) => ((entry[step] === undefined ? entry : end)[step] = place));
  return { entry, end };
}

function render({ model, el }) {
  const root = make("section", { "data-explorer": "player", tabindex: "0", "data-lm-suppress-shortcuts": "true" });
  const status = make("p", { role: "status", class: "explorer-status" }); // outside root: build() would silence it
  let content, run, parts, texts, bars, barsOf, places, place = 0, timer = null, waiting, restarted, dragged, frame;
  let edited = "", told = "", sent = "", follow = "", query = "", every = false, view = "source", back = null;

  // ---- the page
  function build() {
    stop();
    const at = root.contains(document.activeElement) ? nameOf(document.activeElement) : null;
    content = model.get("content");
    edited = "";
    root.innerHTML = content.page.replaceAll("\x01", `explorer-${Math.random().toString(36).slice(2)}`);
    const named = [...root.querySelectorAll("[data-part], [data-pane]")];
    parts = Object.fromEntries(named.map((each) => [each.dataset.part ?? each.dataset.pane, each]));
    parts.fields.append(...Object.keys(content.fields).sort().map((value) => make("option", { value })));
    parts.every.checked = every;
    root.dataset.exploration = content.key;
    root.setAttribute("aria-label", content.title);
    tellMessage();
    fill();
    sent = JSON.stringify(values());
    showUnsent();
    drawMaps();
    use(model.get("run"), false);
    chase(follow || content.follow);
    show(placeOf(model.get("at"), model.get("moment")), false);
    const again = at && root.querySelector(at);
    if (at) (again?.checkVisibility() ? again : root).focus({ preventScroll: true });
    status.textContent = parts.facts.querySelector(".asked").textContent;
  }

  const nameOf = ({ name, dataset }) => (name ? `[name="${name}"]` : `[data-part="${dataset.part}"]`);

  const inputs = () => [...(parts.form?.elements ?? [])].filter((input) => input.name);
  const valueOf = (input) => (input.type === "checkbox" ? input.checked : input.value);
  const values = () => Object.fromEntries(inputs().map((input) => [input.name, valueOf(input)]));

  // Fill in the form, except what was edited since the last message.
  function fill() {
    const typing = edited !== told ? edited : "";
    const fields = Object.fromEntries(model.get("form")?.fields.map((field) => [field.name, field]) ?? []);
    for (const input of inputs()) {
      const { value } = fields[input.name];
      if (input.name === typing) continue;
      if (valueOf(input) !== value) input[input.type === "checkbox" ? "checked" : "value"] = value;
    }
    edited = typing;
    if (sent) showUnsent();
  }

  const showUnsent = () => root.toggleAttribute("data-unsent", JSON.stringify(values()) !== sent);

  function openForm(open) {
    parts.form.hidden = !open;
    parts.change.setAttribute("aria-expanded", open);
    (open ? parts.form.elements[0] : parts.change).focus({ preventScroll: true });
  }

  function use(number, tell = true) {
    run = content.runs[number] ?? content.runs[0];
    const at = content.runs.indexOf(run);
    places = placesOf(run);
    bars = barsOf[at];
    root.dataset.run = at;
    root.dataset.steps = run.steps.length;
    root.toggleAttribute("data-two", run.words !== "");
    parts.facts.innerHTML = run.facts;
    parts.words.innerHTML = run.words;
    parts.more.innerHTML = run.more;
    parts.caption.textContent = run.caption;
    connect(root);
    parts.view.querySelector('[value="more"]').disabled = !run.more;
    look(run.more || view !== "more" ? view : "source");
    parts.flowchart.innerHTML = run.flowchart;
    for (const node of boxes()) reachable(node, -1);
    for (const map of parts.map.children) map.classList.toggle("shown", map === parts.map.children[at]);
    texts = [];
    search();
    if (tell) push({ run: at });
  }

  function look(name) {
    view = parts.view.value = name;
    for (const each of VIEWS) parts[each].hidden = each !== view;
  }

  const reachable = (element, tabindex = 0) => dress(element, { role: "button", tabindex }, []);
  const connect = (part) => part.querySelectorAll("[data-goto]").forEach((goal) => reachable(goal));

  // ---- the map
  function drawMaps() {
    parts.map.innerHTML = content.runs.map(({ map }) => map).join("");
    barsOf = [...parts.map.children].map(barsIn);
    for (const row of content.differs ?? [])
      if (row[0] !== null && row[1] !== null)
        for (const at of [0, 1]) barsOf[at][row[at]].rect.classList.add("common");
  }

  function barsIn(map) {
    const found = { columns: [] };
    for (const rect of map.querySelectorAll("rect[data-x]")) {
      const bar = { rect, step: +rect.dataset.bar, x: +rect.dataset.x, to: +rect.dataset.to };
      found[bar.step] = found.columns[bar.x] = bar;
    }
    return found;
  }

  function stack(index) {
    const column = bars[index].x, found = [];
    for (let at = index; at !== null; at = run.steps[at].up) if (bars[at].to >= column) found.unshift(at);
    return found;
  }

  function markMap(index, moment) {
    const at = content.runs.indexOf(run), bar = bars[index], other = parts.map.children[1 - at];
    parts.map.querySelector("[aria-current]")?.removeAttribute("aria-current");
    const open = new Set(stack(index).map((each) => bars[each].rect));
    for (const each of parts.map.querySelectorAll(".open")) if (!open.has(each)) each.classList.remove("open");
    for (const each of open) each.classList.add("open");
    bar.rect.setAttribute("aria-current", "step");
    point(parts.map.children[at], bar, bars.columns[moment === "entry" ? bar.x : bar.to]);
    if (!other) return;
    const there = barsOf[1 - at], partner = there[pairOf(index)?.[1 - at]];
    other.classList.toggle("apart", !partner);
    if (partner) point(other, partner, there.columns[moment === "entry" ? partner.x : partner.to]);
  }

  function point(map, bar, column) {
    for (const name of [".cursor", ".mark"]) map.querySelector(name).setAttribute("x", column.rect.getAttribute("x"));
    map.querySelector(".mark").setAttribute("y", bar.rect.getAttribute("y"));
  }

  // The nearer end of the bar under a pointer.
  function under({ target, clientX }) {
    const map = target.closest(".map"), at = [...parts.map.children].indexOf(map);
    const group = target.closest("[data-bar]"), there = barsOf[at];
    if (group?.matches("g")) return { at, step: +group.dataset.bar, leg: group.dataset.leg };
    const { left } = there.columns[0].rect.getBoundingClientRect();
    const { width } = map.querySelector(".cursor").getBoundingClientRect();
    const column = Math.max(0, Math.min(there.columns.length - 1, Math.floor((clientX - left) / width)));
    const bar = group ? there[group.dataset.bar] : there.columns[column];
    return { at, step: bar.step, moment: column - bar.x <= bar.to - column ? "entry" : "return" };
  }

  function hover(event) {
    if (!event.target.closest(".map")) return (parts.tip.hidden = true);
    const { at, step, moment, leg } = under(event), box = parts.map.getBoundingClientRect();
    const { station, tells } = content.runs[at].steps[step];
    const says = leg ? `leg ${leg} begins` : `${content.stations[station]}<br>${tells[+(moment !== "entry")]}`;
    parts.tip.innerHTML = `step ${step + 1}: ${says}`;
    parts.tip.hidden = false;
    const x = event.clientX - box.left;
    parts.tip.style.left = `${x}px`;
    parts.tip.style.transform = `translateX(${(-100 * x) / box.width}%)`;
  }

  // ---- a moment
  const html = (text) => text.replace(/\x02(\d+);/g, (_, number) => html(content.folds[number]));
  const here = () => run.moments[place];

  // The place of a moment; without one, a step's return, or its entry if it calls others.
  function placeOf(step, moment) {
    const entry = places.entry[step] ?? 0, end = places.end[step] ?? 0;
    if (moment) return moment === "entry" ? entry : end;
    return end === entry + 1 || run.steps[step]?.refused ? end : entry;
  }

  function show(goal, tell = true) {
    place = Math.max(0, Math.min(run.moments.length - 1, goal || 0));
    const index = here(), step = run.steps[index], moment = places.entry[index] === place ? "entry" : "return";
    const { length } = run.story, passed = run.story.filter((each) => each <= place).length;
    const from = every || !passed ? "" : ` · stop ${passed} of ${length}`;
    root.dataset.step = index ?? 0;
    root.dataset.moment = moment;
    parts.count.textContent = step ? `step ${index + 1} of ${run.steps.length}${from}` : "no steps";
    if (!step) return;
    const name = content.stations[step.station], at = moment === "entry" ? 0 : 1;
    root.dataset.node = step.node;
    const way = at ? "coming back" : "going in";
    parts.now.innerHTML = `<b>${content.nodes[step.node]} · ${name}</b> <i>${way}</i> <span>${step.tells[at]}</span>`;
    if (back) parts.now.prepend(make("button", { type: "button", "data-action": "back" }, "↩ back to the text"));
    const spoken = `step ${index + 1}, ${way}: ${name}`;
    dress(parts.map, { "aria-valuemax": run.moments.length, "aria-valuenow": place + 1, "aria-valuetext": spoken }, []);
    for (const [action, to] of Object.entries(goals())) parts[action].classList.toggle("off", to === undefined);
    markMap(index, moment);
    showStack(index);
    markNode(step.station);
    const seen = { source: showSource(step, at), more: markRow(index) };
    showPayload(step, index, at);
    for (const row of parts.journey.querySelectorAll("tr[data-steps]"))
      row.classList.toggle("here", row.dataset.steps.split(" ").includes(String(index)));
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => arrange(seen[view]));
    if (tell) push({ at: index, moment });
  }

  function push(state) {
    for (const [name, value] of Object.entries(state)) model.set(name, value);
    model.save_changes();
  }

  // Where the buttons lead; undefined if nowhere.
  function goals() {
    const index = here(), last = run.moments.length - 1, up = run.steps[index]?.up ?? null;
    const stops = every ? [] : run.story;
    return {
      first: 0, last,
      previous: place > 0 ? stops.findLast((each) => each < place) ?? place - 1 : undefined,
      next: place < last ? stops.find((each) => each > place) ?? place + 1 : undefined,
      over: places.end[index] > place ? places.end[index] : place < last ? place + 1 : undefined,
      out: up === null ? undefined : places.end[up],
    };
  }

  function showStack(index) {
    const chain = stack(index), hop = run.steps[chain[0]].up;
    const crumb = (goal, text) => make("button", { type: "button", "data-crumb": goal, tabindex: "-1" }, text);
    const nameAt = (each) => content.stations[run.steps[each].station];
    const shown = chain.map((each) => crumb(each, nameAt(each))), cut = chain.length - 5;
    if (cut > 1) {
      const rest = make("span", { class: "rest" }, ...shown.splice(1, cut));
      shown.splice(1, 0, crumb("all", `… ${cut} more …`), rest);
    }
    if (hop !== null) shown.unshift(crumb(hop, `✉ ${nameAt(hop)}`));
    parts.crumbs.classList.remove("all");
    parts.crumbs.replaceChildren(...shown);
    parts.crumbs.firstChild.tabIndex = 0;
    parts.crumbs.lastChild.setAttribute("aria-current", "location");
  }

  const boxes = () => [...parts.flowchart.querySelectorAll("[data-station]")];

  function markNode(station) {
    const all = boxes(), found = all.find((node) => node.dataset.station === station);
    for (const node of all) {
      node.classList.toggle("here", node === found);
      node.tabIndex = node === (found ?? all[0]) ? 0 : -1;
    }
  }

  function markRow(index) {
    parts.more.querySelector("tr.here")?.classList.remove("here");
    const links = [...parts.more.querySelectorAll(`.beside [data-run="${root.dataset.run}"]`)];
    const link = links.filter((each) => each.dataset.goto <= index).pop();
    let row = link ? link.closest("tr") : parts.more.querySelector(".beside tr");
    // Without a link, it is the next row that stands for several steps.
    if (!link || link.dataset.goto < index) while (row && !row.matches(".alike")) row = row.nextElementSibling;
    row?.classList.add("here");
    return row;
  }

  function showSource(step, at) {
    parts.source.innerHTML = html(step.head + step.code);
    parts.source.classList.toggle("entry", !at);
    for (const gap of parts.source.querySelectorAll(".gap")) gap.open = !at;
    if (follow) mark(parts.source, names(), "followed");
    if (query) mark(parts.source, finding(), "found");
    return parts.source.querySelector(at ? ".raised, .yes, .no" : "p") ?? parts.source.firstChild;
  }

  function showPayload(step, index, at) {
    parts.payload.innerHTML = html(step.payload[at]);
    for (const code of parts.payload.querySelectorAll("code")) {
      if (!code.closest("li") || (code.dataset.field ?? code.textContent) !== follow) continue;
      code.closest("li").classList.add("followed");
    }
    connect(parts.payload);
    if (query) mark(parts.payload, finding(), "found");
    parts.payload.prepend(...why(index));
    const differs = pairOf(index)?.[2];
    if (differs) parts.payload.insertAdjacentHTML("afterbegin", `<div class="differs">${differs}</div>`);
  }

  const link = (step, text, moment = "return") =>
    reachable(make("span", { "data-goto": step, "data-run": root.dataset.run, "data-moment": moment }, text));
  const lineOf = (line) => (line ? `, line ${line}` : "");

  // Where the followed field's values came from, and where they go.
  function why(index) {
    const all = rows(), held = all.filter((row) => row[column()].includes(index));
    return [...new Map(held.map((row) => [row[3], row]))].map(([value, row]) => {
      const [from, moment, line] = row[column() + content.runs.length];
      const later = all.flatMap((each) => (each[3] === value ? each[column()].filter((step) => step > index) : []));
      const goal = Math.min(...later), way = from < index ? "←" : "see";
      return make("p", { class: "why" }, `◆ ${follow} = ${value}: `,
        from === index ? `first here${lineOf(line)}` : link(from, `${way} step ${from + 1}${lineOf(line)}`, moment),
        " · ", later.length ? link(goal, `step ${goal + 1} →`, "entry") : "last seen here");
    });
  }

  const pairOf = (index) => content.differs?.find((row) => row[root.dataset.run] === index);

  // Center what is current (scrollIntoView would scroll the notebook). Read all sizes before writing.
  function arrange(element) {
    const pane = parts[view], outer = pane.getBoundingClientRect(), inner = element?.getBoundingClientRect();
    const cut = [pane, parts.payload].map((each) => each.scrollHeight > each.clientHeight + 2);
    [pane, parts.payload].forEach((each, number) => each.classList.toggle("cut", cut[number]));
    parts.payload.scrollTop = 0;
    if (!inner) return;
    pane.scrollTop += inner.top - outer.top - Math.max(0, (outer.height - inner.height) / 2);
    pane.scrollLeft += inner.left - outer.left - Math.max(0, (outer.width - inner.width) / 2);
  }

  // ---- follow and find
  const column = () => 4 + content.runs.indexOf(run);
  const rows = () => (content.fields[follow] ?? []).filter((row) => row[column()]?.length);
  function names() {
    const last = [follow, ...rows().map(([, path]) => path)].map((path) => quoted(path.split(".").pop()));
    return new RegExp(`\\b(${[...new Set(last)].join("|")})\\b`);
  }

  function chase(name) {
    follow = has(content.fields, name) ? name : "";
    const at = column(), given = run.given[follow];
    const sorted = rows().sort((one, other) => one[at][0] - other[at][0]);
    const cells = (tag, ...texts) => texts.map((text) => make(tag, {}, text));
    const lines = sorted.map((row) => {
      const [index] = row[at], [from, moment, line] = row[at + content.runs.length];
      const station = content.stations[run.steps[index].station];
      return make("tr", { "data-steps": row[at].join(" ") },
        ...cells("td", link(index, index + 1), content.nodes[row[0]], station, ...row.slice(1, 4),
          link(from, `${from + 1}${lineOf(line)}`, moment)));
    });
    if (given) lines.unshift(make("tr", {}, ...cells("td", "", "command line", "nova live-migration", ...given, "")));
    const heads = cells("th", "step", "where", "station", "name", "type", "value", "came from");
    const title = follow ? `${follow} on its way` : "Click the name of a field to follow it.";
    parts.journey.replaceChildren(make("b", {}, title), make("table", {}, make("tr", {}, ...heads), ...lines));
    drawRibbon(sorted, at);
  }

  // A strip above the lanes: where the followed field is, and its values.
  function drawRibbon(rows, at) {
    const map = parts.map.children[at - 4], alone = content.runs.length === 1, held = new Map(), pieces = [];
    for (const each of parts.map.querySelectorAll(".ribbon")) each.remove();
    for (const row of rows) for (const step of row[at]) held.set(bars[step].x, row[3]);
    if (follow && alone) pieces.push(draw("text", { class: "ribbon name", x: 4, y: 28 }, `◆ ${follow}`));
    let value, free = 0;
    for (const { rect, x: column } of bars.columns) {
      if (!held.has(column)) continue;
      const x = rect.getAttribute("x"), width = map.querySelector(".cursor").getAttribute("width");
      const left = (Number.parseFloat(x) / 100) * map.clientWidth;
      pieces.push(draw("rect", { class: "ribbon", x, y: alone ? 29 : 11, width, height: 2 }));
      if (!alone || held.get(column) === value || left < free) continue;
      value = held.get(column);
      const text = value.slice(0, 40), end = left + 6.5 * text.length, late = end > map.clientWidth;
      pieces.push(draw("text", { class: `ribbon${late ? " late" : ""}`, x: late ? "100%" : x, y: 27 }, text));
      free = end + 8;
    }
    map.querySelector(".cursor").before(...pieces);
  }

  function textOf(index) {
    const { station, tells, payload } = run.steps[index];
    const plain = make("template", {});
    plain.innerHTML = html(tells.join(" ") + payload.join(" "));
    return (texts[index] ??= `${content.stations[station]} ${plain.content.textContent}`.toLowerCase());
  }

  const finding = () => new RegExp(`(${quoted(query)})`, "i");
  const hits = () => [...run.steps.keys()].filter((index) => query && textOf(index).includes(query.toLowerCase()));

  function search() {
    query = has(content.fields, parts.find.value.trim()) ? "" : parts.find.value.trim();
    const found = new Set(hits());
    for (const bar of bars.columns) bar.rect.classList.toggle("hit", found.has(bar.step));
    parts.found.textContent = query ? (found.size ? `in ${found.size} steps; Enter: next` : "not found") : "";
  }

  function nextHit(back) {
    const found = hits();
    const goal = back
      ? found.filter((index) => index < here()).pop() ?? found.pop()
      : found.find((index) => index > here()) ?? found[0];
    if (goal !== undefined) show(placeOf(goal, "return"));
  }

  // ---- actions
  function stop(next = null) {
    clearInterval(timer);
    timer = next;
    parts?.play.setAttribute("aria-pressed", timer !== null);
    if (parts) parts.play.textContent = timer === null ? "▶ Play" : "❚❚ Pause";
  }

  function play() {
    if (timer !== null) return stop();
    if (goals().next === undefined) show(0);
    stop(setInterval(() => (goals().next !== undefined && root.isConnected ? show(goals().next) : stop()), PACE));
  }

  function swap() {
    const at = content.runs.indexOf(run), { moment } = root.dataset;
    const last = content.differs.findLast((row) => row[at] !== null && row[at] <= here() && row[1 - at] !== null);
    visitRun(1 - at, last?.[1 - at] ?? 0, moment);
  }

  function visitRun(number, index, moment) {
    if (content.runs[number] !== run) use(number);
    chase(follow);
    show(placeOf(index, moment));
  }

  function act(action) {
    const goal = goals()[action];
    if (action in goals()) (stop(), goal !== undefined && show(goal));
    else if (action === "play") play();
    else if (action === "swap") swap();
    else if (action === "back") back();
    else if (action === "change") openForm(parts.form.hidden);
    else if (action !== "send") (parts.menu?.removeAttribute("open"), ask({ kind: action }));
  }

  function ask(said) {
    if (restarted) return tellMessage(RESTARTED);
    if (said.kind !== "edit") tellMessage(SENDING);
    clearTimeout(waiting);
    waiting = setTimeout(() => parts.message.textContent === SENDING && tellMessage(SILENT), 15_000);
    model.send(said);
  }

  // A mistake in the form is reported at its control.
  function tellMessage(text = model.get("message")) {
    if (parts.form?.hidden === false && text !== SENDING)
      parts.form.elements[told || edited || "command"].closest("label").after(parts.message);
    else parts.facts.parentElement.after(parts.message);
    parts.message.textContent = text;
  }

  function visit(station) {
    const visits = run.steps.flatMap((step, index) => (step.station === station ? [index] : []));
    stop();
    show(placeOf(visits.find((index) => index > here()) ?? visits[0]));
  }

  // A link can name a position: #KEY@46, #KEY@46,return or #KEY@_migrate_live.
  function follows(hash) {
    const [key, at = ""] = hash.slice(1).split("@"), [name, moment] = at.split(",");
    if (key !== content.key || !name) return false;
    const station = run.steps.findIndex((step) => step.station === name);
    const index = has(run.legs, name) ? run.legs[name] : /^\d+$/.test(name) ? Number(name) : station;
    if (!run.steps[index]) return false;
    const goal = placeOf(index, ["entry", "return"].includes(moment) ? moment : "");
    if (goal !== place) (stop(), show(goal));
    return true;
  }

  function press(target, event) {
    const pressed = target.closest("button[data-action]"), crumb = target.closest("[data-crumb]");
    const goal = target.closest("[data-goto]"), node = target.closest('[data-pane="flowchart"] [data-station]');
    const field = target.closest(':is([data-pane="payload"] :is(li, summary), .value) > code');
    const { whole } = target.dataset;
    const name = field && (field.dataset.field ?? field.textContent);
    if (whole) target.textContent = whole;
    else if (pressed) act(pressed.dataset.action);
    else if (crumb?.dataset.crumb === "all") parts.crumbs.classList.toggle("all");
    else if (crumb) (stop(), show(places.entry[crumb.dataset.crumb]));
    else if (goal) (stop(), visitRun(+goal.dataset.run, +goal.dataset.goto, goal.dataset.moment ?? "return"));
    else if (node) visit(node.dataset.station);
    else if (target.closest(".map") && event) dragged ? (dragged = false) : scrub(event);
    else if (name && has(content.fields, name)) (chase(name), show(place, false));
    else return false;
    return true;
  }

  function scrub(event) {
    const { at, step, moment } = under(event);
    stop();
    if (content.runs[at] !== run) visitRun(at, step, moment);
    else show(placeOf(step, places.end[step] === places.entry[step] + 1 ? "" : moment));
  }

  root.addEventListener("click", (event) => {
    if (!event.target.closest('[data-part="menu"]')) parts.menu?.removeAttribute("open");
    if (press(event.target, event) && event.target.closest("summary > code")) event.preventDefault();
  });
  root.addEventListener("pointermove", (event) => {
    hover(event);
    if (event.buttons !== 1 || event.pointerType !== "mouse" || !event.target.closest(".map")) return;
    dragged = true;
    scrub(event);
  });
  root.addEventListener("pointerleave", () => (parts.tip.hidden = true));
  root.addEventListener("input", ({ target }) => {
    if (target === parts.find) (search(), show(place, false));
    if (target.name) (edited = target.name), showUnsent();
  });
  root.addEventListener("change", ({ target }) => {
    if (target === parts.find && has(content.fields, target.value)) (search(), chase(target.value), show(place, false));
    if (target === parts.every) (every = target.checked), show(place, false);
    if (target === parts.view) (look(target.value), show(place, false));
    if (target.name) ask({ kind: "edit", values: values(), edited: (told = target.name) });
  });
  root.addEventListener("submit", (event) => {
    event.preventDefault();
    told = edited || told;
    ask({ kind: "send", values: values(), edited });
  });
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation(); // otherwise the notebook takes the key as a command
    const { key, target } = event;
    if (key === "Escape") {
      parts.menu?.removeAttribute("open");
      if (parts.form && !parts.form.hidden) openForm(false);
    }
    if (target === parts.find && key === "Enter" && !has(content.fields, target.value)) return nextHit(event.shiftKey);
    const node = target.closest('[data-pane="flowchart"] [data-station], [data-goto]');
    if (node && (key === "Enter" || key === " ")) return event.preventDefault(), press(node);
    if (walks(event, target)) return event.preventDefault();
    const native = target.closest("input, select, textarea, summary") || (key === " " && target.closest("button"));
    if (native) return;
    if (key === "/") return event.preventDefault(), parts.find.focus();
    if (!(key in KEYS)) return;
    event.preventDefault();
    act(KEYS[key]);
  });

  // Arrow keys move the focus in the breadcrumb (sideways) and in the flowchart (up and down).
  function walks({ key }, target) {
    const crumbs = target.closest('[data-part="crumbs"]'), chart = target.closest('[data-pane="flowchart"]');
    const by = (crumbs ? { ArrowLeft: -1, ArrowRight: 1 } : chart ? { ArrowUp: -1, ArrowDown: 1 } : {})[key];
    const all = [...(crumbs ?? chart ?? root).querySelectorAll(crumbs ? "[data-crumb]" : "[data-station]")];
    const from = all.indexOf(target);
    if (!by || from < 0) return false;
    all.slice(by < 0 ? 0 : from + 1, by < 0 ? from : undefined)
      .filter((each) => each.checkVisibility()).at(by < 0 ? -1 : 0)?.focus();
    return true;
  }

  const onLink = (event) => {
    const link = event.target.closest?.('a[href*="#"]'), from = place;
    if (!link || !follows(link.hash)) return;
    event.preventDefault();
    back = () => {
      back = null;
      show(from);
      link.scrollIntoView({ block: "center" });
      link.focus({ preventScroll: true });
    };
    show(place, false);
    root.scrollIntoView({ block: "start" });
    root.focus({ preventScroll: true });
  };
  const onHash = () => follows(location.hash);
  document.addEventListener("click", onLink);
  window.addEventListener("hashchange", onHash);

  // Only JupyterLab's manager of widgets knows the kernel.
  const kernel = model.widget_manager?.kernel;
  const onKernel = (_, state) => (restarted ||= /restarting|terminating|dead/.test(state));
  kernel?.statusChanged?.connect(onKernel);

  // Other changes can be reported before the change of content that they belong to.
  const on = (name, follow) => model.on(`change:${name}`, () => queueMicrotask(follow));
  const onPlace = () => {
    const [number, ...at] = ["run", "at", "moment"].map((name) => model.get(name));
    if (content.runs[number] !== run) visitRun(number, ...at);
    else if (placeOf(...at) !== place) show(placeOf(...at), false);
  };
  model.on("change:content", build);
  on("form", fill);
  on("message", () => tellMessage());
  for (const name of ["run", "at", "moment"]) on(name, onPlace);
  build();
  el.append(root, status);
  onHash();
  // Centering needs the sizes of a layout.
  const laidOut = new ResizeObserver(() => {
    if (root.clientHeight > 0) (chase(follow), show(place, false));
  });
  laidOut.observe(root);
  return () => {
    stop();
    clearTimeout(waiting);
    cancelAnimationFrame(frame);
    laidOut.disconnect();
    kernel?.statusChanged?.disconnect(onKernel);
    document.removeEventListener("click", onLink);
    window.removeEventListener("hashchange", onHash);
  };
}

export default { render };
