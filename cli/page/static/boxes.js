// The boxes of networks. They are made a few at a time; later only what changed, or what is on the screen, is touched.

const AT_ONCE = 24; // boxes made in one frame
const FEW = 10; // containers that a box shows before the user asks for all

const boxes = new Map(); // short id of a network -> its box
const opened = new Set(); // networks that show all of their containers
const onScreen = new Set(); // boxes that the user sees
let waiting = []; // boxes that are not made yet, in order
let current = null; // the button that the keys moved to

const watcher = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) {
        onScreen.add(entry.target.dataset.network);
        showRates(boxes.get(entry.target.dataset.network));
      } else {
        onScreen.delete(entry.target.dataset.network);
      }
    }
  },
  { rootMargin: "200px" },
);

function list() {
  return document.getElementById("networks");
}

// Show the wanted networks in order; `changed` are those whose boxes have to be made anew, all of them without it.
function showNetworks(changed) {
  const found = wantedNetworks();
  const kept = new Set(found.map(({ network }) => network.short));
  for (const [id, box] of boxes) {
    if (!kept.has(id)) removeBox(id, box);
  }
  waiting = found.map(({ network, ends }) => ({ network, ends, stale: !changed || changed.has(network.short) }));
  placeSome(0);
  showCount(found);
}

function removeBox(id, box) {
  watcher.unobserve(box.element);
  onScreen.delete(id);
  box.element.remove();
  boxes.delete(id);
}

// Put the next boxes into place, from the one at `index` on; the others follow in the next frames.
function placeSome(index) {
  const mine = waiting;
  const hadFocus = list().contains(document.activeElement);
  let made = 0;
  for (; index < mine.length && made < AT_ONCE; index += 1) {
    const { network, ends, stale } = mine[index];
    const known = boxes.get(network.short);
    const keep = known && !stale && sameEnds(known, ends);
    const box = keep ? known : fillBox(known, network, ends);
    made += keep ? 0 : 1;
    const there = list().children[index] || null;
    if (box.element !== there) list().insertBefore(box.element, there);
  }
  keepCurrent(hadFocus);
  if (index < mine.length) requestAnimationFrame(() => waiting === mine && placeSome(index));
}

function sameEnds(box, ends) {
  return box.ids.length === ends.length && ends.every((end, index) => box.ids[index] === end.short);
}

// Make the content of a box; an existing element stays, so that the page does not jump.
function fillBox(known, network, ends) {
  const element = known?.element || make("article", { class: "box", "data-network": network.short });
  const box = { element, network: network.short, ids: ends.map((end) => end.short), rates: new Map() };
  const title = `n-${network.short}`;
  element.className = `box mode-${network.mode}`;
  element.setAttribute("aria-labelledby", title);
  element.replaceChildren(headOf(network, title), bridgeOf(network, box), endsOf(network, ends, box));
  boxes.set(network.short, box);
  if (!known) watcher.observe(element);
  else if (onScreen.has(network.short)) showRates(box);
  return box;
}

function headOf(network, title) {
  const name = make("button", { class: "name line", id: title, type: "button", "data-key": `n:${network.short}` });
  name.append(network.label);
  return make("header", {}, make("h2", {}, name), ...tagsOf(network));
}

function tagsOf(network) {
  const tags = [network.mode];
  if (network.vni) tags.push(`VNI ${network.vni}`);
  if (network.internal) tags.push("internal");
  if (network.guarded) tags.push("guard");
  return tags.map((text, index) => make("span", { class: index ? "tag" : "tag kind" }, text));
}

function bridgeOf(network, box) {
  const texts = network.subnets.length ? network.subnets.map((one) => one.subnet) : ["addresses by DHCP"];
  const subnets = texts.map((text) => make("span", { class: "subnet" }, text));
  const hosts = hostsOf(network).map((host) =>
    make("span", { class: host.alive ? "host" : "host dead" }, host.alive ? host.name : `${host.name} (away)`),
  );
  box.sum = make("span", { class: "rate" });
  return make("p", { class: "bridge" }, make("code", {}, network.link), ...subnets, ...hosts, box.sum);
}

function endsOf(network, ends, box) {
  const all = opened.has(network.short) || ends.length <= FEW + 1;
  const shown = all ? ends : ends.slice(0, FEW);
  const lines = shown.map((end) => make("li", {}, lineOf(end, box)));
  if (!all) {
    const more = make("button", { class: "more line", type: "button", "data-more": network.short });
    more.append(`${(ends.length - FEW).toLocaleString("en")} more`);
    lines.push(make("li", {}, more));
  }
  if (lines.length === 0) return make("p", { class: "nobody" }, "No container on this host");
  return make("ul", { class: "ends" }, ...lines);
}

function lineOf(end, box) {
  const line = make("button", { class: "end line", type: "button", "data-key": `e:${end.short}` });
  const texts = portTexts(published(end));
  const ports = texts.slice(0, 3).map((text) => make("span", { class: "port" }, text));
  if (texts.length > 3) ports.push(make("span", { class: "port" }, `+${texts.length - 3}`));
  const sum = make("span", { class: "rate" });
  box.rates.set(end.short, sum);
  const dot = make("span", { class: "dot", "aria-hidden": "true" });
  const name = make("span", { class: "label" }, end.label);
  const address = make("span", { class: "address" }, addressesOf(end)[0] || "no address");
  line.append(dot, name, address, make("span", { class: "ports" }, ...ports), sum);
  return line;
}

// Write the rates of a box that is on the screen.
function showRates(box) {
  if (!box) return;
  const network = model.networks.get(box.network);
  if (!network) return;
  writeRates(box.sum, network.rate);
  for (const [id, element] of box.rates) {
    const end = model.ends.get(id);
    writeRates(element, end?.rate);
    const line = element.parentElement;
    line.classList.toggle("busy", Boolean(end && isBusy(end)));
    line.classList.toggle("broken", Boolean(end && isBroken(end)));
  }
}

// Write rates without their unit, which the title of the element has; nothing while nothing moves.
function writeRates(element, rates) {
  const moving = rates && rates[0] + rates[1] >= 1;
  setText(element, moving ? `↓${briefBytes(rates[0])} ↑${briefBytes(rates[1])}` : "");
  element.title = moving ? `${rate(rates[0])} in, ${rate(rates[1])} out` : "";
}

function showAllRates() {
  for (const id of onScreen) showRates(boxes.get(id));
}

function showCount(found) {
  const ends = found.reduce((sum, one) => sum + one.ends.length, 0);
  const text = `${counted(found.length, "network")}, ${counted(ends, "container")}`;
  const all = found.length === model.networks.size && ends === model.ends.size;
  const none = model.networks.size ? "Nothing fits the search." : "There is no network of pynet on this host yet.";
  const sentence = found.length ? `${text}${all ? "" : " found"}` : none;
  setText(document.getElementById("count"), model.cursor ? sentence : "");
}
