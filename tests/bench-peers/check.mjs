// The verification of a run's result.

import { within } from "./limits.mjs";

const CHECK_LIMIT_MS = 60_000;

/** Fails unless the database and the streams hold exactly what `deliveries` are supposed to leave. */
export async function check(run, deliveries) {
  await within(CHECK_LIMIT_MS, "the check of the result", checkAll(run, deliveries));
}

async function checkAll({ client, jsm, intake, consumer }, deliveries) {
  await holds(client, jsm, deliveries, deliveries.length);

  // The broker delivers the last batch again, as after a lost acknowledgement.
  await consumer.apply(consumer.lastBatch);
  await holds(client, jsm, deliveries, deliveries.length);

  // The platform sends a delivery again.
  await intake.accept(deliveries[0]);
  await consumer.run(deliveries.length + 1);
  await holds(client, jsm, deliveries, deliveries.length + 1);

  const [{ headers }, { connection, body }] = [deliveries[0], deliveries[1]];
  const refused = await intake.accept({ connection, headers, body }).then(() => false, () => true);
  expect("a forged delivery's refusal", refused, true);
}

async function holds(client, jsm, deliveries, rawCount) {
  const count = deliveries.length;
  const { rows: [held] } = await client.query(`
    select (select count(*) from events)::int as events, (select count(*) from movements)::int as movements,
      (select raw_sequence from cursors)::int as cursor,
      (select count(*) from events left join movements on event = id where event is null)::int as "withoutMovement",
      (select count(*) from levels left join (
          select store, item, location, sum(delta) as total from movements group by store, item, location
        ) as ledger using (store, item, location) where total is distinct from quantity)::int as "unlikeLedger"`);
  expect("events", held.events, count);
  expect("movements", held.movements, count);
  expect("events without a movement", held.withoutMovement, 0);
  expect("levels unlike the sum of their movements", held.unlikeLedger, 0);
  expect("the cursor", held.cursor, rawCount);
  expect("messages in RAW", (await jsm.streams.info("RAW")).state.messages, rawCount);
  expect("messages in APPLIED", (await jsm.streams.info("APPLIED")).state.messages, count);

  const last = new Map(deliveries.map(({ connection, body }) => {
    const { inventory_item_id: item, available } = JSON.parse(body);
    return [`${connection.replace("shop", "store")} ${item}`, available];
  }));
  const { rows: levels } = await client.query("select store, item, quantity from levels");
  expect("levels", levels.length, last.size);
  for (const { store, item, quantity } of levels) {
    expect(`the level of item ${item} of ${store}`, quantity, last.get(`${store} ${item}`));
  }
}

function expect(what, actual, expected) {
  if (actual !== expected) throw new Error(`the result is wrong: ${what}: ${actual} instead of ${expected}`);
}
