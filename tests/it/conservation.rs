//! Conservation: each service's inputs equal its outcomes, and its outputs the next one's inputs, by their metrics.

use crate::PATIENCE;
use model::Outcome;
use testkit::{Account, Program, Sender, World, level_body};

#[tokio::test(flavor = "multi_thread")]
async fn what_every_stage_took_up_is_what_it_ended_and_what_it_passed_on_is_what_the_next_took_up() {
    let mut world = World::start(&Program::ALL).await;
    let (merchant, [shopify, square]) = world.tea_shop(["shopify", "square"], PATIENCE).await;
    let accounts = [&shopify, &square];
    for account in accounts {
        let tea = account.shop().find("tea").expect("it is on sale");
        account.shop().sell(&tea.item, &account.location_id(), 1).expect("there are ten");
        account.shop().edit_title(&tea.product, "Sencha").expect("it is on sale");
        account.shop().add_customer("Ada", "Byron", "ada@example.com").expect("customers are welcome");
    }
    world.quiet(PATIENCE, &[&merchant], &accounts).await;
    let passed_before = send_every_kind(&mut world, &shopify).await;
    world.quiet(PATIENCE, &[&merchant], &accounts).await;

    let scrape = world.scrape().await;
    let inputs = |stage| scrape.count("tillflow_inputs_total", &[("stage", stage)]);
    let ended = |stage| scrape.count("tillflow_events_total", &[("stage", stage)]);
    let outputs = |stage| scrape.count("tillflow_outputs_total", &[("stage", stage)]);
    for program in Program::ALL {
        let stage = program.name();
        assert!(inputs(stage) > 0, "{stage} took something up");
        assert_eq!(inputs(stage), ended(stage), "{stage}: every input ended, and in one way");
    }
    assert_eq!(passed_before + outputs("ingest"), inputs("normalize"), "from ingest to normalize");
    let stages = ["normalize", "dedupe", "enrich", "apply", "propagate"];
    for pair in stages.windows(2) {
        assert_eq!(outputs(pair[0]), inputs(pair[1]), "from {} to {}", pair[0], pair[1]);
    }

    // Each stage's counts of outcomes equal those of the record.
    let outcome = |outcome: Outcome| {
        scrape.count("tillflow_events_total", &[("stage", "apply"), ("outcome", outcome.as_str())])
    };
    for of in [Outcome::Applied, Outcome::Stale, Outcome::Unchanged, Outcome::Echo] {
        let recorded = world.count(&merchant, of).await;
        assert!(recorded > 0, "some ended as {of}");
        assert_eq!(outcome(of), u64::try_from(recorded).expect("few"), "{of}");
    }
    let counted =
        |stage, outcome| scrape.count("tillflow_events_total", &[("stage", stage), ("outcome", outcome)]);
    assert_eq!(counted("normalize", "dead"), 1);
    assert_eq!(counted("apply", "filtered"), 1, "of a location that isn't linked");
    assert_eq!(counted("dedupe", "duplicate"), 1);
    assert!(counted("normalize", "filtered") > 0, "Square's thin notifications were completed by fetch");
}

/// Sends an invalid delivery, one for a location that isn't linked, a stale one, and one twice, the second time after
/// the intake's restart. Returns the intake's outputs before its restart, since it counts from zero then.
async fn send_every_kind(world: &mut World, shopify: &Account) -> u64 {
    let sender = Sender::default();
    let topic = "inventory_levels/update";
    let poison = shopify.sign(topic, "poison", b"{}".to_vec());
    let elsewhere = shopify.sign(topic, "elsewhere", level_body("shopify", 77, 99, 1, 1));
    let (newer, older) = (shopify.level("newer", 77, 5, 60), shopify.level("older", 77, 4, 30));
    for delivery in [&poison, &elsewhere, &newer, &older] {
        sender.send_until_kept(delivery, PATIENCE).await;
    }
    let ingest = [("stage", "ingest")];
    let before = world.scrape().await;
    assert_eq!(
        before.count("tillflow_inputs_total", &ingest),
        before.count("tillflow_events_total", &ingest),
        "ingest: every input ended, and in one way"
    );
    assert!(world.terminate(Program::Ingest).await.success());
    world.launch(&[Program::Ingest]).await;
    sender.send_until_kept(&newer, PATIENCE).await;
    before.count("tillflow_outputs_total", &ingest)
}
