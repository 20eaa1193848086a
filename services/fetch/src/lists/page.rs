//! Reads one page, hands its objects to the intake, and stores where the next page begins.

use super::{Due, Lists, Next, sort};
use crate::STAGE;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use model::{
    CollectionState, DeliveryId, Health, ListRead, ListedObject, PageCounts, PageFailure, PageRead,
    RawDigest, Timestamp,
};
use outlet::NotAccepted;
use platforms::{AccountRefusal, CallError, ListPage, Object, Wanted};
use runner::now;
use stage::Reject;
use store::StoreError;

/// Upper limit of a page's objects that are handed over at once.
const HANDED_OVER_AT_ONCE: usize = 16;

impl Lists {
    /// Reads the page that is due.
    pub(super) async fn read_page(&self, due: &Due<'_>, state: CollectionState) -> Result<Next, StoreError> {
        let Some(read) = state.read.clone() else { return Ok(Next::Now) };
        // A closed semaphore has no permits; this one is never closed.
        let _permit = self.shared.pages.acquire().await;
        let wanted =
            Wanted { collection: due.name(), range: read.range.into(), cursor: read.cursor.as_deref() };
        // On the heap: the calls below it make it large.
        let target = due.target();
        let page_at = now();
        match Box::pin(self.shared.fetcher.list(due.platform, &target, &wanted, page_at)).await {
            Ok(page) => Box::pin(self.take_page(due, state, (&read, page_at), page)).await,
            Err(error) => self.not_read(due, state, error).await,
        }
    }

    async fn take_page(
        &self,
        due: &Due<'_>,
        mut state: CollectionState,
        (read, page_at): (&ListRead, Timestamp),
        page: ListPage,
    ) -> Result<Next, StoreError> {
        let store = &self.shared.store;
        if due.connection.health != Health::Ok {
            store.note_account_accepted(due.connection).await?;
        }
        let seen = page.objects.iter().filter(|listed| !listed.key.is_empty()).count() as u64;
        let keys =
            page.objects.iter().map(|listed| listed.key.clone()).filter(|key| ListedObject::is_key(key));
        let keys: Vec<String> = keys.collect();
        let known = store.known_objects(&self.connection, due.name(), &keys).await?;
        let of_page = PageRead { number: read.number, reports_all: read.reports_all, page_at };
        let sorted = sort::sort(page.objects, known, of_page);
        let reported = sorted.reported.len() as u64;
        if let Err(not_accepted) = self.hand_over_all(due, (read, page_at), sorted.reported).await {
            return self.failed(due, state, &PageFailure::OwnOutage, &not_accepted.to_string()).await;
        }
        runner::kill_point(STAGE, "page_accepted");
        let counts = PageCounts {
            seen,
            reported,
            has_repeats: sorted.has_repeats,
            total: page.total,
            next: page.next.map(|next| (next.cursor, next.wait)),
        };
        let ended = state.take_page(&counts, &due.plan, due.spread, now());
        if store.save_page(due.row, &state, (read.number, page_at), &sorted.seen).await? {
            self.shared.measure.page(due.platform.name(), due.name(), seen, reported);
            self.note_ended(due, ended);
        }
        runner::kill_point(STAGE, "page_kept");
        Ok(Next::Now)
    }

    /// Hands objects to the intake, several at once, as received when the page was requested: what another source reports
    /// later is later. Their ids are the same for a page that is read again.
    async fn hand_over_all(
        &self,
        due: &Due<'_>,
        (read, at): (&ListRead, Timestamp),
        objects: Vec<(RawDigest, Object)>,
    ) -> Result<(), NotAccepted> {
        let target = &due.target();
        let handed_over = objects.into_iter().map(|(digest, object)| async move {
            let id = read.object_id(&self.connection, object.topic, digest);
            self.hand_over(due, target, (id, object), at).await
        });
        stream::iter(handed_over).buffer_unordered(HANDED_OVER_AT_ONCE).try_collect().await
    }

    /// Hands one object to the intake. One that is larger than any body may be is passed over: it would hold up all others
    /// for ever.
    pub(super) async fn hand_over(
        &self,
        due: &Due<'_>,
        target: &outlet::Target<'_>,
        (id, object): (DeliveryId, Object),
        at: Timestamp,
    ) -> Result<(), NotAccepted> {
        match self.shared.fetcher.hand_over(target, id, object, at).await {
            Err(NotAccepted::TooLarge(reason)) => {
                self.shared.measure.refused(due.platform.name(), due.name());
                tracing::warn!(
                    stage = STAGE, connection.id = %self.connection, collection = due.name(), reason,
                    "an object of a list is too large"
                );
                Ok(())
            }
            other => other,
        }
    }

    /// Takes a failed call.
    async fn not_read(
        &self,
        due: &Due<'_>,
        state: CollectionState,
        error: CallError,
    ) -> Result<Next, StoreError> {
        let reason = error.to_string();
        if let CallError::AccountRefused(refusal, reject) = &error {
            return Box::pin(self.account_refused(due, state, *refusal, reject)).await;
        }
        let failure = error.page_failure();
        self.failed(due, state, &failure, &reason).await
    }

    /// Takes a refusal of the account. Permissions of platforms are per kind of object: if another list can be read, the
    /// account is fine and only this list is refused.
    async fn account_refused(
        &self,
        due: &Due<'_>,
        state: CollectionState,
        refusal: AccountRefusal,
        reject: &Reject,
    ) -> Result<Next, StoreError> {
        let reason = reject.to_string();
        if let Some(other) = self.another_list(due) {
            match other.await {
                Ok(_) => return self.failed(due, state, &PageFailure::Refused, &reason).await,
                Err(CallError::AccountRefused(..)) => {}
                Err(_) => return self.failed(due, state, &PageFailure::Outage, &reason).await,
            }
        }
        crate::refusal::note(&self.shared.store, due.connection, refusal, &reason).await?;
        tracing::warn!(stage = STAGE, connection.id = %self.connection, reason, "the account refuses its lists");
        Ok(Next::Now)
    }

    /// The first page of another collection, of which the last read wasn't given up.
    fn another_list<'a>(
        &'a self,
        due: &'a Due<'_>,
    ) -> Option<impl Future<Output = Result<ListPage, CallError>> + use<'a>> {
        let row_of = |name: &str| due.rows.iter().find(|row| row.collection == name);
        let other =
            due.collections.all().iter().find(|it| {
                it.name != due.name() && row_of(it.name).is_some_and(|row| row.state.given_up == 0)
            })?;
        let row = row_of(other.name)?;
        let range = self.plan(other, row).next_range(&row.state, now()).into();
        Some(async move {
            let wanted = Wanted { collection: other.name, range, cursor: None };
            self.shared.fetcher.list(due.platform, &due.target(), &wanted, now()).await
        })
    }
}
