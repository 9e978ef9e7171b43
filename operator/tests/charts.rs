//! The charts: what `helm template` makes of them, and that operator and chart speak of the same
//! things.
//!
//! Needs helm: `MILLRACE_HELM` names it, else it is looked for in the cache that
//! `tests/cluster/bin.sh` fills, and on the path.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use clap::CommandFactory;
use millrace_operator::cli::Cli;
use serde_json::{Value, json};

/// A version that the charts are for: helm alone guesses an old one.
const KUBERNETES: &str = "1.34.0";
const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn helm() -> PathBuf {
    if let Some(named) = std::env::var_os("MILLRACE_HELM") {
        return named.into();
    }
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default());
    let cache = std::env::var_os("MILLRACE_CACHE")
        .map_or_else(|| home().join(".cache/millrace"), PathBuf::from);
    let cached = std::fs::read_dir(cache).into_iter().flatten().flatten();
    let cached = cached.map(|entry| entry.path().join("bin/helm"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).map(|folder| folder.join("helm"));
    cached
        .chain(installed.collect::<Vec<_>>())
        .find(|program| program.is_file())
        .expect("no helm: run tests/cluster/bin.sh, or name one with MILLRACE_HELM")
}

fn run(args: &[&str]) -> Output {
    Command::new(helm())
        .args(args)
        .current_dir(Path::new(REPOSITORY).join("charts"))
        .output()
        .unwrap()
}

/// The objects of a chart, installed as `millrace` into `millrace-system`.
fn template(chart: &str, settings: &[&str]) -> Vec<Value> {
    let mut args = vec![
        "template",
        "millrace",
        chart,
        "--namespace",
        "millrace-system",
        "--kube-version",
        KUBERNETES,
    ];
    for setting in settings {
        args.extend(["--set", setting]);
    }
    let output = run(&args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let documents = text
        .split("\n---\n")
        .map(|part| part.trim_start_matches("---\n"));
    documents
        .filter(|part| {
            part.lines()
                .any(|line| !line.is_empty() && !line.starts_with('#'))
        })
        .map(|part| serde_saphyr::from_str(part).unwrap_or_else(|e| panic!("{e}\n{part}")))
        .collect()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects
        .iter()
        .filter(|object| object["kind"] == kind)
        .collect()
}

fn only<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    let found = of_kind(objects, kind);
    assert_eq!(found.len(), 1, "{kind}: {found:?}");
    found[0]
}

/// A refused setting: what helm says.
fn refused(setting: &str) -> String {
    let version = ["--kube-version", KUBERNETES];
    let args = ["template", "millrace", "millrace", "--set", setting];
    let output = run(&[&args[..], &version].concat());
    assert!(!output.status.success(), "{setting} is taken");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn both_charts_pass_helms_own_checks() {
    for chart in ["millrace", "millrace-crds"] {
        let output = run(&["lint", "--strict", chart]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
    }
}

#[test]
fn the_definition_is_that_of_the_types_and_outlives_its_chart() {
    let mut objects = template("millrace-crds", &[]);
    assert_eq!(objects.len(), 1);
    let mut found = objects.remove(0);
    let annotations = found["metadata"]
        .as_object_mut()
        .unwrap()
        .remove("annotations");
    assert_eq!(
        annotations,
        Some(json!({"helm.sh/resource-policy": "keep"}))
    );
    let file = Path::new(REPOSITORY).join("crds/yaml/streamapps.millrace.dev.yaml");
    let committed: Value = serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    assert!(
        same(&found, &committed),
        "the chart's definition is not that of crds/yaml"
    );
}

/// Equal, with numbers compared as numbers: helm writes `100.0` as `100`.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (a, b) => a == b,
    }
}

