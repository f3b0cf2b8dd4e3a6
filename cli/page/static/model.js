// The networks and endpoints that the page knows, brought up to date by the answers of pynet.

const LIMITS = /^pynet\.(rate|burst)_/;
const POLICY = /^pynet\.(group|from|egress|allow_out|publish_from)$/;
const KEPT = 60; // samples of a rate

const model = {
  networks: new Map(), // short id -> network
  ends: new Map(), // short id -> endpoint
  names: { networks: {}, containers: {} },
  counts: null, // counters of the last answer
  status: null,
  drops: [], // { network, reason, from, to, packets }: short ids, from and to of endpoints
  cluster: null,
  findings: null, // of a full look; null before one was asked for
  cursor: "",
};

// Take over an answer; return the networks that changed, by short id.
function takeOverview(answer) {
  const changed = new Set();
  if (answer.whole) forgetAll();
  for (const network of answer.networks) putNetwork(network, changed);
  for (const end of answer.endpoints) putEnd(end, changed);
  if (answer.present) dropAbsent(answer, changed);
  if (answer.names) takeNames(answer.names, changed);
  model.cursor = answer.cursor;
  return changed;
}

function forgetAll() {
  model.networks.clear();
  model.ends.clear();
  model.counts = null;
}

function putNetwork(network, changed) {
  const id = short(network.id);
  const known = model.networks.get(id);
  const made = { ...network, short: id, ends: known ? known.ends : new Map(), rate: [0, 0] };
  made.label = model.names.networks[id] || id;
  made.text = searchTextOfNetwork(made);
  model.networks.set(id, made);
  changed.add(id);
}

function putEnd(end, changed) {
  const id = short(end.id);
  const known = model.ends.get(id);
  const made = { ...end, short: id, parent: short(end.network), rate: null, past: known ? known.past : [] };
  nameEnd(made);
  model.ends.set(id, made);
  const network = model.networks.get(made.parent);
  if (network) network.ends.set(id, made);
  changed.add(made.parent);
}

function nameEnd(end) {
  end.label = model.names.containers[end.short] || `endpoint ${end.short}`;
  end.text = searchTextOfEnd(end);
}

function dropAbsent({ present, networks, endpoints }, changed) {
  const ends = new Set([...present.endpoints, ...endpoints.map((end) => short(end.id))]);
  for (const end of model.ends.values()) {
    if (!ends.has(end.short)) dropEnd(end, changed);
  }
  const there = new Set([...present.networks, ...networks.map((network) => short(network.id))]);
  for (const id of [...model.networks.keys()]) {
    if (!there.has(id)) {
      model.networks.delete(id);
      changed.add(id);
    }
  }
}

function dropEnd(end, changed) {
  model.ends.delete(end.short);
  model.networks.get(end.parent)?.ends.delete(end.short);
  changed.add(end.parent);
}

function takeNames(names, changed) {
  const before = model.names;
  model.names = names;
  for (const network of model.networks.values()) {
    if (before.networks[network.short] === names.networks[network.short] && network.label !== network.short) continue;
    network.label = names.networks[network.short] || network.short;
    network.text = searchTextOfNetwork(network);
    changed.add(network.short);
  }
  for (const end of model.ends.values()) {
    if (before.containers[end.short] === names.containers[end.short]) continue;
    nameEnd(end);
    changed.add(end.parent);
  }
}

// Work out bytes a second from two readings of the kernel's counters.
// They are [in, out, dropped] by the short id of an endpoint.
function takeCounts(counts) {
  const before = model.counts;
  model.counts = counts;
  if (!counts) return;
  const seconds = before ? counts.time - before.time : 0;
  for (const network of model.networks.values()) network.rate = [0, 0];
  for (const end of model.ends.values()) {
    const now = counts.endpoints[end.short];
    const then = before?.endpoints[end.short];
    end.rate = now && then && seconds > 0 ? rateOf(now, then, seconds) : null;
    end.total = now || null;
    if (end.rate) addRate(end);
  }
}

function rateOf(now, then, seconds) {
  return [0, 1].map((way) => Math.max(0, now[way] - then[way]) / seconds);
}

function addRate(end) {
  const sum = model.networks.get(end.parent)?.rate;
  if (sum) {
    sum[0] += end.rate[0];
    sum[1] += end.rate[1];
  }
  end.past.push(end.rate);
  if (end.past.length > KEPT) end.past.shift();
}

function isBusy(end) {
  return Boolean(end.rate && end.rate[0] + end.rate[1] >= 1);
}

// Return whether the link of an endpoint is gone: pynet makes it again within seconds. Links of some modes are in
// their containers as a whole, where nobody counts.
function isBroken(end) {
  return Boolean(end.link && model.counts && !model.counts.endpoints[end.short]);
}

// Docker gives a container an endpoint only while it runs.
function stateOf(end) {
  if (isBroken(end)) return "its link on the host is missing";
  if (!model.names.containers[end.short]) return "Docker has not told its name";
  if (!end.link) return "running; its traffic is not counted, as its link is in the container";
  return isBusy(end) ? "running, with traffic" : "running";
}

function published(end) {
  return end.ports.filter((port) => port.host_ip);
}

// Return the hosts that have a network, as the cluster tells them: name, and whether it is alive.
function hostsOf(network) {
  const shared = (model.cluster?.networks || []).find((one) => one.name === network.shared_as);
  const alive = new Map((model.cluster?.hosts || []).map((host) => [host.name, host.alive]));
  return (shared?.hosts || []).map((name) => ({ name, alive: alive.get(name) !== false }));
}

// Take over who dropped what; a pynet without that answer tells sums by network and reason in its status.
function takeDrops(answer, status) {
  model.drops = answer
    ? answer.Drops.map((drop) => dropOf(drop, drop.Packets, short(drop.From.Endpoint), short(drop.To.Endpoint)))
    : status.Drops.map((drop) => dropOf(drop, drop.Frames, "", ""));
}

function dropOf({ Network, Reason }, packets, from, to) {
  return { network: short(Network), reason: Reason, packets, from, to };
}

function dropsOfEnd(end) {
  return model.drops.filter((drop) => drop.from === end.short || drop.to === end.short);
}
