// The consumer: reads RAW in order and in batches, commits each batch, and publishes its changes to APPLIED.

import { setTimeout as sleep } from "node:timers/promises";
import { commit, committedChanges } from "./database.mjs";
import { within } from "./limits.mjs";

/** Upper limit of the messages of a batch. */
const BATCH_MAX = 500;
/** Time that an incomplete batch waits for further messages. */
const BATCH_WAIT_MS = 10;
/** Number of messages that the broker may send ahead. */
const PREFETCH = 2000;
/** Time without a message after which the run is aborted. */
const STALLED_MS = 60_000;
const COMMIT_LIMIT_MS = 30_000;
const ACK_LIMIT_MS = 30_000;

export class Consumer {
  constructor(js, client, connections) {
    Object.assign(this, { js, client, connections, cursor: 0, waiting: [], wake: () => {}, lastBatch: [] });
  }

  /** Reads until everything up to sequence `end` of RAW is committed and its changes are published. */
  async run(end) {
    const consumer = await this.js.consumers.get("RAW", "apply");
    const callback = (message) => {
      this.waiting.push(message);
      this.wake();
    };
    const messages = await consumer.consume({ callback, max_messages: PREFETCH });
    while (this.cursor < end) await this.apply(await this.#batch());
    await messages.close();
  }

  async #batch() {
    await within(STALLED_MS, "a message of RAW", this.#arrived(1));
    await Promise.race([this.#arrived(BATCH_MAX), sleep(BATCH_WAIT_MS)]);
    return this.waiting.splice(0, BATCH_MAX);
  }

  /** Waits until `count` messages are waiting. */
  #arrived(count) {
    return new Promise((resolve) => {
      this.wake = () => this.waiting.length >= count && resolve();
      this.wake();
    });
  }

  /**
   * Applies messages and acknowledges them once their changes are in APPLIED. Of messages that were committed before,
   * the changes are published again: the run before may have ended in between.
   */
  async apply(messages) {
    const fresh = messages.filter((message) => message.seq > this.cursor);
    const again = messages.filter((message) => message.seq <= this.cursor).map((message) => message.seq);
    fresh.forEach((message, index) => {
      if (message.seq !== this.cursor + index + 1) throw new Error(`RAW's message ${this.cursor + index + 1} is missing`);
    });
    const changes = again.length > 0 ? await committedChanges(this.client, again) : [];
    if (fresh.length > 0) {
      const events = fresh.map((message) => this.#event(message));
      const committed = commit(this.client, this.cursor, events);
      changes.push(...(await within(COMMIT_LIMIT_MS, "the commit of a batch", committed)));
      this.cursor = fresh.at(-1).seq;
    }
    await Promise.all(changes.map((change) => this.#publish(change)));
    // All messages before it are acknowledged with it.
    messages.at(-1).ack();
    this.lastBatch = messages;
  }

  #event(message) {
    const connection = message.subject.slice("raw.".length);
    const payload = message.string();
    const { inventory_item_id: item, location_id: location, available, updated_at } = JSON.parse(payload);
    const updatedMs = Date.parse(updated_at);
    if (![item, location, available, updatedMs].every(Number.isSafeInteger)) {
      throw new Error(`RAW's message ${message.seq} isn't a report of a level`);
    }
    return {
      id: `${connection}:${message.headers.get("x-shopify-webhook-id")}`,
      raw_sequence: message.seq,
      store: this.connections.get(connection).store,
      occurred_at: updated_at,
      acceptedMs: Number(message.headers.get("accepted-at")),
      item, location, available, updatedMs, payload,
    };
  }

  #publish({ raw_sequence: _, ...change }) {
    const options = { msgID: change.event, timeout: ACK_LIMIT_MS };
    return this.js.publish(`applied.${change.store}.inventory`, JSON.stringify(change), options);
  }
}
