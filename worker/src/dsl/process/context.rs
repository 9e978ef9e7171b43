//! What typed processors may do while they are called.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use super::record::{FixedKeyRecord, Record};
use super::session::SessionStore;
use super::store::{KeyValueStore, WindowStore};
use super::versioned::VersionedStore;
use crate::api::{self, ProcessingContext, ProcessorError, ProcessorResult};
use crate::data::Data;

/// What a [`Processor`](super::Processor) may do while it is called: all of
/// [`ProcessingContext`] (schedules, time, place of the record), typed stores, and forward records of `L`
/// and `W`.
///
/// ```
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
/// # let forwarded = doc::process(|record, context| {
/// assert_eq!((context.topic(), context.partition()), (Some("orders"), 0));
/// let mut totals = context.key_value_store::<String, i64>("totals")?;
/// totals.put(&record.key, &record.value, record.timestamp)?;
/// context.forward(record)
/// # });
/// # assert_eq!(forwarded.len(), 1);
/// ```
pub struct ProcessorContext<'c, 'r, L, W> {
    context: api::ProcessorContext<'c, 'r>,
    types: PhantomData<fn(L, W)>,
}

impl<'c, 'r, L: Data, W: Data> ProcessorContext<'c, 'r, L, W> {
    pub(super) fn of(context: &'c mut api::ProcessorContext<'_, 'r>) -> Self {
        Self {
            context: context.reborrow(),
            types: PhantomData,
        }
    }

    /// Hands a record to all children, which have done with it when this returns.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # use millrace_worker::dsl::Record;
    /// # let forwarded = doc::process(|record, context| {
    /// context.forward(Record::new("all".to_owned(), record.value, record.timestamp))?;
    /// context.forward(record)
    /// # });
    /// # assert_eq!((&*forwarded[0].key, &*forwarded[1].key), ("all", "ann"));
    /// ```
    ///
    /// # Errors
    /// What a node below could not do with the record; pass it on with `?`.
    pub fn forward(&mut self, record: Record<'r, L, W>) -> ProcessorResult {
        let record = record.written(self.context.arena())?;
        self.context.forward(record)
    }

    /// Hands a record to one child: one of the outputs of
    /// [`process_into`](crate::dsl::KStream::process_into).
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # let [large, small] = doc::process_into(|record, context| {
    /// let output = if record.value >= 100 { "large" } else { "small" };
    /// context.forward_to(output, record)
    /// # });
    /// # assert_eq!((large.len(), small.len()), (1, 0));
    /// ```
    ///
    /// # Errors
    /// There is no such child; or as [`ProcessorContext::forward`].
    pub fn forward_to(&mut self, output: &str, record: Record<'r, L, W>) -> ProcessorResult {
        let record = record.written(self.context.arena())?;
        self.context.forward_to(output, record)
    }
}

