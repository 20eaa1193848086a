//! Measurements, on servers of their own in a throw-away folder.

mod cpu;
mod feed;
mod passthrough;
mod pipeline;

use crate::{
    cli::{Bench, Benched, Output},
    failure::Failed,
};

pub(crate) async fn run(arguments: Bench, output: Output) -> Result<(), Failed> {
    match arguments.what {
        Benched::Pipeline(arguments) => pipeline::run(arguments, output).await,
    }
}
