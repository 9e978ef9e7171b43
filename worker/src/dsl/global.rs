//! [`GlobalKTable`].

use std::fmt;
use std::marker::PhantomData;

use super::graph::Handle;

/// A table of which every instance has all partitions: streams look single keys of it up, whatever
/// their own key is ([`KStream::join_global_table`](super::KStream::join_global_table)).
///
/// ```
/// # use millrace_worker::dsl::{GlobalKTable, StreamsBuilder};
/// # use millrace_worker::testing::TopologyTestDriver;
/// # let builder = StreamsBuilder::new();
/// let products: GlobalKTable<String, String> = builder.global_table("products");
/// let orders = builder.stream::<i64, String>("orders");
/// orders
///     .join_global_table(&products, |_, product| product.clone(), |_, name| name.clone())
///     .to("ordered-products");
/// # let driver = TopologyTestDriver::new("app", &builder.build())?;
/// # let mut input = driver.input_topic::<i64, String>("orders")?;
/// # let output = driver.output_topic::<i64, String>("ordered-products")?;
/// driver.input_topic::<String, String>("products")?.pipe("p1", "flour")?;
/// input.pipe(7, "p1")?;
/// assert_eq!(output.read()?, (7, "flour".to_owned()));
/// # Ok::<(), millrace_worker::testing::DriverError>(())
/// ```
pub struct GlobalKTable<K, V> {
    pub(super) handle: Handle,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> GlobalKTable<K, V> {
    pub(super) fn of(handle: Handle) -> Self {
        Self {
            handle,
            types: PhantomData,
        }
    }
}

impl<K, V> Clone for GlobalKTable<K, V> {
    fn clone(&self) -> Self {
        Self::of(self.handle.clone())
    }
}

impl<K, V> fmt::Debug for GlobalKTable<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GlobalKTable")
    }
}
