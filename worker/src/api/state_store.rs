//! [`StateStore`] and [`StoreSupplier`]: a store kept in a way of the user's own.

use std::error::Error;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use millrace_crds::plan::TaskId;

use crate::state::{StateError, StateErrorKind};

/// Why a store of the user's own could not do what it was asked. Any error becomes one with `?`, as does a
/// text with `into`.
///
/// ```
/// # use millrace_worker::api::StoreFailure;
/// let failure: StoreFailure = "the disk is full".into();
/// assert_eq!(failure.to_string(), "the disk is full");
/// ```
pub type StoreFailure = Box<dyn Error + Send + Sync>;

/// The rows of one store of one task, kept in a way of the user's own instead of RocksDB.
///
/// It holds what is committed and nothing else: the engine keeps what is not, writes the changelog, and
/// brings the rows of a transaction with [`StateStore::write`] once it has committed. At each start, and
/// when a task comes from elsewhere, the engine has the supplier open a new one and writes into it all
/// that the changelog has: so it needs no durability of its own, and a crash needs no thought. Keys and
/// rows are bytes; what they mean is the engine's.
///
/// An error stops the application, which begins with a new one: nothing committed is lost.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::ops::Bound;
///
/// use millrace_worker::api::{Processors, StateStore, StorePlace, StoreFailure};
///
/// /// Rows in a tree: simple, and good for tests.
/// #[derive(Default)]
/// struct Tree(BTreeMap<Vec<u8>, Vec<u8>>);
///
/// impl StateStore for Tree {
///     fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFailure> {
///         Ok(self.0.get(key).cloned())
///     }
///
///     fn scan(
///         &self,
///         from: &[u8],
///         to: Option<&[u8]>,
///         row: &mut dyn FnMut(&[u8], &[u8]) -> bool,
///     ) -> Result<(), StoreFailure> {
///         let to = to.map_or(Bound::Unbounded, Bound::Excluded);
///         let rows = self.0.range::<[u8], _>((Bound::Included(from), to));
///         for (key, value) in rows {
///             if !row(key, value) {
///                 break;
///             }
///         }
///         Ok(())
///     }
///
///     fn write(&mut self, rows: &[(&[u8], Option<&[u8]>)]) -> Result<(), StoreFailure> {
///         for (key, row) in rows {
///             match row {
///                 Some(row) => self.0.insert(key.to_vec(), row.to_vec()),
///                 None => self.0.remove(*key),
///             };
///         }
///         Ok(())
///     }
/// }
///
/// # use millrace_worker::dsl::{Grouped, Materialized, StreamsBuilder};
/// # use millrace_worker::testing::{StepOptions, TopologyTestDriver};
/// let builder = StreamsBuilder::new();
/// builder
///     .stream::<String, i64>("clicks")
///     .group_by_key(Grouped::new())
///     .count(Materialized::named("counts").with_supplier("tree"));
///
/// let own = Processors::new().with_store_supplier("tree", |_: &StorePlace| Ok(Tree::default()));
/// let topology = builder.build().with_code(&own);
/// let driver = TopologyTestDriver::new("clicks", &topology)?;
/// driver.input_topic::<String, i64>("clicks")?.pipe("ann", 1)?;
/// assert_eq!(driver.store::<String, i64>("counts")?.get(&"ann".to_owned())?, Some(1));
/// # Ok::<(), millrace_worker::testing::DriverError>(())
/// ```
pub trait StateStore: Send + Sync {
    /// The row of a key.
    ///
    /// # Errors
    /// It cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFailure>;

