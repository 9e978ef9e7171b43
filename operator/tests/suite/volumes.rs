//! Volumes that grow, and those that cannot.

use serde_json::{Value, json};

use super::world::{World, path};

async fn with_claim() -> World {
    let world = World::running().await;
    let labels = world.set()["metadata"]["labels"].clone();
    world.api.put(
        &claim(),
        json!({
            "metadata": {"name": "state-loans-0", "namespace": "default", "labels": labels},
            "spec": {"resources": {"requests": {"storage": "10Gi"}}},
        }),
    );
    world
}

fn claim() -> String {
    path("persistentvolumeclaims", "state-loans-0")
}

fn size(world: &World) -> Value {
    let claim = world.api.get(&claim()).unwrap();
    claim["spec"]["resources"]["requests"]["storage"].clone()
}

fn template_size(world: &World) -> Value {
    let template = &world.set()["spec"]["volumeClaimTemplates"][0];
    template["spec"]["resources"]["requests"]["storage"].clone()
}

#[tokio::test]
async fn a_bigger_volume_grows_under_pods_that_stay() {
    let world = with_claim().await;
    let (pod, set) = (world.pods("loans")[0].clone(), world.set());
    world.patch("loans", &json!({"state": {"size": "20Gi"}}));
    world.settle("loans").await;
    assert_eq!(size(&world), "20Gi");
    assert_eq!(template_size(&world), "20Gi");
    assert_ne!(
        world.set()["metadata"]["uid"],
        set["metadata"]["uid"],
        "it was written anew"
    );
    assert_eq!(
        world.pods("loans")[0]["metadata"]["uid"],
        pod["metadata"]["uid"]
    );
    assert_eq!(world.condition("loans", "Ready").0, "True");
}

#[tokio::test]
async fn storage_that_refuses_is_said_and_not_asked_again_and_again() {
    let world = with_claim().await;
    world.api.fail(
        "PATCH /api/v1/namespaces/default/persistentvolumeclaims",
        403,
        "Forbidden",
        9,
    );
    world.patch("loans", &json!({"state": {"size": "20Gi"}}));
    world.settle("loans").await;
    let degraded = world.condition("loans", "Degraded");
    assert_eq!(
        degraded,
        ("True".to_owned(), "StorageNotExpandable".to_owned())
    );
    assert!(
        world
            .message("loans", "Degraded")
            .contains("allowVolumeExpansion")
    );
    assert_eq!(template_size(&world), "10Gi");
    assert_eq!(world.condition("loans", "Ready").0, "True");
}

#[tokio::test]
async fn a_volume_does_not_shrink() {
    let world = with_claim().await;
    world.patch("loans", &json!({"state": {"size": "5Gi"}}));
    world.settle("loans").await;
    assert_eq!(template_size(&world), "10Gi");
    assert!(world.message("loans", "Degraded").contains("cannot shrink"));
}
