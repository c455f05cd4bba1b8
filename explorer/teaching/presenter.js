// The bar above a player in front of a class: notes in a window of their own, timer, full screen, size of the letters.
// What the class should not see yet is in the model and in that window only, until the teacher shows it.

const BLOCKED = "The browser blocked the notes. Allow pop-up windows for this page and press Notes again, " +
  "or read INSTRUCTOR.md.";
const WINDOW = "popup,width=620,height=700";

function make(tag, attributes) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function render({ model, el }) {
  const quiet = { "data-lm-suppress-shortcuts": "true" };
  const root = make("section", { "data-explorer": "presenter", "aria-label": "presenting", ...quiet });
  const bar = make("div", { class: "row" }), alert = make("p", { role: "alert" });
  const panel = make("dialog", { "data-explorer": "question", ...quiet });
  const close = make("button", { type: "button", "data-action": "hide" });
  const shown = make("div", { class: "shown", tabindex: "0" });
  let notes = null, began = null, passed = 0, size = 1;

  // ---- the notes

  const isOpen = () => notes !== null && !notes.closed;

  function openNotes() {
    if (!isOpen()) notes = window.open("", "", WINDOW);
    alert.textContent = notes ? "" : BLOCKED;
    if (!notes) return;
    if (!notes.document.querySelector("main")) fill(notes.document); // new, or loaded again
    notes.focus();
  }

  function fill(page) {
    const style = make("style", {}), main = make("main", {});
    style.textContent = model.get("_css");
    main.innerHTML = model.get("notes");
    page.title = `Notes: ${model.get("title")}`;
    page.documentElement.lang = "en";
    page.documentElement.dataset.light = document.body.dataset.jpThemeLight ?? "";
    page.body.dataset.explorer = "notes";
    page.head.append(style);
    page.body.append(main);
    page.addEventListener("click", press);
    page.addEventListener("keydown", ({ key }) => key === "Escape" && panel.close());
    tick();
  }

  // ---- a question

  function project(button, names) {
    const task = button.closest("[data-task]");
    const parts = names.map((name) => task.querySelector(`[data-part="${name}"]`).innerHTML);
    shown.innerHTML = parts.map((part, index) => `<div class="${names[index]}">${part}</div>`).join("");
    shown.scrollTop = 0;
    panel.setAttribute("aria-label", task.querySelector("summary").textContent);
    if (panel.open) return;
    document.body.append(panel); // the cell may be scrolled out of the page
    panel.showModal();
  }

  function forget() {
    shown.replaceChildren();
    panel.remove();
  }

  // ---- the timer

  const now = () => passed + (began === null ? 0 : Date.now() - began);

  function tick() {
    for (const place of [root, ...(isOpen() ? [notes.document] : [])]) {
      const clock = place.querySelector('[data-part="timer"]');
      if (!clock) continue; // the window is being loaded again
      const left = Math.round(clock.dataset.minutes * 60 - now() / 1000), seconds = Math.abs(left);
      const time = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
      clock.textContent = left < 0 ? `−${time}` : time;
      clock.classList.toggle("over", left < 0);
      place.querySelector('[data-action="timer"]').textContent = began === null ? "Start" : "Pause";
    }
  }

  // ---- actions

  const ACTIONS = {
    notes: openNotes,
    timer: () => ([passed, began] = [now(), began === null ? Date.now() : null]),
    again: () => ([passed, began] = [0, began === null ? null : Date.now()]),
    full: () => (document.fullscreenElement ? document.exitFullscreen() : stage().requestFullscreen()),
    larger: () => resize(size * 1.1),
    smaller: () => resize(size / 1.1),
    question: (button) => project(button, ["question"]),
    answer: (button) => project(button, ["question", "answer"]),
    hide: () => panel.close(),
  };

  const stage = () => root.closest(".explorer-presenter");

  function resize(wanted = size) {
    size = Math.min(1.6, Math.max(0.8, wanted));
    const full = stage() !== null && document.fullscreenElement === stage();
    const scale = full ? Math.max(1, Math.min(window.innerWidth / 1280, window.innerHeight / 720)) : 1;
    bar.querySelector('[data-action="full"]').setAttribute("aria-pressed", full);
    stage()?.toggleAttribute("data-larger", size > 1.01);
    for (const each of [stage(), panel]) {
      each?.style.setProperty("--size", size.toFixed(2));
      each?.style.setProperty("--scale", scale.toFixed(3));
    }
  }

  function press(event) {
    const button = event.target.closest("button[data-action]");
    if (!button) return;
    ACTIONS[button.dataset.action](button);
    tick();
  }

  // Otherwise the notebook takes the key as a command.
  const keep = (event) => event.ctrlKey || event.metaKey || event.altKey || event.stopPropagation();
  const refit = () => resize();
  const shut = () => notes?.close();
  bar.innerHTML = model.get("bar");
  close.textContent = "Close";
  root.append(bar, alert);
  panel.append(close, shown);
  for (const each of [root, panel]) {
    each.addEventListener("click", press);
    each.addEventListener("keydown", keep);
  }
  panel.addEventListener("close", forget);
  for (const name of ["resize", "fullscreenchange"]) window.addEventListener(name, refit);
  window.addEventListener("pagehide", shut);
  tick();
  refit();
  const ticking = setInterval(tick, 500);
  el.append(root);
  return () => {
    clearInterval(ticking);
    for (const name of ["resize", "fullscreenchange"]) window.removeEventListener(name, refit);
    window.removeEventListener("pagehide", shut);
    shut();
    forget();
  };
}

export default { render };
