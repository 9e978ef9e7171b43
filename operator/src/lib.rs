//! The operator: it will turn StreamApp resources into running workers (architecture decisions D7 and
//! D8). This crate is empty until then: it holds the operator's place in the workspace, below `crds`
//! and `kafka` and beside `worker`, and ships no program.
