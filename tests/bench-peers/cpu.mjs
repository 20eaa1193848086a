// CPU time of processes, from `/proc` (proc(5)), as `crates/cli/src/bench/cpu.rs` reads it.

import { readFileSync, readdirSync } from "node:fs";

/** Clock ticks a second (`sysconf(_SC_CLK_TCK)`); 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

/** CPU seconds that this process, the broker, and the database with all its processes have used so far. */
export function cpuSeconds({ nats, postgres }) {
  const database = [postgres.pid, ...childrenOf(postgres.pid)].map(secondsOf);
  return {
    ours: secondsOf(process.pid),
    broker: secondsOf(nats.pid),
    database: database.reduce((sum, seconds) => sum + seconds, 0),
  };
}

/** The fields of `/proc/<pid>/stat` behind the name, which may hold spaces; none if the process is gone. */
function stat(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    return text.slice(text.lastIndexOf(")") + 2).split(" ");
  } catch {
    return [];
  }
}

function secondsOf(pid) {
  // utime and stime are fields 14 and 15, that is 11 and 12 behind the name.
  const fields = stat(pid);
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND;
}

function childrenOf(parent) {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => stat(pid)[1] === String(parent));
}
