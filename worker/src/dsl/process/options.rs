//! What a `process` is told beside its processor.

use std::collections::BTreeMap;
use std::time::Duration;

use millrace_crds::topology::{
    Process, ProcessorSession, ProcessorStore, ProcessorWindow, Versioned,
};

use crate::data::Data;
use crate::dsl::graph::{Graph, format_name};
use crate::dsl::windows::written;

/// The name of a processor, and its stores. A text stands for a processor without stores.
///
/// The name is that by which the program registers it, and a StreamApp names it; each has one of its own.
///
/// ```
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
/// # use millrace_worker::dsl::{Processed, StoreBuilder, StreamsBuilder};
/// # let builder = StreamsBuilder::new();
/// # use doc::Forward;
/// let totals = StoreBuilder::key_value::<String, i64>("totals");
/// let audit = Processed::named("audit").with_store(totals);
/// builder.stream::<String, i64>("orders").process(|| Forward, audit).to("audited-orders");
/// assert!(builder.build().plan("shop").is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct Processed {
    pub(super) processor: String,
    stores: Vec<StoreBuilder>,
    uses: Vec<String>,
}

impl Processed {
    /// A processor of this name.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # use millrace_worker::dsl::{Processed, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # use doc::Forward;
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders.process(|| Forward, Processed::named("audit")).to("audited-orders");
    /// assert_eq!(builder.build().processors().to_string(), "audit");
    /// ```
    pub fn named(processor: impl Into<String>) -> Self {
        Self {
            processor: processor.into(),
            stores: Vec::new(),
            uses: Vec::new(),
        }
    }

    /// Makes a store for it (`ConnectedStoreProvider`).
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # use millrace_worker::dsl::{Processed, StoreBuilder, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # use doc::Forward;
    /// let totals = StoreBuilder::key_value::<String, i64>("totals");
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders.process(|| Forward, Processed::named("audit").with_store(totals)).to("audited-orders");
    /// assert_eq!(builder.build().plan("shop").unwrap().stores[0].name, "totals");
    /// ```
    #[must_use]
    pub fn with_store(mut self, store: StoreBuilder) -> Self {
        self.stores.push(store);
        self
    }

    /// Lets it use a store that another processor has made, or read a table's or a global table's.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # use millrace_worker::dsl::{Processed, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # use doc::Forward;
    /// builder.table::<String, i64>("customers");
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders.process(|| Forward, Processed::named("audit").using("customers")).to("audited-orders");
    /// assert!(builder.build().plan("shop").is_ok());
    /// ```
    #[must_use]
    pub fn using(mut self, store: impl Into<String>) -> Self {
        self.uses.push(store.into());
        self
    }

    /// As the topology language has it.
    pub(super) fn declared(self, graph: &Graph) -> Process {
        let mut stores = BTreeMap::new();
        for StoreBuilder {
            name,
            store,
            supplier,
        } in self.stores
        {
            graph.supplied(&name, supplier);
            if stores.insert(name.clone(), store).is_some() {
                graph.twice("store", &name);
            }
        }
        Process {
            processor: self.processor,
            stores,
            uses: self.uses,
            ..Process::default()
        }
    }
}

impl From<&str> for Processed {
    fn from(processor: &str) -> Self {
        Self::named(processor)
    }
}

/// A store of a processor (Kafka Streams' `Stores`). Its changelog topic is
/// `<application id>-<name>-changelog`.
///
/// ```
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
/// # use std::time::Duration;
/// # use millrace_worker::dsl::{Processed, StoreBuilder, StreamsBuilder};
/// # let builder = StreamsBuilder::new();
/// # use doc::Forward;
/// let hour = Duration::from_secs(3600);
/// let per_hour = StoreBuilder::window::<String, i64>("per-hour", hour, 24 * hour).in_memory();
/// let orders = builder.stream::<String, i64>("orders");
/// orders.process(|| Forward, Processed::named("audit").with_store(per_hour)).to("audited-orders");
/// let plan = builder.build().plan("shop").unwrap();
/// assert_eq!(plan.stores[0].changelog.as_deref(), Some("shop-per-hour-changelog"));
/// ```
#[derive(Clone, Debug)]
pub struct StoreBuilder {
    name: String,
    store: ProcessorStore,
    supplier: Option<String>,
}