    /// Shows the rows with `from <= key < to` (`to` `None`: to the end) in the order of their keys' bytes,
    /// until `row` gives false.
    ///
    /// # Errors
    /// They cannot be read.
    fn scan(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        row: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreFailure>;

    /// Takes the rows of a commit, each key once; no row deletes the key.
    ///
    /// # Errors
    /// They cannot be written.
    fn write(&mut self, rows: &[(&[u8], Option<&[u8]>)]) -> Result<(), StoreFailure>;
}

/// Which store of which task is to be opened.
///
/// ```
/// # use millrace_worker::api::{Processors, StorePlace};
/// # use millrace_worker::dsl::{Grouped, Materialized, StreamsBuilder};
/// # use millrace_worker::testing::TopologyTestDriver;
/// # let builder = StreamsBuilder::new();
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/tree.rs")); }
/// # use doc::Tree;
/// # let counts = Materialized::named("counts").with_supplier("tree");
/// # builder.stream::<String, i64>("orders").group_by_key(Grouped::new()).count(counts);
/// let own = Processors::new().with_store_supplier("tree", |place: &StorePlace| {
///     assert_eq!((&*place.store, place.subtopology, place.partition), ("counts", 0, 0));
///     Ok(Tree::default())
/// });
/// # let driver = TopologyTestDriver::new("shop", &builder.build().with_code(&own))?;
/// # let mut input = driver.input_topic::<String, i64>("orders")?;
/// # input.pipe("ann", 250)?;
/// # Ok::<(), millrace_worker::testing::DriverError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StorePlace {
    /// The store's name.
    pub store: String,
    /// Subtopology of its task.
    pub subtopology: usize,
    /// Partition of its task.
    pub partition: i32,
}

/// Opens the stores that name it, one for each task (Kafka Streams' `KeyValueBytesStoreSupplier`).
/// Closures of the same shape implement it.
///
/// ```
/// # use millrace_worker::api::{Processors, StateStore, StoreFailure, StorePlace, StoreSupplier};
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/tree.rs")); }
/// # use doc::Tree;
/// /// Opens trees, and says so.
/// struct Trees;
///
/// impl StoreSupplier for Trees {
///     fn open(&self, place: &StorePlace) -> Result<Box<dyn StateStore>, StoreFailure> {
///         println!("{} of partition {}", place.store, place.partition);
///         Ok(Box::new(Tree::default()))
///     }
/// }
/// let own = Processors::new().with_store_supplier("tree", Trees);
/// # assert_eq!(own.to_string(), "tree (a store supplier)");
/// ```
pub trait StoreSupplier: Send + Sync {
    /// Opens the store of a task, without rows: what an earlier one of the same place has left, it clears.
    /// Of a store that is not logged it may keep them.
    ///
    /// # Errors
    /// It cannot be opened; the application stops.
    fn open(&self, place: &StorePlace) -> Result<Box<dyn StateStore>, StoreFailure>;
}

impl<F, S> StoreSupplier for F
where
    F: Fn(&StorePlace) -> Result<S, StoreFailure> + Send + Sync,
    S: StateStore + 'static,
{
    fn open(&self, place: &StorePlace) -> Result<Box<dyn StateStore>, StoreFailure> {
        Ok(Box::new(self(place)?))
    }
}

/// A supplier that was registered.
#[derive(Clone)]
pub struct RegisteredSupplier(pub(super) Arc<dyn StoreSupplier>);

impl RegisteredSupplier {
    /// Opens the store of a task.
    pub(crate) fn open(&self, store: &str, task: TaskId) -> Result<SuppliedRows, StateError> {
        let place = StorePlace {
            store: store.to_owned(),
            subtopology: task.subtopology,
            partition: task.partition,
        };
        let opened = self.0.open(&place);
        let rows = opened.map_err(|error| failed("open the supplied store", store, &error))?;
        Ok(SuppliedRows {
            store: store.into(),
            rows: Arc::new(RwLock::new(rows)),
        })
    }
}

impl fmt::Debug for RegisteredSupplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreSupplier")
    }
}

/// The rows of a supplied store. The lock is taken at reads of queries and at commits; the stream thread
/// is its only writer, so its own reads never wait for long.
#[derive(Clone)]
pub struct SuppliedRows {
    store: Arc<str>,
    rows: Arc<RwLock<Box<dyn StateStore>>>,
}

impl SuppliedRows {
    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        let row = rows.get(key);
        row.map_err(|error| failed("read a row of the supplied store", &self.store, &error))
    }

    pub(crate) fn scan(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        row: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StateError> {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        let scanned = rows.scan(from, to, row);
        scanned.map_err(|error| failed("read rows of the supplied store", &self.store, &error))
    }

    pub(crate) fn write(&self, writes: &[(&[u8], Option<&[u8]>)]) -> Result<(), StateError> {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        let written = rows.write(writes);
        written.map_err(|error| failed("write to the supplied store", &self.store, &error))
    }
}

fn failed(operation: &'static str, store: &str, error: &StoreFailure) -> StateError {
    StateError {
        kind: StateErrorKind::Other,
        operation,
        path: store.into(),
        message: error.to_string(),
    }
}
