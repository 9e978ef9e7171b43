//! One look at one StreamApp: observe, decide, act. Level-triggered: whatever woke it up, it looks at
//! everything and does what is still to be done, and nothing where nothing is.

mod claim;
mod cleanup;

use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::core::DeserializeGuard;
use kube::core::error_boundary::InvalidObject;
use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};
use millrace_crds::StreamApp;
use millrace_crds::stream_app::Reason;
use serde_json::json;

use crate::act::Act;
use crate::context::Context;
use crate::crash;
use crate::decide::{Decision, Notice, decide, degrade, notices};
use crate::error::{Error, Result};
use crate::kafka;
use crate::observe::{Gather, Live, Observed};

/// Keeps a StreamApp from vanishing before what belongs to it is cleaned up.
pub const FINALIZER: &str = "millrace.dev/cleanup";
/// Longest time of one look: what hangs is begun anew.
const LIMIT: Duration = Duration::from_secs(120);
/// Pause after a look that failed.
const AGAIN: Duration = Duration::from_secs(5);
/// Pause before the next look at a resource that cannot be read: an edit of it wakes us anyway.
const UNREADABLE: Duration = Duration::from_secs(300);

/// Reconciles, bounded and counted.
///
/// # Errors
/// A step failed; [`again`] says when the next look is.
pub async fn reconcile(
    object: Arc<DeserializeGuard<StreamApp>>,
    context: Arc<Context>,
) -> Result<Action> {
    let began = Instant::now();
    // On the heap: the steps' states add up.
    let steps = Box::pin(look(&object, &context));
    let looked = tokio::time::timeout(LIMIT, steps).await;
    context.metrics.reconciled(began.elapsed());
    looked.unwrap_or_else(|_| Err(Error::Lost(format!("a look took longer than {LIMIT:?}"))))
}

/// When to look again after a failure.
#[expect(clippy::needless_pass_by_value, reason = "the controller's signature")]
pub fn again(
    object: Arc<DeserializeGuard<StreamApp>>,
    error: &Error,
    context: Arc<Context>,
) -> Action {
    let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
    tracing::warn!(namespace, name, reason = error.reason(), %error, "looking again in {AGAIN:?}");
    context.metrics.failed(error.reason());
    Action::requeue(AGAIN)
}

async fn look(object: &DeserializeGuard<StreamApp>, context: &Context) -> Result<Action> {
    let namespace = object.namespace().ok_or(Error::Nameless("namespace"))?;
    let name = object.meta().name.clone().ok_or(Error::Nameless("name"))?;
    // What woke us up may be old; decisions are made on what is there now.
    let api: Api<DeserializeGuard<StreamApp>> = Api::namespaced(context.client.clone(), &namespace);
    let found = api.get_opt(&name).await;
    let found = found.map_err(Error::kubernetes("read", format!("StreamApp {name}")))?;
    let Some(DeserializeGuard(found)) = found else {
        return Ok(Action::await_change());
    };
    match found {
        Err(invalid) => unreadable(context, &invalid).await,
        Ok(app) if app.metadata.deletion_timestamp.is_some() => {
            cleanup::cleanup(context, &app, &namespace).await
        }
        Ok(app) => Box::pin(run(context, app, &namespace)).await,
    }
}

/// A resource that the operator cannot read: most likely of a later version. Others go on.
async fn unreadable(context: &Context, invalid: &InvalidObject) -> Result<Action> {
    let mut shell = StreamApp::new(
        "",
        serde_json::from_value(json!({
            "kafka": {"bootstrapServers": "unknown"}, "topology": {},
        }))
        .map_err(|source| Error::Encode {
            object: "StreamApp".to_owned(),
            source,
        })?,
    );
    shell.metadata = invalid.metadata.clone();
    let mut note = format!(
        "the resource cannot be read: {}. Its pods go on as they are. Was the operator upgraded \
         together with the definition of StreamApp?",
        invalid.error
    );
    if shell.metadata.deletion_timestamp.is_some() {
        note.push_str(" It is deleted without clean-up in Kafka");
        finalizers(context, &shell, false).await?;
    }
    tracing::warn!(name = shell.name_any(), "{note}");
    let notice = Notice {
        warning: true,
        reason: Reason::Undecodable,
        note,
    };
    context.report(&shell, &notice).await;
    Ok(Action::requeue(UNREADABLE))
}

/// Adds or removes our finalizer.
async fn finalizers(context: &Context, app: &StreamApp, wanted: bool) -> Result<()> {
    let mut names = app.finalizers().to_vec();
    names.retain(|name| name != FINALIZER);
    if wanted {
        names.push(FINALIZER.to_owned());
    }
    if names == app.finalizers() {
        return Ok(());
    }
    let namespace = app.namespace().unwrap_or_default();
    let live = Live::default();
    let act = Act {
        context,
        app,
        namespace: &namespace,
        live: &live,
    };
    // The version keeps us from taking away what somebody else has put there in the meantime.
    let version = app.resource_version();
    let patch = json!({"metadata": {"finalizers": names, "resourceVersion": version}});
    act.patch::<StreamApp>(&app.name_any(), patch).await
}

/// Brings the world closer to what the spec asks.
async fn run(context: &Context, app: StreamApp, namespace: &str) -> Result<Action> {
    if !app.finalizers().iter().any(|name| name == FINALIZER) {
        finalizers(context, &app, true).await?;
        crash::point("after-finalizer");
        // The write wakes us up again; what we hold has an old version now.
        return Ok(Action::requeue(Duration::from_secs(1)));
    }
    let gather = Gather {
        client: &context.client,
        kafka: &context.kafka,
        workers: context.workers.as_ref(),
    };
    let mut observed = gather.observe(&app, namespace).await?;
    claim::claim(context, &mut observed, namespace).await?;
    let decision = decide(&observed, &context.environment);
    let requeue = decision.requeue;
    let acted = act(context, &observed, namespace, decision).await;
    acted.map(|()| Action::requeue(requeue))
}

/// Acts, and says in the status what was decided and what failed.
async fn act(
    context: &Context,
    observed: &Observed,
    namespace: &str,
    mut decision: Decision,
) -> Result<()> {
    let act = Act {
        context,
        app: &observed.app,
        namespace,
        live: &observed.live,
    };
    let done = write(&act, observed, &mut decision).await;
    let trouble = match &done {
        Ok(refusal) => refusal.clone(),
        Err(Error::Kafka(error)) => Some((Reason::KafkaUnavailable, error.to_string())),
        Err(error) => Some((Reason::ReconcileFailed, error.to_string())),
    };
    let old = observed.app.status.as_ref();
    if let Some(trouble) = trouble {
        degrade(&mut decision.status, old, trouble, observed.now);
    }
    let told = notices(old, &decision.status);
    let written = act.status(&decision.status).await;
    for notice in decision.notices.iter().chain(&told) {
        context.report(&observed.app, notice).await;
    }
    done?;
    written?;
    Ok(())
}

async fn write(
    act: &Act<'_>,
    observed: &Observed,
    decision: &mut Decision,
) -> Result<crate::act::Refusal> {
    let create = std::mem::take(&mut decision.create_topics);
    let grow = std::mem::take(&mut decision.grow_topics);
    if !create.is_empty() || !grow.is_empty() {
        match kafka::config(&observed.app, &observed.secrets) {
            Ok(config) => act.topics(config, create, grow).await?,
            // It was there a moment ago; the next look says so.
            Err(missing) => return Ok(Some((Reason::SecretMissing, missing.to_string()))),
        }
    }
    act.objects(decision).await
}
