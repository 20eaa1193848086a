// The job of `tillflow bench pipeline`, written by hand: measures signed deliveries through RAW and Postgres to APPLIED.

import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { AckPolicy, jetstream, jetstreamManager, PersistMode, StorageType } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import pg from "pg";
import { check } from "./check.mjs";
import { Consumer } from "./consumer.mjs";
import { cpuSeconds } from "./cpu.mjs";
import { TABLES } from "./database.mjs";
import { connections, levels } from "./feed.mjs";
import { Intake, send } from "./intake.mjs";
import { now, within } from "./limits.mjs";
import { startServers } from "./servers.mjs";

const HELP = `Measures the job of \`tillflow bench pipeline\`, written by hand, on private servers.

Usage: node peer.mjs [OPTIONS]

  --events N      number of deliveries [default: 60000]
  --stores N      number of stores that they are spread over [default: 100]
  --items N       number of items of each store [default: 50]
  --raw-batch N   upper limit of the deliveries that are appended to RAW at once; 1 appends each alone,
                  with a sync to disk of its own [default: 256]
  --help          prints this

Exit codes: 0 done, 1 it failed or the result is wrong, 2 the arguments can't be used.
`;
/** Name, default value, least and greatest value of each option. */
const OPTIONS = [
  ["events", 60_000, 1000, 10_000_000],
  ["stores", 100, 1, 10_000],
  ["items", 50, 1, 250],
  ["raw-batch", 256, 1, 1000],
];
const SETUP_LIMIT_MS = 30_000;
/** Time without a change after which the measurement is aborted. */
const STALLED_MS = 60_000;
const STALLED_LOOK_MS = 1000;
const DUPLICATE_WINDOW_NS = 300e9;

function argumentsOf(argv) {
  const named = OPTIONS.map(([name]) => [name, { type: "string" }]);
  const { values } = parseArgs({ args: argv, options: { ...Object.fromEntries(named), help: { type: "boolean" } } });
  const read = ([name, standard, least, greatest]) => {
    const value = Number(values[name] ?? standard);
    if (!Number.isInteger(value) || value < least || value > greatest) {
      throw new Error(`--${name} is a number from ${least} to ${greatest}`);
    }
    return [name, value];
  };
  return { help: values.help, load: Object.fromEntries(OPTIONS.map(read)) };
}

const progress = (text) => process.stderr.write(`${text}\n`);

async function run(load, servers) {
  // A stack trace of each request would take a tenth of the time.
  const options = { servers: servers.nats.url, timeout: SETUP_LIMIT_MS, noAsyncTraces: true };
  const open = () => connect(options);
  const [incoming, applying, reading] = await Promise.all([open(), open(), open()]);
  const { host, port, user, password, database } = servers.postgres;
  const client = new pg.Client({ host, port, user, password, database, connectionTimeoutMillis: SETUP_LIMIT_MS });
  // A lost connection fails the query under way; without a listener it would end this process before its servers.
  client.on("error", () => {});
  await client.connect();
  await client.query(TABLES);
  const jsm = await jetstreamManager(applying);
  await declare(jsm);
  const known = connections(load);
  const intake = new Intake(jetstream(incoming), known, load["raw-batch"]);
  const consumer = new Consumer(jetstream(applying), client, known);
  const applied = await readApplied(jetstream(reading));

  progress(`signing ${load.events} deliveries`);
  const deliveries = levels(load);
  progress("sending");
  const before = cpuSeconds(servers);
  const began = performance.now();
  await Promise.all([send(deliveries, intake), consumer.run(load.events), applied.wait(load.events)]);
  const seconds = (performance.now() - began) / 1000;
  const after = cpuSeconds(servers);
  progress("checking the result");
  await check({ client, jsm, intake, consumer }, deliveries);
  await client.end();
  await Promise.all([incoming, applying, reading].map((connection) => connection.close()));
  return report(applied.latenciesMs, seconds, before, after);
}

async function declare(jsm) {
  const stream = { storage: StorageType.File, duplicate_window: DUPLICATE_WINDOW_NS };
  await jsm.streams.add({ ...stream, name: "RAW", subjects: ["raw.>"], allow_atomic: true });
  // Its messages can be made again from the database, so they needn't be on disk when they are acknowledged.
  await jsm.streams.add({ ...stream, name: "APPLIED", subjects: ["applied.>"], persist_mode: PersistMode.Async });
  await jsm.consumers.add("RAW", { durable_name: "apply", ack_policy: AckPolicy.All, max_ack_pending: -1 });
}

/** Reads APPLIED and collects the time from the intake to here of each change. */
async function readApplied(js) {
  const latenciesMs = [];
  let expected = Infinity;
  let finish;
  const finished = new Promise((resolve) => (finish = resolve));
  const callback = (message) => {
    latenciesMs.push(now() - message.json().acceptedMs);
    if (latenciesMs.length === expected) finish();
  };
  const consumer = await js.consumers.get("APPLIED");
  await consumer.consume({ callback });
  const wait = async (count) => {
    expected = count;
    for (let seen = 0, at = now(); ; ) {
      const look = within(STALLED_LOOK_MS, "changes", finished).then(() => true, () => false);
      if (await look) return;
      if (latenciesMs.length > seen) [seen, at] = [latenciesMs.length, now()];
      if (now() - at > STALLED_MS) {
        throw new Error(`only ${seen} of ${count} changes came: none within ${STALLED_MS / 1000} s`);
      }
    }
  };
  return { latenciesMs, wait };
}

function report(latenciesMs, seconds, before, after) {
  const events = latenciesMs.length;
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  const quantile = (share) => sorted[Math.round((events - 1) * share)];
  const parts = ["ours", "broker", "database"].map((part) => [part, ((after[part] - before[part]) * 1e6) / events]);
  return {
    events,
    seconds,
    events_per_second: events / seconds,
    latency_ms: { p50: quantile(0.5), p99: quantile(0.99), max: quantile(1) },
    cpu_us_per_event: { ...Object.fromEntries(parts), total: parts.reduce((sum, [, used]) => sum + used, 0) },
    peak_memory_mib: Math.floor(process.resourceUsage().maxRSS / 1024),
    partitions: 1,
  };
}

async function main() {
  let parsed;
  try {
    parsed = argumentsOf(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`peer: ${error.message}; --help lists the options\n`);
    return 2;
  }
  if (parsed.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const interrupted = new Promise((_, reject) => {
    for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => reject(new Error(`stopped by ${signal}`)));
  });
  // A signal during the start counts once the servers can be stopped.
  interrupted.catch(() => {});
  const folder = mkdtempSync(join(tmpdir(), "tillflow-bench-peer-"));
  // Postgres passes through it as another user.
  chmodSync(folder, 0o711);
  let servers;
  try {
    progress("starting a broker and a database of its own");
    servers = await startServers(folder);
    const figures = await Promise.race([run(parsed.load, servers), interrupted]);
    process.stdout.write(`${JSON.stringify(figures)}\n`);
    return 0;
  } catch (error) {
    process.stderr.write(`peer: ${error.message}\n`);
    return 1;
  } finally {
    await servers?.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

process.exit(await main());