impl<'r, L, W> ProcessorContext<'_, 'r, L, W> {
    /// A key-value store of the step, by name, with the types it was made with.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # let forwarded = doc::process(|record, context| {
    /// let mut totals = context.key_value_store::<String, i64>("totals")?;
    /// let before = totals.get(&record.key)?.map_or(0, |stored| stored.value);
    /// let total = before + record.value;
    /// totals.put(&record.key, &total, record.timestamp)?;
    /// context.forward(record.with_value(total))
    /// # });
    /// # assert_eq!(forwarded[0].value, 250);
    /// ```
    ///
    /// # Errors
    /// The step names no such store, it is another kind of store, or one of other types.
    pub fn key_value_store<K: Data, V: Data>(
        &mut self,
        name: &str,
    ) -> Result<KeyValueStore<'_, 'r, K, V>, ProcessorError> {
        KeyValueStore::of(&mut self.context, name)
    }

    /// A window store of the step, likewise.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # let forwarded = doc::process(|record, context| {
    /// let mut per_hour = context.window_store::<String, i64>("per-hour")?;
    /// let hour = record.timestamp / 3_600_000 * 3_600_000;
    /// let before = per_hour.get(&record.key, hour)?.map_or(0, |stored| stored.value);
    /// per_hour.put(&record.key, hour, &(before + record.value), record.timestamp)?;
    /// context.forward(record)
    /// # });
    /// # assert_eq!(forwarded.len(), 1);
    /// ```
    ///
    /// # Errors
    /// As [`ProcessorContext::key_value_store`].
    pub fn window_store<K: Data, V: Data>(
        &mut self,
        name: &str,
    ) -> Result<WindowStore<'_, 'r, K, V>, ProcessorError> {
        WindowStore::of(&mut self.context, name)
    }

    /// A session store of the step, likewise.
    ///
    /// # Errors
    /// As [`ProcessorContext::key_value_store`].
    ///
    /// ```
    /// use millrace_worker::api::ProcessorError;
    /// use millrace_worker::dsl::ProcessorContext;
    ///
    /// fn visits(context: &mut ProcessorContext<'_, '_, String, i64>) -> Result<usize, ProcessorError> {
    ///     let mut visits = context.session_store::<String, i64>("visits")?;
    ///     Ok(visits.fetch(&"ann".to_owned())?.len())
    /// }
    /// ```
    pub fn session_store<K: Data, V: Data>(
        &mut self,
        name: &str,
    ) -> Result<SessionStore<'_, 'r, K, V>, ProcessorError> {
        SessionStore::of(&mut self.context, name)
    }

    /// A versioned store of the step, likewise.
    ///
    /// # Errors
    /// As [`ProcessorContext::key_value_store`].
    ///
    /// ```
    /// use millrace_worker::api::ProcessorError;
    /// use millrace_worker::dsl::ProcessorContext;
    ///
    /// fn is_priced(context: &mut ProcessorContext<'_, '_, String, i64>) -> Result<bool, ProcessorError> {
    ///     let mut prices = context.versioned_store::<String, f64>("prices")?;
    ///     Ok(prices.get(&"tea".to_owned())?.is_some())
    /// }
    /// ```
    pub fn versioned_store<K: Data, V: Data>(
        &mut self,
        name: &str,
    ) -> Result<VersionedStore<'_, 'r, K, V>, ProcessorError> {
        VersionedStore::of(&mut self.context, name)
    }
}

impl<'c, 'r, L, W> Deref for ProcessorContext<'c, 'r, L, W> {
    type Target = ProcessingContext<'c, 'r>;

    fn deref(&self) -> &Self::Target {
        &self.context
    }
}

impl<L, W> DerefMut for ProcessorContext<'_, '_, L, W> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.context
    }
}

/// What a [`FixedKeyProcessor`](super::FixedKeyProcessor) may do while it is called: all of
/// [`ProcessingContext`], typed stores, and forward records with the key they came with and a value of
/// `W`.
///
/// ```
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
/// # let forwarded = doc::process_values(|record, context| {
/// assert_eq!(context.topic(), Some("orders"));
/// let mut totals = context.key_value_store::<String, i64>("totals")?;
/// totals.put(record.key(), record.value(), record.timestamp())?;
/// context.forward(record)
/// # });
/// # assert_eq!(forwarded.len(), 1);
/// ```
pub struct FixedKeyProcessorContext<'c, 'r, W> {
    context: api::FixedKeyProcessorContext<'c, 'r>,
    types: PhantomData<fn(W)>,
}

impl<'c, 'r, W: Data> FixedKeyProcessorContext<'c, 'r, W> {
    pub(super) fn of(context: &'c mut api::FixedKeyProcessorContext<'_, 'r>) -> Self {
        Self {
            context: context.reborrow(),
            types: PhantomData,
        }
    }

    /// Hands a record to all children, which have done with it when this returns.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # let forwarded = doc::process_values(|record, context| {
    /// let with_tax = record.value() * 6 / 5;
    /// context.forward(record.with_value(with_tax))
    /// # });
    /// # assert_eq!(forwarded[0].value, 300);
    /// ```
    ///
    /// # Errors
    /// What a node below could not do with the record; pass it on with `?`.
    pub fn forward<K>(&mut self, record: FixedKeyRecord<'r, K, W>) -> ProcessorResult {
        let record = record.written(self.context.arena())?;
        self.context.forward(record)
    }

