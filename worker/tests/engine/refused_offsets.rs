//! Goal: offsets that the group refuses cost no more than the records since the last commit. Method: the
//! log refuses the first ones, and notes a second producer.

use std::sync::Arc;
use std::time::Duration;

use millrace_embedded::{Call, Fault, FaultPlan, FaultyCluster};
use millrace_worker::testing::{DriverOptions, TopologyDriver};

use super::support::app;
use super::tasks::{assert_counted, counting, feed};

const PASS: Duration = Duration::from_millis(100);

/// A driver whose first offsets are refused, and that notes a second producer.
fn refused_once() -> (TopologyDriver, FaultyCluster) {
    let options = DriverOptions {
        members: 0,
        ..Default::default()
    };
    let yaml = app(&counting("", "name: counts"));
    let mut driver = TopologyDriver::with_options(&yaml, &options).unwrap();
    let plan = FaultPlan::seeded(1)
        .at(Call::SendOffsets, 1, Fault::Abort)
        .and_then(|plan| plan.at(Call::InitTransactions, 2, Fault::Unavailable))
        .unwrap();
    let inner = Arc::new(driver.cluster().clone());
    let log = FaultyCluster::new(inner, plan, driver.clock().clone());
    driver.reach_log_through(Arc::new(log.clone()));
    driver.start(0).unwrap();
    for _ in 0..5 {
        driver.pass(PASS).unwrap();
    }
    (driver, log)
}

#[test]
fn refused_offsets_cost_no_producer() {
    let (mut driver, log) = refused_once();
    feed(&driver, 100);
    driver.run_until_idle().unwrap();
    assert_counted(&driver, 100);
    let fired: Vec<(Call, Fault)> = log.fired().into_keys().collect();
    assert_eq!(fired, [(Call::SendOffsets, Fault::Abort)]);
}

#[test]
fn a_member_whose_last_commit_is_refused_leaves_no_transaction_open() {
    let (mut driver, log) = refused_once();
    feed(&driver, 100);
    driver.pass(Duration::from_millis(1)).unwrap();
    driver.close(0, true).unwrap_err();
    assert!(log.fired().contains_key(&(Call::SendOffsets, Fault::Abort)));
    log.disarm();
    driver.start(1).unwrap();
    // Far less than the transaction's timeout.
    for _ in 0..500 {
        driver.pass(Duration::from_millis(1)).unwrap();
    }
    assert_counted(&driver, 100);
}