impl StoreBuilder {
    /// A value per key.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # use millrace_worker::dsl::{Processed, StoreBuilder, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # use doc::Forward;
    /// let totals = StoreBuilder::key_value::<String, i64>("totals");
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders.process(|| Forward, Processed::named("audit").with_store(totals)).to("audited-orders");
    /// assert!(builder.build().describe("shop").unwrap().contains("totals: string → long"));
    /// ```
    pub fn key_value<K: Data, V: Data>(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            store: ProcessorStore {
                key: Some(format_name(K::FORMAT)),
                value: Some(format_name(V::FORMAT)),
                ..ProcessorStore::default()
            },
            supplier: None,
        }
    }

    /// A value per key and window of this size, kept for so long after the window's start.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # use std::time::Duration;
    /// # use millrace_worker::dsl::{Processed, StoreBuilder, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # use doc::Forward;
    /// let hour = Duration::from_secs(3600);
    /// let per_hour = StoreBuilder::window::<String, i64>("per-hour", hour, 24 * hour);
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders.process(|| Forward, Processed::named("audit").with_store(per_hour)).to("audited-orders");
    /// assert!(builder.build().describe("shop").unwrap().contains("per-hour: string → long"));
    /// ```
    pub fn window<K: Data, V: Data>(
        name: impl Into<String>,
        size: Duration,
        retention: Duration,
    ) -> Self {
        let mut builder = Self::key_value::<K, V>(name);
        builder.store.window = Some(ProcessorWindow {
            size: written(size),
            retention: written(retention),
        });
        builder
    }

    /// A value per key and session, kept for so long after the session's end.
    ///
    /// ```
    /// use std::time::Duration;
    /// use millrace_worker::dsl::{Processed, StoreBuilder};
    ///
    /// let visits = StoreBuilder::session::<String, i64>("visits", Duration::from_secs(3600));
    /// let processed = Processed::named("visits").with_store(visits);
    /// ```
    pub fn session<K: Data, V: Data>(name: impl Into<String>, retention: Duration) -> Self {
        let mut builder = Self::key_value::<K, V>(name);
        builder.store.session = Some(ProcessorSession {
            retention: written(retention),
        });
        builder
    }

    /// The latest value per key, and for so long those before (KIP-889).
    ///
    /// ```
    /// use std::time::Duration;
    /// use millrace_worker::dsl::{Processed, StoreBuilder};
    ///
    /// let prices = StoreBuilder::versioned::<String, f64>("prices", Duration::from_secs(3600));
    /// let processed = Processed::named("prices").with_store(prices);
    /// ```
    pub fn versioned<K: Data, V: Data>(name: impl Into<String>, retention: Duration) -> Self {
        let mut builder = Self::key_value::<K, V>(name);
        builder.store.versioned = Some(Versioned {
            retention: written(retention),
        });
        builder
    }

    /// Keeps it in memory instead of on disk; it is restored whole at each start.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # use millrace_worker::dsl::{Processed, StoreBuilder, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # use doc::Forward;
    /// let totals = StoreBuilder::key_value::<String, i64>("totals").in_memory();
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders.process(|| Forward, Processed::named("audit").with_store(totals)).to("audited-orders");
    /// assert!(builder.build().plan("shop").unwrap().stores[0].in_memory);
    /// ```
    #[must_use]
    pub fn in_memory(mut self) -> Self {
        self.store.in_memory = true;
        self
    }

    /// Has it kept by a supplier of stores that the program registers under this name
    /// ([`Worker::store_supplier`](crate::api::Worker::store_supplier)). One value per key alone.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # use millrace_worker::dsl::{Processed, StoreBuilder, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # use doc::Forward;
    /// let totals = StoreBuilder::key_value::<String, i64>("totals").with_supplier("tree");
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders.process(|| Forward, Processed::named("audit").with_store(totals)).to("audited-orders");
    /// assert!(builder.build().describe("shop").unwrap().contains("kept by tree"));
    /// ```
    #[must_use]
    pub fn with_supplier(mut self, supplier: impl Into<String>) -> Self {
        self.supplier = Some(supplier.into());
        self
    }

    /// Keeps no changelog: what is lost here is lost.
    ///
    /// ```
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/dsl.rs")); }
    /// # use millrace_worker::dsl::{Processed, StoreBuilder, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// # use doc::Forward;
    /// let totals = StoreBuilder::key_value::<String, i64>("totals").with_logging_disabled();
    /// let orders = builder.stream::<String, i64>("orders");
    /// orders.process(|| Forward, Processed::named("audit").with_store(totals)).to("audited-orders");
    /// assert_eq!(builder.build().plan("shop").unwrap().stores[0].changelog, None);
    /// ```
    #[must_use]
    pub fn with_logging_disabled(mut self) -> Self {
        self.store.logging = Some(false);
        self
    }
}
