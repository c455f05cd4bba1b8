// The lesson's side in the browser: forms that Python has written, and what was chosen in them. Nothing is judged here.
// With a presenter's notes come a timer, the full screen and the size of the letters.

function render({ model, el }) {
  const root = document.createElement("section"), status = document.createElement("p");
  root.setAttribute("data-explorer", "card");
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  status.setAttribute("role", "status"); // outside: what comes anew with the page is not spoken
  status.className = "explorer-status";
  let began = null, passed = 0, ticking = null, size = 1;

  const nameOf = (element) => {
    const task = element.closest("[data-task]")?.dataset.task, { name, value, dataset } = element;
    const own = name ? `[name="${name}"]${element.type === "radio" ? `[value="${CSS.escape(value)}"]` : ""}` : dataset.action ? `[data-action="${dataset.action}"]` : null;
    return own && `${task ? `[data-task="${task}"] ` : ""}${own}`;
  };

  // What has been typed or chosen and not been sent is kept when the page comes anew.
  function build() {
    const at = root.contains(document.activeElement) ? nameOf(document.activeElement) : null;
    const draft = [...root.querySelectorAll("input, textarea, select")].map((input) => [nameOf(input), input.value, input.checked]);
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
    tick();
  }

  const now = () => passed + (began === null ? 0 : Date.now() - began);

  function tick() {
    const shown = root.querySelector('[data-part="timer"]');
    if (!shown) return;
    const left = Math.round(shown.dataset.minutes * 60 - now() / 1000), over = left < 0;
    shown.textContent = `${over ? "−" : ""}${Math.floor(Math.abs(left) / 60)}:${String(Math.abs(left) % 60).padStart(2, "0")}`;
    shown.classList.toggle("over", over);
    root.querySelector('[data-action="timer"]').textContent = began === null ? "start" : "pause";
  }

  function act(action) {
    if (action === "timer") {
      passed = now();
      began = began === null ? Date.now() : null;
    } else if (action === "again") [passed, began] = [0, began === null ? null : Date.now()];
    else if (action === "full") document.fullscreenElement ? document.exitFullscreen() : (root.closest(".explorer-presenter") ?? root).requestFullscreen();
    else if (action === "larger" || action === "smaller") {
      size = Math.min(2, Math.max(0.8, size * (action === "larger" ? 1.1 : 1 / 1.1)));
      (root.closest(".explorer-presenter") ?? root).style.setProperty("--size", size.toFixed(2));
    } else return false;
    return tick(), true;
  }

  root.addEventListener("submit", (event) => {
    event.preventDefault();
    model.send({ kind: "answer", task: event.target.dataset.task, values: Object.fromEntries(new FormData(event.target)) });
  });
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-action]");
    if (button && !act(button.dataset.action)) model.send({ kind: button.dataset.action, task: button.closest("[data-task]")?.dataset.task });
  });
  root.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey || event.altKey)) event.stopPropagation(); // or the notebook takes the key for a command
  });
  model.on("change:html", build);
  const speak = () => (status.textContent = model.get("said"));
  model.on("change:said", speak);
  build();
  ticking = setInterval(tick, 500);
  el.append(root, status);
  return () => {
    clearInterval(ticking);
    model.off("change:html", build);
    model.off("change:said", speak);
  };
}

export default { render };
