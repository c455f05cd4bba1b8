// The browser's half of a lesson card: it shows the forms that Python makes, sends what is entered, and judges nothing.

const RESTARTED = "The kernel was restarted. Run the cells again from the top.";

function render({ model, el }) {
  const root = document.createElement("section"), status = document.createElement("p");
  root.setAttribute("data-explorer", "card");
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  status.setAttribute("role", "status"); // outside root: a status that build() inserts is not spoken
  status.className = "explorer-status";
  const alert = document.createElement("p");
  alert.setAttribute("role", "alert");
  alert.className = "explorer-alert";
  let restarted = false;

  const nameOf = (element) => {
    const task = element.closest("[data-task]")?.dataset.task, { name, value, dataset } = element;
    const one = element.type === "radio" ? `[value="${CSS.escape(value)}"]` : "";
    const own = name ? `[name="${name}"]${one}` : dataset.action ? `[data-action="${dataset.action}"]` : null;
    return own && `${task ? `[data-task="${task}"] ` : ""}${own}`;
  };

  // A new page keeps what has been typed or chosen but not yet sent.
  function build() {
    const at = root.contains(document.activeElement) ? nameOf(document.activeElement) : null;
    const inputs = [...root.querySelectorAll("input, textarea, select")];
    const draft = inputs.map((input) => [nameOf(input), input.value, input.checked]);
    const open = [...root.querySelectorAll("details[data-name][open]")].map((each) => each.dataset.name);
    root.innerHTML = model.get("html");
    root.setAttribute("aria-label", model.get("title"));
    for (const [name, value, checked] of draft) {
      const input = root.querySelector(name);
      if (!input) continue;
      if (input.type === "radio") input.checked = checked;
      else if (value) input.value = value;
    }
    for (const each of root.querySelectorAll("details[data-name]")) each.open ||= open.includes(each.dataset.name);
    if (at) (root.querySelector(at) ?? root.querySelector("button"))?.focus({ preventScroll: true });
  }

  function ask(said) {
    if (restarted) alert.textContent = RESTARTED;
    else model.send(said);
  }

  root.addEventListener("submit", (event) => {
    event.preventDefault();
    const { task } = event.target.dataset;
    ask({ kind: "answer", task, values: Object.fromEntries(new FormData(event.target)) });
  });
  // A link leads to a step in the player of a leg, which follows it by itself.
  function follow({ hash }) {
    const leg = hash.slice(1).split("@")[0];
    const there = document.querySelector(`[data-explorer="player"][data-exploration="${CSS.escape(leg)}"]`);
    alert.textContent = there ? "" : `Run the cell with the player first: explore('${leg}').`;
  }

  root.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-action]"), link = event.target.closest("a[href*='@']");
    if (link) follow(link);
    if (!button) return;
    ask({ kind: button.dataset.action, task: button.closest("[data-task]")?.dataset.task });
  });
  root.addEventListener("keydown", (event) => {
    // Otherwise the notebook takes the key for a command.
    if (!(event.ctrlKey || event.metaKey || event.altKey)) event.stopPropagation();
  });
  model.on("change:html", build);
  const speak = () => (status.textContent = model.get("said"));
  model.on("change:said", speak);
  const kernel = model.widget_manager?.kernel; // of JupyterLab's manager of widgets
  const onKernel = (_, state) => (restarted ||= /restarting|terminating|dead/.test(state));
  kernel?.statusChanged?.connect(onKernel);
  build();
  el.append(root, alert, status);
  return () => {
    kernel?.statusChanged?.disconnect(onKernel);
    model.off("change:html", build);
    model.off("change:said", speak);
  };
}

export default { render };
