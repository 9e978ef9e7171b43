//! What a worker image with code of its own is written against: the Processor API, named and meant as
//! Kafka Streams' (KIP-478, KIP-820, punctuation of KIP-138), and the entry point that gives such an
//! image `millrace-worker`'s command line. A topology in Rust ([`crate::dsl`]) is run by it too, and
//! [`StateStore`] is for stores of one's own.
//!
//! ```no_run
//! use millrace_worker::api::{Processor, ProcessorContext, ProcessorResult, Record, Worker};
//!
//! /// Forwards each record without its headers.
//! struct Bare;
//!
//! impl Processor for Bare {
//!     fn process<'r>(
//!         &mut self,
//!         record: Record<'r>,
//!         context: &mut ProcessorContext<'_, 'r>,
//!     ) -> ProcessorResult {
//!         context.forward(record.with_headers(Default::default()))
//!     }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     Worker::new().processor("bare", || Bare).main()
//! }
//! ```
//!
//! A processor is made for each task anew and dies with it, after an aborted transaction too: what must
//! survive lies in its stores. It runs on the stream thread: it must not block, and what it does outside
//! of its context is in no transaction. A panic ends the application, as an engine error does.

mod context;
mod error;
mod fixed_key;
mod forwarding;
mod global;
mod instances;
mod key_value;
mod processor;
mod record;
mod registry;
mod schedule;
mod session;
mod state_store;
mod store;
mod versioned;
mod window;
mod worker;

pub use crate::state::Placed;
pub use context::ProcessingContext;
pub use error::{ProcessorError, ProcessorResult};
pub use fixed_key::{FixedKeyProcessor, FixedKeyProcessorContext, FixedKeyRecord};
pub use forwarding::ProcessorContext;
pub use key_value::KeyValueStore;
/// ```
/// use millrace_worker::api::Value;
///
/// let order = Value::Map(&[("customer", Value::String("ann")), ("amount", Value::Int(250))]);
/// assert_eq!(order.get("amount"), Some(Value::Int(250)));
/// assert_eq!(order.to_string(), r#"{"customer": "ann", "amount": 250}"#);
/// ```
#[doc(inline)]
pub use millrace_expr::Value;
/// ```
/// use millrace_worker::api::{Headers, HeadersBuf};
///
/// fn source<'h>(headers: Headers<'h>) -> Option<&'h [u8]> {
///     headers.iter().find(|(name, _)| *name == "source")?.1
/// }
///
/// let mut headers = HeadersBuf::new();
/// headers.push("source", Some(b"web"));
/// assert_eq!(source(headers.as_headers()), Some(&b"web"[..]));
/// assert_eq!(source(Headers::EMPTY), None);
/// ```
#[doc(inline)]
pub use millrace_kafka::Headers;
/// ```
/// use millrace_worker::api::HeadersBuf;
///
/// let mut headers = HeadersBuf::new();
/// headers.push("source", Some(b"web"));
/// headers.push("trace", None);
/// assert_eq!(headers.as_headers().iter().count(), 2);
/// ```
#[doc(inline)]
pub use millrace_kafka::HeadersBuf;
pub use processor::Processor;
pub use record::Record;
pub use registry::{Processors, ProcessorsMissing};
pub use schedule::{Punctuation, Schedule};
pub use session::{SessionStore, SessionedRow};
pub use state_store::{StateStore, StoreFailure, StorePlace, StoreSupplier};
pub use store::Stored;
/// The memory allocator of `millrace-worker`, for images of one's own.
///
/// ```
/// use millrace_worker::api::Jemalloc;
///
/// #[global_allocator]
/// static ALLOCATOR: Jemalloc = Jemalloc;
/// ```
#[doc(no_inline)]
pub use tikv_jemallocator::Jemalloc;
pub use versioned::VersionedStore;
pub use window::{WindowStore, WindowedRow};
pub use worker::Worker;

// The engine's side of it.
#[doc(hidden)]
pub use global::GlobalAccess;
#[doc(hidden)]
pub use instances::{Instance, Instances};
#[doc(hidden)]
pub use registry::Supplier;
#[doc(hidden)]
pub use schedule::Due;
#[doc(hidden)]
pub use state_store::{RegisteredSupplier, SuppliedRows};
#[doc(hidden)]
pub use store::StoreAccess;
