//! Every bound of a StreamApp, used by the CRD's schema and by [`plan`](mod@crate::plan) alike.

/// Characters of an application id. With the longest store name and suffix an internal topic's name
/// stays below Kafka's 249.
pub const APPLICATION_ID_LENGTH: usize = 100;
/// Characters of the name of a stream, table, branch or store.
pub const NAME_LENGTH: usize = 100;
/// Characters of a topic name (Kafka's own limit).
pub const TOPIC_LENGTH: usize = 249;
/// Characters of an expression.
pub const EXPRESSION_LENGTH: usize = 8192;
/// Characters of `kafka.bootstrapServers`.
pub const BOOTSTRAP_SERVERS_LENGTH: usize = 4096;
/// Entries of `kafka.properties`.
pub const PROPERTIES: usize = 100;
/// Characters of the name of a Kafka property.
pub const PROPERTY_NAME_LENGTH: usize = 200;
/// Characters of the value of a Kafka property; certificates are given as text.
pub const PROPERTY_VALUE_LENGTH: usize = 16384;
/// Characters of a quantity such as `10Gi`.
pub const QUANTITY_LENGTH: usize = 20;
/// Characters of a cluster's name.
pub const CLUSTER_LENGTH: usize = 63;

/// Streams of a topology.
pub const STREAMS: usize = 100;
/// Tables of a topology.
pub const TABLES: usize = 100;
/// Global tables of a topology.
pub const GLOBAL_TABLES: usize = 20;
/// Topics of one source.
pub const TOPICS: usize = 200;
/// Inputs of one merge.
pub const MERGED: usize = 50;
/// Steps of one stream or table.
pub const STEPS: usize = 50;
/// Branches of one split.
pub const BRANCHES: usize = 50;
/// Further streams of one cogroup.
pub const COGROUPED: usize = 20;
/// Stores of one processor: of its own, and likewise of others.
pub const PROCESSOR_STORES: usize = 20;
/// Stores of a topology that the worker's image supplies.
pub const SUPPLIED_STORES: usize = 100;
/// Functions of a topology.
pub const FUNCTIONS: usize = 1000;
/// Parameters of a function.
pub const PARAMETERS: usize = 10;
/// Partitions of a repartition topic.
pub const PARTITIONS: i32 = 10_000;
/// Characters of a duration such as `1h30m`.
pub const DURATION_LENGTH: usize = 40;
/// Milliseconds of a duration: 100 years. Sums of a few stay far from overflow.
pub const DURATION_MS: i64 = 100 * 366 * 24 * 3_600_000;

/// Pods.
pub const REPLICAS: i32 = 1000;
/// Stream threads per pod.
pub const THREADS: i32 = 100;
/// Milliseconds between commits under exactly-once: half the transaction timeout of 10 s.
pub const COMMIT_INTERVAL_MS_EXACTLY_ONCE: i64 = 5_000;
/// Milliseconds between commits under at-least-once.
pub const COMMIT_INTERVAL_MS: i64 = 300_000;
/// Milliseconds a task waits for an empty input.
pub const MAX_TASK_IDLE_MS: i64 = 3_600_000;
/// Attempts at a record that failed, after the first.
pub const RETRY_ATTEMPTS: i32 = 100;
/// Milliseconds between two of them: a thread that waits longer is slow to answer its group.
pub const RETRY_BACKOFF_MS: i64 = 10_000;
/// Records buffered per input partition.
pub const BUFFERED_RECORDS: i32 = 100_000;
/// Bytes that caches hold back in a pod.
pub const CACHE_BYTES: i64 = 1 << 30;
/// Unflushed changelog records per task.
pub const FLUSH_RECORDS: i64 = 100_000_000;
/// Milliseconds between flushes of a task's state.
pub const FLUSH_INTERVAL_MS: i64 = 3_600_000;

/// Entries of a map of labels, annotations or node labels.
pub const LABELS: usize = 50;
/// Characters of a label's value (Kubernetes' own limit).
pub const LABEL_LENGTH: usize = 63;
/// Characters of an annotation's value.
pub const ANNOTATION_LENGTH: usize = 16384;
/// Entries of a list of Kubernetes' own objects, such as tolerations.
pub const CORE_OBJECTS: usize = 50;
/// Characters of the name of another object, such as a Secret (Kubernetes' own limit).
pub const OBJECT_NAME_LENGTH: usize = 253;
/// Characters of a StreamApp's name: pods carry it in labels of 63, with a suffix of up to 11.
pub const RESOURCE_NAME_LENGTH: usize = 52;
/// Characters of an image's name.
pub const IMAGE_LENGTH: usize = 1024;
/// Secrets that images are pulled with.
pub const PULL_SECRETS: usize = 10;
/// Seconds a pod has to end.
pub const GRACE_PERIOD_SECONDS: i64 = 3600;
/// Replicas of an internal topic's partitions.
pub const REPLICATION_FACTOR: i32 = 100;
/// Conditions of a status.
pub const CONDITIONS: usize = 16;
/// Subtopologies of a status; no topology has more, each takes a stream or table of its own.
pub const SUBTOPOLOGIES: usize = STREAMS + TABLES;
/// Characters of a text in a status.
pub const STATUS_TEXT_LENGTH: usize = 1024;