    /// Hands a record to one child: one of the outputs of
    /// [`process_values_into`](crate::dsl::KStream::process_values_into).
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # let [large, small] = doc::process_values_into(|record, context| {
    /// let output = if *record.value() >= 100 { "large" } else { "small" };
    /// context.forward_to(output, record)
    /// # });
    /// # assert_eq!((large.len(), small.len()), (1, 0));
    /// ```
    ///
    /// # Errors
    /// There is no such child; or as [`FixedKeyProcessorContext::forward`].
    pub fn forward_to<K>(
        &mut self,
        output: &str,
        record: FixedKeyRecord<'r, K, W>,
    ) -> ProcessorResult {
        let record = record.written(self.context.arena())?;
        self.context.forward_to(output, record)
    }
}

impl<'r, W> FixedKeyProcessorContext<'_, 'r, W> {
    /// As [`ProcessorContext::key_value_store`].
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # doc::process_values(|record, context| {
    /// let mut totals = context.key_value_store::<String, i64>("totals")?;
    /// assert_eq!(totals.get(record.key())?, None);
    /// # Ok(())
    /// # });
    /// ```
    ///
    /// # Errors
    /// As [`ProcessorContext::key_value_store`].
    pub fn key_value_store<K: Data, V: Data>(
        &mut self,
        name: &str,
    ) -> Result<KeyValueStore<'_, 'r, K, V>, ProcessorError> {
        KeyValueStore::of(&mut self.context, name)
    }

    /// As [`ProcessorContext::window_store`].
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # doc::process_values(|record, context| {
    /// let mut per_hour = context.window_store::<String, i64>("per-hour")?;
    /// assert!(per_hour.put(record.key(), 0, record.value(), record.timestamp())?);
    /// # Ok(())
    /// # });
    /// ```
    ///
    /// # Errors
    /// As [`ProcessorContext::key_value_store`].
    pub fn window_store<K: Data, V: Data>(
        &mut self,
        name: &str,
    ) -> Result<WindowStore<'_, 'r, K, V>, ProcessorError> {
        WindowStore::of(&mut self.context, name)
    }

    /// As [`ProcessorContext::session_store`].
    ///
    /// # Errors
    /// As [`ProcessorContext::key_value_store`].
    ///
    /// ```
    /// use millrace_worker::api::ProcessorError;
    /// use millrace_worker::dsl::FixedKeyProcessorContext;
    ///
    /// fn visits(context: &mut FixedKeyProcessorContext<'_, '_, i64>) -> Result<usize, ProcessorError> {
    ///     let mut visits = context.session_store::<String, i64>("visits")?;
    ///     Ok(visits.fetch(&"ann".to_owned())?.len())
    /// }
    /// ```
    pub fn session_store<K: Data, V: Data>(
        &mut self,
        name: &str,
    ) -> Result<SessionStore<'_, 'r, K, V>, ProcessorError> {
        SessionStore::of(&mut self.context, name)
    }

    /// As [`ProcessorContext::versioned_store`].
    ///
    /// # Errors
    /// As [`ProcessorContext::key_value_store`].
    ///
    /// ```
    /// use millrace_worker::api::ProcessorError;
    /// use millrace_worker::dsl::FixedKeyProcessorContext;
    ///
    /// fn is_priced(context: &mut FixedKeyProcessorContext<'_, '_, i64>) -> Result<bool, ProcessorError> {
    ///     let mut prices = context.versioned_store::<String, f64>("prices")?;
    ///     Ok(prices.get(&"tea".to_owned())?.is_some())
    /// }
    /// ```
    pub fn versioned_store<K: Data, V: Data>(
        &mut self,
        name: &str,
    ) -> Result<VersionedStore<'_, 'r, K, V>, ProcessorError> {
        VersionedStore::of(&mut self.context, name)
    }
}

impl<'c, 'r, W> Deref for FixedKeyProcessorContext<'c, 'r, W> {
    type Target = ProcessingContext<'c, 'r>;

    fn deref(&self) -> &Self::Target {
        &self.context
    }
}

impl<W> DerefMut for FixedKeyProcessorContext<'_, '_, W> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.context
    }
}
