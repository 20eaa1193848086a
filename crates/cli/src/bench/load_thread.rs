//! A thread for the load of a measurement, so that its CPU time isn't counted as that of the services.

use crate::failure::Failed;
use std::{future::Future, thread};
use tokio::sync::oneshot;

/// Runs `load` on a thread and a runtime of its own, which also serve the connections that it opens. The load itself
/// can ask for the CPU time of its thread: [`cpu::of_this_thread`](super::cpu::of_this_thread).
pub(crate) async fn run<T: Send + 'static>(
    load: impl Future<Output = Result<T, Failed>> + Send + 'static,
) -> Result<T, Failed> {
    let (done, outcome) = oneshot::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failed::io("no runtime for the load", error))?;
    // Nobody waits any more if the measurement was aborted.
    let run = move || drop(done.send(runtime.block_on(load)));
    thread::Builder::new()
        .name("load".to_owned())
        .spawn(run)
        .map_err(|error| Failed::io("no thread for the load", error))?;
    outcome.await.map_err(|_| Failed::Other("the load panicked".to_owned()))?
}
