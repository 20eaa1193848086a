//! The requests of due writes: one for several of them, or one after the other.

use super::Calls;
use model::{CallClass, MirrorKind};
use outlet::{Failed, OwnedReply};
use platforms::{
    Access, CallContext, CallError, Exchange, HttpRequest, Platform, Write, Writer, Written, batch_key,
};
use stage::{Reject, RejectClass};
use store::{Connection, DueChange, DueWrite};

/// The parties of a connection's writes.
#[derive(Clone, Copy)]
struct Call<'a> {
    platform: &'a dyn Platform,
    writer: &'a dyn Writer,
    connection: &'a Connection,
}

impl Calls {
    /// Makes the calls of writes of one kind; returns the result of each. A batch that can't be made as one is made write
    /// by write.
    pub(super) async fn results(
        &self,
        platform: &dyn Platform,
        connection: &Connection,
        batch: &[DueWrite],
    ) -> Vec<Result<Written, CallError>> {
        let Some(writer) = platform.writer() else {
            let refused = Reject::new(RejectClass::Platform, "the platform accepts no writes");
            return vec![Err(CallError::Rejected(refused)); batch.len()];
        };
        let call = Call { platform, writer, connection };
        let writes: Vec<Result<Write, Reject>> = batch.iter().map(write).collect();
        if batch.len() > 1
            && let Ok(writes) = writes.iter().cloned().collect::<Result<Vec<Write>, Reject>>()
            && let Some(results) = self.call_batch(call, batch, &writes).await
        {
            return results;
        }
        let mut results = Vec::with_capacity(batch.len());
        for (due, write) in batch.iter().zip(writes) {
            results.push(match write {
                Ok(write) => self.call(call, due, &write).await,
                Err(reject) => Err(CallError::Rejected(reject)),
            });
        }
        results
    }

    /// Makes several writes in one request; `None` if they can't be one.
    async fn call_batch(
        &self,
        call: Call<'_>,
        batch: &[DueWrite],
        writes: &[Write],
    ) -> Option<Vec<Result<Written, CallError>>> {
        let [first, ..] = batch else { return None };
        let key = &batch_key(batch.iter().map(|due| due.sent_key.as_str()));
        let all = |error: CallError| vec![Err(error); writes.len()];
        let calls = |access: Access| async move {
            let context = CallContext { access: &access, idempotency_key: key, now: first.begun_at };
            let request = call.writer.batch(writes, &context).ok()?;
            let reply = match self.send(call, first, request).await {
                Ok(reply) => reply,
                Err(error) => return Some(all(error)),
            };
            let outcomes = call.writer.outcomes(writes, &reply.as_reply());
            let mut errors = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
            let limited = errors.find(|error| is_limited(error));
            if let Some(limited) = limited.cloned() {
                self.budgets.heed::<()>(call.connection, call.platform, Err(limited)).await.ok();
            }
            Some(outcomes)
        };
        let made = self.accounts.with_access(call.connection, call.platform, runner::now(), calls).await;
        made.unwrap_or_else(|error| Some(all(error)))
    }

    async fn call(&self, call: Call<'_>, due: &DueWrite, write: &Write) -> Result<Written, CallError> {
        let calls = |access: Access| async move {
            let context = CallContext { access: &access, idempotency_key: &due.sent_key, now: due.begun_at };
            let mut exchange = Exchange::begin(call.writer, write, context);
            loop {
                match exchange {
                    Exchange::Ended(result) => {
                        return self.budgets.heed(call.connection, call.platform, result).await;
                    }
                    Exchange::Send(request, awaiting) => {
                        let reply = self.send(call, due, request).await?;
                        exchange = awaiting.received(&reply.as_reply());
                    }
                }
            }
        };
        self.accounts.with_access(call.connection, call.platform, runner::now(), calls).await?
    }

    /// Sends a request within the platform's rate limit, as a part of the trace of `due`.
    async fn send(
        &self,
        call: Call<'_>,
        due: &DueWrite,
        request: HttpRequest,
    ) -> Result<OwnedReply, CallError> {
        let class = match due.key.kind() {
            MirrorKind::Inventory => CallClass::Stock,
            MirrorKind::Price | MirrorKind::Product => CallClass::Price,
        };
        self.budgets.wait(call.connection, call.platform, class).await?;
        self.client.call(request, due.trace.as_ref()).await.map_err(Failed::into_call_error)
    }
}

const fn is_limited(error: &CallError) -> bool {
    matches!(error, CallError::RateLimited { .. })
}

/// A due write as the platform's writer takes it.
pub(super) fn write(due: &DueWrite) -> Result<Write, Reject> {
    match &due.change {
        DueChange::Level { from, to } => Ok(Write::Level {
            item: due.key.external().clone(),
            location: due.location.clone(),
            to: *to,
            from: *from,
        }),
        DueChange::Price(to) => {
            let unlinked = || Reject::new(RejectClass::Bug, "the variant's product isn't linked");
            let product = due.product.clone().ok_or_else(unlinked)?;
            Ok(Write::Price { product, variant: due.key.external().clone(), to: *to })
        }
        DueChange::Text(to) => Ok(Write::Text { product: due.key.external().clone(), to: to.clone() }),
    }
}
