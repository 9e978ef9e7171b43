//! What becomes of the pods: how many there may be, what they start from, which are replaced.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::ResourceExt;
use kube::api::DynamicObject;
use millrace_crds::stream_app::Reason;
use millrace_crds::worker_api::{RUNTIME_FILE, RuntimeSettings};

use super::scale::{self, Drain};
use super::topology::Change;
use super::{Decision, Environment, Notice, Progress, SetReplicas, Verdict, volumes};
use crate::compare;
use crate::observe::{Kind, Observed, PodView};
use crate::render::{self, RenderInput};
use serde_json::Value;

/// Annotation of the runtime ConfigMap: since when pods have been draining.
const DRAIN_BEGAN: &str = "millrace.dev/drain-began";

/// A pod without a node is no trouble for so long: volumes are bound and nodes started meanwhile.
const UNSCHEDULED_PATIENCE: SignedDuration = SignedDuration::from_secs(30);

/// Decides on the pods, and says what they are on their way to.
pub(super) fn plan_pods(
    observed: &Observed,
    environment: &Environment,
    verdict: &Verdict<'_>,
    decision: &mut Decision,
) -> Progress {
    let mut progress = Progress::default();
    let known = observed.app.status.as_ref().and_then(|s| s.threads);
    let settings = scale::settings(&observed.app, verdict.tasks()).or_else(|| {
        // Kafka cannot be asked: the workers keep the threads they have, and pods are still scaled.
        let threads = u32::try_from(known?).ok()?;
        let replicas = scale::settings(&observed.app, Some(1))?.replicas;
        Some(RuntimeSettings {
            replicas,
            threads,
            growing: false,
        })
    });
    progress.config_map = observed.accepted.as_ref().map(|a| a.config_map.clone());
    let Some(mut settings) = settings else {
        progress.wanted = observed.live.replicas();
        return progress;
    };
    settings.growing = scale::is_growing(
        &observed.live.pods,
        &observed.workers,
        settings,
        drain_began(observed),
        observed.now,
    );
    (progress.wanted, progress.threads) = (settings.replicas, Some(settings.threads));
    let exists = observed.live.stateful_set.is_some();
    if verdict.block.is_some() && !exists {
        return progress;
    }
    let pods = count(observed, settings.replicas, &mut progress, decision);
    let runtime = runtime(observed, settings, &pods);
    if verdict.block.is_some() {
        write(observed, vec![runtime], decision);
        if pods.now != observed.live.replicas() {
            decision.set_replicas = Some(SetReplicas {
                replicas: pods.now,
                keep_volumes: pods.now == 0,
            });
        }
    } else {
        let template = Template {
            observed,
            environment,
            settings,
            pods: &pods,
            runtime,
        };
        template.plan(verdict, decision, &mut progress);
    }
    nudge(observed, settings, decision);
    replace_stuck(observed, decision);
    progress.note_rollout(observed);
    progress.note_troubles(observed);
    progress
}

/// How many pods there are to be now, on the way to the wanted number.
struct Pods {
    now: u32,
    draining_since: Option<Timestamp>,
}

fn count(
    observed: &Observed,
    wanted: u32,
    progress: &mut Progress,
    decision: &mut Decision,
) -> Pods {
    let live = &observed.live;
    // Without a StatefulSet (deleted by somebody, or to be written anew) its pods still tell.
    let highest = live
        .pods
        .keys()
        .next_back()
        .map_or(0, |ordinal| ordinal + 1);
    let has = match live.stateful_set {
        Some(_) => live.replicas(),
        None => highest,
    };
    if wanted >= has {
        if live.stateful_set.is_some() && wanted > has {
            let words = format!("from {has} to {wanted} pods");
            progress.step = Some((Reason::ScalingUp, words));
        }
        return Pods {
            now: wanted,
            draining_since: None,
        };
    }
    let since = drain_began(observed).unwrap_or(observed.now);
    let suspends = observed.app.spec.suspend;
    match scale::drain(
        &live.pods,
        &observed.workers,
        wanted,
        Some(since),
        observed.now,
    ) {
        Drain::Waiting(names) => {
            let reason = if suspends {
                Reason::Suspending
            } else {
                Reason::Draining
            };
            let words = format!("{} hand over their tasks", names.join(", "));
            progress.step = Some((reason, words));
            Pods {
                now: has,
                draining_since: Some(since),
            }
        }
        drained => {
            let reason = if suspends {
                Reason::Suspending
            } else {
                Reason::ScalingDown
            };
            progress.step = Some((reason, format!("from {has} to {wanted} pods")));
            if let Drain::TimedOut(names) = drained {
                let note = format!(
                    "{} did not hand over their tasks within {} s and are removed: their tasks move when \
                     their sessions end",
                    names.join(", "),
                    scale::DRAIN_LIMIT.as_secs()
                );
                decision.notices.push(Notice {
                    warning: true,
                    reason: Reason::DrainTimedOut,
                    note,
                });
            }
            Pods {
                now: wanted,
                draining_since: None,
            }
        }
    }
}

