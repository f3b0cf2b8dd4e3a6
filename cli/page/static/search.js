// Search and filters: each word must be found in a container, or in its network.

const wanted = { words: [], mode: "", only: "", order: "name" };

const ONLY = {
  "": () => true,
  ports: (end) => published(end).length > 0,
  busy: isBusy,
  limits: (end) => hasSetting(end, LIMITS),
  policy: (end) => hasSetting(end, POLICY),
};

const ORDERS = {
  name: (one, other) => one.label.localeCompare(other.label, "en", { numeric: true }),
  traffic: (one, other) => other.rate[0] + other.rate[1] - one.rate[0] - one.rate[1],
  size: (one, other) => other.ends.size - one.ends.size,
};

function hasSetting(end, pattern) {
  const network = model.networks.get(end.parent);
  return chosen({ ...network?.options, ...end.options }, pattern).length > 0;
}

function searchTextOfNetwork(network) {
  const subnets = network.subnets.map((one) => `${one.subnet} ${one.gateway}`);
  return [network.label, network.id, network.link, network.mode, network.shared_as, ...subnets].join(" ").toLowerCase();
}

function searchTextOfEnd(end) {
  const ports = end.ports.map((port) => `${portText(port)} :${port.host_port || port.container_port}`);
  return [end.label, end.id, end.link, end.mac_address, end.ipv4, end.ipv6, ...ports].join(" ").toLowerCase();
}

// Return the endpoints of a network that are wanted, by name; null if the network itself is not.
function wantedEnds(network) {
  if (wanted.mode && network.mode !== wanted.mode) return null;
  const rest = wanted.words.filter((word) => !network.text.includes(word));
  const fits = ONLY[wanted.only];
  const found = [...network.ends.values()].filter((end) => fits(end) && rest.every((word) => end.text.includes(word)));
  if (found.length === 0 && (rest.length > 0 || wanted.only)) return null;
  return found.sort((one, other) => published(other).length - published(one).length || ORDERS.name(one, other));
}

// Return the wanted networks in order, each with its wanted endpoints.
function wantedNetworks() {
  const found = [];
  for (const network of model.networks.values()) {
    const ends = wantedEnds(network);
    if (ends) found.push({ network, ends });
  }
  const inOrder = ORDERS[wanted.order];
  return found.sort((one, other) => inOrder(one.network, other.network) || ORDERS.name(one.network, other.network));
}
