// Prints the figures of `compare`: `figures.mjs FOLDER ROUND` those of one pair, `figures.mjs FOLDER` the medians of all.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

// The peer reads APPLIED in its only thread; Tillflow counts its reader apart, as load.
const loadOf = (cpu) => cpu.load ?? 0;
const COLUMNS = [
  ["events/s", ({ events_per_second: perSecond }) => perSecond],
  ["p50 ms", ({ latency_ms: latency }) => latency.p50],
  ["p99 ms", ({ latency_ms: latency }) => latency.p99],
  ["CPU µs", ({ cpu_us_per_event: cpu }) => cpu.total + loadOf(cpu)],
  ["ours", ({ cpu_us_per_event: cpu }) => cpu.ours + loadOf(cpu)],
  ["broker", ({ cpu_us_per_event: cpu }) => cpu.broker],
  ["database", ({ cpu_us_per_event: cpu }) => cpu.database],
  ["MiB", ({ peak_memory_mib: memory }) => memory],
];
const WIDTH = 10;

const [folder, round] = process.argv.slice(2);
const file = (who, number) => join(folder, `${who}-${number}.json`);
const figuresOf = (who, number) => {
  const report = JSON.parse(readFileSync(file(who, number), "utf8"));
  return COLUMNS.map(([, read]) => read(report));
};

function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

function row(label, who, figures) {
  const cells = figures.map((figure) => figure.toFixed(0).padStart(WIDTH));
  console.log(`${label.padEnd(8)}${who.padEnd(8)}${cells.join("")}`);
}

if (round) {
  if (round === "1") {
    console.log(`${"round".padEnd(16)}${COLUMNS.map(([title]) => title.padStart(WIDTH)).join("")}`);
  }
  const [tillflow, peer] = ["tillflow", "peer"].map((who) => figuresOf(who, round));
  row(round, "tillflow", tillflow);
  row("", "peer", peer);
  console.log(`${"".padEnd(8)}ratio${(tillflow[0] / peer[0]).toFixed(2).padStart(WIDTH + 3)}`);
} else {
  const rounds = [];
  while (existsSync(file("peer", rounds.length + 1))) rounds.push(rounds.length + 1);
  const all = (who) => rounds.map((number) => figuresOf(who, number));
  const [tillflow, peer] = [all("tillflow"), all("peer")];
  const medians = (runs) => COLUMNS.map((_, column) => median(runs.map((figures) => figures[column])));
  row("median", "tillflow", medians(tillflow));
  row("", "peer", medians(peer));
  const ratios = rounds.map((_, index) => tillflow[index][0] / peer[index][0]);
  const [least, greatest] = [Math.min(...ratios), Math.max(...ratios)].map((ratio) => ratio.toFixed(2));
  console.log(`ratio of events/s, tillflow to peer: median ${median(ratios).toFixed(2)}, from ${least} to ${greatest}`);
}