/// When the drain that is under way began, as the runtime ConfigMap remembers it.
fn drain_began(observed: &Observed) -> Option<Timestamp> {
    let key = (Kind::ConfigMap, render::runtime_name(&observed.app));
    let object = observed.live.objects.get(&key)?;
    object.annotations().get(DRAIN_BEGAN)?.parse().ok()
}

/// The ConfigMap the workers learn their settings from.
fn runtime(observed: &Observed, settings: RuntimeSettings, pods: &Pods) -> DynamicObject {
    let mut object = render::runtime_config_map(&observed.app, settings);
    if let Some(since) = pods.draining_since {
        let annotations = object.annotations_mut();
        annotations.insert(DRAIN_BEGAN.to_owned(), since.to_string());
    }
    object
}

/// Writes those objects that are not as wanted.
fn write(observed: &Observed, wanted: Vec<DynamicObject>, decision: &mut Decision) {
    for mut object in wanted {
        let Some(kind) = object
            .types
            .as_ref()
            .and_then(|types| Kind::named(&types.kind))
        else {
            continue;
        };
        let json = serde_json::to_value(&object).unwrap_or_default();
        let digest = compare::digest(&json);
        let annotations = object.annotations_mut();
        annotations.insert(compare::DIGEST.to_owned(), digest);
        let live = observed.live.objects.get(&(kind, object.name_any()));
        if live.is_none_or(|live| !compare::is_as_wanted(&object, live)) {
            decision.apply.push(object);
        }
    }
}

/// The spec may run: everything is written as it asks.
struct Template<'a> {
    observed: &'a Observed,
    environment: &'a Environment,
    settings: RuntimeSettings,
    pods: &'a Pods,
    runtime: DynamicObject,
}

impl Template<'_> {
    fn plan(&self, verdict: &Verdict<'_>, decision: &mut Decision, progress: &mut Progress) {
        let (observed, app) = (self.observed, &self.observed.app);
        let rendered = render::render(&RenderInput {
            app,
            worker_image: &self.environment.worker_image,
            operator_namespace: &self.environment.operator_namespace,
            settings: self.settings,
            tasks: verdict.tasks().unwrap_or(0),
            replicas: self.pods.now,
        });
        let rendered = match rendered {
            Ok(rendered) => rendered,
            Err(problems) => {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                progress
                    .troubles
                    .push((Reason::InvalidPod, lines.join("\n")));
                write(observed, vec![self.runtime.clone()], decision);
                return;
            }
        };
        if self.must_stop_first(verdict, &rendered.config_map) {
            let words = "all pods stop, then all start with the new topology: members of both must never \
                         run at once";
            progress.step = Some((Reason::RollingOut, words.to_owned()));
            progress.wanted = 0;
            if observed.live.replicas() > 0 {
                decision.set_replicas = Some(SetReplicas {
                    replicas: 0,
                    keep_volumes: true,
                });
            }
            return;
        }
        progress.config_map = Some(rendered.config_map.clone());
        let mut wanted = vec![self.runtime.clone()];
        wanted.extend(rendered.objects);
        volumes::plan(observed, &mut wanted, decision, progress);
        prune(observed, &wanted, &rendered.config_map, decision);
        write(observed, wanted, decision);
        self.note_new_template(decision, progress);
    }

    /// Notes that the StatefulSet is given another template.
    fn note_new_template(&self, decision: &Decision, progress: &mut Progress) {
        const TEMPLATE: &str = "/spec/template";
        let name = render::stateful_set_name(&self.observed.app);
        let live = self.observed.live.objects.get(&(Kind::StatefulSet, name));
        let old = live.and_then(|set| set.data.pointer(TEMPLATE));
        let mut sets = decision
            .apply
            .iter()
            .filter_map(|object| object.data.pointer(TEMPLATE));
        let (Some(old), Some(new)) = (old, sets.next()) else {
            return;
        };
        if !compare::contains(old, new) {
            let of = |template: &Value| {
                let annotations = template.pointer("/metadata/annotations");
                annotations.and_then(|all| all.get(render::RESTART_ANNOTATION).cloned())
            };
            let words = "pods get a new template".to_owned();
            progress
                .step
                .get_or_insert((roll_reason(of(old) != of(new)), words));
        }
    }

    /// Whether pods of a topology run whose members must be gone before the first of the new one starts.
    fn must_stop_first(&self, verdict: &Verdict<'_>, config_map: &str) -> bool {
        let live = &self.observed.live;
        let running = self.observed.accepted.as_ref();
        let same = running.is_none_or(|running| running.config_map == config_map);
        let stops = matches!(verdict.change, Change::StopFirst | Change::GivesUp { .. });
        if same || !stops {
            return false;
        }
        // Also until the StatefulSet's controller has counted that there are none: it makes the first
        // pods from the old template otherwise.
        let counted = |set: &StatefulSet| {
            let status = set.status.clone().unwrap_or_default();
            status.observed_generation == set.metadata.generation
                && status.replicas == 0
                && status.current_replicas.unwrap_or(0) == 0
        };
        !live.pods.is_empty() || !live.stateful_set.as_ref().is_none_or(counted)
    }
}

