//! [`ProcessingContext`]: what a processor may do while it is called, apart from forwarding.

use std::time::Duration;

use millrace_expr::{Bump, Value};
use millrace_kafka::{Headers, HeadersBuf};

use super::error::{ProcessorError, ProcessorResult};
use super::global::{GlobalAccess, GlobalAt};
use super::key_value::{KeyValueStore, Rows};
use super::record::Record;
use super::schedule::Schedule;
use super::session::SessionStore;
use super::store::StoreAt;
use super::versioned::VersionedStore;
use super::window::WindowStore;
use crate::processor::{Context, Failure, ProcessStep};
use crate::record;
use crate::state::Shape;
use crate::topology::{ProcessorNode, ProcessorTopology};

/// What a processor may do while it is called, apart from forwarding (Kafka Streams'
/// `ProcessingContext`): use its stores, make schedules, ask where the record comes from and what time
/// it is.
///
/// What it makes (texts, lists, headers) lives until the whole way of the input record is done.
///
/// ```
/// # use millrace_worker::api::ProcessingContext;
/// /// Where a record comes from, for messages.
/// fn origin(context: &ProcessingContext<'_, '_>) -> String {
///     let offset = context.offset().unwrap_or(-1);
///     format!("{} {}@{offset}", context.topic().unwrap_or("a punctuation"), context.partition())
/// }
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
/// # doc::process(|_, context| {
/// #     assert_eq!(origin(context), "orders 0@0");
/// #     Ok(())
/// # });
/// ```
pub struct ProcessingContext<'c, 'r> {
    place: usize,
    node: &'r ProcessorNode,
    step: &'r ProcessStep,
    topology: &'r ProcessorTopology,
    engine: Context<'c>,
    arena: &'r Bump,
    /// Topic of the input record; empty where there is none.
    topic: &'r str,
}

impl<'c, 'r> ProcessingContext<'c, 'r> {
    pub(crate) fn new(
        (topology, place, step): (&'r ProcessorTopology, usize, &'r ProcessStep),
        engine: Context<'c>,
        topic: &'r str,
        arena: &'r Bump,
    ) -> Self {
        Self {
            place,
            node: &topology.nodes[place],
            step,
            topology,
            engine,
            arena,
            topic,
        }
    }

    /// The same, for a shorter while.
    pub(super) fn reborrow(&mut self) -> ProcessingContext<'_, 'r> {
        ProcessingContext {
            engine: self.engine.reborrow(),
            ..*self
        }
    }

    pub(super) fn forward_to_all(&mut self, record: &Record<'r>) -> ProcessorResult {
        let node = self.node;
        let mut children = node.children.iter();
        children.try_for_each(|&child| self.forward_into(child, record))
    }

    pub(super) fn forward_to_one(&mut self, child: &str, record: &Record<'r>) -> ProcessorResult {
        let nodes = &self.topology.nodes;
        let mut children = self.node.children.iter();
        match children.find(|&&place| nodes[place].name == child) {
            Some(&place) => self.forward_into(place, record),
            None => Err(self.no_child(child)),
        }
    }

    fn forward_into(&mut self, child: usize, record: &Record<'r>) -> ProcessorResult {
        let record = record::Record {
            topic: self.topic,
            change: None,
            // The plan knows no window behind a processor that may change keys.
            window: record.0.window.filter(|_| self.step.fixed_key),
            ..record.0
        };
        let done = self
            .topology
            .process(child, &record, &mut self.engine, self.arena);
        done.map_err(|error| match error.into_failure() {
            Failure::Engine(error) => self.engine.processors.fail(error),
            failure @ Failure::Record { .. } => ProcessorError::node(failure),
        })
    }

    fn no_child(&self, child: &str) -> ProcessorError {
        let nodes = &self.topology.nodes;
        let names = self.node.children.iter();
        let names: Vec<&str> = names.map(|&place| nodes[place].name.as_str()).collect();
        ProcessorError::new(format!(
            "there is no child {child} to forward to; there are: {}",
            names.join(", ")
        ))
    }

