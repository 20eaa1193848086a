//! Faults of the broker and of the database.

use super::{FaultRunner, progress};
use crate::probe::Passes;
use sandbox::SandboxError;
use std::time::{Duration, Instant};
use testkit::Scrape;
use tokio::time::{sleep, timeout};

/// Upper limit of attempts to restart a server: an outgoing connection may hold its port for a moment.
const RETURNS_MAX: u32 = 20;
const RETURN_PAUSE: Duration = Duration::from_millis(500);
/// Number of searches for open transactions in one fault, so that some sessions end in the middle of a commit.
const LOOKS: u32 = 25;
/// Upper limit of sessions that one search ends.
const SESSIONS_EACH: u32 = 2;
/// Time limit of a statement.
const STATEMENT_LIMIT: Duration = Duration::from_secs(20);
/// Time after the database's return within which apply counts its interruption: apply notices it at the next response
/// that it waits for, and its counters are read every second.
const REPORT_WITHIN: Duration = Duration::from_millis(1_500);

impl FaultRunner {
    pub(super) async fn broker(&mut self, outage: std::ops::Range<f64>) -> (Instant, Passes) {
        let outage = self.order.seconds(outage);
        self.world.nats.kill().await.expect("the broker can be killed");
        sleep(outage).await;
        let mut tries = 0;
        while let Err(error) = self.world.nats.restart().await {
            tries += 1;
            self.not_back(tries, &error).await;
        }
        (Instant::now(), Passes::Record)
    }

    pub(super) async fn database(&mut self, outage: std::ops::Range<f64>) -> (Instant, Passes) {
        let outage = self.order.seconds(outage);
        let before = interruptions(&self.fleet.journal().scrape());
        self.world.postgres.kill().await.expect("the database can be killed");
        sleep(outage).await;
        let mut tries = 0;
        while let Err(error) = self.world.postgres.restart().await {
            tries += 1;
            self.not_back(tries, &error).await;
        }
        let since = Instant::now();
        self.note_unknown_commits(before).await;
        (since, Passes::Record)
    }

    /// Ends sessions that are in the middle of a transaction, those in their `COMMIT` first.
    pub(super) async fn sessions(&mut self) -> (Instant, Passes) {
        let before = interruptions(&self.fleet.journal().scrape());
        let end = format!(
            "SELECT count(*) FROM (SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE application_name = 'tillflow' AND pid <> pg_backend_pid() AND xact_start IS NOT NULL \
             AND state IN ('active', 'idle in transaction') \
             ORDER BY query = 'COMMIT' AND state = 'active' DESC LIMIT {SESSIONS_EACH}) AS ended;"
        );
        // One session runs all searches, 20 ms apart.
        let looks = format!("{end} SELECT pg_sleep(0.02);").repeat(LOOKS as usize);
        let mut statements = Vec::new();
        for statement in looks.split_inclusive(';') {
            statements.extend(["-c".to_owned(), statement.trim().to_owned()]);
        }
        let mut psql = self.world.postgres.psql().expect("psql is installed");
        let output = timeout(STATEMENT_LIMIT, psql.args(statements).output()).await;
        if let Ok(Ok(output)) = output {
            let said = String::from_utf8_lossy(&output.stdout);
            self.done.sessions_ended +=
                said.lines().filter_map(|line| line.trim().parse::<u64>().ok()).sum::<u64>();
        }
        let since = Instant::now();
        self.note_unknown_commits(before).await;
        (since, Passes::Record)
    }

    async fn note_unknown_commits(&mut self, before: u64) {
        sleep(REPORT_WITHIN).await;
        let after = interruptions(&self.fleet.journal().scrape());
        self.done.unknown_commits += after.saturating_sub(before);
    }

    async fn not_back(&self, tries: u32, error: &SandboxError) {
        assert!(tries < RETURNS_MAX, "a server doesn't come back: {error}");
        progress(&format!("a server doesn't come back yet: {error}"));
        sleep(RETURN_PAUSE).await;
    }
}

/// Number of times that apply did not know if the database had committed.
fn interruptions(scrape: &Scrape) -> u64 {
    scrape.count("tillflow_interruptions_total", &[("stage", "apply"), ("cause", "fault")])
}
