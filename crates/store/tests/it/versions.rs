//! What the versions of objects come to.

use crate::{
    fixture::{PARTITION, at, commit, level_key, pieces, step},
    propagating::{claim, due_on_b, mirror},
};
use model::{Observation, SendState, Sent, SourceVersion, record::Changes};
use store::{Consumer, WriteResult};

#[tokio::test]
async fn the_version_that_a_write_made_is_raised_and_never_lowered() {
    use SendState::{Acknowledged, Echoed, Pending, Reading, Settled as Passed};
    // What was told last, if anything was, and the state when the call ends; the version that the reply tells; which
    // version is known then, whether the platform holds what was sent, the state.
    for (told, before, reply, known, is_sent, after) in [
        (Some(Some(5)), Pending, Some(7), Some(7), true, Acknowledged),
        (Some(Some(5)), Pending, Some(5), Some(5), false, Reading),
        (Some(Some(5)), Pending, Some(3), Some(5), false, Passed),
        (Some(Some(5)), Pending, None, Some(5), true, Acknowledged),
        (Some(Some(5)), Echoed, Some(7), Some(7), true, Passed),
        (Some(Some(5)), Echoed, Some(5), Some(5), false, Passed),
        (Some(None), Pending, Some(7), Some(7), true, Acknowledged),
        (None, Pending, Some(7), None, true, Acknowledged),
    ] {
        let database = due_on_b().await;
        let write = claim(&database, "b", 9).await.remove(0);
        let mut row = mirror(&database, level_key("b")).await;
        row.sent.as_mut().unwrap().state = before;
        row.held = told.map(|_| pieces(4));
        row.observed = told.map(|version: Option<i64>| Observation {
            value: pieces(4),
            version: version.map(SourceVersion),
            at: at(9),
        });
        let changes = Changes { mirrors: [(row.key.clone(), row)].into(), ..Changes::default() };
        let cursor = step(&database.store, Consumer::Apply, 1).await;
        commit(&database.store, &changes, cursor).await.unwrap();

        let result = WriteResult::Acknowledged { version: reply.map(SourceVersion) };
        let store = &database.store;
        store.settle_write(PARTITION, &write.key, &write.sent_key, &result, at(9)).await.unwrap();
        let row = mirror(&database, level_key("b")).await;
        let case = format!("{told:?} {before:?} {reply:?}");
        let known = known.map(SourceVersion);
        assert_eq!(row.observed.and_then(|observed| observed.version), known, "{case}");
        assert_eq!(row.held, Some(if is_sent { write.value } else { pieces(4) }), "{case}");
        assert_eq!(row.sent.unwrap().state, after, "{case}");
        let position = store.apply_cursor(PARTITION).await.unwrap().position;
        let (marks, _) = store.send_marks(PARTITION, None, position).await.unwrap();
        assert_eq!(marks.last().unwrap().version, known, "a replay is told: {case}");
    }
}

#[tokio::test]
async fn what_was_never_written_to_can_wait_for_a_reading() {
    let database = due_on_b().await;
    let (store, key) = (&database.store, level_key("a"));
    let mut row = mirror(&database, key.clone()).await;
    assert_eq!(row.sent, None);
    let waits = Sent { value: pieces(10), from: None, state: SendState::Reading };
    row.sent = Some(waits.clone());
    let changes = Changes { mirrors: [(key.clone(), row)].into(), ..Changes::default() };
    let cursor = step(store, Consumer::Apply, 1).await;
    commit(store, &changes, cursor).await.unwrap();
    assert_eq!(mirror(&database, key.clone()).await.sent, Some(waits));

    let connections = [key.connection.clone()];
    let due = store.claim_reads(&connections, at(9), 10).await.unwrap();
    assert_eq!(due.iter().map(|read| &read.key).collect::<Vec<_>>(), [&key]);
    assert_eq!(store.claim_reads(&connections, at(60), 10).await.unwrap(), [], "given once a minute");
    assert_eq!(store.claim_reads(&connections, at(70), 10).await.unwrap().len(), 1);

    // The reading shows something new: another one is due at once.
    let mut row = mirror(&database, key.clone()).await;
    row.held = Some(pieces(9));
    let changes = Changes { mirrors: [(key, row)].into(), ..Changes::default() };
    let cursor = step(store, Consumer::Apply, 1).await;
    commit(store, &changes, cursor).await.unwrap();
    assert_eq!(store.claim_reads(&connections, at(71), 10).await.unwrap().len(), 1);
}
