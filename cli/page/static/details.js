// The pane with everything about the selected network or container.

let selected = ""; // "n:" or "e:" and a short id
const MOST_DROPS = 20; // rows
const ARROWS = { in: "Received", out: "Sent" };

function pane() {
  return document.getElementById("details");
}

function select(key) {
  if (key !== selected) getSelection().removeAllRanges();
  selected = key;
  showDetails();
  markSelected();
}

function markSelected() {
  for (const line of document.querySelectorAll(".line[aria-current]")) line.removeAttribute("aria-current");
  lineAt(selected)?.setAttribute("aria-current", "true");
}

function lineAt(key) {
  return key ? document.querySelector(`[data-key="${CSS.escape(key)}"]`) : null;
}

function showDetails() {
  const [kind, id] = [selected.slice(0, 1), selected.slice(2)];
  const thing = kind === "n" ? model.networks.get(id) : model.ends.get(id);
  document.body.classList.toggle("with-details", Boolean(thing));
  pane().hidden = !thing;
  if (!thing) {
    selected = "";
    return;
  }
  if (isMarked()) return; // the user copies something
  const top = pane().scrollTop;
  document.getElementById("about").replaceChildren(...(kind === "n" ? ofNetwork(thing) : ofEnd(thing)));
  pane().scrollTop = top;
}

function isMarked() {
  const marked = getSelection();
  return !marked.isCollapsed && pane().contains(marked.anchorNode);
}

function closeDetails() {
  const line = lineAt(selected);
  select("");
  line?.focus();
}

function ofNetwork(network) {
  const facts = [
    ["Mode", network.mode],
    ["Link on the host", network.link],
    ...network.subnets.map((one) => ["Subnet", one.gateway ? `${one.subnet}, gateway ${one.gateway}` : one.subnet]),
    ["MTU", `${network.mtu} bytes`],
    ["Leads out", network.internal ? "no, it is internal" : "yes"],
    ["Guard", network.guarded ? "on" : "off"],
    ["Shared as", network.shared_as],
    ["VNI", network.vni || ""],
    ["Hosts", hostsOf(network).map((host) => (host.alive ? host.name : `${host.name} (away)`)).join(", ")],
    ["Containers here", network.ends.size],
    ["Id", make("code", {}, network.id)],
  ];
  return [
    make("p", { class: "kicker" }, "Network"),
    make("h2", {}, network.label),
    factsOf(facts),
    ...settingsOf(layersOfNetwork(network)),
    ...dropsOf(model.drops.filter((drop) => drop.network === network.short)),
  ];
}

function ofEnd(end) {
  const network = model.networks.get(end.parent);
  const guarded = end.guarded === null ? network?.guarded : end.guarded;
  const facts = [
    ["State", stateOf(end)],
    ["Network", network?.label || end.parent],
    ["IPv4", end.ipv4],
    ["IPv6", end.ipv6],
    ["MAC", end.mac_address],
    ["Link on the host", end.link],
    ["Guard", guarded ? "on" : "off"],
    ["Endpoint", make("code", {}, end.id)],
  ];
  return [
    make("p", { class: "kicker" }, "Container"),
    make("h2", {}, end.label),
    ...trafficOf(end),
    factsOf(facts),
    ...portsOf(end),
    ...dropsOf(dropsOfEnd(end), otherEnd(end)),
    ...settingsOf(layersOfEnd(end, network)),
  ];
}

function factsOf(facts) {
  const rows = facts.filter(([, value]) => value !== "" && value !== undefined);
  return make("dl", { class: "facts" }, ...rows.map(([key, value]) => factOf(key, value)));
}

function factOf(key, value, note) {
  const said = make("dd", {}, value instanceof Node ? value : String(value), note ? make("small", {}, note) : "");
  return make("div", {}, make("dt", {}, key), said);
}

function titled(title, ...parts) {
  return [make("h3", {}, title), ...parts];
}

function portsOf(end) {
  if (end.ports.length === 0) return [];
  return titled("Ports", make("ul", { class: "plain" }, ...end.ports.map((port) => make("li", {}, fullPort(port)))));
}

function fullPort(port) {
  const inner = `${withPort(port.container_ip, port.container_port)}/${port.proto}`;
  return port.host_ip ? `${withPort(port.host_ip, port.host_port)} → ${inner}` : `${inner}, at the container's address`;
}

// Return the settings in force with their origins, in groups; a later layer goes before an earlier one.
function settingsOf(layers) {
  const found = new Map();
  for (const [origin, texts] of layers) {
    for (const [key, text] of Object.entries(texts)) found.set(key, { text, origin });
  }
  return ["Limits", "Policy", "Other options"].flatMap((title) => {
    const rows = [...found].filter(([key]) => groupOf(key) === title);
    return rows.length ? titled(title, make("dl", { class: "facts" }, ...rows.map(settingOf))) : [];
  });
}

function groupOf(key) {
  return LIMITS.test(key) ? "Limits" : POLICY.test(key) ? "Policy" : "Other options";
}

function settingOf([key, { text, origin }]) {
  return factOf(key, text || "set", origin);
}

function layersOfNetwork(network) {
  return [["network option", network.options], ["network change", network.changes]];
}

// Return the layers of an endpoint: of its network's only limits and policy, which it inherits.
function layersOfEnd(end, network) {
  const inherited = (network ? layersOfNetwork(network) : []).map(([origin, texts]) => [
    origin,
    Object.fromEntries(Object.entries(texts).filter(([key]) => groupOf(key) !== "Other options")),
  ]);
  return [...inherited, ["endpoint option", end.options], ["endpoint change", end.changes]];
}

// Return dropped packets by reason, largest first; `other` names the other end of a drop.
function dropsOf(drops, other = () => "") {
  const rows = [...drops].sort((one, two) => two.packets - one.packets).slice(0, MOST_DROPS);
  if (rows.length === 0) return [];
  const facts = rows.map((drop) => factOf(drop.reason, counted(drop.packets, "packet"), other(drop)));
  return titled("Dropped", make("dl", { class: "facts" }, ...facts));
}

function otherEnd(end) {
  return (drop) => {
    const [word, id] = drop.from === end.short ? ["to", drop.to] : ["from", drop.from];
    const label = model.ends.get(id)?.label;
    return label ? `${word} ${label}` : word === "to" ? "sent" : "received";
  };
}

function trafficOf(end) {
  if (!end.rate) return [];
  const rows = [0, 1].map((way) => {
    const total = end.total ? `${bytes(end.total[way])} in all` : "";
    return factOf(way ? ARROWS.out : ARROWS.in, rate(end.rate[way]), total);
  });
  const dropped = end.total?.[2] ? [factOf("Dropped", counted(end.total[2], "packet"))] : [];
  return [make("div", { class: "traffic" }, curvesOf(end.past), make("dl", { class: "facts" }, ...rows, ...dropped))];
}

// Draw the last rates as two curves; the larger one of all values is the height.
function curvesOf(past) {
  const svg = svgOf("svg", { viewBox: `0 0 ${KEPT} 20`, preserveAspectRatio: "none", role: "img" });
  svg.setAttribute("aria-label", "Traffic of the last minutes");
  const most = Math.max(1, ...past.flat());
  for (const way of [0, 1]) {
    const height = (pair) => (19 - (18 * pair[way]) / most).toFixed(1);
    const points = past.map((pair, index) => `${KEPT - past.length + index + 1},${height(pair)}`);
    svg.append(svgOf("polyline", { points: points.join(" "), class: way ? "out" : "in" }));
  }
  return svg;
}

function svgOf(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}
