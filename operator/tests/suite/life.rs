//! The life of an application: edits that are accepted and refused, roll-outs, suspend, restart.

use serde_json::{Value, json};

use super::world::{World, app, path};

fn image(pod: &Value) -> &str {
    pod["spec"]["containers"][0]["image"].as_str().unwrap()
}

#[tokio::test]
async fn a_topology_that_cannot_read_the_state_is_refused_and_pods_are_untouched() {
    let world = World::running().await;
    let template = world.set()["spec"]["template"].clone();
    world.patch(
        "loans",
        &json!({"topology": {"streams": {"requests": {"key": "bytes"}}}}),
    );
    world.settle("loans").await;
    let refused = ("False".to_owned(), "IncompatibleTopology".to_owned());
    assert_eq!(world.condition("loans", "TopologyAccepted"), refused);
    let message = world.message("loans", "TopologyAccepted");
    assert!(message.contains("counts"), "{message}");
    assert_eq!(world.condition("loans", "Ready").0, "True");
    assert_eq!(world.set()["spec"]["template"], template);

    // It is still scaled, and still starts from the accepted one.
    world.patch("loans", &json!({"replicas": 2}));
    world.settle("loans").await;
    assert_eq!(world.pods("loans").len(), 2);
    assert_eq!(world.set()["spec"]["template"], template);

    // Taken back, all is as before.
    world.patch(
        "loans",
        &json!({"topology": {"streams": {"requests": {"key": "string"}}}}),
    );
    world.settle("loans").await;
    assert_eq!(world.condition("loans", "TopologyAccepted").0, "True");
    assert_eq!(world.set()["spec"]["template"], template);
}

#[tokio::test]
async fn an_invalid_spec_names_the_field_and_leaves_the_pods() {
    let world = World::running().await;
    let template = world.set()["spec"]["template"].clone();
    world.patch(
        "loans",
        &json!({"topology": {"tables": {"counted": {"from": "nowhere"}}}}),
    );
    world.settle("loans").await;
    let refused = ("False".to_owned(), "InvalidSpec".to_owned());
    assert_eq!(world.condition("loans", "TopologyAccepted"), refused);
    let message = world.message("loans", "TopologyAccepted");
    assert!(
        message.contains("spec.topology.tables.counted.from"),
        "{message}"
    );
    assert_eq!(world.set()["spec"]["template"], template);
}

#[tokio::test]
async fn a_compatible_topology_with_other_tasks_stops_all_pods_before_the_first_starts() {
    let world = World::running().await;
    world.patch("loans", &json!({"replicas": 2}));
    world.settle("loans").await;
    let before: Vec<Value> = world
        .pods("loans")
        .iter()
        .map(|p| p["metadata"]["uid"].clone())
        .collect();
    let second = json!({
        "from": "requests", "steps": [{"groupByKey": {}}, {"count": {"name": "more"}}],
        "to": {"topic": "results"},
    });
    world.patch("loans", &json!({"topology": {"tables": {"again": second}}}));
    let old = world.set()["spec"]["template"].clone();
    let mut stopped = false;
    for _ in 0..20 {
        world.look("loans").await.unwrap();
        let new_template = world.set()["spec"]["template"] != old;
        assert!(
            !new_template || stopped,
            "the new template came before all pods were gone"
        );
        world.follow();
        stopped |= world.pods("loans").is_empty();
    }
    world.settle("loans").await;
    assert!(stopped);
    assert_eq!(world.pods("loans").len(), 2);
    let after: Vec<Value> = world
        .pods("loans")
        .iter()
        .map(|p| p["metadata"]["uid"].clone())
        .collect();
    assert!(before.iter().all(|uid| !after.contains(uid)));
    assert_eq!(world.condition("loans", "Ready").0, "True");
    assert_eq!(world.partitions("loans-more-changelog"), Some(3));
}

