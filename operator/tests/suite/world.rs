//! A world of one namespace: an API server, a Kafka, and pods that do what the operator tells them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use kube::core::DeserializeGuard;
use millrace_crds::StreamApp;
use millrace_crds::worker_api::{ApplicationStatus, RuntimeSettings, WorkerPhase};
use millrace_embedded::EmbeddedCluster;
use millrace_kafka::{Cluster, ErrorKind, TopicSpec};
use millrace_operator::context::Context;
use millrace_operator::decide::Environment;
use millrace_operator::error::Error;
use millrace_operator::kafka::KafkaPool;
use millrace_operator::metrics::Metrics;
use millrace_operator::reconcile::reconcile;
use millrace_operator::workers::{Answer, AskWorkers};
use serde_json::{Value, json};

use super::fake_api::FakeApi;

/// Looks at most, until nothing changes any more.
const LOOKS: usize = 40;

/// Path of a namespaced object.
pub(crate) fn path(kind: &str, name: &str) -> String {
    let api = match kind {
        "statefulsets" => "apis/apps/v1",
        "streamapps" => "apis/millrace.dev/v1alpha1",
        _ => "api/v1",
    };
    format!("/{api}/namespaces/default/{kind}/{name}")
}

/// Answers for the pods: each as its runtime.json says.
#[derive(Clone, Default)]
pub(crate) struct FakeWorkers {
    /// Ordinals that never drain.
    pub(crate) stubborn: Arc<AtomicBool>,
    /// New threads take their time to become members.
    pub(crate) slow: Arc<AtomicBool>,
    /// Threads that each has, by ordinal.
    threads: Arc<Mutex<BTreeMap<u32, u32>>>,
    api: FakeApi,
}

impl AskWorkers for FakeWorkers {
    fn ask(&self, addresses: BTreeMap<u32, String>) -> BoxFuture<'_, BTreeMap<u32, Answer>> {
        let map = self.api.get(&path("configmaps", "loans-runtime"));
        let text = map.and_then(|map| Some(map["data"]["runtime.json"].as_str()?.to_owned()));
        let settings = text.map(|text| RuntimeSettings::parse(&text).unwrap());
        let stubborn = self.stubborn.load(Ordering::Relaxed);
        let answers = addresses.into_keys().map(|ordinal| {
            let wanted = settings.is_some_and(|settings| ordinal < settings.replicas);
            let phase = match (wanted, stubborn) {
                (true, _) => WorkerPhase::Running,
                (false, true) => WorkerPhase::Draining,
                (false, false) => WorkerPhase::Drained,
            };
            let mut threads = self.threads.lock().unwrap();
            let has = threads.entry(ordinal).or_default();
            let joined = if self.slow.load(Ordering::Relaxed) {
                *has
            } else {
                u32::MAX
            };
            if let Some(settings) = settings {
                let kept = if settings.growing { *has } else { 0 };
                *has = settings.threads_of(ordinal).max(kept);
            }
            let thread =
                |index| json!({"name": format!("loans-{index}"), "joined": index < joined});
            let threads = (0..*has).map(thread);
            let threads = threads.map(|thread| serde_json::from_value(thread).unwrap());
            let status = ApplicationStatus {
                application_id: "loans".to_owned(),
                phase,
                message: None,
                plan: String::new(),
                lag: Some(0),
                threads: threads.collect(),
            };
            (ordinal, Ok(status))
        });
        futures::future::ready(answers.collect()).boxed()
    }
}

/// The world.
pub(crate) struct World {
    pub(crate) api: FakeApi,
    pub(crate) log: Arc<EmbeddedCluster>,
    pub(crate) workers: FakeWorkers,
    /// Whether Kafka answers.
    pub(crate) reachable: Arc<AtomicBool>,
    context: Arc<Context>,
    revisions: Mutex<Vec<String>>,
}

impl World {
    pub(crate) fn new() -> Self {
        let api = FakeApi::default();
        let log = Arc::new(EmbeddedCluster::new());
        let reachable = Arc::new(AtomicBool::new(true));
        let workers = FakeWorkers {
            api: api.clone(),
            ..FakeWorkers::default()
        };
        let (cluster, up) = (Arc::clone(&log), Arc::clone(&reachable));
        let pool = KafkaPool::with(Arc::new(move |_| {
            if up.load(Ordering::Relaxed) {
                return Ok(Arc::clone(&cluster) as Arc<dyn Cluster>);
            }
            let error = millrace_kafka::Error::new(ErrorKind::Unavailable, "connect", "no answer");
            Err(error)
        }));
        let environment = Environment {
            worker_image: "worker:1".to_owned(),
            operator_namespace: "millrace".to_owned(),
        };
        let (metrics, _) = Metrics::new();
        let context = Context::new(api.client(), pool, metrics, environment, "test".to_owned())
            .asking(Box::new(workers.clone()));
        Self {
            api,
            log,
            workers,
            reachable,
            context: Arc::new(context),
            revisions: Mutex::default(),
        }
    }

