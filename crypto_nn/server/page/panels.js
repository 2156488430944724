// What stands beside the chart: each function fills one box from one state.

import { became, decimals } from "./chart.js";

const NONE = "–";
export const percent = (share, digits = 1) =>
  share === null || share === undefined ? NONE : `${(100 * share).toFixed(digits)} %`;
export const clock = (ts) => new Date(ts).toISOString().slice(11, 16);
const stamp = (ts) => new Date(ts).toISOString().slice(0, 16).replace("T", " ");
const number = (value, digits) =>
  value === null || value === undefined ? NONE : value.toFixed(digits).replace("-", "−");
const short = (version, most = 18) => (version.length > most ? `${version.slice(0, most - 1)}…` : version);
export const price = (bar) => bar.c.toLocaleString("en-GB", {
  minimumFractionDigits: decimals([bar]), maximumFractionDigits: decimals([bar]),
});

export function age(seconds) {
  if (seconds < 100) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 6000) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

/** An element. Text is always text: nothing from the server is read as markup. */
export function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "rect", "line", "circle", "text", "title"].includes(tag);
  const node = svg
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const box = (id) => document.getElementById(id);
const empty = (text) => make("p", { class: "empty" }, text);
const colored = (direction, text = direction) => make("span", { class: direction }, text);

function table(caption, head, rows, chosen = -1) {
  const cells = (tag, row) => row.map((cell) => make(tag, tag === "th" ? { scope: "col" } : {}, cell));
  return make("div", { class: "scroll" }, make("table", {},
    make("caption", {}, caption),
    make("thead", {}, make("tr", {}, ...cells("th", head))),
    make("tbody", {}, ...rows.map((row, at) =>
      make("tr", at === chosen ? { class: "chosen" } : {}, ...cells("td", row)))),
  ));
}

/** The newest answer of the champion at each horizon. */
export function newest(state) {
  const found = new Map();
  for (const one of state.answers) {
    if (!state.champion || one.model_version === state.champion.version) found.set(one.horizon, one);
  }
  return [...found.values()].sort((a, b) => a.horizon - b.horizon);
}

export function answers(state, horizon) {
  const said = newest(state);
  if (!said.length) {
    return box("answers").replaceChildren(empty(state.champion
      ? "The champion has not answered for this symbol yet. It answers after the next closed bar, once its window is whole."
      : "No version answers yet. Train one and promote it; see `crypto-nn models`."));
  }
  const closed = new Date(Date.parse(said[0].ts) + 60000);
  box("answers").replaceChildren(
    make("p", { class: "soft small" }, `After the bar that closed at ${clock(closed)} UTC. Chance is 33 %.`),
    ...said.map((one) => answer(one, one.horizon === horizon)),
  );
}

function answer(one, chosen) {
  const parts = [["down", one.p_down], ["flat", one.p_flat], ["up", one.p_up]];
  const bar = make("svg", { class: "bar", viewBox: "0 0 100 12", preserveAspectRatio: "none", "aria-hidden": "true" });
  let x = 0;
  for (const [name, share] of parts) {
    bar.append(make("rect", { x: 100 * x, y: 0, width: Math.max(0, 100 * share - 0.4), height: 12, fill: "currentColor", class: name }));
    x += share;
  }
  return make("div", { class: chosen ? "answer chosen" : "answer" },
    make("p", { class: "line" }, make("span", {}, `Next ${one.horizon} min`),
      make("b", { class: one.predicted }, `${one.predicted} ${percent(one.confidence, 0)}`)),
    bar,
    make("p", { class: "ends" }, ...parts.map(([name, share]) => colored(name, `${name} ${percent(share, 0)}`))),
  );
}

const VERDICTS = {
  better: ["Better than the baseline", "It lies beyond two standard errors; seven days are a short time."],
  "no better": ["No better than the baseline", "That is the usual finding: the next minutes are nearly pure chance."],
  worse: ["Worse than the baseline", "It lies beyond two standard errors. Do not act on it."],
  "too few": ["Too few outcomes for a verdict", "Outcomes of neighbouring minutes overlap and count as one."],
};

