//! The topology language, as data.
//!
//! A topology is three maps of named things. A *source* reads topics; a *derived* stream or table
//! takes another (`from`) or several (`merge`) through a list of steps. Names refer to each other, so
//! nothing nests and one name may feed several others:
//!
//! ```text
//!   streams.a {topic} ──► streams.b {from: a, steps: […], to: {topic}}
//!                  └────► streams.c {from: a, steps: [leftJoin: {table: t}]}
//!   tables.t  {topic} ─────────────────────────────────────────────┘
//! ```
//!
//! These types hold what was written. What it means is found out in [`plan`](mod@crate::plan).

mod function;
mod serde_name;
mod step;
mod stream;
mod table;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use function::{Function, TypeName};
pub use serde_name::{InvalidTimestamp, OffsetResetName, SerdeName, Serdes};
pub(crate) use serde_name::{duration, field_describes};
pub use step::{
    Aggregate, Branch, Cogroup, Cogrouped, Count, EmitName, Empty, FlatMap, GroupBy, GroupByKey,
    Hopping, Join, Map, Peek, Print, Process, ProcessorSession, ProcessorStore, ProcessorWindow,
    Reduce, Repartition, Session, Sliding, Split, Step, Suppress, To, ToTable, Tumbling, Versioned,
    WhenFull, WindowedBy,
};
pub use stream::Stream;
pub use table::{GlobalTable, Table};

use crate::limits;

/// What the application does: streams and tables, by name. A name is 1 to 100 letters, digits, `-`
/// and `_`, and stands for one thing across all three sections.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Topology {
    /// Streams: every record is an event of its own. At most 100.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = limits::STREAMS))]
    pub streams: BTreeMap<String, Stream>,
    /// Tables: every record replaces the one before with the same key. At most 100.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = limits::TABLES))]
    pub tables: BTreeMap<String, Table>,
    /// Tables of which every pod has all partitions, for joins by any key. At most 20.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = limits::GLOBAL_TABLES))]
    pub global_tables: BTreeMap<String, GlobalTable>,
    /// Functions of the worker's image that expressions call: closures of a topology written in Rust,
    /// as `export` of that image prints them. At most 1000.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = limits::FUNCTIONS))]
    pub functions: BTreeMap<String, Function>,
    /// Key-value stores that the worker's image keeps in a way of its own: the name of each, and that of
    /// its supplier. At most 100.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = limits::SUPPLIED_STORES))]
    #[schemars(extend("additionalProperties" = supplier_name()))]
    pub store_suppliers: BTreeMap<String, String>,
}

/// Schema of a supplier's name.
fn supplier_name() -> serde_json::Value {
    serde_json::json!({"type": "string", "maxLength": limits::NAME_LENGTH})
}
