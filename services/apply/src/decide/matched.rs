//! Links of matches, and the products that go with them.

use super::{
    Decision, View, Write,
    links::{self, Links},
    report::field_key,
    view::links_of,
};
use model::{
    Event, ExternalId, MatchedLink, Mirror, Outcome, ProductId, VariantId,
    record::{Effect, ProductRow},
};
use stage::Reject;

/// Links an item to the variant that it was matched with. Changes nothing if the item isn't what it was when it was
/// matched, if another platform has it too, or if the other variant isn't another platform's alone: a match is decided
/// outside of the order of events, and its link within.
pub(super) fn link(event: &Event, link: &MatchedLink, view: &View<'_>) -> Result<Decision, Reject> {
    if let Some(reason) = refusal(event, link, view) {
        return Ok(Decision::of(Outcome::Unchanged, reason));
    }
    let product_of = |id: &VariantId| view.facts.variants.get(id).map(|row| row.product.clone());
    let mut links = links::moved(event, &link.variant, &link.to, view)?;
    if let (true, Some(from), Some(to)) = (link.is_only_variant, product_of(&link.from), product_of(&link.to))
        && let Some(external) = only_product(&links, &link.variant, &from)
    {
        move_product(&mut links, &external, &to);
        links.product_is_left(&from);
    }
    Ok(links.decision(if link.is_automatic {
        "matched without a person"
    } else {
        "a match that was accepted"
    }))
}

/// The reason for which a match no longer holds.
fn refusal(event: &Event, link: &MatchedLink, view: &View<'_>) -> Option<&'static str> {
    let connection = &event.origin.connection;
    let has_own = view.facts.linked_by.get(&link.to).is_some_and(|by| by.contains(connection));
    let is_of_store = view.facts.variants.get(&link.to).is_some_and(|row| row.store == event.origin.store);
    if view.variant_link(event, &link.variant).as_ref() != Some(&link.from) {
        Some("the item was linked otherwise meanwhile")
    } else if view.is_variant_linked_by_others(event, &link.from) {
        Some("another platform has the item's variant by now")
    } else if has_own || !is_of_store || !view.is_variant_linked_by_others(event, &link.to) {
        Some("the other variant was linked otherwise meanwhile")
    } else {
        None
    }
}

/// Returns the platform's product that is linked to `product`, if it is the only one and has no variant there but
/// `variant`.
fn only_product(links: &Links<'_>, variant: &ExternalId, product: &ProductId) -> Option<ExternalId> {
    let (event, view) = (links.event, links.view);
    let mut own = links_of(&view.facts.links.products, &event.origin.connection);
    let mut linked = own.by_ref().filter(|(_, to)| *to == product).map(|(external, _)| external);
    let external = linked.next()?;
    let is_only = linked.next().is_none()
        && view.listing_of(event, variant).is_none_or(|listing| listing == external)
        && view.variants_of(event, product).iter().all(|(external, _)| external == variant);
    is_only.then(|| external.clone())
}

/// Links a platform's product, with its text, to a product of the store.
fn move_product(links: &mut Links<'_>, external: &ExternalId, to: &ProductId) {
    links.changed = true;
    links.writes.push(Write::ProductLink(external.clone(), Some(to.clone())));
    let key = field_key(links.event, external);
    if let Some(known) = links.view.facts.mirrors.texts.get(&key) {
        let mut mirror = known.clone();
        mirror.link(Some(to.clone()));
        links.writes.push(Write::Mirror(Mirror::Text(key, mirror)));
    }
    links.effects.push(Effect::Text { product: to.clone() });
}

/// Links the product of a variant that is one of its own again to the product that it was before, if the variant alone
/// had brought it to the other one.
pub(super) fn product_returns(
    links: &mut Links<'_>,
    variant: &ExternalId,
    linked: &VariantId,
    own: &VariantId,
) {
    let rows = &links.view.facts.variants;
    let (Some(left), Some(own)) = (rows.get(linked), rows.get(own)) else { return };
    let Some(external) = only_product(links, variant, &left.product) else { return };
    let product = ProductId::derive(&links.event.origin.connection, &external);
    if own.product != product || left.product == product {
        return;
    }
    if let Some(row) = links.view.facts.products.get(&product).filter(|row| row.deleted_at.is_some()) {
        links.writes.push(Write::Product(ProductRow { deleted_at: None, ..row.clone() }));
    }
    move_product(links, &external, &product);
}
