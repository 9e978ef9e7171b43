//! Joins of two tables. The right one must be kept in a store, and the left one too where its changes
//! are not.

use millrace_crds::topology::{Join, Step};

use super::call::of_value;
use super::graph::{Handle, Kind};
use super::joiner::joiner;
use super::table::KTable;
use crate::data::Data;

impl<K: Data, V: Data> KTable<K, V> {
    /// Rows that both tables have.
    pub fn join<W: Data, R: Data>(
        &self,
        other: &KTable<K, W>,
        join: impl Fn(&V, &W) -> R + Send + Sync + 'static,
    ) -> KTable<K, R::Present> {
        let value = joiner(&self.handle.graph, "join", join);
        self.joined(
            &other.handle,
            Step::Join,
            Join {
                value,
                ..Join::default()
            },
        )
    }

    /// All rows of this table, with the other's where it has one.
    pub fn left_join<W: Data, R: Data>(
        &self,
        other: &KTable<K, W>,
        join: impl Fn(&V, Option<&W>) -> R + Send + Sync + 'static,
    ) -> KTable<K, R::Present> {
        let join = move |left: &V, right: &Option<W>| join(left, right.as_ref());
        let value = joiner(&self.handle.graph, "left_join", join);
        self.joined(
            &other.handle,
            Step::LeftJoin,
            Join {
                value,
                ..Join::default()
            },
        )
    }

    /// All rows of both tables; at least one side is there.
    pub fn outer_join<W: Data, R: Data>(
        &self,
        other: &KTable<K, W>,
        join: impl Fn(Option<&V>, Option<&W>) -> R + Send + Sync + 'static,
    ) -> KTable<K, R::Present> {
        let join = move |left: &Option<V>, right: &Option<W>| join(left.as_ref(), right.as_ref());
        let value = joiner(&self.handle.graph, "outer_join", join);
        self.joined(
            &other.handle,
            Step::OuterJoin,
            Join {
                value,
                ..Join::default()
            },
        )
    }

    /// Each row with the other table's row whose key `foreign_key` gives (KIP-213). The name is that
    /// of the join's topics and store.
    ///
    /// ```
    /// use millrace_worker::data::Json;
    /// use millrace_worker::dsl::StreamsBuilder;
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct Album {
    ///     title: String,
    ///     artist: String,
    /// }
    ///
    /// let builder = StreamsBuilder::new();
    /// let artists = builder.table::<String, String>("artists");
    /// let albums = builder.table::<String, Json<Album>>("albums");
    /// albums
    ///     .join_foreign_key(
    ///         &artists,
    ///         |album| album.artist.clone(),
    ///         |album, artist| format!("{} by {artist}", album.title),
    ///         "album-artists",
    ///     )
    ///     .to_stream()
    ///     .to("albums-with-artist");
    /// builder.build().plan("albums").unwrap();
    /// ```
    pub fn join_foreign_key<L: Data, W: Data, R: Data>(
        &self,
        other: &KTable<L, W>,
        foreign_key: impl Fn(&V) -> L + Send + Sync + 'static,
        join: impl Fn(&V, &W) -> R + Send + Sync + 'static,
        name: impl Into<String>,
    ) -> KTable<K, R::Present> {
        let graph = &self.handle.graph;
        let join = Join {
            value: joiner(graph, "join", join),
            foreign_key: Some(of_value(graph, "foreign_key", foreign_key)),
            name: Some(name.into()),
            ..Join::default()
        };
        self.joined(&other.handle, Step::Join, join)
    }

    /// As [`KTable::join_foreign_key`], with the rows without a match too.
    pub fn left_join_foreign_key<L: Data, W: Data, R: Data>(
        &self,
        other: &KTable<L, W>,
        foreign_key: impl Fn(&V) -> L + Send + Sync + 'static,
        join: impl Fn(&V, Option<&W>) -> R + Send + Sync + 'static,
        name: impl Into<String>,
    ) -> KTable<K, R::Present> {
        let graph = &self.handle.graph;
        let join = move |left: &V, right: &Option<W>| join(left, right.as_ref());
        let join = Join {
            value: joiner(graph, "left_join", join),
            foreign_key: Some(of_value(graph, "foreign_key", foreign_key)),
            name: Some(name.into()),
            ..Join::default()
        };
        self.joined(&other.handle, Step::LeftJoin, join)
    }

    fn joined<R>(&self, other: &Handle, step: fn(Join) -> Step, join: Join) -> KTable<K, R> {
        let others = vec![self.handle.other(other)];
        KTable::of(self.handle.steps(vec![step(join)], Kind::Table, others))
    }
}
