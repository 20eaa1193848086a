// The tables, and the transaction of one batch.

/** The tables of the peer. `cursors` has one row: the sequence in RAW up to which everything is committed. */
export const TABLES = `
  create table events (
    id text collate "C" primary key,
    raw_sequence bigint not null,
    store text collate "C" not null,
    occurred_at timestamptz not null,
    accepted_at timestamptz not null,
    payload jsonb not null
  );
  create table levels (
    store text collate "C" not null,
    item bigint not null,
    location bigint not null,
    quantity integer not null,
    updated_at timestamptz not null,
    primary key (store, item, location)
  ) with (fillfactor = 70);
  create table movements (
    raw_sequence bigint primary key,
    event text collate "C" not null,
    store text collate "C" not null,
    item bigint not null,
    location bigint not null,
    delta integer not null,
    level integer not null
  );
  create table cursors (consumer text primary key, raw_sequence bigint not null);
  insert into cursors values ('apply', 0);
`;

const MOVE_CURSOR = {
  name: "move_cursor",
  text: "update cursors set raw_sequence = $1 where consumer = 'apply' and raw_sequence = $2",
};
const ADD_EVENTS = {
  name: "add_events",
  text: `
    insert into events (id, raw_sequence, store, occurred_at, accepted_at, payload)
    select id, raw_sequence, store, occurred_at, to_timestamp(accepted_ms / 1000), payload
    from unnest($1::text[], $2::bigint[], $3::text[], $4::timestamptz[], $5::float8[], $6::jsonb[])
      as added (id, raw_sequence, store, occurred_at, accepted_ms, payload)
    on conflict (id) do nothing
    returning id, raw_sequence`,
};
const LOAD_LEVELS = {
  name: "load_levels",
  text: `
    select levels.store, levels.item, levels.location, quantity, updated_at
    from (select distinct * from unnest($1::text[], $2::bigint[], $3::bigint[])) as wanted (store, item, location)
    join levels using (store, item, location)`,
};
const SET_LEVELS = {
  name: "set_levels",
  text: `
    insert into levels (store, item, location, quantity, updated_at)
    select * from unnest($1::text[], $2::bigint[], $3::bigint[], $4::integer[], $5::timestamptz[])
    on conflict (store, item, location)
    do update set quantity = excluded.quantity, updated_at = excluded.updated_at`,
};
const ADD_MOVEMENTS = {
  name: "add_movements",
  text: `
    insert into movements (raw_sequence, event, store, item, location, delta, level)
    select * from unnest($1::bigint[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::integer[], $7::integer[])`,
};
const CHANGES = {
  name: "changes",
  text: `
    select movements.event, movements.store, item, location, delta, level,
      extract(epoch from accepted_at)::float8 * 1000 as "acceptedMs"
    from movements join events on events.id = movements.event
    where movements.raw_sequence = any($1::bigint[]) order by movements.raw_sequence`,
};

/** The values of `rows` by column, as `unnest` takes them. */
const columns = (rows, ...names) => names.map((name) => rows.map((row) => row[name]));
const keyOf = ({ store, item, location }) => `${store} ${item} ${location}`;

/** Commits events behind `cursor`, in their order, and returns their changes. */
export async function commit(client, cursor, events) {
  await client.query("begin");
  try {
    const end = events.at(-1).raw_sequence;
    const moved = await client.query({ ...MOVE_CURSOR, values: [end, cursor] });
    if (moved.rowCount !== 1) throw new Error(`the cursor isn't at ${cursor}: another consumer moved it`);
    const changes = await record(client, events);
    await client.query("commit");
    return changes;
  } catch (error) {
    await client.query("rollback");
    throw error;
  }
}

async function record(client, events) {
  const values = columns(events, "id", "raw_sequence", "store", "occurred_at", "acceptedMs", "payload");
  const added = await client.query({ ...ADD_EVENTS, values });
  const isNew = new Set(added.rows.map((row) => Number(row.raw_sequence)));
  const unique = events.filter((event) => isNew.has(event.raw_sequence));
  const loaded = await client.query({ ...LOAD_LEVELS, values: columns(unique, "store", "item", "location") });
  const held = loaded.rows.map(({ quantity, updated_at }, index) => [
    keyOf(loaded.rows[index]), { quantity, updatedMs: updated_at.getTime() },
  ]);
  const { changes, levels } = decide(unique, new Map(held));
  if (changes.length === 0) return changes;
  const set = columns(levels, "store", "item", "location", "available", "occurred_at");
  await client.query({ ...SET_LEVELS, values: set });
  const movements = columns(changes, "raw_sequence", "event", "store", "item", "location", "delta", "level");
  await client.query({ ...ADD_MOVEMENTS, values: movements });
  return changes;
}

/** Decides events over the levels that are held: a level is set by a newer event, and moves by the difference. */
function decide(events, held) {
  const changes = [];
  const last = new Map();
  for (const event of events) {
    const key = keyOf(event);
    const level = held.get(key);
    if (level && event.updatedMs <= level.updatedMs) continue;
    held.set(key, { quantity: event.available, updatedMs: event.updatedMs });
    last.set(key, event);
    const { id, raw_sequence, store, item, location, available, acceptedMs } = event;
    const delta = available - (level?.quantity ?? 0);
    if (delta !== 0) {
      changes.push({ raw_sequence, event: id, store, item, location, delta, level: available, acceptedMs });
    }
  }
  return { changes, levels: [...last.values()] };
}

/** Returns the committed changes of messages of RAW. */
export async function committedChanges(client, sequences) {
  const { rows } = await client.query({ ...CHANGES, values: [sequences] });
  return rows.map((row) => ({ ...row, item: Number(row.item), location: Number(row.location) }));
}
