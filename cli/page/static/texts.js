// Texts of the page, and elements made from texts: nothing is ever read as HTML.

const UNITS = ["B", "kB", "MB", "GB", "TB"];
const SHORT = 12; // digits of an id in answers of pynet

// Return an element with attributes and children; a text is always a text node.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

// Set a text, if it is another one: an unchanged text costs no layout.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function bytes(count) {
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit && value < 9.95 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit]}`;
}

function briefBytes(count) {
  return bytes(count).replace(" ", "").replace("B", "");
}

function rate(perSecond) {
  return `${bytes(perSecond)}/s`;
}

function counted(number, one, many = `${one}s`) {
  return `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
}

function short(id) {
  return id.slice(0, SHORT);
}

function withPort(address, port) {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

// Return a published port as "8080 → 80/tcp"; one that has no place on the host as "80/tcp".
function portText(port) {
  const inner = `${port.container_port}/${port.proto}`;
  if (!port.host_ip) return inner;
  const everywhere = port.host_ip === "0.0.0.0" || port.host_ip === "::";
  return `${everywhere ? port.host_port : withPort(port.host_ip, port.host_port)} → ${inner}`;
}

// Return the texts of all ports; a port of both families is written once.
function portTexts(ports) {
  return [...new Set(ports.map(portText))];
}

function addressesOf(end) {
  return [end.ipv4, end.ipv6].filter(Boolean).map((address) => address.split("/")[0]);
}
