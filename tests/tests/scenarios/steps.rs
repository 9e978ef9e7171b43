//! Most steps at once, with repartition topics between the parts, against a reference.

use std::collections::BTreeMap;

use millrace_tests::worker::LIMIT;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::support::{Scene, by_key};

const APP: &str = "
apiVersion: millrace.dev/v1alpha1
kind: StreamApp
metadata: {name: ID}
spec:
  kafka: {bootstrapServers: \"kafka:9092\"}
  threads: 2
  defaults: {key: string, value: json}
  topology:
    streams:
      a: {topic: ID-a}
      b: {topic: ID-b}
      both:
        merge: [a, b]
        steps:
        - peek: {message: '\"saw \" + value.user'}
        - filter: value.n >= 0
        - map: {key: value.user, value: '{\"kind\": value.kind, \"n\": value.n}'}
        - split:
            branches:
            - {name: even, when: value.n % 2 == 0}
            - {name: threes, when: value.n % 3 == 0}
            default: others
      rest:
        from: others
        steps:
        - filterNot: value.n == 1
        - selectKey: value.kind
        - mapValues: value.n
        to: {topic: ID-rest}
    tables:
      even-by-kind:
        from: even
        steps:
        - groupBy: {key: value.kind, name: by-kind}
        - count: {name: even-by-kind}
        to: {topic: ID-counts, value: json}
      threes-by-user:
        from: threes
        steps:
        - groupByKey: {name: by-user}
        - reduce: {name: threes-by-user, value: '{\"n\": aggregate.n + value.n}'}
        to: {topic: ID-sums}
";

const RECORDS: usize = 4_000;
const SEED: u64 = 20_261_122;

/// What the outputs must be, computed from the inputs alone.
#[derive(Default)]
struct Reference {
    counts: BTreeMap<String, usize>,
    sums: BTreeMap<String, (usize, i64)>,
    rest: BTreeMap<String, Vec<String>>,
}

impl Reference {
    fn add(&mut self, user: &str, kind: &str, n: i64) {
        if n < 0 {
            return;
        }
        if n % 2 == 0 {
            *self.counts.entry(kind.to_owned()).or_default() += 1;
        } else if n % 3 == 0 {
            let (records, sum) = self.sums.entry(user.to_owned()).or_default();
            *records += 1;
            *sum += n;
        } else if n != 1 {
            self.rest
                .entry(kind.to_owned())
                .or_default()
                .push(n.to_string());
        }
    }
}

#[test]
fn a_topology_of_many_steps_over_repartition_topics_equals_the_reference() {
    let mut scene = Scene::new("steps");
    for topic in ["a", "b", "rest", "counts", "sums"] {
        scene.topic(topic, 3);
    }
    let mut random = StdRng::seed_from_u64(SEED);
    let mut reference = Reference::default();
    for time in 0..RECORDS {
        let user = format!("user-{}", random.random_range(0..20));
        let kind = format!("kind-{}", random.random_range(0..7));
        let n = random.random_range(-5..100);
        let value = format!(r#"{{"user":"{user}","kind":"{kind}","n":{n}}}"#);
        let topic = if random.random_bool(0.5) { "a" } else { "b" };
        scene.write(
            topic,
            &format!("key-{time}"),
            &value,
            i64::try_from(time).unwrap(),
        );
        reference.add(&user, &kind, n);
    }
    scene.flush();
    let mut worker = scene.worker(&scene.app("steps", APP), 0).start().unwrap();
    let status = worker.wait_ready(9).unwrap();
    assert_eq!(
        status.tasks().count(),
        9,
        "three subtopologies of three partitions"
    );
    let sums: usize = reference.sums.values().map(|(records, _)| records).sum();
    let sums = scene.read_at_least("sums", sums);
    let counts = scene.read_at_least("counts", reference.counts.values().sum());
    let rest = scene.read_at_least("rest", reference.rest.values().map(Vec::len).sum());
    worker.wait_caught_up(LIMIT).unwrap();

    for (kind, values) in by_key(&counts) {
        let numbers: Vec<usize> = values.iter().map(|value| value.parse().unwrap()).collect();
        let expected: Vec<usize> = (1..=reference.counts[&kind]).collect();
        assert_eq!(numbers, expected, "{kind}, seed {SEED}");
    }
    assert_eq!(by_key(&counts).len(), reference.counts.len());
    let sums = by_key(&sums);
    assert_eq!(sums.len(), reference.sums.len());
    for (user, (records, sum)) in &reference.sums {
        assert_eq!(sums[user].len(), *records, "{user}, seed {SEED}");
        assert!(*records > 1, "one record alone is passed on as it is");
        assert_eq!(
            *sums[user].last().unwrap(),
            format!(r#"{{"n":{sum}}}"#),
            "{user}, seed {SEED}"
        );
    }
    let sorted = |mut groups: BTreeMap<String, Vec<String>>| {
        groups
            .values_mut()
            .for_each(|values| values.sort_unstable());
        groups
    };
    assert_eq!(sorted(by_key(&rest)), sorted(reference.rest), "seed {SEED}");
}
