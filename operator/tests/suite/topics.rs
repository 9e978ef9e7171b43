//! Topics: waited for, checked, made, and never changed under state.

use serde_json::json;

use super::world::{World, app, path};

#[tokio::test]
async fn internal_topics_are_there_before_pods_with_the_right_counts() {
    let world = World::running().await;
    assert_eq!(world.partitions("loans-tasks"), Some(3));
    assert_eq!(world.partitions("loans-counts-changelog"), Some(3));
    assert_eq!(world.partitions("loans-dead-letter"), Some(1));
    let status = world.api.get(&path("streamapps", "loans")).unwrap()["status"].clone();
    assert_eq!(status["tasks"], 3);
    assert_eq!(status["subtopologies"][0]["tasks"], 3);
    assert_eq!(status["subtopologies"][0]["stores"], json!(["counts"]));
}

#[tokio::test]
async fn a_missing_source_topic_is_named_and_waited_for() {
    let world = World::new();
    world.topic("results", 3);
    world.apply("loans", &app());
    world.settle("loans").await;
    let missing = ("False".to_owned(), "SourceTopicMissing".to_owned());
    assert_eq!(world.condition("loans", "Ready"), missing);
    assert!(
        world
            .message("loans", "Ready")
            .contains("do not exist: requests;")
    );
    assert!(world.api.paths("/statefulsets/").is_empty());
    assert_eq!(
        world.partitions("loans-tasks"),
        None,
        "nothing is made for an app that waits"
    );

    world.topic("requests", 2);
    world.settle("loans").await;
    assert_eq!(world.condition("loans", "Ready").0, "True");
    assert_eq!(world.partitions("loans-tasks"), Some(2));
}

#[tokio::test]
async fn joined_topics_of_other_counts_are_refused_by_name() {
    let world = World::new();
    world.topic("requests", 3);
    world.topic("accounts", 2);
    world.topic("results", 1);
    let mut spec = app();
    spec["topology"] = json!({
        "tables": {"accounts": {"topic": "accounts", "key": "string", "value": "json"}},
        "streams": {
            "requests": {"topic": "requests", "key": "string", "value": "json"},
            "joined": {
                "from": "requests",
                "steps": [{"join": {"table": "accounts", "value": "right"}}],
                "to": {"topic": "results"},
            },
        },
    });
    world.apply("loans", &spec);
    world.settle("loans").await;
    let refused = ("False".to_owned(), "CoPartitioningMismatch".to_owned());
    assert_eq!(world.condition("loans", "TopologyAccepted"), refused);
    let message = world.message("loans", "TopologyAccepted");
    assert!(
        message.contains("accounts") && message.contains("requests"),
        "{message}"
    );
    assert!(world.api.paths("/statefulsets/").is_empty());
}

#[tokio::test]
async fn a_source_that_grew_under_state_is_reported_and_nothing_changes() {
    let world = World::running().await;
    let template = world.set()["spec"]["template"].clone();
    world.log_admin().create_partitions("requests", 5).unwrap();
    world.settle("loans").await;
    let degraded = world.condition("loans", "Degraded");
    assert_eq!(degraded, ("True".to_owned(), "SourceTopicGrew".to_owned()));
    assert_eq!(world.condition("loans", "Ready").0, "True");
    assert_eq!(world.partitions("loans-counts-changelog"), Some(3));
    assert_eq!(world.partitions("loans-tasks"), Some(3));
    assert_eq!(world.set()["spec"]["template"], template);
    let status = world.api.get(&path("streamapps", "loans")).unwrap()["status"].clone();
    assert_eq!(status["tasks"], 3);
}

