// Search and filters: each word must be found in a container, or in its network.

const CODED = 4; // characters of a word that may be a part of an id, a MAC or the name of a link

const collator = new Intl.Collator("en", { numeric: true }); // made once: localeCompare makes one a call
const wanted = { words: [], mode: "", only: "", order: "name" };

const ONLY = {
  "": () => true,
  ports: (end) => published(end).length > 0,
  busy: isBusy,
  drops: (end) => dropsOfEnd(end).length > 0,
  limits: (end) => hasSetting(end, LIMITS),
  policy: (end) => hasSetting(end, POLICY),
};

const ORDERS = {
  name: (one, other) => collator.compare(one.label, other.label),
  traffic: (one, other) => other.rate[0] + other.rate[1] - one.rate[0] - one.rate[1],
  size: (one, other) => other.ends.size - one.ends.size,
};

function hasSetting(end, pattern) {
  const network = model.networks.get(end.parent);
  const all = { ...network?.options, ...network?.changes, ...end.options, ...end.changes };
  return Object.keys(all).some((key) => pattern.test(key));
}

function searchTextOfNetwork(network) {
  const subnets = network.subnets.map((one) => `${one.subnet} ${one.gateway}`);
  return {
    words: [network.label, network.mode, network.shared_as, ...subnets].join(" ").toLowerCase(),
    codes: `${network.id} ${network.link}`.toLowerCase(),
  };
}

function searchTextOfEnd(end) {
  const ports = end.ports.map((port) => `${portText(port)} :${port.host_port || port.container_port}`);
  return {
    words: [end.label, end.ipv4, end.ipv6, ...ports].join(" ").toLowerCase(),
    codes: `${end.id} ${end.link} ${end.mac_address}`.toLowerCase(),
  };
}

function matches({ words, codes }, word) {
  return words.includes(word) || (word.length >= CODED && codes.includes(word));
}

// Return the endpoints of a network that are wanted, by name; null if the network itself is not.
function wantedEnds(network) {
  if (wanted.mode && network.mode !== wanted.mode) return null;
  const rest = wanted.words.filter((word) => !matches(network.text, word));
  const fits = ONLY[wanted.only];
  const found = [...network.ends.values()].filter((end) => fits(end) && rest.every((word) => matches(end.text, word)));
  if (found.length === 0 && (rest.length > 0 || wanted.only)) return null;
  const isOpen = (end) => Number(published(end).length > 0); // first, as users look for them
  return found.sort((one, other) => isOpen(other) - isOpen(one) || ORDERS.name(one, other));
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
