//! Threads of their own for calls. Each runs what is given to it on one runtime, so that a call's
//! packets never change threads, and sockets of chats do not wait for pictures.

use std::{io, sync::mpsc, thread};
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

pub(super) struct Threads(Vec<Thread>);

struct Thread {
    handle: Handle,
    /// The thread ends when this is dropped.
    _running: oneshot::Sender<()>,
}

impl Threads {
    /// So many, at least one.
    pub(super) fn start(count: usize) -> io::Result<Self> {
        (0..count.max(1))
            .map(Thread::start)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// One of them, in turns.
    pub(super) fn handle(&self, turn: usize) -> &Handle {
        &self.0[turn % self.0.len()].handle
    }
}

impl Thread {
    fn start(number: usize) -> io::Result<Self> {
        let (ready, built) = mpsc::sync_channel(1);
        let (running, ended) = oneshot::channel::<()>();
        thread::Builder::new()
            .name(format!("bedside-rtc-{number}"))
            .spawn(
                move || match Builder::new_current_thread().enable_all().build() {
                    Ok(runtime) => {
                        let _ = ready.send(Ok(runtime.handle().clone()));
                        let _ = runtime.block_on(ended);
                    }
                    Err(error) => {
                        let _ = ready.send(Err(error));
                    }
                },
            )?;
        let handle = built
            .recv()
            .map_err(|_| io::Error::other("a thread ended before it began"))??;
        Ok(Self {
            handle,
            _running: running,
        })
    }
}
