//! The life of an application: waiting for topics, refused edits, a rollout that breaks and heals,
//! suspension, deletion.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use millrace_tests::cluster::{Space, space, wait_until};
use serde_json::{Value, json};

use crate::support::{counted, write};

/// Longest wait for a deletion: drained pods, their grace period, clean-up in Kafka.
const DELETE_LIMIT: Duration = Duration::from_secs(120);

pub(crate) fn an_application_waits_for_its_source_topic_and_goes_on_by_itself() -> Result<()> {
    let space = Space::new("e2e-missing")?;
    space.create_topics(&["counts"], 2)?;
    space.kubectl().apply(&space.counts("counts", ""))?;
    let app = space.wait_app("counts", "waiting", space::READY_LIMIT, |app| {
        app["status"].to_string().contains("SourceTopicMissing")
    })?;
    ensure!(
        app["status"].to_string().contains(&space.own("in")),
        "the missing topic is not named: {}",
        app["status"]
    );
    space.create_topics(&["in"], 2)?;
    let app = space.wait_ready("counts")?;
    ensure!(app["status"]["tasks"] == 2, "{}", app["status"]);
    write(space.kafka()?.as_ref(), &space.own("in"), 2, 10, 100)?;
    counted(&space, 10, 10)?;
    space.check_operator_log()
}

pub(crate) fn joined_topics_with_different_partitions_are_refused_by_name() -> Result<()> {
    let space = Space::new("e2e-copartition")?;
    space.create_topics(&["account-balances", "loan-evaluation-results"], 3)?;
    space.create_topics(&["loan-requests"], 2)?;
    space
        .kubectl()
        .apply(&space.example("loan-evaluation", "")?)?;
    let app = space.wait_app("loan-evaluation", "refused", space::READY_LIMIT, |app| {
        app["status"].to_string().contains("CoPartitioningMismatch")
    })?;
    let said = app["status"].to_string();
    for topic in ["account-balances", "loan-requests"] {
        ensure!(
            said.contains(&space.own(topic)),
            "{topic} is not named: {said}"
        );
    }
    let pods = space.pods("loan-evaluation")?;
    ensure!(pods.is_empty(), "it runs all the same: {pods:?}");
    space.check_operator_log()
}

pub(crate) fn an_incompatible_topology_is_refused_and_the_accepted_one_runs_on() -> Result<()> {
    let space = Space::new("e2e-refused")?;
    space.create_topics(&["in", "counts"], 2)?;
    let app = space.counts("counts", "");
    space.kubectl().apply(&app)?;
    space.wait_ready("counts")?;
    let before = space.pod("counts", 0)?;

    // The store's keys would be read in another format than they were written in.
    let other = app.replace("key: string", "key: bytes");
    ensure!(other != app, "the edit changes nothing");
    space.kubectl().apply(&other)?;
    let refused = space.wait_condition("counts", "TopologyAccepted", "False")?;
    println!("refused: {}", refused.message);
    ensure!(refused.reason == "IncompatibleTopology", "{refused:?}");
    for word in ["counts", "string", "bytes"] {
        ensure!(refused.message.contains(word), "{word}: {refused:?}");
    }
    ensure!(space.pod("counts", 0)? == before, "the pod was touched");

    // A pod that starts now runs what was accepted.
    space.kubectl().delete("pod/counts-0", DELETE_LIMIT)?;
    wait_until("the pod is back", space::READY_LIMIT, || {
        let pod = space.pod("counts", 0)?;
        Ok((pod.ready && pod.uid != before.uid).then_some(()))
    })?;
    write(space.kafka()?.as_ref(), &space.own("in"), 2, 10, 100)?;
    counted(&space, 10, 10)?;

    // The edit taken back.
    space.kubectl().apply(&app)?;
    space.wait_condition("counts", "TopologyAccepted", "True")?;
    space.wait_ready("counts")?;
    space.check_operator_log()
}

pub(crate) fn a_rollout_to_a_bad_image_heals_when_the_spec_is_mended() -> Result<()> {
    let space = Space::new("e2e-image")?;
    space.create_topics(&["in", "counts"], 2)?;
    space
        .kubectl()
        .apply(&space.counts("counts", "  replicas: 2"))?;
    space.wait_ready("counts")?;
    let before = space.pods("counts")?;
    let good = before[0].image.clone();

    let image = json!({"spec": {"image": "localhost/no-such-image:1"}});
    space.kubectl().patch("streamapp/counts", &image)?;
    wait_until("one pod has the bad image", space::READY_LIMIT, || {
        let pods = space.pods("counts")?;
        Ok(pods
            .iter()
            .any(|pod| pod.image.contains("no-such-image"))
            .then_some(()))
    })?;
    space.wait_condition("counts", "Ready", "False")?;
    // One at a time: the other one works on.
    let pods = space.pods("counts")?;
    let old = pods.iter().filter(|pod| pod.image == good && pod.ready);
    ensure!(old.count() == 1, "not one pod stays: {pods:?}");

    space
        .kubectl()
        .patch("streamapp/counts", &json!({"spec": {"image": good}}))?;
    space.wait_ready("counts")?;
    let pods = space.pods("counts")?;
    ensure!(
        pods.iter().all(|pod| pod.image == good && pod.ready),
        "not healed: {pods:?}"
    );
    write(space.kafka()?.as_ref(), &space.own("in"), 2, 10, 100)?;
    counted(&space, 10, 10)?;
    space.check_operator_log()
}

