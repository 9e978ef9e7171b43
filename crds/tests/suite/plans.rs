//! Golden plans: what each `tests/plans/NAME.yaml` becomes, as `describe` prints it, is in `NAME.txt`.
//! `MILLRACE_BLESS=1 cargo test --test suite` writes the texts anew.

use millrace_crds::plan::{Plan, describe, mermaid};
use millrace_crds::read::read_documents;

use crate::golden;

fn plan_of(text: &str, file: &str) -> Plan {
    let documents = read_documents(text, file).unwrap_or_else(|problems| panic!("{}", problems[0]));
    documents[0].plan().unwrap_or_else(|problems| {
        let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
        panic!("{}", texts.join("\n"))
    })
}

#[test]
fn each_topology_becomes_the_plan_beside_it() {
    let files = golden::files("plans", "yaml");
    assert!(files.len() >= 4);
    let mut failures = Vec::new();
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let plan = plan_of(&std::fs::read_to_string(&path).unwrap(), &name);
        check_invariants(&plan);
        failures.extend(golden::compare(&path.with_extension("txt"), &describe(&plan)).err());
        failures.extend(golden::compare(&path.with_extension("mmd"), &mermaid(&plan)).err());
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// What the engine takes for granted.
fn check_invariants(plan: &Plan) {
    for (index, node) in plan.nodes.iter().enumerate() {
        assert_eq!(node.id.0, index);
        for child in &node.children {
            assert!(child.0 > index, "nodes are in topological order");
            assert_eq!(plan.node(*child).subtopology, node.subtopology);
        }
        for (store, _) in node.kind.stores() {
            assert_eq!(plan.store(store).subtopology, node.subtopology);
        }
    }
    for store in &plan.stores {
        let writers = plan
            .nodes
            .iter()
            .filter(|node| node.kind.stores().contains(&(store.id, true)));
        assert!(writers.count() > 0, "a node writes {}", store.name);
    }
    let nodes: usize = plan.subtopologies.iter().map(|s| s.nodes.len()).sum();
    assert_eq!(nodes, plan.nodes.len());
    for subtopology in &plan.subtopologies {
        assert!(
            !subtopology.sources.is_empty(),
            "each subtopology reads something"
        );
    }
    let mut names: Vec<&str> = plan
        .internal_topics
        .iter()
        .map(|t| t.name.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(
        names.len(),
        plan.internal_topics.len(),
        "internal topics have names of their own"
    );
}
