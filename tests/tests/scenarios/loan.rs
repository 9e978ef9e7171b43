//! The loan evaluation, with the StreamApps of the example.

use std::collections::BTreeMap;

use millrace_tests::worker::{LIMIT, WorkerOptions, WorkerProcess};
use serde_json::Value;

use super::support::Scene;

const BALANCES: &str = include_str!("../../../examples/loan-evaluation/account-balances.yaml");
const EVALUATION: &str = include_str!("../../../examples/loan-evaluation/loan-evaluation.yaml");

/// The example's text on the topics of this scene.
fn on_scene(scene: &Scene, text: &str, guarantee: &str) -> String {
    text.replace("topic: ", &format!("topic: {}-", scene.id))
        .replace(
            "  kafka:\n",
            &format!("  processingGuarantee: {guarantee}\n  commitIntervalMs: 100\n  kafka:\n"),
        )
}

fn workers(scene: &Scene, guarantee: &str) -> (WorkerOptions, WorkerOptions) {
    let start = |name: &str, text: &str| {
        let app = scene.app(name, &on_scene(scene, text, guarantee));
        scene
            .worker(&app, 0)
            .arg(format!("--application-id={}-{name}", scene.id))
    };
    (start("balances", BALANCES), start("evaluation", EVALUATION))
}

/// Waits until a row is there, and returns its value.
fn row(worker: &mut WorkerProcess, path: &str) -> Value {
    let body = worker
        .wait_until(path, LIMIT, |worker| {
            let (code, body) = worker.get(path)?;
            Ok((code == 200).then_some(body))
        })
        .unwrap();
    serde_json::from_str::<Value>(&body).unwrap()["value"].clone()
}

