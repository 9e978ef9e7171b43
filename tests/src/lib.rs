//! The harness of the scenarios, and the contract that every log under the engine keeps.

pub mod bench;
pub mod broker;
pub mod cluster;
pub mod contract;
pub mod ledger;
pub mod load;
pub mod oracle;
pub mod settling;
pub mod topic;
pub mod worker;
