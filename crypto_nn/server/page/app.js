// The page's life: ask for the state once, then listen; ask again when the connection comes back.

import { Chart } from "./chart.js";
import * as panels from "./panels.js";

const box = (id) => document.getElementById(id);
const KEPT = { candles: 720, answers: 6000 };
const [ASK_AGAIN_MS, SILENCE_MS, LONGEST_WAIT_MS] = [30000, 45000, 30000];
const live = { state: null, symbol: null, horizon: null, socket: null, tries: 0, heard: 0, latency: null, skew: 0, reading: null, reason: "", connected: false, retry: null, asked: 0 };
let chart = null;

const now = () => Date.now() + live.skew;
const token = () => sessionStorage.getItem("crypto_nn_token");

async function ask() {
  const turn = ++live.asked;
  const query = live.symbol ? `?symbol=${encodeURIComponent(live.symbol)}` : "";
  const headers = token() ? { authorization: `Bearer ${token()}` } : {};
  const answer = await fetch(`/page/state${query}`, { headers, cache: "no-store" });
  if (answer.status === 401 || answer.status === 403) {
    login(answer.status === 403 ? "This token may not read." : token() ? "This token is not in force (any more)." : null);
    throw new Error("a token is due");
  }
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  const state = await answer.json();
  if (turn !== live.asked) return; // another symbol was asked for since
  const other = live.state?.symbol !== state.symbol;
  live.skew = Date.parse(state.at) - Date.now();
  live.state = state;
  live.symbol = state.symbol;
  if (other) Object.assign(live, { latency: null, reason: "" });
  choices();
  showChart(other);
  showPanels();
}

async function refresh() {
  try {
    await ask();
  } catch (error) {
    box("spoken").textContent = `The state cannot be read: ${error.message}.`;
    if (!box("login").open) again();
  }
}

// ---- the connection -------------------------------------------------------------------------

function listen() {
  live.socket?.close();
  const protocols = ["crypto-nn.v1", ...(token() ? [`bearer.${token()}`] : [])];
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, protocols);
  live.socket = socket;
  live.heard = Date.now();
  socket.onopen = () => {
    Object.assign(live, { tries: 0, connected: true });
    socket.send(JSON.stringify({ type: "subscribe", symbols: [live.symbol] }));
    connection();
  };
  socket.onmessage = (event) => {
    live.heard = Date.now();
    hear(JSON.parse(event.data));
  };
  socket.onclose = () => {
    if (live.socket === socket) again();
  };
}

/** Come back after 1, 2, 4 … 30 seconds, a little apart from all other pages. */
function again() {
  live.connected = false;
  clearTimeout(live.retry);
  const wait = Math.min(LONGEST_WAIT_MS, 1000 * 2 ** live.tries) * (0.75 + Math.random() / 2);
  live.tries += 1;
  connection();
  live.retry = setTimeout(start, wait);
}

async function start() {
  clearTimeout(live.retry);
  try {
    await ask();
    listen();
  } catch {
    if (!box("login").open) again();
  }
}

function hear(message) {
  if (!live.state || message.symbol !== live.symbol) return;
  if (message.type === "bar") newBar(message);
  if (message.type === "answer" && message.role === "champion") newAnswer(message);
  if (message.type === "state") {
    live.reason = message.state === "ready" ? "" : message.reason;
    tick();
  }
}

function newBar({ ts, o, h, l, c, v }) {
  const bar = { ts, o, h, l, c, v };
  const others = live.state.candles.filter((each) => each.ts !== ts);
  const candles = [...others, bar].sort((a, b) => (a.ts < b.ts ? -1 : 1)).slice(-KEPT.candles);
  const first = !live.state.candles.length;
  live.state.candles = candles;
  live.state.freshness.bar_time = candles.at(-1).ts;
  if (first) showChart(true);
  else chart.add(candles, bar);
  showMarks();
  showPanels();
}

function newAnswer({ ts, model_version, latency_ms, answers }) {
  const key = (one) => `${one.ts} ${one.horizon} ${one.model_version}`;
  const kept = new Map(live.state.answers.map((one) => [key(one), one]));
  for (const { epistemic, ...said } of answers) {
    const one = { ...said, ts, model_version, outcome: null, move_bps: null, in_sample: false };
    if (!kept.has(key(one))) kept.set(key(one), one);
  }
  live.state.answers = [...kept.values()].slice(-KEPT.answers);
  live.latency = latency_ms;
  choices();
  showMarks();
  showPanels();
  const said = panels.newest(live.state).find((one) => one.horizon === live.horizon);
  if (said) box("spoken").textContent = `${live.symbol}: ${said.predicted} ${panels.percent(said.confidence, 0)} for ${said.horizon} minutes.`;
}

// ---- what is shown --------------------------------------------------------------------------

function choices() {
  const { symbols, symbol, answers, scores } = live.state;
  const select = box("symbol");
  if (select.options.length !== symbols.length || select.disabled) {
    select.replaceChildren(...symbols.map((each) => panels.make("option", { value: each }, each)));
    select.disabled = false;
  }
  select.value = symbol;
  const horizons = [...new Set([...answers, ...scores].map((one) => one.horizon))].sort((a, b) => a - b);
  if (!horizons.includes(live.horizon)) live.horizon = horizons[0] ?? null;
  const shown = [...document.querySelectorAll("[name=horizon]")].map((input) => Number(input.value));
  if (shown.join() === horizons.join()) return;
  box("horizons").replaceChildren(panels.make("legend", { class: "unseen" }, "Horizon"), ...horizons.map((each) => {
    const input = panels.make("input", { type: "radio", name: "horizon", value: each });
    input.checked = each === live.horizon;
    return panels.make("label", {}, input, `${each} min`);
  }));
}

