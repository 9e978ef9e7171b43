//! That nothing of the data is left out.

use std::collections::BTreeSet;

use crate::support::{Steps, Table, folder};
use crate::{foreign_key, null_keys, stream_stream, stream_table, table_table};

/// How many lists the files have together: less would be lists that got lost.
const LISTS: usize = 114;

/// The names of a file's lists.
fn lists(file: &str) -> Vec<String> {
    let name = |row: &Vec<String>| row[0].clone();
    match file {
        "table_table_cached_final.csv" => Table::read(file).rows[1..].iter().map(name).collect(),
        file if file.ends_with(".csv") => Table::read(file).joins(),
        file if file.ends_with(".steps") => {
            let name = |steps: &Steps| steps.name().to_owned();
            Steps::read(file).iter().map(name).collect()
        }
        "README.md" => Vec::new(),
        other => panic!("what is {other}?"),
    }
}

/// A case has a topology for each front end, so a list with a case runs with both.
#[test]
fn every_list_is_run_with_both_front_ends() {
    let modules = [
        foreign_key::cases(),
        null_keys::cases(),
        stream_stream::cases(),
        stream_table::cases(),
        table_table::cases(),
    ];
    let cases = modules.iter().flatten();
    let run: BTreeSet<_> = cases.map(|case| case.list.clone()).collect();
    let mut there = BTreeSet::new();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        for list in lists(&file) {
            assert!(
                there.insert((file.clone(), list.clone())),
                "{file}: {list} twice"
            );
        }
    }
    assert_eq!(run, there);
    assert_eq!(there.len(), LISTS);
    let cases = modules.iter().flatten().count();
    println!("{LISTS} lists in {cases} cases, each in YAML and in Rust");
}
