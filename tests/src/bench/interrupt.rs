//! Ctrl-C and SIGTERM end the bench like an error does, so that everything it started ends too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::signal::unix::{SignalKind, signal};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Longest time until an interrupt is noticed.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// From here on the signals make [`check`] and [`pause`] fail.
pub(super) fn install() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let entered = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    drop(entered);
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
            INTERRUPTED.store(true, Ordering::Release);
        })
        .context("could not start the signal thread")?;
    Ok(())
}

/// Fails when a signal came.
pub(super) fn check() -> anyhow::Result<()> {
    ensure!(!INTERRUPTED.load(Ordering::Acquire), "interrupted");
    Ok(())
}

/// Waits, and fails when a signal comes.
pub(super) fn pause(length: Duration) -> anyhow::Result<()> {
    let until = Instant::now() + length;
    loop {
        check()?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(LOOK_INTERVAL));
    }
}
