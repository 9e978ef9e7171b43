//! [`Processors`]: what a worker image has registered, by name.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use millrace_crds::plan::{NodeKind, Plan};

use super::fixed_key::FixedKeyProcessor;
use super::instances::Instance;
use super::processor::Processor;
use super::state_store::{RegisteredSupplier, StoreSupplier};

/// Makes a processor for a task (Kafka Streams' `ProcessorSupplier`).
#[derive(Clone)]
pub struct Supplier {
    make: Arc<dyn Fn() -> Instance + Send + Sync>,
    fixed_key: bool,
}

impl Supplier {
    pub(super) fn make(&self) -> Instance {
        (self.make)()
    }
}

/// The processors a worker image has registered, by the names that StreamApps use; and its suppliers of
/// stores.
///
/// ```
/// # use millrace_worker::api::Processors;
/// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
/// # use doc::Forward;
/// let processors = Processors::new().with("copy", || Forward).with_fixed_key("pass", || Forward);
/// assert_eq!(processors.to_string(), "copy, pass");
/// ```
#[derive(Clone, Default)]
pub struct Processors {
    by_name: BTreeMap<String, Supplier>,
    stores: BTreeMap<String, RegisteredSupplier>,
}

impl Processors {
    /// None.
    ///
    /// ```
    /// # use millrace_worker::api::Processors;
    /// let none = Processors::new();
    /// assert!(none.to_string().starts_with("none"));
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers what makes a processor for each task, in place of what had the name before.
    ///
    /// ```
    /// # use millrace_worker::api::Processors;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # use doc::Forward;
    /// let processors = Processors::new().with("copy", || Forward);
    /// assert_eq!(processors.to_string(), "copy");
    /// ```
    #[must_use]
    pub fn with<P: Processor + 'static>(
        mut self,
        name: impl Into<String>,
        make: impl Fn() -> P + Send + Sync + 'static,
    ) -> Self {
        let supplier = Supplier {
            make: Arc::new(move || Instance::Free(Box::new(make()))),
            fixed_key: false,
        };
        self.by_name.insert(name.into(), supplier);
        self
    }

    /// As [`Processors::with`], of a fixed-key processor.
    ///
    /// ```
    /// # use millrace_worker::api::Processors;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # use doc::Forward;
    /// let processors = Processors::new().with_fixed_key("pass", || Forward);
    /// assert_eq!(processors.to_string(), "pass");
    /// ```
    #[must_use]
    pub fn with_fixed_key<P: FixedKeyProcessor + 'static>(
        mut self,
        name: impl Into<String>,
        make: impl Fn() -> P + Send + Sync + 'static,
    ) -> Self {
        let supplier = Supplier {
            make: Arc::new(move || Instance::FixedKey(Box::new(make()))),
            fixed_key: true,
        };
        self.by_name.insert(name.into(), supplier);
        self
    }

    /// Registers what opens stores, in place of what had the name before: see [`StateStore`].
    ///
    /// [`StateStore`]: super::StateStore
    ///
    /// ```
    /// # use millrace_worker::api::{Processors, StorePlace};
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/tree.rs")); }
    /// # use doc::Tree;
    /// let own = Processors::new().with_store_supplier("tree", |_: &StorePlace| Ok(Tree::default()));
    /// assert_eq!(own.to_string(), "tree (a store supplier)");
    /// ```
    #[must_use]
    pub fn with_store_supplier(
        mut self,
        name: impl Into<String>,
        supplier: impl StoreSupplier + 'static,
    ) -> Self {
        let supplier = RegisteredSupplier(Arc::new(supplier));
        self.stores.insert(name.into(), supplier);
        self
    }

    /// The supplier of stores of this name.
    pub(crate) fn store_supplier(&self, name: &str) -> Option<RegisteredSupplier> {
        self.stores.get(name).cloned()
    }

    /// All of these, and the others: of two of one name the other.
    ///
    /// ```
    /// # use millrace_worker::api::Processors;
    /// # mod doc { include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/doc/api.rs")); }
    /// # use doc::Forward;
    /// let copying = Processors::new().with("copy", || Forward);
    /// let passing = Processors::new().with_fixed_key("pass", || Forward);
    /// assert_eq!(copying.and(&passing).to_string(), "copy, pass");
    /// ```
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        let (others, others_stores) = (others.by_name.iter(), &others.stores);
        let others = others.map(|(name, supplier)| (name.clone(), supplier.clone()));
        self.by_name.extend(others);
        let stores = others_stores.iter();
        let stores = stores.map(|(name, supplier)| (name.clone(), supplier.clone()));
        self.stores.extend(stores);
        self
    }

    /// Whether one has this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// The supplier of a name and kind.
    pub(crate) fn get(&self, name: &str, fixed_key: bool) -> Option<&Supplier> {
        let found = self.by_name.get(name);
        found.filter(|supplier| supplier.fixed_key == fixed_key)
    }

    /// Looks whether all processors of a plan are registered, each of the kind its step asks for, and the
    /// suppliers of its stores.
    ///
    /// ```
    /// # use millrace_worker::api::Processors;
    /// # use millrace_worker::dsl::{Grouped, Materialized, StreamsBuilder};
    /// # let builder = StreamsBuilder::new();
    /// let counts = Materialized::named("counts").with_supplier("tree");
    /// builder.stream::<String, i64>("orders").group_by_key(Grouped::new()).count(counts);
    /// let plan = builder.build().plan("shop").unwrap();
    /// assert!(Processors::new().check(&plan).is_err());
    /// ```
    ///
    /// # Errors
    /// All those that are not.
    pub fn check(&self, plan: &Plan) -> Result<(), ProcessorsMissing> {
        let mut missing = Vec::new();
        for node in &plan.nodes {
            let NodeKind::Process {
                processor,
                fixed_key,
                ..
            } = &node.kind
            else {
                continue;
            };
            if self.get(processor, *fixed_key).is_some() {
                continue;
            }
            let path = &node.path;
            missing.push(match self.by_name.contains_key(processor) {
                false => format!("{path}.processor: no processor `{processor}` is registered"),
                true if *fixed_key => format!(
                    "{path}.processor: `{processor}` is no fixed-key processor; use `process`"
                ),
                true => format!(
                    "{path}.processor: `{processor}` is a fixed-key processor; use `processValues`"
                ),
            });
        }
        for store in &plan.stores {
            let supplier = store.supplier.as_ref();
            if let Some(name) = supplier.filter(|name| !self.stores.contains_key(*name)) {
                let path = format!("spec.topology.storeSuppliers.{}", store.name);
                missing.push(format!("{path}: no store supplier `{name}` is registered"));
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        Err(ProcessorsMissing {
            missing: missing.join("\n"),
            registered: self.to_string(),
        })
    }
}

impl fmt::Display for Processors {
    /// The names, as a sentence goes on after "registered in this worker image:".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.by_name.is_empty() && self.stores.is_empty() {
            return f.write_str("none (this is an image without processors of its own)");
        }
        let processors = self.by_name.keys().cloned();
        let stores = self.stores.keys();
        let stores = stores.map(|name| format!("{name} (a store supplier)"));
        let names: Vec<String> = processors.chain(stores).collect();
        f.write_str(&names.join(", "))
    }
}

impl fmt::Debug for Processors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.by_name.keys().chain(self.stores.keys());
        f.debug_set().entries(names).finish()
    }
}

/// A StreamApp names processors, or store suppliers, that this worker image has not registered.
///
/// ```
/// # use millrace_worker::api::{Processors, ProcessorsMissing};
/// # use millrace_worker::dsl::{Grouped, Materialized, StreamsBuilder};
/// # let builder = StreamsBuilder::new();
/// let counts = Materialized::named("counts").with_supplier("tree");
/// builder.stream::<String, i64>("orders").group_by_key(Grouped::new()).count(counts);
/// let plan = builder.build().plan("shop").unwrap();
/// let missing: ProcessorsMissing = Processors::new().check(&plan).unwrap_err();
/// assert!(missing.to_string().contains("no store supplier `tree` is registered"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{missing}\n  registered in this worker image: {registered}\n  help: mend the name, or run the \
     StreamApp by the image that has it (`spec.image`)"
)]
pub struct ProcessorsMissing {
    /// Field path and reason, a line each.
    missing: String,
    /// The names that there are.
    registered: String,
}
