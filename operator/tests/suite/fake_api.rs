//! An API server in memory: objects by path, server-side apply by merging, and failures on demand.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Map, Value, json};

/// The server. Clones are one.
#[derive(Clone, Default)]
pub(crate) struct FakeApi(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Value>,
    version: u64,
    writes: Vec<String>,
    faults: Vec<Fault>,
}

struct Fault {
    request: String,
    status: u16,
    reason: &'static str,
    left: usize,
}

impl FakeApi {
    /// A client of the server.
    pub(crate) fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let api = api.clone();
            async move {
                let (parts, body) = request.into_parts();
                let bytes = body.collect().await?.to_bytes();
                let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
                let query = parts.uri.query().unwrap_or_default().to_owned();
                let content = parts.headers.get("content-type");
                let apply = content.is_some_and(|c| c.to_str().unwrap().contains("apply"));
                let (status, answer) =
                    api.lock()
                        .answer(&parts.method, parts.uri.path(), &query, body, apply);
                let answer = Body::from(answer.to_string().into_bytes());
                let response = Response::builder().status(status).body(answer).unwrap();
                Ok::<_, kube::Error>(response)
            }
        });
        Client::new(service, "default")
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Puts an object, as somebody else than the operator.
    pub(crate) fn put(&self, path: &str, object: Value) {
        let mut state = self.lock();
        state.store(path, object);
    }

    /// Changes an object by a JSON merge patch, as somebody else than the operator.
    pub(crate) fn merge(&self, path: &str, patch: &Value) {
        let mut state = self.lock();
        let mut object = state.objects.get(path).expect(path).clone();
        merge(&mut object, patch);
        state.store(path, object);
    }

    /// Removes an object, as somebody else than the operator.
    pub(crate) fn remove(&self, path: &str) {
        self.lock().objects.remove(path);
    }

    /// An object.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.lock().objects.get(path).cloned()
    }

    /// Paths that have this in them.
    pub(crate) fn paths(&self, part: &str) -> Vec<String> {
        let state = self.lock();
        let paths = state.objects.keys().filter(|path| path.contains(part));
        paths.cloned().collect()
    }

    /// The operator's writes since the last call: `METHOD path`. Events are left out.
    pub(crate) fn writes(&self) -> Vec<String> {
        let mut writes = std::mem::take(&mut self.lock().writes);
        writes.retain(|write| !write.contains("/events"));
        writes
    }

    /// Reasons of the events since the last call.
    pub(crate) fn events(&self) -> Vec<String> {
        let mut state = self.lock();
        let paths: Vec<String> = state
            .objects
            .keys()
            .filter(|path| path.contains("/events/"))
            .cloned()
            .collect();
        let events = paths.iter().filter_map(|path| state.objects.remove(path));
        events
            .map(|event| event["reason"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// Refuses the next requests that have this in `METHOD path`.
    pub(crate) fn fail(&self, request: &str, status: u16, reason: &'static str, times: usize) {
        self.lock().faults.push(Fault {
            request: request.to_owned(),
            status,
            reason,
            left: times,
        });
    }
}

impl State {
    fn answer(
        &mut self,
        method: &Method,
        path: &str,
        query: &str,
        body: Value,
        apply: bool,
    ) -> (StatusCode, Value) {
        let request = format!("{method} {path}");
        if let Some((status, reason)) = self.fault(&request) {
            return refuse(status, reason, &request);
        }
        if *method != Method::GET {
            self.writes.push(request.clone());
        }
        match *method {
            Method::GET => self.read(path, query),
            Method::POST => {
                let name = body["metadata"]["name"].as_str().unwrap_or("x").to_owned();
                let path = format!("{path}/{name}");
                if self.objects.contains_key(&path) {
                    return refuse(409, "AlreadyExists", &request);
                }
                (StatusCode::CREATED, self.store(&path, body))
            }
            Method::PUT => {
                let old = self
                    .objects
                    .get(path)
                    .map(|o| o["metadata"]["resourceVersion"].clone());
                if old != Some(body["metadata"]["resourceVersion"].clone()) {
                    return refuse(409, "Conflict", &request);
                }
                (StatusCode::OK, self.store(path, body))
            }
            Method::PATCH => self.patch(path, body, apply, &request),
            Method::DELETE => self.delete(path, &body, &request),
            _ => refuse(405, "MethodNotAllowed", &request),
        }
    }

    fn fault(&mut self, request: &str) -> Option<(u16, &'static str)> {
        let fault = self
            .faults
            .iter_mut()
            .find(|fault| fault.left > 0 && request.contains(&fault.request))?;
        fault.left -= 1;
        Some((fault.status, fault.reason))
    }

    fn read(&self, path: &str, query: &str) -> (StatusCode, Value) {
        if let Some(object) = self.objects.get(path) {
            return (StatusCode::OK, object.clone());
        }
        let last = path.rsplit('/').next().unwrap();
        if !last.ends_with('s') || self.is_object_path(path) {
            return refuse(404, "NotFound", path);
        }
        let prefix = format!("{path}/");
        // All namespaces: any path that ends in `<resource>/<name>`.
        let infix = format!("/{last}/");
        let labels = selector(query);
        let found = self.objects.iter().filter(|(at, object)| {
            let here = if path.contains("/namespaces/") {
                at.starts_with(&prefix)
            } else {
                at.contains(&infix)
            };
            here && labels
                .iter()
                .all(|(key, value)| object["metadata"]["labels"][key] == **value)
        });
        let items: Vec<Value> = found.map(|(_, object)| object.clone()).collect();
        let list = json!({
            "apiVersion": "v1", "kind": "List",
            "metadata": {"resourceVersion": self.version.to_string()}, "items": items,
        });
        (StatusCode::OK, list)
    }

    /// Whether a path has a name after its resource.
    fn is_object_path(&self, path: &str) -> bool {
        let after = path.split("/namespaces/").nth(1);
        after.is_some_and(|after| after.split('/').count() > 2)
    }

    fn patch(
        &mut self,
        path: &str,
        mut body: Value,
        apply: bool,
        request: &str,
    ) -> (StatusCode, Value) {
        let (path, is_status) = match path.strip_suffix("/status") {
            Some(path) => (path, true),
            None => (path, false),
        };
        let old = self.objects.get(path).cloned();
        let mut object = match old.clone() {
            Some(object) => object,
            None if apply && !is_status => json!({}),
            None => return refuse(404, "NotFound", request),
        };
        let version = body.pointer("/metadata/resourceVersion").cloned();
        if let Some(version) = version
            && version != object["metadata"]["resourceVersion"]
        {
            return refuse(409, "Conflict", request);
        }
        if apply && is_status {
            object["status"] = body["status"].take();
        } else if apply {
            apply_over(&mut object, &body);
        } else {
            merge(&mut object, &body);
        }
        if old.as_ref() == Some(&object) {
            return (StatusCode::OK, object);
        }
        let stored = self.store(path, object);
        self.collect_finalized(path);
        (StatusCode::OK, stored)
    }

    fn delete(&mut self, path: &str, body: &Value, request: &str) -> (StatusCode, Value) {
        let Some(object) = self.objects.get(path).cloned() else {
            return refuse(404, "NotFound", request);
        };
        let uid = body.pointer("/preconditions/uid");
        if uid.is_some_and(|uid| *uid != object["metadata"]["uid"]) {
            return refuse(409, "Conflict", request);
        }
        self.objects.remove(path);
        // The garbage collector: pods go with their StatefulSet, unless they are to be orphans.
        let orphans = body["propagationPolicy"] == "Orphan";
        if path.contains("/statefulsets/") && !orphans {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let pods = format!("/pods/{name}-");
            self.objects.retain(|at, _| !at.contains(&pods));
        }
        (StatusCode::OK, object)
    }

    fn collect_finalized(&mut self, path: &str) {
        let meta = &self.objects[path]["metadata"];
        let held = meta["finalizers"]
            .as_array()
            .is_some_and(|all| !all.is_empty());
        if meta["deletionTimestamp"].is_string() && !held {
            self.objects.remove(path);
        }
    }

    fn store(&mut self, path: &str, mut object: Value) -> Value {
        self.version += 1;
        let old = self.objects.get(path);
        let changed = old.is_none_or(|old| old["spec"] != object["spec"]);
        let generation = old.map_or(0, |old| old["metadata"]["generation"].as_i64().unwrap_or(0));
        let meta = &mut object["metadata"];
        meta["resourceVersion"] = json!(self.version.to_string());
        meta["generation"] = json!(generation + i64::from(changed));
        if meta["uid"].is_null() {
            meta["uid"] = json!(format!("uid-{}", self.version));
        }
        if meta["creationTimestamp"].is_null() {
            meta["creationTimestamp"] =
                json!(format!("2026-01-01T00:{:02}:00Z", self.version % 60));
        }
        self.objects.insert(path.to_owned(), object.clone());
        object
    }
}

fn selector(query: &str) -> Vec<(String, String)> {
    let parameter = query
        .split('&')
        .find_map(|part| part.strip_prefix("labelSelector="));
    let text = parameter.unwrap_or_default().replace("%2F", "/");
    let text = text.replace("%3D", "=").replace("%2C", ",");
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn refuse(status: u16, reason: &str, request: &str) -> (StatusCode, Value) {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status,
        "reason": reason, "message": format!("{reason}: {request}"), "metadata": {},
    });
    (StatusCode::from_u16(status).unwrap(), body)
}

/// Server-side apply of one owner: what it applies replaces what is there, maps are merged; of spec and
/// data it owns everything, so what it leaves out goes.
fn apply_over(object: &mut Value, applied: &Value) {
    for (key, value) in applied.as_object().unwrap() {
        match key.as_str() {
            "metadata" => merge(&mut object["metadata"], value),
            _ => object[key] = value.clone(),
        }
    }
}

/// JSON merge patch (RFC 7386).
pub(crate) fn merge(object: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = Value::Object(Map::new());
    }
    let target = object.as_object_mut().unwrap();
    for (key, value) in fields {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}