export function trust(state, horizon) {
  const at = state.scores.findIndex((one) => one.horizon === horizon);
  if (at < 0) {
    box("scores").replaceChildren(empty("No answer of the champion has an outcome yet. Scores stand here once the first horizons have passed."));
    return box("calibration").replaceChildren();
  }
  const one = state.scores[at];
  const margin = one.margin === null ? "" : ` ± ${number(100 * one.margin, 1)}`;
  const [verdict, why] = VERDICTS[one.verdict];
  box("scores").replaceChildren(
    table("Last 7 days, out of sample", ["horizon", "right", "baseline", "chance", "answers"],
      state.scores.map((each) => [`${each.horizon} min`, percent(each.accuracy), percent(each.majority),
        percent(each.chance), each.rows.toLocaleString("en-GB")]), at),
    make("p", { class: "verdict" }, make("strong", {}, verdict),
      ` at ${one.horizon} min: ${number(100 * (one.accuracy - one.majority), 1)}${margin} points beside always saying the commonest direction. ${why}`),
  );
  box("calibration").replaceChildren(
    make("h3", {}, `Calibration at ${one.horizon} min: off by ${percent(one.ece)} on average`),
    reliability(one),
  );
}

/** Stated confidence (across) against the share that came true (up); on the diagonal is honest. */
function reliability(score) {
  const [low, high, width, height, left, bottom] = [0.3, 1, 340, 176, 44, 32];
  const x = (share) => left + ((share - low) / (high - low)) * (width - left - 16);
  const y = (share) => height - bottom - share * (height - bottom - 8);
  const most = Math.max(...score.reliability.map((bin) => bin.rows));
  const words = score.reliability.map((bin) =>
    `${percent(bin.confidence, 0)} stated, ${percent(bin.accuracy, 0)} came true, ${bin.rows} answers`);
  const picture = make("svg", { class: "picture", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `Calibration: ${words.join("; ")}` });
  for (const share of [0, 0.5, 1]) {
    picture.append(
      make("line", { class: "axis", x1: left, x2: width - 16, y1: y(share), y2: y(share) }),
      make("text", { x: left - 6, y: y(share) + 4, "text-anchor": "end" }, `${100 * share} %`));
  }
  for (const share of [0.4, 0.6, 0.8, 1]) {
    picture.append(make("text", { x: x(share), y: height - 17, "text-anchor": "middle" }, percent(share, 0)));
  }
  picture.append(
    make("text", { x: (left + width) / 2, y: height - 3, "text-anchor": "middle" }, "stated confidence"),
    make("text", { x: left + 6, y: y(1) + 14 }, "came true"),
    make("line", { class: "ideal", x1: x(low), y1: y(low), x2: x(1), y2: y(1) }),
    ...score.reliability.map((bin, at) => make("circle", {
      class: "dot", cx: x(Math.max(low, bin.confidence)), cy: y(bin.accuracy), r: 3 + 6 * Math.sqrt(bin.rows / most),
      "fill-opacity": 0.75,
    }, make("title", {}, words[at]))));
  return picture;
}

const CAME = { right: "yes", wrong: "no", open: "open" };

export function outcomes(state, horizon) {
  const said = state.answers.filter((one) => one.horizon === horizon &&
    (!state.champion || one.model_version === state.champion.version)).slice(-horizon - 10).reverse();
  const due = said.filter((one) => one.outcome === null).length;
  const rows = [...said.slice(0, Math.min(due, 2)), ...said.slice(due)].slice(0, 9);
  if (!rows.length) return box("became").replaceChildren(empty("Nothing was said yet, so nothing came of it."));
  box("became").replaceChildren(table(
    due ? `At ${horizon} min; ${due} answers are still open.` : `At ${horizon} min.`,
    ["bar", "said", "came", "move, bps", "right"],
    rows.map((one) => [clock(one.ts), colored(one.predicted, `${one.predicted} ${percent(one.confidence, 0)}`),
      one.outcome ? colored(one.outcome) : NONE, number(one.move_bps, 1),
      make("span", { class: became(one) }, CAME[became(one)])])));
}

