//! The runtime: stream threads, and what happens to tasks on them.
//!
//! ```text
//!   run_once:  poll ─► membership ─► start restored tasks ─► process ─► commit if due
//!                          │                 ▲
//!                          └──► restorer ────┘        (own thread: never stops the others)
//! ```

mod catching;
pub mod commit;
pub mod ending;
mod fencings;
pub mod global;
pub mod global_thread;
pub mod housekeeping;
pub mod membership;
mod patience;
mod rebuild;
pub mod restore;
pub mod restore_thread;
pub mod restorer;
pub mod starting;
pub mod tasks;
pub mod thread;
