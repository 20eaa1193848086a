//! Writes to a machine, as `propagate` makes them.

use super::Json;
use crate::{
    outbound::Due,
    shop::{Asked, Content, Outcome, Shop, Webhook, external, place_id},
};
use model::{MirrorKey, Timestamp};
use platforms::{CallContext, CallError, Exchange, Write, Writer, batch_key};
use serde_json::Value;
use simulator::MachineWebhook;
use stage::{Reject, RejectClass};

impl Json {
    /// Makes writes of one kind, in one request if they are several and can be one.
    fn write(&mut self, due: &[Due], now: Timestamp) -> Vec<Outcome> {
        let Some(writer) = self.platform().and_then(|platform| platform.writer()) else {
            return vec![Err(bug("the platform accepts no writes")); due.len()];
        };
        let writes: Vec<Result<Write, CallError>> = due.iter().map(write).collect();
        if due.len() > 1
            && let Ok(writes) = writes.iter().cloned().collect::<Result<Vec<Write>, CallError>>()
            && let Some(outcomes) = self.write_batch(writer, due, &writes, now)
        {
            return outcomes;
        }
        due.iter().zip(writes).map(|(due, write)| self.write_one(writer, due, &write?, now)).collect()
    }

    /// Makes several writes in one request; `None` if they can't be one.
    fn write_batch(
        &mut self,
        writer: &dyn Writer,
        due: &[Due],
        writes: &[Write],
        now: Timestamp,
    ) -> Option<Vec<Outcome>> {
        let access = self.access();
        let key = batch_key(due.iter().map(|due| due.sent_key.as_str()));
        let context = CallContext { access: &access, idempotency_key: &key, now: due.first()?.begun_at };
        let request = writer.batch(writes, &context).ok()?;
        let reply = self.call(&request, now);
        Some(writer.outcomes(writes, &reply.as_reply()))
    }

    fn write_one(&mut self, writer: &dyn Writer, due: &Due, write: &Write, now: Timestamp) -> Outcome {
        let access = self.access();
        let context = CallContext { access: &access, idempotency_key: &due.sent_key, now: due.begun_at };
        let mut exchange = Exchange::begin(writer, write, context);
        loop {
            match exchange {
                Exchange::Ended(outcome) => return outcome,
                Exchange::Send(request, awaiting) => {
                    let reply = self.call(&request, now);
                    exchange = awaiting.received(&reply.as_reply());
                }
            }
        }
    }
}

fn bug(reason: &str) -> CallError {
    CallError::Rejected(Reject::new(RejectClass::Bug, reason))
}

/// A due write as the platform's writer takes it.
fn write(due: &Due) -> Result<Write, CallError> {
    match (&due.asked, &due.key) {
        (Asked::Level { place, from, to }, MirrorKey::Level(key)) => Ok(Write::Level {
            item: key.item.clone(),
            location: Some(place_id(*place)),
            to: *to,
            from: *from,
        }),
        (Asked::Price(to), MirrorKey::Price(key)) => {
            let product = due.product.clone().ok_or_else(|| bug("the product isn't linked"))?;
            Ok(Write::Price { product, variant: key.external.clone(), to: *to })
        }
        (Asked::Text(to), MirrorKey::Text(key)) => {
            Ok(Write::Text { product: key.external.clone(), to: to.clone() })
        }
        _ => Err(bug("a write of another kind than its mirror")),
    }
}

impl Shop {
    /// Accepts writes; returns their outcomes, and the webhooks of their changes.
    pub(in crate::shop) fn write_json(
        &mut self,
        due: &[Due],
        now: Timestamp,
    ) -> (Vec<Outcome>, Vec<Webhook>) {
        let Some(json) = &mut self.json else { return (Vec::new(), Vec::new()) };
        json.set_taken(self.takes_token);
        let outcomes = json.write(due, now);
        let goods: Vec<Option<usize>> = due.iter().map(|due| self.find(&due.external)).collect();
        for ((index, due), outcome) in goods.iter().zip(due).zip(&outcomes) {
            if let (Some(index), Asked::Level { place, .. }, Ok(_)) = (index, &due.asked, outcome) {
                self.goods[*index].made_zero.remove(place);
            }
        }
        self.look(now);
        let Some(index) = goods.into_iter().flatten().next() else { return (outcomes, Vec::new()) };
        let mut webhooks = self.reported(index, false, false);
        for webhook in &mut webhooks {
            let counted = if let Content::Raw(raw, _) = &webhook.content { self.counted(raw) } else { None };
            webhook.good = counted.or(webhook.good);
        }
        (outcomes, webhooks)
    }

    /// The good whose level a webhook of Shopify reports.
    fn counted(&self, (_, body): &MachineWebhook) -> Option<usize> {
        let body: Value = serde_json::from_slice(body).ok()?;
        self.find(&external(&body.get("inventory_item_id")?.to_string()))
    }
}
