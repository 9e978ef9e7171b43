//! Leader election: one leads, and one that cannot renew stops before another starts.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use millrace_operator::lease::Election;
use tokio::time::{Instant, timeout};

use super::fake_api::FakeApi;

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases/operator";

fn election(api: &FakeApi, identity: &str) -> Election {
    let leases: Api<Lease> = Api::namespaced(api.client(), "default");
    Election::new(leases, "operator", identity)
}

fn holder(api: &FakeApi) -> String {
    let lease = api.get(LEASE).unwrap();
    lease["spec"]["holderIdentity"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn one_leads_while_it_renews_and_the_other_waits() {
    let api = FakeApi::default();
    let (one, other) = (election(&api, "one"), election(&api, "other"));
    let mut leader = one.acquire(|| ()).await;
    let minute = Duration::from_secs(60);
    tokio::select! {
        () = leader.keep() => panic!("nothing keeps it from renewing"),
        waited = timeout(minute, other.acquire(|| ())) => assert!(waited.is_err()),
    }
    assert_eq!(holder(&api), "one");
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_is_taken_at_the_next_look() {
    let api = FakeApi::default();
    let (one, other) = (election(&api, "one"), election(&api, "other"));
    one.acquire(|| ()).await.release().await;
    let began = Instant::now();
    other.acquire(|| ()).await;
    assert!(began.elapsed() < Duration::from_secs(3));
    assert_eq!(holder(&api), "other");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_cannot_renew_stops_before_another_leads() {
    let api = FakeApi::default();
    let (one, other) = (election(&api, "one"), election(&api, "other"));
    let mut leader = one.acquire(|| ()).await;
    let began = Instant::now();
    // Its connection is cut; the other's is not.
    api.fail("PUT /apis/coordination", 503, "ServiceUnavailable", 5);
    let stopped = async {
        leader.keep().await;
        began.elapsed()
    };
    let (stopped, led) = tokio::join!(stopped, async {
        other.acquire(|| ()).await;
        began.elapsed()
    });
    assert!(stopped <= Duration::from_secs(10), "{stopped:?}");
    assert!(led >= Duration::from_secs(15), "{led:?}");
    assert_eq!(holder(&api), "other");
}

#[tokio::test(start_paused = true)]
async fn a_leader_whose_lease_somebody_took_stops() {
    let api = FakeApi::default();
    let one = election(&api, "one");
    let mut leader = one.acquire(|| ()).await;
    api.merge(
        LEASE,
        &serde_json::json!({"spec": {"holderIdentity": "somebody"}}),
    );
    let began = Instant::now();
    leader.keep().await;
    assert!(began.elapsed() <= Duration::from_secs(10));
    assert_eq!(holder(&api), "somebody");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_restarts_under_its_name_leads_at_once() {
    let api = FakeApi::default();
    let one = election(&api, "one");
    drop(one.acquire(|| ()).await);
    let began = Instant::now();
    election(&api, "one").acquire(|| ()).await;
    assert!(began.elapsed() < Duration::from_secs(1));
}
