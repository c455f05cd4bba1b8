// The player's side in the browser. It knows the position and nothing else: all that it shows, Python has made.
// Fragments of HTML come from views.py, which escapes whatever comes from a payload; plain texts go in as text.

const ACTIONS = ["first", "previous", "next", "last", "play"];
const KEYS = { Home: "first", ArrowLeft: "previous", ArrowRight: "next", End: "last", " ": "play" };
const PACE = 900; // milliseconds a step

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function control(field, id) {
  const options = field.options.map((value) => make("option", { value }, value || "none"));
  let input;
  if (field.kind === "select") {
    input = make("select", { name: field.name }, ...options);
    input.value = field.value;
  } else if (field.kind === "checkbox") {
    input = make("input", { name: field.name, type: "checkbox" });
    input.checked = field.value;
  } else {
    input = make("input", { name: field.name, type: "text", size: 9, list: id, placeholder: "left open" });
    input.value = field.value;
  }
  return make("label", {}, `${field.label} `, input, ...(field.kind === "text" ? [make("datalist", { id }, ...options)] : []));
}

function valuesOf(form) {
  const inputs = [...form.querySelectorAll("[name]")];
  return Object.fromEntries(inputs.map((input) => [input.name, input.type === "checkbox" ? input.checked : input.value]));
}

