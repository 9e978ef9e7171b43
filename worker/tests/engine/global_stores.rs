//! Goal: a processor reads a global table's rows, of all keys and of ranges, writes none, and finds them
//! again after a crash. Method: a processor that forwards what it finds.

use millrace_worker::api::{
    Processor, ProcessorContext, ProcessorResult, Processors, Record, Value,
};
use millrace_worker::testing::{DriverOptions, TopologyDriver};

use super::support::{app, shown};

/// Forwards the rate that its value names, the rates from `b` on, and why it may do no more.
struct Look;

impl Processor for Look {
    fn process<'r>(
        &mut self,
        record: Record<'r>,
        context: &mut ProcessorContext<'_, 'r>,
    ) -> ProcessorResult {
        let mut rates = context.key_value("rates")?;
        let found = rates.get(record.value())?;
        let mut from_b = Vec::new();
        rates.scan(Some(Value::String("b")), None, |key, rate| {
            from_b.push(format!("{key}={}@{}", rate.value, rate.timestamp));
            from_b.len() < 2
        })?;
        let refused = [
            rates.put(record.value(), Value::Int(1), 0).err(),
            rates.delete(record.value()).err(),
            rates.get(Value::Null).err(),
            context.window("rates").err(),
            context.key_value("other").err(),
        ];
        let found = found.map_or("none".to_owned(), |rate| {
            format!("{}@{}", rate.value, rate.timestamp)
        });
        let said = format!("{found}; {}", from_b.join(" "));
        context.forward(record.with_value(context.text(&said)))?;
        for why in refused {
            let why = context.text(&why.unwrap().to_string());
            context.forward(record.with_value(why))?;
        }
        Ok(())
    }
}

fn driven(table: &str) -> TopologyDriver {
    let yaml = app(&format!(
        "  topology:\n    globalTables:\n      rates: {table}\n    streams:\n      \
         in: {{topic: in, key: string, value: json}}\n      out:\n        from: in\n        \
         steps: [{{process: {{processor: look, uses: [rates]}}}}]\n        to: {{topic: out}}\n"
    ));
    let options = DriverOptions {
        processors: Processors::new().with("look", || Look),
        ..DriverOptions::default()
    };
    TopologyDriver::with_options(&yaml, &options).unwrap()
}

#[test]
fn a_global_tables_rows_are_read_and_not_written() {
    for kept in ["", ", inMemory: true"] {
        let table = format!("{{topic: rates, key: string, value: json{kept}}}");
        let mut driver = driven(&table);
        for (key, rate, time) in [("a", "1", 5), ("c", "3", 6), ("b", "2", 7), ("d", "4", 8)] {
            driver
                .produce("rates", Some(key), Some(rate), time)
                .unwrap();
        }
        driver.run_until_idle().unwrap();
        let ask = |driver: &mut TopologyDriver, name: &str| {
            let before = shown(driver, "out").len();
            driver
                .produce("in", Some("x"), Some(&format!("{name:?}")), 10)
                .unwrap();
            driver.run_until_idle().unwrap();
            shown(driver, "out")[before..].to_vec()
        };
        let said = ask(&mut driver, "a");
        assert_eq!(
            said,
            [
                r#"x:"1@5; \"b\"=2@7 \"c\"=3@6"@10"#,
                r#"x:"cannot use the store rates so: it is a global table's, and only read"@10"#,
                r#"x:"cannot use the store rates so: it is a global table's, and only read"@10"#,
                r#"x:"cannot use the store rates so: the key is null"@10"#,
                r#"x:"cannot use the store rates so: it is a global table's"@10"#,
                r#"x:"this step has no store other; it has: rates. Name it under `stores` or `uses` of the step"@10"#,
            ]
        );
        assert_eq!(
            ask(&mut driver, "z")[0],
            r#"x:"none; \"b\"=2@7 \"c\"=3@6"@10"#
        );
        driver.crash(0).unwrap();
        driver.start(0).unwrap();
        assert_eq!(
            ask(&mut driver, "d")[0],
            r#"x:"4@8; \"b\"=2@7 \"c\"=3@6"@10"#
        );
    }
}
