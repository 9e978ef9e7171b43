//! Joins of two tables. The right one must be kept in a store, and the left one too where its changes
//! are not.

use millrace_crds::topology::{Join, Step};

use super::call::{computed, of_value};
use super::graph::{Handle, Kind};
use super::joiner::joiner;
use super::table::KTable;
use crate::data::Data;

impl<K: Data, V: Data> KTable<K, V> {
    /// Rows that both tables have.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let names = builder.table::<String, String>("names");
    /// let balances = builder.table::<String, i64>("balances");
    /// names.join(&balances, |name, balance| format!("{name}: {balance}")).to_stream().to("accounts");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let output = driver.output_topic::<String, String>("accounts")?;
    /// driver.input_topic::<String, String>("names")?.pipe("c1", "Ann")?;
    /// driver.input_topic::<String, i64>("balances")?.pipe("c1", 70)?;
    /// assert_eq!(output.read_all()?, [("c1".to_owned(), "Ann: 70".to_owned())]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
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
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let names = builder.table::<String, String>("names");
    /// let balances = builder.table::<String, i64>("balances");
    /// let line = |name: &String, balance: Option<&i64>| format!("{name}: {}", balance.unwrap_or(&0));
    /// names.left_join(&balances, line).to_stream().to("accounts");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let output = driver.output_topic::<String, String>("accounts")?;
    /// driver.input_topic::<String, String>("names")?.pipe("c1", "Ann")?;
    /// driver.input_topic::<String, i64>("balances")?.pipe("c1", 70)?;
    /// let lines = output.read_all()?.into_iter().map(|(_, line)| line);
    /// assert_eq!(lines.collect::<Vec<_>>(), ["Ann: 0", "Ann: 70"]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
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
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let ordered = builder.table::<String, i64>("ordered");
    /// let paid = builder.table::<String, i64>("paid");
    /// let open = |due: Option<&i64>, paid: Option<&i64>| due.unwrap_or(&0) - paid.unwrap_or(&0);
    /// ordered.outer_join(&paid, open).to_stream().to("open");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let output = driver.output_topic::<String, i64>("open")?;
    /// driver.input_topic::<String, i64>("paid")?.pipe("ann", 50)?;
    /// driver.input_topic::<String, i64>("ordered")?.pipe("ann", 250)?;
    /// assert_eq!(output.read_all()?, [("ann".to_owned(), -50), ("ann".to_owned(), 200)]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
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

    /// Each row with the other table's row whose key `foreign_key` gives (KIP-213); one for which it
    /// gives `None` has no match. The name is that of the join's topics and store.
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
    pub fn join_foreign_key<L: Data, F: Data<Present = L::Present>, W: Data, R: Data>(
        &self,
        other: &KTable<L, W>,
        foreign_key: impl Fn(&V) -> F + Send + Sync + 'static,
        join: impl Fn(&V, &W) -> R + Send + Sync + 'static,
        name: impl Into<String>,
    ) -> KTable<K, R::Present> {
        let graph = &self.handle.graph;
        let value = joiner(graph, "join", join);
        let foreign_key = of_value(graph, "foreign_key", foreign_key);
        self.foreign_join(&other.handle, Step::Join, (value, foreign_key), name.into())
    }

