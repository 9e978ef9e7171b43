//! [`PodView`]: what the operator looks at of a pod.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod, PodSpec};

use crate::render;

/// Label that the StatefulSet's controller writes: the revision of the template a pod was made from.
const REVISION: &str = "controller-revision-hash";

/// Reasons for which a container waits that only another template, image or Secret ends.
const STUCK: [&str; 8] = [
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
];

/// Most characters of a container's own words that are shown.
const WORDS: usize = 500;

/// A pod, as far as decisions look at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodView {
    /// Name.
    pub name: String,
    /// Uid: tells it from another pod of the same name.
    pub uid: String,
    /// Address, once it has one.
    pub ip: Option<String>,
    /// Whether its container runs.
    pub running: bool,
    /// Whether it is ready.
    pub ready: bool,
    /// Whether it is being removed.
    pub terminating: bool,
    /// The template it was made from.
    pub revision: Option<String>,
    /// Why its container cannot run, in Kubernetes' words.
    pub trouble: Option<String>,
    /// Why it has no node, and since when.
    pub unscheduled: Option<(Option<Timestamp>, String)>,
    /// Whether only another template can help it.
    pub stuck: bool,
    /// Hash of the files it was last told of.
    pub nudged: Option<String>,
    /// The restart it was made for: the value of the StreamApp's annotation then.
    pub restart: Option<String>,
    /// ConfigMaps it mounts.
    pub config_maps: Vec<String>,
}

impl PodView {
    /// A pod's view.
    pub fn of(pod: &Pod) -> Self {
        let metadata = &pod.metadata;
        let annotation = |name| {
            let all = metadata.annotations.as_ref();
            all.and_then(|all| all.get(name)).cloned()
        };
        let label = metadata.labels.as_ref().and_then(|all| all.get(REVISION));
        let status = pod.status.clone().unwrap_or_default();
        let containers = status.container_statuses.unwrap_or_default();
        let running = containers.iter().any(|container| {
            let state = container.state.as_ref();
            state.is_some_and(|state| state.running.is_some())
        });
        let conditions = status.conditions.unwrap_or_default();
        let holds = |kind: &str| conditions.iter().find(|c| c.type_ == kind);
        let ready = holds("Ready").is_some_and(|condition| condition.status == "True");
        let waiting = containers.iter().find_map(waiting);
        let unscheduled = holds("PodScheduled")
            .filter(|condition| condition.status == "False")
            .map(|condition| {
                let since = condition.last_transition_time.as_ref().map(|time| time.0);
                (since, condition.message.clone().unwrap_or_default())
            });
        Self {
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            ip: status.pod_ip.filter(|ip| !ip.is_empty()),
            running,
            ready,
            terminating: metadata.deletion_timestamp.is_some(),
            revision: label.cloned(),
            stuck: waiting.is_some(),
            trouble: waiting,
            unscheduled,
            nudged: annotation(render::RUNTIME_ANNOTATION),
            restart: annotation(render::RESTART_ANNOTATION),
            config_maps: pod.spec.as_ref().map(config_maps).unwrap_or_default(),
        }
    }
}

/// Why a container waits, if nothing but another template ends it.
fn waiting(container: &ContainerStatus) -> Option<String> {
    let waiting = container.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref()?;
    if !STUCK.contains(&reason) {
        return None;
    }
    let ended = container
        .last_state
        .as_ref()
        .and_then(|s| s.terminated.as_ref());
    // What the worker said last tells more than that the kubelet waits.
    let said = ended.and_then(|ended| ended.message.as_deref());
    let said = said.map(last_words).filter(|said| !said.is_empty());
    let words = said.or(waiting.message.clone()).unwrap_or_default();
    let ended = ended.map(|ended| {
        let why = ended.reason.as_deref().unwrap_or("ended");
        format!(" (last time: {why}, exit code {})", ended.exit_code)
    });
    Some(format!("{reason}{}: {words}", ended.unwrap_or_default()))
}

/// The end of a container's last output: its last line, up to [`WORDS`] characters.
fn last_words(output: &str) -> String {
    let line = output.trim_end().lines().next_back().unwrap_or_default();
    line.chars().take(WORDS).collect()
}

/// Names of the ConfigMaps that a pod mounts.
pub(super) fn config_maps(spec: &PodSpec) -> Vec<String> {
    let volumes = spec.volumes.iter().flatten();
    volumes
        .filter_map(|volume| Some(volume.config_map.as_ref()?.name.clone()))
        .collect()
}

/// The number at the end of a StatefulSet's pod's name.
pub(super) fn ordinal(name: &str, set: &str) -> Option<u32> {
    let digits = name.strip_prefix(set)?.strip_prefix('-')?;
    digits.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn an_ordinal_is_the_number_after_the_sets_name() {
        assert_eq!(ordinal("loans-12", "loans"), Some(12));
        for other in ["loans", "loans-", "loans-x", "loans-2-0", "other-1"] {
            assert_eq!(ordinal(other, "loans"), None, "{other}");
        }
    }

    #[test]
    fn a_container_that_cannot_start_says_why() {
        let pod: Pod = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "loans-0", "labels": {REVISION: "loans-7c"}},
            "status": {"containerStatuses": [{
                "name": "worker", "image": "x", "imageID": "", "ready": false, "restartCount": 3,
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
                "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137}},
            }]},
        }))
        .unwrap();
        let view = PodView::of(&pod);
        assert!(view.stuck && !view.running && !view.ready);
        assert_eq!(view.revision.as_deref(), Some("loans-7c"));
        assert_eq!(
            view.trouble.unwrap(),
            "CrashLoopBackOff (last time: OOMKilled, exit code 137): back-off 40s"
        );
    }
}
