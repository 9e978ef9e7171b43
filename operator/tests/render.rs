//! What is rendered, without a cluster: golden files, what rolls pods and what does not, and what is
//! said about parts that cannot be rendered.
//!
//! `tests/render/NAME.yaml` is a StreamApp, `NAME.golden.yaml` all its objects;
//! `MILLRACE_BLESS=1 cargo test --test render` writes the latter anew: read them as a reviewer would.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};

use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::DynamicObject;
use millrace_crds::StreamApp;
use millrace_crds::worker_api::RuntimeSettings;
use millrace_operator::render::{self, RenderInput, Rendered, app_file};
use serde_json::{Value, json};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/render")
}

fn app(name: &str) -> StreamApp {
    let text = std::fs::read_to_string(folder().join(format!("{name}.yaml"))).unwrap();
    let mut app = millrace_crds::read(&text, name).unwrap().remove(0);
    app.metadata.namespace = Some("shop".to_owned());
    app.metadata.uid = Some("7f3c1a52-0000-4000-8000-000000000001".to_owned());
    app
}

fn render(app: &StreamApp) -> Rendered {
    let replicas = if app.spec.suspend { 0 } else { 3 };
    let input = RenderInput {
        app,
        worker_image: "millrace/worker:test",
        operator_namespace: "millrace",
        settings: settings(replicas),
        tasks: 12,
        replicas,
    };
    render::render(&input).unwrap_or_else(|problems| panic!("{}", problems[0]))
}

fn settings(replicas: u32) -> RuntimeSettings {
    RuntimeSettings {
        replicas,
        threads: 2,
        growing: false,
    }
}

fn problems(app: &StreamApp) -> Vec<String> {
    let input = RenderInput {
        app,
        worker_image: "millrace/worker:test",
        operator_namespace: "millrace",
        settings: settings(1),
        tasks: 1,
        replicas: 1,
    };
    let problems = render::render(&input).err().unwrap_or_default();
    problems.iter().map(ToString::to_string).collect()
}

fn find(rendered: &Rendered, kind: &str) -> Value {
    let is_kind = |object: &&DynamicObject| object.types.as_ref().unwrap().kind == kind;
    let object = rendered.objects.iter().find(is_kind);
    serde_json::to_value(object.unwrap_or_else(|| panic!("no {kind}"))).unwrap()
}

fn template(app: &StreamApp) -> Value {
    find(&render(app), "StatefulSet")["spec"]["template"].clone()
}