    /// A world with topics `requests` and `results` of three partitions, and the application.
    pub(crate) async fn running() -> Self {
        let world = Self::new();
        world.topic("requests", 3);
        world.topic("results", 3);
        world.apply("loans", &app());
        world.settle("loans").await;
        assert_eq!(
            world.condition("loans", "Ready"),
            ("True".into(), "AllReplicasReady".into())
        );
        world
    }

    /// Makes a topic.
    pub(crate) fn topic(&self, name: &str, partitions: i32) {
        let spec = TopicSpec {
            name: name.to_owned(),
            partitions,
            replication_factor: 1,
            configs: BTreeMap::new(),
        };
        self.log.admin().unwrap().create_topics(&[spec]).unwrap();
    }

    /// The log's admin.
    pub(crate) fn log_admin(&self) -> Box<dyn millrace_kafka::Admin> {
        self.log.admin().unwrap()
    }

    /// Partitions of a topic.
    pub(crate) fn partitions(&self, name: &str) -> Option<i32> {
        let found = self.log.admin().unwrap().topics(&[name]).unwrap();
        found[0].as_ref().map(|topic| topic.partitions)
    }

    /// `kubectl apply`.
    pub(crate) fn apply(&self, name: &str, spec: &Value) {
        let object = json!({
            "apiVersion": "millrace.dev/v1alpha1", "kind": "StreamApp",
            "metadata": {"name": name, "namespace": "default"}, "spec": spec,
        });
        match self.api.get(&path("streamapps", name)) {
            None => self.api.put(&path("streamapps", name), object),
            Some(mut old) => {
                old["spec"] = spec.clone();
                self.api.put(&path("streamapps", name), old);
            }
        }
    }

    /// `kubectl patch --type=merge`.
    pub(crate) fn patch(&self, name: &str, spec: &Value) {
        self.api
            .merge(&path("streamapps", name), &json!({"spec": spec}));
    }

    /// `kubectl delete --wait=false`.
    pub(crate) fn delete(&self, name: &str, ago: Duration) {
        let since = jiff::Timestamp::now() - jiff::SignedDuration::try_from(ago).unwrap();
        let since = since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let patch = json!({"metadata": {"deletionTimestamp": since}});
        self.api.merge(&path("streamapps", name), &patch);
    }

    /// One reconciliation.
    pub(crate) async fn look(&self, name: &str) -> Result<(), Error> {
        let shell: DeserializeGuard<StreamApp> = serde_json::from_value(json!({
            "metadata": {"name": name, "namespace": "default"},
        }))
        .unwrap();
        let looked = reconcile(Arc::new(shell), Arc::clone(&self.context)).await;
        looked.map(|_| ())
    }

    /// Reconciles and lets the pods follow, until a look writes nothing.
    pub(crate) async fn settle(&self, name: &str) {
        for _ in 0..LOOKS {
            self.api.writes();
            self.look(name).await.unwrap();
            let followed = self.follow();
            if self.api.writes().is_empty() && !followed {
                return;
            }
        }
        panic!("still writing after {LOOKS} looks");
    }

    /// The StatefulSet's controller and the kubelet: one step. Returns whether anything changed.
    pub(crate) fn follow(&self) -> bool {
        let mut changed = false;
        for at in self.api.paths("/statefulsets/") {
            changed |= self.follow_set(&at);
        }
        changed
    }

    fn follow_set(&self, at: &str) -> bool {
        let set = self.api.get(at).unwrap();
        let name = set["metadata"]["name"].as_str().unwrap();
        let revision = self.revision(&set["spec"]["template"]);
        let wanted = set["spec"]["replicas"].as_u64().unwrap();
        let mut changed = false;
        let pods = self.api.paths(&format!("/pods/{name}-"));
        for pod in &pods {
            let ordinal: u64 = pod.rsplit('-').next().unwrap().parse().unwrap();
            if ordinal >= wanted {
                self.api.remove(pod);
                changed = true;
            }
        }
        for ordinal in 0..wanted {
            let pod = path("pods", &format!("{name}-{ordinal}"));
            if self.api.get(&pod).is_none() {
                self.api.put(&pod, new_pod(&set, ordinal, &revision));
                changed = true;
            }
        }
        changed |= !changed && self.roll(name, &revision);
        let generation = set["metadata"]["generation"].clone();
        let old = set["status"]["currentRevision"]
            .as_str()
            .unwrap_or(&revision)
            .to_owned();
        let all_new = self.pods(name).iter().all(|pod| {
            pod["metadata"]["labels"]["controller-revision-hash"] == revision && is_ready(pod)
        });
        let current = if all_new { revision.clone() } else { old };
        let status = json!({
            "observedGeneration": generation, "replicas": wanted, "updateRevision": revision,
            "currentRevision": current,
            "currentReplicas": self.pods(name).len(),
        });
        if set["status"] != status {
            self.api.merge(at, &json!({"status": status}));
            changed = true;
        }
        changed
    }

