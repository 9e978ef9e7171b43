//! The loan request API over HTTP, with `millrace-worker dev` played by a small server that keeps
//! what it is sent, and with a Kafka that is not there.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use loan_evaluation::api;
use loan_evaluation::loan::REQUESTS_TOPIC;
use loan_evaluation::log::{DevClient, DevLog, KafkaLog, Log};
use loan_evaluation::publisher::Publisher;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A server on a free port.
async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// What the played `millrace-worker dev` does with records.
#[derive(Clone, Copy)]
enum Conduct {
    Takes,
    IsNotReady,
    Fails,
    NeverAnswers,
}

/// The bodies that were posted to `loan-requests`, as text.
type Posted = Arc<Mutex<Vec<String>>>;

async fn play_dev(conduct: Conduct) -> (SocketAddr, Posted) {
    let posted = Posted::default();
    let produce =
        async move |State(posted): State<Posted>, Path(topic): Path<String>, body: String| {
            assert_eq!(topic, REQUESTS_TOPIC);
            posted.lock().unwrap().push(body);
            match conduct {
                Conduct::Takes => (
                    StatusCode::OK,
                    json!({"offsets": [{"partition": 0, "offset": 12}]}),
                ),
                Conduct::IsNotReady => (
                    StatusCode::SERVICE_UNAVAILABLE,
                    json!({"error": "still starting"}),
                ),
                Conduct::Fails => (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    json!({"error": "disk full"}),
                ),
                Conduct::NeverAnswers => std::future::pending().await,
            }
        };
    let topics = json!([{"name": REQUESTS_TOPIC, "partitions": 1, "records": 0}]);
    let router = Router::new()
        .route("/topics", get(async move || Json(topics)))
        .route(
            "/topics/{topic}/records",
            post(async move |state, path, body| {
                let (status, answer) = produce(state, path, body).await;
                (status, Json(answer))
            }),
        )
        .with_state(posted.clone());
    (serve(router).await, posted)
}

async fn play_api(log: Box<dyn Log>, answer_within: Duration) -> SocketAddr {
    let (publisher, _thread) = Publisher::start(log, REQUESTS_TOPIC, answer_within).unwrap();
    serve(api::router(publisher)).await
}

async fn api_on_dev(conduct: Conduct) -> (SocketAddr, Posted) {
    let (dev, posted) = play_dev(conduct).await;
    let log = DevLog::new(DevClient::new(&format!("http://{dev}")));
    (
        play_api(Box::new(log), Duration::from_secs(2)).await,
        posted,
    )
}

/// Status and JSON body of a request.
async fn request(
    method: &'static str,
    address: SocketAddr,
    path: &str,
    body: &str,
) -> (u16, Value) {
    let (url, body) = (format!("http://{address}{path}"), body.to_owned());
    tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(url)
            .body(body)
            .unwrap();
        let mut answer = agent.run(request).unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        (
            answer.status().as_u16(),
            serde_json::from_str(&text).unwrap_or(Value::Null),
        )
    })
    .await
    .unwrap()
}

const GOOD: &str = r#"{"account":"001-00101","amount":100.10}"#;