#[test]
fn each_stream_app_gives_the_objects_of_its_golden_file() {
    for name in ["small", "everything", "ephemeral", "suspended"] {
        let app = app(name);
        let rendered = render(&app);
        let mut objects = rendered.objects;
        objects.push(render::runtime_config_map(&app, settings(3)));
        let documents: Vec<String> = objects
            .iter()
            .map(|object| format!("---\n{}", serde_saphyr::to_string(object).unwrap()))
            .collect();
        let (found, path) = (
            documents.concat(),
            folder().join(format!("{name}.golden.yaml")),
        );
        if std::env::var_os("MILLRACE_BLESS").is_some() {
            std::fs::write(&path, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            expected == found,
            "{name}: expected\n{expected}\nfound\n{found}"
        );
    }
}

#[test]
fn neither_replicas_nor_threads_nor_volumes_nor_policies_touch_a_pod() {
    let before = app("small");
    let mut after = before.clone();
    after.spec.replicas = 30;
    after.spec.threads = millrace_crds::stream_app::Threads::Count(7);
    after.spec.suspend = true;
    after.spec.state.size = "500Gi".to_owned();
    after.spec.deletion.volumes = millrace_crds::stream_app::Retention::Delete;
    after.spec.internal_topics.replication_factor = 3;
    after.spec.network_policy.enabled = false;
    after.spec.pod_disruption_budget.max_unavailable = 9;
    assert_eq!(template(&before), template(&after));
    assert_eq!(render(&before).config_map, render(&after).config_map);
}

#[test]
fn an_image_a_topology_a_setting_of_the_engine_and_a_restart_roll_the_pods() {
    let before = app("small");
    let changes: [fn(&mut StreamApp); 6] = [
        |app| app.spec.image = Some("elsewhere/worker:2".to_owned()),
        |app| app.spec.max_task_idle_ms = 5,
        |app| app.spec.state.flush.records = 7,
        |app| app.spec.kafka.bootstrap_servers = "other:9092".to_owned(),
        |app| app.spec.pod.priority_class_name = Some("high".to_owned()),
        |app| {
            let annotations = app.metadata.annotations.get_or_insert_default();
            annotations.insert(render::RESTART_ANNOTATION.to_owned(), "2".to_owned());
        },
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut after = before.clone();
        change(&mut after);
        assert_ne!(template(&before), template(&after), "change {number}");
    }
}

#[test]
fn each_field_of_the_spec_is_either_the_engines_or_the_operators() {
    let crd = serde_json::to_value(millrace_crds::definition()).unwrap();
    let spec = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut fields: Vec<&str> = app_file::ENGINE_FIELDS.to_vec();
    fields.extend(app_file::OPERATOR_FIELDS);
    fields.sort_unstable();
    let known: Vec<&String> = spec["properties"].as_object().unwrap().keys().collect();
    assert_eq!(fields, known);
    let state = &spec["properties"]["state"]["properties"];
    for field in app_file::OPERATOR_STATE_FIELDS {
        assert!(state.get(field).is_some(), "{field}");
    }
}

#[test]
fn what_pods_start_from_has_the_same_plan_as_the_stream_app() {
    for name in ["small", "everything"] {
        let app = app(name);
        let rendered = render(&app);
        let map: ConfigMap = serde_json::from_value(find(&rendered, "ConfigMap")).unwrap();
        assert_eq!(map.immutable, Some(true));
        assert_eq!(map.metadata.name.as_ref(), Some(&rendered.config_map));
        let read = render::accepted_app(&map).unwrap();
        let (read, written) = (millrace_crds::plan(&read), millrace_crds::plan(&app));
        assert_eq!(read.unwrap().hash, written.unwrap().hash);
        let set = serde_json::from_value(find(&rendered, "StatefulSet")).unwrap();
        assert_eq!(render::accepted_config_map(&set), Some(rendered.config_map));
    }
}

#[test]
fn each_object_is_owned_labelled_and_in_the_namespace_of_its_stream_app() {
    let app = app("everything");
    let mut objects = render(&app).objects;
    objects.push(render::runtime_config_map(&app, settings(3)));
    for object in objects {
        let metadata = serde_json::to_value(&object.metadata).unwrap();
        assert_eq!(metadata["namespace"], "shop");
        assert_eq!(metadata["ownerReferences"][0]["kind"], "StreamApp");
        assert_eq!(metadata["ownerReferences"][0]["controller"], true);
        for label in render::selector("orders").split(',') {
            let (key, value) = label.split_once('=').unwrap();
            assert_eq!(metadata["labels"][key], value, "{metadata}");
        }
    }
}

#[test]
fn pods_keep_to_the_restricted_pod_security_standard() {
    for name in ["small", "ephemeral"] {
        let pod = template(&app(name))["spec"].clone();
        let container = &pod["containers"][0]["securityContext"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert_eq!(
            pod["securityContext"]["seccompProfile"]["type"],
            "RuntimeDefault"
        );
        assert_eq!(container["allowPrivilegeEscalation"], false);
        assert_eq!(container["readOnlyRootFilesystem"], true);
        assert_eq!(container["capabilities"], json!({"drop": ["ALL"]}));
        assert_eq!(pod["automountServiceAccountToken"], false);
        for volume in pod["volumes"].as_array().unwrap() {
            assert!(volume.get("hostPath").is_none(), "{volume}");
        }
    }
}

#[test]
fn a_suspended_application_keeps_its_volumes_whatever_its_policy() {
    let mut app = app("small");
    let policy = |app: &StreamApp| {
        let set = find(&render(app), "StatefulSet");
        set["spec"]["persistentVolumeClaimRetentionPolicy"].clone()
    };
    app.spec.state.when_scaled = millrace_crds::stream_app::Retention::Delete;
    assert_eq!(
        policy(&app),
        json!({"whenDeleted": "Retain", "whenScaled": "Delete"})
    );
    app.spec.suspend = true;
    assert_eq!(
        policy(&app),
        json!({"whenDeleted": "Retain", "whenScaled": "Retain"})
    );
}

#[test]
fn the_network_policy_opens_one_port_to_those_who_need_it() {
    let policy = find(&render(&app("small")), "NetworkPolicy");
    let spec = &policy["spec"];
    assert_eq!(spec["policyTypes"], json!(["Ingress"]));
    assert_eq!(spec["ingress"].as_array().unwrap().len(), 1);
    assert_eq!(
        spec["ingress"][0]["ports"],
        json!([{"port": "http", "protocol": "TCP"}])
    );
    let from = spec["ingress"][0]["from"].as_array().unwrap();
    assert_eq!(from.len(), 3, "{from:?}");
    // Namespace and pods in one peer: the operator's pods, and not whoever calls himself so.
    let operator = &from[0];
    let namespace = &operator["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"];
    assert_eq!(namespace, "millrace");
    assert!(
        operator["podSelector"]["matchLabels"].is_object(),
        "{operator}"
    );
}

#[test]
fn parts_that_cannot_be_rendered_are_named_by_their_fields() {
    let object = |value: Value| value.as_object().unwrap().clone();
    let mut app = app("small");
    let pod = &mut app.spec.pod;
    pod.resources = Some(object(json!({"limit": {"memory": "1Gi"}})));
    pod.tolerations = vec![object(json!({"key": "a", "tolerationSeconds": "soon"}))];
    pod.env = vec![object(json!({"name": "STATE_DIR", "value": "/elsewhere"}))];
    pod.volumes = vec![object(json!({"name": "state", "emptyDir": {}}))];
    pod.volume_mounts = vec![object(
        json!({"name": "x", "mountPath": "/etc/millrace/app/"}),
    )];
    pod.labels
        .insert("app.kubernetes.io/instance".to_owned(), "other".to_owned());
    pod.security_context = Some(object(json!({"runAsUser": "root"})));
    app.spec.network_policy.from = vec![object(json!({"podSelektor": {}}))];
    let found = problems(&app).join("\n");
    for expected in [
        "spec.pod.resources.limit: no such field",
        "spec.pod.tolerations[0].tolerationSeconds: cannot be read: ",
        "spec.pod.env[0]: `STATE_DIR` is set by the operator; leave it out",
        "spec.pod.volumes[0]: `state` is set by the operator; leave it out",
        "spec.pod.volumeMounts[0]: `/etc/millrace/app` is set by the operator; leave it out",
        "spec.pod.labels: `app.kubernetes.io/instance` is the operator's own; leave it out",
        "spec.pod.securityContext.runAsUser: cannot be read: ",
        "spec.networkPolicy.from[0].podSelektor: no such field",
    ] {
        assert!(found.contains(expected), "{expected}\n--- found\n{found}");
    }
}

#[test]
fn amounts_may_be_numbers_and_single_security_fields_replace_the_defaults() {
    let object = |value: Value| value.as_object().unwrap().clone();
    let mut app = app("small");
    app.spec.pod.resources = Some(object(json!({"requests": {"cpu": 2, "memory": "2Gi"}})));
    app.spec.pod.security_context = Some(object(json!({"fsGroup": 1000})));
    let pod = template(&app)["spec"].clone();
    let requests = &pod["containers"][0]["resources"]["requests"];
    assert_eq!(requests, &json!({"cpu": "2", "memory": "2Gi"}));
    assert_eq!(pod["securityContext"]["fsGroup"], 1000);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
}
