// The keyboard: one line of the list can be reached by Tab, and the keys move from line to line.

const KEYS = {
  j: () => move(1),
  ArrowDown: () => move(1),
  k: () => move(-1),
  ArrowUp: () => move(-1),
  l: () => move(1, ".name"),
  ArrowRight: () => move(1, ".name"),
  h: () => move(-1, ".name"),
  ArrowLeft: () => move(-1, ".name"),
  t: () => nextTheme(),
  "/": () => document.getElementById("search").focus(),
  "?": () => document.getElementById("keys").showModal(),
};

function move(step, of = ".line") {
  const lines = [...list().querySelectorAll(of)];
  if (lines.length === 0) return;
  let at = lines.indexOf(current);
  if (at < 0 && current?.isConnected) at = lines.indexOf(current.closest(".box").querySelector(of));
  const next = at < 0 ? 0 : Math.min(lines.length - 1, Math.max(0, at + step));
  setCurrent(lines[next]);
  lines[next].focus();
  lines[next].scrollIntoView({ block: "nearest" });
}

function setCurrent(line) {
  if (current && current !== line) current.tabIndex = -1;
  current = line;
  if (line) line.tabIndex = 0;
}

// After boxes were made anew or moved, find the line again where it was.
function keepCurrent(hadFocus) {
  if (!current?.isConnected) setCurrent(lineAt(current?.dataset.key) || list().querySelector(".line"));
  if (hadFocus && current && !list().contains(document.activeElement)) current.focus({ preventScroll: true });
  markSelected();
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") {
    escape(event);
    return;
  }
  const typing = event.target.closest("input, select, textarea");
  if (typing && !(typing.id === "search" && event.key === "ArrowDown")) return;
  const act = KEYS[event.key];
  if (!act || (event.key.startsWith("Arrow") && event.target.closest(".details"))) return;
  event.preventDefault();
  act();
}

function escape(event) {
  const search = document.getElementById("search");
  if (selected) {
    closeDetails();
  } else if (search.value) {
    search.value = "";
    onSearch();
  } else {
    event.target.blur();
    return;
  }
  event.preventDefault();
}

function onClick(event) {
  const line = event.target.closest(".line");
  if (!line) return;
  setCurrent(line);
  if (line.dataset.more) {
    opened.add(line.dataset.more);
    showNetworks(new Set([line.dataset.more]));
    return;
  }
  select(selected === line.dataset.key ? "" : line.dataset.key);
  if (selected && event.detail === 0) pane().focus({ preventScroll: true }); // by Enter
}