function render({ model, el }) {
  const root = make("section", { "data-explorer": "player", tabindex: "0", "data-lm-suppress-shortcuts": "true" });
  let content, parts, timer = null;

  function build() {
    stop();
    content = model.get("content");
    const id = `explorer-${model.model_id ?? Math.random().toString(36).slice(2)}`;
    const form = make("form", { "aria-label": "the request" },
      ...content.form.map((field) => control(field, `${id}-${field.name}`)),
      make("button", { type: "submit", "data-action": "send" }, "Send"));
    if (content.compare) form.append(make("button", { type: "button", "data-action": "compare" }, `Compare: ${content.compare}`));
    const buttons = ACTIONS.map((action) => make("button", { type: "button", "data-action": action }, action));
    const slider = make("input", { type: "range", min: 0, max: content.steps.length - 1, "aria-label": "step" });
    const count = make("output");
    const pane = (name) => make("div", { "data-pane": name, role: "region", "aria-label": name, tabindex: "0" });
    const now = make("p", { class: "now", "aria-live": "polite" });
    const message = make("p", { class: "message", role: "alert" });
    const panes = ["flowchart", "source", "payload"].map(pane);
    parts = { form, slider, count, now, message, flowchart: panes[0], source: panes[1], payload: panes[2], text: null };
    const answer = make("strong", { class: content.failed ? "refused" : "" }, content.answer);
    const journey = make("details", { class: "journey" }, make("summary", {}, `follow ${content.follow} through all steps`));
    journey.insertAdjacentHTML("beforeend", content.journey);
    panes[0].innerHTML = content.flowchart;
    for (const node of panes[0].querySelectorAll("[data-station]")) {
      node.setAttribute("role", "button");
      node.setAttribute("tabindex", "-1");
      if (!content.focus.includes(node.dataset.station) && !node.classList.contains("refused")) node.classList.add("faint");
    }
    root.replaceChildren(
      make("h3", {}, content.title), make("p", { class: "question" }, content.question), form, message,
      make("p", { class: "asked" }, make("code", {}, content.asked), " → ", answer),
      make("div", { class: "controls" }, ...buttons, slider, count), now,
      make("div", { class: "panes" }, ...panes), journey, make("p", { class: "caption" }, content.caption));
    root.dataset.exploration = content.key;
    root.dataset.steps = content.steps.length;
    root.setAttribute("aria-label", content.title);
    tellMessage();
    show(model.get("step"), false);
  }

  function show(index, tell = true) {
    const last = content.steps.length - 1;
    index = Math.max(0, Math.min(last, index));
    const step = content.steps[index];
    root.dataset.step = index;
    parts.slider.value = index;
    parts.count.textContent = `${index} of ${last} · ${content.leg}`;
    if (!step) return;
    root.dataset.node = step.node;
    parts.now.textContent = `${step.where}: ${step.name} ${step.says}${step.refused ? ", and refuses" : ""}`;
    mark(step.station);
    if (parts.text !== step.source) {
      parts.source.innerHTML = content.sources[step.source];
      parts.text = step.source;
    }
    markLines(new Set(step.lines));
    parts.payload.innerHTML = step.payload;
    if (tell) {
      model.set("step", index);
      model.save_changes();
    }
  }

  function mark(station) {
    parts.flowchart.querySelector('[aria-current="step"]')?.removeAttribute("aria-current");
    const node = parts.flowchart.querySelector(`[data-station="${CSS.escape(station)}"]`);
    if (!node) return;
    node.setAttribute("aria-current", "step");
    center(parts.flowchart, node);
  }

  function markLines(ran) {
    const lines = [...parts.source.querySelectorAll("[data-line]")];
    for (const line of lines) line.classList.toggle("ran", ran.has(Number(line.dataset.line)));
    const first = lines.find((line) => line.classList.contains("ran"));
    if (first) center(parts.source, first);
  }

  // Not scrollIntoView: that one moves the notebook, too.
  function center(pane, element) {
    const [outer, inner] = [pane.getBoundingClientRect(), element.getBoundingClientRect()];
    pane.scrollTop += inner.top - outer.top - (outer.height - inner.height) / 2;
    pane.scrollLeft += inner.left - outer.left - Math.max(0, (outer.width - inner.width) / 2);
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    root.querySelector('[data-action="play"]')?.setAttribute("aria-pressed", "false");
  }

  function act(action) {
    const [here, last] = [Number(root.dataset.step), content.steps.length - 1];
    const goal = { first: 0, previous: here - 1, next: here + 1, last }[action];
    if (goal !== undefined) {
      stop();
      show(goal);
    } else if (action === "play" && timer === null) {
      root.querySelector('[data-action="play"]').setAttribute("aria-pressed", "true");
      timer = setInterval(() => (Number(root.dataset.step) < last && root.isConnected ? show(Number(root.dataset.step) + 1) : stop()), PACE);
    } else if (action === "play") {
      stop();
    } else if (action === "compare") {
      ask({ kind: "compare" });
    }
  }

  function ask(said) {
    parts.message.textContent = "sending …";
    model.send(said);
  }

  function tellMessage() {
    parts.message.textContent = model.get("message");
  }

  root.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-action]");
    const node = event.target.closest("[data-station]");
    if (button) act(button.dataset.action);
    else if (node) visit(node.dataset.station);
  });

  function visit(station) {
    const visits = content.steps.flatMap((step, index) => (step.station === station ? [index] : []));
    const later = visits.find((index) => index > Number(root.dataset.step));
    stop();
    show(later ?? visits[0]);
  }

  root.addEventListener("input", (event) => {
    if (event.target === parts.slider) {
      stop();
      show(Number(parts.slider.value));
    }
  });
  root.addEventListener("submit", (event) => {
    event.preventDefault();
    ask({ kind: "send", values: valuesOf(parts.form) });
  });
  root.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation(); // or the notebook takes the key for a command
    const native = event.target.closest("input, select, textarea, summary") || (event.key === " " && event.target.closest("button"));
    if (native || !(event.key in KEYS)) return;
    event.preventDefault();
    act(KEYS[event.key]);
  });

  model.on("change:content", build);
  model.on("change:message", tellMessage);
  model.on("change:step", () => {
    if (model.get("step") !== Number(root.dataset.step)) show(model.get("step"), false);
  });
  build();
  el.append(root);
  // There is a size to center by only when the page has been laid out.
  const laidOut = new ResizeObserver(() => {
    if (root.clientHeight > 0) show(Number(root.dataset.step), false);
  });
  laidOut.observe(root);
  return () => {
    stop();
    laidOut.disconnect();
  };
}

export default { render };
