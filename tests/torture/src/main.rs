//! Tests Tillflow's guarantees under faults. See the README of this folder.
//!
//! A missing requirement (servers, ports, the binaries) ends the run with a panic, as in a test.
#![expect(clippy::expect_used, reason = "what a run can't have ends it, as in a test")]

mod args;
mod check;
mod crowd;
mod evidence;
mod fault;
mod fleet;
mod journal;
mod ledger;
mod memory;
mod plan;
mod probe;
mod report;
mod rest;
mod run;
mod seen;
mod sending;
mod watch;

use clap::Parser as _;
use std::process::ExitCode;

#[tokio::main]
#[expect(clippy::print_stdout, reason = "the report is what the program is for")]
async fn main() -> ExitCode {
    let options = args::Options::parse();
    let report = Box::pin(run::run(&options)).await;
    if options.json {
        println!("{}", serde_json::to_string(&report).expect("a report can be written"));
    } else {
        println!("{}", report.text());
    }
    if report.passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
