//! Runs worlds and reports the failing ones.

use clap::Parser;
use std::{
    io::{self, Write as _},
    process::ExitCode,
    time::Instant,
};
use world::{plan::Plan, run, shrink::shrink};

/// Simulate shops' weeks from seeds.
#[derive(Debug, Parser)]
struct Args {
    /// Number of seeds to run.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// First seed.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Run this seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Print the story of that seed, even if it passes.
    #[arg(long)]
    story: bool,
    /// Number of failing seeds to shrink and show.
    #[arg(long, default_value_t = 3)]
    shown: usize,
    /// Stop at the first failing seed.
    #[arg(long)]
    first: bool,
}

fn main() -> io::Result<ExitCode> {
    let args = Args::parse();
    let mut out = io::stdout().lock();
    let seeds = args.seed.map_or(args.from..args.from + args.seeds, |seed| seed..seed + 1);
    let (began, mut failed, mut shelves, mut edits) = (Instant::now(), Vec::new(), (0, 0), (0, 0));
    for seed in seeds.clone() {
        let plan = Plan::draw(seed);
        let ran = run(&plan, args.story);
        shelves = (shelves.0 + ran.exact.0, shelves.1 + ran.exact.1);
        edits = (edits.0 + ran.edits.0, edits.1 + ran.edits.1);
        if args.story {
            ran.story.iter().try_for_each(|line| writeln!(out, "{line}"))?;
        }
        if ran.violations.is_empty() {
            continue;
        }
        failed.push(seed);
        if failed.len() <= args.shown && !args.story {
            let smaller = shrink(&plan);
            let shown = run(&smaller, true);
            writeln!(out, "\nseed {seed}: {}", ran.violations[0])?;
            writeln!(out, "  shops: {}", smaller.shops())?;
            shown.story.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
            shown.violations.iter().try_for_each(|line| writeln!(out, "  VIOLATED: {line}"))?;
        } else {
            writeln!(out, "seed {seed}: {}", ran.violations[0])?;
        }
        if args.first {
            break;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    let count = seeds.count();
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let per_minute = count as f64 / seconds * 60.0;
    writeln!(
        out,
        "{count} seeds in {seconds:.1} s ({per_minute:.0} a minute); {} failed; {} of {} shelves and {} of {} edits exact",
        failed.len(),
        shelves.0,
        shelves.1,
        edits.0,
        edits.1
    )?;
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