#[tokio::test]
async fn a_source_that_grew_without_state_gets_more_tasks() {
    let world = World::new();
    world.topic("requests", 3);
    world.topic("results", 3);
    let mut spec = app();
    spec["topology"] = json!({"streams": {
        "requests": {"topic": "requests", "key": "string", "value": "json"},
        "copies": {"from": "requests", "to": {"topic": "results"}},
    }});
    world.apply("loans", &spec);
    world.settle("loans").await;
    world.log_admin().create_partitions("requests", 5).unwrap();
    world.settle("loans").await;
    assert_eq!(world.partitions("loans-tasks"), Some(5));
    assert_eq!(world.runtime(), r#"{"replicas":1,"threads":5}"#);
    let pod = world.pods("loans")[0].clone();
    assert_eq!(
        pod["metadata"]["annotations"]["millrace.dev/tasks"], "5",
        "it started anew"
    );
    assert_eq!(world.condition("loans", "Degraded").0, "False");
}

#[tokio::test]
async fn a_changelog_that_would_lose_state_is_refused_with_the_command_that_mends_it() {
    let world = World::new();
    world.topic("requests", 3);
    world.topic("results", 3);
    // Made by hand, with the broker's default clean-up policy.
    world.topic("loans-counts-changelog", 3);
    world.apply("loans", &app());
    world.settle("loans").await;
    let degraded = world.condition("loans", "Degraded");
    assert_eq!(
        degraded,
        ("True".to_owned(), "InternalTopicMismatch".to_owned())
    );
    let message = world.message("loans", "Degraded");
    assert!(message.contains("cleanup.policy=compact"), "{message}");
    assert!(world.api.paths("/statefulsets/").is_empty());
}

/// The application of the other tests, reading by pattern.
fn by_pattern() -> serde_json::Value {
    let mut spec = app();
    let requests = &mut spec["topology"]["streams"]["requests"];
    requests.as_object_mut().unwrap().remove("topic");
    requests["topicPattern"] = json!("requests-.*");
    spec
}

/// The text of the StreamApp that pods are started from.
fn given(world: &World) -> String {
    let template = world.set()["spec"]["template"].to_string();
    let maps = world.api.paths("/configmaps/");
    let mut mounted = maps.into_iter().filter(|at| {
        let name = at.rsplit('/').next().unwrap();
        template.contains(&format!("\"{name}\""))
    });
    mounted
        .find_map(|at| {
            let text = world.api.get(&at)?["data"]["streamapp.yaml"].clone();
            text.as_str().map(str::to_owned)
        })
        .unwrap()
}

#[tokio::test]
async fn pods_are_given_the_topics_that_match_and_those_that_match_later() {
    let world = World::new();
    world.topic("results", 3);
    world.apply("loans", &by_pattern());
    world.settle("loans").await;
    let missing = ("False".to_owned(), "SourceTopicMissing".to_owned());
    assert_eq!(world.condition("loans", "Ready"), missing);
    assert!(world.message("loans", "Ready").contains("requests-.*"));

    world.topic("requests-a", 3);
    world.topic("others", 3);
    world.settle("loans").await;
    assert_eq!(world.condition("loans", "Ready").0, "True");
    let text = given(&world);
    assert!(
        text.contains("requests-a") && !text.contains("requests-.*"),
        "{text}"
    );
    assert!(!text.contains("others"), "{text}");

    world.topic("requests-b", 3);
    world.settle("loans").await;
    assert!(given(&world).contains("requests-b"), "{}", given(&world));
    assert_eq!(world.condition("loans", "Ready").0, "True");
    assert_eq!(world.condition("loans", "Degraded").0, "False");

    // One that the store's partitions do not go with is told of, and changes nothing.
    let before = given(&world);
    world.topic("requests-wide", 6);
    world.settle("loans").await;
    assert_eq!(given(&world), before);
    let degraded = world.condition("loans", "Degraded");
    assert_eq!(degraded, ("True".to_owned(), "TopicHeldBack".to_owned()));
    let message = world.message("loans", "Degraded");
    assert!(message.contains("requests-wide"), "{message}");
    assert_eq!(world.condition("loans", "Ready").0, "True");
}
