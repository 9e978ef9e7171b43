//! Scaling: live, and downwards only when the leaving pods have handed over.

use std::sync::atomic::Ordering;

use serde_json::json;

use super::world::{World, path};

#[tokio::test]
async fn a_steady_application_gets_no_writes() {
    let world = World::running().await;
    world.api.writes();
    world.api.events();
    for _ in 0..5 {
        world.look("loans").await.unwrap();
    }
    assert_eq!(world.api.writes(), Vec::<String>::new());
    assert_eq!(world.api.events(), Vec::<String>::new());
}

#[tokio::test]
async fn scaling_up_changes_neither_the_template_nor_the_pods_there_are() {
    let world = World::running().await;
    assert_eq!(world.runtime(), r#"{"replicas":1,"threads":3}"#);
    let (template, pod) = (
        world.set()["spec"]["template"].clone(),
        world.pods("loans")[0].clone(),
    );
    world.patch("loans", &json!({"replicas": 3}));
    world.look("loans").await.unwrap();
    assert_eq!(
        world.runtime(),
        r#"{"growing":true,"replicas":3,"threads":1}"#,
        "no thread ends before there is another pod for its tasks"
    );
    world.settle("loans").await;
    assert_eq!(world.runtime(), r#"{"replicas":3,"threads":1}"#);
    assert_eq!(world.set()["spec"]["replicas"], 3);
    assert_eq!(world.set()["spec"]["template"], template);
    let pods = world.pods("loans");
    assert_eq!(pods.len(), 3);
    assert_eq!(pods[0]["metadata"]["uid"], pod["metadata"]["uid"]);
    let told =
        |pod: &serde_json::Value| pod["metadata"]["annotations"]["millrace.dev/runtime"].clone();
    assert_ne!(
        told(&pods[0]),
        told(&pod),
        "it is told at once that its file has changed"
    );
    assert_eq!(told(&pods[0]), told(&pods[2]));
    let status = world.api.get(&path("streamapps", "loans")).unwrap()["status"].clone();
    assert_eq!(
        (status["replicas"].clone(), status["threads"].clone()),
        (json!(3), json!(1))
    );
    assert!(
        status["selector"]
            .as_str()
            .unwrap()
            .contains("app.kubernetes.io/instance=loans")
    );
}

#[tokio::test]
async fn scaling_down_waits_until_the_leaving_pods_have_handed_over() {
    let world = World::running().await;
    world.patch("loans", &json!({"replicas": 3}));
    world.settle("loans").await;
    world.workers.stubborn.store(true, Ordering::Relaxed);
    world.patch("loans", &json!({"replicas": 1}));
    for _ in 0..4 {
        world.look("loans").await.unwrap();
        world.follow();
    }
    assert_eq!(world.runtime(), r#"{"replicas":1,"threads":3}"#);
    assert_eq!(
        world.set()["spec"]["replicas"],
        3,
        "they have not handed over yet"
    );
    assert_eq!(
        world.condition("loans", "Progressing"),
        ("True".into(), "Draining".into())
    );
    world.workers.stubborn.store(false, Ordering::Relaxed);
    world.settle("loans").await;
    assert_eq!(world.set()["spec"]["replicas"], 1);
    assert_eq!(world.pods("loans").len(), 1);
    assert_eq!(world.condition("loans", "Ready").0, "True");
}

#[tokio::test]
async fn leaving_pods_keep_their_tasks_until_there_are_threads_for_them() {
    let world = World::running().await;
    world.patch("loans", &json!({"replicas": 3}));
    world.settle("loans").await;
    world.workers.slow.store(true, Ordering::Relaxed);
    world.patch("loans", &json!({"replicas": 1}));
    world.look("loans").await.unwrap();
    assert_eq!(
        world.runtime(),
        r#"{"growing":true,"replicas":1,"threads":3}"#
    );
    assert_eq!(world.set()["spec"]["replicas"], 3);
    world.workers.slow.store(false, Ordering::Relaxed);
    world.settle("loans").await;
    assert_eq!(world.runtime(), r#"{"replicas":1,"threads":3}"#);
    assert_eq!(world.set()["spec"]["replicas"], 1);
}

#[tokio::test]
async fn pods_that_never_hand_over_are_removed_after_the_limit() {
    let world = World::running().await;
    world.patch("loans", &json!({"replicas": 2}));
    world.settle("loans").await;
    world.workers.stubborn.store(true, Ordering::Relaxed);
    world.patch("loans", &json!({"replicas": 1}));
    world.look("loans").await.unwrap();
    let long_ago = json!({"metadata": {"annotations": {
        "millrace.dev/drain-began": "2026-01-01T00:00:00Z",
    }}});
    world
        .api
        .merge(&path("configmaps", "loans-runtime"), &long_ago);
    world.api.events();
    world.look("loans").await.unwrap();
    assert_eq!(world.set()["spec"]["replicas"], 1);
    assert!(world.api.events().contains(&"DrainTimedOut".to_owned()));
}

#[tokio::test]
async fn more_threads_than_tasks_is_said_and_not_refused() {
    let world = World::running().await;
    world.patch("loans", &json!({"replicas": 2, "threads": 2}));
    world.settle("loans").await;
    let limited = world.condition("loans", "ScaleLimited");
    assert_eq!(
        limited,
        ("True".to_owned(), "MoreThreadsThanTasks".to_owned())
    );
    assert_eq!(world.pods("loans").len(), 2);
    world.patch("loans", &json!({"threads": "auto"}));
    world.settle("loans").await;
    assert_eq!(world.runtime(), r#"{"replicas":2,"threads":2}"#);
}

#[tokio::test]
async fn pods_are_scaled_while_kafka_is_away() {
    let world = World::running().await;
    world.reachable.store(false, Ordering::Relaxed);
    world.patch("loans", &json!({"replicas": 2}));
    // Clients that were made stay; a new password makes a new one, which cannot connect.
    world.patch(
        "loans",
        &json!({"kafka": {"bootstrapServers": "elsewhere:9092"}}),
    );
    world.settle("loans").await;
    assert_eq!(world.pods("loans").len(), 2);
    let degraded = world.condition("loans", "Degraded");
    assert_eq!(degraded, ("True".to_owned(), "KafkaUnavailable".to_owned()));
    assert_eq!(world.condition("loans", "Ready").0, "True");
}
