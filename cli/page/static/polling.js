// Asks pynet: for changes every few seconds, for other things rarely, and for nothing while nobody sees the page.

const RETRY = 2; // seconds
const SLOWLY = 10; // seconds between two questions for findings that cannot be repaired, and drops
const RARELY = 60; // seconds between two questions for the hosts of a cluster

let token = "";
let asked = { status: 0, cluster: 0 }; // when, in seconds
let timer = 0;

class Refused extends Error {}

async function ask(path) {
  const answer = await fetch(path, { headers: { Authorization: `Bearer ${token}` }, cache: "no-store" });
  const found = await answer.json();
  if (!answer.ok) throw new Refused(found.Err);
  return found;
}

// Ask once, and again after the pause that pynet wants: the answers may take one hundredth of a core.
async function poll() {
  clearTimeout(timer);
  if (document.hidden) return;
  let pause = RETRY;
  try {
    const overview = (await ask(`/api/overview?cursor=${encodeURIComponent(model.cursor)}`)).Overview;
    pause = overview.pause;
    const changed = takeOverview(overview);
    takeCounts(overview.traffic);
    await askSlowly();
    setTrouble("");
    refresh(changed, overview.whole);
  } catch (error) {
    setTrouble(sentenceOf(error));
  }
  clearTimeout(timer);
  timer = setTimeout(poll, pause * 1000);
}

async function askSlowly() {
  const now = performance.now() / 1000;
  if (!model.status || now - asked.status > SLOWLY) {
    asked.status = now;
    model.status = await ask("/api/status");
    takeDrops(await ask("/api/drops").catch(() => null), model.status);
  }
  const shared = [...model.networks.values()].some((network) => network.shared_as);
  if (shared && (!model.cluster || now - asked.cluster > RARELY)) {
    asked.cluster = now;
    model.cluster = await ask("/api/cluster").then((found) => found.Cluster, () => null);
  }
}

function sentenceOf(error) {
  if (error instanceof Refused) return `${error.message}. The page tries again.`;
  return "The command 'pynet page' does not answer: it has ended, or the way to it is cut. The page tries again; a new run has a new address.";
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
