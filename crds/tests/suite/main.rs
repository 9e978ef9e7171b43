//! The tests of the crate as others use it: files in, plans and messages out.
//!
//! Golden files stand in `tests/broken` and `tests/plans`; `MILLRACE_BLESS=1` writes them anew.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod broken;
mod crd;
mod golden;
mod guide;
mod layout_and_diff;
mod links;
mod loan;
mod patterns;
mod plans;
mod resource_guide;
mod robustness;
mod test_file;
mod wrong;