#[test]
fn the_operator_knows_every_variable_that_the_chart_sets() {
    let objects = template("millrace", &["watchNamespaces={shop}"]);
    let container = &only(&objects, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    let command = Cli::command();
    let known: Vec<String> = command
        .get_arguments()
        .filter_map(|argument| argument.get_env())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    let set = container["env"].as_array().unwrap();
    let names: Vec<&str> = set
        .iter()
        .map(|variable| variable["name"].as_str().unwrap())
        .collect();
    for name in names.iter().filter(|name| **name != "RUST_LOG") {
        assert!(
            known.iter().any(|known| known == name),
            "{name}: the operator knows {known:?}"
        );
    }
    assert!(names.contains(&"WATCH_NAMESPACES"), "{names:?}");
}

#[test]
fn the_operator_may_do_what_it_needs_and_nothing_else() {
    let objects = template("millrace", &[]);
    let rules = only(&objects, "ClusterRole")["rules"]
        .as_array()
        .unwrap()
        .clone();
    let mut may = Vec::new();
    for rule in &rules {
        for resource in rule["resources"].as_array().unwrap() {
            let verbs: Vec<&str> = rule["verbs"]
                .as_array()
                .unwrap()
                .iter()
                .map(|verb| verb.as_str().unwrap())
                .collect();
            may.push(format!(
                "{}: {}",
                resource.as_str().unwrap(),
                verbs.join(" ")
            ));
        }
    }
    let all = "get list watch create patch delete";
    let expected = [
        "streamapps: get list watch patch".to_owned(),
        "streamapps/status: get patch".to_owned(),
        "streamapps/finalizers: update".to_owned(),
        format!("statefulsets: {all}"),
        format!("configmaps: {all}"),
        format!("services: {all}"),
        format!("serviceaccounts: {all}"),
        format!("poddisruptionbudgets: {all}"),
        format!("networkpolicies: {all}"),
        "pods: get list watch patch delete".to_owned(),
        "persistentvolumeclaims: get list watch patch delete".to_owned(),
        "secrets: get".to_owned(),
        "events: create patch".to_owned(),
    ];
    assert_eq!(may, expected);
    let lease = only(&objects, "Role");
    assert_eq!(lease["metadata"]["namespace"], "millrace-system");
    assert_eq!(lease["rules"][1]["resourceNames"], json!(["millrace"]));
}

#[test]
fn an_operator_of_named_namespaces_has_rights_in_those_alone() {
    let objects = template("millrace", &["watchNamespaces={shop,bank}"]);
    assert!(of_kind(&objects, "ClusterRole").is_empty());
    assert!(of_kind(&objects, "ClusterRoleBinding").is_empty());
    for kind in ["Role", "RoleBinding"] {
        let found = of_kind(&objects, kind);
        let mut namespaces: Vec<&str> = found
            .iter()
            .map(|role| role["metadata"]["namespace"].as_str().unwrap())
            .collect();
        namespaces.sort_unstable();
        assert_eq!(namespaces, ["bank", "millrace-system", "shop"], "{kind}");
    }
}

#[test]
fn the_operators_pods_are_restricted_spread_and_known_to_the_workers_policy() {
    let objects = template("millrace", &[]);
    let deployment = only(&objects, "Deployment");
    assert_eq!(deployment["spec"]["replicas"], 2);
    let template = &deployment["spec"]["template"];
    // The label that workers' NetworkPolicies let in.
    let labels = &template["metadata"]["labels"];
    assert_eq!(labels["app.kubernetes.io/name"], "millrace-operator");
    let (pod, container) = (&template["spec"], &template["spec"]["containers"][0]);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(
        pod["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    let security = &container["securityContext"];
    assert_eq!(security["readOnlyRootFilesystem"], true);
    assert_eq!(security["allowPrivilegeEscalation"], false);
    assert_eq!(security["capabilities"], json!({"drop": ["ALL"]}));
    assert!(pod["affinity"]["podAntiAffinity"].is_object());
    assert_eq!(container["livenessProbe"]["httpGet"]["path"], "/livez");
    assert_eq!(container["readinessProbe"]["httpGet"]["path"], "/readyz");
    assert_eq!(
        only(&objects, "PodDisruptionBudget")["spec"]["maxUnavailable"],
        1
    );
    let policy = only(&objects, "NetworkPolicy");
    assert_eq!(policy["spec"]["ingress"][0]["ports"][0]["port"], "http");
    assert_eq!(only(&objects, "Service")["spec"]["ports"][0]["port"], 8080);
}

#[test]
fn switches_leave_out_or_add_what_they_name() {
    let off = [
        "podDisruptionBudget.enabled=false",
        "networkPolicy.enabled=false",
    ];
    let objects = template("millrace", &off);
    assert!(of_kind(&objects, "PodDisruptionBudget").is_empty());
    assert!(of_kind(&objects, "NetworkPolicy").is_empty());
    assert!(of_kind(&objects, "PodMonitor").is_empty());
    // One replica must not keep a node from being drained.
    assert!(
        of_kind(
            &template("millrace", &["replicas=1"]),
            "PodDisruptionBudget"
        )
        .is_empty()
    );
    let monitored = template(
        "millrace",
        &["podMonitor.enabled=true", "podMonitor.labels.team=ops"],
    );
    let monitor = only(&monitored, "PodMonitor");
    assert_eq!(monitor["metadata"]["labels"]["team"], "ops");
    assert_eq!(
        monitor["spec"]["podMetricsEndpoints"][0]["path"],
        "/metrics"
    );
    let account = ["serviceAccount.create=false", "serviceAccount.name=own"];
    let objects = template("millrace", &account);
    assert!(of_kind(&objects, "ServiceAccount").is_empty());
    let pod = &only(&objects, "Deployment")["spec"]["template"]["spec"];
    assert_eq!(pod["serviceAccountName"], "own");
}

#[test]
fn wrong_settings_are_refused_by_name() {
    for (setting, named) in [
        ("replicsa=3", "replicsa"),
        ("concurrency=0", "concurrency"),
        ("logFormat=xml", "logFormat"),
        ("watchNamespaces={Shop}", "watchNamespaces"),
        ("serviceAccount.create=false", "serviceAccount.name"),
    ] {
        let said = refused(setting);
        assert!(said.contains(named), "{setting}: {said}");
    }
}
