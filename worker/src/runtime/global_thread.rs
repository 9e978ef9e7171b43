//! The reader of global tables on a thread of its own, as in production.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::global::{GlobalOptions, GlobalReader};
use crate::error::EngineError;
use crate::state::GlobalTables;

/// Longest wait for records; how soon the thread ends.
const STEP: Duration = Duration::from_millis(100);

/// What the thread tells.
#[derive(Default)]
struct Told {
    stop: AtomicBool,
    done: AtomicUsize,
    all: AtomicUsize,
    failed: Mutex<Option<EngineError>>,
}

/// A thread that reads global tables; ends when dropped.
pub struct GlobalThread {
    tables: GlobalTables,
    told: Arc<Told>,
    thread: Option<JoinHandle<()>>,
}

impl GlobalThread {
    /// Opens the tables, and starts to read.
    ///
    /// # Errors
    /// As [`GlobalReader::open`]; the thread cannot be started.
    pub fn start(options: GlobalOptions) -> Result<Self, EngineError> {
        let name = format!("{}-global", options.plan.application_id);
        let mut reader = GlobalReader::open(options)?;
        let tables = reader.tables().clone();
        let told = Arc::new(Told::default());
        told.all.store(reader.progress().1, Ordering::Release);
        let tell = Arc::clone(&told);
        let thread = std::thread::Builder::new()
            .name(name)
            .spawn(move || {
                while !tell.stop.load(Ordering::Acquire) {
                    tell.done.store(reader.progress().0, Ordering::Release);
                    if let Err(error) = reader.run_once(STEP) {
                        *tell.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                        return;
                    }
                }
            })
            .map_err(|error| {
                EngineError::Thread(format!("start reading global tables: {error}"))
            })?;
        Ok(Self {
            tables,
            told,
            thread: Some(thread),
        })
    }

    /// The tables, once every partition was read to its end; before that how many were, in words.
    ///
    /// # Errors
    /// What has ended the thread.
    pub fn tables(&self) -> Result<Result<GlobalTables, String>, EngineError> {
        let failed = self.told.failed.lock();
        if let Some(error) = failed.unwrap_or_else(PoisonError::into_inner).take() {
            return Err(error);
        }
        let done = self.told.done.load(Ordering::Acquire);
        let all = self.told.all.load(Ordering::Acquire);
        if done < all {
            return Ok(Err(format!(
                "its global tables: {done} of {all} partitions are read to the end"
            )));
        }
        Ok(Ok(self.tables.clone()))
    }
}

impl Drop for GlobalThread {
    fn drop(&mut self) {
        self.told.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}
