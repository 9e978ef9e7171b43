//! Leader election by a `coordination.k8s.io` Lease: of the operator's replicas one reconciles.
//!
//! ```text
//!   candidate ── lease free, released, or unchanged for 15 s ──► leader ── renewed every 2 s ──┐
//!       ▲                                                           │   ▲─────────────────────┘
//!       └────────── the process ends ◄── not renewed for 10 s ──────┘
//! ```
//!
//! Why no two lead at once: a leader gives up 10 s after the *start* of its last successful renewal,
//! by a timer that needs nobody's answer, and the process ends with all it was doing; a candidate takes
//! over only after it has itself seen the lease unchanged for 15 s. Nobody compares clocks: each side
//! measures with its own. Every write names the version of the lease it was decided on, so of two
//! candidates one loses. The same rules as client-go's leader election.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use tokio::time::Instant;

use crate::error::{Error, Result};

/// How long a lease must have been unchanged before another may take it. Whole seconds, as the Lease
/// has it.
const DURATION: Duration = Duration::from_secs(15);
/// How long after its last renewal a leader stops.
const DEADLINE: Duration = Duration::from_secs(10);
/// Pause between two renewals, and between two looks of a candidate.
const PERIOD: Duration = Duration::from_secs(2);
/// Longest wait for one answer of the API server.
const CALL: Duration = Duration::from_secs(5);

/// One replica's part in the election.
pub struct Election {
    api: Api<Lease>,
    name: String,
    identity: String,
}

/// What a candidate has seen of the lease, and when it first saw it so.
struct Seen {
    version: Option<String>,
    since: Instant,
}

impl Election {
    /// Takes part under a name that no other replica has.
    pub fn new(api: Api<Lease>, name: impl Into<String>, identity: impl Into<String>) -> Self {
        Self {
            api,
            name: name.into(),
            identity: identity.into(),
        }
    }

    /// Waits until this replica leads. `looked` is called after each look at the lease that the API
    /// server answered.
    pub async fn acquire(&self, looked: impl Fn()) -> Leader<'_> {
        let mut seen = None;
        loop {
            let began = Instant::now();
            match bounded(self.try_acquire(&mut seen, began)).await {
                Ok(Some(lease)) => {
                    looked();
                    tracing::info!(lease = self.name, identity = self.identity, "leading");
                    return Leader {
                        election: self,
                        lease,
                        renewed: began,
                    };
                }
                Ok(None) => looked(),
                Err(error) => tracing::warn!(%error, "could not look at the lease; trying again"),
            }
            tokio::time::sleep(PERIOD).await;
        }
    }

    /// The lease if it is ours now; `None` while it is another's.
    async fn try_acquire(&self, seen: &mut Option<Seen>, now: Instant) -> Result<Option<Lease>> {
        let found = self
            .api
            .get_opt(&self.name)
            .await
            .map_err(self.error("read"))?;
        let Some(lease) = found else {
            let lease = self.claimed(Lease {
                metadata: ObjectMeta {
                    name: Some(self.name.clone()),
                    ..ObjectMeta::default()
                },
                spec: None,
            });
            let made = self.api.create(&PostParams::default(), &lease).await;
            return made.map(Some).map_err(self.error("create"));
        };
        if !self.may_take(&lease, seen, now) {
            return Ok(None);
        }
        self.replace(self.claimed(lease)).await.map(Some)
    }

    /// Whether the lease is ours, nobody's, or has been left alone for long enough.
    fn may_take(&self, lease: &Lease, seen: &mut Option<Seen>, now: Instant) -> bool {
        let holder = lease
            .spec
            .as_ref()
            .and_then(|s| s.holder_identity.as_deref());
        if holder.is_none_or(|holder| holder.is_empty() || holder == self.identity) {
            return true;
        }
        let version = lease.metadata.resource_version.clone();
        match seen {
            Some(seen) if seen.version == version => now.duration_since(seen.since) >= DURATION,
            _ => {
                *seen = Some(Seen {
                    version,
                    since: now,
                });
                false
            }
        }
    }

    /// The lease, with us as its holder from now on.
    fn claimed(&self, mut lease: Lease) -> Lease {
        let now = MicroTime(Timestamp::now());
        let old = lease.spec.take().unwrap_or_default();
        let stays = old.holder_identity.as_deref() == Some(&self.identity);
        let transitions = old.lease_transitions.unwrap_or(0);
        lease.spec = Some(LeaseSpec {
            acquire_time: old
                .acquire_time
                .filter(|_| stays)
                .or_else(|| Some(now.clone())),
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            lease_transitions: Some(transitions.saturating_add(i32::from(!stays))),
            renew_time: Some(now),
            preferred_holder: old.preferred_holder,
            strategy: old.strategy,
        });
        lease
    }

    /// Writes the lease if it is still of the version that was read.
    async fn replace(&self, lease: Lease) -> Result<Lease> {
        self.api
            .replace(&self.name, &PostParams::default(), &lease)
            .await
            .map_err(self.error("renew"))
    }

    fn error(&self, operation: &'static str) -> impl FnOnce(kube::Error) -> Error {
        Error::kubernetes(operation, format!("Lease {}", self.name))
    }
}

/// Bounds a call: an API server that hangs is one that is away.
async fn bounded<T>(call: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(CALL, call)
        .await
        .unwrap_or_else(|_| Err(Error::Lost(format!("the API server, within {CALL:?}"))))
}

/// The leader's hold on the lease.
pub struct Leader<'a> {
    election: &'a Election,
    lease: Lease,
    /// Start of the last renewal that succeeded.
    renewed: Instant,
}

impl Leader<'_> {
    /// Renews the lease until that was impossible for `DEADLINE`. The caller must then end all it
    /// does as leader, at once.
    pub async fn keep(&mut self) {
        loop {
            let deadline = self.renewed + DEADLINE;
            tokio::time::sleep(PERIOD).await;
            let began = Instant::now();
            match tokio::time::timeout_at(deadline, bounded(self.renew())).await {
                Ok(Ok(lease)) => {
                    self.lease = lease;
                    self.renewed = began;
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "could not renew the lease");
                    if Instant::now() >= deadline {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    }

    /// Renews; where somebody has touched the lease, looks whether it is still ours.
    async fn renew(&self) -> Result<Lease> {
        let election = self.election;
        let renewed = election.replace(election.claimed(self.lease.clone())).await;
        let Err(Error::Kubernetes { source, .. }) = &renewed else {
            return renewed;
        };
        if !matches!(&**source, kube::Error::Api(status) if status.is_conflict()) {
            return renewed;
        }
        let found = election
            .api
            .get(&election.name)
            .await
            .map_err(election.error("read"))?;
        let holder = found.spec.as_ref().and_then(|s| s.holder_identity.as_ref());
        if holder == Some(&election.identity) {
            election.replace(election.claimed(found)).await
        } else {
            renewed
        }
    }

    /// Gives the lease up, so that another replica leads at its next look. For an orderly end only:
    /// nothing may be done as leader any more.
    pub async fn release(self) {
        let mut lease = self.lease;
        if let Some(spec) = &mut lease.spec {
            spec.holder_identity = Some(String::new());
            spec.renew_time = Some(MicroTime(Timestamp::now()));
        }
        if let Err(error) = bounded(self.election.replace(lease)).await {
            tracing::warn!(%error, "could not release the lease; another replica waits {DURATION:?}");
        }
    }
}
