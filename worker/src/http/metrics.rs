//! `/metrics`: Prometheus text, made from the threads' snapshots when asked. Names follow Kafka
//! Streams' (`process-total` of a task becomes `kafka_streams_task_process_total`).

use std::collections::BTreeMap;
use std::fmt;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text::encode};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::HttpState;
use super::status::Lags;
use crate::app::AppShared;
use crate::status::{TaskSnapshot, TaskState};

/// One application and the lags of its inputs.
struct Scrape {
    apps: Vec<(std::sync::Arc<AppShared>, Lags)>,
}

impl fmt::Debug for Scrape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scrape of {} applications", self.apps.len())
    }
}

type Labels = Vec<(&'static str, String)>;

enum Sample {
    Counter(u64),
    Gauge(f64),
}

/// A metric: name, help, and how its samples are found.
struct Family {
    name: &'static str,
    help: &'static str,
    samples: fn(&AppShared, &Lags) -> Vec<(Labels, Sample)>,
}

fn tasks(app: &AppShared) -> Vec<(String, TaskSnapshot)> {
    app.threads()
        .iter()
        .flat_map(|thread| {
            let tasks = thread.snapshot().tasks.clone();
            tasks.into_iter().map(|task| (thread.name.clone(), task))
        })
        .collect()
}

fn by_task(app: &AppShared, sample: impl Fn(&TaskSnapshot) -> Sample) -> Vec<(Labels, Sample)> {
    tasks(app)
        .iter()
        .map(|(thread, task)| {
            let labels = vec![
                ("thread_id", thread.clone()),
                ("task_id", task.id.to_string()),
            ];
            (labels, sample(task))
        })
        .collect()
}

fn by_thread(
    app: &AppShared,
    sample: impl Fn(&crate::status::ThreadStatus) -> Sample,
) -> Vec<(Labels, Sample)> {
    app.threads()
        .iter()
        .map(|thread| (vec![("thread_id", thread.name.clone())], sample(thread)))
        .collect()
}

#[allow(clippy::cast_precision_loss)] // Gauges are floats by format.
const FAMILIES: &[Family] = &[
    Family {
        name: "kafka_streams_thread_process",
        help: "Input records processed by the thread (process-total)",
        samples: |app, _| by_thread(app, |thread| Sample::Counter(thread.processed())),
    },
    Family {
        name: "kafka_streams_thread_commit",
        help: "Commits of the thread (commit-total)",
        samples: |app, _| by_thread(app, |thread| Sample::Counter(thread.commits().0)),
    },
    Family {
        name: "kafka_streams_thread_commit_latency_microseconds",
        help: "Microseconds the thread has spent in commits",
        samples: |app, _| by_thread(app, |thread| Sample::Counter(thread.commits().1)),
    },
    Family {
        name: "kafka_streams_thread_restore_records",
        help: "Changelog records restored on the thread (restore-records-total)",
        samples: |app, _| by_thread(app, |thread| Sample::Counter(thread.restored())),
    },
    Family {
        name: "millrace_thread_retried_records",
        help: "Attempts at records that had failed, by the policy retry",
        samples: |app, _| by_thread(app, |thread| Sample::Counter(thread.retried())),
    },
    Family {
        name: "kafka_streams_task_process",
        help: "Input records processed by the task since it started here (process-total)",
        samples: |app, _| by_task(app, |task| Sample::Counter(task.counters.processed)),
    },
    Family {
        name: "kafka_streams_task_dropped_records",
        help: "Records dropped by rule, such as a null key (dropped-records-total)",
        samples: |app, _| by_task(app, |task| Sample::Counter(task.counters.dropped)),
    },
    Family {
        name: "millrace_task_cached_changes",
        help: "Changes of tables that were not forwarded, because one of the same key followed",
        samples: |app, _| by_task(app, |task| Sample::Counter(task.counters.cached)),
    },
    Family {
        name: "millrace_task_cache_full",
        help: "Times that caches were full before the commit (spec.state.cacheBytes)",
        samples: |app, _| by_task(app, |task| Sample::Counter(task.counters.cache_full)),
    },
    Family {
        name: "millrace_task_failed_records",
        help: "Records that could not be read, processed or written, by stage",
        samples: |app, _| {
            let stages = ["deserialization", "processing", "production"];
            tasks(app)
                .iter()
                .flat_map(|(thread, task)| {
                    let failed = task.counters.failed;
                    stages.iter().zip(failed).map(|(&stage, count)| {
                        let labels = vec![
                            ("thread_id", thread.clone()),
                            ("task_id", task.id.to_string()),
                            ("stage", stage.to_owned()),
                        ];
                        (labels, Sample::Counter(count))
                    })
                })
                .collect()
        },
    },
    Family {
        name: "millrace_task_running",
        help: "1 while the task processes, 0 while it is restored or started",
        samples: |app, _| {
            by_task(app, |task| {
                Sample::Gauge(if task.state == TaskState::Running {
                    1.0
                } else {
                    0.0
                })
            })
        },
    },
    Family {
        name: "kafka_streams_task_restore_remaining_records",
        help: "Changelog offsets still to be restored (restore-remaining-records-total)",
        samples: |app, _| {
            by_task(app, |task| {
                let left = task.restore.as_ref().map_or(0, |progress| {
                    progress.total().saturating_sub(progress.restored())
                });
                Sample::Gauge(left as f64)
            })
        },
    },
    Family {
        name: "millrace_misplaced_keys",
        help: "Keys found on a partition that is not theirs by murmur2, where a join or table needs it",
        samples: |app, _| {
            let mut by_topic = BTreeMap::<String, u64>::new();
            for (_, task) in tasks(app) {
                for input in task.inputs {
                    *by_topic
                        .entry(input.partition.topic.to_string())
                        .or_default() += input.misplaced;
                }
            }
            by_topic
                .into_iter()
                .map(|(topic, count)| (vec![("topic", topic)], Sample::Counter(count)))
                .collect()
        },
    },
    Family {
        name: "millrace_input_lag_records",
        help: "Records of an input partition after the task's position; absent while unknown",
        samples: |_, lags| {
            lags.iter()
                .map(|(partition, &lag)| {
                    let labels = vec![
                        ("topic", partition.topic.to_string()),
                        ("partition", partition.partition.to_string()),
                    ];
                    (labels, Sample::Gauge(lag as f64))
                })
                .collect()
        },
    },
];

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for family in FAMILIES {
            let samples: Vec<(Labels, Sample)> = self
                .apps
                .iter()
                .flat_map(|(app, lags)| {
                    (family.samples)(app, lags)
                        .into_iter()
                        .map(|(mut labels, sample)| {
                            labels.insert(0, ("application_id", app.plan.application_id.clone()));
                            (labels, sample)
                        })
                })
                .collect();
            let Some((_, first)) = samples.first() else {
                continue;
            };
            let kind = match first {
                Sample::Counter(_) => ConstCounter::new(0u64).metric_type(),
                Sample::Gauge(_) => ConstGauge::new(0f64).metric_type(),
            };
            let mut metric = encoder.encode_descriptor(family.name, family.help, None, kind)?;
            for (labels, sample) in &samples {
                let one = metric.encode_family(labels)?;
                match sample {
                    Sample::Counter(value) => ConstCounter::new(*value).encode(one)?,
                    Sample::Gauge(value) => ConstGauge::new(*value).encode(one)?,
                }
            }
        }
        Ok(())
    }
}

/// The handler.
pub(super) async fn get_metrics(State(state): State<HttpState>) -> Response {
    let text = tokio::task::spawn_blocking(move || {
        let apps = state
            .apps
            .iter()
            .map(|app| (app.clone(), state.lags.get(app)))
            .collect();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Scrape { apps }));
        let mut text = String::new();
        encode(&mut text, &registry).map(|()| text)
    });
    match text.await {
        Ok(Ok(text)) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            (StatusCode::OK, [(header::CONTENT_TYPE, kind)], text).into_response()
        }
        _ => super::error(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the metrics could not be written",
        ),
    }
}
