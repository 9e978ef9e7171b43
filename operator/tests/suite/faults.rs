//! What a cluster cannot be made to do on request: conflicts, failing servers, unreadable objects.

use serde_json::json;

use super::world::{World, app, path};

#[tokio::test]
async fn a_failing_api_server_fails_the_look_and_the_next_goes_on() {
    let world = World::new();
    world.topic("requests", 3);
    world.topic("results", 3);
    world.apply("loans", &app());
    world.look("loans").await.unwrap();
    world
        .api
        .fail("PATCH /apis/apps/v1", 500, "InternalError", 1);
    let failed = world.look("loans").await.unwrap_err();
    assert_eq!(failed.reason(), "ApiServerError");
    world.settle("loans").await;
    assert_eq!(world.condition("loans", "Ready").0, "True");
    assert_eq!(world.condition("loans", "Degraded").0, "False");
}

#[tokio::test]
async fn a_refused_object_is_said_in_the_status() {
    let world = World::running().await;
    world.api.fail("PATCH /apis/apps/v1", 422, "Invalid", 1);
    world.patch("loans", &json!({"image": "worker:2"}));
    assert_eq!(world.look("loans").await.unwrap_err().reason(), "Invalid");
    let degraded = world.condition("loans", "Degraded");
    assert_eq!(degraded, ("True".to_owned(), "ReconcileFailed".to_owned()));
    assert!(
        world
            .message("loans", "Degraded")
            .contains("StatefulSet loans")
    );
    world.settle("loans").await;
    assert_eq!(world.condition("loans", "Degraded").0, "False");
}

#[tokio::test]
async fn an_object_of_somebody_else_is_never_taken_over() {
    let world = World::new();
    world.topic("requests", 3);
    world.topic("results", 3);
    world.apply("loans", &app());
    let database = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "loans", "namespace": "default"},
        "spec": {"replicas": 3, "template": {"spec": {"containers": [{"image": "database:1"}]}}},
    });
    let at = path("statefulsets", "loans");
    world.api.put(&at, database);
    let before = world.api.get(&at);
    // The first look adds the finalizer.
    world.look("loans").await.unwrap();
    assert_eq!(world.look("loans").await.unwrap_err().reason(), "Foreign");
    assert_eq!(world.api.get(&at), before);
    let degraded = world.condition("loans", "Degraded");
    assert_eq!(degraded, ("True".to_owned(), "ReconcileFailed".to_owned()));
    let message = world.message("loans", "Degraded");
    assert!(message.contains("StatefulSet loans is there"), "{message}");
    world.api.remove(&at);
    world.settle("loans").await;
    assert_eq!(world.condition("loans", "Degraded").0, "False");
}

#[tokio::test]
async fn a_conflict_is_tried_again() {
    let world = World::new();
    world.topic("requests", 3);
    world.topic("results", 3);
    world.apply("loans", &app());
    world
        .api
        .fail("PATCH /apis/millrace.dev", 409, "Conflict", 1);
    assert_eq!(world.look("loans").await.unwrap_err().reason(), "Conflict");
    world.settle("loans").await;
    assert_eq!(world.condition("loans", "Ready").0, "True");
}

#[tokio::test]
async fn an_unreadable_resource_is_told_and_others_go_on() {
    let world = World::running().await;
    world.api.put(
        &path("streamapps", "strange"),
        json!({
            "apiVersion": "millrace.dev/v1alpha1", "kind": "StreamApp",
            "metadata": {"name": "strange", "namespace": "default"},
            "spec": {"kafka": 7},
        }),
    );
    world.api.events();
    world.look("strange").await.unwrap();
    assert_eq!(world.api.events(), ["Undecodable"]);
    world.patch("loans", &json!({"replicas": 2}));
    world.settle("loans").await;
    assert_eq!(world.pods("loans").len(), 2);
    // A claim lists all StreamApps: the strange one is no obstacle.
    let mut spec = app();
    spec["applicationId"] = json!("more");
    world.apply("more", &spec);
    world.settle("more").await;
    assert_eq!(world.condition("more", "TopologyAccepted").0, "True");
}

#[tokio::test]
async fn one_that_is_deleted_in_the_meantime_is_nothing_to_do() {
    let world = World::running().await;
    world.api.remove(&path("streamapps", "loans"));
    world.api.writes();
    world.look("loans").await.unwrap();
    assert!(world.api.writes().is_empty());
}

#[tokio::test]
async fn a_missing_secret_is_named_with_the_field() {
    let world = World::new();
    world.topic("requests", 3);
    world.topic("results", 3);
    let mut spec = app();
    spec["kafka"]["sasl"] = json!({
        "mechanism": "PLAIN",
        "usernameSecret": {"name": "kafka-user", "key": "username"},
        "passwordSecret": {"name": "kafka-user", "key": "password"},
    });
    world.apply("loans", &spec);
    world.settle("loans").await;
    let degraded = world.condition("loans", "Degraded");
    assert_eq!(degraded, ("True".to_owned(), "SecretMissing".to_owned()));
    let message = world.message("loans", "Degraded");
    assert!(message.contains("spec.kafka.sasl.usernameSecret") && message.contains("kafka-user"));

    let data = json!({"username": "YQ==", "password": "Yg=="});
    let metadata = json!({"name": "kafka-user", "namespace": "default"});
    world.api.put(
        &path("secrets", "kafka-user"),
        json!({"metadata": metadata, "data": data}),
    );
    world.settle("loans").await;
    assert_eq!(world.condition("loans", "Ready").0, "True");

    // A new password: pods are told at once, and none restarts.
    let before = world.pods("loans")[0].clone();
    world.api.merge(
        &path("secrets", "kafka-user"),
        &json!({"data": {"password": "Yw=="}}),
    );
    world.settle("loans").await;
    let after = world.pods("loans")[0].clone();
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    assert_ne!(
        after["metadata"]["annotations"],
        before["metadata"]["annotations"]
    );
}
