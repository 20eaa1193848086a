use crate::fixture::*;
use model::{*, record::*};
use sqlx::{Connection as _, PgConnection, Row as _};
use std::{collections::*, time::*};
use store::*;

#[tokio::test]
async fn speed() {
    let database = shop().await;
    let store = &database.store;
    let variants: i64 = 50_000;
    let batch: i64 = 512;
    let mut number = 0;
    let mut raw = PgConnection::connect(&database.url).await.unwrap();
    let mut spent = [Duration::ZERO; 6];
    for round in 0..260_i64 {
        if round == 120 { spent = Default::default(); }
        let mut all = Changes::default();
        let mut keys = RowKeys::default();
        let mut first = FirstKeys { stores: BTreeSet::from([store_id()]), ..Default::default() };
        let mut wants = Wants::default();
        let from = number;
        for _ in 0..batch {
            number += 1;
            let which = (number * 7919) % variants;
            let mut changes = reported(number, "a", 1, 1);
            let v = VariantId::new(&format!("var_{which:020}")).unwrap();
            let item = external(&format!("item-{which}"));
            let (mut key, mut mirror) = changes.mirrors.pop_first().unwrap();
            key.external = item.clone();
            mirror.key = key.clone();
            mirror.internal = Some(v.to_string());
            mirror.held = Some(pieces((number % 1000) as i32));
            first.events.insert((connection_id("a"), changes.endings[0].event));
            keys.mirrors.insert(key.clone());
            keys.levels.insert((v.clone(), place()));
            if number <= variants {
                all.links.insert((connection_id("a"), LinkKind::Item, item.clone()), v.to_string());
                all.links.insert((connection_id("b"), LinkKind::Item, item.clone()), v.to_string());
            }
            all.mirrors.insert(key, mirror);
            all.levels.insert((v.clone(), place()), Quantity::pieces((number % 1000) as i32));
            changes.movements[0].variant = v.clone();
            all.movements.append(&mut changes.movements);
            all.endings.append(&mut changes.endings);
            all.applied.append(&mut changes.applied);
            wants.add(number, &Effect::Level { variant: v, location: place(), delta: Quantity::ZERO, level: Quantity::ZERO });
        }
        all.stores.insert(store_id(), number);
        let payloads = vec![vec![7_u8; 250]; all.applied.len()];
        let s = step(store, Consumer::Apply, number).await;
        let t = Instant::now();
        let mut facts = Facts::default();
        let mut tx = store.begin_apply().await.unwrap();
        tx.first(&first, &mut facts).await.unwrap();
        spent[0] += t.elapsed();
        let t = Instant::now();
        tx.rows(&keys, &mut facts).await.unwrap();
        spent[1] += t.elapsed();
        let t = Instant::now();
        for (key, mirror) in &mut all.mirrors { mirror.sent = facts.mirrors.get(key).and_then(|m| m.sent.clone()); }
        tx.commit(&all, &payloads, &[s]).await.unwrap();
        spent[2] += t.elapsed();
        let t = Instant::now();
        store.applied_after(PARTITION, from, batch).await.unwrap();
        spent[3] += t.elapsed();
        let writes = ["shopify", "treez"].map(|p| (PlatformName::new(p).unwrap(), MirrorKind::Inventory)).into_iter().collect();
        let s = step(store, Consumer::Propagate, number).await;
        let t = Instant::now();
        store.set_desired(&wants, &writes, at(1), &[s]).await.unwrap();
        spent[4] += t.elapsed();
        let t = Instant::now();
        store.claim_due(&connection_id("b"), at(round), Duration::from_secs(1_000_000), 50).await.unwrap();
        spent[5] += t.elapsed();
    }
    let events = (140 * batch) as f64;
    for (name, spent) in ["first", "rows", "commit", "outbox", "desired", "claim(50)"].iter().zip(spent) {
        println!("{name}: {:.1} us/event", spent.as_secs_f64() * 1e6 / events);
    }
    for row in sqlx::query("SELECT relname::text, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE n_tup_upd > 0").fetch_all(&mut raw).await.unwrap() {
        println!("{} updated {} hot {}", row.get::<String, _>(0), row.get::<i64, _>(1), row.get::<i64, _>(2));
    }
}