function showChart(other) {
  const bars = live.state.candles;
  box("chart").hidden = box("reading").hidden = box("legend").hidden = !bars.length;
  box("no-chart").hidden = Boolean(bars.length);
  box("no-chart").textContent = `There is no bar of ${live.symbol} yet. Candles appear by themselves with the first one that closes.`;
  if (!bars.length) return;
  chart ??= new Chart(box("chart"), read);
  if (other || !chart.bars.length) chart.show(bars);
  else chart.refill(bars);
  if (other) live.reading = null;
  showMarks();
}

const ofChampion = () => live.state.answers.filter((one) => one.horizon === live.horizon &&
  (!live.state.champion || one.model_version === live.state.champion.version));

function showMarks() {
  chart?.mark(ofChampion());
  if (live.state.candles.length) read(live.reading);
}

/** Say a bar in words: the one under the cursor, or else the newest. */
function read(bar, aloud = false) {
  live.reading = bar;
  const found = bar ?? live.state.candles.at(-1);
  const text = panels.sentence(found, ofChampion().find((one) => one.ts === found.ts), live.symbol);
  box("reading").textContent = text;
  if (aloud) box("spoken").textContent = text;
}

function showPanels() {
  panels.answers(live.state, live.horizon);
  panels.trust(live.state, live.horizon);
  panels.outcomes(live.state, live.horizon);
  panels.versions(live.state);
  panels.drift(live.state);
  panels.alerts(live.state);
  const last = live.state.candles.at(-1);
  box("price").textContent = last ? panels.price(last) : "";
  document.title = last ? `${panels.price(last)} ${live.symbol} · crypto_nn` : "crypto_nn live";
  tick();
}

function barAge() {
  const time = live.state?.freshness.bar_time;
  return time ? Math.max(0, (now() - Date.parse(time)) / 1000 - 60) : null;
}

function tick() {
  if (!live.state) return connection();
  const seconds = barAge();
  const stale = seconds !== null && seconds > live.state.freshness.due_s;
  document.body.classList.toggle("stale", stale);
  const pill = box("freshness");
  pill.dataset.state = seconds === null ? "waiting" : stale ? "stale" : "ready";
  pill.textContent = seconds === null ? "waiting for bars" : stale ? `stale: last bar ${panels.age(seconds)} ago` : `bar ${panels.age(seconds)} old`;
  panels.speed(live.state, { age: seconds ?? 0, latency: live.latency });
  if (stale) tell(`No bar has closed here for ${panels.age(seconds)}. What the model says below is old: do not act on it. The page goes on by itself when bars come in again.`);
  else if (live.state.unreadable) tell(`Something cannot be read: ${live.state.unreadable}. The rest is shown.`);
  else tell(live.reason);
  connection();
}

function tell(text) {
  const notice = box("notice");
  if (notice.textContent !== text) notice.textContent = text;
  notice.hidden = !text;
}

function connection() {
  document.body.classList.toggle("down", !live.connected && live.tries > 0);
  const pill = box("connection");
  pill.dataset.state = live.connected ? "ready" : live.tries > 0 ? "down" : "waiting";
  pill.textContent = live.connected ? "live" : live.tries > 0 ? "disconnected, trying again" : "connecting";
}

// ---- what a person does ---------------------------------------------------------------------

const THEMES = ["auto", "light", "dark"];

function setTheme(theme) {
  localStorage.setItem("crypto_nn_theme", theme);
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  box("theme").textContent = `Theme: ${theme}`;
  chart?.paint();
  if (live.state) showMarks();
}

function login(why) {
  if (why) box("login-why").textContent = `${why} Paste another with the role read; it stays in this tab.`;
  if (!box("login").open) box("login").showModal();
}

box("login-form").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem("crypto_nn_token", box("token").value.trim());
  box("token").value = "";
  box("login").close();
  start();
});
box("login").addEventListener("cancel", (event) => event.preventDefault());
box("symbol").addEventListener("change", (event) => {
  live.symbol = event.target.value;
  live.horizon = null;
  if (live.connected) live.socket.send(JSON.stringify({ type: "subscribe", symbols: [live.symbol] }));
  refresh();
});
box("horizons").addEventListener("change", (event) => {
  live.horizon = Number(event.target.value);
  showMarks();
  showPanels();
});
box("theme").addEventListener("click", () => {
  const at = THEMES.indexOf(localStorage.getItem("crypto_nn_theme") ?? "auto");
  setTheme(THEMES[(at + 1) % THEMES.length]);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  chart?.paint();
  if (live.state) showMarks();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && live.connected) refresh();
});

setTheme(localStorage.getItem("crypto_nn_theme") ?? "auto");
setInterval(tick, 1000);
setInterval(() => {
  if (live.connected && Date.now() - live.heard > SILENCE_MS) live.socket.close();
}, 5000);
setInterval(() => {
  if (live.connected && !document.hidden) refresh();
}, ASK_AGAIN_MS);
start();