    /// A key-value store of the step, by name; that of a global table is only read.
    ///
    /// ```
    /// # use millrace_worker::api::Value;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # let forwarded = doc::process(|record, context| {
    /// let mut totals = context.key_value("totals")?;
    /// let before = match totals.get(record.key())?.map(|stored| stored.value) {
    ///     Some(Value::Int(before)) => before,
    ///     _ => 0,
    /// };
    /// totals.put(record.key(), Value::Int(before + 1), record.timestamp())?;
    /// context.forward(record.with_value(Value::Int(before + 1)))
    /// # });
    /// # assert_eq!(forwarded[0], "large ann=1@60000 source:web");
    /// ```
    ///
    /// # Errors
    /// The step names no such store, or it is another kind of store.
    pub fn key_value(&mut self, name: &str) -> Result<KeyValueStore<'_, 'r>, ProcessorError> {
        if let Some(access) = self.global_access(name) {
            return Ok(KeyValueStore(Rows::Global(GlobalAt {
                access,
                engine: self.engine.reborrow(),
                arena: self.arena,
            })));
        }
        let at = self.store(name)?;
        match at.shape() {
            Shape::KeyValue { .. } => Ok(KeyValueStore(Rows::OfTask(at))),
            _ => Err(at.refused("it is no key-value store")),
        }
    }

    /// A window store of the step, by name.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # let forwarded = doc::process(|record, context| {
    /// let mut per_hour = context.window("per-hour")?;
    /// let hour = record.timestamp() / 3_600_000 * 3_600_000;
    /// if per_hour.get(record.key(), hour)?.is_some() {
    ///     return Ok(());
    /// }
    /// per_hour.put(record.key(), hour, record.value(), record.timestamp())?;
    /// context.forward(record)
    /// # });
    /// # assert_eq!(forwarded.len(), 2);
    /// ```
    ///
    /// # Errors
    /// As [`ProcessingContext::key_value`].
    pub fn window(&mut self, name: &str) -> Result<WindowStore<'_, 'r>, ProcessorError> {
        let at = self.store(name)?;
        match at.shape() {
            Shape::Window { .. } => Ok(WindowStore(at)),
            _ => Err(at.refused("it is no window store")),
        }
    }

    /// A session store of the step, by name.
    ///
    /// # Errors
    /// As [`ProcessingContext::key_value`].
    ///
    /// ```
    /// use millrace_worker::api::{ProcessorContext, ProcessorError, Value};
    ///
    /// fn visits(context: &mut ProcessorContext<'_, '_>) -> Result<usize, ProcessorError> {
    ///     Ok(context.session("visits")?.fetch(Value::String("ann"))?.len())
    /// }
    /// ```
    pub fn session(&mut self, name: &str) -> Result<SessionStore<'_, 'r>, ProcessorError> {
        let at = self.store(name)?;
        match at.shape() {
            Shape::Session { .. } => Ok(SessionStore(at)),
            _ => Err(at.refused("it is no session store")),
        }
    }

    /// A versioned store of the step, by name.
    ///
    /// # Errors
    /// As [`ProcessingContext::key_value`].
    ///
    /// ```
    /// use millrace_worker::api::{ProcessorContext, ProcessorError, Value};
    ///
    /// fn is_priced(context: &mut ProcessorContext<'_, '_>) -> Result<bool, ProcessorError> {
    ///     Ok(context.versioned("prices")?.get(Value::String("tea"))?.is_some())
    /// }
    /// ```
    pub fn versioned(&mut self, name: &str) -> Result<VersionedStore<'_, 'r>, ProcessorError> {
        let at = self.store(name)?;
        match at.shape() {
            Shape::Versioned { .. } => Ok(VersionedStore(at)),
            _ => Err(at.refused("it is no versioned store")),
        }
    }

    fn store(&mut self, name: &str) -> Result<StoreAt<'_, 'r>, ProcessorError> {
        let stores = &self.step.stores;
        let Some(access) = stores.iter().find(|access| access.name == name) else {
            return Err(match self.global_access(name) {
                Some(global) => global.format().refused("it is a global table's"),
                None => no_store(name, self.step),
            });
        };
        Ok(StoreAt {
            access,
            topology: self.topology,
            node: self.node,
            engine: self.engine.reborrow(),
            arena: self.arena,
        })
    }

