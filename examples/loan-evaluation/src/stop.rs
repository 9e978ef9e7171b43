//! Stopping by signal, for programs that are plain threads.

use std::io;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

/// Tells when the program was asked to stop: SIGINT, SIGTERM, or SIGHUP (the terminal went away).
#[derive(Debug)]
pub struct Stop {
    signals: Receiver<()>,
    asked: bool,
}

impl Stop {
    /// From here on these signals no longer end the process but are reported by [`Stop::wait`].
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn on_signals() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let (sender, signals) = mpsc::sync_channel(1);
        let entered = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        drop(entered);
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                        _ = hangup.recv() => {}
                    }
                });
                // The receiver may be gone when the program is ending anyway.
                let _ = sender.send(());
            })?;
        Ok(Self {
            signals,
            asked: false,
        })
    }

    /// Waits at most this long; true when the program was asked to stop, now or earlier.
    pub fn wait(&mut self, at_most: Duration) -> bool {
        if !self.asked {
            self.asked = match self.signals.recv_timeout(at_most) {
                Ok(()) | Err(RecvTimeoutError::Disconnected) => true,
                Err(RecvTimeoutError::Timeout) => false,
            };
        }
        self.asked
    }

    /// Whether the program was asked to stop.
    pub fn asked(&mut self) -> bool {
        self.wait(Duration::ZERO)
    }
}
