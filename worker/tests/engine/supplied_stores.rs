//! Goal: a store that the worker's image supplies holds what is committed, and is whole again after every
//! crash. Method: a supplier that keeps the stores it opened for the test to look into, and fails when
//! told to; the engine over the embedded log, and the step driver.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use millrace_worker::api::{
    Processor, ProcessorContext, ProcessorResult, Processors, Record, StateStore, StoreFailure,
    StorePlace, Value,
};
use millrace_worker::testing::{DriverError, DriverOptions, TopologyDriver};

const APP: &str = r#"
apiVersion: millrace.dev/v1alpha1
kind: StreamApp
metadata: {name: supplied}
spec:
  kafka: {bootstrapServers: "none:9092"}
  defaults: {key: string, value: string}
  topology:
    storeSuppliers: {counts: kept, last: kept}
    streams:
      words: {topic: words}
      counted:
        from: words
        steps: [groupByKey: {}, count: {name: counts}, toStream: {}]
        to: {topic: counts, value: long}
      changes:
        from: words
        steps:
        - process:
            processor: changes
            stores: {last: {key: string, value: string}}
            serdes: {key: string, value: string}
        to: {topic: changes}
"#;

type Rows = Arc<Mutex<BTreeMap<Vec<u8>, Vec<u8>>>>;

/// What the test sees of the stores.
#[derive(Clone, Default)]
struct Kept {
    opened: Arc<Mutex<Vec<(StorePlace, Rows)>>>,
    broken: Arc<AtomicBool>,
}

impl Kept {
    fn processors(&self) -> Processors {
        let kept = self.clone();
        let open = move |place: &StorePlace| {
            let rows = Rows::default();
            let mut opened = kept.opened.lock().unwrap();
            opened.push((place.clone(), Arc::clone(&rows)));
            let broken = Arc::clone(&kept.broken);
            Ok(KeptStore { rows, broken })
        };
        Processors::new()
            .with_store_supplier("kept", open)
            .with("changes", || Changes)
    }

    /// Times a store was opened, and the rows it has now.
    fn rows(&self, store: &str) -> (usize, BTreeMap<Vec<u8>, Vec<u8>>) {
        let opened = self.opened.lock().unwrap();
        let found: Vec<_> = opened
            .iter()
            .filter(|(place, _)| place.store == store)
            .collect();
        let rows = found.last().map(|(_, rows)| rows.lock().unwrap().clone());
        (found.len(), rows.unwrap_or_default())
    }
}

struct KeptStore {
    rows: Rows,
    broken: Arc<AtomicBool>,
}

impl StateStore for KeptStore {
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFailure> {
        Ok(self.rows.lock().unwrap().get(key).cloned())
    }

    fn scan(
        &self,
        from: &[u8],
        to: Option<&[u8]>,
        row: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), StoreFailure> {
        let to = to.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.rows.lock().unwrap();
        let _stopped = rows
            .range::<[u8], _>((Bound::Included(from), to))
            .all(|(key, value)| row(key, value));
        Ok(())
    }

    fn write(&mut self, writes: &[(&[u8], Option<&[u8]>)]) -> Result<(), StoreFailure> {
        if self.broken.load(Ordering::Relaxed) {
            return Err("the disk is gone".into());
        }
        let mut rows = self.rows.lock().unwrap();
        for (key, row) in writes {
            match row {
                Some(row) => rows.insert(key.to_vec(), row.to_vec()),
                None => rows.remove(*key),
            };
        }
        Ok(())
    }
}

/// Forwards values that differ from the last of their key, and how many keys there are, by a scan.
struct Changes;

impl Processor for Changes {
    fn process<'r>(
        &mut self,
        record: Record<'r>,
        context: &mut ProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        let mut last = context.key_value("last")?;
        let before = last.get(record.key())?.map(|stored| stored.value);
        if before == Some(record.value()) {
            return Ok(());
        }
        last.put(record.key(), record.value(), record.timestamp())?;
        let mut keys = 0;
        last.scan(None, None, |_, _| {
            keys += 1;
            true
        })?;
        let Value::String(text) = record.value() else {
            return Ok(());
        };
        let said = context.text(&format!("{text} of {keys}"));
        context.forward(record.with_value(said))
    }
}

fn driver(kept: &Kept) -> TopologyDriver {
    let options = DriverOptions {
        processors: kept.processors(),
        ..DriverOptions::default()
    };
    TopologyDriver::with_options(APP, &options).unwrap()
}

fn texts(driver: &TopologyDriver, topic: &str) -> Vec<String> {
    let records = driver.read(topic).unwrap().into_iter();
    records
        .map(|record| String::from_utf8(record.value.unwrap()).unwrap())
        .collect()
}

fn write(driver: &TopologyDriver, words: &[(&str, &str)]) {
    for (key, value) in words {
        driver
            .produce("words", Some(key), Some(value), 1_000)
            .unwrap();
    }
}

#[test]
fn a_supplied_store_is_whole_after_a_crash_from_its_changelog_alone() {
    let kept = Kept::default();
    let mut driver = driver(&kept);
    write(&driver, &[("a", "x"), ("b", "x"), ("a", "x"), ("a", "y")]);
    driver.run_until_idle().unwrap();
    assert_eq!(texts(&driver, "changes"), ["x of 1", "x of 2", "y of 2"]);
    let before = kept.rows("counts");
    assert_eq!(before.0, 1);
    assert_eq!(
        driver.rows("counts").unwrap()[&b"a"[..]].1,
        3_i64.to_be_bytes()
    );

    driver.crash(0).unwrap();
    driver.start(0).unwrap();
    driver.run_until_idle().unwrap();
    assert_eq!(
        kept.rows("counts"),
        (2, before.1),
        "opened anew, with the same rows"
    );
    write(&driver, &[("a", "y"), ("b", "z")]);
    driver.run_until_idle().unwrap();
    let changes = texts(&driver, "changes");
    assert_eq!(changes[3..], ["z of 2".to_owned()]);
    let logged = driver.compacted("supplied-counts-changelog").unwrap();
    assert_eq!(driver.rows("counts").unwrap(), logged);
}

#[test]
fn a_store_that_fails_stops_the_application_and_loses_nothing() {
    let kept = Kept::default();
    let mut driver = driver(&kept);
    write(&driver, &[("a", "x")]);
    driver.run_until_idle().unwrap();
    kept.broken.store(true, Ordering::Relaxed);
    write(&driver, &[("a", "y")]);
    let said = driver.run_until_idle().unwrap_err();
    assert!(matches!(&said, DriverError::Engine(_)), "{said}");
    let said = said.to_string();
    assert!(
        said.contains("could not write to the supplied store in ") && said.contains("disk is gone"),
        "{said}"
    );
    kept.broken.store(false, Ordering::Relaxed);
    driver.start(0).unwrap();
    driver.run_until_idle().unwrap();
    assert_eq!(
        driver.rows("counts").unwrap()[&b"a"[..]].1,
        2_i64.to_be_bytes()
    );
    assert_eq!(texts(&driver, "changes"), ["x of 1", "y of 1"]);
}

#[test]
fn a_supplier_that_the_image_has_not_is_named_with_the_store() {
    let options = DriverOptions {
        processors: Processors::new().with("changes", || Changes),
        ..DriverOptions::default()
    };
    let said = TopologyDriver::with_options(APP, &options)
        .err()
        .unwrap()
        .to_string();
    assert!(
        said.contains(
            "spec.topology.storeSuppliers.counts: no store supplier `kept` is registered"
        ),
        "{said}"
    );
    assert!(
        said.contains("registered in this worker image: changes"),
        "{said}"
    );
}
