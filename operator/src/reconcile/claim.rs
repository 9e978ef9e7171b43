//! Claims an application id on a Kafka cluster: the claim is the cluster's id in the status.
//!
//! One claim at a time, decided on what the API server has at that moment: the next one sees it.

use kube::ResourceExt;
use millrace_crds::StreamApp;

use crate::act::Act;
use crate::context::Context;
use crate::crash;
use crate::decide::duplicate::{Claimant, rival};
use crate::error::Result;
use crate::observe::{KafkaView, Observed};

/// Claims, or notes who has it already.
pub(super) async fn claim(
    context: &Context,
    observed: &mut Observed,
    namespace: &str,
) -> Result<()> {
    let KafkaView::Facts(facts) = &observed.kafka else {
        return Ok(());
    };
    let status = observed.app.status.clone().unwrap_or_default();
    if status.kafka_cluster_id.as_ref() == Some(&facts.cluster_id) {
        return Ok(());
    }
    let _one_at_a_time = context.claims.lock().await;
    let others: Vec<Claimant> = context.stream_apps().await?.iter().map(claimant).collect();
    let own = claimant(&observed.app);
    if let Some(rival) = rival(&own, &facts.cluster_id, &others) {
        observed.rival = Some(rival.name.clone());
        return Ok(());
    }
    let mut claimed = status;
    claimed.kafka_cluster_id = Some(facts.cluster_id.clone());
    let act = Act {
        context,
        app: &observed.app,
        namespace,
        live: &observed.live,
    };
    act.status(&claimed).await?;
    crash::point("after-claim");
    observed.app.status = Some(claimed);
    Ok(())
}

fn claimant(app: &StreamApp) -> Claimant {
    Claimant {
        name: format!("{}/{}", app.namespace().unwrap_or_default(), app.name_any()),
        namespace: app.namespace().unwrap_or_default(),
        uid: app.uid().unwrap_or_default(),
        created: app.creation_timestamp().map(|time| time.0),
        application_id: app.application_id().to_owned(),
        bootstrap_servers: app.spec.kafka.bootstrap_servers.clone(),
        cluster_id: app.status.as_ref().and_then(|s| s.kafka_cluster_id.clone()),
        deleted: app.metadata.deletion_timestamp.is_some(),
    }
}
