//! Deletes what `spec.deletion` names, then lets the StreamApp go. Bounded: a Kafka that is gone, or a
//! pod that does not end, delays the deletion and never prevents it.
//!
//! ```text
//!   StatefulSet ─► pods are gone ─► consumer group ─► internal topics ─► volumes ─► finalizer
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use kube::ResourceExt;
use kube::api::DeleteParams;
use kube::runtime::controller::Action;
use millrace_crds::StreamApp;
use millrace_crds::plan::InternalTopicKind;
use millrace_crds::stream_app::{Reason, Retention};

use super::finalizers;
use crate::act::{Act, precondition};
use crate::context::Context;
use crate::crash;
use crate::decide::{Notice, deleting};
use crate::error::{Error, Result};
use crate::kafka;
use crate::observe::{Gather, Observed};
use crate::render;

/// Time for the clean-up beyond the pods' grace period. Past it the StreamApp is let go, with an event.
const LIMIT: Duration = Duration::from_secs(120);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_secs(2);

/// One try.
pub(super) async fn cleanup(context: &Context, app: &StreamApp, namespace: &str) -> Result<Action> {
    if !app.finalizers().iter().any(|name| name == super::FINALIZER) {
        // Somebody else's finalizer holds it.
        return Ok(Action::await_change());
    }
    let gather = Gather {
        client: &context.client,
        kafka: &context.kafka,
        workers: context.workers.as_ref(),
    };
    let observed = gather.remains(app, namespace).await?;
    let act = Act {
        context,
        app,
        namespace,
        live: &observed.live,
    };
    let left = match steps(&act, &observed).await {
        Ok(left) => left,
        Err(error @ Error::Kafka(_)) => Some(error.to_string()),
        Err(error) => return Err(error),
    };
    let Some(left) = left else {
        return release(context, app).await;
    };
    if is_over(app, observed.now) {
        let note = format!(
            "Let go after {LIMIT:?} with something left: {left}. What spec.deletion names is to be \
             deleted by hand"
        );
        tracing::warn!(namespace, name = app.name_any(), "{note}");
        let notice = Notice {
            warning: true,
            reason: Reason::CleanUpIncomplete,
            note,
        };
        context.report(app, &notice).await;
        return release(context, app).await;
    }
    let old = app.status.clone().unwrap_or_default();
    let status = deleting(&old, app.metadata.generation, &left, observed.now);
    act.status(&status).await?;
    Ok(Action::requeue(PAUSE))
}

async fn release(context: &Context, app: &StreamApp) -> Result<Action> {
    crash::point("cleanup-before-release");
    finalizers(context, app, false).await?;
    Ok(Action::await_change())
}

/// Whether the time is over.
fn is_over(app: &StreamApp, now: Timestamp) -> bool {
    let grace = app
        .spec
        .pod
        .termination_grace_period_seconds
        .max(0)
        .unsigned_abs();
    let limit = LIMIT + Duration::from_secs(grace);
    let since = app.metadata.deletion_timestamp.as_ref();
    let waited = since.and_then(|since| Duration::try_from(now.duration_since(since.0)).ok());
    waited.is_some_and(|waited| waited >= limit)
}

/// The steps, up to the first that has to wait: what is left then.
async fn steps(act: &Act<'_>, observed: &Observed) -> Result<Option<String>> {
    if let Some(set) = &observed.live.stateful_set {
        if set.metadata.deletion_timestamp.is_none() {
            let params = precondition(&set.uid().unwrap_or_default(), DeleteParams::background());
            let name = render::stateful_set_name(act.app);
            act.delete::<StatefulSet>(&name, &params).await?;
            crash::point("cleanup-after-stateful-set");
        }
        return Ok(Some("the StatefulSet".to_owned()));
    }
    if !observed.live.pods.is_empty() {
        let pods = observed.live.pods.values().map(|pod| pod.name.as_str());
        return Ok(Some(format!(
            "the pods {}",
            pods.collect::<Vec<_>>().join(", ")
        )));
    }
    if let Some(left) = in_kafka(act, observed).await? {
        return Ok(Some(left));
    }
    if act.app.spec.deletion.volumes == Retention::Delete {
        for claim in &observed.live.claims {
            act.delete::<PersistentVolumeClaim>(&claim.name_any(), &DeleteParams::default())
                .await?;
        }
    }
    Ok(None)
}

/// Group and topics. Only what this StreamApp has claimed: one that was refused owns nothing there.
async fn in_kafka(act: &Act<'_>, observed: &Observed) -> Result<Option<String>> {
    let deletion = &act.app.spec.deletion;
    let group = deletion.consumer_group == Retention::Delete;
    let topics = deletion.internal_topics == Retention::Delete;
    let claimed = act
        .app
        .status
        .as_ref()
        .and_then(|s| s.kafka_cluster_id.clone());
    let Some(claimed) = claimed.filter(|_| group || topics) else {
        return Ok(None);
    };
    let config = match kafka::config(act.app, &observed.secrets) {
        Ok(config) => config,
        Err(missing) => return Ok(Some(format!("Kafka's part: {missing}"))),
    };
    let names = if topics {
        internal_topics(observed)
    } else {
        BTreeSet::new()
    };
    let application_id = act.app.application_id().to_owned();
    let call = move |admin: &dyn millrace_kafka::Admin| {
        if admin.cluster_id()? != claimed {
            // The spec names another cluster since; what is there is not ours to delete.
            return Ok(false);
        }
        if group {
            admin.delete_group(&application_id)?;
            crash::point("cleanup-after-group");
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        admin.delete_topics(&names)?;
        crash::point("cleanup-after-topics");
        Ok(true)
    };
    let was_ours = act.context.kafka.call(config, call).await?;
    Ok((!was_ours).then(|| {
        "Kafka's part: spec.kafka names another cluster than the one the application ran on"
            .to_owned()
    }))
}

/// The internal topics of what runs and of the spec. Dead letters stay: nobody else has them.
fn internal_topics(observed: &Observed) -> BTreeSet<String> {
    let running = observed.accepted.as_ref().and_then(|a| a.plan.as_ref());
    let plans = observed.plan.as_ref().ok().into_iter().chain(running);
    let topics = plans.flat_map(|plan| &plan.internal_topics);
    topics
        .filter(|topic| topic.kind != InternalTopicKind::DeadLetter)
        .map(|topic| topic.name.clone())
        .collect()
}