#[tokio::test]
async fn a_renamed_store_is_refused_until_its_state_is_given_up_by_name() {
    let world = World::running().await;
    let steps = json!([{"groupByKey": {}}, {"count": {"name": "totals"}}]);
    world.patch(
        "loans",
        &json!({"topology": {"tables": {"counted": {"steps": steps}}}}),
    );
    world.settle("loans").await;
    let refused = ("False".to_owned(), "IncompatibleTopology".to_owned());
    assert_eq!(world.condition("loans", "TopologyAccepted"), refused);
    let message = world.message("loans", "TopologyAccepted");
    for words in [
        "+ store totals (starts empty)",
        "- store counts",
        "kubectl annotate streamapp loans millrace.dev/give-up-stores=counts --overwrite",
    ] {
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(world.condition("loans", "Ready").0, "True");

    let given_up = json!({"millrace.dev/give-up-stores": "another, counts"});
    let annotated = json!({"metadata": {"annotations": given_up}});
    world.api.merge(&path("streamapps", "loans"), &annotated);
    world.settle("loans").await;
    assert_eq!(world.condition("loans", "TopologyAccepted").0, "True");
    assert_eq!(world.condition("loans", "Ready").0, "True");
    assert_eq!(world.partitions("loans-totals-changelog"), Some(3));
}

#[tokio::test]
async fn an_expression_is_rolled_out_without_stopping_all() {
    let world = World::running().await;
    world.patch("loans", &json!({"replicas": 2}));
    world.settle("loans").await;
    let maps = world.api.paths("/configmaps/loans-");
    let steps = json!([{"mapValues": r#"{"n": value}"#}]);
    let edit = json!({"topology": {"streams": {"mapped": {"steps": steps}}}});
    world.patch("loans", &edit);
    for _ in 0..20 {
        world.look("loans").await.unwrap();
        world.follow();
        assert!(!world.pods("loans").is_empty());
    }
    world.settle("loans").await;
    assert_eq!(world.condition("loans", "Ready").0, "True");
    let now = world.api.paths("/configmaps/loans-");
    assert_eq!(
        now.len(),
        maps.len(),
        "the earlier ConfigMap is pruned when no pod has it: {now:?}"
    );
    assert_ne!(now, maps);
}

#[tokio::test]
async fn a_bad_image_is_said_and_heals_when_the_spec_is_mended() {
    let world = World::running().await;
    world.patch("loans", &json!({"replicas": 3, "image": "worker:2"}));
    world.settle("loans").await;
    assert!(
        world
            .pods("loans")
            .iter()
            .all(|pod| image(pod) == "worker:2")
    );
    world.patch("loans", &json!({"image": "bad"}));
    world.settle("loans").await;
    let images: Vec<String> = world
        .pods("loans")
        .iter()
        .map(|p| image(p).to_owned())
        .collect();
    assert_eq!(images, ["worker:2", "worker:2", "bad"]);
    let degraded = world.condition("loans", "Degraded");
    assert_eq!(degraded, ("True".to_owned(), "RolloutStuck".to_owned()));
    assert!(
        world
            .message("loans", "Degraded")
            .contains("ImagePullBackOff")
    );
    world.patch("loans", &json!({"image": "worker:3"}));
    world.settle("loans").await;
    assert!(
        world
            .pods("loans")
            .iter()
            .all(|pod| image(pod) == "worker:3")
    );
    assert_eq!(world.condition("loans", "Ready").0, "True");
    assert_eq!(world.condition("loans", "Degraded").0, "False");
}

#[tokio::test]
async fn suspend_removes_all_pods_and_keeps_volumes_and_resume_brings_them_back() {
    let world = World::running().await;
    world.patch(
        "loans",
        &json!({"replicas": 2, "state": {"whenScaled": "Delete"}}),
    );
    world.settle("loans").await;
    let policy = |world: &World| {
        world.set()["spec"]["persistentVolumeClaimRetentionPolicy"]["whenScaled"].clone()
    };
    assert_eq!(policy(&world), "Delete");
    world.patch("loans", &json!({"suspend": true}));
    world.settle("loans").await;
    assert!(world.pods("loans").is_empty());
    assert_eq!(policy(&world), "Retain");
    assert_eq!(
        world.condition("loans", "Suspended"),
        ("True".into(), "Suspended".into())
    );
    assert_eq!(
        world.condition("loans", "Ready"),
        ("False".into(), "Suspended".into())
    );
    let status = world.api.get(&path("streamapps", "loans")).unwrap()["status"].clone();
    assert_eq!(
        (status["lag"].clone(), status["lagText"].clone()),
        (Value::Null, json!("unknown"))
    );
    world.patch("loans", &json!({"suspend": false}));
    world.settle("loans").await;
    assert_eq!(world.pods("loans").len(), 2);
    assert_eq!(policy(&world), "Delete");
    assert_eq!(world.condition("loans", "Ready").0, "True");
}

#[tokio::test]
async fn a_new_value_of_the_annotation_restarts_the_pods() {
    let world = World::running().await;
    let before = world.pods("loans")[0]["metadata"]["uid"].clone();
    let restart = json!({"metadata": {"annotations": {"millrace.dev/restart": "1"}}});
    world.api.merge(&path("streamapps", "loans"), &restart);
    world.settle("loans").await;
    assert_ne!(world.pods("loans")[0]["metadata"]["uid"], before);
    assert!(world.api.events().contains(&"Restarting".to_owned()));
}

#[tokio::test]
async fn what_somebody_changes_or_deletes_is_put_back() {
    let world = World::running().await;
    world.api.merge(
        &path("statefulsets", "loans"),
        &json!({"spec": {"replicas": 7}}),
    );
    world.api.remove(&path("services", "loans-workers"));
    world.settle("loans").await;
    assert_eq!(world.set()["spec"]["replicas"], 1);
    assert!(world.api.get(&path("services", "loans-workers")).is_some());
}

#[tokio::test]
async fn a_second_application_of_one_id_is_refused_until_the_first_is_gone() {
    let world = World::running().await;
    let mut spec = app();
    spec["applicationId"] = json!("loans");
    world.apply("other", &spec);
    world.settle("other").await;
    let refused = ("False".to_owned(), "DuplicateApplicationId".to_owned());
    assert_eq!(world.condition("other", "TopologyAccepted"), refused);
    assert!(world.message("other", "Degraded").contains("default/loans"));
    assert!(world.api.get(&path("statefulsets", "other")).is_none());
    // Deleting the refused one touches nothing of the first.
    world.patch("other", &json!({"deletion": {"internalTopics": "Delete"}}));
    world.delete("other", std::time::Duration::ZERO);
    world.settle("other").await;
    assert_eq!(world.partitions("loans-tasks"), Some(3));
    assert_eq!(world.pods("loans").len(), 1);
}

#[tokio::test]
async fn functions_of_the_image_are_planned_by_their_types_and_reach_the_pods() {
    let world = World::running().await;
    let edit = |functions: Value| {
        let steps = json!([{"mapValues": "map_values_1(key)"}]);
        let streams = json!({"mapped": {"steps": steps}});
        json!({"image": "shop:2", "topology": {"functions": functions, "streams": streams}})
    };
    let of = |parameter: &str| json!({"map_values_1": {"parameters": [parameter], "result": "any", "format": "json"}});
    world.patch("loans", &edit(of("string")));
    world.settle("loans").await;
    assert_eq!(world.condition("loans", "Ready").0, "True");
    assert!(world.pods("loans").iter().all(|pod| image(pod) == "shop:2"));
    let maps = world.api.paths("/configmaps/loans-").into_iter();
    let files: Vec<String> = maps
        .filter_map(|map| {
            Some(
                world.api.get(&map)?["data"]["streamapp.yaml"]
                    .as_str()?
                    .to_owned(),
            )
        })
        .collect();
    assert_eq!(files.len(), 1);
    assert!(
        files[0].contains("functions:\n      map_values_1:"),
        "{}",
        files[0]
    );

    // What does not fit the types is refused before any pod is touched.
    let template = world.set()["spec"]["template"].clone();
    world.patch("loans", &edit(of("int")));
    world.settle("loans").await;
    let refused = ("False".to_owned(), "InvalidSpec".to_owned());
    assert_eq!(world.condition("loans", "TopologyAccepted"), refused);
    let message = world.message("loans", "TopologyAccepted");
    assert!(
        message.contains("`map_values_1` takes int here"),
        "{message}"
    );
    assert_eq!(world.set()["spec"]["template"], template);
}

#[tokio::test]
async fn a_pod_without_a_node_is_a_trouble_only_after_a_while() {
    let world = World::running().await;
    for (seconds, expected) in [(1, "False"), (31, "True")] {
        let since = jiff::Timestamp::now() - jiff::SignedDuration::from_secs(seconds);
        let unscheduled = json!({
            "conditions": [
                {"type": "Ready", "status": "False"},
                {"type": "PodScheduled", "status": "False", "message": "no volume yet",
                 "lastTransitionTime": since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()},
            ],
            "containerStatuses": [],
        });
        let pod = path("pods", "loans-0");
        world.api.merge(&pod, &json!({"status": unscheduled}));
        world.look("loans").await.unwrap();
        assert_eq!(world.condition("loans", "Degraded").0, expected);
    }
    let degraded = world.condition("loans", "Degraded");
    assert_eq!(degraded.1, "PodsFailing");
    let message = world.message("loans", "Degraded");
    assert!(
        message.contains("not scheduled: no volume yet"),
        "{message}"
    );
}
