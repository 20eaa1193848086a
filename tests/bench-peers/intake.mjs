// The intake: verifies signed deliveries and keeps them in RAW.

import { timingSafeEqual } from "node:crypto";
import { headers } from "@nats-io/transport-node";
import { signature } from "./feed.mjs";
import { now, within } from "./limits.mjs";

/** Time limit of the broker's acknowledgement. */
const ACK_LIMIT_MS = 30_000;
/** Number of deliveries that wait for their acknowledgement at once; that of `tillflow bench pipeline`. */
const IN_FLIGHT = 2048;

export class Intake {
  /** @param batchMax upper limit of the deliveries that are appended at once */
  constructor(js, connections, batchMax) {
    Object.assign(this, { js, connections, batchMax, waiting: [], isAppending: false });
  }

  /** Verifies a delivery and returns when it is on disk. A delivery without a genuine signature is refused. */
  async accept({ connection, headers: received, body }) {
    const acceptedMs = now();
    const known = this.connections.get(connection);
    const claimed = Buffer.from(received["x-shopify-hmac-sha256"] ?? "", "base64");
    const expected = signature(known?.secret ?? "", body);
    if (!known || claimed.length !== expected.length || !timingSafeEqual(claimed, expected)) {
      throw new Error("refused: the signature isn't genuine");
    }
    const kept = headers();
    kept.set("accepted-at", String(acceptedMs));
    kept.set("x-shopify-webhook-id", received["x-shopify-webhook-id"]);
    const message = { subject: `raw.${connection}`, body, headers: kept };
    return this.batchMax === 1 ? this.#append([message]) : this.#queue(message);
  }

  #queue(message) {
    return new Promise((resolve, reject) => {
      this.waiting.push({ message, resolve, reject });
      if (!this.isAppending) this.#appendWaiting();
    });
  }

  /** Appends what waits. One append is in flight; deliveries that wait meanwhile are the next one. */
  async #appendWaiting() {
    this.isAppending = true;
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, this.batchMax);
      const append = this.#append(batch.map(({ message }) => message));
      await append.then(
        () => batch.forEach(({ resolve }) => resolve()),
        (error) => batch.forEach(({ reject }) => reject(error)),
      );
    }
    this.isAppending = false;
  }

  /** Appends messages: all or none, synced once. */
  async #append([first, ...others]) {
    const options = { headers: first.headers, timeout: ACK_LIMIT_MS };
    const last = others.pop();
    if (!last) return this.js.publish(first.subject, first.body, options);
    const batch = await this.js.startBatch(first.subject, first.body, options);
    others.forEach(({ subject, body, headers: kept }) => batch.add(subject, body, { headers: kept }));
    return batch.commit(last.subject, last.body, { headers: last.headers, timeout: ACK_LIMIT_MS });
  }
}

/** Sends deliveries in order, as fast as they are acknowledged. Any that isn't ends the run. */
export async function send(deliveries, intake) {
  let inFlight = 0;
  let failure;
  let wake = () => {};
  const settled = () => {
    inFlight -= 1;
    wake();
  };
  const failed = (error) => {
    failure ??= error;
    settled();
  };
  const room = (max) => within(ACK_LIMIT_MS, "an acknowledgement of RAW", new Promise((resolve) => {
    wake = () => inFlight < max && resolve();
  }));
  for (const delivery of deliveries) {
    if (inFlight >= IN_FLIGHT) await room(IN_FLIGHT);
    if (failure) throw failure;
    inFlight += 1;
    intake.accept(delivery).then(settled, failed);
  }
  while (inFlight > 0) await room(inFlight);
  if (failure) throw failure;
}