fn loan_scenario(guarantee: &str) {
    let mut scene = Scene::new("loan");
    let (balances, evaluation) = workers(&scene, guarantee);
    let (mut balances_worker, mut worker) =
        (balances.start().unwrap(), evaluation.start().unwrap());
    waits_for_its_topics(&scene, &mut worker);
    for topic in [
        "transactions",
        "account-balances",
        "loan-requests",
        "loan-evaluation-results",
    ] {
        scene.topic(topic, 3);
    }
    balances_worker.wait_ready(3).unwrap();
    worker.wait_ready(3).unwrap();
    // Three threads share the tasks out among themselves first.
    worker
        .wait_until("readiness", LIMIT, |worker| {
            Ok((worker.get("/readyz")?.0 == 200).then_some(()))
        })
        .unwrap();
    for (time, amount) in (1_000..).zip(["700.10", "0.20", "-0.05", "99.75"]) {
        let value = format!(r#"{{"account":"001-00101","amount":{amount}}}"#);
        scene.write("transactions", "001-00101", &value, time);
    }
    scene.write(
        "transactions",
        "001-00102",
        r#"{"account":"001-00102","amount":1.00}"#,
        1_000,
    );
    scene.flush();
    let last = balances_worker.wait_until("all transactions", LIMIT, |worker| {
        Ok((worker
            .get("/stores/balances/001-00101")?
            .1
            .contains("800.00"))
        .then_some(()))
    });
    last.unwrap();
    for account in ["001-00101", "001-00102"] {
        let ours = row(
            &mut worker,
            &format!("/stores/account-balances-table/{account}"),
        );
        assert_eq!(ours["account"], account);
    }
    worker
        .wait_until("the whole balance", LIMIT, |worker| {
            let (_, body) = worker.get("/stores/account-balances-table/001-00101")?;
            Ok(body.contains("800.00").then_some(()))
        })
        .unwrap();
    for (id, account, amount) in [
        ("a", "001-00101", "100"),
        ("b", "001-00101", "90000"),
        ("c", "009-00999", "100"),
    ] {
        let value = format!(r#"{{"id":"{id}","account":"{account}","amount":{amount}}}"#);
        scene.write("loan-requests", account, &value, 2_000);
    }
    scene.flush();
    let verdicts: BTreeMap<String, String> = scene
        .read_at_least("loan-evaluation-results", 3)
        .iter()
        .map(|record| {
            let verdict: Value = serde_json::from_str(record.value()).unwrap();
            assert_eq!(record.key(), verdict["account"].as_str().unwrap());
            (
                verdict["id"].as_str().unwrap().to_owned(),
                record.value().to_owned(),
            )
        })
        .collect();
    assert_eq!(
        verdicts["a"],
        r#"{"id":"a","account":"001-00101","amount":100,"balance":800.00,"status":"approved","reason":"the balance covers the amount"}"#
    );
    assert!(
        verdicts["b"].contains(r#""status":"rejected""#),
        "{verdicts:?}"
    );
    assert!(
        verdicts["c"].contains(r#""balance":null,"status":"rejected""#),
        "{verdicts:?}"
    );
    answers_as_documented(&mut worker);
    restarts_with_nothing_to_restore(worker, &evaluation);
    let status = balances_worker.terminate().unwrap();
    assert_eq!(status.code(), Some(0), "{}", balances_worker.log_tail());
    let (records, _) = scene.read("account-balances");
    let last = records
        .iter()
        .rfind(|record| record.key() == "001-00101")
        .unwrap();
    assert_eq!(last.value(), r#"{"account":"001-00101","balance":800.00}"#);
}

/// Before its topics are there: alive, not ready, and it says what for.
fn waits_for_its_topics(scene: &Scene, worker: &mut WorkerProcess) {
    let missing = scene.name("loan-requests");
    worker.wait_for_log(&missing, LIMIT).unwrap();
    assert_eq!(worker.get("/livez").unwrap().0, 200);
    let (code, body) = worker.get("/readyz").unwrap();
    assert_eq!(code, 503);
    assert!(
        body.contains("do not exist yet") && body.contains(&missing),
        "{body}"
    );
    let (code, body) = worker
        .get("/stores/account-balances-table/001-00101")
        .unwrap();
    assert_eq!(code, 503, "{body}");
    assert_eq!(worker.status().unwrap().phase, "waiting");
}

fn answers_as_documented(worker: &mut WorkerProcess) {
    let (code, body) = worker
        .get("/stores/account-balances-table/009-00999")
        .unwrap();
    assert_eq!(code, 404);
    assert!(body.contains("no key 009-00999"), "{body}");
    let (code, body) = worker.get("/stores/balance-table/009-00999").unwrap();
    assert_eq!(code, 404);
    assert!(
        body.contains("account-balances-table"),
        "names those there are: {body}"
    );
    let status = worker
        .wait_until("three tasks without lag", LIMIT, |worker| {
            let status = worker.status()?;
            let all = status.task_ids() == ["0_0", "0_1", "0_2"];
            Ok((all && status.lag == Some(0)).then_some(status))
        })
        .unwrap();
    assert_eq!(status.phase, "running");
    let (code, metrics) = worker.get("/metrics").unwrap();
    assert_eq!(code, 200);
    for name in [
        "kafka_streams_task_process_total",
        "kafka_streams_thread_commit_total",
    ] {
        assert!(metrics.contains(name), "no {name} in:\n{metrics}");
    }
    let (code, body) = worker.get("/nothing").unwrap();
    assert_eq!(code, 404);
    assert!(body.contains("/readyz"), "{body}");
}

fn restarts_with_nothing_to_restore(mut worker: WorkerProcess, options: &WorkerOptions) {
    let before = row(&mut worker, "/stores/account-balances-table/001-00101");
    let status = worker.terminate().unwrap();
    assert_eq!(status.code(), Some(0), "{}", worker.log_tail());
    let mut worker = options.start().unwrap();
    let status = worker.wait_ready(3).unwrap();
    assert_eq!(status.restored(), 0, "{}", worker.log_tail());
    assert_eq!(
        row(&mut worker, "/stores/account-balances-table/001-00101"),
        before
    );
}

#[test]
fn three_loans_get_their_verdicts_exactly_once() {
    loan_scenario("exactly_once_v2");
}

#[test]
fn three_loans_get_their_verdicts_at_least_once() {
    loan_scenario("at_least_once");
}
