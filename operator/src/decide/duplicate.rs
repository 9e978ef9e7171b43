//! Two StreamApps of one application id on one Kafka cluster would be members of one group: the one
//! that was first has it, the other is refused.

use jiff::Timestamp;

/// A StreamApp, as far as this decision looks at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimant {
    /// `namespace/name`.
    pub name: String,
    /// Its namespace: the same address may be another Kafka in another one.
    pub namespace: String,
    /// Its uid: tells a StreamApp from one of the same name that was deleted.
    pub uid: String,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Its application id.
    pub application_id: String,
    /// Where it says its Kafka is.
    pub bootstrap_servers: String,
    /// The cluster it has claimed its application id on, from its status.
    pub cluster_id: Option<String>,
    /// Whether it is being deleted.
    pub deleted: bool,
}

/// Who has the application id on this cluster instead of `own`; `None` where `own` may have it.
///
/// A claim in a status counts, also that of one being deleted: its pods may still run. Where nobody
/// has claimed yet, the oldest of those in one namespace that name the same brokers goes first.
pub fn rival<'a>(own: &Claimant, cluster_id: &str, others: &'a [Claimant]) -> Option<&'a Claimant> {
    if own.cluster_id.as_deref() == Some(cluster_id) {
        return None;
    }
    let mut others = others
        .iter()
        .filter(|other| other.uid != own.uid && other.application_id == own.application_id);
    let holder = others
        .clone()
        .find(|other| other.cluster_id.as_deref() == Some(cluster_id));
    holder.or_else(|| {
        others.find(|other| {
            let unclaimed = other.cluster_id.is_none() && !other.deleted;
            unclaimed
                && other.namespace == own.namespace
                && other.bootstrap_servers == own.bootstrap_servers
                && (other.created, &other.uid) < (own.created, &own.uid)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claimant(uid: &str, created: i64, cluster: Option<&str>) -> Claimant {
        Claimant {
            name: format!("default/{uid}"),
            namespace: "default".to_owned(),
            uid: uid.to_owned(),
            created: Timestamp::from_second(created).ok(),
            application_id: "loans".to_owned(),
            bootstrap_servers: "kafka:9092".to_owned(),
            cluster_id: cluster.map(str::to_owned),
            deleted: false,
        }
    }

    #[test]
    fn the_oldest_goes_first_where_nobody_has_claimed() {
        let (old, young) = (claimant("a", 1, None), claimant("b", 2, None));
        let all = [old.clone(), young.clone()];
        assert_eq!(rival(&old, "k", &all), None);
        assert_eq!(rival(&young, "k", &all), Some(&old));
    }

    #[test]
    fn a_claim_wins_over_age() {
        let (old, young) = (claimant("a", 1, None), claimant("b", 2, Some("k")));
        let all = [old.clone(), young.clone()];
        assert_eq!(rival(&old, "k", &all), Some(&young));
        assert_eq!(rival(&young, "k", &all), None);
    }

    #[test]
    fn another_cluster_or_another_application_is_no_rival() {
        let own = claimant("b", 2, None);
        let elsewhere = claimant("a", 1, Some("other"));
        assert_eq!(rival(&own, "k", &[elsewhere]), None);
        let mut stranger = claimant("a", 1, Some("k"));
        stranger.application_id = "accounts".to_owned();
        assert_eq!(rival(&own, "k", &[stranger]), None);
        let mut far = claimant("a", 1, None);
        far.bootstrap_servers = "kafka-2:9092".to_owned();
        assert_eq!(rival(&own, "k", &[far]), None);
        // `kafka:9092` is the Kafka of each namespace.
        let mut neighbour = claimant("a", 1, None);
        neighbour.namespace = "other".to_owned();
        assert_eq!(rival(&own, "k", &[neighbour]), None);
    }

    #[test]
    fn one_that_is_being_deleted_holds_its_claim_but_makes_none() {
        let own = claimant("b", 2, None);
        let mut leaving = claimant("a", 1, Some("k"));
        leaving.deleted = true;
        assert!(rival(&own, "k", std::slice::from_ref(&leaving)).is_some());
        leaving.cluster_id = None;
        assert_eq!(rival(&own, "k", &[leaving]), None);
    }
}