pub(crate) fn a_suspended_application_has_no_pods_and_goes_on_where_it_stopped() -> Result<()> {
    let space = Space::new("e2e-suspend")?;
    space.create_topics(&["in", "counts"], 2)?;
    space.kubectl().apply(&space.counts("counts", ""))?;
    space.wait_ready("counts")?;
    let kafka = space.kafka()?;
    write(kafka.as_ref(), &space.own("in"), 2, 10, 100)?;
    counted(&space, 10, 10)?;
    let suspend = |yes: bool| {
        let patch = json!({"spec": {"suspend": yes}});
        space.kubectl().patch("streamapp/counts", &patch)
    };
    suspend(true)?;
    space.wait_condition("counts", "Suspended", "True")?;
    let pods = space.pods("counts")?;
    ensure!(pods.is_empty(), "suspended, and there are {pods:?}");
    write(kafka.as_ref(), &space.own("in"), 2, 10, 100)?;
    suspend(false)?;
    space.wait_ready("counts")?;
    counted(&space, 10, 20)?;
    space.check_operator_log()
}

pub(crate) fn a_deleted_application_leaves_what_its_policy_says() -> Result<()> {
    let space = Space::new("e2e-deletion")?;
    space.create_topics(&["in", "counts"], 1)?;
    let kafka = space.kafka()?;
    for (policy, gone) in [("Retain", false), ("Delete", true)] {
        let deletion = format!(
            "  deletion: {{internalTopics: {policy}, consumerGroup: {policy}, volumes: {policy}}}"
        );
        space.kubectl().apply(&space.counts("counts", &deletion))?;
        space.wait_ready("counts")?;
        write(kafka.as_ref(), &space.own("in"), 1, 1, 1)?;
        let changelog = format!("{}-counts-changelog", space.own("counts"));
        let topics = kafka.admin()?.list_topics()?;
        ensure!(topics.contains(&changelog), "no {changelog} in {topics:?}");

        space.kubectl().delete("streamapp/counts", DELETE_LIMIT)?;
        wait_until("its objects are gone", space::READY_LIMIT, || {
            let left = space
                .kubectl()
                .list("statefulsets,pods,configmaps", &space::selector("counts"))?;
            Ok(left.is_empty().then_some(()))
        })
        .with_context(|| space.kubectl().describe_all())?;
        let topics = kafka.admin()?.list_topics()?;
        ensure!(
            topics.contains(&changelog) != gone,
            "{policy}: {changelog} in {topics:?}"
        );
        ensure!(
            topics.contains(&space.own("in")) && topics.contains(&space.own("counts")),
            "{policy}: the user's topics are gone: {topics:?}"
        );
        wait_until(&format!("{policy}: claims"), space::READY_LIMIT, || {
            let claims = space.kubectl().list("pvc", "")?;
            Ok((claims.is_empty() == gone).then_some(()))
        })?;
    }
    space.check_operator_log()
}

pub(crate) fn a_bigger_volume_grows_under_pods_that_stay() -> Result<()> {
    let space = Space::new("e2e-volume")?;
    space.create_topics(&["in", "counts"], 2)?;
    space
        .kubectl()
        .apply(&space.counts("counts", "  state: {size: 1Gi}"))?;
    space.wait_ready("counts")?;
    let before = space.pod("counts", 0)?;
    let set = uid(&space, "statefulset/counts")?;

    let bigger = json!({"spec": {"state": {"size": "2Gi"}}});
    space.kubectl().patch("streamapp/counts", &bigger)?;
    wait_until("the claim asks for more", space::READY_LIMIT, || {
        let claims = space.kubectl().list("pvc", "")?;
        let asked = |claim: &Value| claim["spec"]["resources"]["requests"]["storage"] == "2Gi";
        Ok((claims.len() == 1 && claims.iter().all(asked)).then_some(()))
    })?;
    wait_until("the set is written anew", space::READY_LIMIT, || {
        let Some(now) = space.kubectl().get("statefulset/counts")? else {
            return Ok(None);
        };
        let template = &now["spec"]["volumeClaimTemplates"][0]["spec"];
        let asks = template["resources"]["requests"]["storage"] == "2Gi";
        Ok((asks && now["metadata"]["uid"] != set).then_some(()))
    })?;
    space.wait_ready("counts")?;
    ensure!(space.pod("counts", 0)? == before, "the pod was touched");
    write(space.kafka()?.as_ref(), &space.own("in"), 2, 10, 100)?;
    counted(&space, 10, 10)?;
    space.check_operator_log()
}

fn uid(space: &Space, object: &str) -> Result<Value> {
    Ok(space.kubectl().expect(object)?["metadata"]["uid"].clone())
}

pub(crate) fn a_second_application_with_the_same_id_is_refused() -> Result<()> {
    let space = Space::new("e2e-twice")?;
    space.create_topics(&["in", "counts"], 2)?;
    space.kubectl().apply(&space.counts("counts", ""))?;
    space.wait_ready("counts")?;
    let before = space.pod("counts", 0)?;

    let second = space.counts("counts", "").replacen(
        "metadata: {name: counts}",
        "metadata: {name: again}",
        1,
    );
    space.kubectl().apply(&second)?;
    let app = space.wait_app("again", "refused", space::READY_LIMIT, |app| {
        app["status"].to_string().contains("DuplicateApplicationId")
    })?;
    let said = app["status"].to_string();
    ensure!(said.contains("counts"), "the first is not named: {said}");
    let pods = space.pods("again")?;
    ensure!(pods.is_empty(), "it runs all the same: {pods:?}");
    ensure!(space.pod("counts", 0)? == before, "the first was touched");

    // The first is gone: the second takes its place, with its topics and offsets.
    space.kubectl().delete("streamapp/counts", DELETE_LIMIT)?;
    space.wait_ready("again")?;
    write(space.kafka()?.as_ref(), &space.own("in"), 2, 10, 100)?;
    counted(&space, 10, 10)?;
    space.check_operator_log()
}
