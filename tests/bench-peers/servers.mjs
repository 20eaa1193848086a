// The servers of a run: a nats-server and a Postgres, on free ports of loopback, with their data in one folder.

import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, closeSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, statSync, writeFileSync }
  from "node:fs";
import { createServer } from "node:net";
import { basename, delimiter, dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { within } from "./limits.mjs";

const READY_LIMIT_MS = 60_000;
const INIT_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 15_000;
const KILL_LIMIT_MS = 5_000;
const LOOK_INTERVAL_MS = 20;
/** A free port may be taken between the look and the bind. */
const MAX_STARTS = 5;
const LOG_TAIL_CHARACTERS = 2048;
const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024;
/** The settings with which Tillflow's sandbox starts its Postgres. `fsync` stays on. */
const POSTGRES_SETTINGS = [
  "listen_addresses=127.0.0.1",
  "unix_socket_directories=",
  "shared_buffers=256MB",
  "max_wal_size=2GB",
  "wal_compression=on",
  "max_connections=60",
];

/** A server as a child process. */
class Server {
  constructor(program, args, { log, user, stopSignal }) {
    this.name = basename(program);
    this.log = log;
    this.stopSignal = stopSignal;
    const output = openSync(log, "a", 0o600);
    // In a group of its own: Ctrl-C reaches this process only, which then stops the servers in order.
    const options = { stdio: ["ignore", output, output], cwd: "/", detached: true, ...user };
    this.child = spawn(program, args, options);
    closeSync(output);
    this.exit = new Promise((resolve) => {
      this.child.once("exit", resolve);
      this.child.once("error", (error) => resolve((this.failure = error.message)));
    });
    this.exit.then(() => (this.hasEnded = true));
    this.watchdog = this.pid && watch(this.pid);
  }

  get pid() {
    return this.child.pid;
  }

  /** The error of a server that ended by itself. */
  ended() {
    const tail = readFileSync(this.log, "utf8").slice(-LOG_TAIL_CHARACTERS).trim();
    return new Error(`${this.name} ended: ${this.failure ?? tail}`);
  }

  /** Waits until `look` returns something. */
  async ready(look) {
    const deadline = Date.now() + READY_LIMIT_MS;
    while (Date.now() < deadline) {
      if (this.hasEnded) throw this.ended();
      const found = look();
      if (found) return found;
      await sleep(LOOK_INTERVAL_MS);
    }
    throw new Error(`${this.name} was not ready within ${READY_LIMIT_MS / 1000} s; its log is ${this.log}`);
  }

  /** Stops it gracefully; kills it if that takes too long. */
  async stop() {
    if (!this.hasEnded) {
      this.child.kill(this.stopSignal);
      await within(STOP_LIMIT_MS, `the stop of ${this.name}`, this.exit).catch(async (error) => {
        process.stderr.write(`${error.message}; it is killed\n`);
        this.child.kill("SIGKILL");
        await within(KILL_LIMIT_MS, `the end of ${this.name}`, this.exit);
      });
    }
    this.watchdog?.kill("SIGKILL");
  }
}

/** Stops a server when this process is gone: its end of the pipe closes then. */
function watch(pid) {
  const script = 'read -r _; kill -s QUIT "$1" 2>/dev/null';
  return spawn("sh", ["-c", script, "watchdog", String(pid)], { stdio: ["pipe", "ignore", "ignore"], detached: true });
}

/** Starts both servers. `stop` of the result stops them. */
export async function startServers(folder) {
  const started = [];
  const stop = async () => {
    const stops = await Promise.allSettled(started.map((server) => server.stop()));
    const failed = stops.find((outcome) => outcome.status === "rejected");
    if (failed) throw failed.reason;
  };
  try {
    const nats = await startNats(folder, started);
    const postgres = await startPostgres(folder, started);
    return { nats, postgres, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function startNats(folder, started) {
  const home = join(folder, "nats");
  mkdirSync(home);
  const program = natsServer();
  const configuration = {
    listen: "127.0.0.1:-1",
    max_payload: MAX_PAYLOAD_BYTES,
    ports_file_dir: home,
    jetstream: { store_dir: home, sync_interval: "always" },
  };
  const file = join(home, "nats.conf");
  writeFileSync(file, JSON.stringify(configuration));
  const server = new Server(program, ["--config", file], { log: join(home, "log"), stopSignal: "SIGTERM" });
  started.push(server);
  const ports = join(home, `${basename(program)}_${server.pid}.ports`);
  const url = await server.ready(() => parsed(ports)?.nats?.[0]);
  return { url, pid: server.pid };
}

/** The content of a JSON file; nothing while it is missing or half written. */
function parsed(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

async function startPostgres(folder, started) {
  const home = join(folder, "postgres");
  const [cluster, log, passwordFile] = ["cluster", "log", "password"].map((name) => join(home, name));
  const programs = postgresFolder();
  const user = userToRunAs();
  mkdirSync(home, { mode: 0o700 });
  const password = randomBytes(16).toString("hex");
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (user) {
    checkReach(user, folder);
    chownSync(home, user.uid, user.gid);
    chownSync(passwordFile, user.uid, user.gid);
  }
  const init = ["--pgdata", cluster, "--username=postgres", "--auth=scram-sha-256", `--pwfile=${passwordFile}`,
    "--encoding=UTF8", "--locale=C"];
  const initdb = new Server(join(programs, "initdb"), init, { log, user, stopSignal: "SIGTERM" });
  started.push(initdb);
  if ((await within(INIT_LIMIT_MS, "initdb", initdb.exit)) !== 0) throw initdb.ended();

  for (let starts = 1; ; starts++) {
    const port = await freePort();
    const settings = POSTGRES_SETTINGS.flatMap((setting) => ["-c", setting]);
    const args = ["-D", cluster, "-p", String(port), ...settings];
    const server = new Server(join(programs, "postgres"), args, { log, user, stopSignal: "SIGINT" });
    started.push(server);
    try {
      await server.ready(() => isReady(join(cluster, "postmaster.pid"), server.pid));
      return { host: "127.0.0.1", port, user: "postgres", password, database: "postgres", pid: server.pid };
    } catch (error) {
      if (!server.hasEnded || starts === MAX_STARTS) throw error;
    }
  }
}

/** The first line of `postmaster.pid` is the process id of the server, the eighth its state. */
function isReady(file, pid) {
  if (!existsSync(file)) return false;
  const lines = readFileSync(file, "utf8").split("\n").map((line) => line.trim());
  return lines[0] === String(pid) && lines[7] === "ready";
}

function freePort() {
  return new Promise((resolve, reject) => {
    const listener = createServer();
    listener.once("error", reject);
    listener.listen(0, "127.0.0.1", () => {
      const { port } = listener.address();
      listener.close(() => resolve(port));
    });
  });
}

/** The user that Postgres runs as if this process is root, which Postgres refuses. */
function userToRunAs() {
  if (process.geteuid() !== 0) return undefined;
  const users = readFileSync("/etc/passwd", "utf8").split("\n").map((line) => line.split(":"));
  for (const name of ["postgres", "nobody"]) {
    const found = users.find((fields) => fields[0] === name);
    if (found) return { uid: Number(found[2]), gid: Number(found[3]) };
  }
  throw new Error("Postgres doesn't run as root, and there is no user `postgres` or `nobody` to run it as");
}

function checkReach({ uid }, folder) {
  for (let above = folder; above !== dirname(above); above = dirname(above)) {
    if ((statSync(above).mode & 0o001) === 0) {
      throw new Error(`user ${uid}, whom Postgres runs as, can't pass through ${above}: set TMPDIR to another folder`);
    }
  }
}

/** `$TILLFLOW_NATS_SERVER`, then `.cache/bin/nats-server` in a folder above, then the first on `PATH`. */
function natsServer() {
  const named = process.env.TILLFLOW_NATS_SERVER;
  const candidates = named ? [named] : [
    ...[process.cwd(), dirname(fileURLToPath(import.meta.url))].flatMap(above)
      .map((folder) => join(folder, ".cache/bin/nats-server")),
    ...onPath("nats-server"),
  ];
  const found = candidates.find((program) => existsSync(program));
  if (!found) throw new Error("no nats-server: run script/setup, or name it in TILLFLOW_NATS_SERVER");
  return found;
}

/** `$TILLFLOW_POSTGRES_BIN`, then that of `pg_config`, then the newest in `/usr/lib/postgresql`, then `PATH`. */
function postgresFolder() {
  const named = process.env.TILLFLOW_POSTGRES_BIN;
  const candidates = named ? [named] : [...configured(), ...versioned(), ...onPath("postgres").map(dirname)];
  const isComplete = (folder) => ["initdb", "postgres"].every((name) => existsSync(join(folder, name)));
  const found = candidates.find(isComplete);
  if (!found) throw new Error("no Postgres: run script/setup, or name its folder in TILLFLOW_POSTGRES_BIN");
  return found;
}

function configured() {
  const { status, stdout } = spawnSync("pg_config", ["--bindir"], { encoding: "utf8" });
  return status === 0 ? [stdout.trim()] : [];
}

function versioned() {
  const home = "/usr/lib/postgresql";
  const versions = existsSync(home) ? readdirSync(home).filter((name) => /^\d+$/.test(name)) : [];
  return versions.sort((a, b) => b - a).map((version) => join(home, version, "bin"));
}

function above(folder) {
  return folder === dirname(folder) ? [folder] : [folder, ...above(dirname(folder))];
}

const onPath = (program) => (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, program));