    /// Replaces the highest pod of an earlier revision, if all pods above it are ready.
    fn roll(&self, name: &str, revision: &str) -> bool {
        for pod in self.pods(name).iter().rev() {
            if pod["metadata"]["labels"]["controller-revision-hash"] != revision {
                let pod = pod["metadata"]["name"].as_str().unwrap();
                self.api.remove(&path("pods", pod));
                return true;
            }
            if !is_ready(pod) {
                return false;
            }
        }
        false
    }

    fn revision(&self, template: &Value) -> String {
        let text = template.to_string();
        let mut known = self.revisions.lock().unwrap();
        let at = known
            .iter()
            .position(|old| *old == text)
            .unwrap_or_else(|| {
                known.push(text);
                known.len() - 1
            });
        format!("revision-{at}")
    }

    /// Pods of a set, by ordinal.
    pub(crate) fn pods(&self, name: &str) -> Vec<Value> {
        let paths = self.api.paths(&format!("/pods/{name}-"));
        paths.iter().filter_map(|at| self.api.get(at)).collect()
    }

    /// Status and reason of a condition.
    pub(crate) fn condition(&self, name: &str, kind: &str) -> (String, String) {
        let condition = self.full_condition(name, kind);
        let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        (text("status"), text("reason"))
    }

    /// Message of a condition.
    pub(crate) fn message(&self, name: &str, kind: &str) -> String {
        let condition = self.full_condition(name, kind);
        condition["message"].as_str().unwrap_or_default().to_owned()
    }

    fn full_condition(&self, name: &str, kind: &str) -> Value {
        let app = self.api.get(&path("streamapps", name)).unwrap();
        let conditions = app["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        let found = conditions
            .into_iter()
            .find(|condition| condition["type"] == kind);
        found.unwrap_or(Value::Null)
    }

    /// The StatefulSet.
    pub(crate) fn set(&self) -> Value {
        self.api
            .get(&path("statefulsets", "loans"))
            .expect("no StatefulSet")
    }

    /// What the workers are told.
    pub(crate) fn runtime(&self) -> String {
        let map = self.api.get(&path("configmaps", "loans-runtime")).unwrap();
        map["data"]["runtime.json"].as_str().unwrap().to_owned()
    }
}

fn new_pod(set: &Value, ordinal: u64, revision: &str) -> Value {
    let template = &set["spec"]["template"];
    let name = set["metadata"]["name"].as_str().unwrap();
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"],
        "spec": template["spec"],
    });
    pod["metadata"]["name"] = json!(format!("{name}-{ordinal}"));
    pod["metadata"]["namespace"] = json!("default");
    pod["metadata"]["labels"]["controller-revision-hash"] = json!(revision);
    let image = template["spec"]["containers"][0]["image"].as_str().unwrap();
    let bad = image.contains("bad");
    let state = if bad {
        json!({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}})
    } else {
        json!({"running": {}})
    };
    pod["status"] = json!({
        "podIP": format!("10.0.0.{}", ordinal + 1),
        "conditions": [{"type": "Ready", "status": if bad { "False" } else { "True" }}],
        "containerStatuses": [{
            "name": "worker", "image": image, "imageID": "", "ready": !bad, "restartCount": 0,
            "state": state,
        }],
    });
    pod
}

fn is_ready(pod: &Value) -> bool {
    pod["status"]["conditions"][0]["status"] == "True"
}

/// An application with a table, of three tasks on topics of three partitions.
pub(crate) fn app() -> Value {
    json!({
        "kafka": {"bootstrapServers": "kafka:9092"},
        "topology": {
            "streams": {
                "requests": {"topic": "requests", "key": "string", "value": "json"},
                "mapped": {"from": "requests", "steps": [{"mapValues": "value"}]},
            },
            "tables": {
                "counted": {
                    "from": "mapped",
                    "steps": [{"groupByKey": {}}, {"count": {"name": "counts"}}],
                    "to": {"topic": "results"},
                },
            },
        },
    })
}
