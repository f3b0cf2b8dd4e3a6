// Puts the parts together: figures, findings, theme, and the first question.

const SHORTEST = 20; // characters of a token; the link to the list has fewer
const THEMES = { system: "◐ Auto", light: "○ Light", dark: "● Dark" };

function refresh(changed, whole) {
  showModes();
  const moving = wanted.only === "busy" || wanted.order === "traffic";
  if (whole || changed.size > 0 || moving) showNetworks(whole ? null : changed);
  showAllRates();
  showFigures();
  showFindings();
  if (selected) showDetails();
}

function showModes() {
  const select = document.getElementById("mode");
  const modes = [...new Set([...model.networks.values()].map((network) => network.mode))].sort();
  if (modes.length === select.options.length - 1) return;
  const options = modes.map((mode) => make("option", { value: mode }, mode));
  select.replaceChildren(make("option", { value: "" }, "All modes"), ...options);
  select.value = wanted.mode;
}

function showFigures() {
  const ends = [...model.ends.values()];
  const sum = (way) => ends.reduce((total, end) => total + (end.rate ? end.rate[way] : 0), 0);
  const ports = ends.reduce((total, end) => total + portTexts(published(end)).length, 0);
  const drops = model.drops.reduce((total, drop) => total + drop.packets, 0);
  const figures = [
    ["Networks", model.networks.size.toLocaleString("en")],
    ["Containers", ends.length.toLocaleString("en")],
    ["Published ports", ports.toLocaleString("en")],
    ["In", model.counts ? rate(sum(0)) : "–"],
    ["Out", model.counts ? rate(sum(1)) : "–"],
    ["Dropped", drops.toLocaleString("en")],
    ["Findings", String(allFindings().length)],
  ];
  const place = document.getElementById("figures");
  if (place.children.length === 0) place.append(...figures.map(figureOf), checkButton());
  figures.forEach(([, value], index) => setText(place.children[index].lastElementChild, value));
  place.children[figures.length - 1].classList.toggle("alarm", allFindings().length > 0);
}

function figureOf([name]) {
  return make("div", { class: "figure" }, make("span", { class: "what" }, name), make("span", { class: "value" }));
}

function checkButton() {
  const button = make("button", { type: "button", class: "check" }, "Check now");
  button.title = "Compare all networks with the kernel, as 'pynet reconcile --dry-run'";
  button.addEventListener("click", () => look(button));
  return button;
}

// Return the sentences of what pynet cannot repair, and of what a full look found.
function allFindings() {
  const failing = (model.status?.Failing || []).map((one) => `${one.Sentence}: ${one.Error}`);
  return [...new Set([...failing, ...(model.findings || []).map((one) => one.Sentence)])];
}

function showFindings() {
  const found = allFindings();
  const place = document.getElementById("found");
  place.hidden = found.length === 0 && model.findings === null;
  const sentences = found.length ? found : ["The kernel is as it should be."];
  const known = [...document.getElementById("found-list").children].map((item) => item.textContent);
  if (known.join("\n") === sentences.join("\n")) return;
  document.getElementById("found-list").replaceChildren(...sentences.map((text) => make("li", {}, text)));
}

function onSearch() {
  wanted.words = document.getElementById("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  showNetworks(new Set());
}

function onChoice(event) {
  wanted[event.target.id] = event.target.value;
  showNetworks(new Set());
}

function setTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  const button = document.getElementById("theme");
  setText(button, THEMES[theme]);
  button.setAttribute("aria-label", `Theme: ${theme}`);
  localStorage.setItem("theme", theme);
}

function chosenTheme() {
  const kept = localStorage.getItem("theme");
  return kept in THEMES ? kept : "system";
}

function nextTheme() {
  const themes = Object.keys(THEMES);
  setTheme(themes[(themes.indexOf(chosenTheme()) + 1) % themes.length]);
}

// Take the token out of the address, and keep it for a reload of this tab alone.
function takeToken() {
  const given = location.hash.slice(1);
  if (given.length > SHORTEST) {
    sessionStorage.setItem("token", given);
    history.replaceState(null, "", "/");
  }
  token = sessionStorage.getItem("token") || "";
}

function start() {
  takeToken();
  setTheme(chosenTheme());
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", onClick);
  document.addEventListener("visibilitychange", poll);
  document.getElementById("search").addEventListener("input", onSearch);
  document.getElementById("theme").addEventListener("click", nextTheme);
  document.getElementById("close").addEventListener("click", closeDetails);
  document.getElementById("help").addEventListener("click", KEYS["?"]);
  for (const id of ["mode", "only", "order"]) document.getElementById(id).addEventListener("change", onChoice);
  poll();
}

start();
