//! Pods that end in every way come back with their state.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use millrace_tests::cluster::{Pod, Space, space, wait_until};

use crate::support::{counted, processed_to_the_end, write};

const APP: &str = "counts";
const PARTITIONS: i32 = 2;
/// Keys, and records of each, written before the first end.
const KEYS: u64 = 5_000;
const RECORDS: u64 = 8 * KEYS;
/// A flush is due after so many changelog records; with one commit more, that is the longest tail.
const FLUSH_RECORDS: u64 = 2_000;
/// Longest wait for the deletion of a pod, its grace period included.
const DELETE_LIMIT: Duration = Duration::from_secs(90);

pub(crate) fn a_pod_comes_back_with_its_volume_and_restores_the_tail_alone() -> Result<()> {
    let space = Space::new("e2e-restart")?;
    space.create_topics(&["in", "counts"], PARTITIONS)?;
    let state = format!("  state: {{size: 1Gi, flush: {{records: {FLUSH_RECORDS}}}}}");
    space.kubectl().apply(&space.counts(APP, &state))?;
    space.wait_ready(APP)?;
    let kafka = space.kafka()?;
    let input = space.own("in");
    write(kafka.as_ref(), &input, PARTITIONS, KEYS, RECORDS)?;
    counted(&space, KEYS, RECORDS / KEYS)?;
    processed_to_the_end(&space, APP)?;
    let before = space.pod(APP, 0)?;
    let volume = volume(&space)?;

    // Deleted: another pod, the same volume. It ended in order: there is no tail.
    space
        .kubectl()
        .delete(&format!("pod/{APP}-0"), DELETE_LIMIT)?;
    let deleted = wait_back(&space, |pod| pod.uid != before.uid)?;
    let restored = restored(&deleted)?;
    println!("pod deleted: {restored} records restored of some {KEYS}");
    ensure!(restored == 0, "an orderly end left a tail of {restored}");

    // Killed: the same pod, a new container. At most the tail is restored, of each task.
    write(kafka.as_ref(), &input, PARTITIONS, KEYS, KEYS)?;
    space.kill_container(&deleted)?;
    let killed = wait_back(&space, |pod| pod.restarts == 1)?;
    ensure!(
        killed.uid == deleted.uid,
        "the pod was replaced: {killed:?}"
    );
    counted(&space, KEYS, RECORDS / KEYS + 1)?;
    let restored = self::restored(&killed)?;
    let tail = 2 * FLUSH_RECORDS * PARTITIONS as u64;
    println!("container killed: {restored} records restored, at most {tail} are a tail");
    ensure!(restored <= tail, "{restored} is more than a tail of {tail}");
    ensure!(volume == self::volume(&space)?, "the volume was replaced");

    // Volume gone as well: everything is restored.
    let claim = claim(&space)?;
    space
        .kubectl()
        .run(&["delete", "pvc", &claim, "--wait=false"])?;
    space
        .kubectl()
        .delete(&format!("pod/{APP}-0"), DELETE_LIMIT)?;
    let emptied = wait_back(&space, |pod| pod.uid != killed.uid)?;
    ensure!(volume != self::volume(&space)?, "the volume is the old one");
    let restored = self::restored(&emptied)?;
    println!("volume deleted: {restored} records restored");
    ensure!(
        restored >= KEYS,
        "{restored} records cannot be all of {KEYS} keys"
    );
    write(kafka.as_ref(), &input, PARTITIONS, KEYS, KEYS)?;
    counted(&space, KEYS, RECORDS / KEYS + 2)?;
    space.check_operator_log()
}

/// Waits until pod 0 is ready and as wanted.
fn wait_back(space: &Space, wanted: impl Fn(&Pod) -> bool) -> Result<Pod> {
    wait_until("pod 0 is back", space::READY_LIMIT, || {
        let pod = space.pod(APP, 0)?;
        Ok((pod.ready && !pod.leaving && wanted(&pod)).then_some(pod))
    })
    .with_context(|| space.kubectl().describe_all())
}

/// Changelog records that the pod's worker has restored.
fn restored(pod: &Pod) -> Result<u64> {
    let status = pod.status()?;
    Ok(status.threads.iter().map(|thread| thread.restored).sum())
}

/// The pod's claim.
fn claim(space: &Space) -> Result<String> {
    let claims = space.kubectl().list("pvc", "")?;
    ensure!(claims.len() == 1, "one pod has {} claims", claims.len());
    let name = claims[0]["metadata"]["name"].as_str();
    Ok(name.context("a claim has no name")?.to_owned())
}

/// The name of the volume that the pod's claim is bound to.
fn volume(space: &Space) -> Result<String> {
    let claim = space.kubectl().expect(&format!("pvc/{}", claim(space)?))?;
    let volume = claim["spec"]["volumeName"].as_str();
    Ok(volume.context("the claim is not bound")?.to_owned())
}