/// Objects of the application that nothing wants any more. ConfigMaps stay while a pod has them.
fn prune(observed: &Observed, wanted: &[DynamicObject], config_map: &str, decision: &mut Decision) {
    let mounted = observed.live.mounted_config_maps();
    for (kind, name) in observed.live.objects.keys() {
        let is_wanted = wanted.iter().any(|object| {
            let types = object.types.as_ref();
            types.is_some_and(|types| types.kind == kind.as_str()) && object.name_any() == *name
        });
        let is_used = *kind == Kind::ConfigMap && (mounted.contains(name) || name == config_map);
        if !is_wanted && !is_used {
            decision.prune.push((*kind, name.clone()));
        }
    }
}

/// Pods that must be told of changed files: the kubelet looks at mounted ConfigMaps and Secrets once a
/// minute, and at once where an annotation of the pod changes.
fn nudge(observed: &Observed, settings: RuntimeSettings, decision: &mut Decision) {
    let files = serde_json::json!({
        RUNTIME_FILE: settings,
        "secrets": observed.secret_versions(),
    });
    decision.nudge_digest = compare::digest(&files);
    let pods = observed.live.pods.values();
    decision.nudge = pods
        .filter(|pod| !pod.terminating && pod.nudged.as_ref() != Some(&decision.nudge_digest))
        .map(|pod| pod.name.clone())
        .collect();
}

/// Pods that a broken template left behind: the StatefulSet's controller waits for them to become ready
/// before it rolls the mended template out, which they never do (kubernetes#67250).
fn replace_stuck(observed: &Observed, decision: &mut Decision) {
    let live = &observed.live;
    let Some(update) = live.update_revision() else {
        return;
    };
    let status = live
        .stateful_set
        .as_ref()
        .and_then(|set| set.status.as_ref());
    let current = status.and_then(|status| status.current_revision.as_deref());
    for pod in live.pods.values() {
        let revision = pod.revision.as_deref();
        if pod.ready || pod.terminating || revision == Some(update) {
            continue;
        }
        // A pod of the current revision may only be restoring.
        if revision != current || pod.stuck {
            let why = pod.trouble.as_deref().unwrap_or("it is not ready");
            decision.notices.push(Notice {
                warning: false,
                reason: Reason::RollingOut,
                note: format!(
                    "Replacing {}, which has an earlier template: {why}",
                    pod.name
                ),
            });
            decision
                .replace_pods
                .push((pod.name.clone(), pod.uid.clone()));
        }
    }
}

fn roll_reason(restarts: bool) -> Reason {
    if restarts {
        Reason::Restarting
    } else {
        Reason::RollingOut
    }
}

impl Progress {
    /// Notes a roll-out that is under way, unless something comes before it.
    fn note_rollout(&mut self, observed: &Observed) {
        let live = &observed.live;
        if live.stateful_set.is_none() || self.step.is_some() {
            return;
        }
        let update = live.update_revision();
        let old = live
            .pods
            .values()
            .filter(|pod| update.is_some() && pod.revision.as_deref() != update)
            .count();
        if old > 0 {
            let requested = render::restart_requested(&observed.app);
            let mut pods = live.pods.values();
            let restarts = pods.any(|pod| pod.restart.as_deref() != requested);
            let reason = roll_reason(restarts);
            let words = format!(
                "{old} of {} pods have the earlier template",
                live.pods.len()
            );
            self.step = Some((reason, words));
        }
    }

    /// Notes pods that cannot run.
    fn note_troubles(&mut self, observed: &Observed) {
        let live = &observed.live;
        let status = live
            .stateful_set
            .as_ref()
            .and_then(|set| set.status.as_ref());
        let current = status.and_then(|status| status.current_revision.as_deref());
        for pod in live.pods.values().filter(|pod| !pod.ready) {
            let unscheduled = || unscheduled(pod, observed.now);
            let Some(trouble) = pod.trouble.clone().or_else(unscheduled) else {
                continue;
            };
            let rolls_out = current.is_some() && pod.revision.as_deref() != current;
            let reason = if rolls_out {
                Reason::RolloutStuck
            } else {
                Reason::PodsFailing
            };
            self.troubles
                .push((reason, format!("{}: {trouble}", pod.name)));
        }
    }
}

/// Why a pod has no node, once it has had none for so long that it is a trouble.
fn unscheduled(pod: &PodView, now: Timestamp) -> Option<String> {
    let (since, why) = pod.unscheduled.as_ref()?;
    let waits = since.is_some_and(|since| now.duration_since(since) < UNSCHEDULED_PATIENCE);
    (!waits).then(|| format!("not scheduled: {why}"))
}
