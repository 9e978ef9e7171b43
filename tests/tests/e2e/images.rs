//! The images themselves.

use anyhow::{Result, ensure};
use millrace_tests::cluster::Cluster;

/// Largest size of an image, as the files in it, in megabytes.
const LIMITS_MB: [(&str, u64); 4] = [
    ("localhost/millrace-worker:test", 150),
    ("localhost/millrace-operator:test", 100),
    ("localhost/transaction-producer:test", 100),
    ("localhost/loan-request-api:test", 100),
];

pub(crate) fn images_are_small() -> Result<()> {
    let cluster = Cluster::shared()?;
    let mut large = Vec::new();
    for (image, limit) in LIMITS_MB {
        let megabytes = cluster.image_size(image)?.div_ceil(1_000_000);
        println!("{image}: {megabytes} MB, at most {limit} MB");
        if megabytes > limit {
            large.push(image);
        }
    }
    ensure!(large.is_empty(), "too large: {}", large.join(", "));
    Ok(())
}