export function versions(state) {
  if (!state.champion) return box("versions").replaceChildren(empty("No version was promoted yet, so nobody answers."));
  const lines = [["Champion", state.champion], ["Challenger", state.challenger]].flatMap(([name, one]) => [
    make("dt", {}, name),
    make("dd", one ? { title: one.version } : {}, one ? `${short(one.version)}, since ${stamp(one.at)}` : "none")]);
  const shadows = state.shadows.map((one) => [make("span", { title: one.version }, short(one.version, 14)), number(one.champion_loss, 4), number(one.shadow_loss, 4), number(one.e_better, 1)]);
  box("versions").replaceChildren(
    make("dl", {}, ...lines),
    ...(shadows.length ? [make("h3", {}, "On the same rows"), table(
      "Log-loss in nats, less is better. Evidence of 20 is strong; 1 is none.", ["shadow", "champion", "shadow", "evidence"], shadows)] : []),
    make("h3", {}, "What happened"),
    make("ul", { class: "list" }, ...state.events.slice(0, 4).map((one) => make("li", {},
      make("strong", {}, `${one.action} `), make("span", { class: "soft" }, `${stamp(one.at)} · ${short(one.version)} `), make("br"), one.reason))),
  );
}

export function drift(state) {
  const days = state.drift.filter((day) => day.score !== null);
  if (!days.length) return box("drift").replaceChildren(empty("No day was compared yet with what the champion learned from."));
  const last = days.at(-1);
  const [width, height] = [320, 90];
  const top = Math.max(1.5, ...days.map((day) => day.score));
  const y = (score) => height - 4 - (score / top) * (height - 10);
  const step = width / Math.max(days.length, 14);
  const picture = make("svg", { class: "picture", viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `Drift of the last ${days.length} days; an alarm is due above 1. ${last.day}: ${number(last.score, 2)}` },
    ...days.map((day, at) => make("rect", { class: day.drifted ? "hot" : "calm", x: at * step + 1, width: Math.max(1, step - 2),
      y: y(day.score), height: height - y(day.score), rx: 1.5 }, make("title", {}, `${day.day}: ${number(day.score, 2)}`))),
    make("line", { class: "limit", x1: 0, x2: width, y1: y(1), y2: y(1) }));
  box("drift").replaceChildren(
    make("p", {}, make("strong", { class: last.drifted ? "down" : "" }, last.drifted ? "The market has moved. " : "No drift. "),
      `${last.day} scores ${number(last.score, 2)}; an alarm is due above 1.`),
    picture,
    ...(state.moved.length ? [make("h3", {}, "Moved the most"), make("dl", {}, ...state.moved.slice(0, 5).flatMap((one) =>
      [make("dt", {}, one.name), make("dd", {}, number(one.score, 2))]))] : []));
}

export function alerts(state) {
  if (!state.alerts.length) return box("alerts").replaceChildren(empty("No alert is open."));
  box("alerts").replaceChildren(make("ul", { class: "list" }, ...state.alerts.map((one) => make("li", {},
    make("strong", {}, one.title), make("span", { class: "soft" }, ` · ${one.kind}, ${stamp(one.at)}`), make("br"), one.message))));
}

export function speed(state, live) {
  const time = state.freshness.bar_time;
  const lines = [
    ["Newest bar", time ? `${stamp(time)}, closed ${age(live.age)} ago` : "none"],
    ["Late after", `${state.freshness.due_s} s`],
    ["Last answer took", live.latency === null ? NONE : `${number(live.latency, 1)} ms`],
    ["Median, last hour", state.latency ? `${number(state.latency.p50_ms, 1)} ms` : NONE],
    ["99 of 100 within", state.latency ? `${number(state.latency.p99_ms, 1)} ms` : NONE],
    ["Answers counted", state.latency ? String(state.latency.answers) : NONE],
  ];
  box("speed").replaceChildren(make("dl", {}, ...lines.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)])));
}

/** One bar and what was said at it, as a sentence: under the cursor, and for a screen reader. */
export function sentence(bar, said, symbol) {
  const price = (value) => value.toFixed(decimals([bar]));
  const began = `${symbol} ${stamp(bar.ts)}: open ${price(bar.o)}, high ${price(bar.h)}, low ${price(bar.l)}, close ${price(bar.c)}`;
  if (!said) return `${began}; nothing was said.`;
  const came = said.outcome ? `${said.outcome} came` : "still open";
  return `${began}; said ${said.predicted} ${percent(said.confidence, 0)} for ${said.horizon} min, ${came}.`;
}
