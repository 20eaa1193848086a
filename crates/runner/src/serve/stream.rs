//! The byte stream of one connection, with checks on both directions.

use super::head::Heads;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// Time limit for a client to receive more of a response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// The number of the request whose framing is ambiguous; cheap to clone.
#[derive(Clone)]
pub(super) struct Ambiguous(Arc<AtomicU64>);

impl Ambiguous {
    /// Returns true if the request of that number, from 0, is ambiguous.
    pub(super) fn is(&self, number: u64) -> bool {
        self.0.load(Ordering::Acquire) == number
    }
}

/// A connection whose request heads are checked and whose writes have a time limit.
pub(super) struct Watched<S> {
    stream: S,
    heads: Heads,
    ambiguous: Ambiguous,
    blocked: Option<Pin<Box<Sleep>>>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S) -> (Self, Ambiguous) {
        let ambiguous = Ambiguous(Arc::new(AtomicU64::new(u64::MAX)));
        let watched = Self { stream, heads: Heads::new(), ambiguous: ambiguous.clone(), blocked: None };
        (watched, ambiguous)
    }

    /// Returns the result of the write, or an error once it has waited for too long.
    fn limited<T>(&mut self, context: &mut Context<'_>, wrote: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if wrote.is_ready() {
            self.blocked = None;
            return wrote;
        }
        let limit = self.blocked.get_or_insert_with(|| Box::pin(sleep(WRITE_TIMEOUT)));
        ready!(limit.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(context, buffer))?;
        let read = buffer.filled().get(before..).unwrap_or_default();
        if let Some(number) = this.heads.feed(read) {
            this.ambiguous.0.store(number, Ordering::Release);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.limited(context, wrote)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.stream).poll_write_vectored(context, bytes);
        this.limited(context, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        this.limited(context, flushed)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
