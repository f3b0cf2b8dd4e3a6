// Asks pynet: for changes every few seconds, for other things rarely, and for nothing while nobody sees the page.

const RETRY = 2; // seconds
const SLOWLY = 10; // seconds between two questions for findings that cannot be repaired, and drops
const RARELY = 60; // seconds between two questions for the hosts of a cluster

const asked = { status: -Infinity, cluster: -Infinity }; // when, in seconds

let token = "";
let timer = 0;
let last = Promise.resolve(); // one question at a time

class Refused extends Error {}

async function ask(path) {
  const answer = await fetch(path, { headers: { Authorization: `Bearer ${token}` }, cache: "no-store" });
  const found = await answer.json();
  if (!answer.ok) throw new Refused(found.Err);
  return found;
}

// Ask as soon as the last question is answered.
function poll() {
  last = last.then(pollOnce);
  return last;
}

// Ask once, and again after the pause that pynet wants: the answers may take one hundredth of a core.
async function pollOnce() {
  clearTimeout(timer);
  if (document.hidden) return;
  let pause = RETRY;
  try {
    const overview = (await ask(`/api/overview?cursor=${encodeURIComponent(model.cursor)}`)).Overview;
    pause = overview.pause;
    const changed = takeOverview(overview);
    takeCounts(overview.traffic);
    refresh(changed, overview.whole);
    await askSlowly();
    setTrouble("");
  } catch (error) {
    setTrouble(sentenceOf(error));
  }
  clearTimeout(timer);
  timer = setTimeout(poll, pause * 1000);
}

async function askSlowly() {
  if (isDue("status", SLOWLY)) {
    model.status = await ask("/api/status");
    takeDrops(await ask("/api/drops").catch(() => null), model.status);
    refresh(new Set(), false);
  }
  const shared = [...model.networks.values()].filter((network) => network.shared_as);
  if (shared.length > 0 && isDue("cluster", RARELY)) {
    model.cluster = await ask("/api/cluster").then((found) => found.Cluster, () => null);
    refresh(new Set(shared.map((network) => network.short)), false);
  }
}

function isDue(what, pause) {
  const now = performance.now() / 1000;
  if (now - asked[what] < pause) return false;
  asked[what] = now;
  return true;
}

function sentenceOf(error) {
  if (error instanceof Refused) return `${error.message}. The page tries again.`;
  return (
    "The command 'pynet page' does not answer: it has ended, or the way to it is cut. " +
    "The page tries again; a new run has a new address."
  );
}

function setTrouble(sentence) {
  const place = document.getElementById("trouble");
  setText(place, sentence);
  place.hidden = !sentence;
  document.body.classList.toggle("lost", Boolean(sentence));
}

// Compare everything with the kernel, when the user asks for it: it takes pynet as long as `pynet reconcile --dry-run`.
async function look(button) {
  button.disabled = true;
  try {
    model.findings = (await ask("/api/findings")).Repairs;
  } catch (error) {
    setTrouble(sentenceOf(error));
  }
  button.disabled = false;
  showFigures();
  showFindings();
}
