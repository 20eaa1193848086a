//! Settings with which a service refuses to start.

use bus::{Bus, BusConfig};
use sandbox::{Nats, NatsOptions, Scratch};
use testkit::{Process, Program};

#[tokio::test(flavor = "multi_thread")]
async fn every_service_refuses_a_setting_that_it_does_not_know_and_names_it() {
    let scratch = Scratch::new().expect("a folder to throw away");
    let file = scratch.path().join("wrong.toml");
    std::fs::write(&file, "[bus]\nserver = [\"nats://127.0.0.1:4222\"]\n").expect("a file can be written");
    let file = file.to_string_lossy();
    for program in Program::ALL {
        let name = program.name();
        for (settings, key) in [
            (vec![("TILLFLOW_SERVICE__LIMT", "5")], "limt"),
            (vec![("TILLFLOW_SERVCE__LIMIT", "5")], "servce"),
            (vec![("TILLFLOW_CONFIG", &*file)], "server"),
        ] {
            let (code, said) = program.run_to_end(&settings).await;
            assert_eq!(code, Some(2), "{name} {settings:?}:\n{said}");
            assert!(said.contains(&format!("`{key}`")), "{name} doesn't name {key}:\n{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_acknowledges_before_it_syncs_is_refused_with_the_remedy_unless_it_is_allowed() {
    let scratch = Scratch::new().expect("a folder to throw away");
    let options = NatsOptions { sync_always: false, ..NatsOptions::new(scratch.path().join("nats")) };
    let nats = Nats::start(options).await.expect("a broker can be started");
    let (servers, monitoring) = (format!("[\"{}\"]", nats.url()), nats.monitoring_url());
    let settings = [
        ("TILLFLOW_BUS__SERVERS", servers.as_str()),
        ("TILLFLOW_BUS__MONITORING_URL", monitoring.as_str()),
        ("TILLFLOW_ADMIN__LISTEN", "127.0.0.1:0"),
    ];
    for program in [Program::Normalize, Program::Ingest] {
        let (code, said) = program.run_to_end(&settings).await;
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains("sync_interval: always") && said.contains("allow_unsafe"),
            "no remedy:\n{said}"
        );
    }

    let mut settings = settings.to_vec();
    settings.push(("TILLFLOW_BUS__ALLOW_UNSAFE", "true"));
    // Apply makes the streams, and normalize waits for them.
    let apply = BusConfig { servers: vec![nats.url()], allow_unsafe: true, ..BusConfig::default() };
    Bus::connect(&apply).await.expect("it answers").declare().await.expect("streams can be made");
    let mut admitted = Process::start(Program::Normalize, &settings, &scratch.path().join("normalize.log"));
    admitted.ready().await;
    assert!(admitted.log().contains("may be lost in a power cut"), "it warns:\n{}", admitted.log());
    assert!(admitted.terminate().await.success());
}
