//! Deletion: what the policy names, and never hanging.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;

use super::world::{World, path};

fn is_gone(world: &World) -> bool {
    world.api.get(&path("streamapps", "loans")).is_none()
}

#[tokio::test]
async fn by_default_topics_and_volumes_stay() {
    let world = World::running().await;
    world.delete("loans", Duration::ZERO);
    world.settle("loans").await;
    assert!(is_gone(&world));
    assert_eq!(world.partitions("loans-counts-changelog"), Some(3));
    assert!(world.api.paths("/pods/").is_empty());
}

#[tokio::test]
async fn what_the_policy_names_is_deleted_and_dead_letters_stay() {
    let world = World::running().await;
    world.api.put(
        &path("persistentvolumeclaims", "state-loans-0"),
        json!({
            "metadata": {"name": "state-loans-0", "namespace": "default",
                "labels": world.set()["metadata"]["labels"]},
        }),
    );
    let all = json!({"internalTopics": "Delete", "consumerGroup": "Delete", "volumes": "Delete"});
    world.patch("loans", &json!({"deletion": all}));
    world.delete("loans", Duration::ZERO);
    world.settle("loans").await;
    assert!(is_gone(&world));
    assert_eq!(world.partitions("loans-counts-changelog"), None);
    assert_eq!(world.partitions("loans-tasks"), None);
    assert_eq!(world.partitions("loans-dead-letter"), Some(1));
    assert_eq!(world.partitions("requests"), Some(3));
    assert!(world.api.paths("/persistentvolumeclaims/").is_empty());
}

#[tokio::test]
async fn a_kafka_that_is_gone_delays_the_deletion_and_never_prevents_it() {
    let world = World::running().await;
    world.reachable.store(false, Ordering::Relaxed);
    let policy = json!({"internalTopics": "Delete"});
    let elsewhere = json!({"bootstrapServers": "gone:9092"});
    world.patch("loans", &json!({"deletion": policy, "kafka": elsewhere}));
    world.delete("loans", Duration::ZERO);
    for _ in 0..5 {
        world.look("loans").await.unwrap();
        world.follow();
    }
    assert!(!is_gone(&world), "it is tried for a while");
    assert_eq!(
        world.condition("loans", "Progressing"),
        ("True".into(), "Deleting".into())
    );
    world.api.events();
    world.delete("loans", Duration::from_secs(300));
    world.look("loans").await.unwrap();
    assert!(is_gone(&world));
    assert!(world.api.events().contains(&"CleanUpIncomplete".to_owned()));
}

#[tokio::test]
async fn one_that_never_ran_goes_at_once() {
    let world = World::new();
    world.apply("loans", &super::world::app());
    world.settle("loans").await;
    world.delete("loans", Duration::ZERO);
    world.settle("loans").await;
    assert!(is_gone(&world));
}
