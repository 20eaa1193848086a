//! Promotions, as their platform reports them. A promotion belongs to one platform: its last report stands.

use super::{
    Decision, View, Write,
    clock::changed_at,
    sales::{applied, deletion_version, older, unchanged},
};
use model::{
    Event, ExternalId, Outcome, PromotionId,
    promotion::{Activity, Promotion},
    record::PromotionRow,
};

/// Decides the report of a promotion.
pub(super) fn reported(event: &Event, promotion: &Promotion, view: &View<'_>) -> Decision {
    let known = known(event, &promotion.external, view);
    let row = report(event, promotion.clone(), known);
    let Some(known) = known else { return applied(Write::Promotion(row)) };
    let is_late =
        known.deleted_at.is_some_and(|deleted| event.version.is_none() && event.received_at <= deleted);
    if older(event.version_number(), known.version) || is_late {
        return Decision::of(Outcome::Stale, "");
    }
    if row.promotion == known.promotion && known.deleted_at.is_none() {
        return unchanged((row.version != known.version).then_some(Write::Promotion(row)));
    }
    applied(Write::Promotion(row))
}

/// Decides the deletion of a promotion. Of one that was never reported, the id and version are kept, so that an older
/// report of it is stale.
pub(super) fn deleted(event: &Event, external: &ExternalId, view: &View<'_>) -> Decision {
    let known = known(event, external, view);
    let row = deletion(event, external, known);
    match known {
        Some(known) if older(event.version_number(), known.version) => Decision::of(Outcome::Stale, ""),
        Some(known) if known.deleted_at.is_some() => {
            let newer = PromotionRow { version: event.version_number().max(known.version), ..known.clone() };
            unchanged((newer.version != known.version).then_some(Write::Promotion(newer)))
        }
        Some(_) => applied(Write::Promotion(row)),
        None => Decision { reason: "deleted before it was reported", ..applied(Write::Promotion(row)) },
    }
}

/// Decides the begin or the end of a promotion that our own service found out. One of a promotion that was changed since
/// is stale: whoever watches it looks at it again.
pub(super) fn started_or_ended(
    event: &Event,
    promotion: &Promotion,
    activity: Activity,
    view: &View<'_>,
) -> Decision {
    let Some(known) = known(event, &promotion.external, view) else {
        return Decision::of(Outcome::Stale, "the promotion isn't known");
    };
    if known.promotion != *promotion {
        return Decision::of(Outcome::Stale, "the promotion was changed since");
    }
    match known.activity {
        Some(announced) if announced == activity => unchanged(None),
        Some(announced) if activity.since < announced.since => {
            Decision::of(Outcome::Stale, "a later one was announced")
        }
        _ => applied(Write::Promotion(self::activity(known, activity))),
    }
}

/// The row after the begin or the end of a promotion.
pub(crate) fn activity(known: &PromotionRow, activity: Activity) -> PromotionRow {
    PromotionRow { activity: Some(activity), watched_from: activity.since, ..known.clone() }
}

fn known<'a>(event: &Event, external: &ExternalId, view: &'a View<'_>) -> Option<&'a PromotionRow> {
    view.facts.promotions.get(&PromotionId::derive(&event.origin.connection, external))
}

/// The row after the report of a promotion. What was announced of its begin or end stays; what follows from the report is
/// watched from its receipt on.
pub(crate) fn report(event: &Event, promotion: Promotion, known: Option<&PromotionRow>) -> PromotionRow {
    let same = known.filter(|known| known.promotion == promotion);
    PromotionRow {
        activity: known.and_then(|known| known.activity),
        watched_from: same.map_or(event.received_at, |known| known.watched_from),
        id: PromotionId::derive(&event.origin.connection, &promotion.external),
        tenant: event.origin.tenant.clone(),
        store: event.origin.store.clone(),
        connection: event.origin.connection.clone(),
        version: event.version_number().max(known.and_then(|known| known.version)),
        promotion,
        deleted_at: None,
    }
}

/// The row after the deletion of a promotion.
pub(crate) fn deletion(event: &Event, external: &ExternalId, known: Option<&PromotionRow>) -> PromotionRow {
    PromotionRow {
        version: deletion_version(event).max(known.and_then(|known| known.version)),
        deleted_at: Some(changed_at(event)),
        ..report(event, Promotion::bare(external.clone()), known)
    }
}