    /// As [`KTable::join_foreign_key`], with a look at the row's own key (KIP-1104).
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let artists = builder.table::<String, String>("artists");
    /// let albums = builder.table::<String, String>("albums");
    /// // The key of an album is `artist/number`; one of several artists has no such key.
    /// albums
    ///     .join_foreign_key_with_key(
    ///         &artists,
    ///         |album, _| Some(album.split_once('/')?.0.to_owned()),
    ///         |title, artist| format!("{title} by {artist}"),
    ///         "album-artists",
    ///     )
    ///     .to_stream()
    ///     .to("albums-with-artist");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let output = driver.output_topic::<String, String>("albums-with-artist")?;
    /// driver.input_topic::<String, String>("artists")?.pipe("nina", "Nina")?;
    /// let mut albums = driver.input_topic::<String, String>("albums")?;
    /// albums.pipe("nina/1", "Pastel Blues")?;
    /// albums.pipe("various", "The Best")?;
    /// assert_eq!(output.read_all()?, [("nina/1".to_owned(), "Pastel Blues by Nina".to_owned())]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn join_foreign_key_with_key<L: Data, F: Data<Present = L::Present>, W: Data, R: Data>(
        &self,
        other: &KTable<L, W>,
        foreign_key: impl Fn(&K, &V) -> F + Send + Sync + 'static,
        join: impl Fn(&V, &W) -> R + Send + Sync + 'static,
        name: impl Into<String>,
    ) -> KTable<K, R::Present> {
        let graph = &self.handle.graph;
        let value = joiner(graph, "join", join);
        let foreign_key = computed(graph, "foreign_key", foreign_key);
        self.foreign_join(&other.handle, Step::Join, (value, foreign_key), name.into())
    }

    /// As [`KTable::join_foreign_key`], with the rows without a match too.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let artists = builder.table::<String, String>("artists");
    /// let albums = builder.table::<String, String>("artists-of-albums");
    /// albums
    ///     .left_join_foreign_key(
    ///         &artists,
    ///         |artist| artist.clone(),
    ///         |id, name| name.cloned().unwrap_or(format!("artist {id}")),
    ///         "album-artists",
    ///     )
    ///     .to_stream()
    ///     .to("albums");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let output = driver.output_topic::<String, String>("albums")?;
    /// driver.input_topic::<String, String>("artists-of-albums")?.pipe("album", "a1")?;
    /// driver.input_topic::<String, String>("artists")?.pipe("a1", "Nina")?;
    /// let names = output.read_all()?.into_iter().map(|(_, name)| name);
    /// assert_eq!(names.collect::<Vec<_>>(), ["artist a1", "Nina"]);
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn left_join_foreign_key<L: Data, F: Data<Present = L::Present>, W: Data, R: Data>(
        &self,
        other: &KTable<L, W>,
        foreign_key: impl Fn(&V) -> F + Send + Sync + 'static,
        join: impl Fn(&V, Option<&W>) -> R + Send + Sync + 'static,
        name: impl Into<String>,
    ) -> KTable<K, R::Present> {
        let graph = &self.handle.graph;
        let join = move |left: &V, right: &Option<W>| join(left, right.as_ref());
        let value = joiner(graph, "left_join", join);
        let foreign_key = of_value(graph, "foreign_key", foreign_key);
        let calls = (value, foreign_key);
        self.foreign_join(&other.handle, Step::LeftJoin, calls, name.into())
    }

    /// As [`KTable::left_join_foreign_key`], with a look at the row's own key.
    ///
    /// ```
    /// # use millrace_worker::dsl::StreamsBuilder;
    /// # use millrace_worker::testing::TopologyTestDriver;
    /// # let builder = StreamsBuilder::new();
    /// let artists = builder.table::<String, String>("artists");
    /// let albums = builder.table::<String, String>("albums");
    /// albums
    ///     .left_join_foreign_key_with_key(
    ///         &artists,
    ///         |album, _| Some(album.split_once('/')?.0.to_owned()),
    ///         |title, artist| format!("{title} by {}", artist.map_or("many", String::as_str)),
    ///         "album-artists",
    ///     )
    ///     .to_stream()
    ///     .to("albums-with-artist");
    /// # let driver = TopologyTestDriver::new("app", &builder.build())?;
    /// # let output = driver.output_topic::<String, String>("albums-with-artist")?;
    /// driver.input_topic::<String, String>("albums")?.pipe("various", "The Best")?;
    /// assert_eq!(output.read()?.1, "The Best by many");
    /// # Ok::<(), millrace_worker::testing::DriverError>(())
    /// ```
    pub fn left_join_foreign_key_with_key<
        L: Data,
        F: Data<Present = L::Present>,
        W: Data,
        R: Data,
    >(
        &self,
        other: &KTable<L, W>,
        foreign_key: impl Fn(&K, &V) -> F + Send + Sync + 'static,
        join: impl Fn(&V, Option<&W>) -> R + Send + Sync + 'static,
        name: impl Into<String>,
    ) -> KTable<K, R::Present> {
        let graph = &self.handle.graph;
        let join = move |left: &V, right: &Option<W>| join(left, right.as_ref());
        let value = joiner(graph, "left_join", join);
        let foreign_key = computed(graph, "foreign_key", foreign_key);
        let calls = (value, foreign_key);
        self.foreign_join(&other.handle, Step::LeftJoin, calls, name.into())
    }

    fn foreign_join<R>(
        &self,
        other: &Handle,
        step: fn(Join) -> Step,
        (value, foreign_key): (String, String),
        name: String,
    ) -> KTable<K, R> {
        let join = Join {
            value,
            foreign_key: Some(foreign_key),
            name: Some(name),
            ..Join::default()
        };
        self.joined(other, step, join)
    }

    fn joined<R>(&self, other: &Handle, step: fn(Join) -> Step, join: Join) -> KTable<K, R> {
        let others = vec![self.handle.other(other)];
        KTable::of(self.handle.steps(vec![step(join)], Kind::Table, others))
    }
}
