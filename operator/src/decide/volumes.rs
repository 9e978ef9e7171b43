//! Volumes: a StatefulSet's claim templates cannot be changed, so what is wanted of them is done
//! around it.
//!
//! Claims that exist are raised one by one. Then the StatefulSet is deleted without its pods, and
//! written anew with the new template, which takes the pods over as they are (kubernetes#68737).

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use kube::api::DynamicObject;
use millrace_crds::stream_app::Reason;
use serde_json::Value;

use super::status::condition_reason;
use super::{Decision, Progress};
use crate::compare::{contains, quantity};
use crate::observe::{Kind, Observed};

/// Where a StatefulSet has its claim templates.
const TEMPLATES: &str = "/spec/volumeClaimTemplates";
/// Where a claim template has its size.
const SIZE: &str = "/spec/resources/requests/storage";

/// Makes the wanted StatefulSet one that can be written, and decides what is done around it.
pub(super) fn plan(
    observed: &Observed,
    wanted: &mut [DynamicObject],
    decision: &mut Decision,
    progress: &mut Progress,
) {
    let is_set = |object: &&mut DynamicObject| {
        let types = object.types.as_ref();
        types.is_some_and(|types| types.kind == Kind::StatefulSet.as_str())
    };
    let Some(set) = wanted.iter_mut().find(is_set) else {
        return;
    };
    let key = (Kind::StatefulSet, set.name_any());
    let Some(live) = observed.live.objects.get(&key) else {
        return;
    };
    let none = Value::Array(Vec::new());
    let live = live.data.pointer(TEMPLATES).unwrap_or(&none).clone();
    let asked = set.data.pointer(TEMPLATES).unwrap_or(&none).clone();
    let same_number = live.as_array().map(Vec::len) == asked.as_array().map(Vec::len);
    if same_number && contains(&live, &asked) {
        return;
    }
    if let Some(spec) = set.data.pointer_mut("/spec").and_then(Value::as_object_mut) {
        spec.insert("volumeClaimTemplates".to_owned(), live.clone());
    }
    if let Some(refusal) = refusal(observed, &live, &asked) {
        progress
            .troubles
            .push((Reason::StorageNotExpandable, refusal));
        return;
    }
    if let Some(size) = size(&asked) {
        let claims = observed.live.claims.iter();
        let small = claims.filter(|claim| is_smaller(claim, size));
        decision.grow_claims = small
            .map(|claim| (claim.name_any(), size.to_owned()))
            .collect();
        if !decision.grow_claims.is_empty() {
            let words = format!("to {size}: {} volumes", decision.grow_claims.len());
            progress.step.get_or_insert((Reason::GrowingVolumes, words));
        }
    }
    decision.orphan_pods = true;
}

/// Why the volumes stay as they are; `None` where the change can be tried.
fn refusal(observed: &Observed, live: &Value, asked: &Value) -> Option<String> {
    if let (Some(live), Some(asked)) = (size(live), size(asked))
        && quantity(asked) < quantity(live)
    {
        return Some(format!(
            "spec.state.size: volumes cannot shrink from {live} to {asked}; ask for {live} or more"
        ));
    }
    // Refused once, refused again: until the spec changes it is not tried.
    let status = observed.app.status.as_ref()?;
    let (reason, message, generation) = condition_reason(status, "Degraded")?;
    let same = generation == observed.app.metadata.generation;
    (same && reason == Reason::StorageNotExpandable.as_str()).then(|| message.to_owned())
}

/// Size of the first claim template: there is one.
fn size(templates: &Value) -> Option<&str> {
    templates.get(0)?.pointer(SIZE)?.as_str()
}

fn is_smaller(claim: &PersistentVolumeClaim, size: &str) -> bool {
    let requests = claim.spec.as_ref().and_then(|spec| {
        let resources = spec.resources.as_ref()?;
        resources.requests.as_ref()
    });
    let has = requests.and_then(|requests| quantity(&requests.get("storage")?.0));
    has < quantity(size)
}