#[tokio::test]
async fn an_accepted_loan_is_in_the_topic_with_its_id_key_and_exact_amount() {
    let (api, posted) = api_on_dev(Conduct::Takes).await;
    let (status, answer) = request("POST", api, "/loans", GOOD).await;
    assert_eq!((status, &answer["status"]), (202, &json!("accepted")));
    let id = answer["id"].as_str().unwrap();
    let expected = format!(
        r#"{{"records":[{{"key":"001-00101","value":{{"id":"{id}","account":"001-00101","amount":100.10}}}}]}}"#
    );
    assert_eq!(*posted.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn many_requests_at_once_are_all_written_once() {
    let (api, posted) = api_on_dev(Conduct::Takes).await;
    let requests: Vec<_> = (0..50)
        .map(|_| tokio::spawn(request("POST", api, "/loans", GOOD)))
        .collect();
    let mut ids = Vec::new();
    for request in requests {
        let (status, answer) = request.await.unwrap();
        assert_eq!(status, 202, "{answer}");
        ids.push(answer["id"].as_str().unwrap().to_owned());
    }
    let posted = posted.lock().unwrap().concat();
    for id in ids {
        assert_eq!(posted.matches(&id).count(), 1);
    }
}

#[tokio::test]
async fn bad_input_is_refused_with_a_reason_and_nothing_is_written() {
    let (api, posted) = api_on_dev(Conduct::Takes).await;
    for (body, reason) in [
        ("", "must be JSON"),
        ("{", "must be JSON"),
        (r#"{"account":"001-00101"}"#, "missing field `amount`"),
        (
            r#"{"account":"001-00101","amount":100,"note":"x"}"#,
            "unknown field `note`",
        ),
        (
            r#"{"account":"00100101","amount":100}"#,
            "three digits, a dash and five digits",
        ),
        (r#"{"account":"001-00101","amount":-5}"#, "greater than 0"),
        (
            r#"{"account":"001-00101","amount":0.005}"#,
            "at most two decimals",
        ),
        (
            r#"{"account":"001-00101","amount":1000000001}"#,
            "at most 1000000000",
        ),
    ] {
        let (status, answer) = request("POST", api, "/loans", body).await;
        let error = answer["error"].as_str().unwrap();
        assert!(
            status == 400 && error.contains(reason),
            "{body}: {status} {error}"
        );
    }
    assert!(posted.lock().unwrap().is_empty());
}

#[tokio::test]
async fn other_paths_and_methods_and_large_bodies_are_refused_as_json() {
    let (api, posted) = api_on_dev(Conduct::Takes).await;
    let large = format!(
        r#"{{"account":"001-00101","amount":1{}}}"#,
        " ".repeat(16 << 10)
    );
    for (method, path, body, expected) in [
        ("POST", "/loan", GOOD, 404),
        ("GET", "/loans", "", 405),
        ("DELETE", "/loans", "", 405),
        ("POST", "/loans", large.as_str(), 413),
    ] {
        let (status, answer) = request(method, api, path, body).await;
        assert_eq!(status, expected, "{method} {path}");
        assert!(answer["error"].is_string(), "{method} {path}: {answer}");
    }
    assert!(posted.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_log_that_refuses_is_503_and_surely_not_written() {
    let (api, _) = api_on_dev(Conduct::IsNotReady).await;
    let (status, answer) = request("POST", api, "/loans", GOOD).await;
    assert_eq!((status, &answer["outcome"]), (503, &json!("not written")));
    assert!(
        answer["error"].as_str().unwrap().contains("still starting"),
        "{answer}"
    );
    assert!(answer.get("id").is_none());
}

#[tokio::test]
async fn an_outcome_that_nobody_knows_is_503_with_the_id() {
    for conduct in [Conduct::Fails, Conduct::NeverAnswers] {
        let (api, posted) = api_on_dev(conduct).await;
        let (status, answer) = request("POST", api, "/loans", GOOD).await;
        assert_eq!((status, &answer["outcome"]), (503, &json!("unknown")));
        let id = answer["id"].as_str().unwrap();
        assert!(posted.lock().unwrap()[0].contains(id));
    }
}

#[tokio::test]
async fn readiness_follows_the_log_and_liveness_does_not() {
    let (api, _) = api_on_dev(Conduct::Takes).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while request("GET", api, "/readyz", "").await.0 != 200 {
        assert!(Instant::now() < deadline, "never ready");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let nobody = DevLog::new(DevClient::new("http://127.0.0.1:1"));
    let api = play_api(Box::new(nobody), Duration::from_secs(2)).await;
    assert_eq!(request("GET", api, "/livez", "").await.0, 200);
    assert_eq!(request("GET", api, "/readyz", "").await.0, 503);
    let (status, answer) = request("POST", api, "/loans", GOOD).await;
    assert_eq!((status, &answer["outcome"]), (503, &json!("not written")));
}

#[tokio::test]
async fn a_kafka_that_is_away_is_503_within_the_deadline_and_surely_not_written() {
    let log = KafkaLog::new("127.0.0.1:1", BTreeMap::new(), "test").unwrap();
    let api = play_api(Box::new(log), Duration::from_secs(2)).await;
    let asked = Instant::now();
    let (status, answer) = request("POST", api, "/loans", GOOD).await;
    assert_eq!((status, &answer["outcome"]), (503, &json!("not written")));
    assert!(
        asked.elapsed() < Duration::from_secs(5),
        "{:?}",
        asked.elapsed()
    );
}
