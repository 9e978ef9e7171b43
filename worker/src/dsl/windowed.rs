//! [`TimeWindowedKStream`] and [`SessionWindowedKStream`]: groups divided by time.

use std::fmt;
use std::time::Duration;

use millrace_crds::topology::{Step, WindowedBy};

use super::aggregator::{aggregator, initializer, merger, reducer};
use super::graph::Kind;
use super::grouped::{Calls, KGroupedStream, aggregate_step, count, reduced};
use super::key::Windowed;
use super::options::Materialized;
use super::table::KTable;
use super::windows::{EmitStrategy, written};
use crate::data::Data;

/// Groups divided by windows of time. Results are tables whose keys are [`Windowed`].
///
/// ```
/// use std::time::Duration;
/// use millrace_worker::dsl::{EmitStrategy, Grouped, StreamsBuilder, TimeWindows};
///
/// let builder = StreamsBuilder::new();
/// builder
///     .stream::<String, String>("requests")
///     .group_by_key(Grouped::new())
///     .windowed_by(TimeWindows::of_size_with_no_grace(Duration::from_secs(600)))
///     .emit_strategy(EmitStrategy::OnWindowClose)
///     .count("last-ten-minutes")
///     .to_stream()
///     .select_key(|windowed, _| format!("{}@{}", windowed.key, windowed.start))
///     .to("requests-per-ten-minutes");
/// builder.build().plan("requests").unwrap();
/// ```
pub struct TimeWindowedKStream<K, V>(Groups<K, V>);

/// Groups divided into sessions. Results are tables whose keys are [`Windowed`].
pub struct SessionWindowedKStream<K, V>(Groups<K, V>);

struct Groups<K, V> {
    grouped: KGroupedStream<K, V>,
    windows: WindowedBy,
}

impl<K: Data, V: Data> Groups<K, V> {
    fn aggregated<A>(&self, step: Step) -> KTable<Windowed<K>, A> {
        let (handle, group) = self.grouped.parts();
        let windows = Step::WindowedBy(self.windows.clone());
        let steps = group.iter().cloned().chain([windows, step]).collect();
        KTable::of(handle.steps(steps, Kind::Table, Vec::new()))
    }

    fn keeping(&self, store: impl Into<Materialized>) -> Materialized {
        self.grouped.parts().0.graph.keeping(store)
    }

    fn count(&self, store: Materialized) -> KTable<Windowed<K>, i64> {
        self.aggregated(count::<K>(store))
    }

    fn reduce(
        &self,
        reduce: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        store: Materialized,
    ) -> KTable<Windowed<K>, V::Present> {
        let call = reducer(&self.grouped.parts().0.graph, "reduce", reduce);
        self.aggregated(reduced::<K, V>(call, store))
    }

    fn aggregate<A: Data>(
        &self,
        initial: impl Fn() -> A + Send + Sync + 'static,
        aggregate: impl Fn(&K, &V, A) -> A + Send + Sync + 'static,
        merge: Option<String>,
        store: Materialized,
    ) -> KTable<Windowed<K>, A::Present> {
        let graph = &self.grouped.parts().0.graph;
        let calls = Calls {
            initial: initializer(graph, initial),
            value: aggregator(graph, "aggregate", aggregate),
            merge,
        };
        self.aggregated(aggregate_step::<K, A>(calls, store))
    }
}

impl<K: Data, V: Data> TimeWindowedKStream<K, V> {
    pub(super) fn of(grouped: KGroupedStream<K, V>, windows: WindowedBy) -> Self {
        Self(Groups { grouped, windows })
    }

    /// When results go on. Default: at each record.
    #[must_use]
    pub fn emit_strategy(mut self, strategy: EmitStrategy) -> Self {
        self.0.windows.emit = strategy.into();
        self
    }

    /// How long windows are kept, for queries. Default, and least: as long as they can change.
    #[must_use]
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.0.windows.retention = Some(written(retention));
        self
    }

    /// The number of records of each key and window.
    pub fn count(&self, store: impl Into<Materialized>) -> KTable<Windowed<K>, i64> {
        self.0.count(self.0.keeping(store))
    }

    /// Records of each key and window combined, starting from the first.
    pub fn reduce(
        &self,
        reduce: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        store: impl Into<Materialized>,
    ) -> KTable<Windowed<K>, V::Present> {
        self.0.reduce(reduce, self.0.keeping(store))
    }

    /// Records of each key and window taken into an aggregate.
    pub fn aggregate<A: Data>(
        &self,
        initial: impl Fn() -> A + Send + Sync + 'static,
        aggregate: impl Fn(&K, &V, A) -> A + Send + Sync + 'static,
        store: impl Into<Materialized>,
    ) -> KTable<Windowed<K>, A::Present> {
        self.0
            .aggregate(initial, aggregate, None, self.0.keeping(store))
    }
}

impl<K: Data, V: Data> SessionWindowedKStream<K, V> {
    pub(super) fn of(grouped: KGroupedStream<K, V>, windows: WindowedBy) -> Self {
        Self(Groups { grouped, windows })
    }

    /// When results go on. Default: at each record.
    #[must_use]
    pub fn emit_strategy(mut self, strategy: EmitStrategy) -> Self {
        self.0.windows.emit = strategy.into();
        self
    }

    /// How long sessions are kept, for queries. Default, and least: as long as they can change.
    #[must_use]
    pub fn with_retention(mut self, retention: Duration) -> Self {
        self.0.windows.retention = Some(written(retention));
        self
    }

    /// The number of records of each session.
    pub fn count(&self, store: impl Into<Materialized>) -> KTable<Windowed<K>, i64> {
        self.0.count(self.0.keeping(store))
    }

    /// Records of each session combined, starting from the first.
    pub fn reduce(
        &self,
        reduce: impl Fn(&V, &V) -> V + Send + Sync + 'static,
        store: impl Into<Materialized>,
    ) -> KTable<Windowed<K>, V::Present> {
        self.0.reduce(reduce, self.0.keeping(store))
    }

    /// Records of each session taken into an aggregate; `merge` makes one of two sessions that a
    /// record joins.
    pub fn aggregate<A: Data>(
        &self,
        initial: impl Fn() -> A + Send + Sync + 'static,
        aggregate: impl Fn(&K, &V, A) -> A + Send + Sync + 'static,
        merge: impl Fn(&K, A, A) -> A + Send + Sync + 'static,
        store: impl Into<Materialized>,
    ) -> KTable<Windowed<K>, A::Present> {
        let merge = merger(&self.0.grouped.parts().0.graph, merge);
        self.0
            .aggregate(initial, aggregate, Some(merge), self.0.keeping(store))
    }
}

impl<K, V> fmt::Debug for TimeWindowedKStream<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TimeWindowedKStream({:?})", self.0.windows)
    }
}

impl<K, V> fmt::Debug for SessionWindowedKStream<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionWindowedKStream({:?})", self.0.windows)
    }
}
