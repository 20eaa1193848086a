//! A thread for the load of a measurement, so that its CPU time isn't counted as that of the services.

use super::cpu;
use crate::failure::Failed;
use std::{future::Future, thread};
use tokio::{runtime::Handle, sync::oneshot};

/// A thread with a runtime of its own, which also serves the connections that are opened there. It ends when it is
/// dropped, with everything that runs there.
pub(crate) struct LoadThread {
    runtime: Handle,
    /// The thread ends when this is dropped.
    _running: oneshot::Sender<()>,
}

impl LoadThread {
    pub(crate) fn start() -> Result<Self, Failed> {
        let (running, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failed::io("no runtime for the load", error))?;
        let handle = runtime.handle().clone();
        thread::Builder::new()
            .name("load".to_owned())
            // Nothing is sent: it ends by the sender's end.
            .spawn(move || drop(runtime.block_on(stopped)))
            .map_err(|error| Failed::io("no thread for the load", error))?;
        Ok(Self { runtime: handle, _running: running })
    }

    /// Runs `load` there.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        load: impl Future<Output = Result<T, Failed>> + Send + 'static,
    ) -> Result<T, Failed> {
        self.runtime.spawn(load).await.map_err(|_| Failed::Other("the load panicked".to_owned()))?
    }

    /// The CPU seconds that the thread has used so far.
    pub(crate) async fn cpu_seconds(&self) -> Result<f64, Failed> {
        self.run(async { Ok(cpu::of_this_thread()) }).await
    }
}

/// Runs `load` on a thread of its own. The load itself can ask for the CPU time of its thread: [`cpu::of_this_thread`].
pub(crate) async fn run<T: Send + 'static>(
    load: impl Future<Output = Result<T, Failed>> + Send + 'static,
) -> Result<T, Failed> {
    LoadThread::start()?.run(load).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_time_of_a_thread_is_that_of_its_load_alone() {
        let [busy, idle] = [LoadThread::start().unwrap(), LoadThread::start().unwrap()];
        let spun = busy.run(async {
            while cpu::of_this_thread() < 0.05 {}
            Ok(thread::current().name().map(str::to_owned))
        });
        assert_eq!(spun.await.unwrap().as_deref(), Some("load"));
        let (busy, idle) = (busy.cpu_seconds().await.unwrap(), idle.cpu_seconds().await.unwrap());
        assert!(busy > idle, "{busy} {idle}");
    }
}