    fn global_access(&self, name: &str) -> Option<&'r GlobalAccess> {
        let mut globals = self.step.globals.iter();
        globals.find(|access| access.name == name)
    }

    /// Calls [`Processor::punctuate`](super::Processor::punctuate) by stream time: first as soon as it is
    /// known, then whenever it has reached a multiple of the interval (at least 1 ms). Without records no
    /// time passes.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # doc::process(|_, context| {
    /// let every_minute = context.schedule_stream_time(Duration::from_secs(60))?;
    /// # assert!(context.cancel(every_minute));
    /// # Ok(())
    /// # });
    /// ```
    ///
    /// # Errors
    /// No interval, or too many schedules.
    pub fn schedule_stream_time(&mut self, every: Duration) -> Result<Schedule, ProcessorError> {
        let schedules = &mut self.engine.processors.schedules;
        schedules.by_stream_time(self.place, every)
    }

    /// Calls [`Processor::punctuate`](super::Processor::punctuate) by the wall clock: first after the
    /// interval (at least 1 ms), also while no records come. As exactly as the stream thread has the time
    /// to: some 100 ms; calls that were missed are left out.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # doc::process(|_, context| {
    /// let every_minute = context.schedule_wall_clock(Duration::from_secs(60))?;
    /// assert!(context.schedule_wall_clock(Duration::ZERO).is_err());
    /// # assert!(context.cancel(every_minute));
    /// # Ok(())
    /// # });
    /// ```
    ///
    /// # Errors
    /// As [`ProcessingContext::schedule_stream_time`].
    pub fn schedule_wall_clock(&mut self, every: Duration) -> Result<Schedule, ProcessorError> {
        let now_ms = self.engine.now_ms;
        let schedules = &mut self.engine.processors.schedules;
        schedules.by_wall_clock(self.place, every, now_ms)
    }

    /// Ends a schedule, also from within its call; false if it has ended already.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # doc::process(|_, context| {
    /// let schedule = context.schedule_wall_clock(Duration::from_secs(60))?;
    /// assert!(context.cancel(schedule));
    /// assert!(!context.cancel(schedule));
    /// # Ok(())
    /// # });
    /// ```
    pub fn cancel(&mut self, schedule: Schedule) -> bool {
        self.engine.processors.cancel(schedule)
    }

    /// Asks for a commit soon, instead of at the next interval.
    ///
    /// ```
    /// # use millrace_worker::api::Value;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # let forwarded = doc::process(|record, context| {
    /// if matches!(record.value(), Value::Int(100..)) {
    ///     context.commit();
    /// }
    /// context.forward(record)
    /// # });
    /// # assert_eq!(forwarded.len(), 2);
    /// ```
    pub fn commit(&mut self) {
        self.engine.processors.commit_requested = true;
    }

    /// Topic of the input record that led to this call; `None` in a punctuation.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # doc::process(|_, context| {
    /// assert_eq!(context.topic(), Some("orders"));
    /// # Ok(())
    /// # });
    /// ```
    pub fn topic(&self) -> Option<&'r str> {
        (!self.topic.is_empty()).then_some(self.topic)
    }

    /// Offset of the input record that led to this call; `None` in a punctuation.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # doc::process(|_, context| {
    /// assert_eq!(context.offset(), Some(0));
    /// # Ok(())
    /// # });
    /// ```
    pub fn offset(&self) -> Option<i64> {
        self.engine.offset
    }

    /// Partition of the task, and so of the input record.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # doc::process(|_, context| {
    /// assert_eq!(context.partition(), 0);
    /// # Ok(())
    /// # });
    /// ```
    pub fn partition(&self) -> i32 {
        self.engine.partition
    }

    /// Highest event time the task has seen, the present record's included, ms since the epoch; −1 before
    /// the first record.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # doc::process(|record, context| {
    /// let late_by = context.stream_time() - record.timestamp();
    /// # assert_eq!(late_by, 0);
    /// # Ok(())
    /// # });
    /// ```
    pub fn stream_time(&self) -> i64 {
        self.engine.stream_time
    }

    /// The wall clock at the beginning of the call, ms since the epoch.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # doc::process(|record, context| {
    /// let on_its_way = context.now_ms() - record.timestamp();
    /// # assert_eq!(on_its_way, -60_000);
    /// # Ok(())
    /// # });
    /// ```
    pub fn now_ms(&self) -> i64 {
        self.engine.now_ms
    }

    /// The arena of the call, for what the methods below do not make.
    ///
    /// ```
    /// # use millrace_worker::api::Value;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # let forwarded = doc::process(|record, context| {
    /// let halves = context.arena().alloc_slice_fill_copy(2, Value::Int(125));
    /// context.forward(record.with_value(Value::List(halves)))
    /// # });
    /// # assert_eq!(forwarded[0], "large ann=[125,125]@60000 source:web");
    /// ```
    pub fn arena(&self) -> &'r Bump {
        self.arena
    }

    /// A text.
    ///
    /// ```
    /// # use millrace_worker::api::Value;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # let forwarded = doc::process(|record, context| {
    /// let key = context.text(&format!("customer-{}", context.partition()));
    /// context.forward(record.with_key(key))
    /// # });
    /// # assert_eq!(forwarded[0], "large customer-0=250@60000 source:web");
    /// ```
    pub fn text(&self, text: &str) -> Value<'r> {
        Value::String(self.arena.alloc_str(text))
    }

    /// Bytes.
    ///
    /// ```
    /// # use millrace_worker::api::Value;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # doc::process(|_, context| {
    /// let id = 7_u16.to_be_bytes();
    /// assert_eq!(context.bytes(&id), Value::Bytes(b"\0\x07"));
    /// # Ok(())
    /// # });
    /// ```
    pub fn bytes(&self, bytes: &[u8]) -> Value<'r> {
        Value::Bytes(self.arena.alloc_slice_copy(bytes))
    }

    /// A list.
    ///
    /// ```
    /// # use millrace_worker::api::Value;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # let forwarded = doc::process(|record, context| {
    /// let value = context.list(&[record.key(), record.value()]);
    /// context.forward(record.with_value(value))
    /// # });
    /// # assert_eq!(forwarded[0], r#"large ann=["ann",250]@60000 source:web"#);
    /// ```
    pub fn list(&self, elements: &[Value<'r>]) -> Value<'r> {
        Value::List(self.arena.alloc_slice_copy(elements))
    }

    /// A map, such as a JSON object; each name once.
    ///
    /// ```
    /// # use millrace_worker::api::Value;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # let forwarded = doc::process(|record, context| {
    /// let value = context.map(&[("customer", record.key()), ("amount", record.value())]);
    /// context.forward(record.with_value(value))
    /// # });
    /// # assert_eq!(forwarded[0], r#"large ann={"customer":"ann","amount":250}@60000 source:web"#);
    /// ```
    pub fn map(&self, entries: &[(&str, Value<'r>)]) -> Value<'r> {
        let arena = self.arena;
        let entries = entries.iter();
        let entries = entries.map(|(name, value)| (&*arena.alloc_str(name), *value));
        let mut copied = bumpalo::collections::Vec::with_capacity_in(entries.len(), arena);
        copied.extend(entries);
        Value::Map(copied.into_bump_slice())
    }

    /// Headers for a record to be forwarded.
    ///
    /// ```
    /// # use millrace_worker::api::HeadersBuf;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # let forwarded = doc::process(|record, context| {
    /// let mut headers = HeadersBuf::new();
    /// headers.push("from", context.topic().map(str::as_bytes));
    /// let headers = context.headers(&headers);
    /// context.forward(record.with_headers(headers))
    /// # });
    /// # assert_eq!(forwarded[0], "large ann=250@60000 from:orders");
    /// ```
    pub fn headers(&self, headers: &HeadersBuf) -> Headers<'r> {
        let encoded = headers.as_headers().as_encoded();
        Headers::from_encoded(self.arena.alloc_slice_copy(encoded))
    }
}

fn no_store(name: &str, step: &ProcessStep) -> ProcessorError {
    let globals = step.globals.iter().map(|access| access.name.as_str());
    let stores = step.stores.iter().map(|access| access.name.as_str());
    let names: Vec<&str> = stores.chain(globals).collect();
    ProcessorError::new(format!(
        "this step has no store {name}; it has: {}. Name it under `stores` or `uses` of the step",
        names.join(", ")
    ))
}
